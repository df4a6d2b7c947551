#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""save.py BUILD: what `weir save` prints makes the same tree again, for each kind of qdisc, classifier and policer; and the same tables of iptables."""
import os
import shlex
import shutil
import sys

from router import Router

DEV = 'null0'
# A kind, and commands behind `tc`; DEV stands behind `dev`.
TREES = {
    'cbq': ['qdisc add dev root handle 1: cbq bandwidth 10mbit avpkt 1000 cell 8',
            'class add dev parent 1: classid 1:1 cbq bandwidth 10mbit rate 6mbit weight 0.6mbit prio 8 allot 1514 cell 8 maxburst 20 avpkt 1000 bounded',
            'class add dev parent 1:1 classid 1:3 cbq bandwidth 10mbit rate 5mbit weight 0.5mbit prio 5 allot 1514 cell 8 maxburst 20 avpkt 1000 isolated'],
    'drr': ['qdisc add dev root handle 1: drr', 'class add dev parent 1: classid 1:1 drr quantum 3000',
            'qdisc add dev parent 1:1 handle 5: fq_codel limit 100 flows 64 target 3ms interval 50ms quantum 300 noecn',
            'filter add dev parent 1: protocol all prio 3 matchall classid 1:1'],
    'dsmark': ['qdisc add dev root handle 1: dsmark indices 8 default_index 3 set_tc_index',
               'class change dev classid 1:1 dsmark mask 0x3 value 0xb8',
               'filter add dev parent 1: protocol ip prio 1 tcindex mask 0xfc shift 2 pass_on',
               'filter add dev parent 1: protocol ip prio 1 handle 46 tcindex classid 1:1'],
    'gred': ['qdisc add dev root handle 1: gred setup DPs 3 default 2 grio',
             'qdisc change dev root handle 1: gred limit 60KB min 15K max 25K burst 20 avpkt 1000 bandwidth 10Mbit DP 1 probability 0.02 prio 2'],
    'hfsc': ['qdisc add dev root handle 1: hfsc default 20', 'class add dev parent 1: classid 1:1 hfsc ls rate 10mbit ul rate 10mbit',
             'class add dev parent 1:1 classid 1:20 hfsc sc umax 1500b dmax 10ms rate 1mbit ul rate 5mbit'],
    'htb': ['qdisc add dev root handle 1: htb default 20 r2q 5', 'class add dev parent 1: classid 1:1 htb rate 10mbit burst 20k',
            'class add dev parent 1:1 classid 1:20 htb rate 1mbit ceil 5mbit prio 2 quantum 3000 overhead 4 mpu 64 linklayer atm',
            'qdisc add dev parent 1:20 handle 20: sfq perturb 10 headdrop',
            'filter add dev parent 1: protocol ip prio 1 route to 10 classid 1:20',
            'filter add dev parent 1: protocol ip prio 2 handle 6/0xff fw classid 1:20 police rate 1mbit burst 10k drop'],
    'netem': ['qdisc add dev root handle 1: netem delay 10ms 2ms 25% loss gemodel 1% 10% 70% 0.1% duplicate 1% reorder 25% 50% gap 5 '
              'corrupt 0.1% rate 1mbit 20 limit 500', 'qdisc add dev parent 1:1 handle 10: tbf rate 1mbit burst 5k limit 10k'],
    'red': ['qdisc add dev root handle 1: red limit 60KB min 15K max 25K burst 20 avpkt 1000 bandwidth 10Mbit probability 0.02 ecn adaptive',
            'qdisc add dev parent 1:1 handle 7: codel limit 50'],
    'noqueue': ['qdisc add dev root handle 5: noqueue'],
    'prio': ['qdisc add dev root handle 1: prio',
             "filter add dev parent 1: protocol ip prio 1 basic match 'not cmp(u16 at 2 layer 1 mask 0xff00 trans lt 100) and "
             r"""(u32(u32 1 0xffffffff at nexthdr+4) or nbyte("a\x27\\7" at 0 layer 2))' classid 1:1""",
             "filter add dev parent 1: protocol ip prio 1 basic match 'meta(nf_mark shift 2 mask 0xff gt priority)' action drop",
             'filter add dev parent 1: protocol all prio 2 handle 0x77 basic classid 1:2 action skbedit mark 7 pipe action pass',
             'filter add dev parent 1: protocol ip prio 5 handle 7 flower ip_proto tcp src_ip 10.0.0.0/8 dst_port 1000-2000 tcp_flags 0x2/0x12 ip_tos 0x10/0xfc ip_flags frag/nofirstfrag skip_hw classid 1:1',
             'filter add dev parent 1: protocol ip prio 5 flower src_mac 1:2:3:4:5:6/ff:ff:ff:0:0:0 ip_proto udp src_port 0x10/0xf0 ip_ttl 64 action drop',
             'filter add dev parent 1: protocol ip prio 5 flower dst_ip 0.0.0.0/0 ip_tos 0x20 action drop',
             'filter add dev parent 1: protocol arp prio 6 flower arp_op request arp_sip 1.2.3.0/24 arp_tha 1:2:3:4:5:6 classid 1:1',
             'filter add dev parent 1: protocol 802.1q prio 7 flower vlan_id 5 vlan_prio 2 vlan_ethtype 802.1q cvlan_id 7 cvlan_ethtype ipv6 ip_proto icmpv6 type 128 code 0 dst_ip 2001:db8::/32 classid 1:2',
             'filter add dev parent 1: protocol ip prio 8 handle 5 flow map key mark and 0xff or 0x10 xor 0x1 rshift 4 addend 3 divisor 7 baseclass 1:3 action pass',
             "filter add dev parent 1: protocol ip prio 8 handle 3 flow hash keys src,dst,proto-src match 'cmp(u8 at 9 layer 1 eq 17)' divisor 1024 perturb 60",
             'filter add dev parent 1: protocol ip prio 3 rsvp ipproto ipencap session 192.0.2.1 tunnel 2 skip 20 action continue',
             'filter add dev parent 1: protocol ip prio 3 rsvp ipproto udp session 192.0.2.1/80 sender 192.0.2.2/5021 classid 1:1',
             'filter add dev parent 1: protocol ip prio 3 rsvp ipproto ah session 192.0.2.1 spi/ah 0x1234 tunnelid 2 classid 1:1',
             'filter add dev parent 1: protocol ipv6 prio 4 rsvp6 ipproto udp session 2001:db8::1 flowlabel 0x12345 classid 1:2'],
    'wrr': ['qdisc add dev root handle 1: wrr dest ip classes 255 wmode1 1 weight1.min 0.1'],
    'ingress': ['qdisc add dev est 250ms 1s ingress', 'chain add dev ingress chain 5', 'chain add dev ingress protocol ip chain 6 flower dst_ip 0.0.0.0/16 ip_proto tcp',
                'filter add dev ingress protocol ip prio 3 u32 match u32 0 0 action police rate 1mbit burst 10k conform-exceed drop/pipe action goto chain 5',
                'filter add dev ingress protocol ip chain 5 prio 1 matchall action pass',
                'filter add dev ingress protocol ip prio 4 est 250ms 1s matchall action police avrate 1mbit conform-exceed drop/pipe action pass',
                'filter add dev ingress protocol ip prio 7 est 1s 8s u32 match u32 0 0 police avrate 100kbit drop'],
    'actions': ['qdisc add dev clsact', 'actions add action skbedit priority 1:2 mark 7/0xff ptype otherhost index 9 cookie 0123ab',
                'filter add dev ingress protocol all prio 1 matchall action skbedit index 9 pipe action vlan push id 5 priority 3 protocol 802.1ad '
                'action vlan modify id 6 action vlan pop pipe action vlan push_eth dst_mac 02:00:00:00:00:01 src_mac 02:00:00:00:00:02 action vlan pop_eth drop',
                'filter add dev egress protocol ip prio 2 matchall action nat egress 10.0.0.0/8 192.168.0.0 pipe action nat ingress 10.0.0.1 10.0.0.2 pass',
                'filter add dev egress protocol ip prio 3 matchall action pedit ex munge ip ttl add 0xff munge ip src set 1.2.3.4 munge eth dst set '
                '02:00:00:00:00:03 munge eth type set 0x1234 retain 0xff munge tcp dport set 80 munge tcp flags set 0x10 retain 0x10 munge udp sport add 1 '
                'munge ip6 src set 2001:db8::1 munge offset 12 u32 set 0x01020304 retain 0xffff pipe action csum iph tcp udp icmp continue',
                'filter add dev egress protocol ip prio 4 matchall action pedit munge offset 4 u16 set 0x1234 retain 0xff0 munge ip dst set 5.6.7.8 pipe '
                'action mirred egress mirror dev lo pipe action mirred ingress redirect dev lo',
                'filter add dev egress protocol ip prio 5 matchall action gact pass random determ drop 5 action skbedit inheritdsfield queue_mapping 3 pipe'],
}


def words(command):
    return ['tc', *shlex.split(command if command.startswith('actions') else command.replace(' dev ', f' dev {DEV} ', 1))]


def shown(router):
    return '\n'.join(router.weir('tc', '-d', what, 'show', 'dev', DEV, *where).stdout
                     for what in ('qdisc', 'class', 'filter', 'chain')
                     for where in ([[], ['ingress'], ['egress']] if what in ('filter', 'chain') else [[]]))


def clear(router, kind):
    router.weir('tc', 'qdisc', 'del', 'dev', DEV, {'ingress': 'ingress', 'actions': 'clsact'}.get(kind, 'root'))
    if kind == 'actions':
        router.weir('tc', 'actions', 'flush', 'action', 'skbedit')


# What is saved although tc does not show it.
NOT_SHOWN = {'prio': ' src_ip 0.0.0.0/0'}


def try_tree(router, kind, commands):
    """What is wrong, or nothing."""
    for command in commands:
        done = router.weir(*words(command))
        if done.returncode != 0:
            return f'{command}: {done.stderr}'
    before, saved = shown(router), router.weir('save')
    clear(router, kind)
    script = os.path.join(router.folder, 'saved.sh')
    with open(script, 'w') as f:
        f.write('\n'.join(line for line in saved.stdout.splitlines() if line.startswith('tc ')))
    again = router.weir('exec', 'sh', '-e', script)
    after, twice = shown(router), router.weir('save')
    clear(router, kind)
    if again.returncode != 0:
        return again.stderr
    if saved.stdout != twice.stdout or NOT_SHOWN.get(kind, '') not in saved.stdout:
        return f'saved:\n{saved.stdout}\nsaved again:\n{twice.stdout}'
    return '' if before == after else f'before:\n{before}\nafter:\n{after}'


RULES = ['-N web', '-t mangle -A PREROUTING -i eth0 -p tcp -m multiport --dports 80,443:445 -j MARK --set-mark 3', '-P FORWARD DROP',
         '-A FORWARD -p tcp --syn -m limit --limit 5/s --limit-burst 9 -g web', '-A web -m comment --comment "it\'s" -p tcp -j REJECT --reject-with tcp-reset',
         '-A FORWARD -m hashlimit --hashlimit-above 10kb/s --hashlimit-burst 20kb --hashlimit-mode srcip --hashlimit-name busy -j DROP',
         '-A web -j LOG --log-prefix "web: "', '-t raw -A OUTPUT -m u32 --u32 "6 & 0xFF = 1" -j DROP']


def try_tables(router):
    """The same for iptables."""
    def tables():
        return [line for line in router.weir('iptables-save').stdout.splitlines() if not line.startswith('#')]

    for rule in RULES:
        done = router.weir('iptables', *shlex.split(rule))
        if done.returncode != 0:
            return f'{rule}: {done.stderr}'
    before, saved = tables(), router.weir('save').stdout
    for table in ('filter', 'mangle', 'raw'):
        router.weir('iptables', '-t', table, '-F')
        router.weir('iptables', '-t', table, '-X')
    router.weir('iptables', '-P', 'FORWARD', 'ACCEPT')
    if 'IPTABLES' in router.weir('save').stdout:
        return 'empty tables were saved'
    script = os.path.join(router.folder, 'saved.sh')
    with open(script, 'w') as f:
        f.write(saved)
    again = router.weir('exec', 'sh', '-e', script)
    return again.stderr or ('' if tables() == before else f'before: {before}\nafter: {tables()}')


def try_gone(router):
    """What names a port that is no more is a comment, and the rest of the script runs."""
    for words in ('ip link add gone0 type dummy', f'tc qdisc add dev {DEV} clsact', f'tc filter add dev {DEV} ingress pref 1 matchall action mirred egress redirect dev gone0',
                  f'tc filter add dev {DEV} ingress pref 2 protocol ip u32 match u32 0 0 indev gone0 action drop', 'tc actions add action mirred egress mirror dev gone0 index 7',
                  f'tc filter add dev {DEV} egress pref 3 matchall action mirred index 7', f'tc chain add dev {DEV} egress protocol ip chain 3 flower indev gone0',
                  'ip link del gone0'):
        done = router.weir(*words.split())
        if done.returncode != 0:
            return f'{words}: {done.stderr}'
    shown_gone = router.weir('tc', 'filter', 'show', 'dev', DEV, 'ingress').stdout
    saved = router.weir('save').stdout
    clear(router, 'actions')
    router.weir('tc', 'actions', 'flush', 'action', 'mirred')
    script = os.path.join(router.folder, 'saved.sh')
    with open(script, 'w') as f:
        f.write(saved)
    again = router.weir('exec', 'sh', '-e', script)
    clear(router, 'actions')
    if again.returncode != 0 or '(Egress Redirect to device *)' not in shown_gone:
        return again.stderr or shown_gone
    return '' if saved.count('# its port is gone: tc ') == 5 else saved


def try_name(router):
    """A name in which a shell would see a command."""
    name = "a'$(id)&b"
    link = ['ip', 'link', 'add', name, 'type', 'dummy']
    for command in (link, ['ip', 'addr', 'add', '10.99.0.1/24', 'dev', name], ['ip', 'rule', 'add', 'iif', name, 'lookup', '9'],
                    ['tc', 'qdisc', 'add', 'dev', name, 'root', 'handle', '1:', 'prio']):
        done = router.weir(*command)
        if done.returncode != 0:
            return f'{command}: {done.stderr}'
    saved = router.weir('save').stdout
    script = os.path.join(router.folder, 'saved.sh')
    with open(script, 'w') as f:
        f.write(saved)
    router.weir('ip', 'rule', 'del', 'iif', name)
    router.weir('ip', 'link', 'del', name)
    again = router.weir('exec', 'sh', '-e', script)
    same = saved == router.weir('save').stdout
    router.weir('ip', 'rule', 'del', 'iif', name)
    router.weir('ip', 'link', 'del', name)
    return again.stderr or ('' if same else saved)


def try_setting(router, key, line):
    """A setting of schedulers: saved while it is not as at the start."""
    before = router.weir('save').stdout
    router.weir('sysctl', f'{key}=1')
    during, listed = router.weir('save').stdout, router.weir('sysctl', '-a').stdout
    router.weir('sysctl', f'{key}=0')
    return line not in before and line in during and f'{key} = 1' in listed and router.weir('save').stdout == before


def try_default_qdisc():
    """Links that were up before the default changed keep their root; the script makes both again."""
    ports = ('--port', 'null0=net_null0', '--port', 'null1=net_null1', '--port', 'null2=net_null2')
    kinds, saved = [], []
    for script in (None, 'saved'):
        with Router(sys.argv[1], *ports) as router:
            if script is None:
                for command in ('ip link set null2 up', 'sysctl net.core.default_qdisc=sfq', 'ip link set null0 up',
                                'sysctl net.core.default_qdisc=fq_codel'):
                    if router.weir(*command.split()).returncode != 0:
                        return command
            else:
                again = router.weir('exec', 'sh', '-ec', saved[0])
                if again.returncode != 0:
                    return again.stderr
            router.weir('ip', 'link', 'set', 'null1', 'up')
            kinds.append([line.split()[1] for line in router.weir('tc', 'qdisc', 'show').stdout.splitlines() if 'dev null' in line])
            router.weir('ip', 'link', 'set', 'null1', 'down')
            saved.append(router.weir('save').stdout)
    return '' if kinds[0] == kinds[1] == ['sfq', 'fq_codel', 'pfifo_fast'] and saved[0] == saved[1] else f'{kinds}{saved}'


def main():
    failed = 0
    with Router(sys.argv[1]) as router:
        if not try_setting(router, 'net.weir.cbq_top_level', 'echo 1 > /proc/sys/net/weir/cbq_top_level\n'):
            print('net.weir.cbq_top_level: not saved, or not listed')
            failed += 1
        wrong = try_default_qdisc()
        print(f'default roots: {wrong or "the same again"}')
        failed += wrong != ''
        wrong = try_gone(router)
        print(f'ports that are gone: {wrong or "comments"}')
        failed += wrong != ''
        wrong = try_name(router)
        print(f'a name to be quoted: {wrong or "the same again"}')
        failed += wrong != ''
        for kind, commands in TREES.items():
            wrong = try_tree(router, kind, commands)
            print(f'{kind}: {wrong or "the same again"}')
            failed += wrong != ''
        if shutil.which('xtables-legacy-multi', path='/usr/sbin:/sbin:' + os.environ['PATH']):
            wrong = try_tables(router)
            print(f'iptables: {wrong or "the same again"}')
            failed += wrong != ''
    sys.exit(1 if failed else 0)


main()
