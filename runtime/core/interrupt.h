/* Interrupts: codes thrown into a green, which end its next wait that is a cancellation point. */
#ifndef GR_CORE_INTERRUPT_H
#define GR_CORE_INTERRUPT_H

#include "runtime/core/green.h"

/* Embedded in whatever throws; one at a time of each. */
struct gr_interrupt {
    struct gr_interrupt *next;
    int code;    /* negative */
    bool queued; /* on the green's list until it is delivered */
    bool delivered;
};

/*
 * gr_interrupt_throw - throw @i into @g, which is alive: its wait, or its next one, ends with
 * -ECANCELED. Nothing if @i is on its way already. Any thread; never switches.
 */
void gr_interrupt_throw(struct green *g, struct gr_interrupt *i);

/* gr_interrupt_withdraw - take @i back if it has not been delivered. Any thread; never switches. */
void gr_interrupt_withdraw(struct green *g, struct gr_interrupt *i);

/*
 * gr_interrupt_act - a wait of the calling green has ended with -ECANCELED and has been undone: a
 * cancellation ends the green, else the oldest interrupt is delivered.
 *
 * Returns its code. Every function that waits calls this last, before it returns to the program.
 */
int gr_interrupt_act(void) GR_COLD;

#endif
