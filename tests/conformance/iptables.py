#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""iptables.py BUILD: the commands of iptables-commands, with the real iptables, print here what they printed on Linux 6.1 (iptables.txt).

To make iptables.txt anew run iptables-commands as root in an empty network namespace of such a Linux. Of what Linux refuses without a
word weir says why; those sentences, and the trace of a script's failures, are left out of the comparison.
"""
import difflib
import os
import shutil
import sys

from router import Router, skip

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    if shutil.which('xtables-legacy-multi', path='/usr/sbin:/sbin:' + os.environ['PATH']) is None:
        skip('iptables is not installed')
    with open(f'{HERE}/iptables.txt') as f:
        expected = f.read().splitlines()
    with Router(sys.argv[1]) as router:
        done = router.weir('exec', 'bash', f'{HERE}/iptables-commands')
    got = [line for line in done.stdout.splitlines() if not line.startswith('weir: ')]
    if done.stderr:
        print(done.stderr)
    different = list(difflib.unified_diff(expected, got, 'Linux', 'weir', lineterm='', n=2))
    print('\n'.join(different))
    commands = sum(line.startswith('$ ') for line in expected)
    print(f'{commands} commands, {"all as Linux" if not different else "not as Linux: see above"}')
    return 1 if different or len(got) == 0 else 0


if __name__ == '__main__':
    sys.exit(main())
