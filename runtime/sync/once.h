/*
 * Things done once.
 *
 * The word is 0, or 2 when done, as libc has it; libc itself marks work in progress by 1 plus a
 * small multiple of 4, we by 1, the process id above it and a high bit: work begun in a parent
 * process that forked meanwhile is begun again.
 */
#ifndef GR_SYNC_ONCE_H
#define GR_SYNC_ONCE_H

#include "runtime/sync/sync.h"

#define GR_ONCE_BUSY 1
#define GR_ONCE_DONE 2

void gr_once_slow(int *word, void (*init)(void));

/*
 * gr_once - run @init unless it was run; wait while another runs it. Should @init not return (an
 * exception, pthread_exit, cancellation), the next caller runs it.
 * Switches: if it has to wait, or @init does.
 */
static inline void gr_once(int *word, void (*init)(void))
{
    if (GR_UNLIKELY(!(GR_LOAD(word) & GR_ONCE_DONE))) {
        gr_once_slow(word, init);
    }
}

/* gr_once_wake - the word changed: whoever waits looks again. */
void gr_once_wake(const int *word);

#endif
