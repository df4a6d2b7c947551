#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_diffserv.py BUILD: the expedited forwarding example of docs/disciplines/dsmark.md, end to end.

What came in at once leaves by DSCP: EF (0x2e) first as far as its token bucket goes, then AF11 (0x0a), then the rest, each in the order in
which it came; EF and AF11 keep their DS field, the rest leaves as CS1 (0x08), ECN bits and checksums right.
"""
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '../conformance'))
from capture import checksum, udp_frame, write_capture  # noqa: E402

SCRIPT = os.path.join(HERE, '../../docs/disciplines/figures/dsmark.sh')
EF, AF11, CS1 = 0xb8, 0x28, 0x20
SIZE, PAYLOAD = 986, 28  # of IP; 1000 bytes as a frame
PRELUDE = 'ip addr add 10.0.0.1/24 dev lan\nip addr add 10.1.0.1/24 dev wan\n'


def read_frames(path):
    data, found, at = open(path, 'rb').read(), [], 24
    while at < len(data):
        s, ns, caplen, _ = struct.unpack_from('<IIII', data, at)
        found.append((s % 10 * 10**9 + ns, data[at + 16:at + 16 + caplen]))
        at += 16 + caplen
    return found


def run(build, tos_of_each):
    """[(ns, number of the packet, its DS field)], as they left a link of 8 mbit: 1 ms each."""
    frames = [udp_frame('10.0.0.2', '10.1.0.2', 5000, 5001, SIZE, tos, i, struct.pack('!I', i)) for i, tos in enumerate(tos_of_each)]
    with tempfile.TemporaryDirectory(prefix='weir-diffserv-') as folder:
        write_capture(f'{folder}/in.pcap', [(0, frame) for frame in frames])
        with open(f'{folder}/config', 'w') as config:
            config.write('set -e\n' + PRELUDE + open(SCRIPT).read())
        subprocess.run([f'{build}/control/client/weir', 'replay', '--port', f'lan,in={folder}/in.pcap', '--port',
                        f'wan,out={folder}/out.pcap,rate=8mbit', '--config', f'{folder}/config', '--out', f'{folder}/out'], check=True)
        left = []
        for ns, frame in read_frames(f'{folder}/out.pcap'):
            assert checksum(frame[14:34]) == 0, 'bad IP checksum'
            left.append((ns, struct.unpack_from('!I', frame, 14 + PAYLOAD)[0], frame[15]))
        return left


def main():
    build = os.path.abspath(sys.argv[1])
    # Twelve packets at once. The bucket holds three EF packets of 1000 bytes, and fills at one in 16 ms.
    tos = [0x00, EF, 0x03, AF11, EF | 1, 0x48, EF, AF11 | 2, EF, 0x00, AF11, EF]
    left = run(build, tos)
    order = [number for _, number, _ in left]
    assert order == [1, 4, 6, 3, 7, 10, 0, 2, 5, 9, 8, 11], order
    # 16 ms and 32 ms of tokens behind the first three, whatever the link.
    assert [round(ns / 1e6) for ns, number, _ in left if number in (8, 11)] == [16, 32], left
    # DSCP 0x12 has a row that says nothing: only DSCP 0 is remarked.
    expected = {0: CS1, 2: CS1 | 3, 9: CS1}
    for _, number, ds in left:
        assert ds == expected.get(number, tos[number]), (number, hex(ds))
    print('1 passed, 0 failed, 0 skipped')


main()
