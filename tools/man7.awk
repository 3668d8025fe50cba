# man7.awk - a manual page from its source, with examples and a table put in.
#
#   @example FILE NAME...   these functions of tests/examples/FILE, as they are
#   @table                  rows "gevent's name | ours | tests" up to @end
#
# The examples are compiled and run by the tests, so what the page shows works.

function fail(why)
{
    print FILENAME ":" FNR ": " why >"/dev/stderr"
    failed = 1
    exit 1
}

function code(line)
{
    gsub(/\\/, "\\e", line)
    gsub(/-/, "\\-", line)
    gsub(/'/, "\\(aq", line)
    return (line ~ /^[.]/ ? "\\&" : "") line
}

# Names of functions are not hyphenated.
function names(line)
{
    gsub(/green_[a-z]/, "\\%&", line)
    return line
}

# The function NAME of FILE: from the line with its name to the brace that ends it.
function example(file, name,    path, line, inside, found)
{
    path = "tests/examples/" file
    while ((getline line <path) > 0) {
        if (line ~ "^[a-z].*[ *]" name "\\(" && line !~ /;$/)
            inside = found = 1
        if (inside)
            print code(line)
        if (line ~ /^}/)
            inside = 0
    }
    close(path)
    if (!found)
        fail("no function " name " in " path)
}

/^@example / {
    print ".PP\n.RS 4\n.EX"
    for (i = 3; i <= NF; i++) {
        if (i > 3)
            print ""
        example($2, $i)
    }
    print ".EE\n.RE"
    next
}

/^@table$/, /^@end$/ {
    if (/^@/)
        next
    if (split($0, cell, / *[|] */) != 3)
        fail("not 3 cells")
    gsub(/[^ ]+/, "\\%&", cell[3]) # not hyphenated
    gsub("/", "/\\:", cell[3])
    print ".TP\n.B " code(cell[1]) "\n" names(code(cell[2])) "\n.br\n.I " cell[3]
    next
}

/^@/ { fail("unknown " $1) }

{ print names($0) }

END { exit failed }
