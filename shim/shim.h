/* The few words that every interposed function uses. */
#ifndef GR_SHIM_SHIM_H
#define GR_SHIM_SHIM_H

#include "runtime/base/compiler.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"
#include "runtime/core/interrupt.h"
#include "runtime/core/signal.h"
#include "shim/symbols.h"

#include <errno.h>

/* Marks an interposed function: exported under libc's name. */
#define GR_SHIM __attribute__((visibility("default")))

/* How often each row was entered on a green; shown by --stats. */
extern uint64_t gr_calls[GR_N_ROWS] __attribute__((visibility("hidden")));
#define GR_COUNT(name) ((void)gr_calls[GR_ROW_##name]++)

/*
 * The predicate at the top of every body: the calling green, or NULL for whoever must get libc's
 * plain behaviour: a process that has started no thread yet (or runs with GREENSHIM=off), the hub,
 * libuv's workers, foreign threads, and the runtime itself, which calls libc now and then.
 */
static inline struct green *gr_on_green(void)
{
    struct green *g = gr_self;
    return g && GR_LIKELY(g->crit == 0) ? g : NULL;
}

/* gr_thread_green - the green that is the thread @t; NULL: a kernel thread. */
static inline struct green *gr_thread_green(pthread_t t)
{
    return gr_active ? gr_green_of(t) : NULL;
}

/* Was the library there when the process started? Then its functions are reached by name, if no
 * other way. */
extern bool gr_at_start __attribute__((visibility("hidden")));

/*
 * gr_run_as_carrier - call @fn(@a, @b, @c), which must not switch, under the identity of the
 * carrier's own thread: libc's private data of a thread is the carrier's then. errno is set if the
 * result is not 0.
 */
int gr_run_as_carrier(int (*fn)(long, long, long), long a, long b, long c);

/* gr_resolver_start - before the first green is made: each shall have a resolver state of its own.
 */
void gr_resolver_start(void);

/*
 * At the end of the calling green @g, in this order: destructors of its pthread keys
 * (pthread_key.c); what the resolver keeps for it (netdb.c).
 */
void gr_keys_end(struct green *g);
void gr_resolver_end(void);

/* Act upon a request to cancel the caller, if there is one. */
static inline void gr_look_for_cancel(void)
{
    struct green *g = gr_on_green();
    if (g && GR_UNLIKELY(gr_cancel_requested(g))) {
        (void)gr_interrupt_act();
    }
}

/* The same for the caller @g, in a call that is no cancellation point, but where others could run.
 */
static inline void gr_look_for_async_cancel(const struct green *g)
{
    if (GR_UNLIKELY(g->cancel_async)) {
        gr_look_for_cancel();
    }
}

/* Entry of a cancellation point: counts the call, and acts upon a request before anything is done,
 * as libc does. */
#define GR_CANCEL_POINT(name) (GR_COUNT(name), gr_look_for_cancel())

/* gr_preempt_init - before the first green: those that compute are to give way to others.
 * gr_preempt_give_way - the caller owes that, and is where it may (preempt.c). */
void gr_preempt_init(void);
extern bool gr_preempt_owed __attribute__((visibility("hidden")));
void gr_preempt_give_way(void) GR_COLD;

/* Handlers that have become due during a call, while another green ran, run before it returns. */
static inline void gr_run_due_handlers(void)
{
    struct green *g = gr_on_green();
    if (GR_UNLIKELY(gr_preempt_owed) && g) {
        gr_preempt_give_way();
    }
    if (g && GR_UNLIKELY(gr_sig_deliverable(g))) {
        (void)gr_sig_check_slow();
    }
}

/* libc faces that return -1 and errno: turn 0, a positive result or -errno into that. errno is left
 * alone on success. */
static inline long gr_ret(long rc)
{
    gr_run_due_handlers();
    if (GR_UNLIKELY(rc < 0)) {
        if (rc == -ECANCELED) {
            rc = gr_interrupt_act();
        }
        errno = (int)-rc;
        return -1;
    }
    return rc;
}

/* pthread faces that return a positive error number. */
static inline int gr_ret_pos(int rc)
{
    gr_run_due_handlers();
    if (GR_UNLIKELY(rc == -ECANCELED)) {
        rc = gr_interrupt_act();
    }
    return rc < 0 ? -rc : 0;
}

/* A wait ended with @rc; does the call go on? -GR_ERESTART: yes for restartable calls. Others:
 * -EINTR. */
static inline int gr_eintr(int rc)
{
    return rc == -GR_ERESTART ? -EINTR : rc;
}

#endif
