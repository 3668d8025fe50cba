/*
 * Waiting for child processes, by pidfd: SIGCHLD stays the program's, and nobody's exit status is
 * taken.
 */
#ifndef GR_SVC_CHILD_H
#define GR_SVC_CHILD_H

#include "runtime/core/park.h"

#include <stdbool.h>
#include <sys/wait.h>

/* One wait4() or waitid() in progress. */
struct gr_child_wait {
    idtype_t type; /* P_PID, P_PIDFD (number in @id), P_PGID, P_ALL */
    id_t id;
    bool exits; /* waits for children that end; other changes of state cannot be watched, only asked
                   for */
    bool stops; /* waits for children that stop or go on */
    unsigned tries; /* waits so far */
    unsigned spins; /* of these, one after the other, how many were over at once and for nothing */
};

/*
 * gr_child_park - wait until a child may have changed its state; the caller has just asked the
 * kernel, which had nothing.
 *
 * Returns 0 when it is time to ask again, -EINTR, -GR_ERESTART.
 * Switches: yes.
 */
int gr_child_park(struct gr_child_wait *cw);

/* gr_child_made - a child was made: whoever waits for any child looks again. Any thread. */
void gr_child_made(void);

/* gr_child_fork_child - in a forked child: nobody waits. */
void gr_child_fork_child(void);

#endif
