#!/usr/bin/python3
"""Measure threads under greenshim against NPTL, a hand-written epoll server and libuv.

The echo server runs on one CPU and its client, which never sleeps, on another. The contenders
alternate within each round, so that a disturbance of the machine hits all alike. The figure to
trust is the server's CPU time per message. QUICK=1 measures less. Results: build/bench/.
"""

import csv
import json
import os
import statistics
import sys
import time

sys.dont_write_bytecode = True
import harness  # noqa: E402
import solo  # noqa: E402
from harness import Failed  # noqa: E402

CONTENDERS = ("nptl", "greenshim", "epoll", "libuv")
CONNECTIONS = (1, 64, 1000, 8000)


class Plan:
    """How much is measured, and until when."""

    def __init__(self, quick):
        self.quick = quick
        self.rounds = 3 if quick else 7
        self.rounds_8000 = 3 if quick else 5
        self.window_ms = 500 if quick else 1000
        self.window_8000_ms = 800 if quick else 2000
        self.solo_rounds = 5 if quick else 15
        self.micro_rounds = 1 if quick else 2
        self.micro_ms = 40 if quick else 100
        self.deadline = time.monotonic() + (165 if quick else 420)

    def late(self, reserve):
        """Is less than @reserve seconds left? Then the rest of the rounds is left out."""
        return time.monotonic() > self.deadline - reserve


def say(text=""):
    print(text, flush=True)


def argv_of(contender):
    threads = [harness.program("threadserver"), "-p", "0", "-m", "echo"]
    return {
        "nptl": threads,
        "greenshim": harness.greenrun(threads),
        "epoll": [harness.program("epoll_echo")],
        "libuv": [harness.program("uv_echo")],
    }[contender]


# ------------------------------------------------------------------------------ echo

def measure_echo(contender, n, plan, server_cpu, client_cpu):
    """One window against a fresh server; the client's report. Raises Failed."""
    server = harness.Server(argv_of(contender), server_cpu)
    try:
        if (contender == "greenshim") != server.has_library():
            raise Failed("the library is not in the process" if contender == "greenshim"
                         else "the library is in the process")
        many = n > 2000
        argv = [harness.program("echo_client"), "-p", str(server.port), "-n", str(n),
                "-P", str(server.pid), "-s", "64", "-g", "30",
                "-t", str(plan.window_8000_ms if many else plan.window_ms),
                "-w", "800" if many else "200"]
        if server_cpu == client_cpu:
            argv.append("-b")
        result = harness.run_client(argv, client_cpu, server)
        status = server.stop()
        if status != 0:
            raise Failed(f"exit status {status} after SIGTERM")
        return result
    except Failed as e:
        if server.dead() and "server" not in str(e):
            raise Failed(f"{e} (the server died: {server.ending()})") from None
        raise
    finally:
        server.kill()


def echo_rounds(n, plan, server_cpu, client_cpu, rows):
    rounds = plan.rounds_8000 if n > 2000 else plan.rounds
    for r in range(rounds):
        if r > 0 and plan.late(40 if plan.quick else 60):
            say(f"  out of time: {r} of {rounds} rounds with {n} connections")
            return
        order = CONTENDERS[r % len(CONTENDERS):] + CONTENDERS[:r % len(CONTENDERS)]
        figures = {}
        for contender in order:
            row = {"bench": "echo", "contender": contender, "parameter": n, "round": r}
            try:
                row.update(measure_echo(contender, n, plan, server_cpu, client_cpu))
                figures[contender] = f"{row['server_cpu_ns_per_message']:.0f}"
            except Failed as e:
                row.update(ok=False, error=str(e))
                figures[contender] = "FAILED"
            rows.append(row)
        say(f"  {n:5} connections, round {r + 1}/{rounds}: ns CPU per message: "
            + "  ".join(f"{c} {figures[c]}" for c in CONTENDERS))


def picked(rows, **match):
    return [r for r in rows if all(r.get(k) == v for k, v in match.items())]


def echo_summary(rows):
    """{(connections, contender): figures} over the rounds that succeeded."""
    summary = {}
    for n in CONNECTIONS:
        for contender in CONTENDERS:
            all_runs = picked(rows, bench="echo", contender=contender, parameter=n)
            good = [r for r in all_runs if r["ok"]]
            cpu = [r["server_cpu_ns_per_message"] for r in good]
            summary[n, contender] = {
                "runs": len(all_runs),
                "failed": len(all_runs) - len(good),
                "cpu_median": statistics.median(cpu) if cpu else None,
                "cpu_best": min(cpu) if cpu else None,
                "rate_median": statistics.median(r["rate"] for r in good) if good else None,
                "p50": statistics.median(r["latency_us"]["p50"] for r in good) if good else None,
                "p99": statistics.median(r["latency_us"]["p99"] for r in good) if good else None,
                "threads": max((r["server_threads"] for r in good), default=None),
                "rss_kib": max((r["server_rss_kib"] for r in good), default=None),
            }
    return summary


def fixed(value, digits=0):
    return "-" if value is None else f"{value:.{digits}f}"


def ratio(a, b):
    return "-" if not a or not b else f"{a / b:.2f}"


def print_echo(summary):
    say()
    say("Echo, 64-byte messages: server CPU per message, and what a client sees")
    say(f"{'conns':>5} {'server':10} {'median ns':>10} {'best ns':>8} {'msg/s':>8} "
        f"{'p50 us':>8} {'p99 us':>8} {'threads':>7} {'RSS KiB':>8}  runs")
    for n in CONNECTIONS:
        for c in CONTENDERS:
            s = summary[n, c]
            runs = f"{s['runs'] - s['failed']}/{s['runs']}" + ("  FAILED" if s["failed"] else "")
            say(f"{n:5} {c:10} {fixed(s['cpu_median']):>10} {fixed(s['cpu_best']):>8} "
                f"{fixed(s['rate_median']):>8} {fixed(s['p50']):>8} {fixed(s['p99']):>8} "
                f"{fixed(s['threads']):>7} {fixed(s['rss_kib']):>8}  {runs}")
    say()
    say("Ratios of server CPU per message (above 1: greenshim is cheaper in the first pair, dearer")
    say("in the second)")
    say(f"{'conns':>5} {'nptl/greenshim':>22} {'greenshim/epoll':>22} {'greenshim/libuv':>22}")
    for n in CONNECTIONS:
        cells = []
        for a, b in (("nptl", "greenshim"), ("greenshim", "epoll"), ("greenshim", "libuv")):
            x, y = summary[n, a], summary[n, b]
            cells.append(f"{ratio(x['cpu_median'], y['cpu_median'])} median, "
                         f"{ratio(x['cpu_best'], y['cpu_best'])} best")
        say(f"{n:5} " + " ".join(f"{cell:>22}" for cell in cells))


# ------------------------------------------------------------------------------ micro

def in_both_ways(argv, bench, r, cpu, rows, limit=60):
    """Run a micro-benchmark natively and under greenrun; rows that failed are kept as such."""
    results = {}
    for contender, command in (("nptl", argv), ("greenshim", harness.greenrun(argv))):
        try:
            results[contender] = harness.run_json(command, cpu, limit)
        except Failed as e:
            rows.append({"bench": bench, "contender": contender, "parameter": " ".join(argv[1:]),
                         "round": r, "ok": False, "error": str(e)})
            say(f"  {bench} {contender}: FAILED")
    return results


def spawn_rounds(plan, cpu, rows):
    argv = [harness.program("spawn_join"), "-t", str(plan.micro_ms)]
    for r in range(plan.micro_rounds):
        say(f"  create and join, round {r + 1}/{plan.micro_rounds}")
        for contender, result in in_both_ways(argv, "spawn_join", r, cpu, rows).items():
            for row in result["spawn_join"]:
                rows.append({"bench": "spawn_join", "contender": contender, "ok": True, "round": r,
                             "parameter": f"{row['in_flight']} in flight", **row})


def switch_rounds(plan, cpu, rows):
    argv = [harness.program("switch"), "-t", str(plan.micro_ms)]
    for r in range(plan.micro_rounds):
        say(f"  switch, round {r + 1}/{plan.micro_rounds}")
        for contender, result in in_both_ways(argv, "switch", r, cpu, rows).items():
            for row in result["switch"]:
                rows.append({"bench": "switch", "contender": contender, "ok": True, "round": r,
                             "parameter": f"{row['how']}, {row['threads']} threads", **row})


def greenlet_rounds(plan, cpu, rows):
    """The calls of <green/...>, which have no native counterpart."""
    argv = [harness.program("greenlets"), "-t", str(plan.micro_ms)]
    for r in range(plan.micro_rounds):
        say(f"  greenlets, round {r + 1}/{plan.micro_rounds}")
        about = {"bench": "greenlets", "contender": "greenshim", "round": r}
        try:
            for row in harness.run_json(argv, cpu, 60)["greenlets"]:
                rows.append({**about, "ok": True, "parameter": row["how"], **row})
        except Failed as e:
            rows.append({**about, "ok": False, "parameter": " ".join(argv[1:]), "error": str(e)})
            say("  greenlets: FAILED")


def print_greenlets(rows):
    say()
    say("Calls of <green/...>, ns, and in switches by green_sleep(0)")
    say(f"{'':36} {'median':>8} {'best':>8} {'switches':>9}")
    switch = None
    for how in dict.fromkeys(r["parameter"] for r in picked(rows, bench="greenlets", ok=True)):
        good = picked(rows, bench="greenlets", ok=True, parameter=how)
        median = statistics.median(r["median_ns"] for r in good)
        switch = switch or median
        say(f"{how:36} {median:8.0f} {min(r['best_ns'] for r in good):8.0f} "
            f"{median / switch:9.1f}")
    print_failures(rows, "greenlets")


def idle_rounds(plan, cpu, rows):
    for n in (1000, 10000, 100000):
        argv = [harness.program("idle"), "-n", str(n)]
        for r in range(plan.micro_rounds):
            if plan.late(10):
                say("  out of time: parked threads left out from here")
                return
            say(f"  {n} parked threads, round {r + 1}/{plan.micro_rounds}")
            for contender, row in in_both_ways(argv, "idle", r, cpu, rows).items():
                rows.append({"bench": "idle", "contender": contender, "ok": True, "round": r,
                             "parameter": n, **row})


def startup_rounds(plan, rows):
    """Start and end of a program without threads: what preloading adds, and what hooks add."""
    native = harness.native_environment()
    preload = {**native, "LD_PRELOAD": harness.build_path("libgreenshim.so")}
    ways = {"natively": native, "names only": {**preload, "GREENSHIM_DEEP": "0"},
            "names and bodies": preload}
    for r in range(plan.rounds):
        for way, env in ways.items():
            times = []
            for _ in range(100):
                start = time.perf_counter_ns()
                os.waitpid(os.posix_spawn("/bin/true", ["true"], env), 0)
                times.append(time.perf_counter_ns() - start)
            rows.append({"bench": "startup", "contender": way, "ok": True, "round": r,
                         "parameter": "/bin/true", "median_ns": statistics.median(times),
                         "best_ns": min(times)})


def print_startup(rows):
    say()
    say("Start and end of /bin/true, us (what it adds)")
    base = None
    for way in ("natively", "names only", "names and bodies"):
        median = statistics.median(r["median_ns"]
                                   for r in picked(rows, bench="startup", contender=way))
        base = base or median
        say(f"{way:30} {median / 1000:8.0f} ({(median - base) / 1000:.0f})")


def print_micro(rows):
    for bench, title in (("spawn_join", "Create, run and join a thread, ns"),
                         ("switch", "Hand over to another thread, ns")):
        say()
        say(title)
        say(f"{'':30} {'nptl median':>12} {'best':>8} {'greenshim median':>17} {'best':>8} "
            f"{'ratio':>7}")
        labels = dict.fromkeys(r["parameter"] for r in picked(rows, bench=bench, ok=True))
        for label in labels:
            cells = {}
            for c in ("nptl", "greenshim"):
                good = picked(rows, bench=bench, contender=c, ok=True, parameter=label)
                cells[c] = (statistics.median(r["median_ns"] for r in good) if good else None,
                            min((r["best_ns"] for r in good), default=None))
            (a, a_best), (b, b_best) = cells["nptl"], cells["greenshim"]
            say(f"{label:30} {fixed(a):>12} {fixed(a_best):>8} {fixed(b):>17} {fixed(b_best):>8} "
                f"{ratio(a, b):>7}")
        print_failures(rows, bench)

    say()
    say("Threads parked on a condition variable: bytes resident for each (and kernel stack, which")
    say("is not part of RSS), ns to create and park one, ns to wake and join one")
    say(f"{'asked for':>9} {'way':10} {'created':>8} {'kernel thr.':>11} {'RSS':>7} {'tables':>7} "
        f"{'kstack':>7} {'create':>8} {'join':>8}")
    for n in dict.fromkeys(r["parameter"] for r in picked(rows, bench="idle", ok=True)):
        for c in ("nptl", "greenshim"):
            good = picked(rows, bench="idle", contender=c, ok=True, parameter=n)
            if not good:
                continue

            def mid(key):
                return statistics.median(r[key] for r in good)
            note = f"  then {good[0]['refused']}" if good[0]["refused"] else ""
            say(f"{n:9} {c:10} {mid('created'):8.0f} {mid('kernel_threads'):11.0f} "
                f"{mid('rss_bytes_per_thread'):7.0f} {mid('page_table_bytes_per_thread'):7.0f} "
                f"{max(0, mid('kernel_stack_bytes_per_thread')):7.0f} "
                f"{mid('create_and_park_ns'):8.0f} {mid('wake_and_join_ns'):8.0f}{note}")
    print_failures(rows, "idle")


def print_failures(rows, bench):
    """Each different failure once, with the rounds in which it was seen."""
    seen = {}
    for r in picked(rows, bench=bench, ok=False):
        seen.setdefault((r["contender"], r["parameter"], r["error"]), []).append(r["round"] + 1)
    for (contender, parameter, error), rounds in seen.items():
        say(f"FAILED: {bench} {contender} {parameter}, round {', '.join(map(str, rounds))}: "
            f"{error}")


# ------------------------------------------------------------------------------ results

def flat(row):
    """One level of columns for the CSV file."""
    out = {}
    for key, value in row.items():
        if isinstance(value, dict):
            out.update({f"{key}_{k}": v for k, v in value.items()})
        else:
            out[key] = value
    return out


def write_results(about, rows, summary):
    folder = harness.build_path("bench")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "results.json"), "w", encoding="utf-8") as f:
        json.dump({"about": about, "rows": rows,
                   "echo": [{"connections": n, "contender": c, **s}
                            for (n, c), s in summary.items()]}, f, indent=1)
    table = [flat(r) for r in rows]
    columns = list(dict.fromkeys(k for r in table for k in r))
    with open(os.path.join(folder, "results.csv"), "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, columns)
        writer.writeheader()
        writer.writerows(table)
    say(f"Every single run: {os.path.relpath(folder)}/results.json and results.csv")


def main():
    quick = os.environ.get("QUICK", "") not in ("", "0")
    plan = Plan(quick)
    server_cpu, client_cpu = harness.cpus()
    about = harness.machine()
    about.update(quick=quick, server_cpu=server_cpu, client_cpu=client_cpu)
    say(f"{about['cpu']}, {about['cpus']} CPUs, {about['memory_mib']} MiB, {about['kernel']}, "
        f"{about['libc']}, libuv {about['libuv']}")
    say(f"{about['compiler']}; {about['greenshim']}; load average {about['load_average']:.2f}")
    say(f"server on CPU {server_cpu}, client on CPU {client_cpu}"
        + (": only one CPU, so the client sleeps and rates mean little"
           if server_cpu == client_cpu else ""))

    start = time.monotonic()
    rows = []
    for n in CONNECTIONS:
        echo_rounds(n, plan, server_cpu, client_cpu, rows)
    spawn_rounds(plan, server_cpu, rows)
    switch_rounds(plan, server_cpu, rows)
    greenlet_rounds(plan, server_cpu, rows)
    idle_rounds(plan, server_cpu, rows)
    startup_rounds(plan, rows)
    solo.rounds(plan.solo_rounds, server_cpu, client_cpu, rows, say)

    summary = echo_summary(rows)
    print_echo(summary)
    print_failures(rows, "echo")
    print_micro(rows)
    print_greenlets(rows)
    print_startup(rows)
    solo.report(rows, say)

    foreign = [r["foreign_cpu"] for r in rows if "foreign_cpu" in r]
    say()
    if foreign:
        say(f"Other processes took {100 * statistics.median(foreign):.0f} % of one CPU meanwhile "
            f"(median; at most {100 * max(foreign):.0f} %): below 5 % the figures are quiet.")
    about["seconds"] = round(time.monotonic() - start, 1)
    say(f"Took {about['seconds']:.0f} s.")
    write_results(about, rows, summary)
    failed = [r for r in rows if not r["ok"]]
    if failed:
        say(f"{len(failed)} of {len(rows)} measurements failed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
