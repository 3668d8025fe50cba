"""Starts programs natively or under greenshim, watches their kernel threads, guards every step.

A mode is 'native', 'green' (build/greenrun) or 'off' (the library preloaded, GREENSHIM=off).
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import lib

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'lib'))

import processes  # noqa: E402

WORKERS = 4             # kernel threads libuv may add in one process
PYTHON = '/usr/bin/python3.11'


class Failure(Exception):
    """A scenario went wrong; the text says how."""


def say(text):
    print(text, flush=True)


# ---------------------------------------------------------------------------- kernel threads

class Monitor(threading.Thread):
    """Samples the number of kernel threads of each process below some roots."""

    def __init__(self, launcher):
        super().__init__(daemon=True)
        self.launcher = launcher
        self.roots = []
        self.worst = {}         # these are by number and start of a process
        self.names = {}
        self.turns = {}
        self.bare = {}
        self.uncovered = set()  # commands seen without the library for 100 ms
        self.stop = threading.Event()
        lib.start(self)

    def run(self):
        turn, known = 0, {}
        while not self.stop.wait(0.01):
            if turn % 5 == 0:
                pids = [p for root in list(self.roots) for p in processes.tree(root)]
                known = {pid: processes.threads(pid)[0] for pid in pids}
            turn += 1
            for pid, start in known.items():
                now, count = processes.threads(pid)
                if now and now == start:
                    self.sample((pid, start), count)

    def sample(self, key, count):
        self.turns[key] = self.turns.get(key, 0) + 1
        if self.turns[key] % 10 == 0:
            self.look(key)
        if count > self.worst.get(key, 0):
            self.worst[key] = count
            self.names[key] = processes.command(key[0]) or self.names.get(key, '')

    def look(self, key):
        """Twice without the library under one name: not just between exec and its loader."""
        pid = key[0]
        name = processes.command(pid)
        if (not name or processes.preloaded(pid) is not False
                or processes.runs(pid, self.launcher)):
            self.bare.pop(key, None)
        elif self.bare.get(key) == name:
            self.uncovered.add(name)
        else:
            self.bare[key] = name

    def finish(self):
        self.stop.set()
        self.join()

    def peak(self):
        """(most kernel threads in one process, its command line)."""
        if not self.worst:
            return 0, ''
        key = max(self.worst, key=self.worst.get)
        return self.worst[key], self.names.get(key, '')


# ---------------------------------------------------------------------------- one run

_NUMBERS = re.compile(r'0x[0-9a-fA-F]+|\d+')


def normal(text, directory):
    """The lines of a log without what differs between two runs of one program."""
    text = text.replace(directory, 'DIR')
    return {_NUMBERS.sub('N', line).strip() for line in text.splitlines() if line.strip()}


class Run:
    """One scenario in one mode: a fresh directory, the processes started, what they said."""

    def __init__(self, name, mode, build):
        self.name = name
        self.mode = mode
        self.build = build
        self.dir = tempfile.mkdtemp(prefix='greenshim-apps-')
        os.chmod(self.dir, 0o755)
        self.greenrun = os.path.join(build, 'greenrun')
        self.monitor = Monitor(self.greenrun)
        self.procs = []
        self.errors = []        # files that hold stderr of the programs under test
        self.hung = None

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), 'w') as f:
            f.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def wrap(self, argv, mode=None):
        """(argv, environment) of a program in a mode."""
        mode = mode or self.mode
        env = {k: v for k, v in os.environ.items()
               if not k.startswith('GREENSHIM') and k != 'LD_PRELOAD'}
        env['LC_ALL'] = 'C'
        env['HOME'] = self.dir
        if mode == 'green':
            argv = [self.greenrun, '--'] + list(argv)
        elif mode == 'off':
            env['LD_PRELOAD'] = os.path.join(self.build, 'libgreenshim.so')
            env['GREENSHIM'] = 'off'
        return list(argv), env

    def popen(self, argv, mode=None, helper=False, stdin=None, stdout=None, cwd=None):
        """Starts a program in a session of its own; a helper is native and is not watched."""
        argv, env = self.wrap(argv, 'native' if helper else mode)
        number = len(self.procs)
        err = open(self.path('stderr.%d' % number), 'wb')
        out = stdout or open(self.path('stdout.%d' % number), 'wb')
        try:
            proc = subprocess.Popen(argv, env=env, cwd=cwd or self.dir, stderr=err, stdout=out,
                                    stdin=stdin or subprocess.DEVNULL, start_new_session=True)
        except OSError as e:
            raise Failure('cannot start %s: %s' % (argv[0], e)) from e
        finally:
            err.close()
            if not stdout:
                out.close()
        proc.greenshim_mode = 'native' if helper else (mode or self.mode)
        self.procs.append(proc)
        if not helper:
            self.errors.append(self.path('stderr.%d' % number))
            if proc.greenshim_mode == self.mode:
                self.monitor.roots.append(proc.pid)
        return proc

    def listening(self, proc, port, seconds=40):
        with self.guard('start', seconds + 10):
            if not lib.wait_port(port, lambda: proc.poll() is None, seconds):
                if proc.poll() is None:
                    self.on_hang('start')
                raise Failure('did not start listening: %s' % self.last_words(proc))

    def last_words(self, proc):
        number = self.procs.index(proc)
        text = ''
        for kind in ('stdout', 'stderr'):
            with contextlib.suppress(OSError):
                with open(self.path('%s.%d' % (kind, number)), errors='replace') as f:
                    text += f.read()[-600:]
        status = proc.poll()
        return 'status %s; %s' % (status, ' | '.join(text.split('\n')[-6:]))

    # A step that takes longer than its guard is a hang: dump, kill what we started, fail.
    @contextlib.contextmanager
    def guard(self, step, seconds=60):
        timer = threading.Timer(seconds, self.on_hang, (step,))
        timer.daemon = True
        lib.start(timer)
        try:
            yield
        except Failure:
            raise
        except (OSError, EOFError, ValueError, RuntimeError, subprocess.SubprocessError) as e:
            if not self.hung:
                raise Failure('%s: %s: %s' % (step, type(e).__name__, e)) from e
        finally:
            timer.cancel()
        if self.hung:
            raise Failure('%s: hang, killed' % self.hung)

    def on_hang(self, step):
        self.hung = step
        say('# %s [%s]: no progress in step %s' % (self.name, self.mode, step))
        running = [p for p in self.procs if p.poll() is None]
        for proc in running:
            if proc.greenshim_mode == self.mode:
                for pid in processes.tree(proc.pid)[:6]:
                    for line in processes.backtraces(pid):
                        say('#   ' + line[:200])
        for proc in running:
            processes.kill(reversed(processes.tree(proc.pid)))

    def tool(self, argv, stdin=None, seconds=60, cwd=None, check=True):
        """Runs a native client or preparation; returns its stdout."""
        argv, env = self.wrap(argv, 'native')
        done = subprocess.run(argv, env=env, cwd=cwd or self.dir, capture_output=True, text=True,
                              errors='replace', timeout=seconds, **_stdin(stdin))
        if check and done.returncode != 0:
            raise Failure('%s: status %d: %s %s' % (
                os.path.basename(argv[0]), done.returncode, done.stdout[-300:],
                done.stderr[-300:]))
        return done.stdout

    def program(self, argv, stdin=None, seconds=60, cwd=None, status=0):
        """Runs a program under test to its end; returns stdout, fails on another status."""
        feed = None
        if stdin is not None:
            feed = open(self.path('stdin'), 'w+')
            feed.write(stdin)
            feed.seek(0)
        name = os.path.basename(argv[0])
        with self.guard(name, seconds):
            proc = self.popen(argv, stdin=feed, cwd=cwd)
            proc.wait()
        if feed:
            feed.close()
        if proc.returncode != status:
            raise Failure('%s: %s' % (name, self.last_words(proc)))
        with open(self.path('stdout.%d' % self.procs.index(proc)), errors='replace') as f:
            return f.read()

    def end(self, proc, sig=signal.SIGTERM, seconds=30):
        """Sends a signal and returns the exit status."""
        with self.guard('end by signal %d' % sig, seconds):
            proc.send_signal(sig)
            proc.wait()
        return proc.returncode

    def logs(self):
        """The ends of the log files that a program left."""
        text = ''
        for name in sorted(os.listdir(self.dir)):
            if name.endswith(('.log', '.err')) or name.startswith('stderr.'):
                with open(self.path(name), errors='replace') as f:
                    last = f.read().splitlines()[-4:]
                text += ''.join('%s: %s\n' % (name, line) for line in last)
        return text

    def said(self):
        lines = set()
        for name in self.errors:
            with open(name, errors='replace') as f:
                lines |= normal(f.read(), self.dir)
        return lines

    def finish(self):
        for proc in self.procs:
            if proc.poll() is None:
                processes.kill(reversed(processes.tree(proc.pid)))
            proc.wait()
        self.monitor.finish()
        shutil.rmtree(self.dir, ignore_errors=True)


def _stdin(text):
    return {'input': text} if text is not None else {'stdin': subprocess.DEVNULL}


def wait_until(condition, seconds=20.0, pause=0.05):
    """True as soon as condition() holds; False when the time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(pause)
    return False


class Report:
    """Counts results and prints a line for each."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, what, good, detail=''):
        label = 'apps/%s [%s]' % (name, what)
        if good:
            self.passed += 1
            say('ok ' + label)
        else:
            self.failed += 1
            say('not ok ' + label)
            for line in str(detail).splitlines()[:40]:
                say('#   ' + line[:300])
        return good

    def last(self):
        say('%d passed, %d failed' % (self.passed, self.failed))
        return 1 if self.failed else 0


def catch_term():
    """A terminated runner still kills its servers and removes its directories."""
    def stop(_number, _frame):
        sys.exit(143)
    signal.signal(signal.SIGTERM, stop)
