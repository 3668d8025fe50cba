#!/usr/bin/python3
"""Runs the examples; each must print what its .out file says and exit with 0.

usage: run.py [-k WORD] [--build DIR]
"""

import argparse
import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TIMEOUT = 60


def run(name, build):
    """Why the example is wrong, or None."""
    env = {k: v for k, v in os.environ.items()
           if k != "LD_PRELOAD" and not k.startswith("GREENSHIM")}
    try:
        done = subprocess.run([os.path.join(build, "tests/examples", name)], env=env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return "hang"
    except OSError as error:
        return str(error)
    with open(os.path.join(HERE, name + ".out"), encoding="utf-8") as f:
        expected = f.read()
    if done.returncode != 0:
        return f"exit status {done.returncode}: {done.stderr.strip()}"
    if done.stderr:
        return f"standard error: {done.stderr.strip()}"
    if done.stdout != expected:
        return "printed\n" + done.stdout
    return None


def main():
    parser = argparse.ArgumentParser(description="examples of the C interface")
    parser.add_argument("-k", default="", metavar="WORD", help="those whose name contains WORD")
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    options = parser.parse_args()
    passed = failed = 0
    sources = [p for suffix in ("c", "cc") for p in glob.glob(os.path.join(HERE, "*." + suffix))]
    for path in sorted(sources):
        name = os.path.splitext(os.path.basename(path))[0]
        if options.k not in name:
            continue
        why = run(name, os.path.abspath(options.build))
        if why is None:
            passed += 1
            print(f"ok examples/{name}")
        else:
            failed += 1
            first, _, rest = why.partition("\n")
            print(f"not ok examples/{name}: {first}")
            for line in rest.splitlines():
                print("    " + line)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
