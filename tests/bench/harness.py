"""What the benchmark and the demo share: starting servers and clients on chosen CPUs.

A server runs natively or under greenrun, unchanged. Every wait has a limit.
"""

import json
import os
import re
import resource
import select
import signal
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_LIMIT = 30
STOP_LIMIT = 30
CLIENT_LIMIT = 150


class Failed(Exception):
    """A contender died, hung or gave a wrong answer; the text says which."""


def cpus():
    """(CPU of the servers, CPU of the clients); the same one when there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[1 % len(usable)]


def build_path(*parts):
    return os.path.join(ROOT, os.environ.get("B", "build"), *parts)


def program(name):
    return build_path("tests", "bench", name)


def greenrun(argv):
    return [build_path("greenrun"), "--"] + argv


def native_environment():
    """The caller's environment without anything that would load or steer the library."""
    return {k: v for k, v in os.environ.items()
            if k != "LD_PRELOAD" and not k.startswith("GREENSHIM")}


def _prepare_child(cpu):
    os.sched_setaffinity(0, {cpu})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run_json(argv, cpu, limit=CLIENT_LIMIT):
    """Run a program on a CPU; the JSON object it prints. Raises Failed."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=limit, env=native_environment(),
                              preexec_fn=lambda: _prepare_child(cpu))
    except subprocess.TimeoutExpired:
        raise Failed(f"no result after {limit} s") from None
    try:
        result = json.loads(done.stdout)
    except ValueError:
        raise Failed(_ending(done.returncode, done.stderr)) from None
    if not result.get("ok", True):
        raise Failed(result["error"])
    if done.returncode != 0:
        raise Failed(_ending(done.returncode, done.stderr))
    return result


def _ending(status, stderr):
    if status < 0:
        how = f"killed by {signal.Signals(-status).name}"
    else:
        how = f"exit status {status}"
    lines = stderr.strip().splitlines()
    return f"{how}: {lines[-1]}" if lines else how


def run_client(argv, cpu, server, limit=CLIENT_LIMIT):
    """Run the load client against @server; its report, with "foreign_cpu": the CPUs (1.0 is one
    whole CPU) that other processes took meanwhile. Raises Failed."""
    def own_children():
        t = os.times()
        return t.children_user + t.children_system

    start = time.monotonic()
    busy, client, served = cpu_busy_seconds(), own_children(), server.cpu_seconds()
    result = run_json(argv, cpu, limit)
    elapsed = time.monotonic() - start
    ours = own_children() - client + server.cpu_seconds() - served
    result["foreign_cpu"] = max(0.0, (cpu_busy_seconds() - busy - ours) / elapsed)
    return result


class Server:
    """A server that says on its standard output which port it listens on."""

    def __init__(self, argv, cpu):
        self.stderr = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.stderr, env=native_environment(),
                                        preexec_fn=lambda: _prepare_child(cpu))
        self.pid = self.process.pid
        try:
            self.port = self._read_port()
        except Failed:
            self.kill()
            raise

    def _read_port(self):
        text = ""
        deadline = time.monotonic() + START_LIMIT
        out = self.process.stdout.fileno()
        while time.monotonic() < deadline:
            if not select.select([out], [], [], 0.2)[0]:
                continue
            part = os.read(out, 4096).decode()
            if not part:
                raise Failed("does not start: " + self.ending())
            text += part
            found = re.search(r"127\.0\.0\.1(?::| port )(\d+)\b.*\n", text)
            if found:
                return int(found.group(1))
        raise Failed(f"not listening after {START_LIMIT} s")

    def ending(self):
        """How the process ended, with the last line it wrote to its standard error."""
        try:
            status = self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            return "still running"
        self.stderr.seek(0)
        return _ending(status, self.stderr.read())

    def status(self, key):
        """A number from /proc/PID/status, 0 when the process is gone."""
        try:
            with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as f:
                for line in f:
                    if line.startswith(key + ":"):
                        return int(line.split()[1])
        except OSError:
            pass
        return 0

    def has_library(self):
        try:
            with open(f"/proc/{self.pid}/maps", encoding="utf-8", errors="replace") as f:
                return "/libgreenshim.so" in f.read()
        except OSError:
            return False

    def cpu_seconds(self):
        """User and system time so far, from a clock of 10 ms."""
        try:
            with open(f"/proc/{self.pid}/stat", encoding="utf-8", errors="replace") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def dead(self):
        return self.process.poll() is not None

    def stop(self):
        """SIGTERM; the exit status as subprocess gives it. Raises Failed when it does not end."""
        if self.dead():
            ending = self.ending()
            self.kill()
            raise Failed("the server died: " + ending)
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"the server ignores SIGTERM for {STOP_LIMIT} s") from None
        self.kill()
        return status

    def kill(self):
        """Whatever state it is in: ended and its files closed."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.stderr.close()


def cpu_busy_seconds():
    """CPU time that all CPUs together have not been idle, since boot."""
    with open("/proc/stat", encoding="ascii") as f:
        fields = [int(x) for x in f.readline().split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) / os.sysconf("SC_CLK_TCK")


def machine():
    """What the figures depend on."""
    def first_line(argv):
        try:
            out = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
            return out.stdout.splitlines()[0].strip()
        except (OSError, subprocess.SubprocessError, IndexError):
            return "unknown"

    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    uname = os.uname()
    return {
        "machine": uname.machine,
        "cpu": model,
        "cpus": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20,
        "kernel": f"{uname.sysname} {uname.release}",
        "libc": os.confstr("CS_GNU_LIBC_VERSION"),
        "libuv": first_line(["pkg-config", "--modversion", "libuv"]),
        "compiler": first_line([os.environ.get("CC", "gcc"), "--version"]),
        "greenshim": first_line([build_path("greenrun"), "--version"]),
        "load_average": os.getloadavg()[0],
    }
