# SPDX-License-Identifier: BSD-3-Clause
"""golden.py BUILD [-v] [TRANSCRIPT...]: what real Linux printed, printed here?

Each transcript of ../shared/golden, where that is, and of transcripts/ (`record` there says how they were made) whose commands are in weir's
scope is run against a fresh router: the same devices, the same commands in one shell under `weir exec`, and output and exit status compared, JSON included. A transcript in which packets were sent is
run in a replay, where they arrive between the commands. What is left out is listed below with its reason.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from capture import udp_frame, write_capture
from router import Router, skip

# Whole transcripts, by the start of their name.
NOT_HERE = {
    '04': 'ipip tunnels come in a later issue',
    '06': 'sit tunnels and IPv6 come in a later issue',
}
# Of transcript 30, one kind after the other, those that are here; fq, cake, pie, choke, ets, qfq, sfb, hhf, skbprio, plug and fq_pie are not planned.
OTHER_KINDS = ('hfsc', 'netem', 'codel', 'drr', 'fq_codel')

# Commands, by transcript ('' for all) and a pattern.
LEFT_OUT = [
    ('09', r'ip tuntap', 'a tap of the host is a port of weird (--port), not a link that the router makes'),
    ('09', r'^tc qdisc show dev tap0$', 'the first is of a tap that was never up, and a replay\'s ports are up at its start'),
    ('09', r'ip link show tap0', 'a tap has no carrier until a program opens it'),
    ('12', r'choke|eth2', 'choke is not offered'),
    ('14', r'-j qdisc show dev eth0', 'in the order of a hash, and iproute2 makes no JSON of cbq and dsmark'),
    ('16', r'parent 1:99 ', 'Linux takes a parent that is not there for the root; weir refuses'),
    ('18', r'prio 3 fw', 'Linux takes an empty fw filter, and cannot print it'),
    ('29', r'br0|bridge|ip neigh', 'bridges and single proxy entries come in a later issue'),
]

NET = '''
ip addr add 10.0.0.1/8 dev eth0; ip addr add 192.168.1.1/24 dev eth1; ip addr add 192.168.2.1/24 dev eth2
ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:10 dev eth0
ip neigh replace 192.168.1.2 lladdr 02:00:00:00:00:11 dev eth1
ip neigh replace 192.168.2.2 lladdr 02:00:00:00:00:12 dev eth2
'''
PPP = '''
ip addr add 212.64.94.251 peer 212.64.94.1 dev ppp0
ip addr add 212.64.78.148 peer 195.96.98.253 dev ppp2
'''
# What each transcript starts from, as the head of its function in golden-howto says.
STARTS = {
    '01': 'for d in eth0 ppp0; do ip link set $d up; done\n'
          'ip link set eth0 mtu 1400 txqueuelen 100; ip link set ppp0 mtu 1492 txqueuelen 10\n',
    '02': PPP + 'for d in eth0 ppp0 ppp2; do ip link set $d up; done; ip addr add 10.0.0.1/8 dev eth0\n',
    # What comes in goes out by p2, and so comes in by eth2.
    '13': NET + 'ip rule add pref 2 lookup local; ip rule del pref 0; ip rule add pref 1 iif inj lookup 77\n'
                'ip route add 192.168.2.1 dev p2 table 77; ip neigh replace 192.168.2.1 lladdr 00:e0:4c:39:24:79 dev p2\n',
    '08': '',
    '17': NET + PPP,
}

# The devices of every transcript. Their peers p0, p1, p2 are in the router too (Linux had them in another namespace), but forward nothing.
DEVICES = '''
set -e
ip link set lo up
i=0
for m in 48:54:e8:2a:47:16 00:e0:4c:39:24:78 00:e0:4c:39:24:79; do
    ip link add eth$i address $m numtxqueues 1 numrxqueues 1 type veth peer name p$i address 02:00:00:00:00:1$i
    ip link set p$i up; echo 0 > /proc/sys/net/ipv4/conf/p$i/forwarding
    i=$((i+1))
done
i=0
for d in ppp0 ppp2 ppp14; do ip link add $d address 02:00:00:00:01:0$i type dummy; i=$((i+1)); done
set +e
'''
# A Linux host starts as no router; weir starts as one.
NO_ROUTER = 'echo 0 > /proc/sys/net/ipv4/ip_forward\n'
# In a replay: a port that stands for a tap, and where the packets of `send` come in. Filters there give them the marks that their sender would have set, by their source ports.
INJECTED = '''
tc qdisc add dev inj ingress
ip link set tap0 down
'''
ALL_UP = 'for d in eth0 eth1 eth2 ppp0 ppp2 ppp14; do ip link set $d up; done\n'

# Runs commands (files of NUL-ended words) in one shell, each with its output and status in files of their own.
DRIVER = '''
out=$1
n=0
while IFS= read -r -d '' cmd <&9; do
    eval "$cmd" > "$out/$n.out" 2>&1 < /dev/null 9<&-
    echo $? > "$out/$n.rc"
    n=$((n+1))
done 9< "$out/commands"
'''


def parse(path):
    """[(command, output lines, status)]; notes are passed over."""
    commands = []
    with open(path, errors='surrogateescape') as f:
        lines = f.read().split('\n')
    if lines[-1] == '':
        lines.pop()
    for line in lines:
        if line.startswith('$ '):
            commands.append([line[2:], [], 0])
        elif line.startswith('# ') and not (commands and commands[-1][0].startswith('iptables')):
            continue
        elif re.fullmatch(r'\[exit \d+\]', line.split('[[')[-1] if line.startswith('[[') else line):
            commands[-1][2] = int(re.search(r'\d+', line).group())
        elif commands:
            match = re.fullmatch(r'(.*)\[exit (\d+)\]', line)  # output that does not end its line
            if match:
                commands[-1][1].append(match.group(1))
                commands[-1][2] = int(match.group(2))
            else:
                commands[-1][1].append(line)
    return commands


# ---- comparing -----------------------------------------------------------------------------------------------------------

# Numbers of links, and where a veth's other end is, cannot agree; nor can what weir has no counter for.
UNEQUAL = [
    (r'^(\d+): ', 'N: '),
    (r'@(if\d+|p\d)\b', ''),
    (r' link-netns far', ''),
    (r'route chain 0 fh 0x8[0-9a-f]{3}', 'route chain 0 fh 0x8NNN'),  # a link's number
    (r'police 0x[0-9a-f]+ ', 'police N '),  # Linux gives an index free again only a moment after its action
    (r'  installed 0 sec used 0 sec', ' '),  # not a whole tick on one of them
    (r',"installed":0,"last_used":0', ''),
    (r'"(ifindex|link_index|link_netnsid|link)":("[^"]*"|\d+),?', ''),
    (r' heartbt (transns| +)$', ' heartbt'),  # carrier transitions are not counted
    (r'\b(used) \d+/\d+/\d+', r'\1'),
    (r'^(eth\d) +(UP|DOWN|UNKNOWN) +', r'\1 \2 '),  # ip -br: a name's column is padded behind its @ifN
]
# Lines that are there on Linux because of a command that is left out, by transcript.
BECAUSE = [
    ('16', r'class htb 1:40 '),
    ('18', r'pref 3 fw chain|^Error: Buffer too small|^Dump terminated'),
]
# Numbers that need not agree, by transcript: a pattern that keeps what stands before them, and why.
UNCOUNTED = [
    ('16', r'(\bc?tokens: )-?\d+', 'told as they are now; Linux tells what was left behind the class\'s last packet'),
    ('50', r'(\bldelay"?[: ])\d+(?:us)?', 'Linux takes a microsecond now and then where a replay takes none'),
    ('50', r'((?:new_flow_count|new_flows_len|old_flows_len)"?[: ])\d+', 'a flow that has run empty leaves the round at once where nobody else waits (RFC 8290, 4.2)'),
    ('50', r'(memory_used"?[: ])\d+', 'of buffers, whose sizes differ'),
    ('50', r'(deficit )-?\d+(?= count)', 'as for the flows: it comes back as a new one'),
    ('50', r'( Sent 4000 bytes 4 pkt \(dropped )[13](?=, overlimits 1)', 'what fq_codel drops at once Linux counts as one drop in the class above'),
    ('50', r'( Sent 1000 bytes 1 pkt \(dropped 6, overlimits |"bytes":1000,"packets":1,"drops":6,"overlimits":)(?:0|11)\b',
     'hfsc counts how often it was asked in vain, and weir asks when it may send'),
]
# Behind a `send` these agree but for the time between its packets, which a busy host does not repeat: 0.2 ms, in ticks of 64 ns.
TIMED = re.compile(r'\b(c?tokens:|avgidle|undertime) (-?[0-9.]+(?:e\+\d+)?)')
TIMED_TOLERANCE = 200_000 // 64
NOT_THERE = ('p0', 'p1', 'p2', 'null0', 'inj', 'tap0')
PEER_BLOCK = re.compile('^(N: (X)[@:]|.*\\bdev (X)\\b|/proc/.*/(X)/|(X) )'.replace('X', '|'.join(NOT_THERE)))


def normal(lines):
    out, dropping = [], False
    transitions = False
    for line in lines:
        was_transitions, transitions = transitions, line.strip().startswith('TX errors:')
        if was_transitions:  # five numbers there, four here
            line = ' '.join(line.split()[:4])
        for pattern, to in UNEQUAL:
            line = re.sub(pattern, to, line)
        if not line.startswith((' ', '\t')):
            dropping = PEER_BLOCK.match(line) is not None
        if not dropping:
            out.append(line)
    return out


def strip_json(value):
    if isinstance(value, dict):
        return {k: strip_json(v) for k, v in value.items() if k not in ('ifindex', 'link_index', 'link_netnsid', 'link')}
    if isinstance(value, list):
        return [strip_json(v) for v in value
                if not (isinstance(v, dict) and (v.get('ifname') or v.get('dev') or '') in NOT_THERE)]
    return value


def as_json(lines):
    text = '\n'.join(lines)
    try:
        return strip_json(json.loads(text))
    except ValueError:
        return None


def blocks(lines):
    """Lines with those that are indented under them: the order of qdiscs, classes and neighbours is Linux's hash order."""
    out = []
    for line in lines:
        if line.startswith((' ', '\t')) and out:
            out[-1].append(line)
        else:
            out.append([line])
    return sorted(out)


def says_more(expected, got):
    """Where Linux has nothing but the errno, a sentence that says what was wrong is no worse: the exit status is the same."""
    return len(expected) == len(got) and any(
        e.startswith('RTNETLINK answers: ') and g.startswith('Error: ') for e, g in zip(expected, got)) and all(
        e == g or e.startswith('RTNETLINK answers: ') for e, g in zip(expected, got))


def without_warnings(expected, got):
    """Of what Linux takes without a word, weir may warn; and where iptables has no room for a sentence it says it on stderr."""
    got = [g for g in got if not g.startswith('weir: ')]
    return got if any(e.startswith('Warning: ') for e in expected) else [g for g in got if not g.startswith('Warning: ')]


def agree(command, expected, got, sent):
    got = without_warnings(expected, got)
    a, b = as_json(expected), as_json(got)
    unordered = re.search(r'\b(class|neigh|qdisc) (show|ls|list)', command) is not None
    if a is not None and b is not None and re.search(r' -\w*j', command):
        if unordered and isinstance(a, list) and isinstance(b, list):
            return sorted(map(json.dumps, a)) == sorted(map(json.dumps, b))
        return a == b
    a, b = normal(expected), normal(got)
    if says_more(a, b):
        return True
    if unordered:
        a, b = blocks(a), blocks(b)
    return a == b or sent and agree_but_for_time(a, b)


def agree_but_for_time(a, b):
    a, b = str(a), str(b)
    return TIMED.sub('', a) == TIMED.sub('', b) and all(
        abs(float(x) - float(y)) <= TIMED_TOLERANCE for (_, x), (_, y) in zip(TIMED.findall(a), TIMED.findall(b)))


def without_uncounted(number, lines):
    for transcript, pattern, _ in UNCOUNTED:
        if transcript == number:
            lines = [re.sub(pattern, r'\1 0', line) for line in lines]
    return lines


def without_causes(number, command):
    patterns = [p for t, p in BECAUSE if t == number]
    lines = [line for line in command[1] if not any(re.search(p, line) for p in patterns)]
    return lines, 0 if 'Dump terminated' in command[1] and len(lines) != len(command[1]) else command[2]


# ---- running -------------------------------------------------------------------------------------------------------------


def left_out(number, commands):
    """{id of command: why} of those that are left out."""
    found, unsent, kind = {}, False, None
    for command in commands:
        reasons = [why for transcript, pattern, why in LEFT_OUT if transcript in ('', number) and re.search(pattern, command[0])]
        kind = (re.match(r'tc qdisc add dev \S+ root handle 1: (\S+)', command[0]) or (0, kind))[1]
        if number == '30' and kind not in OTHER_KINDS:
            reasons.append(f'{kind} is not here')
        if reasons:
            found[id(command)] = reasons[0]
            unsent = unsent or is_send(command)
        elif unsent and re.match(r'tc (-\w+ )*-s ', command[0]):
            found[id(command)] = 'its counters are of packets that are left out'
    return found


def is_send(command):
    return command[0].startswith(('send ', 'sleep '))


def write_commands(folder, commands):
    with open(os.path.join(folder, 'commands'), 'wb') as f:
        for command in commands:
            f.write(command[0].encode(errors='surrogateescape') + b'\0')


def read_results(folder, commands):
    results = {}
    for n, command in enumerate(commands):
        try:
            with open(os.path.join(folder, f'{n}.out'), errors='surrogateescape') as f:
                text = f.read()
            with open(os.path.join(folder, f'{n}.rc')) as f:
                status = int(f.read())
        except FileNotFoundError:
            text, status = '(not run: the one before it did not end)\n', -1
        lines = text.split('\n')
        if lines[-1] == '':
            lines.pop()
        results[id(command)] = (lines, status)
    return results


def run_live(build, start, wanted, folder):
    with Router(build) as router:
        setup = router.weir('exec', 'bash', '-c', NO_ROUTER + start)
        if setup.returncode != 0:
            return None, f'status {setup.returncode}: {setup.stdout}{setup.stderr}'
        write_commands(folder, wanted)
        router.weir('exec', 'bash', '-c', DRIVER, 'golden', folder)
    return read_results(folder, wanted), ''


FIRST_PORT = 40000
# A send was a program of its own, and its packets followed each other as fast as one writes them.
SEND_NS, PACKET_NS = 50_000_000, 20_000
# What rt_tos2priority of Linux makes of a TOS (tc-prio(8)): a forwarded packet's priority is that of its TOS.
TOS_OF_PRIORITY = {'0': 0, '2': 0x08, '4': 0x18, '6': 0x10}


def packets_of(command, marks):
    """The frames of a `send`; a mark that it sets goes to marks, by the source port that shall have it."""
    dst, dport, count, length, *rest = command[0].split()[1:]
    options = dict(option.split('=') for option in rest)
    tos = int(options.get('tos', '0'), 0) or TOS_OF_PRIORITY[options.get('prio', '0')]
    sport = int(options.get('sport', FIRST_PORT))
    if 'mark' in options:
        sport = FIRST_PORT + 1 + len(marks)
        marks[sport] = options['mark']
    return [udp_frame('172.31.0.2', dst, sport, int(dport), int(length), tos)] * int(count)


def split_at_sends(commands):
    """[(commands, sends behind them)]"""
    parts = [([], [])]
    for command in commands:
        if not is_send(command) and parts[-1][1]:
            parts.append(([], []))
        parts[-1][is_send(command)].append(command)
    return parts


def run_replay(build, start, wanted, folder):
    """Part k's commands run at k seconds, the packets that are sent behind them half a second later."""
    marks, packets, scripts, parts = {}, [], [], split_at_sends(wanted)
    for k, (commands, sends) in enumerate(parts):
        part = os.path.join(folder, str(k))
        os.mkdir(part)
        write_commands(part, commands)
        for i, send in enumerate(send for send in sends if send[0].startswith('send ')):
            packets += [(k * 10**9 + 500_000_000 + i * SEND_NS + j * PACKET_NS, frame) for j, frame in enumerate(packets_of(send, marks))]
        scripts += [(k, f'bash {folder}/driver {part}\n')]
    for sport, mark in marks.items():
        start += (f'tc filter add dev inj parent ffff: protocol ip u32 match ip protocol 17 0xff match ip sport {sport} 0xffff '
                  f'action skbedit mark {mark}\n')
    files = {'driver': DRIVER, 'config': INJECTED + start}
    # Time 0 is the first packet's: one to nobody.
    write_capture(f'{folder}/in.pcap', [(0, udp_frame('172.31.0.2', '172.31.0.2', 9, 9, 28))] + packets)
    words = []
    for k, text in scripts:
        files[f'at{k}'] = text
        words += ['--at', str(k), f'{folder}/at{k}']
    for name, text in files.items():
        with open(os.path.join(folder, name), 'w') as f:
            f.write(text)
    done = subprocess.run([os.path.join(build, 'control', 'client', 'weir'), 'replay', '--port', f'inj,in={folder}/in.pcap', '--port', 'tap0',
                           '--config', f'{folder}/config', '--out', f'{folder}/report', *words],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    if done.returncode != 0:
        return None, f'status {done.returncode}: {done.stdout}'
    results = {}
    for k, (commands, _) in enumerate(parts):
        results.update(read_results(os.path.join(folder, str(k)), commands))
    return results, ''


def run_transcript(build, number, wanted):
    """{id of command: (lines, status)} of those that are run, or None and why not."""
    start = DEVICES + ('' if number == '01' else ALL_UP) + STARTS.get(number, NET)
    with tempfile.TemporaryDirectory(prefix='weir-golden-') as folder:
        subprocess.run(['mount', '--bind', fresh_names(folder), '/etc/iproute2'], check=True)
        try:
            return (run_replay if any(map(is_send, wanted)) else run_live)(build, start, wanted, folder)
        finally:
            subprocess.run(['umount', '/etc/iproute2'], check=True)


def fresh_names(folder):
    """A copy of /etc/iproute2: the HOWTO adds names of tables and realms, and the next transcript starts without them."""
    copy = os.path.join(folder, 'iproute2')
    shutil.copytree('/etc/iproute2', copy)
    return copy


def compare(build, path, verbose):
    name = os.path.basename(path)[:-4]
    number = name[:2]
    commands = parse(path)
    passed = failed = skipped = 0
    reasons = left_out(number, commands)
    results, trouble = run_transcript(build, number, [c for c in commands if id(c) not in reasons])
    if results is None:
        print(f'FAIL {name}: its devices could not be made: {trouble}')
        return 0, 1, 0
    sent = False
    for command in commands:
        why = reasons.get(id(command))
        if why is not None:
            skipped += 1
            if verbose:
                print(f'skip {name}: $ {command[0]}  ({why})')
            continue
        if is_send(command):
            sent = True
            continue
        lines, status = results[id(command)]
        expected, wanted_status = without_causes(number, command)
        if status == wanted_status and agree(command[0], without_uncounted(number, expected), without_uncounted(number, lines), sent):
            passed += 1
            continue
        failed += 1
        print(f'FAIL {name}: $ {command[0]}')
        for line in command[1]:
            print(f'    Linux: {line}')
        print(f'    Linux: [exit {command[2]}]')
        for line in lines:
            print(f'    weir:  {line}')
        print(f'    weir:  [exit {status}]')
    print(f'{name}: {passed} as Linux, {failed} not, {skipped} left out')
    return passed, failed, skipped


def in_private_mounts():
    """Runs this again where /etc/iproute2 may be covered without anybody noticing."""
    if os.environ.get('WEIR_GOLDEN') == 'private':
        return
    os.environ['WEIR_GOLDEN'] = 'private'
    unshare = ['unshare', '--mount'] + ([] if os.geteuid() == 0 else ['--map-root-user'])
    if subprocess.run(unshare + ['true'], stderr=subprocess.DEVNULL).returncode != 0:
        skip('mount namespaces are not permitted here, and the transcripts write to /etc/iproute2')
    os.execvp('unshare', unshare + [sys.executable, *sys.argv])


def main():
    args = [a for a in sys.argv[1:] if a != '-v']
    if not args:
        sys.exit(__doc__)
    own = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'transcripts')
    golden = [own] + list(filter(os.path.isdir, [os.path.normpath(os.path.join(own, '../../../../shared/golden'))]))
    if not os.path.isdir('/etc/iproute2'):
        skip('/etc/iproute2 is absent')
    in_private_mounts()
    total = [0, 0, 0]
    for path in sorted((os.path.join(folder, name) for folder in golden for name in os.listdir(folder)), key=os.path.basename):
        name = os.path.basename(path)
        if not re.fullmatch(r'\d\d-.*\.txt', name) or (args[1:] and name[:2] not in args[1:]):
            continue
        if name[:2] in NOT_HERE:
            print(f'{name[:-4]}: left out: {NOT_HERE[name[:2]]}')
            total[2] += len(parse(path))
            continue
        for i, n in enumerate(compare(args[0], path, '-v' in sys.argv)):
            total[i] += n
    print(f'{total[0]} passed, {total[1]} failed, {total[2]} skipped')
    return 1 if total[1] else 0


if __name__ == '__main__':
    sys.exit(main())
