"""The built library, its installation and the set-up of packages."""

import contextlib
import glob
import os
import re
import shutil
import subprocess

from harness import BUILD, CC, LIBRARY, TIMEOUT, TOP, clean_environment, equal, lines, real, test


# ------------------------------------------------------------------ exports

def expand_table():
    """shim/symbols.def by the preprocessor: `row NAME "VERSION" REACH`, `pair ALIAS NAME`."""
    source = ("#define NULL \"\"\n"
              "#define GR_ROW(ret, name, params, args, class, ver, reach) row name ver reach\n"
              "#define GR_ALIAS(target, other) pair other target\n"
              '#include "shim/symbols.def"\n')
    return subprocess.run([CC, "-E", "-P", "-x", "c", "-std=c11", f"-I{TOP}", "-"], check=True,
                          input=source.encode(), capture_output=True,
                          timeout=TIMEOUT).stdout.decode()


def table_rows():
    """Name, version of the real one or "", and reach of every row."""
    return re.findall(r'\brow (\w+) "(.*?)" (\w+)', expand_table())


def table_names():
    """Names that the table exports, and its aliases."""
    return ([name for name, _, reach in table_rows() if reach != "BODY"],
            dict(re.findall(r"\bpair (\w+) (\w+)", expand_table())))


@test
def exports_are_the_table_and_the_api(p):
    real(p)
    out = subprocess.run(["readelf", "--dyn-syms", "-W", os.path.join(BUILD, LIBRARY)],
                         check=True, capture_output=True, timeout=TIMEOUT).stdout.decode()
    defined = {}
    for line in out.splitlines():
        f = line.split()
        if len(f) == 8 and f[0][:-1].isdigit() and f[6] != "UND":
            defined[f[7]] = (f[1], f[3], f[4])
    rows, aliases = table_names()
    expected = set(rows) | set(aliases)
    equal({n for n in defined if not n.startswith("green_")} - expected, set(), "not in the table")
    equal(expected - set(defined), set(), "in the table, not exported")
    equal([n for n in defined if "@" in n], [], "versioned")
    for alias, target in aliases.items():
        equal(defined[alias][:2], defined[target][:2], f"{alias} is {target}")
    equal({n: d[1] for n, d in defined.items() if d[1] != "FUNC"}, {}, "not functions")


@test
def library_needs_no_dynamic_tls(p):
    real(p)
    out = subprocess.run(["readelf", "-rsdW", os.path.join(BUILD, LIBRARY)], check=True,
                         capture_output=True, timeout=TIMEOUT).stdout.decode()
    equal("__tls_get_addr" in out, False, "__tls_get_addr")
    # libgcc_s unwinds through our frames, for pthread_exit and cancellation.
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", out))
    equal({n for n in needed if not n.startswith("ld-linux")}
          - {"libuv.so.1", "libc.so.6", "libgcc_s.so.1"}, set(), "needed libraries")


# ------------------------------------------------------------------ installation

def make(*args):
    return subprocess.run(["make", "-s", "-C", TOP, *args], check=True, capture_output=True,
                          timeout=600, env=clean_environment({"MAKEFLAGS": None, "MFLAGS": None,
                                                              "MAKELEVEL": None}))


MAN3 = [os.path.basename(n) for n in glob.glob(os.path.join(BUILD, "man", "man3", "*.3"))]


def files_below(root):
    return sorted(os.path.relpath(os.path.join(d, n), root)
                  for d, _, names in os.walk(root) for n in names)


PUBLIC = sorted(n for n in os.listdir(os.path.join(TOP, "include", "green")) if n.endswith(".h"))


@contextlib.contextmanager
def installed(p, prefix, *options):
    """Installs from a copy of the build tree: another PREFIX builds the tools again."""
    dest, tree = p.path("dest"), p.path("build")
    os.mkdir(dest)
    os.mkdir(tree)
    shutil.copytree(os.path.join(BUILD, "obj"), os.path.join(tree, "obj"))
    for entry in os.scandir(BUILD):
        if entry.is_file():
            shutil.copy2(entry.path, tree)
    settings = (f"DESTDIR={dest}", f"PREFIX={prefix}", f"B={tree}",
                *options)
    make("install", *settings)
    try:
        yield dest
    finally:
        make("uninstall", *settings)
        left = files_below(dest)
    equal(left, [], "left by uninstall")


@test
def install_and_uninstall(p):
    real(p)
    with installed(p, "/opt/green") as dest:
        seen = files_below(dest)
        below = "opt/green"
        expected = {f"{below}/bin/greenrun", f"{below}/bin/greenaudit",
                    f"{below}/bin/greenshim-report",
                    f"{below}/lib/{LIBRARY}", f"{below}/lib/pkgconfig/greenshim.pc",
                    f"{below}/share/gdb/auto-load/{below}/lib/{LIBRARY}-gdb.py",
                    f"{below}/share/man/man1/greenaudit.1",
                    f"{below}/share/man/man1/greenrun.1",
                    f"{below}/share/man/man7/greenshim.7"}
        expected |= {f"{below}/include/green/{h}" for h in PUBLIC}
        expected |= {f"{below}/share/man/man3/{n}" for n in MAN3}
        equal(expected - set(seen), set(), "missing")
        extra = set(seen) - expected
        equal({e for e in extra if not re.match(below + r"/(bin|share/man/man1)/", e)}, set(),
              "unexpected")
        greenrun = os.path.join(dest, below, "bin", "greenrun")
        result = p.run(p.show, greenrun=greenrun)
        library = os.path.join(dest, below, "lib", LIBRARY)
        equal(lines(result.stdout, "env"), [f"LD_PRELOAD={library}"], "installed greenrun")
        use_from_pkg_config(p, dest, below)


@test
def without_doxygen_the_pages_of_the_headers_are_left_out(p):
    with installed(p, "/opt/green", "DOXYGEN=") as dest:
        manual = files_below(os.path.join(dest, "opt/green/share/man"))
        pages = ["man1/greenaudit.1", "man1/greendump.1", "man1/greenrun.1", "man7/greenshim.7"]
        equal(manual, pages, "pages")


def use_from_pkg_config(p, dest, below):
    env = clean_environment({"PKG_CONFIG_PATH": os.path.join(dest, below, "lib/pkgconfig"),
                             "PKG_CONFIG_SYSROOT_DIR": dest})
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "greenshim"], check=True, env=env,
                           capture_output=True, timeout=TIMEOUT).stdout.decode().split()
    code = "#include <green/green.h>\n#include <stdio.h>\nint main(void) { puts(\"built\"); }\n"
    libdir = os.path.join(dest, below, "lib")
    for language, compiler in (("c", CC), ("c++", "g++")):
        program = p.compile(code, p.path("use-" + language), "-Wl,--no-as-needed", *flags,
                            language=language, compiler=compiler)
        out = subprocess.run([program], check=True, capture_output=True, timeout=TIMEOUT,
                             env=clean_environment({"LD_LIBRARY_PATH": libdir}))
        equal((out.stdout, out.stderr), (b"built\n", b""), language)
        needed = subprocess.run(["readelf", "-d", program], check=True, capture_output=True,
                                timeout=TIMEOUT).stdout
        equal(LIBRARY.encode() in needed, True, "linked by soname")
    for example in sorted(os.listdir(os.path.join(TOP, "tests", "examples"))):
        suffix = os.path.splitext(example)[1]
        libraries = ["-lcurl"] if example == "crawler.c" else []
        for compiler in {".c": (CC,), ".cc": ("g++", "clang++")}.get(suffix, ()):
            subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", "-o", p.path("example"),
                            os.path.join(TOP, "tests", "examples", example), *flags, *libraries],
                           check=True, capture_output=True, timeout=TIMEOUT)


@test
def public_headers_compile_alone(p):
    if not PUBLIC:
        raise AssertionError("no public headers")
    for header in PUBLIC:
        code = f"#include <green/{header}>\n#include <green/{header}>\nint unused;\n"
        for language, standard, compiler in (("c", "c11", "gcc"), ("c", "c11", "clang"),
                                             ("c++", "c++11", "g++"), ("c++", "c++20", "clang++")):
            p.compile(code, p.path("header.o"), "-c", f"-std={standard}", "-Wall", "-Wextra",
                      "-Wpedantic", "-Werror", f"-I{TOP}/include", language=language,
                      compiler=compiler)


# ------------------------------------------------------------------ set-up

@test
def setup_is_silent_when_nothing_is_missing(p):
    result = subprocess.run([os.path.join(TOP, "tools/setup.sh"), "build"], timeout=TIMEOUT,
                            capture_output=True, check=False)
    equal((result.returncode, result.stdout, result.stderr), (0, b"", b""), "setup build")


@test
def setup_without_rights_names_the_command(p):
    tools = p.path("tools")
    shutil.copytree(os.path.join(TOP, "tools"), tools)
    fake = p.path("fakebin")
    os.mkdir(fake)
    # An empty system, and a sudo that refuses.
    for name, script in (("dpkg-query", "exit 1"), ("sudo", "exit 1"), ("apt-get", "exit 1"),
                         ("id", "echo 1000")):
        p.file(f"fakebin/{name}", f"#!/bin/sh\n{script}\n")
    result = subprocess.run([os.path.join(tools, "setup.sh"), "build"], capture_output=True,
                            stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False,
                            env=clean_environment({"PATH": f"{fake}:{os.environ['PATH']}"}))
    equal(result.returncode, 1, "status")
    command = result.stderr.decode().splitlines()[-1].split()
    equal(command[:3], ["apt-get", "install", "--no-install-recommends"], "command")
    needed = {"gcc", "libuv1-dev", "libffi-dev", "libelf-dev", "libdw-dev", "libjansson-dev",
              "libcapstone-dev"}
    equal(needed - set(command), set(), "packages in it")
