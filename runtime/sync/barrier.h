/*
 * Barriers that belong to this process alone, in the fields of libc's object: who arrives counts
 * @in up under the lot's lock; the one that completes a round brings @round and @out up to @in, as
 * libc leaves them, and wakes the others. They do not touch the object again, so it may be
 * destroyed or used again at once.
 */
#ifndef GR_SYNC_BARRIER_H
#define GR_SYNC_BARRIER_H

#include "runtime/sync/sync.h"

struct gr_barrier {
    unsigned in;    /* arrivals, ever */
    unsigned round; /* arrivals that belong to completed rounds */
    unsigned count; /* threads of a round */
    int shared;
    unsigned out; /* departures, ever */
};
GR_FITS(struct gr_barrier, pthread_barrier_t);

static inline bool gr_barrier_shared(const pthread_barrier_t *barrier)
{
    return ((const struct gr_barrier *)(const void *)barrier)->shared != 0 || gr_natives;
}

/*
 * gr_barrier_wait - wait for the others of the round.
 *
 * Returns PTHREAD_BARRIER_SERIAL_THREAD for one of them, 0 for the rest.
 * Switches: yes. Handlers of signals run meanwhile, the wait goes on.
 */
int gr_barrier_wait(pthread_barrier_t *barrier);

/* gr_barrier_destroy - wait, as libc does, until a round that was begun is complete. */
void gr_barrier_destroy(pthread_barrier_t *barrier);

#endif
