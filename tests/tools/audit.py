"""What greenaudit says of programs: verdicts, table, JSON, search for libraries."""

import json
import os
import re
import shutil
import struct
import subprocess

from harness import (BUILD, NOBODY, ROOT, TIMEOUT, Skip, clean_environment, equal, test)
from refuse import as_nobody, nosuid

AUDIT = os.path.join(BUILD, "greenaudit")
RUNS, BUT, NOT, BAD = range(4)
WORDS = {RUNS: "will run under greenshim", BUT: "will run under greenshim, but ",
         NOT: "will not run under greenshim: "}
# A program that makes a thread, and one that does nothing.
THREAD = "#include <pthread.h>\nstatic void *f(void *a) { return a; }\nint main(void) " \
         "{ pthread_t t; return pthread_create(&t, 0, f, 0) + pthread_join(t, 0); }\n"
MAIN = "int main(void) { return 0; }\n"
# A system call by an instruction of its own, for "%" its number.
CALLS = {"x86_64": 'int NAME(void) { long r; __asm__ volatile("mov $%d, %%%%eax\\n syscall" '
                   ': "=a"(r) : : "rcx", "r11", "memory"); return (int)r; }\n'}
CALL = CALLS.get(os.uname().machine)


def audit(*args, command=(AUDIT,), **env):
    wrap = env.pop("wrap", ())
    return subprocess.run([*wrap, *command, *args], capture_output=True, timeout=TIMEOUT,
                          stdin=subprocess.DEVNULL, check=False, env=clean_environment(env))


def verdict(program, status, *words, **env):
    """The last line, with its status; checked in all forms of output. Returns the JSON."""
    name = env.pop("name", program)
    options = env.pop("options", ())
    text = audit(*options, program, **env)
    equal((text.returncode, text.stderr), (status, b""), program)
    line = text.stdout.decode().splitlines()[-1]
    equal(line == f"{name}: {WORDS[status]}" if status == RUNS
          else line.startswith(f"{name}: {WORDS[status]}"), True, line)
    for word in words:
        equal(word in line, True, f"{word} in {line}")
    quiet = audit("--quiet", *options, program, **env)
    equal((quiet.returncode, quiet.stdout.decode(), quiet.stderr), (status, line + "\n", b""),
          "--quiet")
    whole = audit("--json", *options, program, **env)
    equal((whole.returncode, whole.stderr), (status, b""), "--json")
    found = json.loads(whole.stdout)
    equal((found["text"], found["status"]), (line, status), "verdict in JSON")
    equal(text.stdout.decode(), as_text(found), "JSON says what the text says")
    return found


def as_text(found):
    """The text that belongs to the JSON."""
    lines = []
    if found["symbols"]:
        width = max(6, *(len(s["name"]) for s in found["symbols"] if len(s["name"]) < 48))
        lines.append(f"{'symbol':{width}}  treatment    used by")
        for s in found["symbols"]:
            by = s["used_by"][0]
            if len(s["used_by"]) > 1:
                by += f" and {len(s['used_by']) - 1} more"
            note = f": {s['note']}" if s["note"] else ""
            lines.append(f"{s['name']:{width}}  {s['treatment']:11}  {by}{note}")
        lines.append("")
    for r in found["remarks"]:
        kind = "note" if r["verdict"] == "runs" else "remark"
        lines.append(f"{kind}: {r['object'] or 'it'} {r['text']}")
    if found["remarks"]:
        lines.append("")
    return "\n".join([*lines, found["text"], ""])


def said(found, about):
    return [r["text"] for r in found["remarks"] if r["object"] == about]


def refused(words, *args, **env):
    """Status 3: one line on standard error."""
    result = audit(*args, **env)
    text = result.stderr.decode()
    equal((result.returncode, result.stdout, text.count("\n")), (BAD, b"", 1), text)
    equal(text.startswith("greenaudit: ") and words in text, True, text)


# ------------------------------------------------------------------ programs of the system

PROGRAMS = {
    RUNS: """python3 curl ab git iperf mariadb memcached microsocks nc openssl parallel perl pigz
        redis-server redis-cli redis-benchmark rg ruby socat sysbench wrk xz zstd gdb make bash sh
        tar ls gcc clang doxygen man ps faketime sort grep find xargs
        /usr/sbin/apache2 /usr/sbin/haproxy /usr/sbin/nginx /usr/sbin/rsyslogd /usr/bin/stunnel4
        /usr/bin/tinyproxy /usr/sbin/varnishd /usr/lib/postgresql/15/bin/postgres""",
    BUT: "/usr/sbin/mariadbd qemu-aarch64",
    NOT: "/sbin/ldconfig",
}


@test
def programs_of_the_system(p):
    seen = 0
    for status, names in PROGRAMS.items():
        for name in names.split():
            if not shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin"):
                raise AssertionError(f"{name} is missing; make setup-test installs it")
            verdict(name, status, PATH="/usr/bin:/bin:/usr/sbin:/sbin")
            seen += 1
    equal(seen > 40, True, "number of programs")


@test
def what_is_known_of_some(p):
    found = verdict("/usr/sbin/mariadbd", BUT, "io_uring", "more of that kind")
    equal("runs teams of OpenMP" in "".join(said(found, "libgomp.so.1")) or
          not said(found, "libgomp.so.1"), True, "OpenMP")
    equal("io_uring_enter" in "".join(said(found, "liburing.so.2")), True, "liburing's calls")
    # Its tables look like such calls, and stand among its code.
    found = verdict("/usr/bin/openssl", RUNS)
    crypto = [o for o in found["objects"] if o["name"] == "libcrypto.so.3"][0]
    equal(crypto["system_calls"], [], "libcrypto's")
    equal([r for r in said(found, "libcrypto.so.3") if "stacks of its own" in r] != [], True,
          "coroutines")


@test
def libraries_are_those_that_the_loader_takes(p):
    for name in ("/usr/bin/python3", "/usr/sbin/mariadbd", "/usr/bin/git", "/usr/bin/gdb",
                 "/usr/sbin/apache2", "/usr/lib/postgresql/15/bin/postgres"):
        done = subprocess.run(["ldd", name], capture_output=True, check=True, timeout=TIMEOUT,
                              env=clean_environment({}))
        loaded = re.findall(r"(\S*/\S+) \(0x", done.stdout.decode())
        found = json.loads(audit("--json", name).stdout)
        equal({os.path.realpath(o["path"]) for o in found["objects"][1:]},
              {os.path.realpath(path) for path in loaded}, name)
        equal(found["missing"], [], "missing")


# ------------------------------------------------------------------ what does not run

@test
def what_greenrun_refuses_will_not_run(p):
    show = p.show
    verdict(p.compile(MAIN, p.path("static"), "-static"), NOT, "statically linked")
    verdict(p.compile(MAIN, p.path("static-pie"), "-static-pie"), NOT, "statically linked")
    go = '__attribute__((section(".go.buildinfo"), used)) static char info[] = "go1.19";' + MAIN
    verdict(p.compile(go, p.path("gopher")), NOT, "is a Go program")
    with open(show, "rb") as f:
        content = bytearray(f.read())
    loader = re.search(rb"/lib[^\0]*/ld-linux[^\0]*\0", content).group()
    musl = b"/lib/ld-musl-x86_64.so.1".ljust(len(loader), b"\0")
    verdict(p.patched("musl", (loader, musl)), NOT, "another C library")
    struct.pack_into("<H", content, 18, 243)
    verdict(p.file("riscv", bytes(content)), NOT, "another processor")
    header = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    header += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    header += struct.pack("<8I", 1, 0, 0x8048000, 0x8048000, 84, 84, 5, 4096)
    verdict(p.file("small", header), NOT, "32-bit")
    verdict(p.file("script", f"#!{p.path('static')}\n"), NOT, "is a script", "statically linked")


@test
def both_commands_give_the_same_reason(p):
    """greenaudit's clause is that of greenrun --check, of which it shares the code."""
    static = p.compile(MAIN, p.path("static"), "-static")
    checked = p.run("--check", static).stderr.decode()
    audited = audit("--quiet", static).stdout.decode()
    equal(audited.replace("will not run under greenshim: ", ""),
          checked.replace("greenrun: ", ""), "reasons")


@test
def nothing_to_audit(p):
    refused("not found", "nosuch-program")
    refused("not found", p.path("nosuch"))
    refused("chmod", p.file("plain", "#!/bin/sh\n", 0o644))
    refused("directory", p.root)
    refused("#!", p.file("text", "hello\n"))
    refused("#!", p.file("empty", b""))
    with open(p.show, "rb") as f:
        refused("damaged", p.file("cut", f.read(48)))
    refused("no program given")
    refused("--nosuch: unknown option", "--nosuch", p.show)
    refused("--plugin: needs a value", "--plugin")
    refused("nosuch.so: not found", "--plugin", "nosuch.so", p.show)
    refused("not a library", "--plugin", p.path("text"), p.show)
    refused("cannot be written", "--quiet", p.show, wrap=("sh", "-c", 'exec "$@" >/dev/full', "sh"))


@test
def privileged_programs(p):
    if not ROOT or nosuid(p.root):
        raise Skip("needs root and a file system without nosuid")
    program = p.compile(THREAD, p.path("thread"), "-pthread")
    for mode, words in ((0o4755, "set-user-ID"), (0o2755, "set-group-ID")):
        os.chmod(program, mode)
        found = verdict(program, BUT, words)
        refusal = verdict(program, NOT, words, wrap=as_nobody())
        equal(refusal["symbols"], found["symbols"], "looked at all the same")
    os.chown(program, NOBODY, 0)
    os.chmod(program, 0o4755)
    verdict(program, NOT, "set-user-ID")
    verdict(program, BUT, "set-user-ID", wrap=as_nobody())
    secret = p.patched("secret")
    os.chmod(secret, 0o711)
    refused("cannot be read", secret, wrap=as_nobody())


@test
def sanitizers(p):
    def build(name, *flags, compiler="gcc"):
        return p.compile(THREAD, p.path(name), "-pthread", *flags, compiler=compiler)
    verdict(build("asan", "-fsanitize=address"), NOT, "libasan.so", "AddressSanitizer")
    verdict(build("tsan", "-fsanitize=thread"), BUT, "libtsan.so", "kernel threads")
    verdict(build("casan", "-fsanitize=address", compiler="clang"), BUT, "AddressSanitizer")
    verdict(build("ctsan", "-fsanitize=thread", compiler="clang"), BUT, "ThreadSanitizer")
    verdict(build("cmsan", "-fsanitize=memory", compiler="clang"), BUT, "MemorySanitizer")
    for name in ("tsan", "casan", "ctsan", "cmsan"):
        equal(audit(p.path(name), command=(os.path.join(BUILD, "greenrun"), "--")).returncode, 0,
              f"{name} runs, as was said")
    # Its reports are written by instructions of its own.
    found = verdict(build("ubsan", "-fsanitize=undefined"), BUT, "libubsan.so", "system calls")
    equal([r["object"] for r in found["remarks"] if r["verdict"] == "runs, but"],
          [o["name"] for o in found["objects"] if "ubsan.so" in o["name"]], "nothing else")


# ------------------------------------------------------------------ libraries

def library(p, name, code, *flags):
    os.makedirs(os.path.dirname(p.path(name)), exist_ok=True)
    return p.compile(code, p.path(name), "-shared", "-fPIC",
                     f"-Wl,-soname,{os.path.basename(name)}", *flags)


def chosen(program, name, **env):
    found = json.loads(audit("--json", program, **env).stdout)
    paths = [os.path.relpath(o["path"], env.get("below", "/")) for o in found["objects"]
             if o["name"] == name]
    return ["/" + path for path in paths], [m["name"] for m in found["missing"]]


@test
def libraries_are_searched_in_the_order_of_the_loader(p):
    """The oracle is the loader itself: the function says which library it is from."""
    for place in ("rpath", "env", "runpath", "linked", "sub/lib"):
        library(p, f"{place}/libpick.so.1", f'const char *pick(void) {{ return "{place}"; }}')
    uses = '#include <stdio.h>\nconst char *pick(void);\n' \
           'int main(void) { puts(pick()); return 0; }\n'
    link = (p.path("linked/libpick.so.1"),)
    tags = {"rpath": ("-Wl,--disable-new-dtags", f"-Wl,-rpath,{p.path('rpath')}"),
            "runpath": ("-Wl,--enable-new-dtags", f"-Wl,-rpath,{p.path('runpath')}"),
            "origin": ("-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/sub/lib"),
            "braces": ("-Wl,--enable-new-dtags", "-Wl,-rpath,/nosuch:${ORIGIN}/sub/lib"),
            "none": ()}
    for name, flags in tags.items():
        program = p.compile(uses, p.path(f"pick-{name}"), *link, *flags)
        for env in ({}, {"LD_LIBRARY_PATH": p.path("env")},
                    {"LD_LIBRARY_PATH": f"/nosuch:{p.path('env')}"}):
            native = subprocess.run([program], capture_output=True, check=False, timeout=TIMEOUT,
                                    env=clean_environment(env)).stdout.decode().strip()
            paths, missing = chosen(program, "libpick.so.1", **env)
            equal((paths, missing), ([p.path(f"{native}/libpick.so.1")], []) if native else
                  ([], ["libpick.so.1"]), f"{name} {env}")
    verdict(p.path("pick-none"), NOT, "pick-none needs libpick.so.1, which is not found")


@test
def rpath_of_those_that_need_it_counts(p):
    library(p, "deep/libinner.so.1", "int inner(void) { return 1; }")
    library(p, "outer/libouter.so.1", "int inner(void); int outer(void) { return inner(); }",
            p.path("deep/libinner.so.1"))
    code = "int outer(void); int main(void) { return !outer(); }\n"
    flags = [p.path("outer/libouter.so.1"), f"-Wl,-rpath-link,{p.path('deep')}",
             f"-Wl,-rpath,{p.path('outer')}:{p.path('deep')}"]
    for tags, status in (("--disable-new-dtags", 0), ("--enable-new-dtags", 127)):
        program = p.compile(code, p.path("needs"), *flags, f"-Wl,{tags}")
        native = subprocess.run([program], capture_output=True, timeout=TIMEOUT, check=False,
                                env=clean_environment({}))
        equal(native.returncode, status, f"natively with {tags}")
        verdict(program, RUNS if status == 0 else NOT)


@test
def plugins_and_preloaded_libraries(p):
    program = p.compile(MAIN, p.path("plain"))
    equal([r["text"] for r in verdict(program, RUNS)["remarks"]],
          ["makes no threads, unless by what it loads later"], "notes")
    plugin = library(p, "plugin.so", "#include <pthread.h>\nint own(void) "
                     "{ pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; pthread_t t;"
                     "  return pthread_mutex_lock(&m) + pthread_create(&t, 0, 0, 0); }")
    for options, env, is_plugin in ((("--plugin", plugin), {}, True),
                                    ((), {"LD_PRELOAD": plugin}, False)):
        found = verdict(program, RUNS, options=options, **env)
        rows = {s["name"]: s for s in found["symbols"]}
        equal((rows["pthread_create"]["treatment"], rows["pthread_create"]["used_by"]),
              ("emulated", ["plugin.so"]), "its symbols")
        equal([o["plugin"] for o in found["objects"] if o["name"] == "plugin.so"], [is_plugin], "")
        equal(found["remarks"], [], "notes")


# ------------------------------------------------------------------ symbols

@test
def the_table_has_each_treatment(p):
    code = """
#define _GNU_SOURCE
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>
static int f(void *a) { return a != 0; }
int main(void)
{
    char c, stack[4096];
    pthread_mutex_t m;
    pthread_mutex_init(&m, 0);
    pthread_mutex_lock(&m);
    dup(0);
    sem_t *none = 0;
    fsync(0);
    getaddrinfo(0, 0, 0, 0);
    if (read(0, &c, 1) + clone(f, stack, 0, none) + !fgets(stack, 9, stdin))
        pthread_exit(0);
    return 0;
}
"""
    program = p.compile(code.replace("sem_t *none", "void *none"), p.path("table"), "-pthread",
                        "-w", "-O0")
    found = verdict(program, BUT, "calls clone(), which is not covered")
    seen = {s["name"]: (s["treatment"], s["note"]) for s in found["symbols"]}
    for name, treatment in {"read": "yields", "pthread_mutex_lock": "yields", "dup": "tracked",
                            "fsync": "offloads", "getaddrinfo": "offloads",
                            "pthread_exit": "emulated"}.items():
        equal(seen[name], (treatment, None), name)
    equal(seen["pthread_mutex_init"], ("passed", "the object is libc's"), "reason")
    equal(seen["fgets"], ("passed", "as fread"), "fgets")
    equal(seen["clone"][0], "not covered", "clone")
    order = ["yields", "offloads", "emulated", "tracked", "passed", "not covered"]
    keys = [(order.index(s["treatment"]), s["name"]) for s in found["symbols"]]
    equal(keys, sorted(keys), "order of rows")
    equal({s["name"]: s["version"] for s in found["symbols"]}["read"].startswith("GLIBC_"), True,
          "version")


@test
def every_function_of_this_libc_that_may_wait_is_known(p):
    found = verdict("/bin/true", RUNS)
    newest = os.confstr("CS_GNU_LIBC_VERSION").split()[1]
    if f"GLIBC_{newest}" != found["libc"]["reviewed"]:
        raise Skip(f"glibc {newest} is not the one that was reviewed")
    equal(found["libc"]["unknown"], [], "unknown")


@test
def functions_of_a_newer_libc_are_told_of(p):
    """A libc of our own making stands for it: nothing is started."""
    os.makedirs(p.path("new"))
    # The loader of greenaudit itself would obey LD_LIBRARY_PATH.
    versions = p.file("new/map", "GLIBC_2.2.5 { global: read; pthread_frobnicate; };\n"
                      "GLIBC_2.99 { global: brandnew; sem_hurry; local: *; } GLIBC_2.2.5;\n")
    libc = library(p, "new/libc.so.6", "void read(void) {} void pthread_frobnicate(void) {}"
                   "void brandnew(void) {} void sem_hurry(void) {}", "-nostdlib",
                   f"-Wl,--version-script={versions}", "-w")
    program = p.compile("void pthread_frobnicate(void); void brandnew(void); void read(void);"
                        "void _start(void) { pthread_frobnicate(); brandnew(); read(); }",
                        p.path("newer"), "-nostdlib", "-w", libc,
                        "-Wl,--disable-new-dtags", f"-Wl,-rpath,{p.path('new')}")
    found = verdict(program, BUT, "not covered")
    equal(sorted(found["libc"]["unknown"]), ["brandnew", "pthread_frobnicate", "sem_hurry"], "list")
    seen = {s["name"]: (s["treatment"], s["note"]) for s in found["symbols"]}
    equal(seen, {"read": ("yields", None),
                 "pthread_frobnicate": ("not covered", "nobody has looked at it"),
                 "brandnew": ("not covered", "newer than GLIBC_2.36, the newest that was "
                              "looked at")}, "rows")
    equal("3 functions" in said(found, "libc.so.6")[0], True, "told")


@test
def functions_in_place_of_those_of_libc(p):
    own = p.compile(MAIN + "int closefrom(int a) { return a; }\n", p.path("own"), "-rdynamic")
    verdict(own, BUT, "in place of libc's: closefrom")


# ------------------------------------------------------------------ system calls by instructions

def with_calls(p, name, numbers, *flags, program=THREAD):
    calls = "".join(CALL.replace("NAME", f"call{i}") % n for i, n in enumerate(numbers))
    lib = library(p, f"lib{name}.so", calls + (program.split("int main")[0]), *flags)
    return p.compile(THREAD, p.path(name), "-pthread", "-Wl,--no-as-needed", lib,
                     f"-Wl,-rpath,{p.root}")


@test
def system_calls_by_instructions(p):
    if not CALL:
        raise Skip("no assembly for this machine in the test")
    waits = verdict(with_calls(p, "reads", [0, 0, 39]), BUT, "libreads.so makes system calls by 2 ",
                    "(read)")
    calls = [o["system_calls"] for o in waits["objects"] if o["name"] == "libreads.so"][0]
    equal(sorted((c["number"], c["name"], c["count"], c["matters"]) for c in calls),
          [(0, "read", 2, True), (39, None, 1, False)], "calls")
    harmless = verdict(with_calls(p, "asks", [39, 39]), RUNS)
    equal(said(harmless, "libasks.so"),
          ["makes system calls by 2 instructions of its own; none waits"], "note")
    team = library(p, "libteam.so", "#include <pthread.h>\n" + CALL % 202 +
                   "int team(void) { pthread_t t; return pthread_create(&t, 0, 0, 0); }")
    verdict(p.compile(THREAD, p.path("team"), "-pthread", "-Wl,--no-as-needed", team,
                      f"-Wl,-rpath,{p.root}"), BUT, "libteam.so waits on futexes",
            "stay kernel threads")


@test
def the_disassembler_counts_the_same_calls(p):
    if not CALL:
        raise Skip("not for this machine")
    library(p, "libcalls.so", "".join(CALL.replace("NAME", f"call{i}") % i for i in range(7)))
    names = ["libgomp.so.1", "liburing.so.2", "libstdc++.so.6", "libm.so.6", p.path("libcalls.so")]
    options = [word for name in names for word in ("--plugin", name)]
    found = json.loads(audit("--json", *options, p.show).stdout)
    seen = 0
    for o in found["objects"]:
        if o["plugin"]:
            code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", o["path"]], check=True,
                                  capture_output=True, timeout=TIMEOUT).stdout.decode()
            count = len(re.findall(r"\tsyscall *$", code, re.M))
            equal(sum(c["count"] for c in o["system_calls"]), count, o["path"])
            seen += count
    equal(seen > 80, True, "calls")


@test
def data_among_code_is_no_call(p):
    if not CALL:
        raise Skip("no assembly for this machine in the test")
    hidden = '__asm__(".text\\n.long 0\\n.byte 0x0f, 0x05, 0x0f, 0x05\\n");\n' \
             "long number(void) { return 0x050f050f; }\n"
    lib = library(p, "libdata.so", hidden)
    found = verdict(p.show, RUNS, options=("--plugin", lib))
    equal([o["system_calls"] for o in found["objects"] if o["name"] == "libdata.so"], [[]], "calls")


# ------------------------------------------------------------------ the commands

@test
def greenrun_audit_is_greenaudit(p):
    greenrun = os.path.join(BUILD, "greenrun")
    for args in (("--quiet", p.show), ("--json", p.show), ("nosuch-program",), ("--nosuch",),
                 ("--help",)):
        one = audit(*args)
        other = audit("--audit", *args, command=(greenrun,))
        equal((one.returncode, one.stdout, one.stderr),
              (other.returncode, other.stdout, other.stderr), args)
    # Beside this greenrun there is none.
    result = p.run("--audit", p.show)
    equal((result.returncode, result.stdout), (72, b""), "without greenaudit")
    equal(result.stderr.decode().count("\n"), 1, result.stderr)


@test
def scripts_are_audited_by_their_interpreters(p):
    for line in ("#!/usr/bin/python3", "#!/usr/bin/env python3", "#!/usr/bin/env -S A=1 python3"):
        found = verdict(p.file("script", line + "\n"), RUNS, PATH="/usr/bin:/bin")
        equal(os.path.realpath(found["elf"]), os.path.realpath("/usr/bin/python3"), line)
    inner = p.file("inner", "#!/bin/sh\n")
    found = verdict(p.file("outer", f"#!{inner}\n"), RUNS)
    equal(os.path.realpath(found["elf"]), os.path.realpath("/bin/sh"), "a chain")


@test
def names_are_printed_without_control_characters(p):
    os.mkdir(p.path("bad\nname"))
    shutil.copy(p.show, p.path("bad\nname/x"))
    name = p.path("bad\nname/x")
    result = audit("--quiet", name)
    equal((result.returncode, result.stdout.decode()),
          (RUNS, f"{name.replace(chr(10), '?')}: {WORDS[RUNS]}\n"), "text")
    equal(json.loads(audit("--json", name).stdout)["program"], name, "JSON")
