"""The program waits.c, whose threads each wait for something of their own."""

import os
import subprocess

from harness import BUILD, TIMEOUT, TOP, clean_environment

SOURCE = os.path.join(TOP, "tests/tools/waits.c")

# What the threads of each name are in.
FUNCTIONS = {name: f"wait_in_{name}" for name in (
    "sleep", "mutex", "cond", "sem", "rwlock", "barrier", "join", "read", "recv", "accept", "poll",
    "select", "waitpid", "wait", "flock", "sigwait")}


def compile_waits(p):
    with open(SOURCE, encoding="utf-8") as f:
        code = '#line 1 "waits.c"\n' + f.read()
    return p.compile(code, p.path("waits"), "-D_GNU_SOURCE", "-g", "-O1", "-pthread")


class Waits:
    """The program under greenrun, once everybody waits; `facts` is what it has said."""

    def __init__(self, p, *arguments, options=(), env=None, wrap=(), greenrun=None, **kwargs):
        self.program = compile_waits(p)
        argv = [*wrap, greenrun or os.path.join(BUILD, "greenrun"), *options, self.program]
        self.child = subprocess.Popen(
            [*argv, *arguments], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            env=clean_environment(env or {}), **kwargs)
        self.pid = self.child.pid
        self.facts = {}
        for line in self.child.stdout:
            words = line.split()
            if words == ["arranged"]:
                break
            self.facts[words[0]] = words[1:]
        self.sleeper = 2            # the first that is made

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.child.kill()
        self.child.stdout.close()
        self.child.wait(TIMEOUT)
