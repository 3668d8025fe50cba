/*
 * Kernel threads that block in a green's place.
 *
 * The list of idle stand-ins belongs to the carrier. Between carrier and stand-in there is one
 * word, its state: the carrier makes it BUSY, the stand-in IDLE again or, when it has been idle for
 * long, GONE. Threads are made by the hub, where pthread_create() makes kernel threads.
 */
#include "runtime/core/standin.h"

#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"
#include "runtime/core/nudge.h"
#include "runtime/core/signal.h"
#include "runtime/core/tls.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define IDLE_SECONDS 5
#define STACK_SIZE   (64UL << 10)

/* The signal that cuts a call off is sent again until the stand-in answers: it may have come right
 * before the call began. */
#define FIRST_AGAIN_NS (50 * 1000LL)
#define LAST_AGAIN_NS  (10 * 1000 * 1000LL)

enum { IDLE, BUSY, GONE };

/* A stand-in. It outlives its thread until the carrier notices. */
struct gr_standin {
    struct gr_standin *next; /* idle ones of a hub */
    struct gr_errand *errand;
    _Atomic uint32_t state; /* futex */
    _Atomic int tid;        /* 0: not running yet */
    bool deep;              /* with a stack for any function */
};

/* What a stand-in is to do; on the stack of the green that waits. */
struct gr_errand {
    struct gr_waiter waiter;
    struct gr_errand *next; /* those that wait for a stand-in */
    struct gr_standin *by;
    bool (*fn)(void *arg);
    void *arg;
    bool done;
    bool deep;        /* needs such a stack */
    _Atomic bool cut; /* give up when cut off */
};

/* --- on the stand-in --- */

static void perform(struct gr_standin *s)
{
    struct gr_errand *e = s->errand;
    do {
        e->done = e->fn(e->arg);
    } while (!e->done && !atomic_load(&e->cut));
    atomic_store(&s->state, IDLE); /* from the wake on it may be given the next errand */
    gr_wake(&e->waiter);
}

static bool wait_for_errand(struct gr_standin *s)
{
    struct timespec limit = {.tv_sec = IDLE_SECONDS};
    uint32_t idle = IDLE;
    while (atomic_load(&s->state) == IDLE) {
        long rc = GR_SYS(SYS_futex, &s->state, FUTEX_WAIT_PRIVATE, IDLE, &limit);
        if (rc == -ETIMEDOUT && atomic_compare_exchange_strong(&s->state, &idle, GONE)) {
            return false;
        }
    }
    return true;
}

static void *standin_main(void *arg)
{
    struct gr_standin *s = arg;
    atomic_store(&s->tid, (int)GR_SYS(SYS_gettid));
    do {
        perform(s);
    } while (wait_for_errand(s));
    return NULL;
}

/* --- on the carrier --- */

static bool give_to_idle(struct gr_hub *h, struct gr_errand *e)
{
    for (struct gr_standin **p = &h->idle_standins; *p;) {
        struct gr_standin *s = *p;
        uint32_t idle = IDLE;
        if (e->deep && !s->deep) {
            p = &s->next;
            continue;
        }
        *p = s->next;
        s->errand = e;
        if (atomic_compare_exchange_strong(&s->state, &idle, BUSY)) {
            e->by = s;
            (void)GR_SYS(SYS_futex, &s->state, FUTEX_WAKE_PRIVATE, 1);
            return true;
        }
        free(s);
        h->n_standins--;
    }
    return false;
}

static bool give_to_new(struct gr_hub *h, struct gr_errand *e)
{
    pthread_attr_t attr;
    pthread_t thread;
    struct gr_standin *s = calloc(1, sizeof(*s));
    if (!s || pthread_attr_init(&attr)) {
        free(s);
        return false;
    }
    if (!e->deep) {
        (void)pthread_attr_setstacksize(&attr, STACK_SIZE + gr_align_up(gr_tls_size(), 4096));
    }
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    s->errand = e;
    s->state = BUSY;
    s->deep = e->deep;
    e->by = s;
    int rc = pthread_create(&thread, &attr, standin_main, s);
    (void)pthread_attr_destroy(&attr);
    if (rc) {
        e->by = NULL;
        free(s);
        return false;
    }
    if (++h->n_standins > h->n_standins_peak) {
        h->n_standins_peak = h->n_standins;
    }
    return true;
}

void gr_standin_start_queued(struct gr_hub *h)
{
    while (h->errands) {
        struct gr_errand *e = h->errands;
        h->errands = e->next;
        if (!give_to_idle(h, e) && !give_to_new(h, e)) {
            h->errands = e; /* no thread to be had: again at the next turn */
            return;
        }
    }
}

static void begin(struct gr_hub *h, struct gr_errand *e)
{
    h->n_jobs++;
    if (!give_to_idle(h, e)) {
        e->next = h->errands;
        h->errands = e;
    }
}

static bool take_back(struct gr_hub *h, const struct gr_errand *e)
{
    for (struct gr_errand **p = &h->errands; *p; p = &(*p)->next) {
        if (*p == e) {
            *p = e->next;
            return true;
        }
    }
    return false;
}

/* Returns when the stand-in has given up, or has a result after all. */
static void cut_off(struct gr_hub *h, struct gr_errand *e)
{
    int64_t again = FIRST_AGAIN_NS;
    if (take_back(h, e)) {
        return;
    }
    atomic_store(&e->cut, true);
    do {
        int tid = atomic_load(&e->by->tid);
        if (tid) {
            gr_nudge(tid);
        }
        again = again < LAST_AGAIN_NS ? again * 2 : again;
    } while (gr_park(&e->waiter, gr_deadline_in(again), GR_HOLD, GR_WHY_WORKER));
}

static void end(struct gr_hub *h, const struct gr_errand *e)
{
    h->n_jobs--;
    if (e->by) {
        e->by->next = h->idle_standins;
        h->idle_standins = e->by;
    }
}

int gr_standin_run(bool (*fn)(void *arg), void *arg, int64_t deadline, unsigned flags)
{
    struct green *g = gr_self;
    struct gr_hub *h = g->hub;
    int rc;
    if (gr_cancelled(g, flags)) {
        return -ECANCELED;
    }
    do {
        struct gr_errand e = {.fn = fn, .arg = arg, .deep = flags & GR_DEEP};
        gr_waiter_init(&e.waiter, NULL);
        g->crit++; /* handlers, which may jump away, wait until the errand is over */
        begin(h, &e);
        unsigned how = flags & ~GR_DEEP;
        rc = gr_park(&e.waiter, deadline, how & GR_SIGNAL ? how : how | GR_HOLD, GR_WHY_WORKER);
        if (rc) {
            cut_off(h, &e);
        }
        end(h, &e);
        g->crit--;
        if (e.done || rc == -ETIMEDOUT) {
            (void)gr_sig_check(); /* a handler that is due runs before the call returns */
            return e.done ? 0 : rc;
        }
    } while (rc == -EINTR && !(rc = gr_sig_interrupted(g)));
    return rc;
}

struct call {
    const struct gr_syscall *c;
    long rc;
};

static bool make_call(void *arg)
{
    struct call *call = arg;
    call->rc = gr_syscall_make(call->c);
    return call->rc != -EINTR;
}

long gr_standin_call(const struct gr_syscall *c, int64_t deadline, unsigned flags)
{
    struct call call = {.c = c};
    int rc = gr_standin_run(make_call, &call, deadline, flags);
    return rc ? rc : call.rc;
}

void gr_standin_fork_child(struct gr_hub *h)
{
    while (h->idle_standins) {
        struct gr_standin *s = h->idle_standins;
        h->idle_standins = s->next;
        free(s);
    }
    h->errands = NULL;
    h->n_standins = 0;
}
