/*
 * Ticks: while more than one green could run, a timer of the kernel's interrupts the carrier after
 * every few milliseconds of its processor time, so that one which computes can be made to give way.
 * The timer stands still while the carrier waits, and is stopped while nobody else could run.
 */
#ifndef GR_CORE_TICK_H
#define GR_CORE_TICK_H

#include "runtime/core/hub.h"

/*
 * gr_tick_enable - @fn(@uc, false) is called at ticks from now on, in the handler of a signal, with
 * the interrupted context; it may switch if gr_self is outside the runtime (@crit 0). Before the
 * runtime starts. Without this call there are no ticks.
 */
void gr_tick_enable(void (*fn)(void *uc, bool again));

/* gr_tick_start, gr_tick_stop - on the carrier of @h; handlers of signals do not switch meanwhile.
 * No tick is on its way after the second. */
void gr_tick_start(struct gr_hub *h) GR_COLD;
void gr_tick_stop(struct gr_hub *h) GR_COLD;

/* gr_tick_again - at a tick: call the function once more, with true, in some microseconds. */
void gr_tick_again(struct gr_hub *h);

/* gr_tick - a timer of this process has sent @info: if that was a tick of @h, call the function.
 * Returns whether it was. */
bool gr_tick(const struct gr_hub *h, const siginfo_t *info, void *uc);

/* gr_tick_hub_new - a hub that has no timer yet. gr_tick_fork_child - the parent's is not ours. */
void gr_tick_hub_new(struct gr_hub *h);

#endif
