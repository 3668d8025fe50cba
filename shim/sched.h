/* Scheduling attributes of greens. */
#ifndef GR_SHIM_SCHED_H
#define GR_SHIM_SCHED_H

#include "shim/shim.h"

/*
 * gr_sched_call - a system call about policy, priority, nice value or processors of @g, an alive
 * green: @c, made for the calling thread (id 0). @sets: it sets something.
 * Returns the kernel's answer. Never switches.
 */
long gr_sched_call(struct green *g, const struct gr_syscall *c, bool sets);

/*
 * gr_sched_for_new - what a new green of the caller's starts with: inherited, and as @attr (may be
 * NULL) asks. 0 or -errno; *@out is malloc'ed, or NULL: as the carrier.
 */
int gr_sched_for_new(const pthread_attr_t *attr, struct gr_sched **out);

/* gr_sched_fork_child - the caller is the only thread of a forked child. */
void gr_sched_fork_child(void);

#endif
