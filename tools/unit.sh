#!/bin/sh
# unit.sh LABEL DIR [RUNNER...] - runs every test program DIR/test_*; RUNNER is put before each.
#
# Prints "ok LABEL/SUITE/TEST" or "not ok ...: why" for each test and "N passed, N failed" last.
# What a program says about a failure comes before its results.
set -u

label=$1
dir=$2
shift 2
report=$(mktemp) && results=$(mktemp) || exit 1
trap 'rm -f "$report" "$results"' EXIT
trap 'exit 1' INT TERM HUP

for program in "$dir"/test_*; do
    [ -x "$program" ] && [ ! -d "$program" ] || continue
    name=$(basename "$program")
    : >"$report"
    timeout --foreground -k 10 300 "$@" "$program" --timeout 60 --tap="$report" >&2
    status=$?
    awk -v label="$label" -v program="$name" -v status="$status" '
        /^(not )?ok - / {
            verdict = $1 == "ok" ? "ok" : "not ok"
            sub(/^(not )?ok - /, "")
            test = $1
            sub(/::/, "/", test)
            sub(/^[^ ]+ */, "")
            sub(/^\([0-9.]+s\)$/, "")
            if (/^# SKIP/)
                print "skip " label "/" test ": " substr($0, 8)
            else if (verdict == "ok") {
                print "ok " label "/" test
                n++
            } else {
                print "not ok " label "/" test ": " ($0 == "" ? "assertion failed, see above" : $0)
                n++
                bad++
            }
        }
        END {
            if (status != 0 && !bad)
                print "not ok " label "/" program ": exit status " status
            else if (!n)
                print "not ok " label "/" program ": no test was run"
        }' "$report" | tee -a "$results"
done

passed=$(grep -c '^ok ' "$results")
failed=$(grep -c '^not ok ' "$results")
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
