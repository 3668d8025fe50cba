/*
 * The parking lot: queues of waiters keyed by address, for every synchronisation object and for
 * futex emulation.
 *
 * Waiters on one key are woken in FIFO order. Each bucket has a small spin lock, held for a few
 * instructions and never across a park; signal handlers of the program never run while it is held.
 */
#ifndef GR_CORE_LOT_H
#define GR_CORE_LOT_H

#include "runtime/core/park.h"

struct gr_bucket;

/* gr_lot_lock - lock the bucket of @key. gr_lot_unlock() releases it. */
struct gr_bucket *gr_lot_lock(const void *key);
void gr_lot_unlock(struct gr_bucket *b);

/*
 * gr_lot_wait - queue @w (initialised with the key), unlock @b and park.
 *
 * Returns 0 when woken, else -ETIMEDOUT, -EINTR or -GR_ERESTART with @w taken off the queue; @b is
 * unlocked in every case.
 */
int gr_lot_wait(struct gr_bucket *b, struct gr_waiter *w, int64_t deadline, unsigned flags,
                enum gr_why why);

/* gr_lot_first - first waiter on @key in the locked bucket, or NULL; gr_lot_next - the one after @w
 * on the same key. */
struct gr_waiter *gr_lot_first(struct gr_bucket *b, const void *key);
struct gr_waiter *gr_lot_next(struct gr_bucket *b, struct gr_waiter *w);

/* gr_lot_take - take @w off the locked bucket; the caller then gr_wake()s it after unlocking (or
 * before: both are right). */
void gr_lot_take(struct gr_bucket *b, struct gr_waiter *w);

/*
 * The futex operations of futex(2), within this process, for greens and foreign threads alike.
 *
 * gr_futex_wait - wait while *@addr == @expected. Returns 0, -EAGAIN (value differs), -ETIMEDOUT,
 * -EINTR, -GR_ERESTART. gr_futex_wake - wake up to @n waiters whose bits intersect @bits. Returns
 * how many. gr_futex_requeue - wake @n_wake, move up to @n_move to @addr2. With @check, -EAGAIN
 * when *@addr != *@check. Returns woken + moved; the number woken alone if @moved_out is given (it
 * receives the number moved).
 */
#define GR_FUTEX_ALL 0xffffffffu
int gr_futex_wait(const uint32_t *addr, uint32_t expected, uint32_t bits, int64_t deadline,
                  unsigned flags, enum gr_why why);
int gr_futex_wake(const uint32_t *addr, int n, uint32_t bits);
int gr_futex_requeue(const uint32_t *addr, int n_wake, int n_move, const uint32_t *addr2,
                     const uint32_t *check, int *moved_out);

/* gr_lot_fork_child - forget all waiters: in a forked child only the caller is left, and it does
 * not wait. */
void gr_lot_fork_child(void);

#endif
