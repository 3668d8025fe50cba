#!/usr/bin/python3
"""Unmodified threaded servers, natively and under greenrun in alternation, in one table.

1. tests/apps/threadserver: plain pthreads, a thread per connection, 1 000 connections kept open.
2. Python's http.server (ThreadingHTTPServer), as Debian installs it: once with 16 connections kept
   open, once with a new connection, and so a new thread, for each request.

The server has one CPU, the client another. Exit status 1 when the answers differ, when a server
fails, or when it needs more under greenrun than one kernel thread plus libuv's workers.
"""

import hashlib
import http.client
import os
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
import harness  # noqa: E402
from harness import Failed  # noqa: E402

PYTHON = "/usr/bin/python3.11"
IDLE_CONNECTIONS = 1000
BATCH = 4  # connections that may wait to be accepted: http.server has room for 5
TIME_LIMIT = 110
WAYS = ("natively", "greenrun")

start_time = time.monotonic()


def say(text=""):
    print(text, flush=True)


def progress(text):
    say(f"[{time.monotonic() - start_time:5.1f} s] {text}")


class Workload:
    """A server's command line and how it is asked."""

    def __init__(self, name, argv, probes, client, ends_with):
        self.name = name
        self.argv = argv
        self.probes = probes  # paths whose answers are compared
        self.client = client  # arguments of the load client
        self.ends_with = ends_with  # exit status after SIGTERM


def workloads(folder):
    files = make_files(folder)
    paths = [arg for name in files for arg in ("-H", "/" + name)]
    python = [PYTHON, "-u", "-m", "http.server", "--bind", "127.0.0.1", "-d", folder]
    probes = ["/" + name for name in files] + ["/", "/missing", "/docs/"]
    return [
        Workload("threadserver, 1000 connections",
                 [harness.program("threadserver"), "-p", "0", "-m", "http"],
                 ["/", "/hello", "/x/" + "y" * 500],
                 ["-n", "1000", "-H", "/", "-H", "/hello", "-H", "/a/longer/path?with=query"], 0),
        Workload("http.server, 16 connections", python + ["--protocol", "HTTP/1.1", "0"], probes,
                 ["-n", "16", "-c", str(BATCH)] + paths, -15),
        Workload("http.server, connection per request", python + ["0"], probes,
                 ["-n", "5", "-c", str(BATCH), "-r"] + paths, -15),
    ]


def make_files(folder):
    """Files of some sizes, the same in each run; their names."""
    os.mkdir(os.path.join(folder, "docs"))
    sizes = {"index.txt": 120, "page.html": 3000, "docs/data.bin": 20000}
    for name, size in sizes.items():
        block = hashlib.sha256(name.encode()).digest()
        with open(os.path.join(folder, name), "wb") as f:
            f.write((block * (size // len(block) + 1))[:size])
        os.utime(os.path.join(folder, name), (1000000000, 1000000000))
    return list(sizes)


# ------------------------------------------------------------------------------ one run

class ThreadCount(threading.Thread):
    """The greatest number of kernel threads that a process had while this ran."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.most = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            self.most = max(self.most, self.server.status("Threads"))

    def finish(self):
        self.over.set()
        self.join()
        return self.most


def answers_hash(port, paths):
    """One hash over status, type, length and body of the answers to GET and HEAD."""
    digest = hashlib.sha256()
    for path in paths:
        for method in ("GET", "HEAD"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                connection.request(method, path)
                answer = connection.getresponse()
                digest.update(repr((path, method, answer.status, answer.getheader("Content-Type"),
                                    answer.getheader("Content-Length"), answer.read())).encode())
            except (OSError, http.client.HTTPException) as e:
                raise Failed(f"{method} {path}: {e!r}") from None
            finally:
                connection.close()
    return digest.hexdigest()


def accept_queue(port):
    """Connections that the kernel has made and the server has not accepted yet."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        next(f)
        for line in f:
            fields = line.split()
            if fields[3] != "0A":  # the listening sockets come first
                break
            if int(fields[1].split(":")[1], 16) == port:
                return int(fields[4].split(":")[1], 16)
    raise Failed("the server does not listen any more")


def wait_accepted(port):
    deadline = time.monotonic() + 20
    while accept_queue(port) > 0:
        if time.monotonic() > deadline:
            raise Failed("the server does not accept")
        time.sleep(0.001)


def resident_when_settled(server):
    """VmRSS in KiB once it has stopped to grow."""
    last = server.status("VmRSS")
    for _ in range(50):
        time.sleep(0.05)
        now = server.status("VmRSS")
        if now <= last:
            return now
        last = now
    return last


def memory_per_connection(server):
    """Resident KiB that an idle connection costs, from IDLE_CONNECTIONS of them."""
    before = resident_when_settled(server)
    idle = []
    try:
        for i in range(IDLE_CONNECTIONS):
            idle.append(socket.create_connection(("127.0.0.1", server.port), timeout=20))
            if (i + 1) % BATCH == 0:
                wait_accepted(server.port)
        wait_accepted(server.port)
        return (resident_when_settled(server) - before) / IDLE_CONNECTIONS
    except OSError as e:
        raise Failed(f"idle connection {len(idle) + 1}: {e!r}") from None
    finally:
        for s in idle:
            s.close()


def run_once(work, way, window_ms, with_memory, server_cpu, client_cpu):
    """Start the server, ask it everything, end it; a dictionary of figures. Raises Failed."""
    argv = harness.greenrun(work.argv) if way == "greenrun" else work.argv
    server = harness.Server(argv, server_cpu)
    count = ThreadCount(server)
    try:
        if (way == "greenrun") != server.has_library():
            raise Failed("the library is not in the process" if way == "greenrun"
                         else "the library is in the process")
        count.start()
        result = {"answers": answers_hash(server.port, work.probes)}
        if with_memory:
            result["kib"] = memory_per_connection(server)
        argv = [harness.program("echo_client"), "-p", str(server.port), "-P", str(server.pid),
                "-t", str(window_ms), "-w", "300", "-g", "20"] + work.client
        if server_cpu == client_cpu:
            argv.append("-b")
        load = harness.run_client(argv, client_cpu, server, 60)
        result.update(rate=load["rate"], us=load["server_cpu_ns_per_message"] / 1000,
                      bodies=[tuple(a.values()) for a in load["answers"]],
                      p99=load["latency_us"]["p99"] / 1000, foreign=load["foreign_cpu"])
        result["threads"] = max(count.finish(), load["server_threads"])
        status = server.stop()
        if status != work.ends_with:
            raise Failed(f"exit status {status} after SIGTERM, not {work.ends_with}")
        return result
    except Failed as e:
        if server.dead() and "the server died" not in str(e):
            raise Failed(f"{e} (the server died: {server.ending()})") from None
        raise
    finally:
        if count.is_alive():
            count.finish()
        server.kill()


# ------------------------------------------------------------------------------ the table

def alternate(work, rounds, window_ms, server_cpu, client_cpu):
    """{way: [figures of each round]}; a Failed goes into the list as it is."""
    runs = {way: [] for way in WAYS}
    for r in range(rounds):
        for way in WAYS:
            if r > 0 and time.monotonic() - start_time > TIME_LIMIT - 30:
                progress(f"{work.name}: out of time, round {r + 1} left out")
                return runs
            try:
                one = run_once(work, way, window_ms, r == 0, server_cpu, client_cpu)
                progress(f"{work.name}, {way}: {one['rate']:.0f} requests/s, "
                         f"{one['us']:.1f} us CPU each, {one['threads']} kernel thread"
                         + ("s" if one["threads"] > 1 else ""))
            except Failed as e:
                one = e
                progress(f"{work.name}, {way}: FAILED: {e}")
            runs[way].append(one)
    return runs


def summarize(runs):
    """Medians of one way's rounds, or None when a round failed."""
    if not runs or any(isinstance(r, Failed) for r in runs):
        return None
    return {
        "answers": {(r["answers"], tuple(r["bodies"])) for r in runs},
        "threads": max(r["threads"] for r in runs),
        "kib": next(r["kib"] for r in runs if "kib" in r),
        "rate": statistics.median(r["rate"] for r in runs),
        "p99": statistics.median(r["p99"] for r in runs),
        "us": statistics.median(r["us"] for r in runs),
    }


def verdict(native, green, most_threads):
    """What is wrong with a pair of results; an empty list when nothing is."""
    wrong = []
    if native is None:
        wrong.append("it failed natively")
    if green is None:
        wrong.append("it failed under greenrun")
    if native and green:
        if len(native["answers"] | green["answers"]) != 1:
            wrong.append("the answers differ")
        if green["threads"] > most_threads:
            wrong.append(f"{green['threads']} kernel threads under greenrun")
    return wrong


def print_table(results, most_threads):
    """The table; a list of everything that is wrong."""
    wrong = []
    say()
    say(f"{'':35} {'':8} {'':>7} {'kernel':>7} {'RSS per':>8} {'requests':>8} {'p99':>7} "
        f"{'CPU per':>8} {'times':>5}")
    say(f"{'program':35} {'way':8} {'answers':>7} {'threads':>7} {'conn KiB':>8} {'/s':>8} "
        f"{'ms':>7} {'req us':>8} {'less':>5}")
    for work, runs in results:
        native, green = (summarize(runs[way]) for way in WAYS)
        bad = verdict(native, green, most_threads)
        wrong += [f"{work.name}: {b}" for b in bad]
        same = "DIFFER" if "the answers differ" in bad else "same"
        for way, s in zip(WAYS, (native, green)):
            label = work.name if way == WAYS[0] else ""
            if s is None:
                say(f"{label:35} {way:8} {'FAILED':>7}")
                continue
            less = f"{native['us'] / s['us']:.2f}" if native and way != WAYS[0] else ""
            say(f"{label:35} {way:8} {same if native and green else '-':>7} {s['threads']:7} "
                f"{s['kib']:8.1f} {s['rate']:8.0f} {s['p99']:7.1f} {s['us']:8.1f} {less:>5}")
    say()
    return wrong


def in_words(results):
    for work, runs in results:
        native, green = (summarize(runs[way]) for way in WAYS)
        if not native or not green:
            continue
        factor = native["us"] / green["us"]
        cpu = (f"{factor:.2f} times less CPU" if factor >= 1.05 else
               f"{1 / factor:.2f} times more CPU" if factor <= 0.95 else "the same CPU")
        say(f"{work.name}: {native['threads']} kernel threads became {green['threads']}, with "
            f"{cpu} per request.")


def main():
    server_cpu, client_cpu = harness.cpus()
    workers = int(os.environ.get("UV_THREADPOOL_SIZE", "") or 4)
    most_threads = 1 + workers
    if not os.path.exists(PYTHON):
        say(f"{PYTHON} is missing: apt-get install python3.11")
        return 1
    progress(f"servers on CPU {server_cpu}, client on CPU {client_cpu}; each server runs natively "
             "and under greenrun in turn")
    folder = tempfile.mkdtemp(prefix="greenshim-demo-")
    try:
        works = workloads(folder)
        results = [(w, alternate(w, 3 if w is works[0] else 2, 1500, server_cpu, client_cpu))
                   for w in works]
    finally:
        shutil.rmtree(folder)

    wrong = print_table(results, most_threads)
    in_words(results)
    foreign = [r["foreign"] for _, runs in results for way in WAYS for r in runs[way]
               if not isinstance(r, Failed)]
    if foreign and statistics.mean(foreign) > 0.05:
        say(f"The machine was busy: other processes took {100 * statistics.mean(foreign):.0f} % "
            "of one CPU on average. Then rates mean little (the kernel shares a CPU out by thread, "
            "so many threads get more of it than one); CPU per request holds.")
    say(f"Kernel threads: the most seen, with {IDLE_CONNECTIONS} idle connections and under load; "
        "each has 16 KiB of kernel stack that RSS does not show.")
    say(f"Each server is the same program file in both rows; only greenrun stands before it. Took "
        f"{time.monotonic() - start_time:.0f} s.")
    for text in wrong:
        say("NOT AS IT SHOULD BE: " + text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
