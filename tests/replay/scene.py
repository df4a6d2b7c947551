# SPDX-License-Identifier: BSD-3-Clause
"""Replays of a router between a few networks: frames that arrive, a script, what left, and books that balance."""
import json
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../conformance'))
from capture import ETHERNET, START, address, checksum, udp_frame, write_capture  # noqa: E402, F401

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def ip4(src, dst, protocol, payload, tos=0, ident=0, ttl=64, size=0, options=b''):
    """An IP packet, padded to size bytes."""
    payload = payload.ljust(size - 20 - len(options), b'\0')
    head = struct.pack('!BBHHHBBH4s4s', 0x45 + len(options) // 4, tos, 20 + len(options) + len(payload), ident & 0xffff, 0, ttl, protocol, 0,
                       address(src), address(dst)) + options
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + payload


def with_sum(src, dst, protocol, segment, at):
    """segment with its checksum, which covers the pseudo-header, at that offset."""
    pseudo = address(src) + address(dst) + struct.pack('!BBH', 0, protocol, len(segment))
    value = checksum(pseudo + segment + b'\0' * (len(segment) % 2))
    return segment[:at] + struct.pack('!H', value) + segment[at + 2:]


def tcp(src, dst, sport, dport, flags=ACK, data=b'', options=b'', **ip):
    data = data.ljust(ip.pop('size', 0) - 40 - len(options), b'\0')
    head = struct.pack('!HHIIBBHHH', sport, dport, 1, 1, (5 + len(options) // 4) << 4, flags, 65535, 0, 0) + options
    return ETHERNET + ip4(src, dst, 6, with_sum(src, dst, 6, head + data, 16), **ip)


def udp(src, dst, sport, dport, data=b'', **ip):
    data = data.ljust(ip.pop('size', 0) - 28, b'\0')
    return ETHERNET + ip4(src, dst, 17, with_sum(src, dst, 17, struct.pack('!HHHH', sport, dport, 8 + len(data), 0) + data, 6), **ip)


def echo(src, dst, sequence=0, data=b'', **ip):
    data = data.ljust(ip.pop('size', 0) - 28, b'\0')
    message = struct.pack('!BBHHH', 8, 0, 0, 1, sequence & 0xffff) + data
    return ETHERNET + ip4(src, dst, 1, message[:2] + struct.pack('!H', checksum(message + b'\0' * (len(message) % 2))) + message[4:], **ip)


def read_frames(path):
    """[(ns since START, frame)]; none where nothing left."""
    if not os.path.exists(path):
        return []
    data, found, at = open(path, 'rb').read(), [], 24
    while at < len(data):
        s, ns, caplen, _ = struct.unpack_from('<IIII', data, at)
        found.append(((s - START) * 10**9 + ns, data[at + 16:at + 16 + caplen]))
        at += 16 + caplen
    return found


def sums_right(frame):
    """Are all checksums of an untagged IPv4 frame right?"""
    header, total = (frame[14] & 15) * 4, struct.unpack_from('!H', frame, 16)[0]
    ip, protocol, segment = frame[14:14 + header], frame[23], frame[14 + header:14 + total]
    segment += b'\0' * (len(segment) % 2)
    if protocol not in (6, 17) or protocol == 17 and segment[6:8] == b'\0\0':
        return checksum(ip) == 0 and (protocol != 1 or checksum(segment) == 0)
    return checksum(ip) == 0 and checksum(ip[12:20] + struct.pack('!BBH', 0, protocol, total - header) + segment) == 0


class Run:
    """One replay. frames: {port: [(ns, frame)]}; ports: names, with options of --port behind a comma; at: [(seconds, script)]."""

    def __init__(self, build, ports, frames, config, at=(), prelude=True, check=True, seed=1):
        self.folder = tempfile.TemporaryDirectory(prefix='weir-scene-')
        folder, words = self.folder.name, []
        for port in ports:
            name, *options = port.split(',')
            if name in frames:
                write_capture(f'{folder}/{name}.in', sorted(frames[name], key=lambda item: item[0]))
                options.append(f'in={folder}/{name}.in')
            words += ['--port', ','.join([name, f'out={folder}/{name}.out', *options])]
        for i, (when, script) in enumerate([('config', config), *at]):
            with open(f'{folder}/{i}.sh', 'w') as out:
                out.write(('set -e\n' if prelude else '') + script)
            words += ['--config', f'{folder}/{i}.sh'] if i == 0 else ['--at', str(when), f'{folder}/{i}.sh']
        self.done = subprocess.run([f'{os.path.abspath(build)}/control/client/weir', 'replay', *words, '--out', f'{folder}/out', '--seed', str(seed)],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)
        if check:
            assert self.done.returncode == 0, self.done.stdout
            self.report = json.load(open(f'{folder}/out/report.json'))
            totals = self.report['totals']
            assert totals['received'] + totals['generated'] == totals['sent'] + totals['delivered'] + totals['dropped'] + totals['queued'], totals

    def sent(self, port):
        return read_frames(f'{self.folder.name}/{port}.out')

    def read(self, name):
        """What a script wrote there."""
        with open(f'{self.folder.name}/{name}') as text:
            return text.read()

    def lines_after(self, name, start):
        """[(line that starts so, the next one)]"""
        lines = self.read(name).split('\n')
        return [(line, after) for line, after in zip(lines, lines[1:]) if line.startswith(start)]

    def drops(self, reason):
        return self.report['drops'].get(reason, 0)


def rate_bits(sent, start=0, end=None):
    """Bits a second of the frames that left from start to end (ns); each counts from its departure to the next one's."""
    inside = [(ns, len(frame)) for ns, frame in sent if ns >= start and (end is None or ns <= end)]
    return sum(size for _, size in inside[:-1]) * 8 * 1e9 / (inside[-1][0] - inside[0][0])


def main(*tests):
    """Runs each test with the build directory of the command line."""
    failed = 0
    for test in tests:
        try:
            test(sys.argv[1])
        except AssertionError:
            import traceback
            traceback.print_exc()
            print(f'FAIL {test.__name__}')
            failed += 1
    print(f'{len(tests) - failed} passed, {failed} failed, 0 skipped')
    sys.exit(1 if failed else 0)
