#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""plugins.py BUILD: our own part of tc for kinds that newer ones left out says and prints what this tc does.

A copy of tc in which the names of these kinds' symbols are spoilt does not know them by itself: it finds ours, in the preloaded library.
"""
import os
import re
import shutil
import sys

from router import Router, skip

KINDS = (b'tcindex_filter_util', b'rsvp_filter_util', b'rsvp6_filter_util', b'dsmark_qdisc_util', b'cbq_qdisc_util')
MARKS = [
    'qdisc add dev null0 root handle 1: dsmark indices 64 default_index 3 set_tc_index',
    'class change dev null0 classid 1:1 dsmark mask 0x3 value 0xb8',
    'filter add dev null0 parent 1: protocol ip prio 1 tcindex hash 64 mask 0xfc shift 2 pass_on',
    'filter add dev null0 parent 1: protocol ip prio 1 handle 0x2e tcindex classid 1:1',
    'filter add dev null0 parent 1: protocol ip prio 1 handle 5 tcindex classid 1:2 action drop',
    'filter add dev null0 parent 1: protocol ip prio 2 rsvp ipproto udp session 192.0.2.1/80 sender 192.0.2.2/5021 classid 1:1',
    'filter add dev null0 parent 1: protocol ip prio 2 rsvp ipproto ah session 192.0.2.1 spi/ah 0x1234 tunnelid 2 classid 1:2',
    'filter add dev null0 parent 1: protocol ip prio 2 rsvp ipproto esp session 192.0.2.1 spi/esp 0x1234 classid 1:2',
    'filter add dev null0 parent 1: protocol ip prio 2 rsvp ipproto ipencap session 192.0.2.1 tunnel 2 skip 20',
    'filter add dev null0 parent 1: protocol ip prio 2 rsvp ipproto tcp session 192.0.2.3 u16 0x1234 mask 0xffff at 6 classid 1:3',
    'filter add dev null0 parent 1: protocol ip prio 2 rsvp ipproto 200 session 192.0.2.3 u32 1 mask 0xff at 8 sender 192.0.2.4 classid 1:3',
    'filter add dev null0 parent 1: protocol ipv6 prio 3 rsvp6 ipproto udp session 2001:db8::1 flowlabel 0x12345 classid 1:2',
    'filter add dev null0 parent 1: protocol ipv6 prio 3 rsvp6 ipproto tcp session 2001:db8::1/443 sender 2001:db8::2/7 classid 1:2',
    'filter add dev null0 parent 1: protocol ip prio 2 rsvp ipproto udp session 192.0.2.9/53 classid 1:1 police rate 1mbit burst 10k drop',
    'filter add dev null0 parent 1: protocol ip prio 2 rsvp ipproto udp session 192.0.2.9/54 classid 1:1 action police rate 1mbit burst 10k conform-exceed drop/pass',
    'filter add dev null0 parent 1: protocol ip prio 2 rsvp ipproto udp session 192.0.2.9/55 police rate 1mbit burst 10k drop classid 1:1',
    'filter add dev null0 parent 1: protocol ip prio 1 handle 6 tcindex classid 1:2 action skbedit priority 1:3 action pass',
    'filter add dev null0 parent 1: protocol ip prio 1 handle 7 tcindex classid 1:2 police rate 1mbit burst 10k drop',
    'filter add dev null0 parent 1: protocol ip prio 1 tcindex nonsense',
    'filter add dev null0 parent 1: protocol ip prio 2 rsvp ipproto udp session nowhere',
]
CBQ = 'avpkt 1000 bounded'
# Golden 07-cbq's, tdc's, and one of each word; what is refused, too.
SHARES = [
    'qdisc add dev null0 root handle 10: cbq bandwidth 10Mbit avpkt 1000',
    'class add dev null0 parent 10:0 classid 10:1 cbq bandwidth 10Mbit rate 10Mbit allot 1514 weight 1Mbit prio 8 maxburst 20 avpkt 1000',
    f'class add dev null0 parent 10:1 classid 10:100 cbq bandwidth 10Mbit rate 8Mbit allot 1514 weight 800Kbit prio 5 maxburst 20 {CBQ}',
    f'class add dev null0 parent 10:1 classid 10:200 cbq bandwidth 10Mbit rate 2Mbit allot 1514 weight 200Kbit prio 5 maxburst 20 {CBQ}',
    f'class add dev null0 parent 10:200 classid 10:250 cbq bandwidth 10Mbit rate 500Kbit allot 1514 weight 50Kbit prio 5 maxburst 20 {CBQ}',
    f'class add dev null0 parent 10:200 classid 10:251 cbq bandwidth 10Mbit rate 1500Kbit allot 1514 weight 150Kbit prio 5 maxburst 20 {CBQ}',
    'class change dev null0 parent 10:1 classid 10:100 cbq bandwidth 10Mbit rate 8Mbit allot 1514 weight 800Kbit prio 5 maxburst 20 avpkt 1000 isolated',
    'class replace dev null0 parent 10:1 classid 10:200 cbq bandwidth 10Mbit rate 2Mbit allot 1514 weight 200Kbit prio 5 maxburst 20 avpkt 1000',
    'class add dev null0 parent 10:0 classid 10:2 cbq bandwidth 10Mbit rate 1500Kbit avpkt 1000 prio 1 bounded isolated allot 1514 weight 1 maxburst 10',
    'class add dev null0 parent 10:1 classid 10:3 cbq bandwidth 10Mbit rate 1Mbit allot 100 avpkt 500 minburst 4 minidle 30 ewma 4 mpu 64 overhead 18 cell 16',
    'class add dev null0 parent 10:1 classid 10:4 cbq rate 125kbps prio 3 allot 2kb split 10:0 defmap c0/ff linklayer atm',
    'class add dev null0 parent 10:1 classid 10:5 cbq rate 1mbit prio 3 allot 2kb split 10: defmap 3f',
    'class change dev null0 classid 10:5 cbq prio 2 allot 1500 bounded',
    'class change dev null0 classid 10:4 cbq ewma 3 sharing borrow',
    'class add dev null0 parent 10:1 classid 10:300 cbq rate 1Mbit',
    'class add dev null0 parent 10:99 classid 10:301 cbq bandwidth 10Mbit rate 1Mbit allot 1514 avpkt 1000',
    'class add dev null0 parent 10:1 classid 10:302 cbq rate 1mbit allot 1514 maxburst 10 avpkt 1000',
    'class add dev null0 parent 10:1 classid 10:303 cbq rate 1mbit allot 1514 prio 9',
    'class add dev null0 parent 10:1 classid 10:304 cbq rate 1mbit allot 1514 cell 9',
    'class add dev null0 parent 10:1 classid 10:305 cbq rate 1mbit allot 1514 defmap zz',
    'class change dev null0 classid 10:5 cbq prio 4',
    'class change dev null0 classid 10:5 cbq',
]
QDISCS = [['qdisc add dev null0 handle 1: root cbq ' + options] for options in (
    'bandwidth 10000 avpkt 9000', 'bandwidth 10000 avpkt 9000 mpu 1000', 'bandwidth 10000 avpkt 9000 cell 128',
    'bandwidth 10000 avpkt 9000 ewma 128', 'bandwidth 10Mbit cell 8 avpkt 1000 mpu 64', 'bandwidth 10Mbit', 'avpkt 1000',
    'bandwidth 3gbit avpkt 501 allot 3000 ewma 3 overhead 4 linklayer adsl', 'bandwidth x avpkt 1000', 'nonsense')]
GROUPS = [MARKS, SHARES, *QDISCS]
SHOWN = [f'{options}{what} show dev null0' for options in ('', '-s -d ', '-s -d -j ') for what in ('qdisc', 'class')] + ['-s filter show dev null0']


def run(router, tc, commands):
    """What was said and what came of it: exit statuses, what this tc shows then, and the router's configuration."""
    def call(command):
        return router.weir('exec', tc, *command.split())

    results = [(f'tc {command}', call(command).returncode != 0) for command in commands]
    results += [(f'tc {command}', re.sub(r'\d+ sec', 'some sec', call(command).stdout)) for command in SHOWN]
    results.append(('weir save', router.weir('save').stdout))
    call('qdisc del dev null0 root')
    return results


def main():
    tc = shutil.which('tc', path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
    if tc is None:
        skip('there is no tc')
    program = open(tc, 'rb').read()
    if not all(kind in program for kind in KINDS):
        skip('this tc does not know the kinds by itself: there is nothing to compare with')
    for kind in KINDS:
        program = program.replace(b'\0' + kind + b'\0', b'\0X' + kind[1:] + b'\0')
    with Router(sys.argv[1]) as router:
        copy = os.path.join(router.folder, 'tc')
        with open(copy, 'wb') as f:
            f.write(program)
        os.chmod(copy, 0o755)
        pairs = [(a, b) for commands in GROUPS for a, b in zip(run(router, tc, commands), run(router, copy, commands))]
    for (what, a), (_, b) in pairs:
        if a != b:
            print(f'{what}\n--- tc:\n{a}\n--- ours:\n{b}')
    shown = ''.join(text for (_, text), _ in pairs if isinstance(text, str))
    sys.exit(any(a != b for a, b in pairs) or 'dsmark' not in shown or 'level 1 ewma 5' not in shown)


main()
