"""Process trees of a test: who belongs to it, what each is doing, how to end it."""

import contextlib
import os
import shutil
import signal
import subprocess

GREENS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/greenshim-gdb.py")


def pids():
    """Every process there is."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid):
    """The fields of /proc/PID/stat that come after the name; None if the process has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rpartition(")")[2].split()
    except OSError:
        return None


def session(leader):
    """The live processes of a session."""
    found = []
    for pid in pids():
        fields = _stat(pid)
        if fields and int(fields[3]) == leader and fields[0] != "Z":
            found.append(pid)
    return sorted(found)


def tree(root):
    """The process and all that descend from it."""
    children = {}
    for pid in pids():
        fields = _stat(pid)
        if fields:
            children.setdefault(int(fields[1]), []).append(pid)
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children.get(pid, [])
    return found


def marked(assignment):
    """The processes that inherited NAME=VALUE in their environment, at any distance."""
    found = []
    for pid in pids():
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/environ", "rb") as f:
                if assignment.encode() in f.read().split(b"\0"):
                    found.append(pid)
    return sorted(found)


def threads(pid):
    """(when the process started, its kernel threads); (None, 0) if it has ended. Numbers of
    processes come again, with another start."""
    fields = _stat(pid)
    return (fields[19], int(fields[17])) if fields else (None, 0)


def runs(pid, path):
    """Is this the program of the process?"""
    try:
        return os.path.samefile(f"/proc/{pid}/exe", path)
    except OSError:
        return False


def command(pid):
    """The command line of a process, cut; empty if it has ended."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode(errors="replace").strip()[:60]
    except OSError:
        return ""


def preloaded(pid):
    """True if the library is mapped there, None if the process has ended."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as f:
            text = f.read()
    except OSError:
        return None
    if "libc.so" not in text:
        return None  # the loader is still at work: it maps preloaded libraries first
    return "libgreenshim.so" in text


def backtraces(pid):
    """Where every thread of a process stands, greens included: the lines that gdb prints."""
    argv = ["gdb", "-p", str(pid), "-batch", "-nx", "-ex", "set pagination off",
            "-ex", "thread apply all bt 25"]
    if preloaded(pid):
        argv += ["-x", GREENS, "-ex", "green bt all 30"]
    head = [f"--- pid {pid}: {command(pid)}"]
    if not shutil.which("gdb"):
        return head + ["no gdb here"]
    try:
        out = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return head + [f"gdb: {error}"]
    return head + out.decode(errors="replace").splitlines()[:200]


def kill(victims):
    """Ends processes at once; those that have ended already do not matter."""
    for pid in victims:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
