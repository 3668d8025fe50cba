/*
 * Read-write locks that belong to this process alone.
 *
 * __readers holds, as libc has it, the number of readers above three flags: 1 left over from a
 * writer, of no meaning by itself; 2 held by a writer; 4 the lot may hold waiters. While flag 4 is
 * set everybody decides under the lot's lock. Who releases the lock grants it to waiters: to all
 * readers first (libc's default, readers may starve writers), or to the first writer if the lock
 * prefers writers.
 */
#ifndef GR_SYNC_RWLOCK_H
#define GR_SYNC_RWLOCK_H

#include "runtime/sync/sync.h"

#define GR_RW_IDLE_WRITE 1u
#define GR_RW_WRITER     2u
#define GR_RW_WAITERS    4u
#define GR_RW_READER     8u
#define GR_RW_OVERFLOW   0x80000000u

static inline bool gr_rwlock_shared(const pthread_rwlock_t *rw)
{
    return rw->__data.__shared != 0 || gr_natives;
}

int gr_rwlock_read_slow(pthread_rwlock_t *rw, bool wait, clockid_t clock,
                        const struct timespec *abs);
int gr_rwlock_write_slow(pthread_rwlock_t *rw, bool wait, clockid_t clock,
                         const struct timespec *abs);

static inline bool gr_rwlock_read_fast(pthread_rwlock_t *rw)
{
    unsigned r = GR_PEEK(&rw->__data.__readers);
    while (!(r & (GR_RW_WRITER | GR_RW_WAITERS)) && r < GR_RW_OVERFLOW - GR_RW_READER) {
        if (GR_CAS(&rw->__data.__readers, r, (r & ~GR_RW_IDLE_WRITE) + GR_RW_READER)) {
            return true;
        }
    }
    return false;
}

static inline bool gr_rwlock_write_fast(pthread_rwlock_t *rw)
{
    unsigned r = GR_PEEK(&rw->__data.__readers);
    if ((r & ~GR_RW_IDLE_WRITE) == 0 &&
        GR_CAS(&rw->__data.__readers, r, GR_RW_WRITER | GR_RW_IDLE_WRITE)) {
        GR_POKE(&rw->__data.__cur_writer, gr_owner_self());
        return true;
    }
    return false;
}

/*
 * gr_rwlock_read / gr_rwlock_write - lock; @abs: deadline on @clock, checked by the caller, NULL
 * for none.
 *
 * Returns 0, -EDEADLK (the caller is the writer), -EAGAIN (too many readers), -ETIMEDOUT.
 * Switches: if it has to wait. Handlers of signals run meanwhile, the wait goes on.
 */
static inline int gr_rwlock_read(pthread_rwlock_t *rw, clockid_t clock, const struct timespec *abs)
{
    return GR_LIKELY(gr_rwlock_read_fast(rw)) ? 0 : gr_rwlock_read_slow(rw, true, clock, abs);
}

static inline int gr_rwlock_write(pthread_rwlock_t *rw, clockid_t clock, const struct timespec *abs)
{
    return GR_LIKELY(gr_rwlock_write_fast(rw)) ? 0 : gr_rwlock_write_slow(rw, true, clock, abs);
}

/* gr_rwlock_tryread / gr_rwlock_trywrite - 0, -EBUSY, -EAGAIN. Never switch. */
static inline int gr_rwlock_tryread(pthread_rwlock_t *rw)
{
    return GR_LIKELY(gr_rwlock_read_fast(rw))
               ? 0
               : gr_rwlock_read_slow(rw, false, CLOCK_REALTIME, NULL);
}

static inline int gr_rwlock_trywrite(pthread_rwlock_t *rw)
{
    return GR_LIKELY(gr_rwlock_write_fast(rw))
               ? 0
               : gr_rwlock_write_slow(rw, false, CLOCK_REALTIME, NULL);
}

/* gr_rwlock_unlock - release what the caller holds. Never switches. */
void gr_rwlock_unlock(pthread_rwlock_t *rw);

#endif
