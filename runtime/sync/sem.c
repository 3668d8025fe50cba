#include "runtime/sync/sem.h"

/* Under the lot's lock: take a permit that came meanwhile, else flag that somebody waits. */
static bool take_or_mark(struct gr_sem *s)
{
    uint64_t word = GR_PEEK(&s->word);
    for (;;) {
        bool take = (word & GR_SEM_VALUE) != 0;
        uint64_t flag = gr_natives ? 0 : GR_SEM_WAITERS;
        if (GR_CAS(&s->word, word, take ? word - 1 : word | flag)) {
            return take;
        }
    }
}

int gr_sem_wait_slow(struct gr_sem *s, clockid_t clock, const struct timespec *abs)
{
    int64_t deadline = gr_until(clock, abs);
    for (;;) {
        struct gr_waiter w;
        struct gr_bucket *b = gr_lot_lock(s);
        if (take_or_mark(s)) {
            gr_lot_unlock(b);
            return 0;
        }
        gr_waiter_init(&w, s);
        int rc = gr_lot_wait(b, &w, deadline, GR_INTR, GR_WHY_SEM);
        if (rc == -ETIMEDOUT && gr_too_early(clock, abs, &deadline)) {
            continue;
        }
        if (rc == -GR_ERESTART) {
            if (!abs) {
                continue;
            }
            return -EINTR;
        }
        return rc;
    }
}

int gr_sem_post_slow(struct gr_sem *s)
{
    struct gr_bucket *b = gr_lot_lock(s);
    struct gr_waiter *w = gr_lot_first(b, s);
    if (w) {
        /* Last use of the object: the waiter may destroy it. */
        if (!gr_natives && !gr_lot_next(b, w)) {
            (void)__atomic_fetch_and(&s->word, GR_SEM_VALUE, __ATOMIC_RELEASE);
        }
        gr_lot_take(b, w);
        gr_lot_unlock(b);
        gr_wake(w);
        return 0;
    }
    int rc = 0;
    uint64_t word = GR_PEEK(&s->word);
    do {
        if ((word & GR_SEM_VALUE) == SEM_VALUE_MAX) {
            rc = -EOVERFLOW;
            break;
        }
    } while (!GR_CAS(&s->word, word, gr_natives ? word + 1 : (word & GR_SEM_VALUE) + 1));
    gr_lot_unlock(b);
    if (word > GR_SEM_VALUE) {
        gr_wake_natives(s, 1); /* for the low half */
    }
    return rc;
}
