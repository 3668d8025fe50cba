"""greendump: what every green thread of a process waits for, read from outside."""

import os
import re
import shutil
import subprocess
import time

from harness import BUILD, LIBRARY, TIMEOUT, clean_environment, equal, real, test
from waits import FUNCTIONS, Waits

GREEN = re.compile(r'^green (\d+) tid (\d+)(?: "(.*?)")? (.*)$')
WAIT = re.compile(r"waits (\d+\.\d{3}) s for (.*)$")
FRAME = re.compile(r"^    #\d+ +0x[0-9a-f]+ (\? )?([^ +]+)")
GREENDUMP = os.path.join(BUILD, "greendump")


def greendump(*arguments, program=GREENDUMP):
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False,
                          env=clean_environment({}))


def parse(text):
    """Of each green, by name (main is None): what it does, and its functions."""
    found = {}
    functions = None
    for line in text.splitlines():
        match = GREEN.match(line)
        if match:
            functions = []
            found.setdefault(match[3], []).append((match[4], functions))
        elif FRAME.match(line):
            functions.append(FRAME.match(line)[2])
    return found


def expected_waits(waits):
    facts = waits.facts
    fd = {k: facts[k][1:] for k in ("read", "recv", "accept", "poll", "select")}
    pipe, left = r"pipe:\[\d+\]", r", at most 9\d\d\.\d+ s more"
    end = re.escape(facts["peer"][0])
    child = f"anon_inode:\\[pidfd\\] process {facts['child'][0]}"
    return {"sleep": f"sleep{left}", "mutex": "mutex 0x\\w+ <mutex> held by green 1",
            "cond": "condition 0x\\w+ <cond>", "sem": "semaphore 0x\\w+ <sem>",
            "rwlock": "rwlock 0x\\w+ <rwlock>", "barrier": "barrier 0x\\w+ <barrier>",
            "join": f"join of green {waits.sleeper}",
            "read": f"descriptor {fd['read'][0]} {pipe} to read",
            "recv": f"descriptor {fd['recv'][0]} socket:\\[\\d+\\] tcp 127\\.0\\.0\\.1:\\d+ "
                    f"from {end} to read",
            "accept": f"descriptor {fd['accept'][0]} socket:\\[\\d+\\] tcp 127\\.0\\.0\\.1:\\d+"
                      " to read",
            "poll": f"poll {fd['poll'][0]} {pipe}, {fd['poll'][1]} {pipe}",
            "select": f"poll {fd['select'][0]} {pipe}{left}",
            "waitpid": f"descriptor \\d+ {child} to read", "wait": f"child \\d+ {child}.*",
            "flock": "worker", "sigwait": "signal"}


def check(text, waits, main, age=None):
    """Every reason and every function is what the program arranged."""
    found = parse(text)
    equal(set(found) - {None}, set(FUNCTIONS), text)
    for name, pattern in expected_waits(waits).items():
        for does, functions in found[name]:
            match = WAIT.match(does)
            if name == "wait" and not match:
                continue        # it looks for new children now and then
            if not match or not re.fullmatch(pattern, match[2]):
                raise AssertionError(f"{name}: {does!r} is not {pattern!r}")
            if age and name != "wait" and not age[0] <= float(match[1]) <= age[1]:
                raise AssertionError(f"{name}: waits {match[1]} s, not {age}")
            place = functions.index(FUNCTIONS[name])
            equal(functions[place + 1], "thread", f"{name} in {text}")
    (does, functions), = found[None]
    equal([f for f in functions if f in (main, "main")], [main, "main"], text)
    return does


@test
def dump_tells_what_every_green_waits_for(p):
    real(p)
    began = time.monotonic()
    with Waits(p) as waits:
        arranged = time.monotonic()
        time.sleep(0.5)
        asked = time.monotonic()
        result = greendump(waits.pid)
        over = time.monotonic()
        equal((result.returncode, result.stderr), (0, ""), "status")
        does = check(result.stdout, waits, "compute", (asked - arranged, over - began + 0.1))
        equal(does, f"runs on kernel thread {waits.pid}", result.stdout)
        head = rf"process {waits.pid}: 17 green threads on kernel thread {waits.pid}, which has"
        equal(bool(re.match(head, result.stdout)), True, result.stdout)


@test
def dump_of_a_process_that_waits(p):
    """The carrier is in a call, which is not interrupted; with a thousand threads."""
    real(p)
    with Waits(p, "pause", "1000") as waits:
        text = greendump(waits.pid).stdout
        does = check(text, waits, "sleep")
        equal(bool(re.match(r"waits \d+\.\d+ s for sleep, at most 9", does)), True, does)
        equal(len(parse(text)["sem"]), 1001, text[:200])


@test
def dump_needs_no_symbols_of_the_library(p):
    real(p)
    place = p.path("stripped")
    os.mkdir(place)
    library = os.path.join(place, LIBRARY)
    subprocess.run(["strip", "-o", library, os.path.join(BUILD, LIBRARY)], check=True,
                   timeout=TIMEOUT)
    greenrun = shutil.copy(os.path.join(BUILD, "greenrun"), place)
    with Waits(p, greenrun=greenrun) as waits:
        check(greendump(waits.pid).stdout, waits, "compute")


@test
def dump_says_what_is_wrong(p):
    real(p)
    cases = [(("x",), 2, "usage: greendump PID"), ((), 2, "usage: greendump PID"),
             ((99999999999,), 2, "usage: greendump PID"),
             ((999999999,), 1, "greendump: process 999999999: No such process"),
             ((os.getpid(),), 1, f"greendump: process {os.getpid()} does not run under this "
                                 "version of greenshim")]
    for arguments, status, said in cases:
        result = greendump(*arguments)
        equal((result.returncode, result.stdout, result.stderr), (status, "", said + "\n"),
              f"greendump {arguments}")
    child = subprocess.Popen([os.path.join(BUILD, "greenrun"), "/bin/cat"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, env=clean_environment({}))
    child.stdin.write(b"x")
    child.stdin.flush()
    child.stdout.read(1)
    result = greendump(child.pid)
    child.communicate(timeout=TIMEOUT)
    equal((result.returncode, result.stdout),
          (0, f"process {child.pid}: no green threads, it has made no thread yet\n"),
          result.stderr)


# Greens that switch all the time, inside malloc, stdio, the loader, sockets; N rounds each.
BUSY = r"""
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sched.h>
#include <unistd.h>
static volatile int over;
static int pair[2];
static long calls;
__attribute__((noinline)) static void *in_malloc(void *arg)
{
    void *kept[64] = {0};
    for (unsigned i = 0; !over; i++) {
        free(kept[i % 64]);
        kept[i % 64] = malloc(i * 7919u % 100000);
        if (i % 64 == 0)
            sched_yield();
    }
    return arg;
}
__attribute__((noinline)) static void *in_stdio(void *arg)
{
    FILE *f = fopen("/dev/null", "w");
    while (!over)
        fprintf(f, "%s %d %f\n", "text", 5, 1.5), fflush(f);
    return arg;
}
__attribute__((noinline)) static void *in_loader(void *arg)
{
    while (!over) {
        void *lib = dlopen("libm.so.6", RTLD_NOW);
        if (!lib || !dlsym(lib, "cos"))
            abort();
        dlclose(lib);
        sched_yield();
    }
    return arg;
}
__attribute__((noinline)) static void *ping(void *arg)
{
    char c = 'x';
    while (!over && write(pair[0], &c, 1) == 1 && read(pair[0], &c, 1) == 1)
        calls++;
    return arg;
}
__attribute__((noinline)) static void *pong(void *arg)
{
    char c;
    while (read(pair[1], &c, 1) == 1 && write(pair[1], &c, 1) == 1)
        ;
    return arg;
}
__attribute__((noinline)) static void *die(void *arg)
{
    return arg;
}
__attribute__((noinline)) static void *births(void *arg)
{
    while (!over) {
        pthread_t t;
        if (pthread_create(&t, NULL, die, NULL) || pthread_join(t, NULL))
            abort();
    }
    return arg;
}
__attribute__((noinline)) static void *end(void *arg)
{
    char c;
    while (read(0, &c, 1) == 1)
        ;
    over = 1;
    return arg;
}
int main(void)
{
    void *(*const fns[])(void *) = {in_malloc, in_stdio, in_loader, ping, pong, births, end};
    pthread_t t[7];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        return 1;
    for (int i = 0; i < 7; i++)
        pthread_create(&t[i], NULL, fns[i], NULL);
    usleep(10000); /* the others run, and have begun when it is main's turn again */
    puts("begun");
    fflush(stdout);
    for (int i = 0; i < 7; i++) {
        if (i != 4)
            pthread_join(t[i], NULL);
        if (i == 3)
            shutdown(pair[0], SHUT_RDWR);
    }
    return calls ? 7 : 1;
}
"""
REPEAT = int(os.environ.get("DUMPS", "30"))


@test
def dump_under_full_load_harms_nobody(p):
    """Each dump is whole, and the program ends as it should. DUMPS sets how many."""
    real(p)
    program = p.compile(BUSY, p.path("busy"), "-D_GNU_SOURCE", "-g", "-O1", "-pthread", "-ldl")
    child = subprocess.Popen([os.path.join(BUILD, "greenrun"), program], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, env=clean_environment({}))
    child.stdout.readline()
    wanted = {"in_malloc", "in_stdio", "in_loader", "pong", "births", "main"}
    try:
        for n in range(REPEAT):
            result = greendump(child.pid)
            equal((result.returncode, result.stderr), (0, ""), f"dump {n}")
            seen = {f for greens in parse(result.stdout).values() for _, fs in greens for f in fs}
            equal(wanted - seen, set(), f"dump {n}: {result.stdout}")
    finally:
        child.communicate(timeout=TIMEOUT)
    equal(child.returncode, 7, "status of the program")
