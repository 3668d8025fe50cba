"""The program sweep.c, which interrupts every call of libc's that waits, at every switch."""

import os
import subprocess

from harness import BUILD, TIMEOUT, TOP, clean_environment, equal, real, test

SOURCE = os.path.join(TOP, "tests/tools/sweep.c")


@test
def interrupted_calls_of_libc_lose_nothing(p):
    real(p)
    with open(SOURCE, encoding="utf-8") as f:
        code = '#line 1 "sweep.c"\n' + f.read()
    sweep = p.compile(code, p.path("sweep"), "-D_GNU_SOURCE", "-g", "-pthread", f"-I{TOP}/include",
                      f"-L{BUILD}", "-lgreenshim", "-lresolv", "-lrt", f"-Wl,-rpath,{BUILD}")
    for tls in ("clone", "harvest"):
        out = subprocess.run([sweep], capture_output=True, timeout=TIMEOUT, text=True,
                             env=clean_environment({"GREENSHIM_TLS": tls}))
        equal((out.returncode, out.stderr), (0, ""), out.stdout)
        equal(out.stdout.split()[-1], "getaddrinfo")
