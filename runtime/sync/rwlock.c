#include "runtime/sync/rwlock.h"

/* Waiter bits. */
#define READS  1u
#define WRITES 2u

_Static_assert(sizeof(((pthread_rwlock_t *)0)->__data.__readers) == 4, "the state is one word");

static bool prefers_writers(const pthread_rwlock_t *rw)
{
    return rw->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
}

static bool caller_writes(pthread_rwlock_t *rw)
{
    return GR_PEEK(&rw->__data.__cur_writer) == gr_owner_self();
}

/* First waiter that wants @bits, in the locked bucket. */
static struct gr_waiter *first_of(struct gr_bucket *b, pthread_rwlock_t *rw, unsigned bits)
{
    struct gr_waiter *w = gr_lot_first(b, rw);
    while (w && !(w->bits & bits)) {
        w = gr_lot_next(b, w);
    }
    return w;
}

/* Under the lot's lock: nobody is left to wait for. */
static void forget_waiters(pthread_rwlock_t *rw, struct gr_bucket *b)
{
    if (!gr_lot_first(b, rw)) {
        (void)__atomic_fetch_and(&rw->__data.__readers, ~GR_RW_WAITERS, __ATOMIC_ACQ_REL);
    }
}

static void grant(struct gr_bucket *b, struct gr_waiter *w)
{
    gr_lot_take(b, w);
    gr_wake(w);
}

/*
 * Under the lot's lock, with no writer holding: let in whoever may come in now. The state is
 * brought up to date before anybody is woken, because a woken one may destroy the lock.
 */
static void admit(pthread_rwlock_t *rw, struct gr_bucket *b)
{
    struct gr_waiter *writer = first_of(b, rw, WRITES);
    struct gr_waiter *reader = writer && prefers_writers(rw) ? NULL : first_of(b, rw, READS);
    if (reader) {
        unsigned n = 0;
        for (struct gr_waiter *w = reader; w; w = gr_lot_next(b, w)) {
            n += w->bits & READS;
        }
        unsigned r = GR_PEEK(&rw->__data.__readers);
        unsigned with;
        do {
            with = ((r & ~GR_RW_IDLE_WRITE) + n * GR_RW_READER) & ~(writer ? 0 : GR_RW_WAITERS);
        } while (!GR_CAS(&rw->__data.__readers, r, with));
        for (struct gr_waiter *next; reader; reader = next) {
            next = gr_lot_next(b, reader);
            if (reader->bits & READS) {
                grant(b, reader);
            }
        }
        return;
    }
    unsigned r = GR_PEEK(&rw->__data.__readers);
    if (writer && r < GR_RW_READER) {
        bool more = gr_lot_first(b, rw) != writer || gr_lot_next(b, writer);
        GR_STORE(&rw->__data.__readers,
                 GR_RW_WRITER | GR_RW_IDLE_WRITE | (more ? GR_RW_WAITERS : 0));
        grant(b, writer);
        return;
    }
    forget_waiters(rw, b);
}

int gr_rwlock_read_slow(pthread_rwlock_t *rw, bool wait, clockid_t clock,
                        const struct timespec *abs)
{
    struct gr_waiter w;
    int64_t deadline;
    int rc;
    if (caller_writes(rw)) {
        return wait ? -EDEADLK : -EBUSY;
    }
    deadline = gr_until(clock, abs);
    do {
        struct gr_bucket *b = gr_lot_lock(rw);
        unsigned r = GR_PEEK(&rw->__data.__readers);
        for (;;) {
            bool open = !(r & GR_RW_WRITER) && !(prefers_writers(rw) && first_of(b, rw, WRITES));
            if (open && r >= GR_RW_OVERFLOW - GR_RW_READER) {
                gr_lot_unlock(b);
                return -EAGAIN;
            }
            if (!open && !wait) {
                gr_lot_unlock(b);
                return -EBUSY;
            }
            unsigned new = open ? (r & ~GR_RW_IDLE_WRITE) + GR_RW_READER : r | GR_RW_WAITERS;
            if (!GR_CAS(&rw->__data.__readers, r, new)) {
                continue;
            }
            if (open) {
                gr_lot_unlock(b);
                return 0;
            }
            break;
        }
        gr_waiter_init(&w, rw);
        w.bits = READS;
        rc = gr_lot_wait(b, &w, deadline, 0, GR_WHY_RWLOCK);
    } while (rc && gr_too_early(clock, abs, &deadline));
    return rc;
}

/* A writer gave up waiting: readers that queued only because of it may come in. */
static void writer_left(pthread_rwlock_t *rw)
{
    struct gr_bucket *b = gr_lot_lock(rw);
    unsigned r = GR_PEEK(&rw->__data.__readers);
    if ((r & GR_RW_WAITERS) && !(r & GR_RW_WRITER)) {
        admit(rw, b);
    }
    gr_lot_unlock(b);
}

int gr_rwlock_write_slow(pthread_rwlock_t *rw, bool wait, clockid_t clock,
                         const struct timespec *abs)
{
    struct gr_waiter w;
    int64_t deadline;
    int rc;
    if (caller_writes(rw)) {
        return wait ? -EDEADLK : -EBUSY;
    }
    deadline = gr_until(clock, abs);
    do {
        struct gr_bucket *b = gr_lot_lock(rw);
        unsigned r = GR_PEEK(&rw->__data.__readers);
        for (;;) {
            bool open = (r & ~(GR_RW_IDLE_WRITE | GR_RW_WAITERS)) == 0;
            if (!open && !wait) {
                gr_lot_unlock(b);
                return -EBUSY;
            }
            unsigned new = open ? r | GR_RW_WRITER | GR_RW_IDLE_WRITE : r | GR_RW_WAITERS;
            if (!GR_CAS(&rw->__data.__readers, r, new)) {
                continue;
            }
            if (open) {
                GR_POKE(&rw->__data.__cur_writer, gr_owner_self());
                gr_lot_unlock(b);
                return 0;
            }
            break;
        }
        gr_waiter_init(&w, rw);
        w.bits = WRITES;
        rc = gr_lot_wait(b, &w, deadline, 0, GR_WHY_RWLOCK);
    } while (rc && gr_too_early(clock, abs, &deadline));
    if (rc) {
        writer_left(rw);
        return rc;
    }
    GR_POKE(&rw->__data.__cur_writer, gr_owner_self());
    return 0;
}

/* Release with waiters present, or perhaps present. @held: what the caller takes off the state. */
static void unlock_slow(pthread_rwlock_t *rw, unsigned held)
{
    struct gr_bucket *b = gr_lot_lock(rw);
    unsigned r = __atomic_sub_fetch(&rw->__data.__readers, held, __ATOMIC_ACQ_REL);
    if (r < GR_RW_READER && (r & GR_RW_WAITERS)) {
        admit(rw, b);
    }
    gr_lot_unlock(b);
}

void gr_rwlock_unlock(pthread_rwlock_t *rw)
{
    unsigned r = GR_PEEK(&rw->__data.__readers);
    if (r & GR_RW_WRITER) {
        GR_POKE(&rw->__data.__cur_writer, 0);
        while (!(r & GR_RW_WAITERS)) {
            if (GR_CAS(&rw->__data.__readers, r, 0)) {
                return;
            }
        }
        unlock_slow(rw, GR_RW_WRITER | GR_RW_IDLE_WRITE);
        return;
    }
    while (!(r & GR_RW_WAITERS) || r >= 2 * GR_RW_READER) {
        if (GR_CAS(&rw->__data.__readers, r, r - GR_RW_READER)) {
            return;
        }
    }
    unlock_slow(rw, GR_RW_READER);
}
