#include "runtime/sync/mutex.h"

bool gr_natives;

/* Waiter bits. */
#define GRANTED 1u /* set by the waker: the mutex is yours */
#define INSISTS 2u /* lost the competition once: hand it over */

_Static_assert(PTHREAD_MUTEX_NORMAL == 0 && PTHREAD_MUTEX_RECURSIVE == 1, "types as in the object");
_Static_assert(PTHREAD_MUTEX_ERRORCHECK == 2 && PTHREAD_MUTEX_ADAPTIVE_NP == 3,
               "types as in the object");
_Static_assert(sizeof(((pthread_mutex_t *)0)->__data.__lock) == 4, "the lock is one word");

static int type_of(const pthread_mutex_t *m)
{
    return m->__data.__kind & GR_MUTEX_TYPE;
}

static void acquired(pthread_mutex_t *m, unsigned users)
{
    GR_POKE(&m->__data.__owner, gr_owner_self());
    if (type_of(m) == PTHREAD_MUTEX_RECURSIVE) {
        m->__data.__count = 1;
    }
    m->__data.__nusers += users;
}

/* One more level of a recursive mutex that the caller holds. */
static int deepen(pthread_mutex_t *m)
{
    if (GR_UNLIKELY(m->__data.__count == UINT32_MAX)) {
        return -EAGAIN;
    }
    m->__data.__count++;
    return 0;
}

/* Is there anybody whom the next to unlock has to wake? */
static bool others_wait(struct gr_bucket *b, const pthread_mutex_t *m)
{
    return gr_natives || gr_lot_first(b, m);
}

/*
 * Under the lot's lock: take the mutex if it is free, else mark it contended. Others may still be
 * queued while it is free, behind a foreign thread that was woken to compete; whoever takes it then
 * inherits the duty to wake them.
 */
static bool take_or_mark(pthread_mutex_t *m, struct gr_bucket *b)
{
    int state = GR_PEEK(&m->__data.__lock);
    for (;;) {
        if (state == 0) {
            if (GR_CAS(&m->__data.__lock, state, others_wait(b, m) ? 2 : 1)) {
                return true;
            }
        } else if (state == 2 || GR_CAS(&m->__data.__lock, state, 2)) {
            return false;
        }
    }
}

static int wait_for(pthread_mutex_t *m, clockid_t clock, const struct timespec *abs, unsigned flags)
{
    if (abs && !gr_timespec_ok(abs)) {
        return abs->tv_sec < 0 ? -ETIMEDOUT : -EINVAL;
    }
    int64_t deadline = gr_until(clock, abs);
    unsigned bits = 0;
    for (;;) {
        struct gr_waiter w;
        struct gr_bucket *b = gr_lot_lock(m);
        if (take_or_mark(m, b)) {
            gr_lot_unlock(b);
            return 0;
        }
        gr_waiter_init(&w, m);
        w.bits = bits;
        int rc = gr_lot_wait(b, &w, deadline, flags, GR_WHY_MUTEX);
        if (rc == 0) {
            if (w.bits & GRANTED) {
                return 0;
            }
            bits = INSISTS;
        } else if (rc != -ETIMEDOUT || !gr_too_early(clock, abs, &deadline)) {
            return rc;
        }
    }
}

static int lock(pthread_mutex_t *m, clockid_t clock, const struct timespec *abs, unsigned users)
{
    int type = type_of(m);
    if (type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK) {
        if (GR_PEEK(&m->__data.__owner) == gr_owner_self()) {
            return type == PTHREAD_MUTEX_RECURSIVE ? deepen(m) : -EDEADLK;
        }
    }
    int state = 0;
    if (!GR_CAS(&m->__data.__lock, state, 1)) {
        bool async = users && gr_self && gr_self->cancel_async;
        int rc = wait_for(m, clock, abs, async ? GR_ASYNC : 0);
        if (rc) {
            return rc;
        }
    }
    acquired(m, users);
    return 0;
}

int gr_mutex_lock_until(pthread_mutex_t *m, clockid_t clock, const struct timespec *abs)
{
    return lock(m, clock, abs, 1);
}

int gr_mutex_trylock(pthread_mutex_t *m)
{
    if (type_of(m) == PTHREAD_MUTEX_RECURSIVE && GR_PEEK(&m->__data.__owner) == gr_owner_self()) {
        return deepen(m);
    }
    int state = 0;
    if (!GR_CAS(&m->__data.__lock, state, 1)) {
        return -EBUSY;
    }
    acquired(m, 1);
    return 0;
}

/*
 * Give the mutex, held and no longer owned, to the first waiter. A green gets it as it is; a
 * foreign thread, which may take long to run, is woken to compete for it, and gets it when it lost
 * once.
 */
void gr_mutex_hand_over(pthread_mutex_t *m)
{
    struct gr_bucket *b = gr_lot_lock(m);
    struct gr_waiter *w = gr_lot_first(b, m);
    if (!w) {
        GR_STORE(&m->__data.__lock, 0);
        gr_lot_unlock(b);
        gr_wake_natives(&m->__data.__lock, 1);
        return;
    }
    gr_lot_take(b, w);
    if (w->green || (w->bits & INSISTS)) {
        w->bits |= GRANTED;
        GR_STORE(&m->__data.__lock, others_wait(b, m) ? 2 : 1);
    } else {
        GR_STORE(&m->__data.__lock, 0);
    }
    gr_lot_unlock(b);
    gr_wake(w);
}

static int unlock(pthread_mutex_t *m, unsigned users)
{
    int type = type_of(m);
    if (type == PTHREAD_MUTEX_RECURSIVE) {
        if (GR_PEEK(&m->__data.__owner) != gr_owner_self()) {
            return -EPERM;
        }
        if (--m->__data.__count != 0) {
            return 0;
        }
    } else if (type == PTHREAD_MUTEX_ERRORCHECK && GR_PEEK(&m->__data.__owner) != gr_owner_self()) {
        return -EPERM;
    }
    int state = 1;
    GR_POKE(&m->__data.__owner, 0);
    m->__data.__nusers -= users;
    if (!GR_CAS(&m->__data.__lock, state, 0)) {
        gr_mutex_hand_over(m);
    }
    return 0;
}

int gr_mutex_unlock_slow(pthread_mutex_t *m)
{
    return unlock(m, 1);
}

int gr_mutex_cond_unlock(pthread_mutex_t *m)
{
    return unlock(m, 0);
}

int gr_mutex_cond_lock(pthread_mutex_t *m)
{
    return lock(m, CLOCK_REALTIME, NULL, 0);
}
