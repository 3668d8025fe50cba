/*
 * Objects that keep libc's protocol: process-shared ones, whose other user may not run under us,
 * and robust and priority-protocol mutexes.
 *
 * A green must not block in libc: it tries, lets others run, and tries again after sleeps of 50 us
 * to 1 ms. For a semaphore, which has no owner, a kernel thread waits in its place once that takes
 * long. libc takes all greens of a process for one thread, so who holds a recursive or errorcheck
 * mutex, or writes under a lock, is recorded here.
 */
#ifndef GR_SHIM_PTHREAD_SHARED_H
#define GR_SHIM_PTHREAD_SHARED_H

#include "shim/shim.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>

/*
 * gr_sync_check - does libc lay out its objects as runtime/sync expects? Call before the runtime is
 * started. NULL, or the reason why not.
 */
const char *gr_sync_check(void);

/* Locks are taken by kernel threads as well; only greens are counted. */
#define GR_COUNT_GREEN(name) (gr_on_green() ? GR_COUNT(name) : (void)0)

/*
 * A green that only locks and unlocks, or tries in a loop, never parks, and nobody takes the CPU
 * from it: so now and then such calls let others run.
 */
#define GR_OPS_PER_TURN 1024
#define GR_OPS_FAILED   64 /* a failed try counts for more: it waits for somebody else */
extern GR_TLS unsigned gr_sync_ops __attribute__((visibility("hidden")));
void gr_sync_turn(void);

static inline void gr_count_ops(unsigned n)
{
    gr_sync_ops += n;
    if (GR_UNLIKELY(gr_sync_ops >= GR_OPS_PER_TURN)) {
        gr_sync_turn();
    }
}

/* The result of a try, a positive error number. */
static inline int gr_tried(int rc)
{
    if (rc == EBUSY) {
        gr_count_ops(GR_OPS_FAILED);
    }
    return rc;
}

/* Pace of a loop that tries again; start with zeroes. */
struct gr_pace {
    unsigned n;
    int64_t ns;
};

/*
 * gr_pace_wait - let others run before the next try.
 * @flags: GR_INTR or 0
 *
 * Returns 0, -ETIMEDOUT when @deadline has passed, -EINTR, -GR_ERESTART or
 * -ECANCELED.
 * Switches: yes.
 */
int gr_pace_wait(struct gr_pace *p, int64_t deadline, unsigned flags);

/* The faces' work for such objects, on greens: 0 or a positive error number as libc returns it. */
int gr_shared_mutex_lock(pthread_mutex_t *m, clockid_t clock, const struct timespec *abs);
int gr_shared_mutex_trylock(pthread_mutex_t *m);
int gr_shared_mutex_unlock(pthread_mutex_t *m);
int gr_shared_rwlock_lock(pthread_rwlock_t *rw, int (*try)(pthread_rwlock_t *), clockid_t clock,
                          const struct timespec *abs);
int gr_shared_rwlock_trywrite(pthread_rwlock_t *rw);
int gr_shared_rwlock_unlock(pthread_rwlock_t *rw);

/* gr_shared_mutexes_end - @g ends: robust mutexes that it still holds have lost their owner. */
void gr_shared_mutexes_end(struct green *g);

/* 0, -EINTR, -ETIMEDOUT or -ECANCELED. */
int gr_shared_sem_wait(sem_t *sem, clockid_t clock, const struct timespec *abs);

#endif
