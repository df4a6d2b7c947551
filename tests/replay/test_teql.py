#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_teql.py BUILD: the HOWTO's two routers that share a load over two links (docs/disciplines/teql.md), both replayed.

Router A sends 12 mbit over links of 8 and 4 mbit; what left it by each of them comes in at router B. B's network gets every packet, at the
rate of both links together, and each link was never idle.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '../conformance'))
from capture import START, udp_frame, write_capture  # noqa: E402

COUNT, SIZE, GAP_NS = 600, 986, 666_667  # 1000 bytes as frames: 12 mbit
SHARED = '''set -e
tc qdisc add dev eth1 root teql0
tc qdisc add dev eth2 root teql0
ip link set dev teql0 up
'''
A = SHARED + '''ip addr add 192.168.1.1/24 dev lan
ip addr add dev eth1 10.0.0.0/31
ip addr add dev eth2 10.0.0.2/31
ip addr add dev teql0 10.0.0.4/31
ip route add 192.168.2.0/24 via 10.0.0.5
'''
B = SHARED + '''ip addr add 192.168.2.1/24 dev lan
ip addr add dev eth1 10.0.0.1/31
ip addr add dev eth2 10.0.0.3/31
ip addr add dev teql0 10.0.0.5/31
ip route add 192.168.1.0/24 via 10.0.0.4
'''


def replay(build, folder, name, config, *ports):
    with open(f'{folder}/{name}.sh', 'w') as script:
        script.write(config)
    words = [word for port in ports for word in ('--port', port)]
    subprocess.run([f'{build}/control/client/weir', 'replay', *words, '--config', f'{folder}/{name}.sh', '--out', f'{folder}/{name}'],
                   check=True, stdout=subprocess.DEVNULL)
    return json.load(open(f'{folder}/{name}/report.json'))['totals']


def read(path):
    """[(ns, number)]"""
    data, found, at = open(path, 'rb').read(), [], 24
    while at < len(data):
        s, ns, caplen, _ = struct.unpack_from('<IIII', data, at)
        found.append(((s - START) * 10**9 + ns, struct.unpack_from('!I', data, at + 16 + 42)[0]))
        at += 16 + caplen
    return found


def main():
    build = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix='weir-teql-') as folder:
        write_capture(f'{folder}/in.pcap', [(i * GAP_NS, udp_frame('192.168.1.2', '192.168.2.2', 5000, 5001, SIZE, 0, i, struct.pack('!I', i)))
                                            for i in range(COUNT)])
        totals = replay(build, folder, 'a', A, f'lan,in={folder}/in.pcap', f'eth1,out={folder}/1.pcap,rate=8mbit',
                        f'eth2,out={folder}/2.pcap,rate=4mbit')
        assert totals['sent'] == COUNT and totals['received'] == COUNT, totals
        fast, slow = read(f'{folder}/1.pcap'), read(f'{folder}/2.pcap')
        assert abs(len(fast) - 2 * len(slow)) <= 3, (len(fast), len(slow))
        for link, ns in ((fast, 1_000_000), (slow, 2_000_000)):
            gaps = [b[0] - a[0] for a, b in zip(link, link[1:])]
            assert min(gaps) >= ns and sum(gaps) <= len(gaps) * ns * 1.002 + 2 * ns, (min(gaps), max(gaps))
        totals = replay(build, folder, 'b', B, f'eth1,in={folder}/1.pcap', f'eth2,in={folder}/2.pcap', f'lan,out={folder}/lan.pcap')
        assert totals['sent'] == COUNT and totals['dropped'] == 0, totals
        arrived = read(f'{folder}/lan.pcap')
        assert sorted(number for _, number in arrived) == list(range(COUNT))
    print('1 passed, 0 failed, 0 skipped')


main()
