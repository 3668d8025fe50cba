/*
 * Signal masks: each green's own, and the kernel's mask of the carrier, which is the set that every
 * green blocks. Greens mostly share a few masks: those are counted.
 */
#ifndef GR_CORE_SIGMASK_H
#define GR_CORE_SIGMASK_H

#include "runtime/arch/tp.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Kernel signal sets: bit n-1 is signal n. */
#define GR_SIG_SET_BYTES 8

static inline uint64_t gr_sigbit(int sig)
{
    return 1ULL << (sig - 1);
}

/* libc's own signals, SIGCANCEL and SIGSETXID; programs cannot have them. */
#define GR_SIG_LIBC (3ULL << 31)

/* Never blocked, or libc's own. */
#define GR_SIG_ALWAYS_OPEN (gr_sigbit(SIGKILL) | gr_sigbit(SIGSTOP) | GR_SIG_LIBC)

/* gr_mask_all - all that may be blocked while code runs that uses thread-local storage. */
static inline uint64_t gr_mask_all(void)
{
    return ~(GR_SIG_ALWAYS_OPEN | (gr_tp_traps() ? gr_sigbit(SIGSEGV) : 0));
}

/* gr_mask_count - one green more or less (@by) has @mask. Returns whether a mask came into use or
 * went out of it: then gr_mask_common() may have changed, and the kernel's mask must follow. */
bool gr_mask_count(uint64_t mask, int by);

/* gr_mask_keep_open - do not let the kernel block @set, whatever the greens do: who blocks it is
 * found out in the handler. */
void gr_mask_keep_open(uint64_t set);

/* gr_mask_common - what every green blocks: the mask that the kernel should have. */
uint64_t gr_mask_common(void);

/*
 * gr_mask_set_kernel - give the carrier this mask. gr_mask_is_kernel - the kernel has it already,
 * as it sets masks on the way into a handler and out of it; hands back what it had before. On a
 * green in the runtime (gr_enter()), or in a handler.
 */
void gr_mask_set_kernel(uint64_t mask);
uint64_t gr_mask_is_kernel(uint64_t mask);

/* gr_mask_block_all - block every signal for a moment, in which nothing else is done about masks
 * and no thread-local object is used; gr_mask_unblock - put the mask back. Any thread. */
uint64_t gr_mask_block_all(void);
void gr_mask_unblock(uint64_t old);

/* gr_mask_only - forget everyone but the caller, whose mask is @mask. */
void gr_mask_only(uint64_t mask);

#endif
