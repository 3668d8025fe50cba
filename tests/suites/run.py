#!/usr/bin/python3
"""Runs test suites of other projects natively and under greenshim and compares test by test.

usage: run.py [SUITE...] [-k WORD...] [--full] [--repeat N] [-j N] [--build DIR]

A suite is one module NAME.py of this directory, with
  available()            None, or why the suite cannot run here; may build under build/suites/NAME
  units(full)            names of its units; the short ones only, unless full
  left_out()             optional: None, or what the user must give before it can run
  run(unit, launcher)    runs one unit by launcher (see lib/launch.py); returns {test: Result} (see
                         lib/result.py); goes on with the next test after a crash or a hang
Test names are unique in a suite and have no spaces.

NAME.expect lists the tests whose outcome under greenshim is known to differ, one a line:
  TEST NATIVE GREEN REASON...
A test that ends differently from run to run natively has alternatives, ok|fail. A listed
difference that is gone is a failure too, as is a listed test that is not there.

The native run is the oracle. Where greenshim differs the unit is run natively again, and any
outcome seen there will do. Prints a line for each unit and each unexpected difference. What the
programs said is in build/suites/NAME/UNIT.MODE.log then.
"""

import argparse
import collections
import concurrent.futures
import importlib
import os
import signal
import sys
import time

sys.dont_write_bytecode = True      # no __pycache__ in the source tree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))

from launch import Launcher, TOP  # noqa: E402
from result import ABSENT  # noqa: E402

NATIVE_RUNS = 4
Expected = collections.namedtuple("Expected", "native green reason")


def say(text):
    print(text, flush=True)


def read_expected(path):
    """{test: Expected} of a .expect file."""
    expected = {}
    if not os.path.exists(path):
        return expected
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if not line.strip() or line.startswith("#"):
                continue
            words = line.split(None, 3)
            if len(words) < 4:
                sys.exit(f"{path}:{number}: needs TEST NATIVE GREEN REASON")
            native, green = words[1].split("|"), words[2].split("|")
            if len(native) == 1 and len(green) > 1:
                sys.exit(f"{path}:{number}: natively it has one outcome, so it has one here")
            if words[0] in expected:
                sys.exit(f"{path}:{number}: {words[0]} is listed twice")
            expected[words[0]] = Expected(native, green, words[3].strip())
    return expected


def outcomes(runs):
    """{test: outcomes} of several runs; a test that one of them did not get to was absent there."""
    return {test: {run.get(test, ABSENT).outcome for run in runs} for test in set().union(*runs)}


class Suite:
    def __init__(self, name, options):
        self.name = name
        self.options = options
        self.module = importlib.import_module(name)
        self.expected = read_expected(os.path.join(HERE, name + ".expect"))
        self.logs = os.path.join(options.build, "suites", name)
        self.met = set()

    def run(self, unit, mode):
        with Launcher(mode, self.options.build, self.options.slow) as launcher:
            results = self.module.run(unit, launcher)
            path = os.path.join(self.logs, f"{unit.replace('/', '_')}.{mode}.log")
            os.makedirs(self.logs, exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write("\n".join(launcher.log) + "\n")
                for test, result in sorted(results.items()):
                    f.write(f"{result.outcome} {test}\n")
        return results

    def compare(self, unit):
        """Runs a unit in both modes: (what was seen, failure texts by test)."""
        began = time.monotonic()
        native = self.run(unit, "native")
        half = time.monotonic()
        green = self.run(unit, "green")
        took = f"{half - began:.0f} s natively, {time.monotonic() - half:.0f} s here"
        natively = [native]
        while self.unexpected(outcomes(natively), green) and len(natively) < NATIVE_RUNS:
            natively.append(self.run(unit, "native"))
        seen = outcomes(natively)
        bad = self.unexpected(seen, green)
        self.met.update(seen, green)
        listed = sum(1 for test in set(seen) | set(green) if test in self.expected)
        return f"{len(seen)} tests, {listed} listed differences, {took}", bad

    def unexpected(self, seen, green):
        """Failure texts by test: what differs and is not listed, what is listed and is not so."""
        bad = {}
        for test in sorted(set(seen) | set(green)):
            native = seen.get(test, {ABSENT.outcome})
            here = green.get(test, ABSENT)
            line = self.expected.get(test)
            same = here.outcome in native
            if line is None:
                if not same:
                    bad[test] = f"native {'|'.join(sorted(native))}, here {here.outcome}" + (
                        f": {here.why}" if here.why else "")
            elif len(line.native) > 1:
                if not same and here.outcome not in line.green:
                    bad[test] = f"listed as {'|'.join(line.green)}, here {here.outcome}"
            elif same:
                bad[test] = f"{here.outcome} as natively: the listed difference is gone"
            elif line.native[0] not in native or here.outcome != line.green[0]:
                bad[test] = (f"listed as {line.native[0]} natively and {line.green[0]} here, is "
                             f"{'|'.join(sorted(native))} and {here.outcome}: {here.why}")
        return bad


class Report:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def unit(self, suite, unit, seen, bad):
        if not bad:
            self.passed += 1
            say(f"ok {suite}/{unit} # {seen}")
        for test, why in bad.items():
            self.failed += 1
            first, _, rest = why.partition("\n")
            say(f"not ok {suite}/{test}: {first}")
            for line in rest.splitlines()[-25:]:
                say("    " + line[:200])

    def trouble(self, name, why):
        self.failed += 1
        say(f"not ok {name}: {why}")


def run_suite(suite, report, options):
    why = getattr(suite.module, "left_out", lambda: None)()
    if why and not options.suite:
        say(f"skip {suite.name}: {why}")
        return
    why = why or suite.module.available()
    if why:
        report.trouble(suite.name, why)
        return
    units = [u for u in suite.module.units(options.full)
             if not options.k or any(word in u for word in options.k)]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        jobs = {pool.submit(suite.compare, u): u for u in units * options.repeat}
        for job in concurrent.futures.as_completed(jobs):
            report.unit(suite.name, jobs[job], *job.result())
    if options.full and not options.k:
        for test in suite.expected:
            if test not in suite.met:
                report.trouble(f"{suite.name}/{test}", "is listed, but there is no such test")


def stop(number, _frame):
    """A runner that is ended leaves no processes and no directories behind."""
    for launcher in list(Launcher.running):
        launcher.__exit__()
    os._exit(128 + number)


def main():
    parser = argparse.ArgumentParser(description="suites of other projects under greenshim")
    known = sorted(n[:-3] for n in os.listdir(HERE) if n.endswith(".py") and n != "run.py")
    parser.add_argument("suite", nargs="*", help=f"of: {' '.join(known)}; default all")
    parser.add_argument("-k", default=[], metavar="WORD", action="append",
                        help="units whose name contains WORD, or one of several")
    parser.add_argument("--full", action="store_true", help="long units too")
    parser.add_argument("--repeat", type=int, default=1, help="run everything this many times")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("--slow", type=float, default=1, help="factor on every hang guard")
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    report = Report()
    for name in options.suite or known:
        if name not in known:
            report.trouble(name, f"no such suite; there are: {' '.join(known)}")
            continue
        run_suite(Suite(name, options), report, options)
    say(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
