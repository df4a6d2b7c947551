#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""newer_tc.py BUILD: what only a tc newer than Debian 12's says, as netlink: netem's seed (Linux 6.6)."""
import os
import socket
import struct
import sys

from router import Router

HELLO, MAGIC = 8, 0x77657201  # FRAME_HELLO (control/netlink/frames.h)
ERROR, NEW_QDISC, GET_QDISC = 2, 36, 38
REQUEST, ACK, DUMP, CREATE, EXCL = 1, 4, 0x300, 0x400, 0x200
KIND, OPTIONS, PRNG_SEED, ROOT = 1, 2, 14, 0xffffffff
SEED = 0x0123456789abcdef


def attribute(kind, data):
    return struct.pack('=HH', 4 + len(data), kind) + data + bytes(-len(data) % 4)


class Connection:
    def __init__(self, path):
        self.end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.end.settimeout(10)
        self.end.connect(path)
        self.end.send(struct.pack('=IHHIIII', 24, HELLO, 0, 0, MAGIC, 0, os.getpid()))
        _, self.files, _, _ = socket.recv_fds(self.end, 64, 2)

    def ask(self, kind, flags, body):
        self.end.send(struct.pack('=IHHII', 16 + len(body), kind, REQUEST | flags, 7, 0) + body)
        return self.end.recv(65536)


def main():
    with Router(sys.argv[1]) as r:
        c = Connection(r.socket)
        port = int(r.weir('ip', '-o', 'link', 'show', 'dev', 'null0').stdout.split(':')[0])
        where = struct.pack('=B3xiIII', 0, port, 0, ROOT, 0)
        options = struct.pack('=6I', 0, 1000, 0, 0, 0, 0) + attribute(PRNG_SEED, struct.pack('=Q', SEED))
        reply = c.ask(NEW_QDISC, ACK | CREATE | EXCL, where + attribute(KIND, b'netem\0') + attribute(OPTIONS, options))
        kind, error = struct.unpack_from('=H', reply, 4)[0], struct.unpack_from('=i', reply, 16)[0]
        if (kind, error) != (ERROR, 0):
            sys.exit(f'netem with a seed: answer {kind}, error {error}')
        if attribute(PRNG_SEED, struct.pack('=Q', SEED)) not in c.ask(GET_QDISC, DUMP, where):
            sys.exit('the seed is not in the dump')
        saved = r.weir('save').stdout
        if f' seed {SEED}' not in saved:
            sys.exit('the seed is not saved:\n' + saved)
        shown = r.weir('tc', 'qdisc', 'show', 'dev', 'null0')
        if 'qdisc netem' not in shown.stdout or shown.stderr:
            sys.exit('an older tc cannot show it:\n' + shown.stdout + shown.stderr)
    print('1 passed, 0 failed, 0 skipped')


main()
