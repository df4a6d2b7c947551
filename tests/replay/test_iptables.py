#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_iptables.py BUILD: rules of the real iptables that packets meet, and their change while packets pass."""
import re
import sys

from scene import SYN, Run, echo, main, tcp, udp

ADDRESSES = 'ip addr add 10.0.0.1/24 dev lan\nip addr add 10.1.0.1/24 dev wan\n'
MS = 1_000_000


def destination_port(frame):
    return int.from_bytes(frame[36:38], 'big')


def counters(text):
    """{rule without its counts: packets} of `iptables-save -c`. (iptables itself begins a policy's counts anew when its chain changes.)"""
    return {rule: int(packets) for packets, rule in re.findall(r'^\[(\d+):\d+\] (-A .*)$', text, re.M)}


def counts_are_carried_over(build):
    """Each packet is counted once in the rule that all pass, whatever is done to other rules, 100 times in the second in which 10,000 pass."""
    frames = [(i * MS // 10, udp('10.0.0.2', '10.1.0.2', 1000, 2000 + i % 7, size=100, ident=i)) for i in range(10_000)]
    changes = ['iptables -I FORWARD -p udp --dport 2001', 'iptables -A FORWARD -s 10.0.0.3 -j DROP', 'iptables -D FORWARD 1', 'iptables -N spare 2> /dev/null || iptables -X spare',
               'iptables -N web 2> /dev/null || true; iptables -I FORWARD 2 -p tcp -j web', 'iptables-save -c > all; iptables-restore -c < all',
               'iptables -D FORWARD -s 10.0.0.3 -j DROP; iptables -D FORWARD -p tcp -j web', 'iptables -t mangle -A PREROUTING -j MARK --set-mark 1']
    at = [(0.00503 + i / 100, changes[i % len(changes)] + '\n') for i in range(96)]
    run = Run(build, ['lan', 'wan'], {'lan': frames}, ADDRESSES + 'iptables -A FORWARD -i lan -o wan\n', at=[*at, (2, 'iptables-save -c > counts\n')])
    assert len(run.sent('wan')) == len(frames), run.report['totals']
    got = counters(run.read('counts'))
    assert got['-A FORWARD -i lan -o wan'] == len(frames), got


def rules_decide(build):
    """What is dropped is counted by its reason, and the books balance; a mark chooses the route, a class the queue."""
    frames = [(i * MS, frame) for i, frame in enumerate(
        [tcp('10.0.0.2', '10.1.0.2', 1000 + i, 25 if i % 2 else 80, SYN, ident=i) for i in range(100)]
        + [udp('10.0.0.2', '10.1.0.2', 53, 9, size=60, ident=i) for i in range(50)] + [echo('10.0.0.2', '10.1.0.2', i) for i in range(30)])]
    config = ADDRESSES + '''
ip addr add 10.2.0.1/24 dev other
ip rule add fwmark 1 table 7
ip route add default via 10.2.0.9 dev other table 7
iptables -t mangle -A PREROUTING -i lan -p tcp --dport 25 -j MARK --set-mark 1
iptables -A FORWARD -p udp --sport 53 -j DROP
iptables -A FORWARD -p icmp --icmp-type echo-request -m statistic --mode nth --every 3 --packet 0 -j DROP
tc qdisc add dev wan root handle 1: prio
tc qdisc add dev wan parent 1:3 handle 30: pfifo limit 1000
iptables -t mangle -A POSTROUTING -o wan -p tcp --dport 80 -j CLASSIFY --set-class 1:3
'''
    run = Run(build, ['lan', 'wan', 'other'], {'lan': frames}, config, at=[(1, 'iptables-save -c > counts; tc -s qdisc show dev wan > qdiscs\n')])
    assert [destination_port(frame) for _, frame in run.sent('other')] == [25] * 50
    assert len(run.sent('wan')) == 50 + 20
    assert run.drops('netfilter') == 50 + 10, run.report['drops']
    got = counters(run.read('counts'))
    assert got['-A FORWARD -p udp -m udp --sport 53 -j DROP'] == 50, got
    sent = re.search(r'pfifo 30: .*\n Sent \d+ bytes (\d+) pkt', run.read('qdiscs'))
    assert sent and sent[1] == '50', run.read('qdiscs')


def each_source_has_its_limit(build):
    """docs/netfilter.md's example: a flood of one source is held to ten a second after twenty at once; the others notice nothing, whatever happens to other rules."""
    flood = [(i * MS, tcp('10.0.0.2', '10.1.0.2', 1024 + i, 80, SYN, ident=i)) for i in range(10_000)]
    others = [(i * 20 * MS, tcp(f'10.0.0.{3 + i % 5}', '10.1.0.2', 1024 + i, 80, SYN, ident=i)) for i in range(500)]
    rule = 'iptables -A FORWARD -p tcp --syn -m hashlimit --hashlimit-above 10/s --hashlimit-burst 20 --hashlimit-mode srcip --hashlimit-name syn -j DROP\n'
    run = Run(build, ['lan', 'wan'], {'lan': sorted(flood + others)}, ADDRESSES + rule,
              at=[(i + 0.0005, 'iptables -I FORWARD 1 -s 10.9.9.9 -j DROP\n') for i in range(9)])
    sources = [frame[29] for _, frame in run.sent('wan')]
    assert sources.count(2) == 20 + 99, sources.count(2)
    assert len(sources) - sources.count(2) == len(others) and run.drops('netfilter') == len(flood) - 119


def lots_are_the_seeds(build):
    """Actions, extended matches and rules draw from the one seed: the same gives the same packets, another one others."""
    frames = [(i * MS, udp('10.0.0.2', '10.1.0.2', 1000, 2000, size=100, ident=i)) for i in range(1000)]
    draws = {'action': 'tc qdisc add dev lan ingress\ntc filter add dev lan parent ffff: matchall action pass random netrand drop 2\n',
             'ematch': "tc qdisc add dev lan ingress\ntc filter add dev lan parent ffff: basic match 'meta(random lt 2000000000)' action drop\n",
             'rule': 'iptables -A FORWARD -m statistic --mode random --probability 0.5 -j DROP\n'}
    for name, config in draws.items():
        sent = [Run(build, ['lan', 'wan'], {'lan': frames}, ADDRESSES + config, seed=seed).sent('wan') for seed in (1, 1, 2)]
        assert sent[0] == sent[1] != sent[2], name
        assert all(400 < len(s) < 600 for s in sent), [len(s) for s in sent]


if __name__ == '__main__':
    sys.exit(main(counts_are_carried_over, rules_decide, each_source_has_its_limit, lots_are_the_seeds))
