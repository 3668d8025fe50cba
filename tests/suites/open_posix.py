"""The Open POSIX test suite (of the Linux Test Project), one unit for each interface.

OPEN_POSIX_TESTS names the directory testcases/open_posix_testsuite of a tree in which it has been
built: autoconf && ./configure && make generate-makefiles && make -k all. Only the programs are run:
what its scripts do says no more than that a program exists.

As root each program gets message queues and named semaphores of its own, and may not set the
machine's clock.
"""

import os

from result import Result

GIVEN = "OPEN_POSIX_TESTS"
SUFFIX = ".run-test"
QUIET = 150     # seconds after which a program counts as hung; natively the longest takes 60
LONG = ("functional/", "stress/")

OUTCOMES = {None: "hang", 0: "ok", 1: "fail", 2: "unresolved", 4: "unsupported", 5: "untested"}

ALONE = ("mount -t tmpfs none /dev/shm && echo 200 >/proc/sys/fs/mqueue/msg_max && "
         'exec setpriv --bounding-set -sys_time --inh-caps -sys_time -- "$@"')
ISOLATED = ["unshare", "--ipc", "--mount", "sh", "-c", ALONE, "sh"]


def left_out():
    if not os.environ.get(GIVEN):
        return f"name the directory where it is built: {GIVEN}=.../testcases/open_posix_testsuite"
    return None


def top():
    return os.path.abspath(os.environ[GIVEN])


def programs():
    """Path below the top by name of the test: sem_post/1-1, stress/threads/..."""
    found = {}
    for part in ("conformance/interfaces", "functional", "stress"):
        for folder, _, names in os.walk(os.path.join(top(), part)):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), top())
                if name.endswith(SUFFIX) and os.access(os.path.join(folder, name), os.X_OK):
                    found[name_of(path)] = path
    return found


def name_of(path):
    """conformance/interfaces/sem_post/sem_post_1-1.run-test is sem_post/1-1."""
    folder, name = os.path.split(path[:-len(SUFFIX)])
    prefix = "_".join(folder.split("/")[-2:] if folder.endswith("speculative") else
                      [os.path.basename(folder)]) + "_"
    folder = folder.removeprefix("conformance/interfaces/")
    return os.path.join(folder, name.removeprefix(prefix))


def available():
    return None if programs() else f"no programs below {top()}; is it built?"


def unit_of(test):
    return test.rpartition("/")[0].removesuffix("/speculative")


def units(full):
    return sorted({unit_of(t) for t in programs() if full or not t.startswith(LONG)})


def run(unit, launcher):
    results = {}
    for test, path in sorted(programs().items()):
        if unit_of(test) == unit:
            results[test] = run_program(os.path.join(top(), path), launcher)
    return results


def run_program(path, launcher):
    argv = [path]
    arguments = path[:-len(SUFFIX)] + ".args"
    if os.path.exists(arguments):
        with open(arguments, encoding="utf-8") as f:
            argv += f.read().split()
    before = len(launcher.log)
    status = launcher.run((ISOLATED if os.geteuid() == 0 else []) + argv, QUIET)
    outcome = f"signal-{-status}" if status is not None and status < 0 else f"exit-{status}"
    return Result(OUTCOMES.get(status, outcome), "\n".join(launcher.log[before:])[-2000:])
