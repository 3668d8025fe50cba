/* Where in the program an address is. */
#ifndef GREENSHIM_REPORT_PLACE_H
#define GREENSHIM_REPORT_PLACE_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct place {
    const char *module;   /* name of the file, without its folder */
    const char *function; /* NULL: not known */
    uint64_t offset;      /* into the function, or the module */
    const char *file;     /* of the source; NULL: not known */
    int line;
};

/* place_of - of @pc: where a thread is (@exact), or will return to: then the call counts, not what
 * follows it. The strings are @dwfl's. */
struct place place_of(Dwfl *dwfl, uint64_t pc, bool exact);

/* place_print - as FUNCTION+OFFSET FILE:LINE, as far as that is known. */
void place_print(FILE *out, const struct place *p);

#endif
