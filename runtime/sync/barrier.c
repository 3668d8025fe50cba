#include "runtime/sync/barrier.h"

#define POLL_NS 1000000 /* between looks at a barrier that is destroyed while in use */

int gr_barrier_wait(pthread_barrier_t *barrier)
{
    struct gr_barrier *br = (struct gr_barrier *)(void *)barrier;
    struct gr_waiter w;
    gr_waiter_init(&w, br);
    struct gr_bucket *b = gr_lot_lock(br);
    br->in++;
    if (br->in - br->round < br->count) {
        (void)gr_lot_wait(b, &w, GR_FOREVER, 0, GR_WHY_BARRIER);
        return 0;
    }
    br->round = br->in;
    br->out += br->count;
    for (struct gr_waiter *other; (other = gr_lot_first(b, br)) != NULL;) {
        gr_lot_take(b, other);
        gr_wake(other);
    }
    gr_lot_unlock(b);
    return PTHREAD_BARRIER_SERIAL_THREAD;
}

void gr_barrier_destroy(pthread_barrier_t *barrier)
{
    struct gr_barrier *br = (struct gr_barrier *)(void *)barrier;
    for (;;) {
        struct gr_bucket *b = gr_lot_lock(br);
        bool used = br->in != br->round;
        gr_lot_unlock(b);
        if (GR_LIKELY(!used)) {
            return;
        }
        (void)gr_sleep_until(gr_deadline_in(POLL_NS), 0);
    }
}
