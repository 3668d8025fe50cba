#!/bin/sh
# lint.sh [CHECK...] - checks that need no running program. Prints "ok lint/CHECK" lines.
set -u

cd "$(dirname "$0")/.." || exit 1
checks=${*:-gcc clang layers width format tidy cppcheck}
jobs=$(nproc)
passed=0
failed=0

c_files()
{
    find "$@" -name '*.[ch]' -not -path '*/build/*' | sort
}

check()
{
    case $1 in
    # Every object and tool without a warning, by both compilers; unit tests by gcc.
    gcc) make --no-print-directory -j"$jobs" CC=gcc all unit-programs ;;
    clang) make --no-print-directory -j"$jobs" CC=clang B=build/clang objects \
        build/clang/libgreenshim.so build/clang/greenrun build/clang/greenaudit \
        build/clang/greendump build/clang/greenshim-report ;;
    layers) tools/check-layers.sh ;;
    width)
        find . -path ./build -prune -o -path ./.git -prune -o -type f \
            \( -name '*.[chS]' -o -name '*.cc' -o -name '*.py' -o -name '*.sh' \
            -o -name '*.mk' -o -name Makefile \) -print |
            sort | xargs awk '
                length > 100 { print FILENAME ":" FNR ": " length " columns"; bad = 1 }
                /[ \t]$/ { print FILENAME ":" FNR ": space at the end of the line"; bad = 1 }
                END { exit bad }'
        ;;
    format)
        find include runtime shim tools tests -name '*.[ch]' -o -name '*.cc' |
            xargs clang-format --dry-run -Werror ;;
    # A few files for each process: clang-tidy is slow to start.
    tidy)
        c_files runtime shim tools | grep '\.c$' |
            xargs -n 4 -P "$jobs" sh -c 'clang-tidy --quiet "$@" -- -std=gnu11 -D_GNU_SOURCE \
                -I. -Iinclude -DGR_VERSION=\"\" -DGR_LIBDIR=\"\" -DGR_MULTIARCH=\"\" 2>&1 |
                { ! grep -v -E "^$|^[0-9]+ warnings? generated"; }' sh
        ;;
    cppcheck)
        mkdir -p build/cppcheck
        cppcheck --quiet --std=c11 --language=c --enable=warning,portability,performance \
            --inline-suppr --suppressions-list=tools/cppcheck.txt --error-exitcode=1 \
            --cppcheck-build-dir=build/cppcheck -j"$jobs" -D__x86_64__=1 -D__linux__=1 \
            -D_GNU_SOURCE -DGR_VERSION='""' -DGR_LIBDIR='""' -DGR_MULTIARCH='""' \
            -I. -Iinclude runtime shim tools 2>&1
        ;;
    *) echo "lint.sh: no check $1" && return 1 ;;
    esac
}

for name in $checks; do
    if check "$name"; then
        passed=$((passed + 1))
        echo "ok lint/$name"
    else
        failed=$((failed + 1))
        echo "not ok lint/$name: see above"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
