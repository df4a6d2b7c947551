#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_replay_cli.py BUILD: `weir replay` with wrong options, files and frames, and twice the same.

Status 0: done; 1: it failed; 2: wrong usage. What is wrong is said in a sentence; every packet of a capture is accounted for in
the report and has its line in packets.csv.
"""
import csv
import gzip
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading

BUILD = os.path.abspath(sys.argv[1])
SOURCE = os.path.dirname(os.path.abspath(__file__))
WEIR = f'{BUILD}/control/client/weir'
ETHERNET, RAW, COOKED, WIFI = 1, 101, 113, 105
START_US = 1_000_000_000_000_000
failures = []


def fail(name, text):
    failures.append(name)
    print(f'FAILED: {name}:')
    print('    ' + str(text).strip().replace('\n', '\n    '))


def frame(number=0, size=100, destination=(10, 2, 0, 2)):
    """A UDP packet from 10.1.0.2 whose IP length is `size`."""
    header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, size & 0xffff, number, 0, 64, 17, 0, bytes((10, 1, 0, 2)), bytes(destination))
    total = sum(struct.unpack('!10H', header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    header = header[:10] + struct.pack('!H', ~total & 0xffff) + header[12:]
    return bytes.fromhex('0200000000010200000000020800') + header + struct.pack('!HHHH', 1000, 2000, size - 20 & 0xffff, 0) + bytes(size - 28)


def capture(name, packets, link=ETHERNET, cut=0, snap=65535, magic=0xa1b2c3d4):
    """packets: (microseconds after START, frame[, length on the wire])"""
    data = struct.pack('<IHHiIII', magic, 2, 4, 0, 0, snap, link)
    for at, content, *length in packets:
        at += START_US
        data += struct.pack('<IIII', at // 10**6, at % 10**6, len(content), length[0] if length else len(content)) + content
    with open(name, 'wb') as file:
        file.write(data[:len(data) - cut])


def replay(*words, **options):
    done = subprocess.run([WEIR, 'replay', *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60, **options)
    return done.returncode, done.stdout, done.stderr


def refused(name, words, status, pattern, lines=None, **options):
    """`lines`: how many of its own it takes to say so."""
    got, out, err = replay(*words, **options)
    if got != status or not re.search(pattern, err) or lines not in (None, err.count('weir replay: ')):
        fail(name, f'status {got} (want {status}), want /{pattern}/ (lines: {lines}) in:\n{err}{out}')


CONFIG = ['--config', 'setup', '--port', 'b']


def accounted(name, source, received, sent=None, drops=None, complaint=None, clamped=0, more=()):
    """The capture goes through; the books balance, in the report and line by line."""
    got, out, err = replay('--port', f'a,in={source}', *CONFIG, '--out', 'result', '--packets', *more)
    if got != 0:
        fail(name, f'status {got}: {err}')
        return
    report = json.load(open('result/report.json'))
    t = report['totals']
    lines = list(csv.DictReader(open('result/packets.csv')))
    said = report['ports']['a'].get('input_error')
    problems = []
    if t['received'] + t['generated'] != t['sent'] + t['delivered'] + t['dropped'] + t['queued']:
        problems.append('the totals do not add up')
    if t['received'] != received or sent is not None and t['sent'] != sent:
        problems.append(f'want {received} received, {sent} sent')
    if drops is not None and report['drops'] != drops:
        problems.append(f'want drops {drops}, got {report["drops"]}')
    if sum(1 for line in lines if line['in_port'] != '') != received:
        problems.append(f'{len(lines)} lines in packets.csv')
    if (complaint is None) != (said is None) or complaint is not None and not (re.search(complaint, said) and re.search(complaint, err)):
        problems.append(f'want the complaint /{complaint}/, the report has {said!r}')
    if report['timestamps_clamped'] != clamped or clamped and 'went backwards' not in out:
        problems.append(f'{report["timestamps_clamped"]} timestamps clamped, want {clamped}')
    if problems:
        fail(name, '\n'.join(problems) + f'\ntotals {t}\n{err}')


# ---- inputs -----------------------------------------------------------------------------------------------------------------

def inputs():
    good = [(i * 1000, frame(i)) for i in range(10)]
    capture('good.pcap', good)
    accounted('a good capture', 'good.pcap', 10, 10, {})
    capture('nano.pcap', good, magic=0xa1b23c4d)
    accounted('nanoseconds', 'nano.pcap', 10, 10, {})
    capture('none.pcap', [])
    accounted('no packets', 'none.pcap', 0, 0, {})
    capture('cut.pcap', good, cut=50)
    accounted('cut off in a packet', 'cut.pcap', 9, 9, {}, complaint='after 9 packets: truncated')
    capture('cut.pcap', good, cut=len(frame()) + 8)
    accounted('cut off in a header', 'cut.pcap', 9, 9, {}, complaint='after 9 packets: truncated')
    data = open('good.pcap', 'rb').read()
    with open('liar.pcap', 'wb') as file:
        file.write(data[:24] + struct.pack('<IIII', 1, 0, 0xfffffff0, 0xfffffff0) + data[40:])
    accounted('a length of 4 GiB', 'liar.pcap', 0, 0, {}, complaint='after 0 packets: ')
    capture('back.pcap', [good[0], good[5], good[3], good[9], good[1]])
    accounted('backward timestamps', 'back.pcap', 5, 5, {}, clamped=2)
    capture('big.pcap', [good[0], (1, frame(1, 20000)), (2, frame(2, 65535)), (3, b'\0' * 200000), (4, frame(4))], snap=262144)
    accounted('oversize frames', 'big.pcap', 5, 2)
    capture('part.pcap', [good[0], (1, frame(1)[:60], 114), (2, frame(2), 10), good[3]])
    accounted('a packet captured in part', 'part.pcap', 4)
    capture('odd.pcap', [good[0], (1, b''), (2, b'\1' * 5), (3, b'\xff' * 60), (4, frame()[:20]), (5, frame()[:14] + b'\x4f' + frame()[15:]), good[6]])
    accounted('malformed frames', 'odd.pcap', 7, 2)
    capture('same.pcap', [(0, frame(i)) for i in range(200)])
    accounted('all at once', 'same.pcap', 200, 200, {})
    capture('years.pcap', [(0, frame(0)), (3 * 365 * 86400 * 10**6, frame(1))])
    accounted('three years between two packets', 'years.pcap', 2, 2, {})
    accounted('the same capture twice', 'good.pcap', 20, 20, {}, more=('--port', 'c,in=good.pcap'))
    os.mkfifo('fifo')
    feeder = threading.Thread(target=lambda: shutil.copyfileobj(open('good.pcap', 'rb'), open('fifo', 'wb')))
    feeder.start()
    accounted('a pipe', 'fifo', 10, 10, {})
    feeder.join()


def unusable():
    open('empty.pcap', 'wb').close()
    open('text.pcap', 'w').write('This is no capture at all, but a text.\n' * 9)
    open('stub.pcap', 'wb').write(open('good.pcap', 'rb').read(10))
    with gzip.open('good.pcap.gz', 'wb') as packed:
        packed.write(open('good.pcap', 'rb').read())
    os.mkdir('directory')
    for name, pattern in (('empty.pcap', 'the file is empty'), ('text.pcap', 'not a pcap'), ('stub.pcap', 'not a pcap'),
                          ('good.pcap.gz', 'must be unpacked first'), ('directory', 'directory'), ('absent.pcap', 'No such file')):
        refused(name, ['--port', f'a,in={name}', *CONFIG, '--out', 'unmade'], 1, f'weir replay: port a: {name}: .*{pattern}')
    for link in (RAW, COOKED, WIFI, 147, 65000):
        capture('link.pcap', [(0, frame())], link=link)
        refused(f'link type {link}', ['--port', 'a,in=link.pcap', *CONFIG], 1, 'link type is .*Ethernet captures')
    if os.path.exists('unmade'):
        fail('unusable input', '--out was made though nothing ran')
    if os.geteuid() != 0:
        os.chmod('stub.pcap', 0)
        refused('unreadable', ['--port', 'a,in=stub.pcap'], 1, 'Permission denied')


def wrong_options():
    a = ['--port', 'a,in=good.pcap']
    for words, pattern in (
            ([], 'at least one --port'),
            (['--frobnicate'], "no option '--frobnicate'"),
            ([*a, 'word'], "'word' belongs to no option"),
            (['--port'], '--port needs a value'),
            (['--port', ''], '--port needs a value'),
            (['--port', ',in=good.pcap'], "is not a port's name"),
            (['--port', 'averyveryverylongname'], "is not a port's name"),
            (['--port', 'a,in='], 'KEY=VALUE'),
            (['--port', 'a,frobnicate=1'], "no 'frobnicate='"),
            (['--port', 'a,in=good.pcap,in=nano.pcap'], 'in= is given twice'),
            ([*a, '--port', 'a'], '--port a is given twice'),
            (['--port', 'a,rate=0'], '--port a: .*a link sends a byte'),
            (['--port', 'a,rate=fast'], "--port a: 'fast' is not a rate"),
            (['--port', 'a,rate=-1mbit'], "--port a: '-1mbit' is not a rate"),
            (['--port', 'a,rate=nan'], "--port a: 'nan' is not a rate"),
            (['--port', 'a,mtu=4294967296'], '--port a: .*from 68 to 65535'),
            (['--port', 'a,mtu=10'], '--port a: .*from 68 to 65535'),
            ([*a, '--seed', 'x'], "--seed: 'x' is not a number"),
            ([*a, '--seed', '18446744073709551616'], '--seed: .*not a number'),
            ([*a, '--at', '1'], 'SECONDS SCRIPT'),
            ([*a, '--at', 'x', 'setup'], 'seconds since the first packet'),
            ([*a, '--at', '-1', 'setup'], 'seconds since the first packet'),
            ([*a, '--at', '1e3', 'setup'], 'seconds since the first packet'),
            ([*a, '--packets'], 'give --out'),
            ([*a, '--json=yes'], 'takes no value'),
            ([*a, '--config', 'setup', '--config', 'setup'], '--config is given twice')):
        refused('weir replay ' + ' '.join(words), words, 2, 'weir replay: .*' + pattern)
    for words, pattern in (
            (['--port', 'lo,in=good.pcap'], 'a port lo already'),
            (['--port', 'a/b'], 'no port name')):
        refused('weir replay ' + ' '.join(words), words, 1, pattern)
    good = open('good.pcap', 'rb').read()
    full = [*a, *CONFIG]
    for words, pattern in (
            ([*full, '--out', 'good.pcap'], 'not a directory'),
            ([*full, '--out', '/proc/nowhere/at/all'], 'cannot make the directory'),
            ([*a, '--config', 'setup', '--port', 'b,out=/nonexistent/b.pcap'], 'cannot write /nonexistent/b.pcap'),
            ([*a, '--config', 'setup', '--port', 'b,out=good.pcap'], 'is read by this replay')):
        refused('weir replay ' + ' '.join(words), words, 1, pattern)
    if open('good.pcap', 'rb').read() != good:
        fail('an output over an input', 'good.pcap was written')


def scripts():
    open('bad', 'w').write('ip link set dev a up\nip route add 192.0.2.0/24 via 9.9.9.9\nexit 3\n')
    open('later', 'w').write('ip addr add 10.3.0.1/24 dev b\n')
    full = ['--port', 'a,in=good.pcap', *CONFIG]
    line = 'bad line 2: exit status 2 from: ip route add 192.0.2.0/24 via 9.9.9.9'
    refused('--config fails', ['--port', 'a,in=good.pcap', '--config', 'bad'], 1, 'weir replay: ' + line, lines=2)
    refused('--at fails at the start', [*full, '--at', '0', 'bad'], 1, line, lines=2)
    refused('--at fails between packets', [*full, '--at', '0.0045', 'bad'], 1, line, lines=2)
    refused('--at fails behind the last packet', [*full, '--at', '3600', 'bad'], 1, line, lines=2)
    refused('--at is not there', [*full, '--at', '0', 'absent'], 1, 'absent: No such file', lines=1)
    refused('--config is not there', ['--port', 'a', '--config', 'absent'], 1, 'absent: No such file', lines=1)
    refused('--config is a directory', ['--port', 'a', '--config', 'directory'], 1, 'directory')
    for at in ('0', '0.0045', '3600', '9999999999'):
        accounted(f'--at {at}', 'good.pcap', 10, 10, {}, more=('--at', at, 'later'))


# ---- the same again ---------------------------------------------------------------------------------------------------------

def contents(folder):
    return {name: open(f'{folder}/{name}', 'rb').read() for name in sorted(os.listdir(folder))}


def demo(folder):
    """The demo's replay; its table."""
    demo_rates = {'lan': '', 'fast': ',rate=10mbit', 'slow': ',rate=512kbit'}
    words = []
    for port, rate in demo_rates.items():
        with open(f'{port}-in.pcap', 'wb') as file:
            file.write(gzip.open(f'{SOURCE}/captures/{port}.pcap.gz').read())
        words += ['--port', f'{port},in={port}-in.pcap{rate}']
    got, out, err = replay(*words, '--config', f'{SOURCE}/../../demo/office.sh', '--packets', '--out', folder)
    if got != 0:
        fail('the demo', err)
    return out.replace(folder, 'DIR')


def twice():
    tables = [demo('one'), demo('two')]
    one, two = contents('one'), contents('two')
    if tables[0] != tables[1] or list(one) != list(two):
        fail('the demo twice', f'{tables[0]}{tables[1]}{list(one)} {list(two)}')
    for name in one:
        if one[name] != two.get(name):
            fail('the demo twice', f'{name} differs')
    if not {'report.json', 'packets.csv', 'fast.pcap', 'slow.pcap', 'lan.pcap'} <= set(one):
        fail('the demo', f'wrote {list(one)} only')
    # What an earlier run left is replaced, or removed where this run has no such file.
    replay('--port', 'a,in=good.pcap', *CONFIG, '--out', 'two')
    if sorted(os.listdir('two')) != ['b.pcap', 'report.json']:
        fail('an earlier run\'s files', f'are left: {sorted(os.listdir("two"))}')


def main():
    folder = tempfile.mkdtemp(prefix='weir-test-')
    os.chdir(folder)
    open('setup', 'w').write('set -e\nip addr add 10.1.0.1/24 dev a\nip addr add 10.2.0.1/24 dev b\n')
    inputs()
    unusable()
    wrong_options()
    scripts()
    twice()
    os.chdir('/')
    shutil.rmtree(folder)
    print(f'{len(failures)} failed' if failures else 'all as it should be')
    sys.exit(1 if failures else 0)


main()
