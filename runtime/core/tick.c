#include "runtime/core/tick.h"

#include "runtime/base/clock.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/nudge.h"

#include <time.h>

#define TICK_NS  (10 * 1000 * 1000L)
#define RETRY_NS (50 * 1000L)

static void (*on_tick)(void *uc, bool again);

void gr_tick_enable(void (*fn)(void *uc, bool again))
{
    on_tick = fn;
}

static bool make_timer(struct gr_hub *h)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = gr_nudge_signal()};
    event._sigev_un._tid = h->tid;
    h->has_tick_timer =
        GR_SYS(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &event, &h->tick_timer) == 0 &&
        GR_SYS(SYS_timer_create, CLOCK_MONOTONIC, &event, &h->retry_timer) == 0;
    return h->has_tick_timer;
}

static void set_timer(int timer, long first, long every)
{
    struct itimerspec it = {{0, every}, {0, first}};
    (void)GR_SYS(SYS_timer_settime, timer, 0, &it, NULL);
}

void gr_tick_start(struct gr_hub *h)
{
    h->ticking = true; /* also if it cannot be had: nobody asks again */
    if (on_tick && (h->has_tick_timer || make_timer(h))) {
        set_timer(h->tick_timer, TICK_NS, TICK_NS);
    }
}

void gr_tick_stop(struct gr_hub *h)
{
    if (h->has_tick_timer) {
        set_timer(h->tick_timer, 0, 0);
        if (h->retrying) {
            h->retrying = false; /* first: a tick may come in between and set it again */
            set_timer(h->retry_timer, 0, 0);
        }
        h->ticking = false;
    }
}

void gr_tick_again(struct gr_hub *h)
{
    h->retrying = true;
    set_timer(h->retry_timer, RETRY_NS + gr_now() % RETRY_NS, 0); /* in step with no loop */
}

bool gr_tick(const struct gr_hub *h, const siginfo_t *info, void *uc)
{
    if (!h->has_tick_timer || info->si_code != SI_TIMER) {
        return false;
    }
    if (info->si_timerid != h->tick_timer && info->si_timerid != h->retry_timer) {
        return false;
    }
    on_tick(uc, info->si_timerid == h->retry_timer);
    return true;
}

void gr_tick_hub_new(struct gr_hub *h)
{
    h->has_tick_timer = false;
    h->ticking = false;
    h->retrying = false;
}
