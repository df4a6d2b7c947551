#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Folders see each other only through include/weir, and the arrows point one way (docs/architecture.md).

The libraries rib, classify and sched know no NIC, no netlink, no thread and no clock: neither their files nor the public headers that
are theirs. (linux/rtnetlink.h and linux/pkt_sched.h are there for the numbers that the configuration is made of, RTN_UNICAST and the
like.) Last, the check is tried on trees with one mistake each.
"""
import os
import re
import sys
import tempfile

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))
BASE = {'address', 'change', 'checksum', 'error', 'packet', 'random', 'rate', 'rate_average', 'rate_text', 'rcu', 'shared_average'}
# What each folder, and the public headers that are its own, may include of include/weir.
WEIR = {
    'rib': BASE | {'rib'},
    'classify': BASE | {'classify', 'filter/', 'action/', 'netfilter', 'netfilter/'},
    'sched': BASE | {'classify', 'sched', 'qdisc/'},
    'dataplane': BASE | {'classify', 'netfilter', 'sched', 'rib', 'dataplane', 'qdisc/'},
}
LIBRARIES = ('rib', 'classify', 'sched', 'base')
FOREIGN_HEADER = re.compile(r'rte_ethdev|rte_cycles|rte_lcore|libmnl/|linux/netlink\.h|event2/|pthread\.h|threads\.h|(^|/)time\.h|pcap|sys/socket\.h$')
FOREIGN_NAME = re.compile(r'\b(NLM_F_\w+|NLMSG_\w+|RTM_(NEW|DEL|GET)\w+|nlmsghdr|nlattr|rte_eth_\w+|rte_rdtsc\w*|rte_get_(tsc|timer)_\w+'
                          r'|clock_gettime|gettimeofday|pthread_\w+)\b')
# AF_INET and AF_INET6 are in no smaller header.
EXCEPTIONS = {('include/weir/address.h', 'sys/socket.h')}


def owner(header):
    """Whose a public header is: a folder, or 'base'."""
    for folder in ('rib', 'classify', 'sched', 'dataplane'):
        mine = WEIR[folder] - BASE
        if header == f'{folder}.h' or folder == 'classify' and header == 'netfilter.h':
            return folder
        if folder in ('classify', 'sched') and any(name.endswith('/') and header.startswith(name) for name in mine):
            return folder
    return 'base'


def allowed(folder, header):
    names = WEIR.get(folder, BASE)
    return any(header == f'{name}.h' or name.endswith('/') and header.startswith(name) for name in names)


def code_of(path):
    """The file without comments and strings, line by line; #include lines as they are."""
    text = open(path).read()
    keep = r'^[ \t]*#[ \t]*include[^\n]*|/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
    bare = re.sub(keep, lambda m: m[0] if 'include' in m[0] and m[0].lstrip()[0] == '#' else '\n' * m[0].count('\n'), text,
                  flags=re.S | re.M)
    return bare.splitlines()


def sources(top):
    """(folder, path from the top, folder's directory or None for public headers)"""
    for folder in WEIR:
        for directory, _, names in sorted(os.walk(f'{top}/{folder}')):
            for name in sorted(names):
                if name.endswith(('.c', '.h')):
                    inside = os.path.relpath(directory, top)
                    yield folder, f'{inside}/{name}', inside
    public = f'{top}/include/weir'
    for directory, _, names in sorted(os.walk(public)):
        for name in sorted(names):
            path = os.path.relpath(f'{directory}/{name}', top)
            yield owner(os.path.relpath(path, 'include/weir')), path, None


def within(folder, directory, top, header):
    """Is a header that is included by its path one of the folder's own?"""
    path = os.path.normpath(f'{directory}/{header}')
    return directory and path.startswith(f'{folder}/') and os.path.exists(f'{top}/{path}')


def complaint(folder, path, directory, top, line):
    found = re.match(r'\s*#\s*include\s+([<"])([^>"]+)', line)
    if not found:
        name = FOREIGN_NAME.search(line)
        return f'{name[0]}: {folder}/ knows no NIC, no netlink, no thread and no clock' if name and folder in LIBRARIES else None
    quote, header = found.groups()
    if header.startswith('weir/') and not allowed(folder, header[5:]):
        return f'{folder} may not see {header}'
    if quote == '"' and not within(folder, directory, top, header):
        return f'{header} is not in {os.path.dirname(path)}/'
    if folder in LIBRARIES and FOREIGN_HEADER.search(header) and (path, header) not in EXCEPTIONS:
        return f'{header}: {folder}/ knows no NIC, no netlink, no thread and no clock'
    return None


def check(top):
    """How many lines were looked at, and what is wrong."""
    seen, wrong = 0, []
    for folder, path, directory in sources(top):
        for number, line in enumerate(code_of(f'{top}/{path}'), 1):
            seen += 1
            why = complaint(folder, path, directory, top, line)
            if why:
                wrong.append(f'{path}:{number}: {why}')
    return seen, wrong


MISTAKES = (
    ('rib/a.c', '#include <weir/dataplane.h>\n'),
    ('rib/a.c', '#include <weir/sched.h>\n'),
    ('rib/a.c', '#include "../dataplane/machine.h"\n'),
    ('classify/a.c', '#include <weir/sched.h>\n'),
    ('classify/netfilter/a.c', '#include <weir/dataplane.h>\n'),
    ('sched/a.h', '#include <weir/rib.h>\n'),
    ('sched/a.c', '#include <rte_ethdev.h>\n'),
    ('sched/a.c', 'int f(void) { return rte_rdtsc() > 0; }\n'),
    ('rib/a.c', '#include <linux/netlink.h>\n'),
    ('rib/a.c', 'int flags = NLM_F_CREATE;\n'),
    ('dataplane/a.c', '#include <netlink/netlink.h>\n#include "netlink/netlink.h"\n'),
    ('include/weir/sched.h', '#include <weir/dataplane.h>\n'),
    ('include/weir/qdisc/new.h', '#include <weir/rib.h>\n'),
    ('include/weir/packet.h', '#include <weir/sched.h>\n'),
)
FINE = (
    ('rib/a.c', '#include <weir/rib.h>\n/* NLM_F_CREATE */\nconst char *text = "RTM_NEWROUTE";\n'),
    ('sched/a.c', '#include <weir/qdisc/htb.h>\n#include <weir/classify.h>\n'),
    ('dataplane/a.c', '#include <rte_ethdev.h>\n#include <weir/sched.h>\n'),
)


def finds(path, text):
    with tempfile.TemporaryDirectory() as top:
        os.makedirs(os.path.dirname(f'{top}/{path}'))
        open(f'{top}/{path}', 'w').write(text)
        return len(check(top)[1])


def main():
    seen, wrong = check(TOP)
    for path, text in MISTAKES:
        if finds(path, text) != 1:
            wrong.append(f'the check itself: not found in {path}: {text.strip()}')
    for path, text in FINE:
        if finds(path, text) != 0:
            wrong.append(f'the check itself: complains of {path}: {text.strip()}')
    for line in wrong:
        print(line)
    print(f'{seen} lines looked at, {len(wrong)} wrong')
    sys.exit(1 if wrong or seen < 1000 else 0)


main()
