# SPDX-License-Identifier: BSD-3-Clause
"""A router of its own for a test: weird on a private socket, and `weir` against it."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

SKIP = 77  # meson's exit status for a skipped test


def skip(why):
    print(f'skipped: {why}')
    sys.exit(SKIP)


def shared(path):
    """../shared/PATH beside the project's folder; skips the test where it is absent."""
    here = os.path.dirname(os.path.abspath(__file__))
    found = os.path.normpath(os.path.join(here, '../../../shared', path))
    if not os.path.exists(found):
        skip(f'../shared/{path} is absent')
    return found


class Router:
    """with Router(BUILD) as r: r.weir('tc', 'qdisc', ...)"""

    def __init__(self, build, *args):
        self.weird = os.path.join(build, 'control', 'weird')
        self.client = os.path.join(build, 'control', 'client', 'weir')
        self.args = args or ('--port', 'null0=net_null0')

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix='weir-test-')
        self.socket = os.path.join(self.folder, 'weir.sock')
        self.log = open(os.path.join(self.folder, 'log'), 'w+')
        self.process = subprocess.Popen([self.weird, '--socket', self.socket, *self.args], stdout=self.log, stderr=self.log)
        self.env = dict(os.environ, WEIR_SOCKET=self.socket)
        deadline = time.time() + 30
        while not os.path.exists(self.socket):
            if self.process.poll() is not None or time.time() > deadline:
                self.log.seek(0)
                sys.exit('weird did not start:\n' + self.log.read())
            time.sleep(0.02)
        return self

    def weir(self, *words, **options):
        return subprocess.run([self.client, *words], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120, **options)

    def __exit__(self, *exception):
        alive = self.process.poll() is None
        self.process.terminate()
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = 'no answer to SIGTERM'
        self.log.seek(0)
        text = self.log.read()
        shutil.rmtree(self.folder)
        if exception[0] is None and (not alive or status != 0):
            sys.exit(f'weird {"died" if not alive else "stopped badly"} (status {status}):\n{text}')
