"""Starts a program of a suite natively or under greenshim and sees it through to its end."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))

import processes  # noqa: E402

DUMPED = 6      # processes of a hung program that gdb looks at
MARK = "SUITE_DIRECTORY"    # inherited by all that a program starts, also in sessions of their own


class Launcher:
    """One run of a unit in one mode. Used in a with statement.

    mode       'native' or 'green'
    directory  an empty directory, removed at the end; HOME and TMPDIR of the programs
    log        what all programs said, and how they ended
    """

    running = set()

    def __init__(self, mode, build, slow=1):
        self.mode = mode
        self.slow = slow
        self.greenrun = os.path.join(build, "greenrun")
        self.directory = None
        self.log = []

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="suite-")
        os.chmod(self.directory, 0o755)
        self.running.add(self)
        return self

    def __exit__(self, *_):
        self.clean()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.running.discard(self)

    def environment(self, extra):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("GREENSHIM", "LD_", "PYTHON"))}
        env.update({"HOME": self.directory, "TMPDIR": self.directory, MARK: self.directory})
        env.update(extra or {})
        return env

    def relatives(self, leader=None):
        """All processes that descend from this run, the first one first."""
        found = processes.tree(leader) if leader else []
        return found + [p for p in processes.marked(f"{MARK}={self.directory}") if p not in found]

    def clean(self):
        """Ends what programs left running; returns the command lines."""
        left = self.relatives()
        names = [processes.command(p) for p in left]
        processes.kill(left)
        return names

    def run(self, argv, timeout, progress=None, cwd=None, env=None):
        """Runs a program to its end; returns its wait status as subprocess has it, None for a hang.

        timeout   seconds without progress after which it counts as hung
        progress  called now and then, returns anything that changes when there is progress
        """
        if self.mode == "green":
            argv = [self.greenrun, "--"] + argv
        path = os.path.join(self.directory, ".output")
        with open(path, "w+b") as output:
            child = subprocess.Popen(argv, env=self.environment(env), cwd=cwd or self.directory,
                                     stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                     start_new_session=True)
            hung = not self._ended(child, timeout * self.slow, progress)
            dump = []
            if hung:
                for pid in self.relatives(child.pid)[:DUMPED]:
                    dump += processes.backtraces(pid)
                processes.kill(reversed(self.relatives(child.pid)))
                child.wait()
            left = self.clean()
        with open(path, encoding="utf-8", errors="replace") as f:
            self.log.append(f.read())
        os.unlink(path)
        status = None if hung else child.returncode
        self.log += dump + [f"left behind: {name}" for name in left]
        self.log.append(f"=== {' '.join(argv)}: {'hang' if hung else f'status {status}'}")
        return status

    def _ended(self, child, timeout, progress):
        """Waits for the end or a hang. Short programs are noticed soon, long ones cost little."""
        seen, since, pause = None, time.monotonic(), 0.002
        while child.poll() is None:
            now = time.monotonic()
            state = progress() if progress else None
            if state != seen:
                seen, since = state, now
            elif now - since > timeout:
                return False
            try:
                child.wait(pause)
            except subprocess.TimeoutExpired:
                pause = min(pause * 2, 0.5)
        return True
