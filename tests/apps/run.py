#!/usr/bin/python3
"""Runs real programs natively and under greenshim and compares what a user would see.

usage: run.py [-k TEXT] [--native-only] [--repeat N] [--build DIR]

Prints one line per fact, `ok apps/NAME [fact]` or `not ok apps/NAME [fact]`, lines with # for
the details, and `N passed, N failed` last.  The exit status is 1 if something failed.
"""

import argparse
import os
import re
import shutil
import sys
import time

sys.dont_write_bytecode = True      # no __pycache__ in the source tree

import harness
import lib
import programs
import processes
import servers
from harness import Failure, Report, Run, WORKERS, say


# Another process may hold all the threads that the machine allows: natively that is a failure.
NATIVE_TRIES = 3


def missing(needs):
    """The first command of the list that is not installed."""
    return next((n for n in needs if not shutil.which(n)), None)


def attempt(run, facts, what, step):
    """Calls step() and keeps its answer; False when it failed."""
    try:
        facts[what] = step()
        return True
    except Failure as e:
        facts[what] = 'FAILED: %s' % e
        return False


def held_idle(run, server, proc):
    """What is seen while many connections are open and silent."""
    idle = lib.Idle(server.idle, server.connect)
    try:
        answer = server.probe()
        if idle.alive() != server.idle:
            raise Failure('%d of %d idle connections still open' % (idle.alive(), server.idle))
        return answer
    finally:
        idle.close()


def end_with_clients(run, server, proc):
    idle = lib.Idle(server.held, server.connect)
    try:
        return run.end(proc, server.stop)
    finally:
        idle.close()


def coverage(run, proc):
    """Commands of the process tree in which the library is not loaded."""
    return [processes.command(p) for p in processes.tree(proc.pid)
            if processes.preloaded(p) is False]


def serve(kind, mode, build):
    """One server in one mode, from start to SIGTERM; returns the facts seen."""
    run = Run(kind.name, mode, build)
    facts = {}
    try:
        server = kind(run)
        with run.guard('prepare', 150):
            server.prepare()
        proc = server.proc = run.popen(server.argv())
        run.listening(proc, server.port)

        def guarded(step, seconds, call):
            with run.guard(step, seconds):
                return call()

        steps = [('probe', 40, server.probe)]
        if mode != 'off':
            steps += [('load', 90, server.load)]
            if server.idle:
                steps += [('%d idle' % server.idle, 90, lambda: held_idle(run, server, proc))]
            steps += [('probe again', 40, server.probe)]
        for what, seconds, call in steps:
            if not attempt(run, facts, what, lambda: guarded(what, seconds, call)):
                break
        else:
            facts['uncovered'] = coverage(run, proc)
            if mode == 'off':
                attempt(run, facts, 'exit status', lambda: run.end(proc, server.stop))
            else:
                attempt(run, facts, 'exit status', lambda: guarded(
                    'end', 60, lambda: end_with_clients(run, server, proc)))
        if proc.poll() is not None and 'exit status' not in facts:
            facts['died'] = run.last_words(proc)
    except Failure as e:
        facts['start'] = 'FAILED: %s' % e
    finally:
        facts['stderr'] = run.said()
        facts['threads'] = run.monitor.peak()
        facts['logs'] = run.logs()
        run.finish()
    return facts


def execute(function, mode, build):
    """One program in one mode; returns the facts seen."""
    run = Run(function.program_name, mode, build)
    facts = {}
    try:
        with run.guard('whole', 150):
            facts['output'] = function(run)
        facts['uncovered'] = sorted(run.monitor.uncovered)
    except Failure as e:
        facts['output'] = 'FAILED: %s' % e
    finally:
        facts['stderr'] = run.said()
        facts['threads'] = run.monitor.peak()
        facts['logs'] = run.logs()
        run.finish()
    return facts


def failed(facts):
    return next(('%s: %s' % i for i in facts.items() if str(i[1]).startswith('FAILED')), None)


def unexpected(native, other, noise):
    """Lines on stderr that the native run does not have."""
    return sorted(line for line in other['stderr'] - native['stderr']
                  if not noise or not re.search(noise, line))


def compare(report, name, native, green, noise):
    """The facts of the run under greenshim against those of the native run."""
    for what, seen in green.items():
        if what in ('stderr', 'threads', 'uncovered', 'died', 'logs'):
            continue
        same = seen == native.get(what) and not str(seen).startswith('FAILED')
        report.check(name, what, same, 'native: %s\nhere:   %s\n%s\n%s' % (
            native.get(what), seen, green.get('died', ''), green['logs']))
    if 'uncovered' in green:
        report.check(name, 'library in every process', not green['uncovered'],
                     green['uncovered'])
    count, command = green['threads']
    report.check(name, 'kernel threads', count <= 1 + WORKERS, '%d in %s' % (count, command))
    extra = unexpected(native, green, noise)
    report.check(name, 'stderr', not extra, '\n'.join(extra))


def scenario(report, name, call, options, off, noise):
    """Native first: what fails there says nothing about greenshim."""
    start = time.monotonic()
    for _ in range(NATIVE_TRIES):
        native = call('native')
        trouble = failed(native)
        if not trouble:
            break
        say('# %s natively: %s' % (name, trouble))
        time.sleep(1)
    if not report.check(name, 'native', not trouble, '%s\n%s' % (trouble, native['logs'])):
        return
    if options.native_only:
        say('# %s: kernel threads %d, %.1f s; %s' % (
            name, native['threads'][0], time.monotonic() - start,
            {k: v for k, v in native.items() if k not in ('threads', 'logs')}))
        return
    for _ in range(options.repeat):
        green = call('green')
        compare(report, name, native, green, noise)
    if off:
        plain = call('off')
        bad = failed(plain)
        report.check(name, 'GREENSHIM=off', not bad and plain.get('probe') == native['probe']
                     and plain.get('exit status') == native['exit status']
                     and not unexpected(native, plain, noise),
                     bad or {k: plain.get(k) for k in ('probe', 'exit status', 'stderr')})
    say('# %s: kernel threads %d natively, %d here; %.1f s' % (
        name, native['threads'][0], green['threads'][0], time.monotonic() - start))


def main():
    parser = argparse.ArgumentParser(description='real programs natively and under greenshim')
    parser.add_argument('-k', metavar='TEXT', help='only scenarios whose name contains TEXT')
    parser.add_argument('--native-only', action='store_true')
    parser.add_argument('--repeat', type=int, default=1, metavar='N',
                        help='N runs under greenshim, each compared with the native one')
    parser.add_argument('--build', default=os.path.join(harness.ROOT, 'build'))
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    os.environ['PATH'] = os.environ.get('PATH', '') + ':/usr/sbin:/sbin'
    lib.raise_file_limit()
    harness.catch_term()
    report = Report()
    if not options.native_only:
        for name in ('greenrun', 'libgreenshim.so'):
            if not os.path.exists(os.path.join(build, name)):
                say('# %s is not built' % os.path.join(build, name))
                report.check('setup', name, False)
                return report.last()
    work = [(k.name, k.needs, lambda mode, k=k: serve(k, mode, build), True, k.noise)
            for k in servers.ALL]
    work += [(f.program_name, f.needs, lambda mode, f=f: execute(f, mode, build), False, f.noise)
             for f in programs.ALL]
    for name, needs, call, off, noise in work:
        if options.k and options.k not in name:
            continue
        absent = missing(needs)
        if absent:
            report.check(name, 'installed', False, '%s is not installed' % absent)
            continue
        scenario(report, name, call, options, off, noise)
    return report.last()


if __name__ == '__main__':
    sys.exit(main())
