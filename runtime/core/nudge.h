/*
 * Nudges: a signal to a kernel thread that ends its system call with EINTR and makes a carrier look
 * at its greens' signals. By libc's SIGCANCEL, whose purpose that is, and which programs cannot
 * have.
 */
#ifndef GR_CORE_NUDGE_H
#define GR_CORE_NUDGE_H

#include "runtime/core/hub.h"

/* gr_nudge - nudge the kernel thread @tid of this process. Any thread, handlers too. */
void gr_nudge(int tid);

/* gr_nudge_later - nudge the carrier of @h in some milliseconds. Once if called again before. On
 * that carrier, handlers too. */
void gr_nudge_later(struct gr_hub *h);

/*
 * gr_nudge_signal - the number of the signal, for a timer of the kernel's that sends it to a
 * carrier. Its handler blocks no signal, so that it may switch to another green.
 */
int gr_nudge_signal(void);

/* gr_nudge_fork_child - the parent's timer is not ours. */
void gr_nudge_fork_child(struct gr_hub *h);

#endif
