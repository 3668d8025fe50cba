/*
 * One wait on several descriptors at once, for poll, select and waits for any child process.
 *
 * A set lives on the stack of the waiting green. It is filled for each wait, because a wait takes
 * every link out of the lists of the core again.
 */
#ifndef GR_SVC_FDSET_H
#define GR_SVC_FDSET_H

#include "runtime/core/fdwait.h"

#include <stdbool.h>
#include <stddef.h>

#define GR_FDSET_SMALL 16 /* links kept inside the set; more come from malloc */

struct gr_fdset {
    struct gr_waiter w;
    struct gr_fdlink *links;
    size_t n; /* linked now */
    size_t capacity;
    bool rounds; /* there has been a wait */
    bool stuck;  /* some descriptor cannot be watched: the kernel is asked again and again */
    bool blind;  /* one of those is in this round */
    struct gr_fdlink small[GR_FDSET_SMALL];
};

/* gr_fdset_init - prepare an empty set. gr_fdset_fini - unlink what is linked and free; harmless
 * when repeated. */
void gr_fdset_init(struct gr_fdset *s);
void gr_fdset_fini(struct gr_fdset *s);

/* Declares a set that is cleaned up however the scope is left, by forced unwinding as well. */
#define GR_FDSET(name)                                                                             \
    struct gr_fdset name __attribute__((cleanup(gr_fdset_fini)));                                  \
    gr_fdset_init(&(name))

/* gr_fdset_reserve - make room for @n links. 0 or -ENOMEM. Not while links are in place. */
int gr_fdset_reserve(struct gr_fdset *s, size_t n);

/* gr_fdset_begin - start a round of links for the calling green. */
void gr_fdset_begin(struct gr_fdset *s);

/*
 * gr_fdset_add - watch @fd for @events (GR_IN, GR_OUT; 0: only errors and hang-ups). Room must have
 * been reserved. A negative or impossible number is skipped.
 */
void gr_fdset_add(struct gr_fdset *s, int fd, unsigned events);

/*
 * gr_fdset_park - wait until a descriptor of the set may have changed, then unlink all. The caller
 * asked the kernel just before the round, with no switch in between: every later change is an edge
 * that ends the wait.
 *
 * When a number is closed during the wait, the wait goes on for the file that was behind it, as in
 * the kernel, which notices at the end of the wait. If the file could not be kept for us and there
 * is no deadline, that end might never come: then the closing ends the wait.
 *
 * Returns 0 when it is time to ask again, -ETIMEDOUT, -EINTR, -GR_ERESTART.
 * Switches: yes.
 */
int gr_fdset_park(struct gr_fdset *s, int64_t deadline, enum gr_why why);

#endif
