"""Programs that open the library late, by dlopen(), and ask for it: <green/monkey.h>."""

import os
import subprocess

from harness import BUILD, LIBRARY, TIMEOUT, TOP, clean_environment, equal, real, test
from hooks import DENY

SOURCE = os.path.join(TOP, "tests/tools/late.c")
LINES = b"line 0\nline 1\nline 2\n"


def program(p):
    real(p)
    with open(SOURCE, encoding="utf-8") as f:
        code = '#line 1 "late.c"\n' + f.read()
    return p.compile(code, p.path("late"), "-g", "-pthread", f"-I{TOP}/include")


def run(late, case, *extra, wrap=(), **env):
    return subprocess.run([*wrap, late, os.path.join(BUILD, LIBRARY), case, *extra],
                          capture_output=True, timeout=TIMEOUT, env=clean_environment(env))


def passes(result, output=b"", said=b""):
    equal((result.returncode, result.stdout, result.stderr), (0, output, said), result.args)


@test
def opened_late_it_waits_to_be_asked(p):
    late = program(p)
    for scope in ((), ("global",)):
        passes(run(late, "none", *scope))
        passes(run(late, "all", *scope), LINES)
        passes(run(late, "some", *scope), LINES)
    passes(run(late, "all", GREENSHIM_TLS="harvest"), LINES)


@test
def threads_of_before_stay_kernel_threads(p):
    late = program(p)
    for tls in ("clone", "harvest"):
        for _ in range(5):
            passes(run(late, "before", GREENSHIM_TLS=tls))
    passes(run(late, "elsewhere"), LINES)


@test
def late_main_may_end_before_its_threads(p):
    passes(run(program(p), "main_exits"), b"the other thread ends\n")


@test
def late_patching_can_be_refused(p):
    late = program(p)
    begin = b"greenshim: libc's calls are not patched: "
    passes(run(late, "refused", GREENSHIM="off"), b"ENOTSUP\n")
    passes(run(late, "refused", GREENSHIM_DEEP="0"), b"ENOTSUP\n", begin + b"GREENSHIM_DEEP=0\n")
    deny = p.compile(DENY, p.path("deny"))
    for case in ("refused", "refused_with_thread"):
        passes(run(late, case, wrap=(deny, "opm")), b"ENOTSUP\n",
               begin + b"libc's text cannot be written\n")
    passes(run(late, "refused_with_thread", wrap=(deny, "t")), b"EBUSY\n",
           begin + b"there are other threads and ptrace() is not allowed to stop them\n")


# What was there at the start is patched, whichever way the functions are reached.
THERE = r"""
#include <green/monkey.h>
#include <stdio.h>
int main(void)
{
    printf("%d %d %d %d %d %d\n", green_is_patched("thread"), green_is_patched("recv"),
           green_patch_all(0), green_patch_all(GREEN_DNS), green_patch_time(),
           green_get_original("read") != NULL);
    return 0;
}
"""


@test
def there_at_the_start_all_is_patched(p):
    real(p)
    flags = (f"-I{TOP}/include", f"-L{BUILD}", f"-Wl,-rpath,{BUILD}")
    first = p.compile(THERE, p.path("first"), *flags, "-lgreenshim")
    behind = p.compile(THERE, p.path("behind"), *flags, "-lc", "-lgreenshim")
    library = os.path.join(BUILD, LIBRARY)
    # A library that also wants to be initialised first: the loader favours one of them.
    rival = p.compile("int rival;", p.path("rival.so"), "-shared", "-fPIC", "-Wl,-z,initfirst")
    yes = b"1 1 0 0 0 1\n"
    off = b"0 0 -95 -95 -95 1\n"
    for program_ in (first, behind):
        for preload in (None, library, f"{library}:{rival}", f"{rival}:{library}", rival):
            for env, output in (({}, yes), ({"GREENSHIM_DEEP": "0"}, yes),
                                ({"GREENSHIM": "off"}, off)):
                out = subprocess.run([program_], capture_output=True, timeout=TIMEOUT,
                                     env=clean_environment({"LD_PRELOAD": preload, **env}))
                passes(out, output)


# What threads have that pthread_create() makes, greenlets have too, also the very first.
KEYS = r"""
#include <green/green.h>
#include <pthread.h>
#include <stdio.h>
static pthread_key_t key;
static void destroy(void *value)
{
    printf("destroyed %s\n", (char *)value);
}
static void *body(void *arg)
{
    pthread_setspecific(key, arg);
    return NULL;
}
int main(void)
{
    struct greenlet *g;
    if (pthread_key_create(&key, destroy) || green_spawn(body, "one", &g) ||
        green_join(g, GREEN_FOREVER))
        return 1;
    green_unref(g);
    return 0;
}
"""


@test
def the_first_greenlet_is_a_whole_thread(p):
    real(p)
    program_ = p.compile(KEYS, p.path("keys"), f"-I{TOP}/include", f"-L{BUILD}",
                         f"-Wl,-rpath,{BUILD}", "-lgreenshim", "-pthread")
    passes(subprocess.run([program_], capture_output=True, timeout=TIMEOUT,
                          env=clean_environment({})), b"destroyed one\n")
