#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_changes.py BUILD: the configuration changes while packets wait, at exact times (--at).

Whatever changes, no packet is lost by it, none comes twice, and those of a flow stay in order; what is shown at a given time is
what it must be by definition.
"""
import csv
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../conformance'))
from capture import udp_frame, write_capture

WEIR = os.path.join(os.path.abspath(sys.argv[1]), 'control/client/weir')
SETUP = 'ip addr add 10.1.0.1/24 dev a\nip addr add 10.2.0.1/24 dev b\n'
failures = []


def fail(name, text):
    failures.append(name)
    print(f'FAILED: {name}:\n    ' + str(text).strip().replace('\n', '\n    '))


def replay(name, packets, setup, changes, *more):
    """Packets (ns, frame) through a to b; changes (second, script). Gives the output, the report and the lines of packets.csv."""
    write_capture('in.pcap', packets)
    open('setup', 'w').write(SETUP + setup)
    at = []
    for number, (second, script) in enumerate(changes):
        open(f'change{number}', 'w').write('set -e\n' + script)
        at += ['--at', str(second), f'change{number}']
    done = subprocess.run([WEIR, 'replay', '--port', 'a,in=in.pcap', '--port', 'b', '--config', 'setup', *at, '--out', 'out',
                           '--packets', *more], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        fail(name, done.stdout + done.stderr)
        return '', None, []
    return done.stdout, json.load(open('out/report.json')), list(csv.DictReader(open('out/packets.csv')))


def steady(pps, seconds, size=1000, flows=1):
    return [(i * 10**9 // pps, udp_frame('10.1.0.2', '10.2.0.2', 1000 + i % flows, 9, size - 14, ident=i)) for i in range(int(pps * seconds))]


# ---- rate estimators ---------------------------------------------------------------------------------------------------------

def rates(text):
    """[(bytes a second, packets a second)] as `tc -s` shows them."""
    unit = {'bit': 1, 'Kbit': 10**3, 'Mbit': 10**6}
    return [(int(number) * unit[word] // 8, int(pps)) for number, word, pps in re.findall(r'rate (\d+)(\w*bit) (\d+)pps', text)]


def estimators():
    """100 packets a second of 1000 bytes: after n samples of weight w the average is 1 - (1 - w)^n of that."""
    show = 'tc -s qdisc show dev b\ntc -s class show dev b classid 1:1\necho --\n'
    out, _, _ = replay('estimators', steady(100, 4), 'tc qdisc add dev b root handle 1: est 1sec 8sec htb default 1\n'
                       'tc class add dev b parent 1: classid 1:1 est 250ms 1sec htb rate 10mbit\n'
                       'tc class add dev b parent 1: classid 1:2 htb rate 1mbit\n',
                       [(0.5, show), (1.999, show), (3.9, show), (100, show), (101, f'{WEIR} save\n')])
    want = []
    for samples in ((0, 2), (1, 7), (3, 15)):
        averages = [100 * (1 - (1 - weight) ** n) for weight, n in zip((1 / 8, 1 / 4), samples)]
        want.append([(int(1000 * pps), int(pps)) for pps in averages])
    want.append([(0, 0), (0, 0)])
    got = [rates(part) for part in out.split('--\n')[:4]]
    if got != want:
        fail('estimators', f'want {want}\ngot {got}\n{out}')
    for line in ('root handle 1: est 1000ms 8000ms htb', 'classid 1:1 est 250ms 1000ms htb', 'classid 1:2 htb'):
        if line not in out:
            fail('estimators in weir save', f'no {line!r} in:\n{out}')


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for test in (estimators,):
            test()
        os.chdir('/')
    print(f'{len(failures)} failed')
    sys.exit(len(failures) != 0)


main()
