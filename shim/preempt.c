/*
 * Preemption. A green that computes would keep the others from running, and one that spins until
 * another changes something would do so for ever. So at a tick (core/tick) the green that has run
 * since the one before gives way, unless it is inside libc, the loader or ourselves: there others
 * could meet what is half done. Then it gives way when it next returns from a function of ours, or
 * is met outside of all that at one of the looks that follow every few microseconds.
 *
 * A green that may be cancelled at any time gives way at each tick: whoever wants to cancel it must
 * be able to, and it is then ended in the middle of what it does.
 */
#include "runtime/core/tick.h"
#include "shim/image.h"
#include "shim/shim.h"

#include <gnu/libc-version.h>

extern void *_dl_allocate_tls(void *);

bool gr_preempt_owed;

/* Code that must not be left in the middle: libc, the loader, ours. */
static struct gr_image untouchable[3];

static uint64_t last_switches; /* at the tick before */

static bool may_interrupt(const void *pc)
{
    for (size_t i = 0; i < GR_ARRAY_SIZE(untouchable); i++) {
        if (gr_image_holds(&untouchable[i], pc)) {
            return false;
        }
    }
    return true;
}

static bool asks_for_cancel(const struct green *g)
{
    return g->cancel_async && !g->cancel_disabled && !g->exiting;
}

static void on_tick(void *uc, bool again)
{
    struct green *g = gr_self;
    if (!g) {
        return;
    }
    bool long_enough = g->hub->switches == last_switches;
    last_switches = g->hub->switches;
    if (!long_enough && (again || !asks_for_cancel(g))) {
        return;
    }
    if (g->crit || !may_interrupt((const void *)gr_arch_pc(uc))) {
        gr_preempt_owed = long_enough;
        gr_tick_again(g->hub);
        return;
    }
    int saved = errno;
    gr_hub_give_way();
    gr_look_for_async_cancel(g);
    errno = saved;
}

void gr_preempt_give_way(void)
{
    int saved = errno;
    gr_preempt_owed = false;
    gr_hub_give_way();
    errno = saved;
}

void gr_preempt_init(void)
{
    if (gr_image_of((const void *)gnu_get_libc_version, &untouchable[0]) &&
        gr_image_of((const void *)_dl_allocate_tls, &untouchable[1]) &&
        gr_image_of((const void *)on_tick, &untouchable[2])) {
        gr_tick_enable(on_tick);
    }
}
