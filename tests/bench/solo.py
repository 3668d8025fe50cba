"""Event-loop servers that have one thread at work: what does greenrun cost a program that it cannot
help?

redis (its background threads sleep) and nginx (one worker) run natively and under greenrun at the
same time on the servers' CPU; the client loads one of them after the other, in short slices, and
each pair of slices gives one ratio of server CPU for a request.
"""

import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

import harness
from harness import Failed

WAYS = ("nptl", "greenshim")
PROGRAMS = ("redis", "nginx")
CONNECTIONS = 50


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_ns(pid):
    """CPU time of a process that has one thread at work."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0])


class Contender:
    """One server, natively or under greenrun, ready for requests."""

    needs = ()

    def __init__(self, way, cpu, folder):
        self.port = free_port()
        argv = self.argv(folder)
        with open(os.path.join(folder, "log"), "wb") as log:
            self.process = subprocess.Popen(
                argv if way == "nptl" else harness.greenrun(argv), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=harness.native_environment(),
                preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        deadline = time.monotonic() + harness.START_LIMIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.stop()
                    raise Failed(f"{argv[0]} does not start") from None
                time.sleep(0.02)

    def worker(self):
        return self.process.pid

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(harness.STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def slice(self, cpu, seconds):
        """Load for about @seconds; ns of server CPU for each request."""
        before = cpu_ns(self.worker())
        argv, pattern = self.client(seconds)
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=harness.CLIENT_LIMIT, env=harness.native_environment(),
                                  preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        except subprocess.TimeoutExpired:
            raise Failed(f"{argv[0]} does not end") from None
        spent = cpu_ns(self.worker()) - before
        requests = re.search(pattern, done.stdout.replace("\r", "\n"))
        if done.returncode != 0 or not requests:
            raise Failed(f"{argv[0]}: {done.stderr.strip() or done.stdout.strip()}")
        return spent / int(requests.group(1))


class Redis(Contender):
    needs = ("redis-server", "redis-benchmark")

    def argv(self, folder):
        return ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", folder,
                "--save", "", "--daemonize", "no"]

    def client(self, seconds):
        requests = int(100000 * seconds)
        return (["redis-benchmark", "-h", "127.0.0.1", "-p", str(self.port), "-c",
                 str(CONNECTIONS), "-n", str(requests), "-t", "get"],
                r"(\d+) requests completed")


class Nginx(Contender):
    needs = ("nginx", "wrk")

    def argv(self, folder):
        os.chmod(folder, 0o755)
        with open(os.path.join(folder, "index.html"), "w", encoding="ascii") as f:
            f.write("x" * 1024)
        conf = os.path.join(folder, "nginx.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/err;\n"
                    "events { worker_connections 1000; }\n"
                    "http { access_log off; keepalive_requests 1000000000;\n"
                    + "".join(f" {kind}_temp_path {folder}/{kind};"
                              for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
                    + f"\n server {{ listen 127.0.0.1:{self.port}; root {folder}; }} }}\n")
        return ["nginx", "-e", f"{folder}/err", "-c", conf]

    def worker(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                  encoding="ascii") as f:
            return int(f.read().split()[0])

    def client(self, seconds):
        return (["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{max(1, round(seconds))}s",
                 f"http://127.0.0.1:{self.port}/"],
                r"(\d+) requests in")


KINDS = {"redis": Redis, "nginx": Nginx}


def rounds(n, server_cpu, client_cpu, rows, say):
    """@n pairs of slices of each program; a row for each slice."""
    for program in PROGRAMS:
        kind = KINDS[program]
        missing = [tool for tool in kind.needs if not shutil.which(tool)]
        if missing:
            say(f"  {program}: left out, {', '.join(missing)} not installed")
            continue
        with tempfile.TemporaryDirectory() as top:
            servers = {}
            try:
                for way in WAYS:
                    folder = os.path.join(top, way)
                    os.mkdir(folder)
                    os.chmod(top, 0o755)
                    servers[way] = kind(way, server_cpu, folder)
                for r in range(-1, n):
                    for way in WAYS if r % 2 else WAYS[::-1]:
                        ns = servers[way].slice(client_cpu, 1.0)
                        if r >= 0:  # the first pair warms up
                            rows.append({"bench": "solo", "contender": way, "ok": True, "round": r,
                                         "parameter": program, "server_cpu_ns_per_request": ns})
            except (Failed, OSError) as e:
                rows.append({"bench": "solo", "contender": "both", "ok": False, "round": 0,
                             "parameter": program, "error": str(e)})
                say(f"  {program}: FAILED: {e}")
            finally:
                for server in servers.values():
                    server.stop()
        say(f"  {program} with {CONNECTIONS} connections, {n} pairs of slices")


def report(rows, say):
    say()
    say("Servers of one thread, ns of server CPU for a request, and median of the ratios of the")
    say("pairs (above 1: greenshim is dearer)")
    say(f"{'':10} {'nptl median':>12} {'greenshim median':>17} {'ratio':>7}  of pairs")
    for program in PROGRAMS:
        by_way = {way: {r["round"]: r["server_cpu_ns_per_request"] for r in rows
                        if r["bench"] == "solo" and r["ok"] and r["parameter"] == program
                        and r["contender"] == way} for way in WAYS}
        pairs = [by_way["greenshim"][r] / by_way["nptl"][r]
                 for r in by_way["nptl"] if r in by_way["greenshim"]]
        if pairs:
            medians = [statistics.median(by_way[way].values()) for way in WAYS]
            say(f"{program:10} {medians[0]:12.0f} {medians[1]:17.0f} "
                f"{statistics.median(pairs):7.3f}  {len(pairs)}")
