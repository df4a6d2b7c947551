#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_iptables_capture.py BUILD: iptables' tables, and the policy routing that they steer, over a real capture.

What each packet should look like and where it should leave is worked out here, from its bytes alone; what leaves must be just that, in
order, and the counters that iptables prints must be those of the same reckoning.
"""
import os
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CAPTURE = os.path.join(HERE, '../../../shared/data/pcap/gnutella.pcap')
SLOW_PORTS = range(6346, 6350)  # Gnutella's, by default
MSS = 1300
CONFIG = f'''set -e
ip addr add 192.0.2.1/24 dev lan
ip addr add 198.51.100.1/24 dev wan
ip addr add 203.0.113.1/24 dev slow
ip route add default via 198.51.100.2
ip route add default via 203.0.113.2 table 100
ip rule add fwmark 2/3 lookup 100
iptables -t mangle -N gnutella
iptables -t mangle -A PREROUTING -i lan -p tcp -m multiport --ports {SLOW_PORTS[0]}:{SLOW_PORTS[-1]} -j gnutella
iptables -t mangle -A PREROUTING -i wan -j DROP
iptables -t mangle -A PREROUTING -m mark --mark 2/3 -m length --length :60
iptables -t mangle -A gnutella -j MARK --or-mark 2
iptables -t mangle -A gnutella -j RETURN
iptables -t mangle -A gnutella -j DROP
iptables -t mangle -A FORWARD -o slow -j TOS --set-tos Maximize-Throughput
iptables -t mangle -A POSTROUTING -o wan -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss {MSS}
iptables -P FORWARD DROP
iptables -A FORWARD -p udp --dport 1024: -j DROP
iptables -A FORWARD -p tcp -j ACCEPT
'''
LIST = 'set -e\n' + ''.join(f'iptables -t {table} -S {chain} -v\n' for table, chain in (
    ('mangle', 'PREROUTING'), ('mangle', 'gnutella'), ('mangle', 'FORWARD'), ('mangle', 'POSTROUTING'), ('filter', 'FORWARD')))


def read_frames(path):
    data = open(path, 'rb').read()
    order = '<' if data[0] in (0xd4, 0x4d) else '>'
    at = 24
    while at < len(data):
        _, _, caplen, length = struct.unpack_from(order + 'IIII', data, at)
        if caplen == length:
            yield data[at + 16:at + 16 + caplen]
        at += 16 + caplen


def words_sum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def replace_sum(old_sum, old, new):
    """The checksum when these words have become those, which have as many bytes (RFC 1624 equation 3)."""
    change = sum(struct.unpack(f'!{len(new) // 2}H', new)) + sum(word ^ 0xffff for word in struct.unpack(f'!{len(old) // 2}H', old))
    total = (old_sum ^ 0xffff) + change
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def lower_mss(ip):
    """The datagram, its MSS option lowered; and whether it is a SYN at all."""
    ip, at = bytearray(ip), (ip[0] & 15) * 4
    if ip[at + 13] & 6 != 2:
        return bytes(ip), False
    end, option = at + (ip[at + 12] >> 4) * 4, at + 20
    before = bytes(ip[at:end])
    while option < end and ip[option] != 2:
        option += ip[option + 1] if ip[option] > 1 else 1
    if option < end and struct.unpack_from('!H', ip, option + 2)[0] > MSS:
        struct.pack_into('!H', ip, option + 2, MSS)
        struct.pack_into('!H', ip, at + 16, replace_sum(struct.unpack_from('!H', ip, at + 16)[0], before, bytes(ip[at:end])))
    assert option < end, 'a SYN without an MSS: this test knows none'
    return bytes(ip), True


class Reckoning:
    def __init__(self):
        self.left = {'wan': [], 'slow': []}
        self.counts = {}

    def count(self, rule, ip):
        packets, size = self.counts.get(rule, (0, 0))
        self.counts[rule] = packets + 1, size + len(ip)

    def take(self, frame):
        if frame[12:14] != b'\x08\x00':
            return
        ip = frame[14:14 + struct.unpack_from('!H', frame, 16)[0]]
        if ip[9] == 2:  # IGMP, which no rule is about and nobody forwards
            return
        assert ip[0] == 0x45, 'no options: this test knows none'
        if words_sum(ip[:20]) != 0xffff:
            return
        later = ip[6] & 0x1f != 0 or ip[7] != 0
        sport, dport = (0, 0) if later else struct.unpack_from('!HH', ip, 20)
        slow = ip[9] == 6 and (sport in SLOW_PORTS or dport in SLOW_PORTS)
        if slow:
            for rule in ('PREROUTING -i lan', 'gnutella -j MARK', 'gnutella -j RETURN'):
                self.count(rule, ip)
            if len(ip) <= 60:
                self.count('PREROUTING -m mark', ip)
        if ip[8] <= 1 or ip[16] >= 224 or ip[12] >= 224 or frame[0] & 1:
            return
        out = 'slow' if slow else 'wan'
        tos = 8 if slow else ip[1]
        ip = ip[:1] + bytes([tos]) + ip[2:8] + bytes([ip[8] - 1]) + ip[9:10] + b'\0\0' + ip[12:]
        ip = ip[:10] + struct.pack('!H', words_sum(ip[:20]) ^ 0xffff) + ip[12:]
        if slow:
            self.count('FORWARD -o slow', ip)
        if ip[9] != 6:
            self.count('FORWARD -p udp' if ip[9] == 17 and dport >= 1024 else 'FORWARD DROP', ip)
            return
        self.count('FORWARD -p tcp', ip)
        if out == 'wan':
            ip, is_syn = (ip, False) if later else lower_mss(ip)
            if is_syn:
                self.count('POSTROUTING -o wan', ip)
        self.left[out].append(ip)


def run(build, folder):
    open(f'{folder}/config', 'w').write(CONFIG)
    open(f'{folder}/list', 'w').write(LIST)
    command = [f'{build}/control/client/weir', 'replay', '--port', f'lan,in={CAPTURE}', '--port', f'wan,out={folder}/wan.pcap', '--port',
               f'slow,out={folder}/slow.pcap', '--config', f'{folder}/config', '--at', '100000', f'{folder}/list', '--out', f'{folder}/out']
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def printed_counts(text):
    """{beginning of a rule, as `iptables -S` prints it: (packets, bytes)}"""
    found = {}
    for line in text.splitlines():
        match = re.match(r'-[AP] (\S+ .*?)\s*-c (\d+) (\d+)(.*)', line)
        if match:
            found[' '.join((match[1] + match[4]).split())] = int(match[2]), int(match[3])
    return found


def main():
    if not os.path.exists(CAPTURE):
        print('skipped: no captures in ../shared/data/pcap')
        sys.exit(77)
    build = os.path.abspath(sys.argv[1])
    reckoning = Reckoning()
    for frame in read_frames(CAPTURE):
        reckoning.take(frame)
    with tempfile.TemporaryDirectory(prefix='weir-iptables-capture-') as folder:
        text = run(build, folder)
        for port, expected in reckoning.left.items():
            seen = [frame[14:] for frame in read_frames(f'{folder}/{port}.pcap')]
            assert len(expected) > 100 and len(seen) == len(expected), (port, len(seen), len(expected))
            for number, (is_, should) in enumerate(zip(seen, expected)):
                assert is_ == should, f'{port}: packet {number} is {is_[:60].hex()}, should be {should[:60].hex()}'
    printed = printed_counts(text)
    for rule, expected in reckoning.counts.items():
        seen = [counts for line, counts in printed.items() if line.startswith(rule)]
        assert seen == [expected], (rule, seen, expected, text)
    assert len(reckoning.counts) >= 8, reckoning.counts
    print(f'{sum(map(len, reckoning.left.values()))} packets forwarded as reckoned, {len(reckoning.counts)} rules counted them')


main()
