#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_ifb.py BUILD: what mirred sends to other ports, and ifb gives back (docs/actions.md)."""
from scene import Run, echo, main, rate_bits, sums_right, udp

ADDRESSES = 'ip addr add 10.0.0.1/24 dev lan\nip addr add 10.1.0.1/24 dev wan\n'
MS = 1_000_000
IFB = 'ip link add ifb0 type ifb\nip link set ifb0 up\n'


def stream(sport, bits, seconds, size=986, dst='10.1.0.2'):
    """Frames of size + 14 bytes at that rate."""
    gap = (size + 14) * 8 * 10**9 // bits
    return [(i * gap, udp('10.0.0.2', dst, sport, 5001, size=size, ident=i)) for i in range(seconds * 10**9 // gap)]


def source_port(frame):
    return int.from_bytes(frame[34:36], 'big')


def by_port(sent, sport):
    return [item for item in sent if source_port(item[1]) == sport]


def shapes_what_arrives(build):
    """Two classes of an HTB on an ifb hold what comes in to their rates, within 0.1 %; the trees of the ports are not concerned."""
    config = ADDRESSES + IFB + '''
tc qdisc add dev ifb0 root handle 1: htb default 20
tc class add dev ifb0 parent 1: classid 1:1 htb rate 8mbit
tc class add dev ifb0 parent 1:1 classid 1:10 htb rate 2mbit
tc class add dev ifb0 parent 1:1 classid 1:20 htb rate 6mbit
tc filter add dev ifb0 parent 1: protocol ip u32 match ip sport 1000 0xffff flowid 1:10
tc qdisc add dev lan ingress
tc filter add dev lan parent ffff: protocol ip u32 match u32 0 0 action mirred egress redirect dev ifb0
'''
    show = '''
tc -s class show dev ifb0 > classes
tc -s actions ls action mirred > actions
ip -s link show ifb0 > link
'''
    run = Run(build, ['lan', 'wan'], {'lan': stream(1000, 8_000_000, 10) + stream(2000, 8_000_000, 10)}, config, at=[(9.9, show)])
    sent = run.sent('wan')
    for sport, bits in ((1000, 2e6), (2000, 6e6)):
        rate = rate_bits(by_port(sent, sport), 1000 * MS, 9900 * MS)
        assert abs(rate / bits - 1) < 0.001, (sport, rate)
    assert all(sums_right(frame) and frame[22] == 63 for _, frame in sent)
    assert 'Egress Redirect to device ifb0) stolen' in run.read('actions')
    numbers = run.read('link').split()
    received, left = int(numbers[numbers.index('RX:') + 7]), int(numbers[numbers.index('TX:') + 7])
    assert received == left > 0, run.read('link')
    report = run.report['ports']['ifb0']
    assert report['sent'] == report['received'], report
    # What the ports received and sent is what the outside saw.
    assert run.report['totals']['received'] == 20000 and run.report['totals']['sent'] == len(sent)


def shapes_what_leaves(build):
    """A filter of a port's qdisc sends what leaves through an ifb, once; the class that it names is where it is queued then."""
    config = ADDRESSES + IFB + '''
tc qdisc add dev ifb0 root tbf rate 1mbit burst 2kb limit 20kb
tc qdisc add dev wan root handle 1: prio
tc filter add dev wan parent 1: protocol ip u32 match ip sport 1000 0xffff flowid 1:3 action mirred egress redirect dev ifb0
'''
    run = Run(build, ['lan', 'wan'], {'lan': stream(1000, 4_000_000, 4) + stream(2000, 500_000, 4)}, config,
              at=[(3.9, 'tc -s class show dev wan > classes')])
    shaped = by_port(run.sent('wan'), 1000)
    assert abs(rate_bits(shaped, 500 * MS, 3900 * MS) / 1e6 - 1) < 0.001, rate_bits(shaped, 500 * MS, 3900 * MS)
    assert len(by_port(run.sent('wan'), 2000)) == 250
    counts = {line.split()[2]: int(following.split()[3]) for line, following in run.lines_after('classes', 'class prio')}
    assert counts['1:3'] in range(len(by_port(run.sent('wan'), 1000)) - 40, len(shaped) + 1) and counts['1:2'] > 200, counts


def clsact_egress(build):
    """The same from clsact, several ports to one ifb."""
    config = ADDRESSES + 'ip addr add 10.2.0.1/24 dev dmz\n' + IFB + '''
tc qdisc add dev ifb0 root tbf rate 1mbit burst 2kb limit 20kb
for port in wan dmz; do
    tc qdisc add dev $port clsact
    tc filter add dev $port egress matchall action mirred egress redirect dev ifb0
done
'''
    run = Run(build, ['lan', 'wan', 'dmz'], {'lan': stream(1000, 1_000_000, 4) + stream(2000, 730_000, 4, dst='10.2.0.2')}, config)
    both = sorted(run.sent('wan') + run.sent('dmz'))
    assert abs(rate_bits(both, 500 * MS, 3900 * MS) / 1e6 - 1) < 0.001
    assert all(source_port(frame) == 1000 for _, frame in run.sent('wan')) and all(source_port(frame) == 2000 for _, frame in run.sent('dmz'))
    assert len(run.sent('wan')) > 100 and len(run.sent('dmz')) > 20, (len(run.sent('wan')), len(run.sent('dmz')))


def mirrors(build):
    """Copies of what arrives leave by another port as they came, link header and all, and what leaves is copied as it leaves."""
    frames = stream(1000, 1_000_000, 1) + [(0, echo('10.0.0.2', '10.1.0.2', size=100))]
    config = ADDRESSES + '''
tc qdisc add dev lan clsact
tc filter add dev lan ingress protocol ip u32 match ip protocol 17 0xff action mirred egress mirror dev tap
tc qdisc add dev wan clsact
tc filter add dev wan egress matchall action mirred egress mirror dev tap
'''
    run = Run(build, ['lan', 'wan', 'tap'], {'lan': frames}, config)
    copies = [frame for _, frame in run.sent('tap')]
    arrived = [frame for _, frame in frames if frame[23] == 17]
    left = [frame for _, frame in run.sent('wan')]
    assert len(left) == len(frames) and sorted(copies) == sorted(arrived + left)
    assert run.report['totals']['generated'] == len(copies)


def ingress_of_another_port(build):
    """What is redirected to the ingress of another port is routed as if it had come in there, whomever its MAC names."""
    config = '''
ip addr add 10.0.0.1/24 dev lan
ip addr add 10.1.0.1/24 dev wan
ip link add d0 type dummy
ip link set d0 up
ip rule add iif d0 lookup 7
ip route add 10.9.0.0/16 dev wan via 10.1.0.9 table 7
tc qdisc add dev lan ingress
tc filter add dev lan parent ffff: protocol ip u32 match ip dst 10.9.0.0/16 action mirred ingress redirect dev d0
'''
    run = Run(build, ['lan', 'wan'], {'lan': stream(1000, 1_000_000, 1, dst='10.9.0.2') + stream(2000, 1_000_000, 1, dst='10.8.0.2')}, config)
    assert len(run.sent('wan')) == 125 and all(source_port(frame) == 1000 for _, frame in run.sent('wan'))
    assert run.drops('no_route') == 125


def loops_end(build):
    """Ports that redirect to each other, and one that mirrors to itself, twice: each packet goes round eight times at most."""
    config = ADDRESSES + IFB + 'ip link add ifb1 type ifb\nip link set ifb1 up\n' + '''
for port in ifb0 ifb1; do tc qdisc add dev $port clsact; done
tc filter add dev ifb0 egress matchall action mirred egress redirect dev ifb1
tc filter add dev ifb1 egress matchall action mirred egress redirect dev ifb0
tc qdisc add dev lan ingress
tc filter add dev lan parent ffff: protocol ip u32 match ip sport 1000 0xffff action mirred egress redirect dev ifb0
tc qdisc add dev wan clsact
tc filter add dev wan egress matchall action mirred egress mirror dev wan action mirred egress mirror dev wan
'''
    run = Run(build, ['lan', 'wan'], {'lan': stream(1000, 100_000, 1) + [(10 * MS, udp('10.0.0.2', '10.1.0.2', 2000, 9, size=100))]}, config)
    # One packet sends two copies, each of these two more, eight times; those of the ninth pass are dropped.
    assert len(run.sent('wan')) == 2**9 - 1, len(run.sent('wan'))
    assert run.drops('loop') == 12 + 2**9, run.report['drops']


def ports_that_are_not_there(build):
    """To a port that is down or gone: mirrored packets go on, redirected ones are dropped and counted as overlimits."""
    config = ADDRESSES + IFB + '''
ip link set ifb0 down
ip link add ifb5 type ifb
ip link set ifb5 up
tc qdisc add dev lan ingress
tc filter add dev lan parent ffff: protocol ip pref 1 u32 match ip sport 1000 0xffff action mirred egress redirect dev ifb0
tc filter add dev lan parent ffff: protocol ip pref 2 u32 match ip sport 2000 0xffff action mirred egress mirror dev ifb5
ip link del ifb5
'''
    show = 'tc -s actions ls action mirred > actions\n'
    run = Run(build, ['lan', 'wan'], {'lan': stream(1000, 100_000, 1) + stream(2000, 100_000, 1)}, config, at=[(2, show)])
    assert len(run.sent('wan')) == 12 and run.drops('filter') == 12, run.report['drops']
    text = run.read('actions')
    assert 'Egress Redirect to device ifb0) stolen' in text and 'Egress Mirror to device *) pipe' in text, text
    assert text.count('overlimits 12') == 2, text


def module_ports(build):
    """ifb0 and ifb1 are there when they are named, as after modprobe; what no action sent there goes nowhere."""
    config = ADDRESSES + '''
modprobe ifb numifbs=2
ip link set dev ifb0 up
ip link set dev ifb1 up
ip route add 10.5.0.0/16 dev ifb1
'''
    run = Run(build, ['lan', 'wan'], {'lan': stream(1000, 100_000, 1, dst='10.5.0.1')}, config, at=[(0.5, 'ip link del ifb0\nip link show ifb1\n')])
    assert run.drops('no_port') == 12 and run.report['totals']['sent'] == 0


main(shapes_what_arrives, shapes_what_leaves, clsact_egress, mirrors, ingress_of_another_port, loops_end, ports_that_are_not_there, module_ports)
