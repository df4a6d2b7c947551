#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_bad_input.py BUILD: whatever one gets wrong, the answer is a sentence and a status other than 0, the router's
configuration is as it was, and it still forwards.

Runs in a network namespace of its own (root, or a user namespace), where two veth pairs are the router's wires. Without one
the ports are null devices, and that it forwards is not looked at.
"""
import difflib
import errno
import fcntl
import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
WEIRD = f'{BUILD}/control/weird'
WEIR = f'{BUILD}/control/client/weir'
INSIDE = 'WEIR_TEST_NAMESPACE'
NOBODY = 65534
failures = []


def enter_namespace():
    """Starts again within a network namespace; comes back where that is not allowed."""
    if os.environ.get(INSIDE):
        return True
    for command in (['unshare', '-n'], ['unshare', '-rn']):
        if subprocess.run([*command, 'true'], stderr=subprocess.DEVNULL).returncode == 0:
            os.environ[INSIDE] = '1'
            os.execvp(command[0], [*command, sys.executable, *sys.argv])
    return False


def fail(name, text):
    failures.append(name)
    print(f'FAILED: {name}:')
    print('    ' + text.strip().replace('\n', '\n    '))


def run(*command, text=None, env=None, **options):
    done = subprocess.run(command, input=text, stdin=None if text else subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, env=env or os.environ, **options)
    return done.returncode, done.stdout


def check(name, command, pattern, status=None, text=None, **options):
    """`command` fails (with `status`, or any other than 0) and says `pattern`; it was not a crash."""
    got, output = run(*command, text=text, **options)
    bad = got == 0 or got < 0 or got >= 128 and got != 255
    if (got != status if status is not None else bad) or not re.search(pattern, output):
        fail(name, f'status {got} (want {"a failure" if status is None else status}), want /{pattern}/ in:\n{output}')


# ---- the router -------------------------------------------------------------------------------------------------------------

class Wires:
    """Two veth pairs: the router has lan and wan, this test their other ends."""

    def __init__(self):
        for name in ('lan', 'wan'):
            for words in (f'add {name} type veth peer name {name}-host', f'set {name} up', f'set {name}-host up'):
                subprocess.run(['ip', 'link', *words.split()], check=True)
        self.ports = ['--port', 'lan=net_af_packet0,iface=lan', '--port', 'wan=net_af_packet1,iface=wan']
        self.near, self.far = self.listen('lan-host'), self.listen('wan-host')
        with self.listen('lan') as port:
            self.mac = port.getsockname()[4]
        self.sequence = 0

    @staticmethod
    def listen(interface):
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        end.bind((interface, 0))
        end.settimeout(5)
        return end

    def forwards(self):
        """A packet that is sent into lan comes out of wan."""
        self.sequence += 1
        payload = b'weir-test-%08d' % self.sequence
        header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0, bytes((10, 1, 0, 2)), bytes((10, 2, 0, 2)))
        total = sum(struct.unpack('!10H', header))
        total = (total & 0xffff) + (total >> 16)
        header = header[:10] + struct.pack('!H', ~total & 0xffff) + header[12:]
        udp = struct.pack('!HHHH', 4000, 5000, 8 + len(payload), 0) + payload
        self.near.send(self.mac + b'\x02\0\0\0\0\x02\x08\0' + header + udp)
        deadline = time.time() + 5
        try:
            while time.time() < deadline:
                if payload in self.far.recv(2000):
                    return True
        except TimeoutError:
            pass
        return False


class NoWires:
    ports = ['--port', 'lan=net_ring0', '--port', 'wan=net_ring1']

    @staticmethod
    def forwards():
        return True


SETUP = '''
set -e
ip link set lan up
ip link set wan up
ip addr add 10.1.0.1/24 dev lan
ip addr add 10.2.0.1/24 dev wan
ip neigh add 10.2.0.2 lladdr 02:00:00:00:02:02 nud permanent dev wan
ip rule add fwmark 5 table 100
ip route add default via 10.2.0.2 table 100
tc qdisc add dev wan root handle 1: htb default 10
tc class add dev wan parent 1: classid 1:1 htb rate 50mbit
tc class add dev wan parent 1:1 classid 1:10 htb rate 10mbit ceil 50mbit
tc class add dev wan parent 1:1 classid 1:20 htb rate 10mbit ceil 50mbit
tc qdisc add dev wan parent 1:20 handle 20: pfifo limit 50
tc filter add dev wan parent 1: protocol ip prio 1 u32 match ip dport 80 0xffff flowid 1:20
tc qdisc add dev lan root handle 5: sfq
'''


def start(wires, folder):
    log = open(f'{folder}/log', 'w+')
    config = f'{folder}/setup'
    open(config, 'w').write(SETUP)
    process = subprocess.Popen([WEIRD, *wires.ports, '--config', config], stdout=log, stderr=log)
    for _ in range(300):
        if 'running' in open(log.name).read():
            return process
        if process.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit('weird did not start:\n' + open(log.name).read())


def unharmed(name, wires, before):
    status, after = run(WEIR, 'save')
    if status != 0 or after != before:
        changes = difflib.unified_diff(before.splitlines(), after.splitlines(), 'before', 'after', lineterm='', n=0)
        fail(name, f'the configuration has changed (save: status {status}):\n' + '\n'.join(changes))
    if not wires.forwards():
        fail(name, 'the router does not forward any more')


# ---- what people get wrong --------------------------------------------------------------------------------------------------

def wrong_options(folder):
    port = ['--port', 'eth0=net_null7']
    for words, pattern in (
            ([], 'a router needs a port'),
            (['--frobnicate'], 'no option --frobnicate'),
            (['-x'], 'no option -x'),
            (['word', *port], "'word' is no option"),
            (['--port'], '--port takes a value'),
            (['--port', 'eth0'], "'eth0' is not NAME=VALUE"),
            (['--port', 'eth0='], 'names no device'),
            (['--port', 'a/b=net_null7'], 'is no name for a port'),
            (['--port', 'averyveryverylongname=net_null7'], 'too long for a port'),
            ([*port, *port], 'there is a port eth0 already'),
            ([*port, '--port', 'eth1=net_null7,size=64'], 'the device of eth1 is that of eth0 already'),
            ([*port, '--rate', 'eth0=0'], 'a link sends a byte'),
            ([*port, '--rate', 'eth0=fast'], "'fast' is not a rate"),
            ([*port, '--rate', 'eth9=1mbit'], 'there is no --port eth9'),
            ([*port, '--queues', 'eth0=0,0'], 'is not a number from 1'),
            ([*port, '--queues', 'eth0=1'], 'is not RX,TX'),
            ([*port, '--pin', 'eth0=7'], 'is not a list of workers'),
            ([*port, '--workers', '0'], 'is not a number from 1'),
            ([*port, '--workers', '4294967296'], 'is not a number from 1'),
            ([*port, '--buffers', '4294967296'], 'is not a number from 1'),
            ([*port, '--poll', 'lazy'], 'neither busy nor adaptive')):
        check('weird ' + ' '.join(words), [WEIRD, *words], 'weird: .*' + pattern, 2)
    for words, pattern in (
            ([], 'usage: weir'),
            (['frobnicate'], "there is no verb 'frobnicate'"),
            (['--frobnicate', 'ip'], "there is no option '--frobnicate'"),
            (['--socket'], "the socket's path is missing"),
            (['exec'], 'a command is missing'),
            (['exec', '--frobnicate'], "no option '--frobnicate'"),
            (['show', 'frobnicate'], "no report 'frobnicate'"),
            (['show', 'ports', '--frobnicate'], "no option '--frobnicate'"),
            (['show', 'ports', 'drops'], 'one too many'),
            (['save', 'it'], 'takes no arguments'),
            (['version', '2'], 'takes no arguments'),
            (['sysctl'], 'a name is missing'),
            (['replay', '--frobnicate'], "no option '--frobnicate'")):
        check('weir ' + ' '.join(words), [WEIR, *words], pattern, 2)
    check('weir exec nosuch', [WEIR, 'exec', 'no-such-program'], "the program 'no-such-program' is not there", 1)
    check('weir exec directory', [WEIR, 'exec', folder], 'Permission denied', 1)
    check('weir exec sudo', [WEIR, 'exec', 'sudo', 'ip', 'link'], 'sudo', 1)


def wrong_devices(folder):
    socket_option = ['--socket', f'{folder}/other']
    for device, pattern in (
            ('no-such-device', 'port eth0: .*no-such-device'),
            ('net_af_packet5,iface=no-such-interface', 'port eth0: .'),
            ('0000:ff:1f.7', 'port eth0: .'),
            ('net_pcap5,rx_pcap=/nonexistent.pcap', 'port eth0: .')):
        check(f'device {device}', [WEIRD, *socket_option, '--port', f'eth0={device}'], pattern, 1)
    if os.path.exists(f'{folder}/other'):
        fail('devices', 'a router that did not start left its socket')


def sockets(folder):
    for words in ('ip link', 'tc qdisc', 'show ports', 'save', 'sysctl net.ipv4.ip_forward', 'exec ip link'):
        check(f'no router: weir {words}', [WEIR, '--socket', f'{folder}/none', *words.split()],
              f'no router at {folder}/none: is weird running')
    stale = f'{folder}/stale'
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(stale)
        dead.listen()
    check('stale socket', [WEIR, '--socket', stale, 'ip', 'link'], 'no router at')
    process = subprocess.Popen([WEIRD, '--socket', stale, '--port', 'eth0=net_null7'], stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    if 'running' not in line:
        fail('stale socket', 'it was not replaced: ' + line)
    process.send_signal(signal.SIGTERM)
    if process.wait(30) != 0 or os.path.exists(stale):
        fail('SIGTERM', f'status {process.returncode}, socket {"left" if os.path.exists(stale) else "removed"}')
    process.stderr.close()
    check('live socket', [WEIRD, '--port', 'eth0=net_null7'], 'a router is running at', 1)
    plain = f'{folder}/plain'
    open(plain, 'w').write('precious')
    check('a file where the socket should be', [WEIRD, '--socket', plain, '--port', 'eth0=net_null7'], 'weird: .*plain', 1)
    if open(plain).read() != 'precious':
        fail('a file where the socket should be', 'it was overwritten')
    check('socket in no directory', [WEIRD, '--socket', '/nonexistent/a/b', '--port', 'eth0=net_null7'], '/nonexistent', 1)
    check('a long path', [WEIRD, '--socket', '/tmp/' + 'x' * 200, '--port', 'eth0=net_null7'], "a socket's path may have")


def another_user(folder):
    """Somebody else may not even look (the socket's mode is its owner's)."""
    if os.geteuid() != 0 or os.stat('/proc/self').st_uid != 0 or open('/proc/self/uid_map').read().split()[2] == '1':
        print('skipped: permission denied (needs root and a second user)')
        return
    # The build tree may lie where nobody may go.
    shutil.copytree(f'{BUILD}/control/client', f'{folder}/control/client', ignore=shutil.ignore_patterns('*.p', '*.a'))
    os.mkdir(f'{folder}/control/shim')
    shutil.copy(f'{BUILD}/control/shim/libweir-shim.so', f'{folder}/control/shim')
    os.chmod(folder, 0o755)
    weir = f'{folder}/control/client/weir'
    for words in ('ip link', 'tc qdisc add dev lan root pfifo', 'show ports', 'save', 'sysctl net.ipv4.ip_forward=0'):
        check(f'another user: {words}', [weir, *words.split()], 'ermi(tted|ssion)', user=NOBODY, group=NOBODY, extra_groups=[])


def scripts(folder):
    path = f'{folder}/script'

    def write(text):
        open(path, 'w').write(text)
        return path

    bad = write('ip link set lan up\n\nip route add 192.0.2.0/24 \\\n  via 198.51.100.1\nexit 3\n')
    where = f'{path} line 3: exit status 2 from: ip route add 192.0.2.0/24 via 198.51.100.1'
    check('exec: line N', [WEIR, 'exec', 'sh', bad], where, 3)
    check('exec: line N with set -e', [WEIR, 'exec', 'sh', '-e', bad], where, 2)
    cut = write('true\nip neigh change 10.1.0.77 lladdr 02:00:00:00:00:01 dev lan\n')  # ip writes into its arguments
    check('exec: line N of an address', [WEIR, 'exec', 'sh', cut],
          f'{path} line 2: exit status 2 from: ip neigh change 10.1.0.77 lladdr 02:00:00:00:00:01 dev lan', 2)
    status, output = run(WEIR, 'exec', 'sh', write('x=$(ip link show dev none 2>&1) || echo "$x" | wc -l'))
    if status != 0 or output.strip() != '1':
        fail('exec: what the script reads is the program\'s alone', output)
    check('exec: its own status', [WEIR, 'exec', 'sh', '-c', 'exit 7'], '', 7)
    write('set -e\nip link set eth0 up\nip link set eth0 down up sideways\n')
    other = ['--socket', f'{folder}/other', '--port', 'eth0=net_null7']
    check('config: line N', [WEIRD, *other, '--config', path], f'{path} line 3: exit status 255 from: ip link set', 1)
    check('config: not there', [WEIRD, *other, '--config', f'{folder}/none'], 'No such file', 1)
    check('config: directory', [WEIRD, *other, '--config', folder], 'directory', 1)
    check('replay: line N', [WEIR, 'replay', '--port', 'eth0', '--config', path], f'{path} line 3: exit status 255 from', 1)
    check('batch: line N', [WEIR, 'ip', '-batch', '-'], 'Command failed -:2', text='link show lo\nroute add 10.9.0.0/16 via 9.9.9.9\n')


def requests():
    """One line of ip or tc each. Those that iproute2 itself refuses are here too: a user does not know who it was."""
    for line, pattern in (
            ('tc class add dev wan parent 1: classid 1:30 htb rate 0', 'rate'),
            ('tc class add dev wan parent 1: classid 1:30 htb', 'rate'),
            ('tc qdisc add dev wan parent 1:10 handle 10: tbf rate 0 burst 10k limit 10k', 'rate'),
            ('tc qdisc add dev wan parent 1:10 handle 10: tbf rate 1mbit burst 0 limit 10k', 'burst'),
            ('tc class add dev wan parent 20: classid 20:1 htb rate 1mbit', 'has no classes'),
            ('tc qdisc add dev wan parent 20:1 pfifo', 'not classful'),
            ('tc class add dev wan parent 1:77 classid 1:78 htb rate 1mbit', 'parentid'),
            ('tc class add dev wan parent 1:1 classid 7:78 htb rate 1mbit', 'Invalid argument|[Cc]lass'),
            ('tc class add dev wan parent 1:1 classid 1:20 htb rate 1mbit', 'File exists'),
            ('tc class del dev wan classid 1:1', 'busy|children|in use'),
            ('tc class del dev wan classid 1:20', 'in use|busy|filter'),
            ('tc class del dev wan classid 1:99', 'No such|not'),
            ('tc qdisc add dev wan parent 1:10 handle 1: pfifo', '[Ee]x'),
            ('tc qdisc add dev wan parent 1:10 frobnicate', 'frobnicate|unknown'),
            ('tc qdisc add dev wan parent 1:10 prio bands 17', 'bands|Invalid'),
            ('tc qdisc add dev wan parent 1:10 prio bands 4294967295', 'bands'),
            ('tc qdisc add dev wan parent 1:10 sfq divisor 3', 'divisor'),
            ('tc qdisc add dev wan parent 1:10 sfq limit 4294967295 quantum 4294967295', 'quantum'),
            ('tc qdisc add dev none root pfifo', 'none'),
            ('tc qdisc del dev wan parent 1:99', 'not found'),
            ('tc qdisc add dev wan ingress_block 22 ingress', 'shared blocks'),
            ('tc qdisc add dev wan parent 1:10 egress_block 22 sfq', 'block sharing'),
            ('tc filter add dev wan parent 7: protocol ip prio 1 u32 match ip dport 80 0xffff flowid 7:1', 'Parent'),
            ('tc filter add dev wan parent 20: protocol ip prio 1 u32 match ip dport 80 0xffff flowid 20:1', 'not classful'),
            ('tc filter add dev wan parent 1: protocol ip prio 65536 u32 match ip dport 80 0xffff flowid 1:10', 'priority'),
            ('tc filter add dev wan parent 1: protocol ip prio 9 frobnicate', 'frobnicate'),
            ('tc filter del dev wan parent 1: protocol ip prio 77 u32', 'not found|cannot find|Cannot find'),
            ('tc filter add dev wan parent 1: protocol ip prio 9 u32 match ip dport 80 0xffff police rate 1mbit burst 10k pkts_rate 10 pkts_burst 1 flowid 1:10', 'not allowed'),
            ('ip route add 192.0.2.0/24 via 198.51.100.1', 'gateway|unreachable'),
            ('ip route add 192.0.2.0/24 via 198.51.100.1 dev wan', 'gateway|unreachable'),
            ('ip route add 192.0.2.0/24 dev none', 'none'),
            ('ip route add 192.0.2.1/24 via 10.2.0.2', 'prefix'),
            ('ip route add 192.0.2.0/24 nexthop via 10.2.0.2 weight 256 nexthop via 9.9.9.9', 'gateway|unreachable'),
            ('ip route add 192.0.2.0/24 nexthop via 10.2.0.2 weight 4294967296', 'weight'),
            ('ip route add 10.2.0.0/24 dev wan scope link proto kernel src 10.2.0.1', 'File exists'),
            ('ip route del 192.0.2.0/24', 'No such process'),
            ('ip route add 192.0.2.0/24 via 10.2.0.2 table 4294967296', 'table'),
            ('ip rule del priority 77', 'No such'),
            ('ip rule add priority 4294967296 table 5', 'priority|preference'),
            ('ip addr add 10.1.0.1/24 dev lan', 'File exists|already'),
            ('ip addr add 10.1.0.1/33 dev lan', 'prefix'),
            ('ip addr del 10.9.0.1/24 dev lan', 'Cannot assign|not found'),
            ('ip link set lan mtu 4294967295', 'mtu'),
            ('ip link set lan mtu 10', 'mtu'),
            ('ip link set lan mtu 100000000', 'mtu'),
            ('ip link set lan name wan', 'wan|File exists'),
            ('ip link set lan address 01:00:00:00:00:01', 'Cannot assign|address'),
            ('ip link add lan type dummy', 'File exists'),
            ('ip link add d0 type frobnicate', 'frobnicate|Unknown device type|garbage'),
            ('ip link del lan', 'cannot be deleted'),
            ('ip neigh add 10.1.0.9 lladdr 1:2:3 dev lan', 'address'),
            ('ip neigh del 10.1.0.77 dev lan', 'No such'),
            ('ip frobnicate', 'unknown'),
            ('sysctl net.ipv4.conf.none.rp_filter=1', 'no setting'),
            ('sysctl net.weir.nothing=1', 'no setting'),
            ('sysctl net.core.nothing=1', 'no setting'),
            ('sysctl net.core.default_qdisc=nosuch', "no discipline 'nosuch'"),
            ('sysctl net.core.default_qdisc=htb', 'cannot stand where nothing was configured'),
            ('sysctl net.core.default_qdisc=prio', 'cannot be the default'),
            ('sysctl net.weir.cbq_top_level=2', '0 or 1'),
            ('sysctl net.ipv4.conf.lan.rp_filter=often', 'a number'),
            ('sysctl net.ipv4.conf.lan.rp_filter=4294967296', 'a number')):
        check(f'weir {line}', [WEIR, *line.split()], pattern)
    if not shutil.which('xtables-legacy-multi', path='/usr/sbin:/sbin:' + os.environ['PATH']):
        print('skipped in part: iptables is not installed')
        return
    for line, pattern in (
            ('-t nat -A PREROUTING -j ACCEPT', 'table nat comes with connection tracking'),
            ('-t nosuch -L', 'there is no table nosuch'),
            ('-A FORWARD -m conntrack --ctstate NEW', 'chain FORWARD, rule 1: match conntrack comes with'),
            ('-A FORWARD -m recent --set', 'no match recent'),
            ('-t mangle -A FORWARD -j CONNMARK --save-mark', 'target CONNMARK comes with'),
            ('-A FORWARD -j QUEUE', 'target QUEUE'),
            ('-A FORWARD -j DSCP --set-dscp 1', 'only valid in mangle table'),
            ('-t mangle -A PREROUTING -j CLASSIFY --set-class 1:1', 'CLASSIFY target: used from hooks PREROUTING'),
            ('-A FORWARD -p udp -j REJECT --reject-with tcp-reset', 'give -p tcp'),
            ('-A FORWARD -j TCPMSS --set-mss 1000', 'protocol'),
            ('-A FORWARD -m limit --limit 1/day --limit-burst 10000', 'limit'),
            ('-A OUTPUT -m mac --mac-source 00:11:22:33:44:55', 'mac match: used from hooks OUTPUT')):
        check(f'weir iptables {line}', [WEIR, 'iptables', *line.split()], pattern)


def missing_class():
    """As on Linux it is no error, for the class may come later; but it is said."""
    words = 'dev wan parent 1: protocol ip prio 9'
    status, output = run(WEIR, *f'tc filter add {words} u32 match ip dport 81 0xffff flowid 1:99'.split())
    if status != 0 or 'there is no class 1:99' not in output:
        fail('a filter to no class', f'status {status}\n{output}')
    run(WEIR, *f'tc filter del {words}'.split())


def great_values(wires):
    """Numbers of 4 GiB and what is close: refused, or taken and shown; then taken back. The router lives either way."""
    great = (1 << 32) - 1
    for make, unmake in (
            (f'tc class add dev wan parent 1: classid 1:40 htb rate {great} burst {great} cburst {great}', 'tc class del dev wan classid 1:40'),
            ('tc class add dev wan parent 1: classid 1:40 htb rate 4294967296bps ceil 17179869184bps', 'tc class del dev wan classid 1:40'),
            (f'tc class add dev wan parent 1: classid 1:40 htb rate 1mbit quantum {great} prio {great}', 'tc class del dev wan classid 1:40'),
            (f'tc qdisc add dev wan parent 1:10 handle 10: pfifo limit {great}', 'tc qdisc del dev wan parent 1:10'),
            (f'tc qdisc add dev wan parent 1:10 handle 10: bfifo limit {great}', 'tc qdisc del dev wan parent 1:10'),
            (f'tc qdisc add dev wan parent 1:10 handle 10: tbf rate 17179869184bps burst {great} limit {great}', 'tc qdisc del dev wan parent 1:10'),
            (f'tc qdisc add dev wan parent 1:10 handle 10: tbf rate 1gbit burst {great} limit {great} mtu {great} peakrate 17179869184bps', 'tc qdisc del dev wan parent 1:10'),
            (f'tc qdisc add dev wan parent 1:10 handle 10: sfq perturb 2147483647 flows {great} limit {great} depth {great} divisor 65536', 'tc qdisc del dev wan parent 1:10'),
            (f'tc qdisc add dev wan parent 1:10 handle 10: htb default ffff r2q {great}', 'tc qdisc del dev wan parent 1:10'),
            (f'tc filter add dev wan parent 1: protocol ip prio 65535 handle {great}/{great} fw classid ffff:ffff', 'tc filter del dev wan parent 1: prio 65535'),
            (f'tc filter add dev wan parent 1: protocol ip prio 65535 u32 match u32 {great} {great} at 2147483644 flowid 1:10', 'tc filter del dev wan parent 1: prio 65535'),
            (f'ip route add 192.0.2.0/24 via 10.2.0.2 mtu {great} metric {great} advmss {great} table {great}', f'ip route del 192.0.2.0/24 table {great}'),
            (f'ip rule add priority {great} fwmark {great}/{great} table {great}', f'ip rule del priority {great}'),
            ('ip link set lan txqueuelen 2147483647', 'ip link set lan txqueuelen 1000')):
        status, output = run(WEIR, *make.split())
        if status != 0 and not output.strip() or status < 0 or status > 127 and status != 255:
            fail(make, f'status {status}: {output}')
        if not wires.forwards():
            fail(make, 'the router does not forward any more')
        if status == 0:
            for kind in ('qdisc', 'class'):
                run(WEIR, 'tc', '-s', '-d', kind, 'show', 'dev', 'wan')
            check(f'undo: {make}', [WEIR, *unmake.split()], '', 0)


# ---- the socket itself ------------------------------------------------------------------------------------------------------

def greet(folder):
    """A connection that has said FRAME_HELLO (control/netlink/frames.h), and the one on which answers are told of."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end.settimeout(5)
    end.connect(os.environ['WEIR_SOCKET'])
    end.send(struct.pack('=IHHIIII', 24, 8, 0, 0, 0x77657201, 0, os.getpid()))
    welcome, files, _, _ = socket.recv_fds(end, 64, 2)
    error = struct.unpack_from('=i', welcome, 16)[0]
    if error != 0 or len(files) != 1:
        sys.exit(f'the router did not greet: error {error}, {len(files)} files')
    return end, files[0]


def errors_of(reply):
    """errno of each NLMSG_ERROR in a datagram."""
    found, at = [], 0
    while at + 20 <= len(reply):
        length, kind = struct.unpack_from('=IH', reply, at)
        if kind == 2:
            found.append(-struct.unpack_from('=i', reply, at + 16)[0])
        at += max((length + 3) & ~3, 16)
    return found


def datagrams(folder):
    """Truncated, oversized and nonsensical netlink: an error or nothing, and the next client is served."""
    new_route, get_link, new_qdisc, ack, dump = 24, 18, 36, 0x4, 0x300

    def message(kind, flags, body=b'', length=None):
        return struct.pack('=IHHII', 16 + len(body) if length is None else length, kind, 1 | flags, 7, 0) + body

    def attribute(kind, body):
        return struct.pack('=HH', 4 + len(body), kind) + body + bytes(-len(body) % 4)

    def size_table(cell_log, size_log):
        """A pfifo with a size table of one entry, at the root of lan."""
        spec = struct.pack('=BBhiIIII', cell_log, size_log, 0, 0, 0, 0, 0, 1)
        index = int(run(WEIR, 'ip', 'link', 'show', 'dev', 'lan')[1].split(':')[0])
        return message(new_qdisc, ack | 0x500, struct.pack('=B3xiIII', 0, index, 0, 0xffffffff, 0) +
                       attribute(1, b'pfifo\0') + attribute(8, attribute(1, spec) + attribute(2, b'\1\0')))

    route = struct.pack('=BBBBBBBBI', 2, 24, 0, 0, 254, 4, 0, 1, 0)
    cases = {
        'nothing': b'',
        'one byte': b'\x10',
        'half a header': message(new_route, ack)[:8],
        'length 0': message(new_route, ack, route, 0),
        'length beyond the datagram': message(new_route, ack, route, 4096),
        'length 4 GiB': message(new_route, ack, route, 0xffffffff),
        'no body': message(new_route, ack),
        'half a body': message(new_route, ack, route[:5]),
        'attribute of length 0': message(new_route, ack, route + struct.pack('=HHI', 0, 1, 0)),
        'attribute beyond the message': message(new_route, ack, route + struct.pack('=HHI', 4000, 1, 0)),
        'attribute too short': message(new_route, ack, route + struct.pack('=HHB3x', 5, 1, 9)),
        'unknown type': message(999, ack, bytes(32)),
        'type below 16': message(15, ack, bytes(32)),
        'dump of nothing': message(get_link, ack | dump),
        'qdisc without a kind': message(new_qdisc, ack | 0x600, struct.pack('=B3xiIII', 0, 2, 0, 0xffffffff, 0)),
        'size table of cells of 2^31 bytes': size_table(31, 0),
        'size table in units of 2^255 bytes': size_table(0, 255),
        'an ioctl cut off': struct.pack('=IHHII', 16, 11, 1, 0, 0x77657201),
        'a path without its end': struct.pack('=IHHIII', 24, 13, 1, 0, 0x77657201, 0) + b'abcd',
        '64 KiB of zeros': bytes(65536),
        '64 KiB of ones': b'\xff' * 65536,
        'a thousand messages': message(999, ack, bytes(4)) * 1000,
    }
    must_fail = {'no body', 'half a body', 'attribute too short', 'unknown type', 'qdisc without a kind',
                 'size table of cells of 2^31 bytes', 'size table in units of 2^255 bytes'}
    for name, data in cases.items():
        end, done = greet(folder)
        try:
            end.send(data)
            if name in must_fail:
                found = errors_of(end.recv(65536))
                if not found or found[0] == 0:
                    fail(f'netlink: {name}', f'the answer is {found}')
        except (BrokenPipeError, ConnectionResetError):
            pass  # hung up: as good an answer
        except TimeoutError:
            fail(f'netlink: {name}', 'no answer')
        os.close(done)
        end.close()
    end, done = greet(folder)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    try:
        end.send(message(new_route, ack, bytes((1 << 20) - 16)))
        end.recv(65536)
    except (OSError, TimeoutError):
        pass
    os.close(done)
    end.close()
    strangers = []
    for first in (b'', b'GET / HTTP/1.0\r\n\r\n', struct.pack('=IHHIIII', 24, 8, 0, 0, 0x77657277, 0, 1), bytes(300)):
        end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end.connect(os.environ['WEIR_SOCKET'])
        try:
            end.send(first)
        except BrokenPipeError:
            pass
        strangers.append(end)  # and they stay connected, saying nothing
    check('while strangers are connected', [WEIR, 'ip', 'link', 'show', 'dev', 'lan'], 'lan', 0)
    for end in strangers:
        end.close()


def stale_table():
    """A table of iptables', from one that thinks that 77 rules were there."""
    folder = f'{os.path.dirname(os.path.abspath(__file__))}/../../fuzz/corpus/fuzz_netfilter'
    tables = [open(f'{folder}/{name}', 'rb').read() for name in sorted(os.listdir(folder))]
    table = next(table for table in tables if table.startswith(b'filter\0') and len(table) <= 2048)
    return table[:84] + struct.pack('=I', 77) + table[88:]


def socket_options():
    """iptables' requests with values and files that are not what they say: an errno each, and the tables stay as they are."""
    get_info, replace, table = 64, 64, b'filter'.ljust(32, b'\0')

    def frame(name, setting, size, value=b'', level=0):
        return struct.pack('=IHHIIiiII', 32 + len(value), 12, 0, 0, 0x77657201, level, name, setting, size) + value

    def memory(size, seals=0):
        fd = os.memfd_create('test', os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        return fd

    sealed = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
    pipe = os.pipe()
    for name, data, fd, error in (
            ('a table by somebody who knows it otherwise', frame(replace, 1, len(stale_table()), stale_table()), -1, errno.EAGAIN),
            ('cut off', frame(get_info, 0, 84)[:24], -1, errno.EINVAL),
            ('unknown', frame(99, 0, 84), -1, errno.ENOPROTOOPT),
            ('of IPv6', frame(get_info, 0, 84, table, 41), -1, errno.ENOPROTOOPT),
            ('info with too little room', frame(get_info, 0, 83, table.ljust(83, b'\0')), -1, errno.EINVAL),
            ('info without its room', frame(get_info, 0, 84, table), -1, errno.EINVAL),
            ('entries of another length', frame(65, 0, 1000, table + struct.pack('=II', 960, 0)), -1, errno.EAGAIN),
            ('entries of a length beyond', frame(65, 0, 40, table + struct.pack('=II', 0xffffffff, 0)), -1, errno.EINVAL),
            ('another length than was said', frame(replace, 1, 4000, table), -1, errno.EINVAL),
            ('nothing', frame(replace, 1, 0), -1, errno.EINVAL),
            ('only a head', frame(replace, 1, 96, table.ljust(96, b'\0')), -1, errno.EINVAL),
            ('a file that is not sealed', frame(replace, 1, 4096), memory(4096), errno.EINVAL),
            ('a file that is shorter', frame(replace, 1, 4096), memory(4095, sealed), errno.EINVAL),
            ('a file of nothing but zeros', frame(replace, 1, 4096), memory(4096, sealed), errno.ENOENT),
            ('a pipe', frame(replace, 1, 4096), pipe[0], errno.EINVAL),
            ('a file beyond all bounds', frame(replace, 1, 0xffffffff), memory(4096, sealed), errno.E2BIG),
            ('counters of another number', frame(65, 1, 40 + 16, table + struct.pack('=II', 2, 0) + bytes(16)), -1, errno.EINVAL),
            ('counters of none', frame(65, 1, 40, table + bytes(8)), -1, errno.EINVAL)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as end:
            end.settimeout(10)
            end.connect(os.environ['WEIR_SOCKET'])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack('=i', fd))] if fd >= 0 else []
            end.sendmsg([data], rights)
            got = struct.unpack_from('=i', end.recv(4096), 16)[0]
            if got != error:
                fail(f'socket option: {name}', f'errno {got}, not {error}')
        if fd >= 0:
            os.close(fd)
    os.close(pipe[1])


def main():
    wires = Wires() if enter_namespace() else NoWires()
    if isinstance(wires, NoWires):
        print('skipped in part: no network namespace, so forwarding is not looked at')
    folder = tempfile.mkdtemp(prefix='weir-test-')
    os.environ['WEIR_SOCKET'] = f'{folder}/socket'
    process = start(wires, folder)
    _, before = run(WEIR, 'save')
    for group, *words in ((wrong_options, folder), (wrong_devices, folder), (sockets, folder), (another_user, folder), (scripts, folder),
                          (requests,), (missing_class,), (great_values, wires), (datagrams, folder), (socket_options,)):
        group(*words)
        unharmed(f'after {group.__name__}', wires, before)
        if process.poll() is not None:
            break
    if not stat.S_ISSOCK(os.stat(os.environ['WEIR_SOCKET']).st_mode):
        fail('socket', 'it is gone')
    process.send_signal(signal.SIGTERM)
    if process.wait(30) != 0 or os.path.exists(os.environ['WEIR_SOCKET']):
        fail('SIGTERM', f'status {process.returncode}\n' + open(f'{folder}/log').read())
    shutil.rmtree(folder)
    print(f'{len(failures)} failed' if failures else 'all refused, nothing harmed')
    sys.exit(1 if failures else 0)


main()
