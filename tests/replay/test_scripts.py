#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_scripts.py BUILD: other people's scripts (../shared/data/scripts), unmodified: each line is accepted, and their trees shape as they say."""
import os
import sys

from scene import ACK, Run, echo, main, rate_bits, tcp, udp

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../conformance'))
from router import shared  # noqa: E402

MS, SECOND = 1_000_000, 1_000_000_000
SCRIPTS = shared('data/scripts')
ADDRESSES = 'ip addr add 10.0.0.1/24 dev lan\nip addr add 10.1.0.1/24 dev wan\n'


def every(gap, seconds, make, start=0):
    return [(start + i * gap, make(i)) for i in range(int(seconds * SECOND) // gap)]


def rate(sent, chosen, start=2, end=19.9):
    return rate_bits([item for item in sent if chosen(item[1])], start * SECOND, int(end * SECOND))


def wondershaper(build):
    """Uplink 400 kbit, downlink 1600: interactive traffic first, bulk at its nine tenths of the uplink, the policer at its rate."""
    config = ADDRESSES + f'sh {SCRIPTS}/wondershaper-debian/wondershaper wan 1600 400 > told 2>&1\n'
    up = every(10 * MS, 20, lambda i: tcp('10.0.0.2', '10.1.0.2', 5, 80, ACK, size=1486)) \
        + every(50 * MS, 20, lambda i: tcp('10.0.0.2', '10.1.0.2', 5, 22, ACK, size=186, tos=0x10)) \
        + every(100 * MS, 20, lambda i: echo('10.0.0.2', '10.1.0.2', i, size=100)) \
        + every(50 * MS, 20, lambda i: tcp('10.0.0.2', '10.1.0.2', 6, 80, ACK))
    down = every(4 * MS, 20, lambda i: udp('10.1.0.2', '10.0.0.2', 7, 8, size=1000, ident=i))  # 2 mbit of IP
    r = Run(build, ['lan', 'wan'], {'lan': up, 'wan': down}, config, at=[(19.9, 'tc -s class show dev wan > classes\n')])
    assert r.read('told') == '', r.read('told')
    sent = r.sent('wan')
    ssh, ping, acks = (lambda f: f[15] == 0x10), (lambda f: f[23] == 1), (lambda f: f[23] == 6 and len(f) == 54)
    bulk = rate(sent, lambda f: len(f) == 1500)
    assert abs(bulk / 360e3 - 1) < 0.005, bulk  # its own, though the others' 50 kbit are more than what it leaves of 400
    for chosen, offered in ((ssh, 400), (ping, 200), (acks, 400)):
        times = [ns for ns, f in sent if chosen(f)]
        assert len(times) == offered, len(times)
    assert max(ns - i * 50 * MS for i, ns in enumerate(ns for ns, f in sent if ssh(f))) < 70 * MS  # two full frames at 400 kbit
    came = r.sent('lan')
    passed = sum(len(f) - 14 for _, f in came)
    assert abs(passed - (1600e3 / 8 * 20 + 10240)) <= 2000, passed  # the rate, and what its bucket holds
    assert r.drops('filter') == len(down) - len(came)


# What the firewall's main script gives its plugins.
AIF = ADDRESSES + f'''
EXT_IF=wan INDENT=' ' PLUGIN_CONF_PATH=$PWD
modprobe_multi() {{ return 0; }}
wildcard_ifs() {{ echo "$1"; }}
check_command() {{ command -v "$1" > /dev/null; }}
set +e
. {SCRIPTS}/aif-traffic-shaper/60traffic-shaper.plugin
set -e
test "$PLUGIN_RET_VAL" = 0
'''


def settings(kind):
    """The plugin's own settings, with that discipline in the place of the default one."""
    return f'sed "s/^ENABLED=0/ENABLED=1/; s/^SHAPER_TYPE=.*/SHAPER_TYPE={kind}/" {SCRIPTS}/aif-traffic-shaper/traffic-shaper.conf > traffic-shaper.conf\n'


# 832 kbit up, 3072 kbit down. Streaming (EF), interactive (ssh), default, bulk (http), each by the rule that the plugin makes.
KINDS = {
    'ping': lambda i: echo('10.0.0.2', '10.1.0.2', i, size=100),
    'voip': lambda i: udp('10.0.0.2', '10.1.0.2', 1000, 4569, size=200),
    'marked': lambda i: udp('10.0.0.2', '10.1.0.2', 1001, 2000, size=200, tos=0xb8),
    'ssh': lambda i: tcp('10.0.0.2', '10.1.0.2', 1002, 22, ACK, size=300),
    'other': lambda i: udp('10.0.0.2', '10.1.0.2', 1003, 2000, size=986),
    'bulk': lambda i: tcp('10.0.0.2', '10.1.0.2', 1004, 443, ACK, size=1486),
}


def aif(build, kind):
    up = [packet for name, make in KINDS.items() for packet in every(10 * MS if name in ('other', 'bulk') else 20 * MS, 20, make)]
    down = every(2 * MS, 20, lambda i: udp('10.1.0.2', '10.0.0.2', 7, 8, size=1000))  # 4 mbit
    r = Run(build, ['lan', 'wan'], {'lan': up, 'wan': down}, settings(kind) + AIF, at=[(19.9, 'tc -s class show dev wan > classes\n')])
    assert 'RTNETLINK' not in r.done.stdout and 'rror' not in r.done.stdout, r.done.stdout
    sent = r.sent('wan')
    port = lambda frame: int.from_bytes(frame[34:36], 'big') if frame[23] != 1 else 0  # noqa: E731
    rates = {p: rate(sent, lambda f, p=p: port(f) == p) for p in {port(f) for _, f in sent}}
    whole = rate(sent, lambda f: True)
    return r, rates, whole, len(down)


def aif_htb(build):
    """Each class has its own rate, whatever the others have: the plugin's sum up to more than the uplink."""
    r, rates, _, offered_down = aif(build, 'htb')
    assert abs(rates[1003] / 748e3 - 1) < 0.001 and abs(rates[1004] / 665e3 - 1) < 0.001, rates
    for source, size, gap in ((0, 114, 20), (1000, 214, 20), (1001, 214, 20), (1002, 314, 20)):
        assert abs(rates[source] / (size * 8 * 1000 / gap) - 1) < 0.01, (source, rates)
    counts = {line.split()[2]: int(after.split()[3]) for line, after in r.lines_after('classes', 'class htb')}
    assert abs(counts['1:10'] - 995) < 5 and abs(counts['1:20'] - 1990) < 10 and abs(counts['1:30'] - 995) < 5, counts
    passed = sum(len(f) - 14 for _, f in r.sent('lan'))
    assert abs(passed - (3072e3 / 8 * 20 + 307 * 1024)) <= 2000, passed
    assert r.drops('filter') == offered_down - len(r.sent('lan'))


def aif_hfsc(build):
    """In all 832 kbit, and each class at least what its curve guarantees."""
    _, rates, whole, _ = aif(build, 'hfsc')
    assert abs(whole / 832e3 - 1) < 0.005, whole
    for source, size, gap in ((0, 114, 20), (1000, 214, 20), (1001, 214, 20), (1002, 314, 20)):
        assert abs(rates[source] / (size * 8 * 1000 / gap) - 1) < 0.01, (source, rates)
    assert rates[1003] >= 832e3 * 3 // 20 * 0.99 and rates[1004] >= 832e3 / 20 * 0.99, rates


def aif_cfq(build):
    """An SFQ at the root, and nothing else: flows share a link equally."""
    frames = every(MS, 5, lambda i: udp('10.0.0.2', '10.1.0.2', 1 + i % 5, 9, size=986)) \
        + every(MS, 5, lambda i: udp('10.0.0.2', '10.1.0.2', 77, 9, size=986))
    r = Run(build, ['lan', 'wan,rate=1mbit'], {'lan': frames}, settings('cfq') + AIF, at=[(4, 'tc qdisc show dev wan > qdiscs\n')])
    assert 'qdisc sfq' in r.read('qdiscs') and 'perturb 10sec' in r.read('qdiscs')
    shares = [rate(r.sent('wan'), lambda f, p=p: int.from_bytes(f[34:36], 'big') == p, 0, 4.9) for p in (1, 2, 3, 4, 5, 77)]
    assert max(shares) < 1.3 * min(shares), shares


def aif_stopped(build):
    """What it made it takes away again."""
    again = 'set +e\nPLUGIN_CMD=stop\n. {}/aif-traffic-shaper/60traffic-shaper.plugin\n'.format(SCRIPTS)
    frames = every(MS, 1, lambda i: udp('10.0.0.2', '10.1.0.2', 1, 9, size=986))
    r = Run(build, ['lan', 'wan'], {'lan': frames}, settings('htb') + AIF + again + 'tc qdisc show dev wan > qdiscs\niptables -t mangle -S > rules\n')
    assert 'htb' not in r.read('qdiscs') and 'ingress' not in r.read('qdiscs') and 'SHAPER_CHAIN' not in r.read('rules')
    assert len(r.sent('wan')) == len(frames)


def aif_multiroute(build):
    """Two providers: what has the address of one leaves by that one, the rest by both, flow by flow; stopped, by the first."""
    setup = ADDRESSES + f'''
ip addr add 5.6.7.9/24 dev eth0
ip addr add 5.6.8.8/24 dev eth1
ip addr add 192.168.0.1/24 dev lan
sed "s/^ENABLED=0/ENABLED=1/; s/ROUTER1=.*/ROUTER1=5.6.7.1/; s/ROUTER2=.*/ROUTER2=5.6.8.1/; s/IP2=.*/IP2=5.6.8.8/" \\
    {SCRIPTS}/aif-multiroute/multiroute.conf > multiroute.conf
INDENT=' ' PLUGIN_CONF_PATH=$PWD
set +e
. {SCRIPTS}/aif-multiroute/50multiroute.plugin
set -e
test "$PLUGIN_RET_VAL" = 0
'''
    flows = every(MS, 4, lambda i: udp('10.0.0.2', f'198.51.{i % 100}.{i // 100}', 5, 6, size=60))
    bound = every(MS, 1, lambda i: udp('5.6.7.9', '203.0.113.1', 5, 6, size=61)) + every(MS, 1, lambda i: udp('5.6.8.8', '203.0.113.1', 5, 6, size=62))
    accept = 'echo 1 > /proc/sys/net/ipv4/conf/lan/accept_local\n'
    r = Run(build, ['lan', 'wan', 'eth0', 'eth1'], {'lan': flows + bound}, setup + accept)
    first, second = ([len(f) - 14 for _, f in r.sent(port)] for port in ('eth0', 'eth1'))
    assert first.count(61) == 1000 and second.count(61) == 0 and second.count(62) == 1000 and first.count(62) == 0
    assert abs(first.count(60) - 2000) < 160 and first.count(60) + second.count(60) == 4000, first.count(60)
    stop = f'set +e\nPLUGIN_CMD=stop\n. {SCRIPTS}/aif-multiroute/50multiroute.plugin\nip rule show > rules\n'
    r = Run(build, ['lan', 'wan', 'eth0', 'eth1'], {'lan': flows}, setup + stop)
    assert '5.6.' not in r.read('rules')


def miredo(build):
    """The tunnel's hook: addresses, routes and rules of IPv6, set up and taken away."""
    up = f'''
ip link add teredo type dummy
export IFACE=teredo LLADDRESS=fe80::ffff:ffff:ffff ADDRESS=2001:0:53aa:64c::1
STATE=up sh {SCRIPTS}/miredo/client-hook > told 2>&1
ip -6 addr show dev teredo > addresses
ip -6 route show dev teredo > routes
STATE=down OLD_ADDRESS=$ADDRESS sh {SCRIPTS}/miredo/client-hook >> told 2>&1
ip -6 addr show dev teredo > addresses2
'''
    r = Run(build, ['lan', 'wan'], {'lan': every(MS, 0.01, lambda i: udp('10.0.0.2', '10.1.0.2', 5, 6, size=60))}, ADDRESSES + up)
    assert r.read('told') == '', r.read('told')
    assert '2001:0:53aa:64c::1/32' in r.read('addresses') and 'default metric 1029' in r.read('routes'), r.read('routes')
    assert '2001:' not in r.read('addresses2')


main(wondershaper, aif_htb, aif_hfsc, aif_cfq, aif_stopped, aif_multiroute, miredo)
