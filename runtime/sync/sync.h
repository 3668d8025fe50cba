/*
 * What all synchronisation objects share: who the caller is, deadlines as the program gives them,
 * atomic access to the fields of libc's own structures.
 *
 * Every object lives inside the bytes of libc's object. One without waiters looks exactly as libc
 * leaves it, so objects may change hands from libc to us at the moment the process starts its first
 * thread.
 *
 * If there are kernel threads at that moment they may wait inside libc, by libc's protocol, and
 * nobody knows for what (gr_natives). Mutexes, condition variables and semaphores then also wake
 * those, and count waiters in no way that libc does not; the other objects stay libc's.
 */
#ifndef GR_SYNC_SYNC_H
#define GR_SYNC_SYNC_H

#include "runtime/core/green.h"
#include "runtime/core/lot.h"

#include "runtime/base/rawsys.h"

#include <errno.h>
#include <linux/futex.h>

#define GR_LOAD(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define GR_PEEK(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define GR_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define GR_POKE(p, v)  __atomic_store_n((p), (v), __ATOMIC_RELAXED)
/* Compare and exchange; @old is an lvalue that receives what was found on failure. */
#define GR_CAS(p, old, new)                                                                        \
    __atomic_compare_exchange_n((p), &(old), (new), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

/* Kernel threads wait, perhaps, in libc's own functions. Set before the first green. */
extern bool gr_natives __attribute__((visibility("hidden")));

/* gr_wake_natives - wake @n of those that wait in the kernel for @word. */
static inline void gr_wake_natives(const void *word, int n)
{
    if (GR_UNLIKELY(gr_natives)) {
        (void)GR_SYS(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n);
    }
}

/* The caller as an owner of locks. */
static inline int gr_owner_self(void)
{
    struct green *g = gr_self;
    return GR_LIKELY(g) ? g->tid : gr_owner_id();
}

/* Deadline for @abs on @clock; NULL: none. */
static inline int64_t gr_until(clockid_t clock, const struct timespec *abs)
{
    return abs ? gr_deadline_at(clock, abs) : GR_FOREVER;
}

/*
 * A wait timed out: was that too early, because the real-time clock was set back meanwhile? Then
 * *@deadline is the new one. Clocks set forward are noticed late.
 */
static inline bool gr_too_early(clockid_t clock, const struct timespec *abs, int64_t *deadline)
{
    if (!abs || clock == CLOCK_MONOTONIC) {
        return false;
    }
    *deadline = gr_deadline_at(clock, abs);
    return *deadline > 0;
}

#endif
