#!/usr/bin/python3
"""Tests of greenrun, installation, exported symbols and more. Prints "ok NAME" lines."""

import os
import subprocess
import sys
import tempfile
import traceback

# Importing a file adds its tests to TESTS, in this order.
import start
import blocking
import refuse
import install
import hooks
import manual
import late
import interrupts
import debugger
import dump
import offload
import suites
import audit
import audit_fuzz
from harness import TESTS, Place, Skip


def run_one(function):
    with tempfile.TemporaryDirectory(prefix="greenshim-tools-") as root:
        function(Place(root))


def main():
    only = sys.argv[1:]
    os.umask(0o022)
    passed = failed = 0
    for function in TESTS:
        name = f"tools/{function.__name__}"
        if only and not any(word in name for word in only):
            continue
        try:
            run_one(function)
        except Skip as why:
            print(f"skip {name}: {why}", flush=True)
            continue
        except subprocess.CalledProcessError as e:
            failed += 1
            print(f"not ok {name}: {e}: {(e.stderr or b'').decode(errors='replace')[-2000:]}",
                  flush=True)
            continue
        except AssertionError as e:
            failed += 1
            where = traceback.extract_tb(e.__traceback__)[2].lineno
            print(f"not ok {name}: line {where}: {e}", flush=True)
            continue
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, IndexError) as e:
            failed += 1
            print(f"not ok {name}: {type(e).__name__}: {e}", flush=True)
            continue
        passed += 1
        print(f"ok {name}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
