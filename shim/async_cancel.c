/*
 * Asynchronous cancellation. A green that allows it may be computing when it is cancelled, and then
 * nobody runs who could: so while there is such a green a timer takes the CPU from it now and then,
 * and the request is acted upon when it gets the CPU back. The timer counts processor time of the
 * carrier, and does nothing to greens of any other kind.
 */
#include "runtime/core/nudge.h"
#include "shim/image.h"
#include "shim/shim.h"

#include <gnu/libc-version.h>
#include <time.h>

#define TICK_NS (10 * 1000 * 1000L)

extern void *__tls_get_addr(void *);

/* Code that must not be left in the middle: libc, the loader, ours. */
static struct gr_image untouchable[3];

static bool have_timer;
static int timer;
static long timer_pid; /* a forked child has no timers */
static unsigned n_async;

static bool may_interrupt(const void *pc)
{
    for (size_t i = 0; i < GR_ARRAY_SIZE(untouchable); i++) {
        if (gr_image_holds(&untouchable[i], pc)) {
            return false;
        }
    }
    return true;
}

static void on_tick(void *uc)
{
    struct green *g = gr_on_green();
    if (!g || !g->cancel_async || g->cancel_disabled || g->exiting ||
        !may_interrupt((const void *)gr_arch_pc(uc))) {
        return;
    }
    int saved = errno;
    gr_hub_give_way();
    gr_look_for_cancel();
    errno = saved;
}

static void run_timer(bool on)
{
    struct itimerspec every = {{0, TICK_NS}, {0, TICK_NS}};
    struct itimerspec never = {{0}, {0}};
    (void)GR_SYS(SYS_timer_settime, timer, 0, on ? &every : &never, NULL);
}

static void make_timer(const struct gr_hub *h)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = gr_nudge_signal()};
    event._sigev_un._tid = h->tid;
    gr_nudge_tick = on_tick;
    have_timer = gr_image_of((const void *)gnu_get_libc_version, &untouchable[0]) &&
                 gr_image_of((const void *)__tls_get_addr, &untouchable[1]) &&
                 gr_image_of((const void *)on_tick, &untouchable[2]) &&
                 GR_SYS(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0;
}

void gr_cancel_set_async(struct green *g, bool async)
{
    if (g->cancel_async == async) {
        return;
    }
    gr_enter(g);
    if (timer_pid != GR_SYS(SYS_getpid)) {
        timer_pid = GR_SYS(SYS_getpid);
        n_async = g->cancel_async;
        make_timer(g->hub);
    }
    g->cancel_async = async;
    n_async += async ? 1U : -1U;
    if (have_timer && n_async == async) {
        run_timer(async);
    }
    gr_leave(g);
}
