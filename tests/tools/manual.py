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
    pages = sorted(glob.glob(os.path.join(PAGES, "man3", "*.3")) +
                   glob.glob(os.path.join(TOP, "tools", "*.[0-9]")))
    equal(output("mandoc", "-T", "lint", "-W", "error", *pages, cwd=PAGES), "", "mandoc")
    whole = [page for page in pages if not read(page).startswith(".so")]
    equal(len(whole) > len(HEADERS), True, "a page for each header")
    for page in whole:
        warnings = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], timeout=TIMEOUT,
                                  stdin=subprocess.DEVNULL, capture_output=True, check=True).stderr
        equal(warnings.decode(), "", f"man -l {page}")
