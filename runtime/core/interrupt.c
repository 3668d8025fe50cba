#include "runtime/core/interrupt.h"

#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"
#include "runtime/core/signal.h"

#include <errno.h>
#include <pthread.h>

static void lock(struct green *g)
{
    gr_enter(gr_self);
    while (atomic_exchange_explicit(&g->interrupts_locked, true, memory_order_acquire)) {
        (void)GR_SYS(SYS_sched_yield); /* the holder is another kernel thread */
    }
}

static void unlock(struct green *g)
{
    atomic_store_explicit(&g->interrupts_locked, false, memory_order_release);
    gr_leave(gr_self);
}

void gr_interrupt_throw(struct green *g, struct gr_interrupt *i)
{
    lock(g);
    if (!i->queued) {
        struct gr_interrupt *last = atomic_load(&g->interrupts);
        while (last && last->next) {
            last = last->next;
        }
        *i = (struct gr_interrupt){.code = i->code, .queued = true};
        if (last) {
            last->next = i;
        } else {
            atomic_store(&g->interrupts, i);
        }
    }
    unlock(g);
    if (gr_hub_here() != g->hub) {
        gr_hub_remote(g->hub, g);
    } else if (g->state == GR_PARKED) {
        gr_enter(gr_self);
        gr_hub_ready(g->hub, g); /* it looks, and parks again if this wait cannot be interrupted */
        gr_leave(gr_self);
    }
}

/* The list is locked. */
static void take_off(struct green *g, struct gr_interrupt *i)
{
    struct gr_interrupt *before = atomic_load(&g->interrupts);
    if (before == i) {
        atomic_store(&g->interrupts, i->next);
    } else {
        while (before->next != i) {
            before = before->next;
        }
        before->next = i->next;
    }
    i->queued = false;
}

void gr_interrupt_withdraw(struct green *g, struct gr_interrupt *i)
{
    lock(g);
    if (i->queued) {
        take_off(g, i);
    }
    unlock(g);
}

int gr_interrupt_act(void)
{
    struct green *g = gr_self;
    if (!g) {
        return -ECANCELED;
    }
    if (gr_cancel_requested(g)) {
        g->exiting = true;
        g->retval = PTHREAD_CANCELED;
        pthread_exit(PTHREAD_CANCELED);
    }
    int code = -ECANCELED;
    lock(g);
    struct gr_interrupt *i = atomic_load(&g->interrupts);
    if (i) {
        take_off(g, i);
        i->delivered = true;
        code = i->code;
    }
    unlock(g);
    return code;
}
