#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""tdc.py BUILD: the kernel's own tc test cases (../shared/tdc) for what is built, as many as pass on Linux 6.1."""
import re
import subprocess
import sys

from router import Router, shared

FILES = (
    'basic',
    'cbq',
    'codel',
    'drr',
    'dsmark',
    'fifo',
    'fq_codel',
    'filters-tests',
    'fw',
    'gact',
    'hfsc',
    'htb',
    'ingress',
    'netem',
    'matchall',
    'mirred',
    'pfifo_fast',
    'police',
    'prio',
    'red',
    'route',
    'rsvp',
    'sfq',
    'skbedit',
    'tbf',
    'tcindex',
    'teql',
    'u32',
)

# Cases by a word of their title, and why they are not for a router.
LEFT_OUT = {
    'canid': 'a port of a router carries no CAN frames',
}


def main():
    runner, baseline = shared('tdc/tdc-run'), {}
    for line in open(shared('tdc/baseline-6.1.txt')):
        words = line.split()
        if not line.startswith('#') and words and words[0] in FILES:
            baseline[words[1]] = words[2]
    with Router(sys.argv[1]) as router:
        files = [shared(f'tdc/{name}.json') for name in FILES]
        done = subprocess.run([sys.executable, runner, '-v', '--tc', f'{router.client} tc', '--ip', f'{router.client} ip', *files],
                              env=router.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    results = {m[2]: (m[1], line) for line in done.stdout.splitlines() if (m := re.match(r'(pass|fail|skip) (\w+) ', line))}
    passed = failed = skipped = 0
    for case, expected in baseline.items():
        outcome, line = results.get(case, ('missing', f'missing {case}'))
        if outcome == 'pass':
            passed += 1
        elif expected != 'pass':
            skipped += 1
            print(f'left out (Linux fails it, too): {line[:150]}')
        elif why := next((reason for word, reason in LEFT_OUT.items() if word in line.split('#')[0]), None):
            skipped += 1
            print(f'left out ({why}): {line[:150]}')
        else:
            failed += 1
            print(line)
    if not results:
        print(done.stdout)
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    sys.exit(1 if failed or not passed else 0)


main()
