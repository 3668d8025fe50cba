/*
 * Processor time of each green.
 *
 * A switch costs less than to look at a clock, so nothing is measured until somebody asks. The
 * time used before that is shared out equally among those alive; from then on every switch reads
 * the carrier's clock. What the hub uses counts for the green it switches to.
 */
#ifndef GR_CORE_CPUTIME_H
#define GR_CORE_CPUTIME_H

#include "runtime/base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

struct green;
struct gr_hub;

/* Of a green. */
struct gr_cpu {
    int64_t ns;   /* used, as far as measured */
    int64_t user; /* shown by gr_cpu_split() before: times never run backwards */
    int64_t system;
};

/* Of a hub. */
struct gr_cpu_hub {
    bool measures;
    int64_t mark;   /* carrier's clock, up to which time is shared out */
    int64_t before; /* carrier's clock when the hub was made: main has used that */
};

/* gr_cpu_ns - processor time of @g, alive, in ns. On its carrier. From the first call on it is
 * measured. */
int64_t gr_cpu_ns(struct green *g);

/* gr_cpu_split - the same as time in user space and in the kernel, in the proportion of the
 * carrier's, @user to @system. */
void gr_cpu_split(struct green *g, int64_t *user, int64_t *system);

/* For the hub: it begins; @from gives the CPU away; a forked child has only the caller. */
void gr_cpu_start(struct gr_hub *h);
void gr_cpu_measure(struct gr_hub *h, struct green *from);
void gr_cpu_fork_child(struct gr_hub *h);

#endif
