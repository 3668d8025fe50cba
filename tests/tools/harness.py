"""What the tests of the tools share: fixtures, helpers and the list of tests."""

import os
import shutil
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build")
LIBRARY = "libgreenshim.so"
CC = os.environ.get("CC", "gcc")
NOBODY = 65534
ROOT = os.geteuid() == 0
TIMEOUT = 120

TESTS = []


class Skip(Exception):
    """The machine cannot run this test; the reason is the argument."""


def test(function):
    TESTS.append(function)
    return function


# Prints what a program can see of how it was started.
SHOW = r"""
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv)
{
    printf("pid %d\n", getpid());
    for (int i = 0; i < argc; i++)
        printf("arg %s\n", argv[i]);
    for (char **e = environ; *e; e++)
        if (!strncmp(*e, "LD_PRELOAD", 10) || !strncmp(*e, "GREENSHIM", 9))
            printf("env %s\n", *e);
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *d; (d = readdir(dir));)
        if (d->d_name[0] != '.' && atoi(d->d_name) != dirfd(dir))
            printf("fd %s\n", d->d_name);
    char line[4096];
    int loaded = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof(line), maps))
        loaded |= strstr(line, "/libgreenshim.so") != NULL;
    fclose(maps);
    printf("loaded %d\n", loaded);
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof(line), status))
        if ((!strncmp(line, "Sig", 3) && line[3] != 'Q') || !strncmp(line, "Uid", 3))
            printf("status %s", line);
    return 0;
}
"""


class Place:
    """A directory with greenrun beside a library of the right name that does nothing."""

    def __init__(self, root):
        self.root = root
        self.bin = os.path.join(root, "bin")
        os.mkdir(self.bin)
        self.greenrun = os.path.join(self.bin, "greenrun")
        self.library = os.path.join(self.bin, LIBRARY)
        shutil.copy(os.path.join(BUILD, "greenrun"), self.greenrun)
        self.compile("int nothing;", self.library, "-shared", "-fPIC")
        self.show = self.compile(SHOW, os.path.join(root, "show"))
        os.chmod(root, 0o755)

    def path(self, name):
        return os.path.join(self.root, name)

    def compile(self, code, out, *flags, language="c", compiler=CC):
        command = [compiler, "-x", language, "-o", out, "-", "-x", "none", *flags]
        subprocess.run(command, input=code.encode(), check=True, timeout=TIMEOUT)
        return out

    def file(self, name, content, mode=0o755):
        path = self.path(name)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def patched(self, name, *replacements):
        """A copy of the show program with bytes replaced by as many others."""
        with open(self.show, "rb") as f:
            content = f.read()
        for old, new in replacements:
            assert len(old) == len(new) and old in content
            content = content.replace(old, new, 1)
        return self.file(name, content)

    def run(self, *args, greenrun=None, wrap=(), **kwargs):
        kwargs.setdefault("timeout", TIMEOUT)
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        if "input" in kwargs:
            del kwargs["stdin"]
        kwargs["env"] = clean_environment(kwargs.pop("env", {}))
        command = [*wrap, greenrun or self.greenrun, *args]
        return subprocess.run(command, capture_output=True, **kwargs)


def clean_environment(extra):
    env = {k: v for k, v in os.environ.items()
           if k != "LD_PRELOAD" and not k.startswith("GREENSHIM")}
    env.update(extra)
    return {k: v for k, v in env.items() if v is not None}


def equal(seen, expected, what=""):
    if seen != expected:
        raise AssertionError(f"{what}: saw {seen!r}, expected {expected!r}")


def lines(output, key):
    prefix = key.encode() + b" "
    return [l[len(prefix):].decode() for l in output.splitlines() if l.startswith(prefix)]


def refused(result, status, *words):
    """greenrun started nothing: its status, one line on standard error, nothing on output."""
    text = result.stderr.decode()
    equal(result.returncode, status, f"status ({text.strip()})")
    equal(result.stdout, b"", "standard output")
    equal(text.count("\n"), 1, f"lines on standard error {text!r}")
    if not text.startswith("greenrun: "):
        raise AssertionError(f"no greenrun: prefix: {text!r}")
    for word in words:
        if word not in text:
            raise AssertionError(f"{word!r} is not in {text!r}")


def accepted(result):
    equal((result.returncode, result.stdout, result.stderr), (0, b"", b""), "check")


def real(p):
    if not os.path.exists(os.path.join(BUILD, LIBRARY)):
        raise AssertionError(f"build/{LIBRARY} does not exist")
    return os.path.join(BUILD, "greenrun")
