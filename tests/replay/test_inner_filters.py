#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_inner_filters.py BUILD: filters of every kind at a class, and at the prio and the drr below classes.

Each packet has a port of its own, and so its own way down: dsmark, which sets tc_index, htb below it, and there a class with filters (2:10) or a
leaf with a prio (20:) or a drr (30:) that have such filters. LINUX is where Linux 5.10 put these very packets with this very script.
"""
import re

from scene import Run, main, udp

KINDS = ('basic', 'flower', 'fw', 'route', 'rsvp', 'tcindex', 'flow', 'u32')
MARKED = 7
ELSEWHERE = {
    # Behind the kinds' ports: which class a filter names that is no child.
    '2:10': ('2:90', '2:77', '2:1', '9:9', '2:0'),
    '20:': ('20:9', '20:63', '2:2', '9:9', '20:0'),
    '30:': ('30:63', '2:11', '2:2', '9:9', '30:0'),
}


def filters(parent, first_port, first_class):
    """One of each kind, then those that name what is no child; the last port is nobody's."""
    major, minor = first_class.split(':')
    port = {kind: first_port + i for i, kind in enumerate(KINDS)}
    to = {kind: f'{major}:{int(minor, 16) + i:x}' for i, kind in enumerate(KINDS)}
    add = f'tc filter add dev wan parent {parent} protocol ip prio'
    text = f'''
tc filter add dev lan ingress protocol ip prio 1 u32 match ip dport {port['fw']} 0xffff action skbedit mark {MARKED}
{add} 1 basic match 'cmp(u16 at 2 layer transport eq {port['basic']})' classid {to['basic']}
{add} 2 flower ip_proto udp dst_port {port['flower']} classid {to['flower']}
{add} 3 handle {MARKED} fw classid {to['fw']}
{add} 4 route to 3 classid {to['route']}
{add} 5 rsvp ipproto udp session 10.1.0.5 classid {to['rsvp']}
{add} 6 handle 0x2e tcindex mask 0xfc shift 2 classid {to['tcindex']} pass_on
{add} 7 handle 1 flow map key mark and 0 match 'cmp(u16 at 2 layer transport eq {port['flow']})' baseclass {to['flow']}
{add} 8 u32 match ip dport {port['u32']} 0xffff flowid {to['u32']}
'''
    for i, classid in enumerate(ELSEWHERE[parent]):
        text += f'{add} 9 u32 match ip dport {first_port + len(KINDS) + i} 0xffff flowid {classid}\n'
    return text


# The discipline that has the class 2:10: how it is made, and a class of it at so many mbit.
MIDDLES = {
    'htb': ('htb default 90', 'htb rate {}mbit'),
    'hfsc': ('hfsc default 90', 'hfsc ls m2 {}mbit'),
    'cbq': ('cbq bandwidth 1gbit avpkt 1000', 'cbq bandwidth 1gbit rate {}mbit avpkt 1000 prio 1 maxburst 100'),
}


def config(middle):
    qdisc, conf = MIDDLES[middle]

    def add(parent, minor, mbit):
        return f'tc class add dev wan parent {parent} classid 2:{minor} {conf.format(mbit)}\n'

    return f'''
ip addr add 10.0.0.1/24 dev lan; ip addr add 10.1.0.1/24 dev wan
ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:09 dev wan; ip neigh add 10.1.0.5 lladdr 02:00:00:00:00:09 dev wan
ip route add 10.1.3.0/24 via 10.1.0.2 realm 3
tc qdisc add dev lan clsact
tc qdisc add dev wan root handle 1: dsmark indices 64 set_tc_index
tc qdisc add dev wan parent 1: handle 2: {qdisc}
''' + add('2:', 1, 1000) + add('2:1', 10, 500) + ''.join(add('2:10', minor, 10) for minor in range(11, 19)) + ''.join(
        add('2:1', minor, 10) for minor in (20, 30, 90)) + '''
tc qdisc add dev wan parent 2:20 handle 20: prio bands 10
tc qdisc add dev wan parent 2:30 handle 30: drr
for i in 1 2 3 4 5 6 7 8; do tc class add dev wan parent 30: classid 30:$i drr; done
tc filter add dev wan parent 2: protocol ip prio 1 u32 match ip dport 0x400 0xfc00 flowid 2:10
tc filter add dev wan parent 2: protocol ip prio 1 u32 match ip dport 0x800 0xfc00 flowid 2:20
tc filter add dev wan parent 2: protocol ip prio 1 u32 match ip dport 0xc00 0xfc00 flowid 2:30
''' + filters('2:10', 0x401, '2:11') + filters('20:', 0x801, '20:1') + filters('30:', 0xc01, '30:1')


def frames():
    """One packet for each filter of a kind; 1, 2, 4 ... for what is behind them, for one class may get several of these."""
    found = []
    for first in (0x401, 0x801, 0xc01):
        for i in range(len(KINDS) + 6):
            kind = KINDS[i] if i < len(KINDS) else None
            to = {'route': '10.1.3.9', 'rsvp': '10.1.0.5'}.get(kind, '10.1.0.2')
            found += [udp('10.0.0.2', to, 5000, first + i, tos=0xb8 if kind == 'tcindex' else 0, size=100 + i)] * (1 << max(i - len(KINDS), 0))
    return found


def counts(text):
    """{class: packets} of tc -s class show, without those that none came to."""
    found = re.findall(r'class \w+ (\w+:\w*).*?\n Sent \d+ bytes (\d+) pkt', text)
    return {name: int(packets) for name, packets in found if int(packets)}


def one_each(parent, *, but):
    """The classes of the kinds' filters got one packet each."""
    first = 0x11 if parent == '2' else 1
    return {f'{parent}:{first + i:x}': 1 for i in range(len(KINDS))} | but


BELOW = {'2:20': 71, '2:30': 8} | one_each('20', but={'20:2': 55, '20:9': 9}) | one_each('30', but={})
LINUX = {
    'htb': one_each('2', but={'2:1': 134, '2:10': 8, '2:90': 47}) | BELOW,  # 16 were sent at once: 2:0
    'hfsc': one_each('2', but={'2:90': 63}) | BELOW,
    'cbq': one_each('2', but={'2:': 150, '2:1': 150, '2:10': 70, '2:90': 1}) | BELOW,
}


def lands_where_linux_has_it(build):
    for middle in MIDDLES:
        run = Run(build, ['lan', 'wan'], {'lan': [(i * 10**6, frame) for i, frame in enumerate(frames())]}, config(middle),
                  at=[(300, 'tc -s class show dev wan > classes')])
        found = counts(run.read('classes'))
        assert found == LINUX[middle], (middle, found, LINUX[middle])
        # Nobody's, and those that a drr has no class for.
        assert run.drops('unclassified') == 63, run.report['drops']


if __name__ == '__main__':
    main(lands_where_linux_has_it)
