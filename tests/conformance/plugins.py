#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""plugins.py BUILD: our own part of tc for kinds that newer ones left out says and prints what this tc does.

A copy of tc in which the names of these kinds' symbols are spoilt does not know them by itself: it finds ours, in the preloaded library.
"""
import os
import shutil
import sys

from router import Router, skip

KINDS = (b'tcindex_filter_util', b'rsvp_filter_util', b'rsvp6_filter_util', b'dsmark_qdisc_util')
COMMANDS = [
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
    'filter add dev null0 parent 1: protocol ip prio 1 tcindex nonsense',
    'filter add dev null0 parent 1: protocol ip prio 2 rsvp ipproto udp session nowhere',
]
SHOWN = ['qdisc show dev null0', 'class show dev null0', '-s filter show dev null0']


def run(router, tc):
    """Exit statuses, and what is shown then by this tc, without actions, which ours prints more briefly."""
    def call(command):
        return router.weir('exec', tc, *command.split())
    statuses = [call(command).returncode != 0 for command in COMMANDS]
    shown = [''.join(line for line in call(command).stdout.splitlines(True) if not line.startswith((' ', '\t', '\n')))
             for command in SHOWN]
    call('qdisc del dev null0 root')
    return statuses, shown


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
        own, ours = run(router, tc), run(router, copy)
    for what, a, b in zip(COMMANDS + SHOWN, own[0] + own[1], ours[0] + ours[1]):
        if a != b:
            print(f'tc {what}\n--- tc:\n{a}\n--- ours:\n{b}')
    sys.exit(own != ours or not any('dsmark' in text for text in own[1]))


main()
