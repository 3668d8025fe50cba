/* The green threads of a process at one moment, copied from its memory. */
#ifndef GREENDUMP_SNAPSHOT_H
#define GREENDUMP_SNAPSHOT_H

#include "runtime/core/hub.h"
#include "tools/greenshim-report/process.h"

#define SNAPSHOT_FDS 8 /* descriptors of one wait that are told */

struct copy {
    struct green g;
    uint64_t at;
    bool running;
    struct registers registers;
    unsigned char *stack; /* from the stack pointer on */
    size_t stack_size;
    /* What it waits for, as far as that applies. */
    char why[24];
    int64_t deadline; /* GR_FOREVER: none */
    size_t n_fds;
    int fds[SNAPSHOT_FDS];
    unsigned events;
    size_t more_fds;
    int owner; /* of a lock: its thread id, 0: nobody */
    uint64_t joined;
};

struct snapshot {
    int carrier;
    uint64_t switches;
    bool in_hub; /* no green ran, but the scheduler */
    int64_t now; /* monotonic, ns */
    size_t n;
    struct copy *greens;
};

/*
 * snapshot_find - where the process has its first hub: @dwfl knows what is mapped there. 0, with
 * *@hub 0 if there are no greens; -1: it does not run under greenshim, or another version of it.
 */
int snapshot_find(Dwfl *dwfl, uint64_t *hub);

/*
 * snapshot_take - of the hub at *@hub, which then is the next. A carrier that waits in a system
 * call is left alone, since the call might notice; one that runs is stopped for as long as it
 * takes.
 *
 * Returns NULL, or why there is none.
 */
const char *snapshot_take(const char *pid, uint64_t *hub, struct snapshot *out);
void snapshot_free(struct snapshot *s);

#endif
