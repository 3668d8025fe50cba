"""Body hooks: that they are where they belong, the ways to write them, debuggers and valgrind."""

import os
import re
import subprocess

from harness import BUILD, LIBRARY, TIMEOUT, TOP, clean_environment, equal, real, test
from install import table_rows

CONFORMANCE = os.path.join(BUILD, "tests/conformance")

# A thread waits inside libc for what another one writes: without hooks both stand still.
PIPE = r"""
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static int p[2];
static void *reader(void *arg)
{
    char line[64];
    FILE *in = fdopen(p[0], "r");
    while (fgets(line, sizeof(line), in))
        fputs(line, stdout);
    fclose(in);
    return arg;
}
int main(void)
{
    pthread_t t;
    if (pipe(p) || pthread_create(&t, NULL, reader, NULL))
        return 1;
    for (int i = 0; i < 3; i++) {
        usleep(1000);
        dprintf(p[1], "line %d\n", i);
    }
    close(p[1]);
    pthread_join(t, NULL);
    return 0;
}
"""
PIPE_OUTPUT = b"line 0\nline 1\nline 2\n"

# The same conversation by calls that are reached by name alone.
PLAIN = PIPE.replace('FILE *in = fdopen(p[0], "r");', "ssize_t n;").replace(
    "while (fgets(line, sizeof(line), in))\n        fputs(line, stdout);\n    fclose(in);",
    "while ((n = read(p[0], line, sizeof(line))) > 0)\n        (void)!write(1, line, n);")

# Start a program where the system calls named by the first argument's letters are refused.
DENY = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define SKIP_UNLESS(v, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (v), 0, (n))
#define RET(v) BPF_STMT(BPF_RET | BPF_K, (v))
#define REFUSE RET(SECCOMP_RET_ERRNO | EACCES)
int main(int argc, char **argv)
{
    struct sock_filter open_rw[] = {LOAD(nr), SKIP_UNLESS(SYS_openat, 3), LOAD(args[2]),
        SKIP_UNLESS(O_RDWR | O_CLOEXEC, 1), REFUSE, RET(SECCOMP_RET_ALLOW)};
    struct sock_filter rwx[] = {LOAD(nr), SKIP_UNLESS(SYS_mprotect, 3), LOAD(args[2]),
        SKIP_UNLESS(PROT_READ | PROT_WRITE | PROT_EXEC, 1), REFUSE, RET(SECCOMP_RET_ALLOW)};
    struct sock_filter memfd[] = {LOAD(nr), SKIP_UNLESS(SYS_memfd_create, 1), REFUSE,
        RET(SECCOMP_RET_ALLOW)};
    struct sock_filter trace[] = {LOAD(nr), SKIP_UNLESS(SYS_ptrace, 1), REFUSE,
        RET(SECCOMP_RET_ALLOW)};
    struct { char letter; struct sock_fprog prog; } rules[] = {
        {'o', {6, open_rw}}, {'p', {6, rwx}}, {'m', {4, memfd}},
        {'t', {4, trace}}};
    if (argc < 3 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return 99;
    for (int i = 0; i < 4; i++)
        if (strchr(argv[1], rules[i].letter) &&
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &rules[i].prog))
            return 98;
    if (strchr(argv[1], 'w') && prctl(PR_SET_MDWE, 1, 0, 0, 0))
        return 97;
    execv(argv[2], argv + 2);
    return 96;
}
"""

WHICH = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    for (int i = 1; i < argc; i++) {
        char *version = strchr(argv[i], '@');
        if (version)
            *version++ = '\0';
        uint8_t *p = version ? dlvsym(libc, argv[i], version) : dlsym(libc, argv[i]);
        Dl_info where = {0};
        if (!p)
            continue;
        if (p[0] == 0xeb)
            p += 2 + (int8_t)p[1];
        int32_t far;
        memcpy(&far, p + 1, 4);
        if (p[0] == 0xe9)
            dladdr(p + 5 + far, &where);
        printf("%s %s %s\n", argv[i], where.dli_fname ? where.dli_fname : "-",
               where.dli_sname ? where.dli_sname : "-");
    }
    return 0;
}
"""


def run(p, command, denied="", **env):
    """Under greenrun, in an environment that refuses what @denied says."""
    argv = [real(p), *command]
    if denied:
        argv = [p.compile(DENY, p.path("deny")), denied, *argv]
    return subprocess.run(argv, capture_output=True, timeout=TIMEOUT, env=clean_environment(env))


def ways(result):
    return re.findall(r"(\d+) functions of libc [0-9.]+ hooked by way of (.*)",
                      result.stderr.decode())


@test
def every_row_of_the_table_is_hooked(p):
    rows = [(n, v) for n, v, reach in table_rows() if reach != "NAME"]
    which = p.compile(WHICH, p.path("which"))
    result = run(p, [which, *(n + ("@" + v if v else "") for n, v in rows)], GREENSHIM_VERBOSE="2")
    seen = dict((l.split()[0], l.split()[1:]) for l in result.stdout.decode().splitlines())
    hooked = ways(result)
    equal(len(hooked), 1, result.stderr.decode())
    equal(len(seen) >= 200, True, f"{len(seen)} functions found in libc")
    equal(int(hooked[0][0]), len(seen), "functions hooked and found")
    inside = {n for n, _, reach in table_rows() if reach == "BODY"}
    for name, (library, symbol) in seen.items():
        equal(os.path.basename(library), LIBRARY, f"{name} leads to")
        if name not in inside:
            equal(symbol.lstrip("_").split("64")[0] == name.lstrip("_").split("64")[0]
                  or is_alias(symbol, name), True, f"{name} leads to {symbol}")


def is_alias(symbol, name):
    out = subprocess.run(["nm", "-D", os.path.join(BUILD, LIBRARY)], check=True,
                         capture_output=True, timeout=TIMEOUT).stdout.decode()
    at = dict(reversed(l.split()[::2]) for l in out.splitlines() if len(l.split()) == 3)
    return at.get(symbol) == at.get(name)


@test
def no_branch_leads_into_displaced_instructions(p):
    """By disassembly, which the check at load does without."""
    real(p)
    libc = re.search(r"=> (\S*libc\.so\.6)", subprocess.run(
        ["ldd", os.path.join(BUILD, "greenrun")], capture_output=True, check=True,
        timeout=TIMEOUT).stdout.decode()).group(1)
    symbols = subprocess.run(["nm", "-D", "--with-symbol-versions", libc], capture_output=True,
                             check=True, timeout=TIMEOUT).stdout.decode()
    rows = {(n, v) for n, v, reach in table_rows() if reach != "NAME"}
    entries = {}
    for line in symbols.splitlines():
        m = re.match(r"([0-9a-f]+) [TWi] (\w+)(@+)(.*)", line)
        if m and ((m[2], m[4]) in rows or ((m[2], "") in rows and m[3] == "@@")):
            entries[int(m[1], 16)] = m[2]
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", libc], capture_output=True,
                          check=True, timeout=TIMEOUT).stdout.decode()
    bad = []
    for at, target in re.findall(r"^ *([0-9a-f]+):\s+(?:j\w+|call)\s+([0-9a-f]+) <", code, re.M):
        for back in range(1, 5):
            name = entries.get(int(target, 16) - back)
            if name and not (name, back) in SHORT:
                bad.append(f"{name}+{back} from {at}")
    equal(len(entries) >= 190, True, f"{len(entries)} entries")
    equal(bad, [], "branches into the first bytes")


# Hooked by two bytes, which these branches do not enter.
SHORT = {("pthread_rwlock_tryrdlock", 2), ("sem_trywait", 3)}


@test
def each_way_to_write_text_works(p):
    program = p.compile(PIPE, p.path("pipe"), "-pthread")
    for denied, way in (("", "/proc/self/mem"), ("o", "mprotect"), ("op", "a copy"),
                        ("w", "/proc/self/mem"), ("wo", "a copy")):
        result = run(p, [program], denied, GREENSHIM_VERBOSE="2")
        equal([w for _, w in ways(result)], [way], f"{denied!r}: {result.stderr.decode()}")
        equal((result.returncode, result.stdout), (0, PIPE_OUTPUT), f"{denied!r}: output")


@test
def without_a_way_one_line_is_said(p):
    program = p.compile(PLAIN, p.path("plain"), "-pthread")
    for denied in ("opm", "wom"):
        result = run(p, [program], denied)
        equal((result.returncode, result.stdout), (0, PIPE_OUTPUT), "output")
        equal(result.stderr, b"greenshim: calls inside libc block all threads: libc's text cannot "
              b"be written\n", "standard error")
        equal(run(p, ["/bin/echo"], denied).stderr, b"", "a program without threads")


@test
def hooks_can_be_refused(p):
    program = p.compile(PLAIN, p.path("plain"), "-pthread")
    result = run(p, ["--no-deep", "--verbose=2", program])
    equal((result.returncode, result.stdout, ways(result)), (0, PIPE_OUTPUT, []), "--no-deep")
    equal("block all threads" in result.stderr.decode(), False, "said nothing")
    which = p.compile(WHICH, p.path("which"))
    result = run(p, [which, "read"], GREENSHIM_DEEP="0")
    equal(result.stdout, b"read - -\n", "GREENSHIM_DEEP=0")


# A file lock is waited for; afterwards only main is left, and reads.
LOCK_THEN_READ = r"""
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
static int a, b;
static void *locker(void *arg)
{
    return flock(b, LOCK_EX) ? NULL : arg;
}
int main(int argc, char **argv)
{
    pthread_t t;
    int p[2];
    char c;
    a = open(argv[argc - 1], O_CREAT | O_RDWR, 0600);
    b = open(argv[argc - 1], O_RDWR);
    if (flock(a, LOCK_EX) || pthread_create(&t, NULL, locker, &a) || usleep(20000) || pipe(p))
        return 1;
    flock(a, LOCK_UN);
    pthread_join(t, NULL);
    if (fork() == 0) {
        for (int i = 0; i < 20; i++)
            usleep(1000), (void)!write(p[1], "x", 1);
        _exit(0);
    }
    for (int i = 0; i < 20; i++)
        (void)!read(p[0], &c, 1);
    return 0;
}
"""


@test
def alone_again_waits_are_the_kernels(p):
    """The kernel thread that waited for the lock is ours, and wakes nobody by itself."""
    program = p.compile(LOCK_THEN_READ, p.path("lock"), "-pthread", "-include", "fcntl.h")
    said = run(p, ["--stats", program, p.path("file")]).stderr.decode()
    counts = re.search(r"could run: (\d+); .* place of greens: (\d+) at most", said)
    equal((int(counts[1]) >= 15, int(counts[2])), (True, 1), said)


def gdb(p, program, *commands):
    script = ["set environment LD_PRELOAD " + os.path.join(BUILD, LIBRARY),
              "set startup-with-shell off", "set breakpoint pending on", "set confirm off"]
    argv = ["gdb", "-q", "-nx", "-batch"]
    for line in [*script, *commands]:
        argv += ["-ex", line]
    out = subprocess.run([*argv, program], capture_output=True, timeout=TIMEOUT,
                         stdin=subprocess.DEVNULL, env=clean_environment({}))
    return out.stdout.decode() + out.stderr.decode()


@test
def debugger_sees_through_hooks(p):
    program = p.compile(PIPE, p.path("pipe"), "-pthread", "-g")
    real(p)
    out = gdb(p, program, "break main", "run", "tbreak gr_read_on", "continue", "backtrace",
              "delete", "break read", "continue", "backtrace", "delete", "continue")
    for name in ("gr_read_on", "_IO_new_file_underflow", "_IO_fgets", "reader"):
        equal(bool(re.search(rf"^#\d+ .*\b{name} ?\(", out, re.M)), True, f"{name} in {out}")
    equal(out.count("\nline "), 3, out)
    equal("exited normally" in out, True, out)


@test
def breakpoint_set_before_the_start_is_kept(p):
    """It lies where a hook would go: no hooks then, and the debugger finds its own byte."""
    program = p.compile(PLAIN, p.path("plain"), "-pthread", "-g")
    out = gdb(p, program, "break read", "run", "delete", "continue")
    equal(out.count("\nline "), 3, out)
    equal("exited normally" in out, True, out)


@test
def valgrind_reports_nothing(p):
    for name in ("unistd/stdio", "tls/stdio_locks", "sync/cond", "netdb/lookups", "cxx/exceptions",
                 "process/system_popen", "sys_socket/accept_many", "pthread/cancel"):
        program = os.path.join(CONFORMANCE, name)
        out = subprocess.run(["valgrind", "-q", "--error-exitcode=9", "--trace-children=yes",
                              real(p), program], capture_output=True, timeout=TIMEOUT, cwd=p.root,
                             env=clean_environment({"TEST_BACKGROUND": "2"}))
        said = [l for l in out.stderr.decode().splitlines() if l.startswith("==")]
        equal((out.returncode, said), (0, []), f"{name}: {out.stderr.decode()[-2000:]}")


@test
def valgrind_reports_nothing_of_interrupted_waits(p):
    real(p)
    program = os.path.join(BUILD, "tests/unit/test_sweep")
    out = subprocess.run(["valgrind", "-q", "--error-exitcode=9", "--trace-children=yes", program,
                          "--filter", "sweep/nothing_is_lost*", "--timeout", str(TIMEOUT)],
                         stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT,
                         env=clean_environment({}))
    said = [l for l in out.stderr.decode().splitlines() if re.match(r"==\d", l)]
    equal((out.returncode, said), (0, []), out.stderr.decode()[-2000:])
