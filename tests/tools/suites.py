"""The runner of other projects' suites, with a suite whose outcomes are given."""

import json
import os
import subprocess
import sys

from harness import TIMEOUT, TOP, equal, test

# Takes from its arguments a directory and the outcomes, and prints the differences that are seen.
COMPARE = """
import argparse, json, sys
sys.dont_write_bytecode = True
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import run
options = argparse.Namespace(build=sys.argv[3], slow=1)
_, bad = run.Suite("given", options).compare("unit")
print(json.dumps(bad))
"""

SUITE = """
from result import Result
RUNS = %r
def run(_unit, launcher):
    if len(RUNS[launcher.mode]) > 1:
        now = RUNS[launcher.mode].pop(0)
    else:
        now = RUNS[launcher.mode][0]
    return {test: Result(outcome, "") for test, outcome in now.items()}
"""


def differences(p, native, green):
    """By test, after these native runs, the last one repeated, and this run under greenshim."""
    with open(p.path("given.py"), "w", encoding="utf-8") as f:
        f.write(SUITE % {"native": native, "green": [green]})
    out = subprocess.run([sys.executable, "-c", COMPARE, p.root, os.path.join(TOP, "tests/suites"),
                          p.path("build")], capture_output=True, timeout=TIMEOUT, check=True)
    return json.loads(out.stdout)


@test
def suites_differ_where_no_native_run_has_it_so(p):
    fine = {"unit": "ok", "first": "ok", "second": "ok"}
    equal(differences(p, [fine], fine), {}, "equal")
    equal(list(differences(p, [fine], {**fine, "second": "fail"})), ["second"], "a failure here")
    equal(list(differences(p, [fine], {"unit": "ok", "first": "ok"})), ["second"], "not run here")
    equal(list(differences(p, [fine], {**fine, "third": "ok"})), ["third"], "only here")


@test
def suites_forgive_what_only_some_native_runs_have(p):
    """A run that broke off reports its own trouble under a name that no other run has."""
    fine = {"unit": "ok", "first": "ok", "second": "ok"}
    broken = {"unit": "fail", "first": "ok", "trouble": "error"}
    equal(differences(p, [broken, fine], fine), {}, "natively broken once")
    equal(differences(p, [fine, broken], broken), {}, "here broken, natively the second time")
    equal(sorted(differences(p, [fine], broken)), ["second", "trouble", "unit"], "only here")
