#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""behaviour.py BUILD [SCENARIO...]: what real Linux measured (../shared/golden/behaviour.json), measured again in replay.

Each scenario's UDP flows are made as a capture, sent through a router whose eth0 carries the scenario's disciplines, and each flow's
packets that left within the window are counted. They, and their mean delays, must agree with Linux within 2 % or two packets. Where there are no flows, a packet of
each TOS is sent, and its class and the TOS with which it leaves must be Linux's, and its IP checksum right.
"""
import csv
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../conformance'))
from capture import START, checksum, udp_frame, write_capture  # noqa: E402
from router import shared  # noqa: E402

KINDS = (
    'cbq-',
    'drr-',
    'dsmark-',
    'fq_codel-',
    'hfsc-',
    'htb-',
    'netem-',
    'pfifo-',
    'pfifo_fast-',
    'police-',
    'prio-',
    'red-',
    'sfq-',
    'tbf-',
    'tcindex-',
)
# Evenly spaced flows lock each other out of a full tail-drop queue, in Linux as here, by the phase at which they happen to meet it: only the
# sum of such flows is the discipline's doing.
SUM_ONLY = {'pfifo-4-unequal'}
# Where CoDel meets a flow that never yields, the delay swings by hundreds of milliseconds, and each packet decides the next swing: with the root in
# 16 bits, as Linux has it, they come at other times than by RFC 8289 to the letter (test_codel.c).
SWINGS = {('fq_codel-4-unequal', 'c')}
FEW = 100  # packets
TRACE_MS = 0.2  # a burst's departures, one by one: Linux took 15 us to send each


def frame(flow, i, sequence):
    return udp_frame('10.2.0.2', flow.get('dst', '10.1.0.2'), flow.get('sport', 40000 + i), flow['dport'], flow.get('size', 1000),
                     flow.get('tos', 0), sequence, struct.pack('!II', i, sequence))


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


def here(line):
    """What Linux did where the packets arrived (its host b) is done where they come in."""
    return re.sub(r'^tc -n b (.*) dev eth0', r'tc \1 dev in', line)


def replay(build, scenario, packets, read):
    """What read(folder) finds in the results of a replay, or None and what was said."""
    with tempfile.TemporaryDirectory(prefix='weir-behaviour-') as folder:
        write_capture(f'{folder}/in.pcap', packets)
        with open(f'{folder}/setup', 'w') as script:
            script.write('set -e\nip link set in up\nip link set eth0 up\nip addr add 10.2.0.1/24 dev in\nip addr add 10.1.0.1/24 dev eth0\n')
            script.write('\n'.join(map(here, scenario['setup'])) + '\n')
        done = subprocess.run([f'{build}/control/client/weir', 'replay', '--port', f'in,in={folder}/in.pcap', '--port', f'eth0,out={folder}/eth0.pcap',
                               '--config', f'{folder}/setup', '--packets', '--out', f'{folder}/out'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            return None, done.stdout
        return read(folder), ''


def tos_of(packet):
    return int(packet['tos_in'], 16)


def one_of_each_tos(scenario):
    return [(i * 1_000_000, udp_frame('10.2.0.2', '10.1.0.2', 40000, packet.get('dport', 9), 100, tos_of(packet)))
            for i, packet in enumerate(scenario['measured']['packets'])]


def read_frames(path):
    data, found, at = open(path, 'rb').read(), [], 24
    while at < len(data):
        caplen, = struct.unpack_from('<I', data, at + 8)
        found.append(data[at + 16:at + 16 + caplen])
        at += 16 + caplen
    return found


def read_each(folder):
    """[(class, frame)]: they leave in the order in which they came."""
    with open(f'{folder}/out/packets.csv', newline='') as lines:
        return list(zip([line['class'] for line in csv.DictReader(lines)], read_frames(f'{folder}/eth0.pcap')))


def compare_each(scenario, each):
    packets, wrong = scenario['measured']['packets'], []
    if len(each) != len(packets):
        return [f'{len(each)} packets of {len(packets)} have left']
    for packet, (where, frame) in zip(packets, each):
        if 'class' in packet and [where] != packet['class']:
            wrong.append(f'TOS {packet["tos_in"]}: class {where}, Linux {packet["class"]}')
        if frame[15] != int(packet.get('tos_out', packet['tos_in']), 16):
            wrong.append(f'TOS {packet["tos_in"]}: left with {frame[15]:#04x}, on Linux {packet["tos_out"]}')
        if checksum(frame[14:34]) != 0:
            wrong.append(f'TOS {packet["tos_in"]}: bad IP checksum')
    return wrong


def compare_delays(name, scenario, sent, first, last):
    """The mean of each flow's delays, within 2 % or the time of two packets."""
    wrong = []
    came = {struct.unpack_from('!II', frame, 42): ns for ns, frame in traffic(scenario)}
    inside = [(flow, (ns - came[flow, sequence]) / 1e6) for ns, flow, sequence in sent if first <= ns < last]
    two_packets = 2e3 * scenario['window_s'] / max(1, len(inside))
    for i, flow in enumerate(scenario['measured']['flows']):
        delays = [delay for f, delay in inside if f == i]
        # Of a few packets it is chance which ones the window shows.
        if flow['packets'] < FEW or not delays or (name, flow['name']) in SWINGS:
            continue
        mean, linux = sum(delays) / len(delays), flow['delay_ms']['mean']
        if abs(mean - linux) > max(two_packets, 0.02 * linux):
            wrong.append(f'{scenario["traffic"][i]["name"]}: delayed by {mean:.3f} ms, Linux {linux} ms')
    return wrong


def compare_shares(name, scenario, sent):
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
    if name not in SUM_ONLY:
        wrong += compare_delays(name, scenario, sent, first, last)
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
        if only and name not in only or not name.startswith(KINDS + ('tos-to-priority',)):
            continue
        if scenario['traffic']:
            sent, error = replay(build, scenario, traffic(scenario), lambda folder: read_capture(f'{folder}/eth0.pcap'))
            wrong = [f'replay failed: {error}'] if sent is None else compare_shares(name, scenario, sent)
        else:
            each, error = replay(build, scenario, one_of_each_tos(scenario), read_each)
            wrong = [f'replay failed: {error}'] if each is None else compare_each(scenario, each)
        passed, failed = passed + (not wrong), failed + bool(wrong)
        print(('pass ' if not wrong else 'fail ') + name)
        for line in wrong[:8]:
            print('    ' + line)
    print(f'{passed} passed, {failed} failed, 0 skipped')
    sys.exit(1 if failed or not passed else 0)


main()
