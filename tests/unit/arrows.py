#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Folders see each other only through include/weir, and the arrows point one way (docs/architecture.md)."""
import os
import re
import sys

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))
# What each folder may include of include/weir beside its own header, and of the world outside.
WEIR = {
    'rib': {'address', 'error', 'packet', 'rcu', 'rib'},
    'classify': {'address', 'error', 'packet', 'rcu', 'classify', 'filter/', 'action/'},
    'sched': {'address', 'error', 'packet', 'rcu', 'classify', 'sched', 'qdisc/'},
    'dataplane': {'address', 'error', 'packet', 'rcu', 'classify', 'sched', 'rib', 'dataplane', 'qdisc/'},
}
LIBRARIES = ('rib', 'classify', 'sched')
FORBIDDEN = re.compile(r'rte_ethdev|libmnl/|event2/|pthread\.h|time\.h|pcap')


def allowed(folder, header):
    return any(header == f'{name}.h' or name.endswith('/') and header.startswith(name) for name in WEIR[folder])


def main():
    wrong = seen = 0
    for folder in WEIR:
        for name in sorted(os.listdir(f'{TOP}/{folder}')):
            if not name.endswith(('.c', '.h')):
                continue
            for number, line in enumerate(open(f'{TOP}/{folder}/{name}'), 1):
                found = re.match(r'\s*#\s*include\s+([<"])([^>"]+)', line)
                if not found:
                    continue
                seen += 1
                quote, header = found.groups()
                why = None
                if header.startswith('weir/') and not allowed(folder, header[5:]):
                    why = f'{folder}/ may not see {header}'
                elif quote == '"' and not os.path.exists(f'{TOP}/{folder}/{header}'):
                    why = f'{header} is not in {folder}/'
                elif folder in LIBRARIES and FORBIDDEN.search(header):
                    why = f'{folder}/ knows no NIC, no netlink, no thread and no clock'
                if why:
                    wrong += 1
                    print(f'{folder}/{name}:{number}: {why}')
    print(f'{seen} includes looked at, {wrong} wrong')
    sys.exit(1 if wrong or not seen else 0)


main()
