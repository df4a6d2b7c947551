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
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../conformance'))
from capture import START, udp_frame, write_capture

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
    """ns since the first packet came; None: it was dropped."""
    told = line['departure_ns_or_drop_reason']
    return int(told) - START * 10**9 if told.isdigit() else None


def arrival(line):
    return int(line['arrival_ns']) - START * 10**9


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


def average_rate():
    """A policer of 100 kbit on average: 160 kbit come for 8 s, then 40 kbit; each packet's fate by the definition of the average."""
    packets = steady(20, 8) + [(8 * 10**9 + at, frame) for at, frame in steady(5, 8)]
    out, report, lines = replay('average rate', packets, 'tc qdisc add dev b clsact\n'
                                'tc filter add dev b egress est 1sec 4sec matchall action police avrate 100kbit conform-exceed drop/pass\n',
                                [(7.9, 'tc -s filter show dev b egress\n'), (100, f'tc -s actions ls action police\n{WEIR} save\n')])
    average, counted, sampled, exceed, at_8 = 0.0, 0, 0, set(), 0
    for number, (ns, _) in enumerate(packets):
        while sampled + 10**9 <= ns:
            average, counted, sampled = average + (counted - average) / 4, 0, sampled + 10**9
        if average >= 12500:
            exceed.add(number)
        counted += 1000
        at_8 = at_8 if ns >= 8 * 10**9 else int(average)
    got = {number for number, line in enumerate(lines) if departure(line) is None}
    if got != exceed or not 80 <= len(exceed) < 120:
        fail('average rate', f'dropped {sorted(got)}\nwant {sorted(exceed)}')
    if [rate for rate, _ in rates(out[out.find('Sent'):])] != [at_8, 0]:
        fail('average rate shown', f'want {at_8}, 0:\n{out}')
    for line in (f'dropped {len(exceed)}, overlimits {len(exceed)} ', ' est 1000ms 4000ms', ' avrate 12500bps conform-exceed drop/ok'):
        if line not in out:
            fail('average rate', f'no {line!r} in:\n{out}')


# ---- changes under load ------------------------------------------------------------------------------------------------------

FLOWS = 4
TOS = (0x00, 0x10, 0x08, 0x04)  # of each flow, and 10.1.0.2 and on are their hosts
BY_PORT = ''.join(f'tc filter add dev b parent {{0}}: protocol ip prio 1 u32 match ip sport {1000 + flow} 0xffff flowid {{0}}:{flow + 1}\n' for flow in range(FLOWS))
CBQ = 'cbq bandwidth 1mbit allot 1514 avpkt 1000 cell 8 maxburst 4 '

# Each kind as it stands at the root of b with handle {0}: and holds hundreds of packets; {1} is the verb, add or replace.
TREES = {
    'pfifo': 'tc qdisc {1} dev b root handle {0}: pfifo limit 1000\n',
    'bfifo': 'tc qdisc {1} dev b root handle {0}: bfifo limit 1000000\n',
    'noqueue': 'tc qdisc {1} dev b root handle {0}: noqueue\n',
    'pfifo_fast': 'tc qdisc {1} dev b root handle {0}: pfifo_fast\n',
    'tbf': 'tc qdisc {1} dev b root handle {0}: tbf rate 800kbit burst 5kb limit 1000000\n',
    'sfq': 'tc qdisc {1} dev b root handle {0}: sfq limit 1000 depth 1000 flows 1024\n',
    'red': 'tc qdisc {1} dev b root handle {0}: red limit 1000000 min 400000 max 900000 avpkt 1000 burst 500 bandwidth 1mbit\n',
    'gred': 'tc qdisc {1} dev b root handle {0}: gred setup DPs 2 default 1 limit 1000000\n'
            'tc qdisc change dev b root handle {0}: gred DP 1 limit 1000000 min 400000 max 900000 avpkt 1000 burst 500 bandwidth 1mbit probability 0.1\n',
    'prio': 'tc qdisc {1} dev b root handle {0}: prio\n',
    'htb': 'tc qdisc {1} dev b root handle {0}: htb default 3\ntc class add dev b parent {0}: classid {0}:f htb rate 1mbit\n' + ''.join(
        f'tc class add dev b parent {{0}}:f classid {{0}}:{flow + 1} htb rate {rate}kbit ceil 1mbit\n' for flow, rate in enumerate((400, 400, 100, 100)))
        + 'tc qdisc add dev b parent {0}:2 handle {0}2: sfq depth 1000 limit 1000\n' + BY_PORT,
    'cbq': 'tc qdisc {1} dev b root handle {0}: cbq bandwidth 1mbit avpkt 1000 cell 8\n' + ''.join(
        f'tc class add dev b parent {{0}}: classid {{0}}:{flow + 1} {CBQ} rate {rate}kbit prio 5 weight {rate}kbit\n' for flow, rate in enumerate((400, 400, 100, 100)))
        + BY_PORT,
    'dsmark': 'tc qdisc {1} dev b root handle {0}: dsmark indices 8\n' + BY_PORT,
    'wrr': 'tc qdisc {1} dev b root handle {0}: wrr sour ip classes 8\n',
    'hfsc': 'tc qdisc {1} dev b root handle {0}: hfsc default 3\n' + ''.join(
        f'tc class add dev b parent {{0}}: classid {{0}}:{flow + 1} hfsc ls rate {rate}kbit\n' for flow, rate in enumerate((400, 400, 100, 100))) + BY_PORT,
    'drr': 'tc qdisc {1} dev b root handle {0}: drr\n' + ''.join(
        f'tc class add dev b parent {{0}}: classid {{0}}:{flow + 1} drr quantum {rate}\n' for flow, rate in enumerate((4000, 4000, 1000, 1000))) + BY_PORT,
    'codel': 'tc qdisc {1} dev b root handle {0}: codel limit 1000 target 10s interval 20s\n',
    'fq_codel': 'tc qdisc {1} dev b root handle {0}: fq_codel target 10s interval 20s\n',
    'netem': 'tc qdisc {1} dev b root handle {0}: netem delay 10ms limit 1000\n',
    'teql0': 'tc qdisc {1} dev b root handle {0}: teql0\n',
}


def load():
    """300 packets of four flows into a link of 1 mbit, four times as fast as it sends."""
    return [(i * 2_000_000, udp_frame(f'10.1.0.{2 + i % FLOWS}', '10.2.0.2', 1000 + i % FLOWS, 9, 986, TOS[i % FLOWS], i)) for i in range(300)]


def moved(name, setup, changes, dropped=0, effect=None):
    """Whatever is changed while the load comes and waits: each packet is there once or was dropped as it came, a flow's in order."""
    out, report, lines = replay(name, load(), setup, changes, rate='1mbit')
    if report is None:
        return
    totals, problems = report['totals'], []
    gone = totals['dropped'] if dropped is None else dropped
    if (totals['received'], totals['sent'], totals['dropped'], totals['queued']) != (300, 300 - gone, gone, 0):
        problems.append(f'totals {totals}, drops {report["drops"]}')
    if sorted(map(arrival, lines)) != list(map(arrival, lines)) or len(lines) != 300:
        problems.append(f'{len(lines)} lines')
    for flow in range(FLOWS):
        left = [ns for ns in map(departure, lines[flow::FLOWS]) if ns is not None]
        if left != sorted(left) or len(set(left)) != len(left):
            problems.append(f'flow {flow} is out of order')
    if effect is not None and not problems:
        wrong = effect(out, lines)
        problems += [f'{wrong}\n{out}'] if wrong else []
    if problems:
        fail(name, '\n'.join(problems))


def replaced():
    """The root gives its place to another tree, of any kind, while some hundred packets wait in it."""
    kinds = list(TREES)
    for number, old in enumerate(kinds):
        for step in (1, 7):
            new = kinds[(number + step) % len(kinds)]
            moved(f'{old} replaced by {new}', TREES[old].format(1, 'add'), [(0.35, TREES[new].format(2, 'replace'))])
        moved(f'{old} deleted', TREES[old].format(1, 'add'), [(0.35, 'tc qdisc del dev b root\n')])
        # of its own kind, and back
        moved(f'{old} replaced by {old}', TREES[old].format(1, 'add'), [(0.35, TREES[old].format(2, 'replace')), (0.7, TREES[old].format(1, 'replace'))])
    moved('pfifo deleted and back', 'tc qdisc add dev b root pfifo limit 1000\n',
          [(0.3, 'tc qdisc del dev b root\n'), (0.5, 'tc qdisc add dev b root handle 5: sfq limit 1000 depth 1000\n')])


# Of `change`: what is to be seen behind it, by (output, lines of packets.csv).

CHANGED_AT = 350_000_000  # ns, with 175 packets come and 44 gone


def sent_of(lines, first_ns, last_ns):
    """How many of each flow left between the two."""
    return [sum(first_ns <= ns < last_ns for ns in map(departure, lines[flow::FLOWS]) if ns is not None) for flow in range(FLOWS)]


def shares(before, after):
    """Of 1 mbit, in packets of each flow a second, within three packets: before the change, and behind it."""
    def check(_, lines):
        for begin, end, want in ((100_000_000, CHANGED_AT, before), (CHANGED_AT + 50_000_000, CHANGED_AT + 450_000_000, after)):
            got, want = sent_of(lines, begin, end), [share * (end - begin) / 1e9 for share in want]
            if any(abs(g - w) > 3 for g, w in zip(got, want)):
                return f'sent {got} of each flow between {begin} and {end} ns, want {want}'
        return ''
    return check


def first_is(flow):
    """What leaves behind the change is of that flow, as long as it has any; none was before."""
    def check(_, lines):
        before, after = sent_of(lines, 200_000_000, CHANGED_AT), sent_of(lines, CHANGED_AT + 10_000_000, CHANGED_AT + 200_000_000)
        return '' if before[flow] == 0 and sum(after) == after[flow] > 20 else f'sent {before} before, {after} behind the change'
    return check


def distance(ns):
    """Packets leave that far from each other behind the change."""
    def check(_, lines):
        times = sorted(t for t in map(departure, lines) if t is not None and t > CHANGED_AT + 100_000_000)
        return '' if abs((times[50] - times[0]) / 50 - ns) < 0.001 * ns else f'{(times[50] - times[0]) / 50} ns between two packets'
    return check


def later_by(ns):
    """Who comes behind the change leaves that much later, at least; who came before it does not."""
    def check(_, lines):
        waits = [(arrival(line), departure(line) - arrival(line)) for line in lines]
        wrong = [wait for wait in waits if (wait[1] >= ns) != (wait[0] >= CHANGED_AT)]
        return f'delayed by another time, who came at and by what: {wrong[:3]}' if wrong else ''
    return check


def drops(reason, least):
    """Only behind the change, and only for that reason."""
    def check(_, lines):
        reasons = [(arrival(line), line['departure_ns_or_drop_reason']) for line in lines if departure(line) is None]
        wrong = [r for r in reasons if r[1] != reason or (reason != 'codel' and r[0] < CHANGED_AT)]
        return '' if not wrong and len(reasons) >= least else f'{len(reasons)} dropped, {wrong[:3]}'
    return check


def shows(*texts):
    def check(out, _):
        return ''.join(f'{text!r} is not shown\n' for text in texts if text not in out)
    return check


def marked(value):
    def check(_, __):
        data, at, seen = open('out/b.pcap', 'rb').read(), 24, []
        while at < len(data):
            length = struct.unpack_from('<I', data, at + 8)[0]
            if data[at + 16 + 12:at + 16 + 14] == b'\x08\x00' and data[at + 16 + 29] == 2:  # of the first host
                seen.append(data[at + 16 + 15])
            at += 16 + length
        return '' if seen[0] != value and seen[-1] == value and sorted(seen, key=lambda tos: tos == value) == seen else f'DS fields {seen}'
    return check


REFUSED = '! tc qdisc change dev b root handle 1: {} 2>&1\ntc -d qdisc show dev b\n'
EVEN, TURNED = (50, 50, 12.5, 12.5), (12.5, 12.5, 50, 50)
# kind: [(what runs at 350 ms, packets that it makes the tree drop (None: not told), what is to be seen)]
CHANGES = {
    # 131 packets wait: none is thrown away, and none comes in until there is room
    'pfifo': [('tc qdisc change dev b root handle 1: pfifo limit 50\n', 125, drops('queue_full', 125))],
    'bfifo': [('tc qdisc change dev b root handle 1: bfifo limit 50000\n', 125, drops('queue_full', 125))],
    'noqueue': [('tc qdisc change dev b root noqueue\n', 0, None)],
    'pfifo_fast': [('tc qdisc change dev b root handle 1: pfifo_fast\n', 0, None), ('ip link set dev b txqueuelen 20\n', None, drops('queue_full', 60))],
    'tbf': [('tc qdisc change dev b root handle 1: tbf rate 400kbit burst 5kb limit 1000000\n', 0, distance(20_000_000)),
            ('tc qdisc change dev b root handle 1: tbf rate 800kbit burst 5kb limit 50000\n', 125, drops('queue_full', 125))],
    'sfq': [(REFUSED.format('sfq limit 5'), 0, shows('limit 1000p', 'Change operation not supported'))],
    'red': [('tc qdisc change dev b root handle 1: red limit 1000000 min 5000 max 15000 avpkt 1000 burst 6 bandwidth 1mbit\n', None, drops('early', 80))],
    'gred': [('tc qdisc change dev b root handle 1: gred DP 1 limit 1000000 min 5000 max 15000 avpkt 1000 burst 6 bandwidth 1mbit probability 0.1\n',
              None, drops('early', 80))],
    'prio': [('tc qdisc change dev b root handle 1: prio bands 4 priomap 1 1 0 1 3 1 2 1 1 1 1 1 1 1 1 1\n', 0, first_is(2))],
    'htb': [('tc class change dev b parent 1:f classid 1:{} htb rate 100kbit ceil 1mbit\n' * 2 + 'tc class change dev b parent 1:f classid 1:{} htb rate 400kbit '
             'ceil 1mbit\n' * 2, 0, shares(EVEN, TURNED))],
    'cbq': [(f'tc class change dev b parent 1: classid 1:{{}} {CBQ} rate 100kbit prio 5 weight 100kbit\n' * 2 +
             f'tc class change dev b parent 1: classid 1:{{}} {CBQ} rate 400kbit prio 5 weight 400kbit\n' * 2, 0, shares(EVEN, TURNED)),
            (REFUSED.format('cbq bandwidth 2mbit avpkt 1000'), 0, shows('rate 1Mbit', 'Change operation not supported'))],
    'dsmark': [('tc class change dev b classid 1:1 dsmark mask 0x3 value 0xb8\n', 0, marked(0xb8)),
               (REFUSED.format('dsmark indices 8'), 0, shows('indices 0x0008', 'Change operation not supported'))],
    'wrr': [('tc qdisc change dev b root handle 1: wrr wmode1 1 weight1.min 0.5\ntc qdisc show dev b\n', 0, shows('min 0.5')),
            ('tc class change dev b classid 1:1 wrr weight2 0.25\n', 0, shares((31.25,) * 4, (9.6, 38.5, 38.5, 38.5)))],
    'hfsc': [('tc class change dev b parent 1: classid 1:{} hfsc ls rate 100kbit\n' * 2 + 'tc class change dev b parent 1: classid 1:{} hfsc ls rate 400kbit\n' * 2, 0,
              shares(EVEN, TURNED)),
             ('tc qdisc change dev b root handle 1: hfsc default 4\ntc qdisc show dev b\n', 0, shows('default 4'))],
    'drr': [('tc class change dev b parent 1: classid 1:{} drr quantum 1000\n' * 2 + 'tc class change dev b parent 1: classid 1:{} drr quantum 4000\n' * 2, 0,
             shares(EVEN, TURNED)),
            ('tc qdisc change dev b root handle 1: drr\n', 0, None)],
    'codel': [('tc qdisc change dev b root handle 1: codel limit 1000 target 1ms interval 5ms\n', None, drops('codel', 20))],
    'fq_codel': [('tc qdisc change dev b root handle 1: fq_codel target 1ms interval 5ms\n', None, drops('codel', 20))],
    'netem': [('tc qdisc change dev b root handle 1: netem delay 3s limit 1000\n', 0, later_by(3_000_000_000))],
    'teql0': [('tc qdisc change dev b root handle 1: teql0\n', 0, None)],
}


def changed():
    """A kind's parameters, or those of its classes, are others while some hundred packets wait in it."""
    for kind, changes in CHANGES.items():
        for number, (script, dropped, effect) in enumerate(changes):
            script = script.format(*'1234') if '{}' in script else script
            moved(f'{kind} changed ({number})', TREES[kind].format(1, 'add'), [(0.35, script)], dropped, effect)


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


def default_classes():
    """The flows that wait in a root nobody configured are classes of handle 0."""
    for kind in ('sfq', 'fq_codel'):
        out, _, _ = replay(f'default {kind}', steady(1000, 0.1, flows=3), f'sysctl net.core.default_qdisc={kind}\n'
                           'tc qdisc add dev b root pfifo\ntc qdisc del dev b root\n',
                           [(0.09, 'tc class show dev b\n')], rate='1mbit')
        if len(set(re.findall(fr'^class {kind} :[0-9a-f]+ parent none $', out, re.M))) != 3:
            fail(f'default {kind}', out)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for test in (estimators, average_rate, replaced, changed, counted, default_classes):
            test()
        os.chdir('/')
    print(f'{len(failures)} failed')
    sys.exit(len(failures) != 0)


main()
