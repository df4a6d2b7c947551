#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_classifiers.py BUILD: classifiers at the ingress hook, over real captures, beside a plain reader of frames.

Each filter counts what it matches and says continue, so that every packet meets all of them: IPv6, ARP and tagged frames, too, which the router
does not forward.
"""
import os
import re
import struct

from scene import Run, main

CAPTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../../shared/data/pcap')
NAMES = ('ipv6-mixed.pcap', 'lan-mixed-v4-v6.pcap', 'vlan-fragments.pcap', 'ip4_fragments.pcap', 'many-protocols.pcap', 'edge/ip6_fragments.pcap')


def frames_of(path):
    data = open(path, 'rb').read()
    order = '<' if data[:4] in (b'\xd4\xc3\xb2\xa1', b'\x4d\x3c\xb2\xa1') else '>'
    at, found = 24, []
    while at + 16 <= len(data):
        caplen, length = struct.unpack_from(order + 'II', data, at + 8)
        if caplen == length and 14 <= caplen <= 1514:
            found.append(data[at + 16:at + 16 + caplen])
        at += 16 + caplen
    return found


class Packet:
    """What the filters ask about, read plainly."""

    def __init__(self, frame):
        self.frame, at = frame, 12
        self.outer = self.type = int.from_bytes(frame[12:14], 'big')
        while self.type in (0x8100, 0x88a8) and len(frame) >= at + 6:
            at += 4
            self.type = int.from_bytes(frame[at:at + 2], 'big')
        self.ip = frame[at + 2:]
        self.fragment, self.protocol, self.transport = False, None, b''
        if self.type == 0x0800 and len(self.ip) >= 20 and self.ip[0] & 15 >= 5:
            self.protocol = self.ip[9]
            self.fragment = int.from_bytes(self.ip[6:8], 'big') & 0x3fff != 0
            self.transport = b'' if self.fragment else self.ip[(self.ip[0] & 15) * 4:]
        elif self.type == 0x86dd and len(self.ip) >= 40:
            self.protocol, rest = self.ip[6], self.ip[40:]
            while self.protocol in (0, 43, 60) and len(rest) >= 4:
                self.protocol, rest = rest[0], rest[(rest[1] + 1) * 8:]
            if self.protocol == 44 and len(rest) >= 4:
                self.protocol, self.fragment, rest = rest[0], True, b''
            self.transport = rest


# What behind `tc filter add dev lan ingress`, and which packets it is about.
FILTERS = [
    ('protocol ipv6 {} flower ip_proto icmpv6', lambda p: p.outer == 0x86dd and p.protocol == 58),
    ('protocol ipv6 {} flower ip_proto udp dst_port 1-5355', lambda p: p.outer == 0x86dd and p.protocol == 17 and len(p.transport) >= 4
     and 1 <= int.from_bytes(p.transport[2:4], 'big') <= 5355),
    ('protocol ipv6 {} flower ip_flags frag', lambda p: p.outer == 0x86dd and p.fragment),
    ('protocol ip {} flower ip_proto tcp tcp_flags 0x2/0x12', lambda p: p.outer == 0x0800 and p.protocol == 6 and len(p.transport) >= 14
     and p.transport[13] & 0x12 == 2),
    ('protocol ip {} flower ip_flags frag', lambda p: p.outer == 0x0800 and p.fragment),
    ('protocol arp {} flower arp_op request', lambda p: p.outer == 0x0806 and p.ip[:8] == bytes.fromhex('0001080006040001') and len(p.ip) >= 28),
    ('protocol 802.1q {} flower vlan_ethtype ip', lambda p: p.outer == 0x8100 and p.type == 0x0800),
    ("protocol all {} basic match 'cmp(u16 at 12 layer link eq 0x86dd)'", lambda p: p.frame[12:14] == b'\x86\xdd'),
    ("protocol ip {} basic match 'cmp(u8 at 9 layer 1 eq 17) and not cmp(u16 at 2 layer 1 lt 200)'",
     lambda p: p.outer == 0x0800 and len(p.ip) >= 10 and p.ip[9] == 17 and int.from_bytes(p.ip[2:4], 'big') >= 200),
    ("protocol ip {} basic match 'u32(u8 0x40 0xf0 at 0) and meta(pkt_len gt 500)'",
     lambda p: p.outer == 0x0800 and p.ip[:1] != b'' and p.ip[0] >> 4 == 4 and len(p.ip) > 500),
]


def counts_what_a_plain_reader_counts(build):
    seen = [0] * len(FILTERS)
    config = 'tc qdisc add dev lan clsact\n' + ''.join(
        f'tc filter add dev lan ingress {words.format(f"prio {i + 1}")} action continue\n' for i, (words, _) in enumerate(FILTERS))
    for name in NAMES:
        path = os.path.join(CAPTURES, name)
        if not os.path.exists(path):
            print(f'{path} is absent')
            raise SystemExit(77)
        frames = frames_of(path)
        packets = [Packet(frame) for frame in frames]
        show = ''.join(f'tc -s filter show dev lan ingress prio {i + 1} > filter{i}\n' for i in range(len(FILTERS)))
        run = Run(build, ['lan'], {'lan': [(i * 1000, frame) for i, frame in enumerate(frames)]}, config, at=[(60, show)], prelude=False)
        for i, (words, matches) in enumerate(FILTERS):
            counted = int(re.search(r'Sent \d+ bytes (\d+) pkt', run.read(f'filter{i}'))[1])
            expected = sum(1 for packet in packets if matches(packet))
            assert counted == expected, (name, words, counted, expected)
            seen[i] += expected
    assert all(seen), seen  # none is a test of nothing


main(counts_what_a_plain_reader_counts)
