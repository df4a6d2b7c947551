#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""behaviour.py BUILD [SCENARIO...]: what real Linux measured (../shared/golden/behaviour.json), measured again in replay.

Each scenario's UDP flows are made as a capture, sent through a router whose eth0 carries the scenario's disciplines, and each flow's
packets that left within the window are counted. They must agree with Linux within 2 % or two packets.
"""
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../conformance'))
from router import shared  # noqa: E402

KINDS = ('htb-', 'tbf-', 'prio-', 'pfifo_fast-', 'sfq-', 'pfifo-')
# Evenly spaced flows lock each other out of a full tail-drop queue, in Linux as here, by the phase at which they happen to meet it: only the
# sum of such flows is the discipline's doing.
SUM_ONLY = {'pfifo-4-unequal'}
TRACE_MS = 0.1  # a burst's departures, one by one
START = 1_000_000_000  # seconds of the first packet's timestamp


def checksum(header):
    total = sum(struct.unpack(f'!{len(header) // 2}H', header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def frame(flow, i, sequence):
    size = flow.get('size', 1000)
    dst = bytes(map(int, flow.get('dst', '10.1.0.2').split('.')))
    ip = struct.pack('!BBHHHBBH4s4s', 0x45, flow.get('tos', 0), size, sequence & 0xffff, 0, 64, 17, 0, bytes((10, 2, 0, 2)), dst)
    ip = ip[:10] + struct.pack('!H', checksum(ip)) + ip[12:]
    udp = struct.pack('!HHHH', flow.get('sport', 40000 + i), flow['dport'], size - 20, 0)
    payload = struct.pack('!II', i, sequence)
    return bytes.fromhex('020000000001020000000002') + b'\x08\x00' + (ip + udp + payload).ljust(size, b'\0')


def traffic(scenario):
    """[(ns since the first packet, frame)], in order."""
    packets = []
    for i, flow in enumerate(scenario['traffic']):
        start = i * 137_000
        end = (scenario['warm_s'] + scenario['window_s']) * 1_000_000_000
        sequence = 0
        for sequence in range(flow.get('burst', 0)):
            packets.append((start, frame(flow, i, sequence)))
        if not flow.get('rate'):
            continue
        gap = (flow.get('size', 1000) + 14) * 8 / flow['rate'] * 1e9
        jitter = random.Random(7 + i)
        at = start
        while at < end:
            packets.append((int(at), frame(flow, i, sequence)))
            sequence += 1
            at += gap * jitter.uniform(0.5, 1.5) if flow.get('jitter') else gap
    packets.sort(key=lambda p: p[0])
    return packets


def write_capture(path, packets):
    with open(path, 'wb') as out:
        out.write(struct.pack('<IHHiIII', 0xa1b23c4d, 2, 4, 0, 0, 65535, 1))
        for ns, data in packets:
            out.write(struct.pack('<IIII', START + ns // 10**9, ns % 10**9, len(data), len(data)) + data)


def read_capture(path):
    """[(ns since START, flow, sequence)]"""
    if not os.path.exists(path):
        return []
    data, found, at = open(path, 'rb').read(), [], 24
    while at < len(data):
        s, ns, caplen, _ = struct.unpack_from('<IIII', data, at)
        flow, sequence = struct.unpack_from('!II', data, at + 16 + 42)
        found.append(((s - START) * 10**9 + ns, flow, sequence))
        at += 16 + caplen
    return found


def replay(build, name, scenario):
    with tempfile.TemporaryDirectory(prefix='weir-behaviour-') as folder:
        write_capture(f'{folder}/in.pcap', traffic(scenario))
        with open(f'{folder}/setup', 'w') as script:
            script.write('set -e\nip link set in up\nip link set eth0 up\nip addr add 10.2.0.1/24 dev in\nip addr add 10.1.0.1/24 dev eth0\n')
            script.write('\n'.join(scenario['setup']) + '\n')
        done = subprocess.run([f'{build}/control/client/weir', 'replay', '--port', f'in,in={folder}/in.pcap', '--port', f'eth0,out={folder}/eth0.pcap',
                               '--config', f'{folder}/setup', '--out', f'{folder}/out'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            return None, done.stdout
        out = f'{folder}/eth0.pcap' if os.path.exists(f'{folder}/eth0.pcap') else f'{folder}/out/eth0.pcap'
        return read_capture(out), ''


def compare(name, scenario, sent):
    wrong = []
    first, last = scenario['warm_s'] * 10**9, (scenario['warm_s'] + scenario['window_s']) * 10**9
    here = [0] * len(scenario['traffic'])
    for ns, flow, _ in sent:
        here[flow] += first <= ns < last
    linux = [flow['packets'] for flow in scenario['measured']['flows']]
    pairs = [('sum', sum(here), sum(linux))] if name in SUM_ONLY else \
        [(flow['name'], here[i], linux[i]) for i, flow in enumerate(scenario['traffic'])]
    for flow, a, b in pairs:
        if abs(a - b) > max(2, 0.02 * b):
            wrong.append(f'{flow}: {a} packets, Linux {b}')
    for i, flow in enumerate(scenario['measured']['flows']):
        trace = flow.get('trace_seq_ms')
        if trace is None:
            continue
        times = {sequence: ns / 1e6 for ns, f, sequence in sent if f == i}
        for sequence, ms in trace:
            if sequence not in times or abs(times[sequence] - ms) > TRACE_MS:
                wrong.append(f'{flow["name"]}: packet {sequence} left at {times.get(sequence)} ms, Linux {ms}')
    return wrong


def main():
    build, only = sys.argv[1], sys.argv[2:]
    scenarios = json.load(open(shared('golden/behaviour.json')))['scenarios']
    passed = failed = 0
    for name, scenario in scenarios.items():
        if only and name not in only or not name.startswith(KINDS):
            continue
        sent, error = replay(build, name, scenario)
        wrong = [f'replay failed: {error}'] if sent is None else compare(name, scenario, sent)
        passed, failed = passed + (not wrong), failed + bool(wrong)
        print(('pass ' if not wrong else 'fail ') + name)
        for line in wrong[:8]:
            print('    ' + line)
    print(f'{passed} passed, {failed} failed, 0 skipped')
    sys.exit(1 if failed or not passed else 0)


main()
