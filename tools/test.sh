#!/bin/sh
# test.sh [SECTION...] - every test, or the named sections of it, and one line that sums them.
#
# Each section is a command whose last line is "N passed, N failed". A section that fails without
# saying so, or says nothing, counts as one failure; the others go on.
set -u

cd "$(dirname "$0")/.." || exit 1
unset LD_PRELOAD
all="build unit unit-asan unit-ubsan tools conformance random examples apps suites
    aarch64-build aarch64 aarch64-greens lint"
sections=${*:-$all}
logs=build/test
mkdir -p "$logs"
passed=0
failed=0
bad=
jobs=$(nproc)

# For sections that only build: one result.
built()
{
    name=$1
    shift
    if make --no-print-directory -j"$jobs" "$@"; then
        echo "ok $name"
        echo "1 passed, 0 failed"
    else
        echo "not ok $name: make $* failed"
        echo "0 passed, 1 failed"
        return 1
    fi
}

# Builds what it can and runs that; a test program that does not build fails the section.
unit()
{
    label=$1
    variant=$2
    shift 2
    made=0
    make --no-print-directory -k -j"$jobs" BUILD="$variant" unit-programs || made=1
    tools/unit.sh "$label" "build/${variant:+$variant/}tests/unit" "$@" && [ "$made" = 0 ]
}

emulator="qemu-aarch64 -L /usr/aarch64-linux-gnu \
    -E LD_LIBRARY_PATH=$PWD/build/sysroot-aarch64/usr/lib/aarch64-linux-gnu"

# Some programs in C, preloaded from end to end; C++ would need another cross compiler.
greens_of_aarch64()
{
    find tests/conformance/sync tests/conformance/tls -name '*.c' ! -name 'lib_*' |
        sed 's,\(.*\)\.c$,build/aarch64/\1,' |
        xargs make -s -j"$jobs" BUILD=aarch64 all &&
        /usr/bin/python3 tests/conformance/run.py --build build/aarch64 --emulator "$emulator" \
            --modes native,nodeep,harvest --slow 2 -k sync/,tls/
}

section()
{
    case $1 in
    build) built build all programs unit-programs ;;
    unit) unit unit "" ;;
    unit-asan) unit unit-asan asan ;;
    unit-ubsan) unit unit-ubsan ubsan ;;
    tools) /usr/bin/python3 tests/tools/run.py ;;
    conformance) /usr/bin/python3 tests/conformance/run.py ;;
    random) /usr/bin/python3 tests/random/run.py ;;
    examples) /usr/bin/python3 tests/examples/run.py ;;
    apps) /usr/bin/python3 tests/apps/run.py ;;
    suites) /usr/bin/python3 tests/suites/run.py ;;
    aarch64-build) built aarch64-build BUILD=aarch64 all ;;
    aarch64)
        # shellcheck disable=SC2086
        unit aarch64 aarch64 $emulator
        ;;
    aarch64-greens) greens_of_aarch64 ;;
    lint) tools/lint.sh ;;
    *) echo "test.sh: no section $1" >&2 && return 1 ;;
    esac
}

for name in $sections; do
    echo
    echo "==== $name ===="
    began=$(date +%s)
    { section "$name" 2>&1; echo $? >"$logs/$name.status"; } | tee "$logs/$name.log"
    status=$(cat "$logs/$name.status")
    sum=$(tail -n 1 "$logs/$name.log" | grep -x '[0-9]* passed, [0-9]* failed') || sum=
    p=${sum%% passed*}
    f=${sum##*, }
    f=${f%% failed}
    if [ -z "$sum" ] || { [ "$status" != 0 ] && [ "$f" = 0 ]; }; then
        echo "not ok $name: ended with status $status${sum:+ but reports no failure}"
        f=$((${f:-0} + 1))
    fi
    passed=$((passed + ${p:-0}))
    failed=$((failed + f))
    [ "$f" = 0 ] || bad="$bad $name"
    echo "==== $name: ${p:-0} passed, $f failed, $(($(date +%s) - began)) s"
done

echo
if [ -n "$bad" ]; then
    echo "failures in:$bad"
    for name in $bad; do
        grep -H '^not ok ' "$logs/$name.log"
    done
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
