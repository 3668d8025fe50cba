"""greenrun --check-blocking: what it reports, and that the program notices nothing."""

import os
import re
import shutil
import subprocess
import time

from harness import BUILD, ROOT, TIMEOUT, TOP, Skip, clean_environment, equal, lines, real, test

SOURCE = os.path.join(TOP, "tests/tools/stalls.c")
SHORT = 0.4     # seconds that a call blocks, against a threshold of 10 ms
HEAD = re.compile(r"greenshim: (blocked|computed) (\d+) ms( so far)?"
                  r"(?:: (\S+\(.*\)))? in thread (\d+)(?: \"(.*)\")? while (\d+) threads? w")
FRAME = re.compile(r"    #(\d+) +0x[0-9a-f]+ (\? )?(\S+)\+0x[0-9a-f]+ (\S+)")
SUM = re.compile(r"greenshim: +(\d+) times?, +(\d+) ms in all, at most +(\d+) ms: (.*)")
PLACES = re.compile(r"greenshim: process (\d+): other threads were held up at (\d+) places?")


def stalls(p, *flags):
    with open(SOURCE, encoding="utf-8") as f:
        code = '#line 1 "stalls.c"\n' + f.read()
    return p.compile(code, p.path("stalls"), "-g", "-pthread", *(flags or ("-O2",)))


def line_of(word):
    with open(SOURCE, encoding="utf-8") as f:
        return next(n for n, line in enumerate(f, 1) if f"LINE {word}" in line)


class Run:
    """The program under --check-blocking; its standard input is ours."""

    def __init__(self, *command, option="--check-blocking", greenrun=None):
        self.child = subprocess.Popen([greenrun or os.path.join(BUILD, "greenrun"), option,
                                       *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, bufsize=0, env=clean_environment({}))

    def feed(self, after=SHORT):
        time.sleep(after)
        self.child.stdin.write(b"x")
        self.child.stdin.flush()

    def said_first(self):
        """The first line of a report, once it is there."""
        return self.child.stderr.readline().decode()

    def end(self, status=7):
        out, err = self.child.communicate(timeout=TIMEOUT)
        equal(self.child.returncode, status, f"status ({err.decode()})")
        return out, err.decode()


def heads(text):
    return [m.groups() for m in map(HEAD.match, text.splitlines()) if m]


def frames(text):
    return [m.groups() for m in map(FRAME.match, text.splitlines()) if m]


def sums(text):
    return [m.groups() for m in map(SUM.match, text.splitlines()) if m]


def expect(condition, text):
    if not condition:
        raise AssertionError(f"unexpected report:\n{text}")


# ------------------------------------------------------------------ what is reported

def raw_call(p, level):
    """A call made by an instruction of the program: reported while it lasts."""
    real(p)
    run = Run(stalls(p, level), "1")
    head = run.said_first()
    run.feed(0)
    text = head + run.end()[1]
    (what, ms, so_far, call, thread, name, ready), = heads(text)
    equal((what, so_far, thread, name, ready), ("blocked", " so far", "3", "worker", "1"), text)
    expect(re.fullmatch(r"read\(0 pipe:\[\d+\]\)", call) and int(ms) >= 1000, text)
    seen = frames(text)
    equal(seen[0][3], f"stalls.c:{line_of('raw_read')}", text)
    expect([f[2] for f in seen if not f[1]][1:3] == ["wait_by_instruction", "worker"] and
           seen[0][2].startswith("raw_read"), text)
    (times, total, longest, where), = sums(text)
    expect(times == "1" and total == longest and int(total) >= 1000, text)
    expect(where.startswith(call + " in raw_read") and "stalls.c:" in where, text)
    equal(PLACES.search(text).groups(), (str(run.child.pid), "1"), text)


@test
def blocking_call_is_reported_with_its_line(p):
    raw_call(p, "-O2")


@test
def blocking_call_is_reported_without_frame_pointer_known(p):
    raw_call(p, "-O0")


@test
def blocking_same_place_is_reported_once(p):
    real(p)
    run = Run(stalls(p), "3")
    for _ in range(3):
        run.feed()
    text = run.end()[1]
    equal(len(heads(text)), 1, text)
    (times, total, longest, _), = sums(text)
    equal(times, "3", text)
    expect(int(total) > 2 * int(longest) > 0, text)


@test
def blocking_computation_is_reported(p):
    real(p)
    text = Run("--no-preempt", stalls(p), "compute").end()[1]
    (what, ms, _, call, thread, name, ready), = heads(text)
    equal((what, call, thread, name, ready), ("computed", None, "3", "worker", "1"), text)
    expect(int(ms) >= 200, text)
    expect([f[2] for f in frames(text)[:2]] == ["crunch", "worker"], text)
    expect(sums(text)[0][3].startswith("computes in crunch"), text)


@test
def blocking_places_are_summed_longest_first(p):
    real(p)
    run = Run(stalls(p), "1", "compute")
    run.feed(2)
    text = run.end()[1]
    expect([s[3].split("(")[0].split()[0] for s in sums(text)] == ["read", "computes"], text)


@test
def blocking_in_a_forked_child_is_reported(p):
    real(p)
    run = Run(stalls(p), "fork", "1")
    run.feed()
    out, text = run.end()
    equal(len(heads(text)), 1, text)
    equal(PLACES.findall(text), [(lines(out, "child")[0], "1")], text)


@test
def blocking_is_summed_however_the_program_ends(p):
    real(p)
    for last, status in (("_exit", 0), ("kill", -9)):
        run = Run(stalls(p), "1", last)
        run.feed()
        text = run.end(status)[1]
        equal((len(heads(text)), len(sums(text))), (1, 1), text)


# ------------------------------------------------------------------ what is not

@test
def blocking_says_nothing_of_proper_waits(p):
    real(p)
    out, text = Run(stalls(p), "wait", "wait", option="--check-blocking=200").end()
    equal(text, "", "standard error")


@test
def blocking_says_nothing_of_short_calls(p):
    real(p)
    run = Run(stalls(p), "2", option="--check-blocking=30000")
    run.feed()
    run.feed()
    equal(run.end()[1], "", "standard error")


@test
def blocking_says_nothing_if_nobody_else_could_run(p):
    real(p)
    run = Run("/usr/bin/python3", "-c", "import sys, threading\nt = threading.Thread(target=lambda:"
              " None)\nt.start()\nt.join()\nsys.stdin.buffer.raw.read(1)",
              option="--check-blocking=200")
    run.feed(1)
    equal(run.end(0)[1], "", "standard error")


@test
def blocking_check_is_not_seen_by_the_program(p):
    greenrun = real(p)
    program = stalls(p)
    plain = p.run(program, "children", greenrun=greenrun)
    out, text = Run(program, "children", option="--check-blocking=200").end()
    equal((out, text), (plain.stdout, ""), "children and descriptors")
    equal(lines(out, "wait"), ["-1 1"], "children")


@test
def blocking_check_survives_a_change_of_user(p):
    real(p)
    if not ROOT:
        raise Skip("needs root")
    run = Run(stalls(p), "setuid", "1")
    run.feed()
    out, text = run.end()
    equal(lines(out, "setuid"), ["0"], "setresuid")
    equal((len(heads(text)), len(sums(text))), (1, 1), text)
    expect(frames(text)[0][3] == f"stalls.c:{line_of('raw_read')}", text)


# ------------------------------------------------------------------ the reporter

@test
def blocking_reporter_is_found_where_it_is_installed(p):
    real(p)
    program = stalls(p)
    for lib in ("lib", f"lib/{os.uname().machine}-linux-gnu"):
        prefix = p.path(lib.replace("/", "-"))
        for name, folder in (("greenrun", "bin"), ("greenshim-report", "bin"),
                             ("libgreenshim.so", lib)):
            os.makedirs(os.path.join(prefix, folder), exist_ok=True)
            shutil.copy(os.path.join(BUILD, name), os.path.join(prefix, folder))
        run = Run(program, "1", greenrun=os.path.join(prefix, "bin/greenrun"))
        run.feed()
        text = run.end()[1]
        equal((len(heads(text)), len(sums(text))), (1, 1), text)

@test
def blocking_without_the_reporter_says_so(p):
    real(p)
    lonely = p.path("lonely")
    os.mkdir(lonely)
    for name in ("greenrun", "libgreenshim.so"):
        shutil.copy(os.path.join(BUILD, name), lonely)
    run = Run(stalls(p), "1", greenrun=os.path.join(lonely, "greenrun"))
    run.feed()
    equal(run.end()[1], "greenshim: blocking calls are not reported: greenshim-report: "
          "No such file or directory\n", "standard error")


@test
def reporter_alone_says_what_it_is_for(p):
    real(p)
    result = subprocess.run([os.path.join(BUILD, "greenshim-report")], capture_output=True,
                            timeout=TIMEOUT, check=False)
    equal((result.returncode, result.stdout), (2, b""), "status and output")
    expect(b"--check-blocking" in result.stderr, result.stderr.decode())
