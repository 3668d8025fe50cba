"""What greenrun refuses to start, and with which status."""

import os
import re
import shutil
import struct
import subprocess

from harness import (LIBRARY, NOBODY, ROOT, TIMEOUT, Skip, accepted, clean_environment, equal,
                     lines, refused, test)


def both(p, status, path, *words, **kwargs):
    """Refused when started and when only checked."""
    refused(p.run(path, **kwargs), status, path, *words)
    refused(p.run("--check", path, **kwargs), status, path, *words)


@test
def not_found(p):
    both(p, 127, "nosuch-program", "not found")
    both(p, 127, p.path("nosuch"), "not found")
    both(p, 127, p.show + "/below", "not found")
    refused(p.run(""), 127, "not found")
    both(p, 127, "show", env={"PATH": "/nonexistent"})


@test
def not_executable(p):
    both(p, 126, p.file("plain", "#!/bin/sh\n", 0o644), "chmod")
    both(p, 126, p.root, "directory")
    both(p, 126, "/dev/null")


@test
def path_lookup_is_that_of_execvp(p):
    first = os.path.join(p.root, "first")
    os.makedirs(os.path.join(first, "tool"))          # a directory of that name
    second = os.path.join(p.root, "second")
    os.mkdir(second)
    with open(os.path.join(second, "tool"), "w", encoding="ascii") as f:
        f.write("x")                                  # not executable
    both(p, 126, "tool", env={"PATH": f"{first}:{second}"})
    shutil.copy(p.show, p.path("tool"))
    result = p.run("tool", env={"PATH": f"{first}:{second}:{p.root}"})
    equal(lines(result.stdout, "arg"), ["tool"], "the third is taken")
    result = p.run("tool", env={"PATH": f"{first}:"}, cwd=p.root)
    equal(lines(result.stdout, "arg"), ["tool"], "an empty element is the current directory")
    equal(p.run("true", env={"PATH": None}).returncode, 0, "without PATH")
    if not ROOT:
        os.chmod(second, 0)  # not even searchable: as if it were empty
        both(p, 127, "nosuch-tool", env={"PATH": f"{second}"})
        os.chmod(second, 0o755)


@test
def not_elf(p):
    both(p, 65, p.file("text", "hello\n"), "#!")
    both(p, 65, p.file("empty", b""), "#!")
    both(p, 65, p.file("bare", "#!\n"), "interpreter")


@test
def damaged_elf(p):
    with open(p.show, "rb") as f:
        head = f.read(48)
    both(p, 65, p.file("cut", head), "damaged")
    both(p, 65, p.file("cut4", b"\x7fELF"), "damaged")
    # Program headers beyond the end of the file.
    with open(p.show, "rb") as f:
        content = bytearray(f.read())
    struct.pack_into("<Q", content, 32, len(content) + 4096)
    both(p, 65, p.file("far", bytes(content)), "damaged")
    content[32:40] = struct.pack("<Q", (1 << 64) - 8)
    both(p, 65, p.file("wrap", bytes(content)), "damaged")


@test
def object_file_is_not_a_program(p):
    path = p.compile("int x;", p.path("x.o"), "-c")
    os.chmod(path, 0o755)
    both(p, 65, path, "not a program")


@test
def static_program(p):
    main = "int main(void) { return 0; }"
    both(p, 67, p.compile(main, p.path("static"), "-static"), "static")
    both(p, 67, p.compile(main, p.path("static-pie"), "-static-pie"), "static")


@test
def program_of_32_bits(p):
    header = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    header += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    header += struct.pack("<8I", 1, 0, 0x8048000, 0x8048000, 84, 84, 5, 4096)
    both(p, 69, p.file("small", header), "32-bit")


@test
def program_for_another_processor(p):
    with open(p.show, "rb") as f:
        content = bytearray(f.read())
    struct.pack_into("<H", content, 18, 243)
    both(p, 69, p.file("riscv", bytes(content)), "processor", "243")


@test
def program_of_another_libc(p):
    loader = re.search(rb"/lib[^\0]*/ld-linux[^\0]*\0", open(p.show, "rb").read()).group()
    musl = b"/lib/ld-musl-x86_64.so.1".ljust(len(loader), b"\0")
    both(p, 70, p.patched("musl", (loader, musl)), "/lib/ld-musl-x86_64.so.1", "glibc")
    other = loader[:-2] + b"9\0"
    both(p, 127, p.patched("future", (loader, other)), other[:-1].decode(), "missing")


@test
def go_program(p):
    code = '__attribute__((section(".go.buildinfo"), used)) static char info[] = "go1.19";' \
           "int main(void) { return 0; }"
    both(p, 73, p.compile(code, p.path("gopher")), "Go")


@test
def already_preloaded(p):
    other = p.compile("int other;", p.path("liba.so"), "-shared", "-fPIC")
    for value in (p.library, f"{other}:{p.library}", f"{p.library} {other}"):
        refused(p.run("--check", p.show, env={"LD_PRELOAD": value}), 71, p.library, "--no-follow")
    refused(p.run(p.greenrun, p.show), 71, p.library)
    likely = shutil.copy(other, p.path(f"not{LIBRARY}"))
    old = shutil.copy(other, p.path(f"{LIBRARY}.old"))
    accepted(p.run("--check", p.show, env={"LD_PRELOAD": f"{likely}:{old}"}))


@test
def script_with_good_interpreter(p):
    script = p.file("ok.sh", "#! /bin/sh -e\necho \"$0 $1\"\n")
    equal(p.run(script, "x").stdout.decode(), f"{script} x\n", "output")
    python = p.file("ok.py", "#!/usr/bin/env python3\nprint('hello')\n")
    equal(p.run(python).stdout, b"hello\n", "output")
    split = p.file("split.py", "#!/usr/bin/env -S A=1 python3 -u\nprint('split')\n")
    equal(p.run(split).stdout, b"split\n", "output")
    inner = p.file("inner", "#!/bin/sh\necho inner\n")
    middle = p.file("middle", f"#!{inner}\n")
    equal(p.run(p.file("outer", f"#!{middle}\n")).stdout, b"inner\n", "a chain of scripts")


@test
def script_with_bad_interpreter(p):
    main = "int main(void) { return 0; }"
    static = p.compile(main, p.path("static-sh"), "-static")
    both(p, 66, p.file("s1", "#!/no/such/interpreter\n"), "/no/such/interpreter", "not found")
    both(p, 66, p.file("s2", f"#!{static} -x\n"), static, "static")
    both(p, 66, p.file("s3", f"#!{p.path('s2')}\n"), static, "static")
    both(p, 66, p.file("s4", "#!/usr/bin/env nosuch-interpreter\n"), "nosuch-interpreter")
    both(p, 66, p.file("s5", f"#!/usr/bin/env {static}\n"), static)
    both(p, 66, p.file("s6", f"#!/usr/bin/env -S{static} -x\n"), static)
    both(p, 66, p.file("s7", f"#!{p.root}\n"), "directory")


@test
def script_that_is_its_own_interpreter(p):
    loop = p.path("loop")
    both(p, 66, p.file("loop", f"#!{loop}\n"), "too many")


def nosuid(path):
    return os.statvfs(path).f_flag & os.ST_NOSUID


def as_nobody(*more):
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *more]


@test
def set_user_id_program(p):
    if not ROOT or nosuid(p.root):
        raise Skip("needs root and a file system without nosuid")
    program = p.patched("setuid")
    os.chmod(program, 0o4755)
    refused(p.run(program, wrap=as_nobody()), 68, "set-user-ID")
    accepted(p.run("--check", program, wrap=as_nobody("--no-new-privs")))
    accepted(p.run("--check", program))
    os.chown(program, NOBODY, 0)
    os.chmod(program, 0o4755)
    accepted(p.run("--check", program, wrap=as_nobody()))
    refused(p.run("--check", program), 68, "set-user-ID")


@test
def set_user_id_program_of_the_system(p):
    path = shutil.which("su")
    if ROOT or not path or not os.stat(path).st_mode & 0o4000 or nosuid(path):
        raise Skip("needs a user who is not root, and a set-user-ID su")
    both(p, 68, path, "set-user-ID")


@test
def set_group_id_program(p):
    if not ROOT or nosuid(p.root):
        raise Skip("needs root and a file system without nosuid")
    program = p.patched("setgid")
    os.chmod(program, 0o2755)
    refused(p.run(program, wrap=as_nobody()), 68, "set-group-ID")
    os.chmod(program, 0o2745)  # without group execute the bit means something else
    accepted(p.run("--check", program, wrap=as_nobody()))


@test
def what_greenrun_calls_privileged_the_loader_ignores(p):
    if not ROOT or nosuid(p.root):
        raise Skip("needs root and a file system without nosuid")
    program = p.patched("oracle")
    for mode in (0o755, 0o4755, 0o2755, 0o6755, 0o2745):
        os.chmod(program, mode)
        for wrap in ([], as_nobody(), as_nobody("--no-new-privs")):
            checked = p.run("--check", program, wrap=wrap).returncode == 0
            native = subprocess.run([*wrap, program], capture_output=True, timeout=TIMEOUT,
                                    check=True, env=clean_environment({"LD_PRELOAD": p.library}))
            equal(checked, lines(native.stdout, "loaded") == ["1"], f"mode {mode:o} {wrap}")


@test
def program_with_file_capabilities(p):
    if not ROOT or nosuid(p.root):
        raise Skip("needs root and a file system without nosuid")
    program = p.patched("capable")
    try:
        os.setxattr(program, "security.capability",
                    struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
    except OSError as e:
        raise Skip(f"no file capabilities here: {e}") from e
    refused(p.run(program, wrap=as_nobody()), 68, "capabilities")
    accepted(p.run("--check", program))


@test
def unreadable_program_still_runs(p):
    if not ROOT:
        raise Skip("needs root")
    program = p.patched("secret")
    os.chmod(program, 0o711)
    equal(lines(p.run(program, wrap=as_nobody()).stdout, "loaded"), ["1"], "library loaded")
