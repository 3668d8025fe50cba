"""greenaudit with damaged ELF files: one clear line for each, whatever is in them."""

import json
import os
import random
import struct
import subprocess
import time

from audit import AUDIT, BAD, CALL, THREAD, library
from harness import clean_environment, equal, test

CASES = 150
# Seconds to go on for, from the seed that the second one names.
SECONDS = int(os.environ.get("AUDIT_FUZZ_SECONDS", "0"))
FIRST = int(os.environ.get("AUDIT_FUZZ_SEED", "0"))
# Another build of it, with a sanitizer.
TOOL = os.environ.get("AUDIT_FUZZ_TOOL", AUDIT)
HANG = 60

NUMBERS = [0, 1, 2, 7, 8, 0x7f, 0xff, 0x100, 0xfff, 0x1000, 0x7fff, 0x8000, 0xffff, 0x10000,
           0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff, 0x100000000, 0x7fffffffffffffff,
           0x8000000000000000, 0xfffffffffffffff8, 0xffffffffffffffff]


class Elf:
    """Where things are in the file that is damaged."""

    def __init__(self, content):
        self.content = content
        self.phoff, self.shoff = struct.unpack_from("<QQ", content, 32)
        self.phnum = struct.unpack_from("<H", content, 56)[0]
        self.shnum = struct.unpack_from("<H", content, 60)[0]
        self.tables = []  # of what the loader reads: sections with dynamic types
        for i in range(self.shnum):
            kind = struct.unpack_from("<I", content, self.shoff + 64 * i + 4)[0]
            offset, size = struct.unpack_from("<QQ", content, self.shoff + 64 * i + 24)
            if kind in (3, 5, 6, 11, 0x6ffffff6, 0x6ffffffd, 0x6ffffffe, 0x6fffffff) and size:
                self.tables.append((offset, size))


def put(content, at, value, r):
    size = r.choice((1, 2, 4, 8))
    at = max(0, min(at, len(content) - size))
    content[at:at + size] = (value & ((1 << (8 * size)) - 1)).to_bytes(size, "little")


def value_of(r, content):
    return r.choice((r.choice(NUMBERS), r.randrange(len(content)), r.getrandbits(64),
                     len(content) - r.randrange(64), r.randrange(256)))


def damage(elf, r):
    content = bytearray(elf.content)
    for _ in range(r.choice((1, 1, 1, 2, 4, 16))):
        kind = r.randrange(8)
        if kind == 0:
            del content[r.randrange(len(content)):]
            if not content:
                return bytes(content)
        elif kind == 1:
            for _ in range(r.randrange(1, 64)):
                content[r.randrange(len(content))] ^= 1 << r.randrange(8)
        elif kind == 2:
            put(content, r.randrange(64), value_of(r, content), r)
        elif kind == 3:
            put(content, elf.phoff + r.randrange(56 * elf.phnum), value_of(r, content), r)
        elif kind == 4:
            put(content, elf.shoff + r.randrange(64 * elf.shnum), value_of(r, content), r)
        elif kind in (5, 6):
            offset, size = r.choice(elf.tables)
            put(content, offset + r.randrange(size), value_of(r, content), r)
        else:
            offset, size = r.choice(elf.tables)
            if offset + size <= len(content):
                content[offset:offset + size] = r.randbytes(size)
    return bytes(content)


def check(seed, options, name):
    result = subprocess.run([TOOL, *options, name], capture_output=True, timeout=HANG, check=False,
                            stdin=subprocess.DEVNULL, env=clean_environment({}))
    out, err = result.stdout.decode(), result.stderr.decode(errors="replace")
    what = f"seed {seed}: status {result.returncode}: {err[-2000:]}"
    equal(result.returncode in range(BAD + 1), True, what)
    if result.returncode == BAD:
        equal((out, err.count("\n"), err.startswith("greenaudit: ")), ("", 1, True), what)
        return
    equal(err, "", what)
    if "--json" in options:
        found = json.loads(out)
        equal((found["status"], "\n" in found["text"]), (result.returncode, False), what)
        return
    lines = out.splitlines()
    equal([line for line in lines if line.startswith(f"{name}: will ")], lines[-1:], what)


def bases(p):
    call = CALL % 202 if CALL else ""
    plugin = library(p, "plugin.so", "#include <pthread.h>\n__thread int own;\n" + call +
                     "int make(void) { pthread_t t; return own + pthread_create(&t, 0, 0, 0); }")
    program = p.compile(THREAD, p.path("program"), "-pthread", "-Wl,--no-as-needed", plugin,
                        f"-Wl,-rpath,$ORIGIN:{p.root}", "-Wl,--disable-new-dtags")
    for path in (program, plugin):
        with open(path, "rb") as f:
            yield path, Elf(f.read())


@test
def damaged_files_get_one_clear_line(p):
    files = list(bases(p))
    ends = time.monotonic() + SECONDS
    seed = FIRST
    while (time.monotonic() < ends) if SECONDS else seed < FIRST + CASES:
        r = random.Random(seed)
        path, elf = files[seed % 2]
        broken = p.file("broken", damage(elf, r))
        options = ("--json",) if r.randrange(4) == 0 else ()
        if path.endswith(".so") and r.randrange(4):
            check(seed, (*options, "--plugin", broken), p.show)
        else:
            check(seed, options, broken)
        seed += 1
    if SECONDS:
        print(f"{seed - FIRST} files, seeds {FIRST} to {seed - 1}")
