"""Functions of libraries that run on kernel threads: greenrun --offload, green_offload()."""

import os
import re
import subprocess

from harness import BUILD, LIBRARY, TIMEOUT, TOP, clean_environment, equal, real, refused, test

TYPES = {"wait": "i(p)", "relay": "i(p)", "mix": "d(pdfhsg)", "call": "p(ppp)", "spin": "i(p)"}


def source(name):
    with open(os.path.join(TOP, "tests/tools", name), encoding="utf-8") as f:
        return f'#line 1 "{name}"\n' + f.read()


class Blocker:
    """A program that waits in a library that nobody sees into: linked with it, and opening it."""

    def __init__(self, p):
        self.greenrun = real(p)
        self.library = p.path("libblocker.so.1")
        p.compile(source("blocker_lib.c"), self.library, "-shared", "-fPIC", "-O2",
                  "-Wl,-soname,libblocker.so.1")
        self.linked = p.compile(source("blocker.c"), p.path("blocker"), "-pthread", self.library,
                                f"-Wl,-rpath,{p.root}")
        self.late = p.compile(source("blocker.c"), p.path("blocker_late"), "-pthread", "-DLATE")

    def spec(self, case, library=None):
        return f"{library or 'libblocker.so.1'}:blocker_{case}={TYPES[case]}"

    def run(self, program, case, *options, **env):
        return subprocess.run([self.greenrun, *options, program, case[0], self.library],
                              capture_output=True, timeout=TIMEOUT, env=clean_environment(env))


def good(result, said=b""):
    equal((result.returncode, result.stdout, result.stderr), (0, b"good\n", said), result.args)


@test
def offloaded_functions_let_others_run(p):
    b = Blocker(p)
    for case in TYPES:
        good(b.run(b.linked, case, "--no-preempt", "--offload", b.spec(case)))
        good(b.run(b.linked, case, "--no-preempt", "--offload", b.spec(case, b.library)))
    # Without, it waits for main, which cannot go on.
    try:
        subprocess.run([b.greenrun, b.linked, "w"], timeout=1, capture_output=True, check=False,
                       env=clean_environment({}))
    except subprocess.TimeoutExpired:
        return
    raise AssertionError("the library's waits were seen")


@test
def offloads_wait_for_their_library(p):
    b = Blocker(p)
    for case in TYPES:
        variable = {"GREENSHIM_OFFLOAD": b.spec(case, b.library)}
        good(b.run(b.late, case, "--no-preempt", **variable))
        # Without greenrun, which would look for the library.
        env = {"LD_PRELOAD": os.path.join(BUILD, LIBRARY), "GREENSHIM_PREEMPT": "0",
               "GREENSHIM_OFFLOAD": "libnone.so.1:f=v();" + b.spec(case) + ";"}
        good(subprocess.run([b.late, case[0], b.library], capture_output=True, timeout=TIMEOUT,
                            env=clean_environment(env)))


@test
def functions_that_cannot_be_hooked_are_reached_by_name(p):
    b = Blocker(p)
    for program in (b.linked, b.late):
        for case, options in (("spin", ()), ("wait", ("--no-deep",))):
            if options and program is b.late:
                continue
            said = b.run(program, case, "--verbose", "--no-preempt", *options, "--offload",
                         b.spec(case, b.library)).stderr.decode()
            equal(f"blocker_{case}: by name, as " in said, True, said)
            good(b.run(program, case, "--no-preempt", *options, "--offload",
                       b.spec(case, b.library)))


@test
def several_offloads_make_one_list(p):
    b = Blocker(p)
    options = [o for case in ("mix", "wait", "call") for o in ("--offload", b.spec(case))]
    for case in ("mix", "wait", "call"):
        good(b.run(b.linked, case, *options, GREENSHIM_OFFLOAD="replaced"))
    out = subprocess.run([b.greenrun, "--print-env", *options], capture_output=True, check=True,
                         timeout=TIMEOUT, env=clean_environment({})).stdout.decode()
    equal(re.search(r"^GREENSHIM_OFFLOAD='(.*)'$", out, re.M)[1],
          ";".join(b.spec(case) for case in ("mix", "wait", "call")), out)


@test
def bad_offloads_are_refused(p):
    b = Blocker(p)
    for spec, *words in (("x", "'=' and a signature"), ("lib.so=i()", "must stand before"),
                         (":f=i()", "must stand before"), ("lib.so:=i()", "must stand before"),
                         ("libblocker.so.1:blocker_wait=k(p)", "no such type"),
                         ("libblocker.so.1:blocker_wait=", "not a signature"),
                         ("libnone.so.1:f=i()", "libnone.so.1 is not found"),
                         ("/none/lib.so:f=i()", "/none/lib.so is not found"),
                         ("/etc/passwd:f=i()", "not a library"),
                         ("libblocker.so.1:nothing=i()", "no function nothing"),
                         ("libc.so.6:environ=i()", "not a function"),
                         ("libc.so.6:strlen=N(s)", "chosen among several"),
                         ("a:b=i();c:d=i()", "semicolon")):
        refused(p.run("--offload", spec, b.linked, "w", greenrun=b.greenrun), 2,
                "--offload: '" + spec, *words)
        if ";" not in spec:
            refused(p.run(b.linked, "w", greenrun=b.greenrun, env={"GREENSHIM_OFFLOAD": spec}), 2,
                    "GREENSHIM_OFFLOAD: '" + spec, *words)
    os.symlink(b.library, p.path("other.so"))
    refused(p.run("--offload", "other.so:blocker_wait=i(p)", b.linked, "w", greenrun=b.greenrun), 2,
            "the library's name is libblocker.so.1")
    refused(p.run("--offload", greenrun=b.greenrun), 2, "needs a value")


@test
def bad_offloads_without_greenrun_get_one_line(p):
    b = Blocker(p)
    for program in (b.linked, b.late):
        for spec, said in (
                ("x", "GREENSHIM_OFFLOAD: 'x' is not valid: '=' and a signature are missing"),
                ("a:b=k()", "GREENSHIM_OFFLOAD: 'k()' is not a signature: there is no such type"),
                ("libblocker.so.1:nothing=i()",
                 "offload libblocker.so.1:nothing: the library has no such function")):
            env = {"LD_PRELOAD": os.path.join(BUILD, LIBRARY),
                   "GREENSHIM_OFFLOAD": f"{spec};{b.spec('wait')}"}
            good(subprocess.run([program, "w", b.library], capture_output=True, timeout=TIMEOUT,
                                env=clean_environment(env)), f"greenshim: {said}\n".encode())


API = r"""
#include <green/green.h>
#include <green/monkey.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
int blocker_wait(int *word);
void blocker_set(int *word, int value);
static int word;
static void *waits(void *arg)
{
    errno = 40;
    return (void *)(long)(blocker_wait(arg) == 7 && errno == 41);
}
int main(void)
{
    struct greenlet *g;
    void *ok = NULL;
    printf("%d %d %d\n", green_offload("libblocker.so.1", "blocker_wait", "k(p)") == -EINVAL,
           green_offload(NULL, "blocker_wait", "i(p)") == -EINVAL,
           green_offload("libblocker.so.1", "nothing", "i(p)") == -ENOENT);
    int first = green_offload("libblocker.so.1", "blocker_wait", "i(p)");
    int again = green_offload("libblocker.so.1", "blocker_wait", "i(p)");
    printf("%d %d %d\n", first, again,
           green_offload("libblocker.so.1", "blocker_wait", "v(p)") == -EEXIST);
    green_spawn(waits, &word, &g);
    green_sleep(GREEN_MS(5));
    blocker_set(&word, 7);
    green_get(g, &ok, GREEN_FOREVER);
    printf("%d\n", ok != NULL);
    return 0;
}
"""


@test
def programs_offload_by_themselves(p):
    b = Blocker(p)
    program = p.compile(API, p.path("api"), f"-I{TOP}/include", f"-L{BUILD}", "-lgreenshim",
                        f"-Wl,-rpath,{BUILD}:{p.root}", b.library)
    out = subprocess.run([program], capture_output=True, timeout=TIMEOUT, env=clean_environment({}))
    equal((out.returncode, out.stdout), (0, b"1 1 1\n0 0 1\n1\n"), out.stderr.decode())


# A library that extension modules bring along, with callbacks into Python.
SQLITE = """
import sqlite3, threading, time
def work(out):
    db = sqlite3.connect(":memory:")
    db.create_function("back", 1, lambda x: x * 2)
    out.append(db.execute("with recursive n(i) as (select 1 union select i + 1 from n "
                          "where i < 20000) select sum(back(i)) from n").fetchone())
    try:
        db.execute("select * from nothing")
    except sqlite3.OperationalError as e:
        out.append(str(e))
out = [[], [], []]
threads = [threading.Thread(target=work, args=(o,)) for o in out]
for t in threads:
    t.start()
while any(t.is_alive() for t in threads):
    time.sleep(0.001)
print(out)
"""


@test
def sqlite_is_offloaded_under_python(p):
    script = p.file("script.py", SQLITE)
    plain = subprocess.run(["/usr/bin/python3", script], capture_output=True, timeout=TIMEOUT,
                           check=True, env=clean_environment({}))
    run = subprocess.run([real(p), "--stats", "--offload", "libsqlite3.so.0:sqlite3_step=i(p)",
                          "/usr/bin/python3", script], capture_output=True, timeout=TIMEOUT,
                         env=clean_environment({}))
    equal((run.returncode, run.stdout), (0, plain.stdout), run.stderr.decode())
    equal(bool(re.search(r"waits:.* worker [1-9]", run.stderr.decode())), True,
          run.stderr.decode())
