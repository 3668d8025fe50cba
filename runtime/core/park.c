/* Blocking and waking, for greens and for kernel threads that run no hub. */
#include "runtime/core/park.h"

#include "runtime/base/probe.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"
#include "runtime/core/signal.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>

const char *const gr_why_names[GR_WHY_N] = {
    [GR_WHY_NONE] = "none",         [GR_WHY_FD] = "descriptor",
    [GR_WHY_POLL] = "poll",         [GR_WHY_SLEEP] = "sleep",
    [GR_WHY_MUTEX] = "mutex",       [GR_WHY_COND] = "condition",
    [GR_WHY_RWLOCK] = "rwlock",     [GR_WHY_SEM] = "semaphore",
    [GR_WHY_BARRIER] = "barrier",   [GR_WHY_ONCE] = "once",
    [GR_WHY_FUTEX] = "futex",       [GR_WHY_JOIN] = "join",
    [GR_WHY_CHILD] = "child",       [GR_WHY_WORKER] = "worker",
    [GR_WHY_SIGNAL] = "signal",     [GR_WHY_EXIT] = "exit",
    [GR_WHY_LIBC] = "libc",         [GR_WHY_OBJECT] = "object",
    [GR_WHY_GREENLET] = "greenlet", [GR_WHY_EVENT] = "event",
    [GR_WHY_RESULT] = "result",     [GR_WHY_PERMIT] = "green_semaphore",
    [GR_WHY_RLOCK] = "rlock",       [GR_WHY_CONDITION] = "green_condition",
    [GR_WHY_QUEUE] = "queue",       [GR_WHY_CHANNEL] = "channel",
    [GR_WHY_POPEN] = "green_popen", [GR_WHY_IDLE] = "idle",
    [GR_WHY_REST] = "rest",
};

void gr_waiter_init(struct gr_waiter *w, const void *key)
{
    gr_list_init(&w->link);
    w->key = key;
    w->green = gr_self;
    atomic_init(&w->woken, 0);
    w->bits = 0;
    w->arg = NULL;
}

/* A foreign thread sleeps in the kernel, on its own waiter. */
static int park_thread(struct gr_waiter *w, int64_t deadline, unsigned flags)
{
    struct timespec ts = gr_ns_timespec(deadline == GR_FOREVER ? 0 : deadline);
    while (!atomic_load_explicit(&w->woken, memory_order_acquire)) {
        long rc = GR_SYS(SYS_futex, &w->woken, FUTEX_WAIT_BITSET_PRIVATE, 0,
                         deadline == GR_FOREVER ? NULL : &ts, 0, FUTEX_BITSET_MATCH_ANY);
        if (rc == -ETIMEDOUT || (rc == -EINTR && (flags & GR_SIGNAL))) {
            return (int)rc;
        }
    }
    return 0;
}

static bool is_woken(const struct gr_waiter *w)
{
    return atomic_load_explicit(&w->woken, memory_order_acquire);
}

int gr_park(struct gr_waiter *w, int64_t deadline, unsigned flags, enum gr_why why)
{
    struct green *g = w->green;
    if (!g) {
        return park_thread(w, deadline, flags);
    }
    struct gr_hub *h = g->hub;
    for (;;) {
        if (is_woken(w)) {
            return 0;
        }
        if (GR_UNLIKELY(gr_cancelled(g, flags))) {
            return -ECANCELED;
        }
        if (GR_UNLIKELY(gr_sig_deliverable(g)) && !(flags & GR_HOLD)) {
            if (flags & GR_SIGNAL) {
                return -EINTR;
            }
            (void)gr_sig_check(); /* the wait goes on afterwards */
            continue;
        }
        g->crit++;
        atomic_signal_fence(memory_order_seq_cst);
        g->ended = 0;
        g->why = (uint8_t)why;
        g->park_flags = (uint8_t)flags;
        g->why_arg = w->key;
        g->parked = h->noted;
        if (deadline != GR_FOREVER) {
            gr_hub_timer_add(h, g, deadline);
        }
        h->parks[why]++;
        GR_PROBE3(park, g->id, why, g->why_arg);
        g->state = GR_PARKED;
        gr_hub_switch(g);
        if (g->heap_index >= 0) {
            gr_hub_timer_remove(h, g);
        }
        atomic_signal_fence(memory_order_seq_cst);
        g->crit--;
        if (is_woken(w)) {
            return 0;
        }
        if (g->ended) {
            return -g->ended;
        }
        if (GR_UNLIKELY(g->sig_wait &
                        atomic_load_explicit(&g->pending.set, memory_order_relaxed))) {
            return -EINTR; /* what a sigwait waits for */
        }
    }
}

void gr_wake(struct gr_waiter *w)
{
    struct green *g = w->green;
    if (!g) {
        atomic_store_explicit(&w->woken, 1, memory_order_release);
        (void)GR_SYS(SYS_futex, &w->woken, FUTEX_WAKE_PRIVATE, INT_MAX);
        return;
    }
    struct gr_hub *h = g->hub;
    if (GR_LIKELY(gr_hub_here() == h)) {
        gr_enter(gr_self);
        atomic_store_explicit(&w->woken, 1, memory_order_relaxed);
        if (g->state == GR_PARKED) {
            gr_hub_ready(h, g);
        }
        gr_leave(gr_self);
        return;
    }
    atomic_store_explicit(&w->woken, 1, memory_order_release);
    gr_hub_remote(h, g);
}

int gr_sleep_until(int64_t deadline, unsigned flags)
{
    struct gr_waiter w;
    gr_waiter_init(&w, NULL);
    int rc;
    do {
        rc = gr_park(&w, deadline, flags, GR_WHY_SLEEP);
    } while (rc == -EINTR && !(rc = gr_sig_interrupted(w.green)));
    return rc == -ETIMEDOUT ? 0 : rc;
}

int gr_owner_id(void)
{
    static GR_TLS int tid;
    if (gr_self) {
        return gr_self->tid;
    }
    if (!tid) {
        tid = (int)GR_SYS(SYS_gettid);
    }
    return tid;
}
