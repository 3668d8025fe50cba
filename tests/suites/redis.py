"""redis' own Tcl suite against Debian's redis-server, one unit for each of its units.

REDIS_TESTS names the unpacked source of the same version (`apt-get source redis`); nothing is
built. The whole suite runs under greenshim: Tcl's interpreter, the servers and the clients.
"""

import itertools
import os
import re
import shutil
import socket

from result import Result

GIVEN = "REDIS_TESTS"
PROGRAMS = "redis-server redis-cli redis-benchmark redis-check-aof redis-check-rdb"
QUIET = 300     # seconds without a word: a hang
PORTS = 600     # for the servers of one unit

# Units of seconds each. The rest: full only.
SHORT = """
    unit/protocol unit/auth unit/info unit/slowlog unit/pubsub unit/multi unit/scripting
    unit/type/list unit/type/stream-cgroups unit/lazyfree unit/shutdown unit/violations
    integration/logging integration/aof integration/block-repl integration/redis-cli
""".split()

turns = itertools.count(os.getpid())     # two runs at a time begin apart

LINE = re.compile(r"^\[(ok|err|exception|skip|ignore|timeout)\]: (.*)$")
TIME = re.compile(r" \(\d+ ms\)$")


def directory():
    return os.path.abspath(os.environ[GIVEN])


def left_out():
    if not os.environ.get(GIVEN):
        return f"name the directory of its source (apt-get source redis): {GIVEN}=.../redis-7.0.15"
    return None


def available():
    if not os.path.exists(os.path.join(directory(), "tests/test_helper.tcl")):
        return f"{directory()} has no tests/test_helper.tcl"
    for name in PROGRAMS.split() + ["tclsh"]:
        if not shutil.which(name):
            return f"{name} is not installed"
    return None


def units(full):
    if not full:
        return SHORT
    with open(os.path.join(directory(), "tests/test_helper.tcl"), encoding="utf-8") as f:
        names = re.search(r"set ::all_tests \{(.*?)\}", f.read(), re.S).group(1)
    return names.split()


def copy(launcher):
    """A tree as the suite wants it, with the installed programs in the place of built ones."""
    tree = os.path.join(launcher.directory, "redis")
    shutil.copytree(os.path.join(directory(), "tests"), os.path.join(tree, "tests"))
    os.makedirs(os.path.join(tree, "tests/tmp"), exist_ok=True)
    os.mkdir(os.path.join(tree, "src"))
    shutil.copy(os.path.join(directory(), "redis.conf"), tree)
    for name in PROGRAMS.split():
        os.symlink(shutil.which(name), os.path.join(tree, "src", name))
    return tree


def free_ports():
    """The first of a range of ports for one unit; the suite's own server is 32 below."""
    for turn in turns:
        base = 21111 + turn % 50 * (PORTS + 100)
        try:
            for port in (base - 32, base, base + 1, base + PORTS // 2):
                with socket.socket() as s:
                    s.bind(("127.0.0.1", port))
            return base
        except OSError:
            pass
    return None


def results_in(text):
    """{test: Result}; of tests with one name the first that did not pass."""
    found = {}
    for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines():
        match = LINE.match(line)
        if not match:
            continue
        outcome, what = match.group(1), TIME.sub("", match.group(2))
        if outcome != "ok":
            what, _, why = what.partition(" in tests/") if outcome == "err" else (what, "", "")
        name = re.sub(r"\W+", "_", re.sub(r"0x[0-9a-f]+|\d+", "N", what))[:100].strip("_")
        outcome = {"err": "fail", "exception": "error", "timeout": "hang",
                   "ignore": "skip"}.get(outcome, outcome)
        if name not in found or found[name].outcome in ("ok", "skip"):
            found[name] = Result(outcome, line)
    return found


def run(unit, launcher):
    tree = copy(launcher)
    argv = ["tclsh", "tests/test_helper.tcl", "--single", unit, "--clients", "1",
            "--baseport", str(free_ports()), "--portcount", str(PORTS)]
    output = os.path.join(launcher.directory, ".output")
    status = launcher.run(argv, QUIET, lambda: os.path.getsize(output), cwd=tree)
    said = "\n".join(launcher.log)
    results = {f"{unit}:{name}": result for name, result in results_in(said).items()}
    outcome = "hang" if status is None else "ok" if status == 0 else "fail"
    results[unit] = Result(outcome, "\n".join(said.splitlines()[-15:]))
    return results
