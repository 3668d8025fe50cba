#!/usr/bin/python3
"""Runs the conformance programs, natively (the oracle) and under greenshim.

Modes: native, native-bg (TEST_BACKGROUND=8), green (under greenrun; standard output must equal the
native run's), green-bg, nodeep (greenrun --no-deep), harvest (GREENSHIM_TLS=harvest), off
(preloaded with GREENSHIM=off), and first (only programs with a PRELOAD line: our library comes
before theirs, by greenrun after them). With --emulator the programs are another machine's: what
does not pass natively is beyond the emulator, and there is no greenrun (modes native, nodeep and
harvest; body hooks are for x86-64 only).

Lines a source may carry, each a comment of its own:
  MODES: native green ...   only these modes
  TIMEOUT: seconds          hang guard, default 30
  GREEN-ENV: NAME=VALUE     environment of the green modes
  PRELOAD: lib_NAME.so      library of the same directory to preload in every mode
"""

import argparse
import concurrent.futures
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
sys.dont_write_bytecode = True      # no __pycache__ in the source tree

import processes  # noqa: E402

MODES = ["native", "native-bg", "green", "green-bg", "nodeep", "harvest", "off", "first"]
NATIVE = {"native", "native-bg"}
output_lock = threading.Lock()


class Program:
    def __init__(self, source, build):
        self.source = source
        self.name = os.path.splitext(os.path.relpath(source, HERE))[0]
        self.path = os.path.join(build, "tests/conformance", self.name)
        with open(source, encoding="utf-8") as f:
            lines = dict(re.findall(r"^/\* ([A-Z-]+): (.*) \*/$", f.read(), re.M))
        self.timeout = float(lines.get("TIMEOUT", 30))
        self.preload = lines.get("PRELOAD")
        self.green_env = dict(w.split("=", 1) for w in lines.get("GREEN-ENV", "").split())
        self.modes = lines["MODES"].split() if "MODES" in lines else MODES
        if not self.preload:
            self.modes = [m for m in self.modes if m != "first"]


class Runner:
    def __init__(self, args):
        self.args = args
        self.build = os.path.abspath(args.build)
        self.library = os.path.join(self.build, "libgreenshim.so")
        self.greenrun = os.path.join(self.build, "greenrun")
        self.emulator = shlex.split(args.emulator)
        self.passed = self.failed = self.skipped = 0

    def command(self, program, mode):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("GREENSHIM", "TEST_", "LD_"))}
        argv = [program.path]
        preload = []
        if program.preload:
            preload = [os.path.join(os.path.dirname(program.path), program.preload)]
        if mode not in NATIVE and mode != "off":
            env.update(program.green_env)
        if mode.endswith("-bg"):
            env["TEST_BACKGROUND"] = "8"
        if mode == "harvest":
            env["GREENSHIM_TLS"] = "harvest"
        if mode == "off":
            env["GREENSHIM"] = "off"
            preload.insert(0, self.library)
        elif mode == "first":
            preload.insert(0, self.library)
        elif mode not in NATIVE:
            argv = [self.greenrun] + (["--no-deep"] if mode == "nodeep" else []) + ["--"] + argv
        if preload:
            env["LD_PRELOAD"] = ":".join(preload)
        if self.emulator:
            argv = self.emulator + [program.path]
            if mode not in NATIVE:
                env["GREENSHIM_DEEP"] = "0"
                argv[-1:-1] = ["-E", "LD_PRELOAD=" + self.library]
        return argv, env

    def run_one(self, program, mode):
        """One run: (status, stdout, stderr), status None after a hang."""
        argv, env = self.command(program, mode)
        work = tempfile.mkdtemp(prefix="conformance-")
        try:
            with open(work + "/.out", "w+b") as out, open(work + "/.err", "w+b") as err:
                child = subprocess.Popen(argv, env=env, cwd=work, stdin=subprocess.DEVNULL,
                                         stdout=out, stderr=err, start_new_session=True)
                note, hung = "", False
                try:
                    status = child.wait(program.timeout * self.args.slow)
                except subprocess.TimeoutExpired:
                    status, hung = None, True
                    pids = processes.session(child.pid)
                    note = "hang\n" + "\n".join(
                        line for pid in pids[:4] for line in processes.backtraces(pid))
                    processes.kill(pids)
                    child.wait()
                for pid in processes.session(child.pid):
                    processes.kill([pid])
                    if not hung:
                        note += f"left process {pid} behind\n"
                        status = status or 1
                out.seek(0)
                err.seek(0)
                return status, out.read(), err.read().decode(errors="replace") + note
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def report(self, good, name, mode, why=""):
        with output_lock:
            if good:
                self.passed += 1
                print(f"ok {name} [{mode}]{why}", flush=True)
            else:
                self.failed += 1
                first, _, rest = why.partition("\n")
                print(f"not ok {name} [{mode}]: {first}", flush=True)
                if rest.strip() and not self.args.brief:
                    print("\n".join("    " + line for line in rest.splitlines()), flush=True)

    def run_program(self, program):
        native_out = None
        for mode in program.modes:
            if mode not in self.args.modes:
                continue
            for pause in (0.2, 1, 3, 0):
                status, out, err = self.run_one(program, mode)
                if status != 3:
                    break
                time.sleep(pause)  # inconclusive: the machine was busy
            if status == 77:
                with output_lock:
                    self.skipped += 1
                self.report(True, program.name, mode, " # " + out.decode(errors="replace").strip())
                continue
            if self.emulator and mode == "native" and status != 0:
                with output_lock:
                    self.skipped += 1
                self.report(True, program.name, mode, " # not possible in the emulator")
                break
            why = None
            if status is None:
                why = "hang; " + err.strip()
            elif status != 0:
                why = f"exit status {status}; {err.strip()}"
            elif mode == "native":
                native_out = out
            elif mode == "green" and native_out is not None and out != native_out:
                why = f"standard output differs: native {native_out!r}, green {out!r}"
            elif mode not in NATIVE and err:
                why = f"standard error: {err.strip()}"
            self.report(why is None, program.name, mode, why or "")

    def main(self, programs):
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            for result in [pool.submit(self.run_program, p) for p in programs]:
                result.result()
        print(f"# {self.skipped} skipped")
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0


def main():
    parser = argparse.ArgumentParser(description="Run the conformance programs.")
    parser.add_argument("-k", default="", help="only programs whose name contains one of these")
    parser.add_argument("--emulator", default="", help="command that runs programs of this build")
    parser.add_argument("--build", default=os.path.join(TOP, "build"), help="build directory")
    parser.add_argument("--modes", default=",".join(MODES), help="comma separated")
    parser.add_argument("--native-only", action="store_true", help="modes native and native-bg")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("--slow", type=float, default=1, help="factor on every hang guard")
    parser.add_argument("--repeat", type=int, default=1, help="run everything this many times")
    parser.add_argument("--brief", action="store_true", help="one line per failure")
    args = parser.parse_args()
    args.modes = ["native", "native-bg"] if args.native_only else args.modes.split(",")

    sources = []
    for folder, _, names in os.walk(HERE):
        sources += [os.path.join(folder, n) for n in names
                    if n.endswith((".c", ".cc")) and not n.startswith("lib_")]
    programs = [Program(s, os.path.abspath(args.build)) for s in sorted(sources)]
    programs = [p for p in programs if any(k in p.name for k in args.k.split(","))] * args.repeat
    missing = [p.name for p in programs if not os.access(p.path, os.X_OK)]
    if missing:
        print("not ok conformance: not built: " + " ".join(missing))
        print(f"0 passed, {len(missing)} failed")
        return 1
    return Runner(args).main(programs)


if __name__ == "__main__":
    sys.exit(main())
