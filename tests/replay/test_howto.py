#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_howto.py BUILD: examples of the LARTC HOWTO's chapters on filters, ingress and its cookbook do what the text says they do."""
import struct

from scene import ACK, RST, SYN, Run, echo, main, rate_bits, sums_right, tcp, udp

ADDRESSES = 'ip addr add 10.0.0.1/24 dev lan\nip addr add 10.1.0.1/24 dev wan\n'
SHOW = 'tc -s class show dev wan > classes\n'
MS, SECOND = 1_000_000, 1_000_000_000


def every(gap, seconds, make, start=0):
    """[(ns, frame)]: make(i) each gap ns."""
    return [(start + i * gap, make(i)) for i in range(int(seconds * SECOND) // gap)]


def run(build, frames, config, seconds, **options):
    return Run(build, ['lan', 'wan'], {'lan': frames}, ADDRESSES + config, at=[(seconds, SHOW)], **options)


def counts(r):
    """{class: packets}"""
    return {line.split()[2]: int(after.split()[3]) for line, after in r.lines_after('classes', 'class ')}


# ---- ingress -------------------------------------------------------------------------------------------------------------


def syn_limit(build):
    """15.2, SYN floods: about three SYNs a second of 40 bytes come in; what is no SYN is not concerned."""
    config = '''
tc qdisc add dev lan handle ffff: ingress
tc filter add dev lan parent ffff: protocol ip prio 50 u32 match ip protocol 6 0xff match u8 0x02 0x17 at 33 \\
    police rate 1kbit burst 40 mtu 9k drop flowid :1
'''
    flood = every(10 * MS, 10, lambda i: tcp('10.0.0.2', '10.1.0.2', 1024 + i, 80, SYN))
    rest = every(20 * MS, 10, lambda i: tcp('10.0.0.3', '10.1.0.2', 999, 80, ACK if i % 2 else SYN | ACK, size=1500))
    r = run(build, flood + rest, config, 10)
    syns = [ns for ns, frame in r.sent('wan') if frame[47] == SYN]
    assert len(r.sent('wan')) - len(syns) == len(rest) and r.drops('filter') == len(flood) - len(syns)
    assert len(syns) == 32, len(syns)  # one in the bucket, and 125 bytes a second for 10 s
    assert all(b - a >= 320 * MS for a, b in zip(syns, syns[1:])), syns


def icmp_limit(build):
    """15.3: ICMP gets 100kbit and not more, whatever else there is; the rest of the link is for the others."""
    config = '''
tc qdisc add dev wan root handle 10: cbq bandwidth 10Mbit avpkt 1000
tc class add dev wan parent 10:0 classid 10:1 cbq bandwidth 10Mbit rate 10Mbit allot 1514 prio 5 maxburst 20 avpkt 1000
tc class add dev wan parent 10:1 classid 10:100 cbq bandwidth 10Mbit rate 100Kbit allot 1514 weight 800Kbit prio 5 maxburst 20 \\
    avpkt 250 bounded
tc class add dev wan parent 10:1 classid 10:200 cbq bandwidth 10Mbit rate 9Mbit allot 1514 prio 5 maxburst 20 avpkt 1000
tc filter add dev wan parent 10:0 protocol ip prio 100 u32 match ip protocol 1 0xFF flowid 10:100
tc filter add dev wan parent 10:0 protocol ip prio 101 u32 match u32 0 0 flowid 10:200
'''
    flood = every(2 * MS, 10, lambda i: echo('10.0.0.2', '10.1.0.2', i, size=236))  # 1 mbit
    rest = every(2 * MS, 10, lambda i: tcp('10.0.0.3', '10.1.0.2', 999, 80, size=986))  # 4 mbit
    r = Run(build, ['lan', 'wan,rate=10mbit'], {'lan': flood + rest}, ADDRESSES + config)
    icmp = [(ns, frame) for ns, frame in r.sent('wan') if frame[23] == 1]
    assert abs(rate_bits(icmp, SECOND, 10 * SECOND) / 100e3 - 1) < 0.01, rate_bits(icmp, SECOND, 10 * SECOND)
    assert len([1 for _, frame in r.sent('wan') if frame[23] == 6]) == len(rest)


# ---- filters -------------------------------------------------------------------------------------------------------------

PRIO = 'tc qdisc add dev wan root handle 1: prio bands 6\n'
FILTER = 'tc filter add dev wan parent 1: protocol ip prio '


def u32_selectors(build):
    """12.1: by TOS, by TTL, ACKs without data, ports together with their protocol, addresses; each packet is in the first class that fits."""
    config = PRIO + ''.join(FILTER + f'{i} {text}\n' for i, text in enumerate((
        'u32 match ip tos 0x10 0xff flowid 1:1',
        'u32 match u8 63 0xff at 8 match ip protocol 17 0xff match ip dport 53 0xffff flowid 1:2',
        'u32 match ip protocol 6 0xff match u8 0x05 0x0f at 0 match u16 0x0000 0xffc0 at 2 match u8 0x10 0xff at 33 flowid 1:3',
        'u32 match ip protocol 6 0xff match ip dport 22 0xffff flowid 1:4',
        'u32 match ip src 10.0.0.77/32 match ip dst 10.1.0.0/24 flowid 1:5',
        'u32 match ip dst 0.0.0.0/0 flowid 1:6'), start=1))
    kinds = [
        (1, lambda i: tcp('10.0.0.2', '10.1.0.2', 5, 22, tos=0x10, size=500)),
        (2, lambda i: udp('10.0.0.2', '10.1.0.2', 5, 53, size=60)),
        (6, lambda i: udp('10.0.0.2', '10.1.0.2', 5, 53, size=60, ttl=30)),
        (3, lambda i: tcp('10.0.0.2', '10.1.0.2', 5, 80, ACK)),
        (6, lambda i: tcp('10.0.0.2', '10.1.0.2', 5, 80, ACK | SYN)),
        (6, lambda i: tcp('10.0.0.2', '10.1.0.2', 5, 80, ACK, size=400)),
        (4, lambda i: tcp('10.0.0.2', '10.1.0.2', 5, 22, ACK, size=400)),
        (6, lambda i: udp('10.0.0.2', '10.1.0.2', 5, 22, size=400)),  # the port alone is not SSH
        (5, lambda i: udp('10.0.0.77', '10.1.0.2', 5, 6, size=400)),
    ]
    frames, wanted = [], {f'1:{band}': 0 for band in range(1, 7)}
    for k, (band, make) in enumerate(kinds):
        frames += every(10 * MS, 1 + k, make)
        wanted[f'1:{band}'] += 100 * (1 + k)
    assert counts(run(build, frames, config, 12)) == wanted


def fw_marks(build):
    """12.1.2: what PREROUTING marks has its class by the mark."""
    config = PRIO + '''
iptables -A PREROUTING -t mangle -i lan -p tcp --dport 25 -j MARK --set-mark 6
iptables -A PREROUTING -t mangle -i lan -s 10.0.0.9 -j MARK --set-mark 0x16
tc filter add dev wan protocol ip parent 1:0 prio 1 handle 6 fw classid 1:5
tc filter add dev wan protocol ip parent 1:0 prio 1 handle 0x16 fw classid 1:4
'''
    frames = every(10 * MS, 1, lambda i: tcp('10.0.0.2', '10.1.0.2', 5, 25)) + every(10 * MS, 2, lambda i: tcp('10.0.0.2', '10.1.0.2', 5, 26)) \
        + every(10 * MS, 3, lambda i: tcp('10.0.0.9', '10.1.0.2', 5, 25))
    assert counts(run(build, frames, config, 5)) == {'1:1': 0, '1:2': 200, '1:3': 0, '1:4': 300, '1:5': 100, '1:6': 0}


def route_realms(build):
    """12.1.3: by the realm of where a packet goes, and of where it came from."""
    config = PRIO + '''
ip addr add 192.168.2.1/24 dev lan
ip route add 192.168.10.0/24 via 10.1.0.9 dev wan realm 10
ip route add 192.168.11.0/24 via 10.1.0.9 dev wan
ip route replace 192.168.2.0/24 dev lan realm 2
echo 2 > /proc/sys/net/ipv4/conf/lan/rp_filter
tc filter add dev wan parent 1:0 protocol ip prio 100 route to 10 classid 1:5
tc filter add dev wan parent 1:0 protocol ip prio 100 route from 2 classid 1:6
'''
    frames = every(10 * MS, 1, lambda i: udp('10.0.0.2', '192.168.10.2', 5, 6, size=100)) \
        + every(10 * MS, 2, lambda i: udp('192.168.2.7', '192.168.11.2', 5, 6, size=100)) \
        + every(10 * MS, 3, lambda i: udp('10.0.0.2', '192.168.11.2', 5, 6, size=100))
    got = counts(run(build, frames, config, 5))
    assert got == {'1:1': 0, '1:2': 300, '1:3': 0, '1:4': 0, '1:5': 100, '1:6': 200}, got


# ---- cookbook ------------------------------------------------------------------------------------------------------------


def interactive_tos(build):
    """11.3 and 15.4: telnet and the control of ftp get Minimize-Delay, ftp's data Maximize-Throughput: pfifo_fast sends the one first."""
    config = '''
iptables -A PREROUTING -t mangle -p tcp --sport telnet -j TOS --set-tos Minimize-Delay
iptables -A PREROUTING -t mangle -p tcp --sport ftp -j TOS --set-tos Minimize-Delay
iptables -A PREROUTING -t mangle -p tcp --sport ftp-data -j TOS --set-tos Maximize-Throughput
'''
    frames = every(5 * MS, 5, lambda i: tcp('10.0.0.2', '10.1.0.2', 20, 5000, size=1486)) \
        + every(200 * MS, 5, lambda i: tcp('10.0.0.2', '10.1.0.2', 23, 5000, size=46, ident=i))
    r = Run(build, ['lan', 'wan,rate=1mbit'], {'lan': frames}, ADDRESSES + config)
    sent = r.sent('wan')
    assert all(sums_right(frame) for _, frame in sent)
    assert {(struct.unpack_from('!H', frame, 34)[0], frame[15]) for _, frame in sent} == {(20, 0x08), (23, 0x10)}
    telnet = [(struct.unpack_from('!H', frame, 18)[0], ns) for ns, frame in sent if frame[35] == 23]
    assert len(telnet) == 25
    # Never behind more than the one packet of 12 ms that is on the link.
    assert all(ns - ident * 200 * MS <= 13 * MS for ident, ns in telnet), telnet


def mss_clamp(build):
    """15.7: SYNs say what fits the way: the link's MTU less 40, or what one is told; one that says less keeps it."""
    config = '''
ip link set wan mtu 1400
iptables -A FORWARD -p tcp --tcp-flags SYN,RST SYN -d 10.1.0.2 -j TCPMSS --clamp-mss-to-pmtu
iptables -A FORWARD -p tcp --tcp-flags SYN,RST SYN -d 10.1.0.3 -j TCPMSS --set-mss 128
'''
    mss = lambda value: struct.pack('!BBH', 2, 4, value)  # noqa: E731
    cases = [('10.1.0.2', SYN, 1460, 1360), ('10.1.0.2', SYN | ACK, 1460, 1360), ('10.1.0.2', SYN, 500, 500),
             ('10.1.0.3', SYN, 1460, 128), ('10.1.0.4', SYN, 1460, 1460), ('10.1.0.2', SYN | RST, 1460, 1460)]
    frames = [(i * MS, tcp('10.0.0.2', dst, 1000 + i, 80, flags, options=mss(value))) for i, (dst, flags, value, _) in enumerate(cases)]
    r = Run(build, ['lan', 'wan'], {'lan': frames}, ADDRESSES + config)
    got = {struct.unpack_from('!H', frame, 34)[0] - 1000: frame for _, frame in r.sent('wan')}
    assert len(got) == len(cases)
    for i, case in enumerate(cases):
        assert struct.unpack_from('!BBH', got[i], 54) == (2, 4, case[3]), (case, got[i].hex())
        assert sums_right(got[i]), case


def transparent_proxy(build):
    """15.5: web traffic is marked, and by the mark routed to the proxy's host; addresses stay as they are."""
    config = '''
ip addr add 10.2.0.1/24 dev proxy
iptables -A PREROUTING -i lan -t mangle -p tcp --dport 80 -j MARK --set-mark 2
ip rule add fwmark 2 table 202
ip route add default via 10.2.0.9 dev proxy table 202
'''
    frames = every(10 * MS, 1, lambda i: tcp('10.0.0.2', '10.1.0.2', 5, 80)) + every(10 * MS, 2, lambda i: tcp('10.0.0.2', '10.1.0.2', 5, 81)) \
        + every(10 * MS, 3, lambda i: udp('10.0.0.2', '10.1.0.2', 5, 80, size=60))
    r = Run(build, ['lan', 'wan', 'proxy'], {'lan': frames}, ADDRESSES + config)
    assert len(r.sent('proxy')) == 100 and len(r.sent('wan')) == 500
    assert all(frame[30:34] == bytes([10, 1, 0, 2]) and frame[37] == 80 and frame[23] == 6 for _, frame in r.sent('proxy'))


# ---- actions that change packets, one behind the other ------------------------------------------------------------------


def stateless_nat(build):
    """An inside address and an outside one, both ways, errors included; what is translated is routed by its new address."""
    config = '''
ip addr add 192.0.2.1/24 dev wan
tc qdisc add dev wan clsact
tc filter add dev wan egress protocol ip matchall action nat egress 10.0.0.2 192.0.2.2
tc filter add dev wan ingress protocol ip matchall action nat ingress 192.0.2.2 10.0.0.2
'''
    out = every(10 * MS, 1, lambda i: tcp('10.0.0.2', '198.51.100.9', 5, 80)) + [(5 * MS, echo('10.0.0.3', '198.51.100.9', size=60))]
    back = every(10 * MS, 1, lambda i: udp('198.51.100.9', '192.0.2.2', 80, 5, size=99))
    r = Run(build, ['lan', 'wan'], {'lan': out, 'wan': back}, ADDRESSES + 'ip route add default via 10.1.0.9\n' + config)
    left, came = [f for _, f in r.sent('wan')], [f for _, f in r.sent('lan')]
    assert all(map(sums_right, left + came)) and len(left) == 101 and len(came) == 100
    assert {f[26:30] for f in left} == {bytes([192, 0, 2, 2]), bytes([10, 0, 0, 3])}
    assert {f[30:34] for f in came} == {bytes([10, 0, 0, 2])}


def edited_on_the_way(build):
    """pedit with csum at ingress: another destination, which is routed; without csum such a packet is refused for its checksum."""
    config = '''
tc qdisc add dev lan clsact
tc filter add dev lan ingress protocol ip prio 1 u32 match ip dst 10.9.9.9 action pedit ex munge ip dst set 10.1.0.7 munge tcp dport set 8080 \\
    pipe action csum iph tcp
tc filter add dev lan ingress protocol ip prio 2 u32 match ip dst 10.8.8.8 action pedit munge ip dst set 10.1.0.8
'''
    frames = every(10 * MS, 1, lambda i: tcp('10.0.0.2', '10.9.9.9', 5, 80, size=61 + i)) + every(10 * MS, 1, lambda i: tcp('10.0.0.2', '10.8.8.8', 5, 80))
    r = Run(build, ['lan', 'wan'], {'lan': frames}, ADDRESSES + config)
    assert r.drops('ip_checksum') == 100 and len(r.sent('wan')) == 100
    for _, frame in r.sent('wan'):
        assert sums_right(frame) and frame[30:34] == bytes([10, 1, 0, 7]) and frame[36:38] == struct.pack('!H', 8080)


def vlan_both_ways(build):
    """Tagged frames come in by VLAN 7 alone, and leave with a tag; others are of no VLAN that there is."""
    tag = lambda frame, vid: frame[:12] + struct.pack('!HH', 0x8100, vid) + frame[12:]  # noqa: E731
    config = '''
tc qdisc add dev lan clsact
tc filter add dev lan ingress protocol 802.1q prio 1 u32 match ip dst 10.1.0.0/16 action vlan pop
tc qdisc add dev wan clsact
tc filter add dev wan egress protocol ip matchall action vlan push id 9 priority 5
'''
    frames = every(10 * MS, 1, lambda i: tag(udp('10.0.0.2', '10.1.0.2', 5, 6, size=99), 7)) \
        + every(10 * MS, 1, lambda i: tag(udp('10.0.0.2', '10.2.0.2', 5, 6, size=99), 7))
    r = Run(build, ['lan', 'wan'], {'lan': frames}, ADDRESSES + config)
    assert r.drops('unknown_vlan') == 100 and len(r.sent('wan')) == 100
    assert all(f[12:18] == struct.pack('!HHH', 0x8100, 5 << 13 | 9, 0x800) and sums_right(f[:12] + f[16:]) for _, f in r.sent('wan'))


def random_drops(build):
    """gact: each fifth, and one in four by chance."""
    config = '''
tc qdisc add dev lan ingress
tc filter add dev lan parent ffff: protocol ip prio 1 u32 match ip sport 1 0xffff action pass random determ drop 5
tc filter add dev lan parent ffff: protocol ip prio 2 u32 match ip sport 2 0xffff action pass random netrand drop 4
'''
    frames = every(MS, 4, lambda i: udp('10.0.0.2', '10.1.0.2', 1, 6, size=60, ident=i)) + every(MS, 4, lambda i: udp('10.0.0.2', '10.1.0.2', 2, 6, size=60))
    sent = [f for _, f in Run(build, ['lan', 'wan'], {'lan': frames}, ADDRESSES + config).sent('wan')]
    assert [struct.unpack_from('!H', f, 18)[0] for f in sent if f[35] == 1] == [i for i in range(4000) if i % 5 != 4]
    assert abs(len([f for f in sent if f[35] == 2]) - 3000) < 140  # five standard deviations


main(syn_limit, icmp_limit, u32_selectors, fw_marks, route_realms, interactive_tos, mss_clamp, transparent_proxy, stateless_nat, edited_on_the_way,
     vlan_both_ways, random_drops)
