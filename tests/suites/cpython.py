"""CPython's own tests, of Debian's libpython3.11-testsuite, one unit for each module of tests."""

import json
import os

from launch import TOP
from result import Result

PYTHON = "/usr/bin/python3.11"
TESTS = "/usr/lib/python3.11/test"
REGRTEST = os.path.join(TOP, "tests/suites/lib/regrtest.py")
QUIET = 120     # seconds without the start or the end of a test: a hang
RESTARTS = 10   # after that many tests that kill the interpreter the rest counts as not run

# Not on one machine: it waits for ever where no other end answers, as in many virtual machines.
LEFT_OUT = ["ThreadedVSOCKSocketStreamTest"]
# Their "network" is the loopback interface.
LOOPBACK = ["test_socketserver"]

SHORT = """
    test_thread test_threading_local test_threadsignals test_threadedtempfile test_queue
    test_select test_selectors test_poll test_epoll test_socketserver test_popen test_fork1
    test_wait3 test_wait4 test_pty test_fcntl test_sched test_posix test_context
""".split()

LONG = """
    test_threading test_socket test_httpservers test_ssl test_subprocess test_signal test_eintr
    test_time test_os test_logging test_io test_asyncore test_ftplib test_smtplib test_imaplib
    test_poplib test_xmlrpc test_urllib2_localnet test_mailbox test_faulthandler
    test_concurrent_futures test_asyncio test_multiprocessing_fork
    test_multiprocessing_forkserver test_multiprocessing_spawn test_multiprocessing_main_handling
    test__xxsubinterpreters test_asynchat test_atexit test_audit test_bz2 test_cmd_line
    test_contextlib test_decimal test_docxmlrpc test_file_eintr test_fileio
    test_functools test_gc test_hashlib test_httplib test_import test_interpreters
    test_importlib/test_locks test_importlib/test_threaded_import
    test_ioctl test_itertools test_largefile test_mmap test_nntplib test_openpty test_pdb
    test_random test_resource test_robotparser test_runpy test_shutil test_smtpd test_support
    test_sys test_syslog test_telnetlib test_tempfile test_timeout test_tracemalloc test_urllib2
    test_uuid test_weakref test_wsgiref
""".split()


def available():
    for name in SHORT + LONG:
        path = os.path.join(TESTS, name)
        if not os.path.exists(path + ".py") and not os.path.isdir(path):
            return f"no {path}.py: libpython3.11-testsuite is not installed, or another version"
    return None


def units(full):
    """Names of modules. Of a package, as test_asyncio is one, each module is a unit."""
    found = []
    for name in SHORT + (LONG if full else []):
        package = os.path.join(TESTS, name)
        if os.path.isdir(package):
            found += sorted(f"{name}/{f[:-3]}" for f in os.listdir(package)
                            if f.startswith("test_") and f.endswith(".py")) or [name]
        else:
            found.append(name)
    return [f"test.{name}".replace("/", ".") if "/" in name else name for name in found]


def size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def events(path):
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            for line in f:
                yield json.loads(line)


def run(unit, launcher):
    """Goes on behind each test that ends the interpreter, with a new one."""
    results = {}
    done = os.path.join(launcher.directory, "done")
    for turn in range(RESTARTS):
        path = os.path.join(launcher.directory, f"results.{turn}")
        argv = [PYTHON, "-P", REGRTEST, path, "--tempdir", launcher.directory,
                "-u", "network" if unit in LOOPBACK else "none"]
        for test in LEFT_OUT:
            argv += ["-i", test]
        if results:
            with open(done, "w", encoding="utf-8") as f:
                f.writelines(test + "\n" for test in results)
            argv += ["--ignorefile", done]
        status = launcher.run(argv + [unit], QUIET, lambda p=path: size(p))
        running = None
        for event in events(path):
            running = event.get("start")
            if "end" in event:
                outcome = event["outcome"]
                if outcome == "empty" and results:      # nothing was left to do
                    outcome = "ok"
                results[event["end"]] = Result(outcome, event["why"])
        if unit in results:
            if status is None or status < 0 or status > 3:      # behind its last test
                results[unit] = dead(status, launcher)
            break
        if running is None or running in results:
            results[unit] = dead(status, launcher)
            break
        results[running] = dead(status, launcher)
    return results


def dead(status, launcher):
    """How the interpreter ended in the middle of a test, and what was said last."""
    said = "\n".join(launcher.log)[-4000:]
    if status is None:
        return Result("hang", f"no test began or ended for {QUIET} s\n{said}")
    return Result("crash", f"the interpreter ended with status {status}\n{said}")
