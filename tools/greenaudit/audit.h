/* What is known of a program after looking at it. */
#ifndef GREENAUDIT_AUDIT_H
#define GREENAUDIT_AUDIT_H

#include "tools/greenaudit/loader.h"
#include "tools/greenrun/target.h"

#include <stdbool.h>
#include <stddef.h>

/* The verdict; these are the exit statuses of greenaudit as well, documented in greenaudit.1. */
enum verdict { AUDIT_RUNS = 0, AUDIT_RUNS_BUT = 1, AUDIT_DOES_NOT_RUN = 2, AUDIT_BAD_INPUT = 3 };

/* How a function of libc is treated. */
enum treatment {
    TREATED_YIELDS,
    TREATED_OFFLOADS,
    TREATED_EMULATED,
    TREATED_TRACKED,
    TREATED_PASSED,
    TREATED_NOT,
    N_TREATMENTS
};

/* A function of libc that waits or concerns threads, and is imported. */
struct use {
    const char *name;
    const char *version; /* NULL: none was asked for */
    enum treatment treatment;
    const char *note; /* NULL: nothing to say */
    const struct object **by;
    size_t n_by;
};

/* Something that was noticed: AUDIT_RUNS for what is only worth knowing. */
struct remark {
    enum verdict verdict;
    const struct object *object; /* NULL: the whole */
    char *text;                  /* a clause that follows the object's name, or "it" */
};

struct audit {
    const char *program; /* as it was named */
    const struct target *target;
    enum verdict verdict;
    char *text; /* the verdict in one line */
    struct closure closure;
    struct use *uses;
    size_t n_uses;
    const char **unknown; /* functions of this libc that may wait, and that we do not know */
    size_t n_unknown;
    struct remark *remarks;
    size_t n_remarks;
};

/* audit_symbols - fill in @a->uses and @a->unknown. */
void audit_symbols(struct audit *a);

/* audit_symbol_covered - is the function interposed, by that name? */
bool audit_symbol_covered(const char *name);

/* audit_newest_reviewed - the newest version of libc that the table was made for. */
const char *audit_newest_reviewed(void);

/* audit_treatment_name - a word for it. */
const char *audit_treatment_name(enum treatment t);

/* audit_remarks - fill in @a->remarks, from all else. */
void audit_remarks(struct audit *a);

/* audit_verdict - draw the conclusion; @status is that of target_check(). */
void audit_verdict(struct audit *a, enum status status);

/* audit_print_verdict - one line on standard output. */
void audit_print_verdict(const struct audit *a);

/* audit_print, audit_print_json - everything; in the text the verdict is the last line. */
void audit_print(const struct audit *a);
void audit_print_json(const struct audit *a);

#endif
