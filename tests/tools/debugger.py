"""gdb's commands for green threads, and the probes."""

import os
import re
import shutil
import subprocess

from harness import BUILD, CC, LIBRARY, TIMEOUT, TOP, Skip, clean_environment, equal, real, test
from waits import FUNCTIONS, Waits

SCRIPT = os.path.join(TOP, "tools/greenshim-gdb.py")
GREEN = re.compile(r'^green (\d+) tid (\d+)(?: "(.*)")? (\w+)'
                   r'(?: on \w+ thread \d+|: (.*?))?(?:, in 0x\w+ <(\w+)>)?$', re.M)


def gdb(*arguments, script=SCRIPT, before=(), commands=()):
    argv = ["gdb", "-q", "-nx", "-batch"]
    for line in ("set width 0", *before):
        argv += ["-iex", line]
    argv += arguments
    if script:
        argv += ["-x", script]
    for line in commands:
        argv += ["-ex", line]
    out = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT,
                         env=clean_environment({}), check=False)
    return out.stdout.decode() + out.stderr.decode()


def attached(pid, *commands, **kwargs):
    return gdb("-p", str(pid), commands=commands, **kwargs)


def expected_waits(waits, live):
    """A pattern for what each thread waits for, by its name."""
    facts = waits.facts
    child = rf" \(process {facts['child'][0]}\)" if live else ""
    fd = {k: facts[k][1:] for k in ("read", "recv", "accept", "poll", "select")}
    left = r", 9\d\d\.\d+ s left" if live else ""
    return {"sleep": f"sleep{left}", "mutex": r"mutex 0x\w+ <mutex> held by green 1",
            "cond": r"condition 0x\w+ <cond>", "sem": r"semaphore 0x\w+ <sem>",
            "rwlock": r"rwlock 0x\w+ <rwlock>", "barrier": r"barrier 0x\w+ <barrier>",
            "join": f"join green {waits.sleeper}", "read": f"descriptor {fd['read'][0]} to read",
            "recv": f"descriptor {fd['recv'][0]} to read",
            "accept": f"descriptor {fd['accept'][0]} to read",
            "poll": f"poll {' '.join(fd['poll'])}",
            "select": f"poll {fd['select'][0]}{left}",
            "waitpid": rf"descriptor \d+{child} to read", "wait": rf"child \d+{child}.*",
            "flock": "worker", "sigwait": "signal"}


def check_list(text, waits, live):
    seen = {m[3]: m for m in GREEN.finditer(text) if m[3]}
    equal(set(seen), set(FUNCTIONS), f"threads in {text}")
    for name, pattern in expected_waits(waits, live).items():
        match = seen[name]
        if name == "wait" and match[4] in ("ready", "running"):
            continue            # it looks for new children now and then
        equal((match[4], match[6]), ("parked", "thread"), text)
        if not re.fullmatch(pattern, match[5]):
            raise AssertionError(f"{name}: {match[5]!r} is not {pattern!r}")


def stacks(text):
    """The functions of each green's backtrace, by the name of the green; main is None."""
    found = {}
    for part in re.split(r"^(?=green \d+ )", text, flags=re.M):
        match = GREEN.match(part)
        if match:
            found[match[3]] = re.findall(r"^#\d+ +(?:0x\w+ in )?([^ ]+)", part, re.M)
    return found


def check_stacks(text, main):
    found = stacks(text)
    for name, function in FUNCTIONS.items():
        names = found[name]
        equal(names[0], "gr_ctx_switch", f"{name} in {text}")
        place = names.index(function)
        equal(names[place:place + 2], [function, "thread"], f"{name} in {text}")
    equal([n for n in found[None] if n in (main, "main")], [main, "main"], text)


@test
def gdb_shows_what_every_green_waits_for(p):
    real(p)
    with Waits(p) as waits:
        text = attached(waits.pid, "green list", "green bt all")
        check_list(text[:text.index("#0  0x")], waits, True)
        check_stacks(text, "compute")
        equal(bool(re.search(rf"^green 1 tid {waits.pid} running on kernel thread {waits.pid}$",
                             text, re.M)), True, text)


@test
def gdb_switches_and_the_program_goes_on(p):
    """Frames of another green, its variables; the registers are not touched."""
    real(p)
    with Waits(p) as waits:
        text = attached(waits.pid, "green switch 3", "backtrace",
                        "frame function pthread_mutex_lock", "print *m", "green switch",
                        "backtrace", "green switch 5",
                        "handle SIGSEGV nostop noprint pass", # the trap of runtime/arch/tp.h
                        "set var go_on = 0", "continue")
        there, back = text.split("$1 = ")
        equal(bool(re.search(r"^#\d+ .* in wait_in_mutex \(\)", there, re.M)), True, text)
        equal(f"__owner = {waits.pid}" in back, True, text)
        back = back[:back.index("green 5 ")]
        equal(("wait_in_mutex" in back, bool(re.search(r"^#1 .* main ", back, re.M))),
              (False, True), text)
        equal("exited normally" in text, True, text)


@test
def gdb_says_what_is_wrong(p):
    real(p)
    with Waits(p, "pause") as waits:
        text = attached(waits.pid, "green bt 99", "green bt", "green switch x", "green list 1 2")
        for line in ("there is no green thread 99", "green bt N|all [FRAMES]", "not a number: x",
                     "not a number: 1 2"):
            equal(line + "\n" in text, True, f"{line} in {text}")
    for program, said in (("/bin/true", "no libgreenshim.so with debug information here"),
                          (os.path.join(BUILD, LIBRARY), "the program has made no thread yet")):
        text = gdb(program, commands=["green list"])
        equal(said in text, True, text)
    equal("Traceback" in text or "Python Exception" in text, False, text)


@test
def gdb_reads_a_core_file(p):
    real(p)
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as f:
        if not re.match(r"^[\w.%-]+$", f.readline()):
            raise Skip("cores are not written to the current directory")
    wrap = ["prlimit", "--core=unlimited"]
    with Waits(p, "crash", cwd=p.root, wrap=wrap) as waits:
        waits.child.wait(TIMEOUT)
    cores = [n for n in os.listdir(p.root) if n.startswith("core")]
    if not cores:
        raise Skip("the kernel wrote no core")
    text = gdb(waits.program, p.path(cores[0]), commands=["green list", "green bt all"])
    check_list(text[:text.index("#0  0x", text.index("green 1 "))], waits, False)
    check_stacks(text, "abort")


@test
def gdb_loads_the_commands_by_itself(p):
    """Laid out as make install does."""
    real(p)
    os.mkdir(p.path("lib"))
    library = shutil.copy(os.path.join(BUILD, LIBRARY), p.path("lib"))
    loads = p.path("share/gdb/auto-load")
    os.makedirs(loads + p.path("lib"))
    shutil.copy(SCRIPT, f"{loads}{library}-gdb.py")
    text = gdb(library, script=None, commands=["help green"],
               before=[f"set auto-load scripts-directory {loads}",
                       f"add-auto-load-safe-path {p.root}"])
    equal("green switch" in text, True, text)


# ------------------------------------------------------------------ probes

@test
def probes_are_there_and_cost_a_nop(p):
    real(p)
    has = subprocess.run([CC, "-E", "-x", "c", "-"], input=b"#include <sys/sdt.h>\n", check=False,
                         capture_output=True, timeout=TIMEOUT)
    if has.returncode:
        raise Skip("no <sys/sdt.h>")
    library = os.path.join(BUILD, LIBRARY)
    notes = subprocess.run(["readelf", "-nW", library], check=True, capture_output=True,
                           timeout=TIMEOUT).stdout.decode()
    found = re.findall(r"Provider: greenshim\s+Name: (\w+)\s+Location: (0x\w+)", notes)
    equal({name for name, _ in found}, {"park", "wake", "switch"}, notes)
    text = gdb(library, script=None, commands=[f"x/i {at}" for _, at in found])
    equal(len(re.findall(r":\tnop$", text, re.M)), len(found), text)
