#!/bin/sh
# check-layers.sh - the direction of #include lines, and what only one place may use.
#
#   include/green <- base <- arch, loop <- core <- sync <- svc <- api <- shim
#
# A folder may include itself and what is left of it; arch and loop do not see each other.
set -u

cd "$(dirname "$0")/.." || exit 1

find include runtime shim -name '*.[chS]' | sort | xargs awk '
    function layer(path) {
        if (path ~ /^(include\/)?green\//) return "green"
        if (path ~ /^shim\//) return "shim"
        if (path ~ /^runtime\/[a-z]+\//) {
            split(path, part, "/")
            return part[2]
        }
        return ""
    }
    function bad(why) {
        print FILENAME ":" FNR ": " why
        failed = 1
    }
    BEGIN {
        rank["green"] = 0
        rank["base"] = 1
        rank["arch"] = rank["loop"] = 2
        rank["core"] = 3
        rank["sync"] = 4
        rank["svc"] = 5
        rank["api"] = 6
        rank["shim"] = 7
    }
    FNR == 1 {
        own = layer(FILENAME)
        if (!(own in rank)) bad("not in a folder of the layers")
    }
    /^[ \t]*#[ \t]*include[ \t]*<uv/ && own != "loop" {
        bad("<uv.h> belongs to runtime/loop only")
    }
    /[^a-zA-Z_.]dlv?sym[ \t]*\(/ && FILENAME != "shim/real.c" {
        bad("dlsym belongs to shim/real.c")
    }
    /^[ \t]*#[ \t]*include[ \t]*["<](green|runtime|shim)\// {
        split($0, quoted, /["<>]/)
        other = layer(quoted[2])
        if (!(other in rank))
            bad(quoted[2] " is in no layer")
        else if (other != own && rank[other] >= rank[own])
            bad(own " may not include " quoted[2])
        next
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ { bad("name the folder: \"runtime/...\" or \"shim/...\"") }
    END { exit failed }'
