#!/usr/bin/python3
"""Runs random plans natively and under greenshim: both must print the same.

    run.py                     some fixed seeds, then new ones for --seconds (90)
    run.py --minutes 30        longer
    run.py --seed 123          this one, in every mode
    run.py --seed 123 --shrink drops steps while it still fails
    run.py --seed 123 --repeat 100

A failure prints how to run it again. A hang prints what every green waits for.
"""

import argparse
import concurrent.futures
import difflib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import processes  # pylint: disable=wrong-import-position

FIXED = range(1, 61)
# Mode: greenrun's options (None: no greenrun), the plan's.
MODES = {
    "native": (None, []),
    "green": ([], []),
    "nodeep": (["--no-deep"], ["shallow"]),
}


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def problem(self):
        """One line, or None; more lines for a hang."""
        if self.status == "hang":
            return "hang\n" + self.err
        if self.status:
            return f"exit status {self.status}: {self.err.strip()}"
        return "standard error: " + self.err.strip() if self.err else None


class Runner:
    def __init__(self, args):
        self.args = args
        self.program = os.path.join(args.build, "tests/random/plan")
        self.lock = threading.Lock()
        self.passed = self.failed = 0
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith(("GREENSHIM", "TEST_", "LD_"))}

    def command(self, seed, mode, only=(), native=False):
        wrap, extra = MODES[mode]
        argv = [self.program, str(seed)] + extra
        if only:
            argv.append("only=" + ",".join(map(str, only)))
        if wrap is not None and not native:
            argv = [os.path.join(self.args.build, "greenrun")] + wrap + ["--"] + argv
        return argv

    def run(self, argv, trace=True):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=err, start_new_session=True)
            note = ""
            try:
                status = child.wait(self.args.timeout)
            except subprocess.TimeoutExpired:
                status = "hang"
                if trace:
                    note = "\n".join(line for pid in processes.session(child.pid)[:4]
                                     for line in processes.backtraces(pid))
            left = processes.session(child.pid)
            processes.kill(left)
            if left and status == 0:
                note = f"left processes {left}"
            child.wait()
            out.seek(0)
            err.seek(0)
            return Result(status, out.read().decode(errors="replace"),
                          err.read().decode(errors="replace") + note)

    def compare(self, seed, mode, only=(), trace=True):
        """What is wrong with this seed in this mode; None: nothing."""
        native = self.run(self.command(seed, mode, only, native=True), trace)
        if native.problem():
            return "natively: " + native.problem()
        if mode == "native":
            return None
        green = self.run(self.command(seed, mode, only), trace)
        if green.problem() or green.out == native.out:
            return green.problem()
        lines = difflib.unified_diff(native.out.splitlines(), green.out.splitlines(), "native",
                                     mode, lineterm="", n=0)
        return "output differs\n" + "\n".join(list(lines)[:20])

    def check(self, seed, mode):
        problem = self.compare(seed, mode)
        with self.lock:
            if problem is None:
                self.passed += 1
                return
            self.failed += 1
            first, _, rest = problem.partition("\n")
            print(f"not ok random {seed} [{mode}]: {first}")
            if rest:
                print("\n".join("    " + line for line in rest.splitlines()))
            print(f"    again: {' '.join(self.command(seed, mode))}")
            print(f"    with fewer steps: tests/random/run.py --seed {seed} --modes {mode} "
                  "--shrink", flush=True)

    def modes_of(self, seed):
        """The green mode for each seed; for some, one that waits in libc less."""
        modes = self.args.modes
        if self.args.seed is None and len(modes) > 1:
            modes = [modes[-1]] if seed % 3 == 0 else modes[:-1]
        return modes

    def seeds(self):
        """Fixed ones, then new ones until the time is up."""
        if self.args.seed is not None:
            for _ in range(self.args.repeat):
                yield self.args.seed
            return
        if self.args.first is None:
            yield from FIXED
            first = random.SystemRandom().randrange(1000, 10 ** 9)
        else:
            first = self.args.first
        end = time.monotonic() + self.args.seconds
        seed = first
        while time.monotonic() < end and seed - first < self.args.count:
            yield seed
            seed += 1
        print(f"# seeds {first} to {seed - 1}", flush=True)

    def run_all(self):
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            slots = threading.Semaphore(self.args.jobs * 2)

            def one(seed, mode):
                try:
                    self.check(seed, mode)
                finally:
                    slots.release()

            futures = []
            for seed in self.seeds():
                for mode in self.modes_of(seed):
                    slots.acquire()
                    futures.append(pool.submit(one, seed, mode))
            for future in futures:
                future.result()
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0

    def fails(self, seed, mode, only=()):
        for _ in range(self.args.repeat):
            problem = self.compare(seed, mode, only, trace=False)
            if problem:
                return problem
        return None

    def shrink(self, seed, mode):
        """Leaves out steps, in ever smaller blocks, while what remains still fails."""
        plan = self.run([self.program, str(seed), "print"] + MODES[mode][1]).out
        steps = sorted({int(line.split()[3]) for line in plan.splitlines()})
        if not self.fails(seed, mode):
            print(f"seed {seed} passes in mode {mode}")
            return 0
        kept, size = steps, (len(steps) + 1) // 2
        while size > 0:
            at = len(kept)
            while at > 0:
                rest = kept[:max(0, at - size)] + kept[at:]
                problem = rest and self.fails(seed, mode, rest)
                if problem:
                    kept = rest
                    print(f"# {len(kept)} steps: {problem.splitlines()[0][:150]}", flush=True)
                at = min(at - size, len(kept))
            size //= 2
        print(" ".join(self.command(seed, mode, kept)))
        native = self.command(seed, mode, kept, native=True)
        print(self.run(native + ["print"]).out)
        return 1


def main():
    parser = argparse.ArgumentParser(description="Run random plans.")
    parser.add_argument("--build", default=os.path.join(TOP, "build"), help="build directory")
    parser.add_argument("--modes", default=",".join(MODES), help="comma separated")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--repeat", type=int, default=1, help="runs of that one, or of each trial")
    parser.add_argument("--shrink", action="store_true", help="leave out steps of that one")
    parser.add_argument("--first", type=int, help="no fixed seeds; new ones from here on")
    parser.add_argument("--count", type=int, default=10 ** 9, help="at most so many new seeds")
    parser.add_argument("--seconds", type=float, default=90, help="of new seeds")
    parser.add_argument("--minutes", type=float, help="the same in minutes")
    parser.add_argument("--timeout", type=float, default=60, help="hang guard, seconds")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    args.modes = args.modes.split(",")
    if args.minutes:
        args.seconds = args.minutes * 60
    runner = Runner(args)
    if not os.access(runner.program, os.X_OK):
        print("not ok random: not built\n0 passed, 1 failed")
        return 1
    if args.shrink:
        return max(runner.shrink(args.seed, mode) for mode in args.modes)
    return runner.run_all()


if __name__ == "__main__":
    sys.exit(main())
