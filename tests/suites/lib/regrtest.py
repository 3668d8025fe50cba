"""Runs one module of CPython's tests by its own regrtest and notes each test's end at once.

usage: python3 regrtest.py RESULTS [option of regrtest...] MODULE

RESULTS gets a line of JSON for each event, by a write of its own, so that nothing is lost when
the interpreter dies or hangs: {"start": TEST}, {"end": TEST, "outcome": ..., "why": ...}. The
last one, with the module as TEST, says how the whole module ended.
"""

import json
import os
import sys
import traceback

import test.libregrtest.main    # whose name in the package is a function
import test.libregrtest.runtest as runtest
import test.support.testresult as testresult

RESULTS = sys.argv[1]
OWNER = os.getpid()
RANK = ["ok", "skip", "fail", "error"]      # of several outcomes of a test the last counts
_open, _write, _close = os.open, os.write, os.close     # tests replace those of os


def note(**event):
    """No descriptor stays open: tests count and close them. Forked children stay silent."""
    if os.getpid() != OWNER:
        return
    fd = _open(RESULTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
    _write(fd, (json.dumps(event) + "\n").encode())
    _close(fd)


def name_of(test):
    """The test's name without spaces."""
    return "_".join(test.id().split())


class Result(testresult.RegressionTestResult):
    """Notes outcomes. Of a test with subtests that fail, how many do: fail/2."""

    def __init__(self, *args):
        super().__init__(*args)
        self.outcome = None
        self.why = []
        self.subtests = 0

    def startTest(self, test):
        super().startTest(test)
        self.outcome, self.why, self.subtests = "ok", [], 0
        note(start=name_of(test))

    def stopTest(self, test):
        super().stopTest(test)
        outcome = self.outcome + (f"/{self.subtests}" if self.subtests else "")
        note(end=name_of(test), outcome=outcome, why="\n".join(self.why))
        self.outcome = None

    def ended(self, test, outcome, err=None):
        why = ""
        if err:
            why = "".join(traceback.format_exception_only(*err[:2]) +
                          traceback.format_exception(*err))
        if self.outcome is None:        # a fixture of a class or a module
            note(end=name_of(test), outcome=outcome, why=why)
            return
        self.outcome = max(self.outcome, outcome, key=RANK.index)
        if why:
            self.why.append(why)

    def addError(self, test, err):
        self.ended(test, "error", err)
        super().addError(test, err)

    def addFailure(self, test, err):
        self.ended(test, "fail", err)
        super().addFailure(test, err)

    def addSkip(self, test, reason):
        self.ended(test, "skip")
        super().addSkip(test, reason)

    def addUnexpectedSuccess(self, test):
        self.ended(test, "fail")
        super().addUnexpectedSuccess(test)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            self.subtests += 1
            self.ended(test, "fail" if failed else "error", err)
            self.why.append(f"in {subtest.id()}")
        super().addSubTest(test, subtest, err)


def run_module(ns, name):
    """regrtest's runtest(), and what it says of the module: skipped, environment changed..."""
    result = runtest.runtest(ns, name)
    outcome = {
        runtest.Passed: "ok",
        runtest.EnvChanged: "changed",
        runtest.Skipped: "skip",
        runtest.ResourceDenied: "skip",
        runtest.DidNotRun: "empty",
        runtest.UncaughtException: "error",
    }.get(type(result), "ok")       # failures of tests are noted with them
    note(end=name, outcome=outcome, why="")
    return result


if __name__ == "__main__":
    del sys.argv[1]
    testresult.RegressionTestResult = Result
    sys.modules["test.libregrtest.main"].runtest = run_module
    test.libregrtest.main()
