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


def replay(name, packets, setup, changes, rate=None):
    """Packets (ns, frame) through a to b; changes (second, script). Gives the output, the report and the lines of packets.csv."""
    write_capture('in.pcap', packets)
    open('setup', 'w').write(SETUP + setup)
    at = []
    for number, (second, script) in enumerate(changes):
        open(f'change{number}', 'w').write('set -e\n' + script)
        at += ['--at', str(second), f'change{number}']
    done = subprocess.run([WEIR, 'replay', '--port', 'a,in=in.pcap', '--port', 'b' + (f',rate={rate}' if rate else ''), '--config', 'setup', *at, '--out', 'out',
                           '--packets'], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        fail(name, done.stdout + done.stderr)
        return '', None, []
    return done.stdout, json.load(open('out/report.json')), list(csv.DictReader(open('out/packets.csv')))


def steady(pps, seconds, size=1000, flows=1):
    return [(i * 10**9 // pps, udp_frame('10.1.0.2', '10.2.0.2', 1000 + i % flows, 9, size - 14, ident=i)) for i in range(int(pps * seconds))]


def departure(line):
    """ns; None: it was dropped."""
    told = line['departure_ns_or_drop_reason']
    return int(told) if told.isdigit() else None


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


# ---- changes under load ------------------------------------------------------------------------------------------------------

FLOWS = 4
HTB = ('tc qdisc {0} dev b root handle {1}: htb default 3\ntc class add dev b parent {1}: classid {1}:1 htb rate 1mbit\n'
       'tc class add dev b parent {1}:1 classid {1}:2 htb rate 500kbit ceil 1mbit\n'
       'tc class add dev b parent {1}:1 classid {1}:3 htb rate 500kbit ceil 1mbit\n'
       'tc qdisc add dev b parent {1}:2 handle {1}2: sfq\ntc qdisc add dev b parent {1}:3 handle {1}3: pfifo limit 1000\n'
       'tc filter add dev b parent {1}: protocol ip prio 1 u32 match ip sport 1001 0xffff flowid {1}:2\n')
SIMPLE = {
    'pfifo': 'pfifo limit 1000', 'bfifo': 'bfifo limit 1000000', 'pfifo_fast': 'pfifo_fast', 'prio': 'prio',
    'tbf': 'tbf rate 800kbit burst 5kb limit 1000000', 'sfq': 'sfq limit 1000 depth 1000 flows 1024', 'fq_codel': 'fq_codel target 10s interval 20s',
    'codel': 'codel limit 1000 target 10s interval 20s', 'red': 'red limit 1000000 min 400000 max 900000 avpkt 1000 burst 500',
}


def moved(name, setup, changes, dropped=0):
    """300 packets of four flows into a link of 1 mbit, four times as fast as it sends: each is there once, a flow's in order."""
    packets = steady(500, 0.6, flows=FLOWS)
    out, report, lines = replay(name, packets, setup, changes, rate='1mbit')
    if report is None:
        return
    totals, problems = report['totals'], []
    if (totals['received'], totals['sent'], totals['dropped'], totals['queued']) != (300, 300 - dropped, dropped, 0):
        problems.append(f'totals {totals}, drops {report["drops"]}')
    if sorted(int(line['arrival_ns']) for line in lines) != [int(line['arrival_ns']) for line in lines] or len(lines) != 300:
        problems.append(f'{len(lines)} lines')
    for flow in range(FLOWS):
        left = [ns for ns in map(departure, lines[flow::FLOWS]) if ns is not None]
        if left != sorted(left) or len(set(left)) != len(left):
            problems.append(f'flow {flow} is out of order')
    if problems:
        fail(name, '\n'.join(problems))


def replaced():
    """The root gives its place to another while some hundred packets wait in it."""
    kinds = list(SIMPLE)
    for number, old in enumerate(kinds):
        for new in (kinds[(number + 1) % len(kinds)], kinds[(number + 4) % len(kinds)]):
            moved(f'{old} replaced by {new}', f'tc qdisc add dev b root handle 1: {SIMPLE[old]}\n',
                  [(0.35, f'tc qdisc replace dev b root handle 2: {SIMPLE[new]}\n')])
    for kind, options in SIMPLE.items():
        moved(f'htb replaced by {kind}', HTB.format('add', 1), [(0.35, f'tc qdisc replace dev b root handle 2: {options}\n')])
        moved(f'{kind} replaced by htb', f'tc qdisc add dev b root handle 1: {options}\n', [(0.35, HTB.format('replace', 2))])
    moved('htb replaced by htb', HTB.format('add', 1), [(0.35, HTB.format('replace', 2)), (0.7, HTB.format('replace', 1))])
    moved('htb deleted', HTB.format('add', 1), [(0.35, 'tc qdisc del dev b root\n')])
    moved('pfifo deleted and back', 'tc qdisc add dev b root pfifo limit 1000\n',
          [(0.3, 'tc qdisc del dev b root\n'), (0.5, 'tc qdisc add dev b root handle 5: sfq limit 1000 depth 1000\n')])


# ---- what a packet counts ----------------------------------------------------------------------------------------------------

def atm(size):
    return (size + 47) // 48 * 53


def counted():
    """Packets of one size leave a shaper of 1 mbit at a distance that says what each counts: stab, and the shapers' own options."""
    tbf, htb = '{} tbf rate 1mbit burst 2kb limit 1000000 {}\n', ('{} htb default 1\ntc class add dev b parent 1: classid 1:1 htb rate 1mbit '
                                                                '{}\ntc qdisc add dev b parent 1:1 handle 2: sfq depth 1000 limit 1000\n')
    for shaper in (tbf, htb):
        for before, after, bytes_of in (('', '', lambda n: n),
                                        ('stab overhead 24 mpu 84', '', lambda n: max(n + 24, 84)),
                                        ('stab overhead -14 linklayer ethernet', '', lambda n: n - 14),
                                        ('stab linklayer atm overhead 8', '', lambda n: atm(n + 8)),
                                        ('stab linklayer adsl overhead 10 mpu 96', '', lambda n: atm(max(n + 10, 96))),
                                        ('', 'overhead 24 mpu 84', lambda n: max(n + 24, 84)),
                                        ('', 'overhead 8 linklayer atm', lambda n: atm(n + 8))):
            for size in (60, 1000, 1512):  # a table of 512 entries tells sizes of four bytes apart
                name = f'{shaper[3:6]} {before}{after}, {size} bytes'
                _, report, lines = replay(name, [(0, packet) for _, packet in steady(1, 100, size)],
                                          'tc qdisc add dev b root handle 1: ' + shaper.format(before, after), [])
                times = [ns for ns in map(departure, lines) if ns is not None]
                got, want = (times[-1] - times[-41]) / 40 if len(times) == 100 else 0, bytes_of(size) * 8000
                if abs(got - want) > 2:
                    fail(name, f'want {want} ns between two packets, got {got}; {len(times)} left')


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for test in (estimators, replaced, counted):
            test()
        os.chdir('/')
    print(f'{len(failures)} failed')
    sys.exit(len(failures) != 0)


main()
