#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_wrr.py BUILD: wrr by the unmodified tc, whose part for it is in the shim: options, what is printed, shares of two hosts."""
import json
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '../conformance'))
from capture import START, udp_frame, write_capture  # noqa: E402

CONFIG = '''set -e
ip addr add 10.0.0.1/24 dev lan; ip addr add 10.1.0.1/24 dev wan
tc qdisc add dev wan root handle 1: wrr dest ip 100 0 wmode1=0 weight2 0.5 weight2.min=0.25
tc -j qdisc show dev wan > FOLDER/qdisc.json
'''
AT_1 = '''
tc class show dev wan > FOLDER/classes
tc class change dev wan classid 1:1 wrr weight1 0.25
tc -s class show dev wan > FOLDER/changed
tc class change dev wan classid 1:1 wrr weight1 2 2> FOLDER/refused && exit 1
tc qdisc change dev wan root handle 1: wrr weight1.max 0.1 weight1 0.2 2>> FOLDER/refused && exit 1
tc qdisc add dev wan root handle 2: wrr what 2>> FOLDER/refused && exit 1
exit 0
'''
SECOND = 10**9


def replay(build, folder):
    # Two hosts, each with 8 mbit for a link of 8.
    packets = [(int(i * 1.25e6), udp_frame('10.0.0.2', f'10.1.0.{host}', 5000, 5001, 1236, 0, i, struct.pack('!I', host)))
               for i in range(4000) for host in (2, 3)]
    write_capture(f'{folder}/in.pcap', packets)
    for name, text in (('config', CONFIG), ('at1', AT_1)):
        with open(f'{folder}/{name}', 'w') as out:
            out.write(text.replace('FOLDER', folder))
    subprocess.run([f'{build}/control/client/weir', 'replay', '--port', f'lan,in={folder}/in.pcap', '--port', f'wan,out={folder}/out.pcap,rate=8mbit',
                    '--config', f'{folder}/config', '--at', '1', f'{folder}/at1', '--out', f'{folder}/out'], check=True)


def shares(path, first, last):
    data, counts, at = open(path, 'rb').read(), {2: 0, 3: 0}, 24
    while at < len(data):
        s, ns, caplen, _ = struct.unpack_from('<IIII', data, at)
        counts[data[at + 16 + 33]] += first <= (s - START) * SECOND + ns < last
        at += 16 + caplen
    return counts


def main():
    build = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix='weir-wrr-') as folder:
        replay(build, folder)
        options = json.load(open(f'{folder}/qdisc.json'))[0]['options']
        assert options == {'direction': 'dest', 'key': 'ip', 'classes': 100, 'quantum': 1514, 'wmode1': 0, 'wmode2': 0, 'weight1': 1,
                           'weight2': 0.5, 'weight2.min': 0.25}, options
        classes = open(f'{folder}/classes').read().splitlines()
        assert [line.split(' leaf')[0].strip() for line in classes] == [
            f'class wrr 1:{i} parent 1: host 10.1.0.{i + 1} weight1 1 weight2 0.5 weight2.min 0.25' for i in (1, 2)], classes
        changed = open(f'{folder}/changed').read()
        assert 'host 10.1.0.2 weight1 0.25 weight2 0.5' in changed and 'host 10.1.0.3 weight1 1 ' in changed, changed
        refused = open(f'{folder}/refused').read()
        assert 'a number from 0 to 1' in refused and 'is not within' in refused and 'What is "what"?' in refused, refused
        before, after = (shares(f'{folder}/out.pcap', *span) for span in ((0, SECOND), (SECOND, 4 * SECOND)))
        assert abs(before[2] - before[3]) <= 3, before
        assert abs(after[2] * 4 - after[3]) <= 12, after
    print('1 passed, 0 failed, 0 skipped')


main()
