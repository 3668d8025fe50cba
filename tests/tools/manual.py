"""The manual: pages of the headers, and what is quoted in it."""

import glob
import os
import re
import subprocess

from harness import BUILD, TIMEOUT, TOP, equal, test

HEADERS = sorted(glob.glob(os.path.join(TOP, "include/green/*.h")))
PAGES = os.path.join(BUILD, "man")


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as f:
        return f.read()


def functions():
    """Header, name and what stands before it, of each public function."""
    for header in HEADERS:
        for head, name in re.findall(r"^GREEN_API ([^;(]*?)(\w+)\(", read(header), re.M):
            yield os.path.basename(header), name, head.strip()


def output(*command, **kwargs):
    """What a command says."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          timeout=TIMEOUT, **kwargs)
    return done.stdout.decode() + done.stderr.decode()


@test
def every_function_is_described(p):
    seen = {}
    for header, name, returns in functions():
        page = read(PAGES, "man3", f"green_{header}.3")
        found = re.search(rf'^\.SS "(?:[^"]*\W)?{name} \([^"]*"\n(.*?)^\.S[SH]', page, re.M | re.S)
        equal(bool(found), True, f"{name} has an entry")
        ends = "noreturn" in re.search(rf"\b{name}\([^;]*;", read("include/green", header))[0]
        for part in ("Returns", "Switches"):
            wanted = returns != "void" if part == "Returns" else not ends
            equal(f"\\fB{part}\\fP" in found[1], wanted, f"{name}: {part}")
        text = re.split(r"^\\fB", found[1], maxsplit=1, flags=re.M)[0].replace(".PP", "").strip()
        equal(bool(text) or returns != "void", True, f"{name}: what it does")
        seen[name] = read(PAGES, "man3", f"{name}.3")
        equal(seen[name], f".so man3/green_{header}.3\n", name)
    equal(len(seen) > 80, True, "functions")


@test
def comments_of_the_headers_are_understood(p):
    equal(output("/usr/bin/python3", os.path.join(TOP, "tools/man3.py"), p.path("man3")), "",
          "doxygen says")
    equal(sorted(os.listdir(p.path("man3"))),
          sorted(n for n in os.listdir(os.path.join(PAGES, "man3")) if n != "made"), "pages")


@test
def pages_are_well_formed(p):
    pages = sorted(glob.glob(os.path.join(PAGES, "man*", "*.[37]")) +
                   glob.glob(os.path.join(TOP, "tools", "*.[0-9]")))
    equal(output("mandoc", "-T", "lint", "-W", "error", *pages, cwd=PAGES), "", "mandoc")
    whole = [page for page in pages if not read(page).startswith(".so")]
    equal(len(whole) > len(HEADERS), True, "a page for each header")
    for page in whole:
        warnings = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], timeout=TIMEOUT,
                                  stdin=subprocess.DEVNULL, capture_output=True, check=True).stderr
        equal(warnings.decode(), "", f"man -l {page}")


# ------------------------------------------------------------------ what is like gevent's

MANUAL = "tools/greenshim.7.in"
SWEEP = os.path.join(TOP, "tests/unit/sweep.h")


def rows():
    """The tables of features: file, ours, tests."""
    for path, before in ((MANUAL, ""), ("README.md", "| ")):
        for line in read(path).splitlines():
            cells = [cell.strip() for cell in line.removeprefix(before).split(" | ")]
            if len(cells) == 3 and line.startswith(before) and "/" in cells[2]:
                yield path, cells[1], cells[2].rstrip(" |").replace("`", "")


def known_tests():
    """SUITE/NAME of unit tests, FOLDER/... of the others."""
    known = set()
    for path in glob.glob(os.path.join(TOP, "tests/unit/*.c")):
        known |= {f"{s}/{n}" for s, n in re.findall(r"^Test\((\w+), (\w+)", read(path), re.M)}
        for suite in re.findall(r"^SWEEP\((\w+)", read(path), re.M):
            known |= {f"{suite}/{n}" for n in re.findall(r"Test\(suite, (\w+)", read(SWEEP))}
    for folder in ("conformance", "examples"):
        for path in glob.glob(os.path.join(TOP, "tests", folder, "**", "*.c*"), recursive=True):
            known.add(os.path.splitext(os.path.relpath(path, os.path.join(TOP, "tests")))[0])
    for path in glob.glob(os.path.join(TOP, "tests/tools/*.py")):
        known |= {f"tools/{n}" for n in re.findall(r"^@test\ndef (\w+)", read(path), re.M)}
    for path in glob.glob(os.path.join(TOP, "tests/apps/*.py")):
        known |= {f"apps/{n}" for n in re.findall(r"^    name = '(\w+)'", read(path), re.M)}
    return known


@test
def what_the_tables_name_exists(p):
    words = set().union(*(re.findall(r"\w+", read(h)) for h in HEADERS))
    known = known_tests()
    seen = list(rows())
    equal({path for path, _, _ in seen}, {MANUAL, "README.md"}, "files with rows")
    for path, ours, tests in seen:
        equal(set(re.findall(r"\b(?:green|GREEN)_\w+", ours)) - words, set(), f"{path}: calls")
        equal(set(tests.split()) - known, set(), f"{path}: tests for {ours}")


@test
def every_function_is_in_the_table(p):
    """By its name, or by that of the object it makes, ends or looks at."""
    named = set(re.findall(r"green_\w+", read(MANUAL)))
    missing = {name for _, name, _ in functions()} - named
    missing -= {n for n in missing if n.endswith(("_free", "_object", "_ref", "_unref"))}
    equal(missing - {"green_version", "green_link_count", "green_ready"}, set(), "not in the table")


@test
def every_header_is_in_the_manual(p):
    for header in HEADERS:
        if os.path.basename(header) != "base.h":
            equal(f"green_{os.path.basename(header)} (3)" in read(MANUAL), True, header)
