/* The parking lot: hashed buckets of waiters, and futexes on top. */
#include "runtime/core/lot.h"

#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"
#include "runtime/core/signal.h"

#include <errno.h>
#include <sched.h>

#define BUCKET_BITS 14
#define N_BUCKETS   (1u << BUCKET_BITS)

/* Counts forks: what a bucket of another life holds is void. */
static uint32_t life = 1;

struct gr_bucket {
    _Atomic uint32_t locked; /* 0, or the life in which it was locked */
    uint32_t life;
    struct gr_list waiters;
} __attribute__((aligned(64)));

static struct gr_bucket buckets[N_BUCKETS];

static struct gr_bucket *bucket_of(const void *key)
{
    uint64_t h = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15ULL;
    return &buckets[h >> (64 - BUCKET_BITS)];
}

static void lock_bucket(struct gr_bucket *b)
{
    for (unsigned spins = 0;
         atomic_exchange_explicit(&b->locked, life, memory_order_acquire) == life; spins++) {
        if (spins > 100) {
            (void)GR_SYS(SYS_sched_yield); /* the holder is a kernel thread that was preempted */
        }
    }
    if (GR_UNLIKELY(b->life != life)) {
        b->life = life;
        gr_list_init(&b->waiters);
    }
}

static void unlock_bucket(struct gr_bucket *b)
{
    atomic_store_explicit(&b->locked, 0, memory_order_release);
}

struct gr_bucket *gr_lot_lock(const void *key)
{
    struct gr_bucket *b = bucket_of(key);
    gr_enter(gr_self);
    lock_bucket(b);
    return b;
}

void gr_lot_unlock(struct gr_bucket *b)
{
    unlock_bucket(b);
    gr_leave(gr_self);
}

struct gr_waiter *gr_lot_next(struct gr_bucket *b, struct gr_waiter *w)
{
    const void *key = w->key;
    for (struct gr_list *n = w->link.next; n != &b->waiters; n = n->next) {
        w = GR_LIST_ENTRY(n, struct gr_waiter, link);
        if (w->key == key) {
            return w;
        }
    }
    return NULL;
}

struct gr_waiter *gr_lot_first(struct gr_bucket *b, const void *key)
{
    for (struct gr_list *n = b->waiters.next; n != &b->waiters; n = n->next) {
        struct gr_waiter *w = GR_LIST_ENTRY(n, struct gr_waiter, link);
        if (w->key == key) {
            return w;
        }
    }
    return NULL;
}

void gr_lot_take(struct gr_bucket *b, struct gr_waiter *w)
{
    (void)b;
    gr_list_remove(&w->link);
}

/* A wait ended with @rc, not by a waker: take the waiter off its bucket. Returns the final result.
 */
static int give_up(struct gr_waiter *w, int rc, enum gr_why why)
{
    struct gr_bucket *b;
    /* Requeueing may have moved the waiter: lock the bucket of the key it has now. */
    for (;;) {
        const void *key = __atomic_load_n(&w->key, __ATOMIC_ACQUIRE);
        b = gr_lot_lock(key);
        if (__atomic_load_n(&w->key, __ATOMIC_RELAXED) == key) {
            break;
        }
        gr_lot_unlock(b);
    }
    bool queued = !gr_list_empty(&w->link);
    gr_list_remove(&w->link);
    unlock_bucket(b);
    if (w->green) {
        w->green->crit--; /* not gr_leave(): what its handlers say is the result */
    }
    if (queued && rc == -EINTR) {
        rc = gr_sig_interrupted(w->green);
        return rc ? rc : -GR_ERESTART;
    }
    if (queued) {
        return rc;
    }
    /* Taken off by a waker whose gr_wake() may still be on its way: the waiter must outlive it. */
    return gr_park(w, GR_FOREVER, 0, why);
}

struct queued {
    struct gr_waiter *w; /* NULL: off its bucket */
    enum gr_why why;
};

/* A handler that ran during the wait has ended the green, which is unwound. */
static void leave_unwound(struct queued *q)
{
    if (GR_UNLIKELY(q->w)) {
        (void)give_up(q->w, -ECANCELED, q->why);
    }
}

int gr_lot_wait(struct gr_bucket *b, struct gr_waiter *w, int64_t deadline, unsigned flags,
                enum gr_why why)
{
    struct queued q __attribute__((cleanup(leave_unwound))) = {w, why};
    gr_list_push_back(&b->waiters, &w->link);
    gr_lot_unlock(b);
    int rc = gr_park(w, deadline, flags, why);
    q.w = NULL;
    if (rc) {
        rc = give_up(w, rc, why);
    }
    if (w->green && w->green->crit == 0) {
        (void)gr_sig_check(); /* a handler that is due runs before the call returns */
    }
    return rc;
}

int gr_futex_wait(const uint32_t *addr, uint32_t expected, uint32_t bits, int64_t deadline,
                  unsigned flags, enum gr_why why)
{
    struct gr_waiter w;
    struct gr_bucket *b = gr_lot_lock(addr);
    if (__atomic_load_n(addr, __ATOMIC_SEQ_CST) != expected) {
        gr_lot_unlock(b);
        return -EAGAIN;
    }
    gr_waiter_init(&w, addr);
    w.bits = bits;
    return gr_lot_wait(b, &w, deadline, flags, why);
}

/* Move up to @n waiters on @addr that want @bits to @out; the bucket is locked. */
static int collect(struct gr_bucket *b, const void *addr, int n, uint32_t bits, struct gr_list *out)
{
    int found = 0;
    struct gr_waiter *next;
    for (struct gr_waiter *w = found < n ? gr_lot_first(b, addr) : NULL; w && found < n; w = next) {
        next = gr_lot_next(b, w);
        if (w->bits & bits) {
            gr_lot_take(b, w);
            gr_list_push_back(out, &w->link);
            found++;
        }
    }
    return found;
}

static void wake_all(struct gr_list *l)
{
    while (!gr_list_empty(l)) {
        gr_wake(GR_LIST_ENTRY(gr_list_pop_front(l), struct gr_waiter, link));
    }
}

int gr_futex_wake(const uint32_t *addr, int n, uint32_t bits)
{
    struct gr_list woken;
    gr_list_init(&woken);
    struct gr_bucket *b = gr_lot_lock(addr);
    int found = collect(b, addr, n, bits, &woken);
    wake_all(
        &woken); /* under the lock: a waiter that times out now must find itself off every list */
    gr_lot_unlock(b);
    return found;
}

/* Lock two buckets in address order; they may be the same. */
static void lock_two(struct gr_bucket *a, struct gr_bucket *b)
{
    gr_enter(gr_self);
    lock_bucket(a < b ? a : b);
    if (a != b) {
        lock_bucket(a < b ? b : a);
    }
}

static void unlock_two(struct gr_bucket *a, struct gr_bucket *b)
{
    unlock_bucket(a);
    if (a != b) {
        unlock_bucket(b);
    }
    gr_leave(gr_self);
}

int gr_futex_requeue(const uint32_t *addr, int n_wake, int n_move, const uint32_t *addr2,
                     const uint32_t *check, int *moved_out)
{
    struct gr_bucket *from = bucket_of(addr);
    struct gr_bucket *to = bucket_of(addr2);
    struct gr_list woken;
    gr_list_init(&woken);
    lock_two(from, to);
    if (check && __atomic_load_n(addr, __ATOMIC_SEQ_CST) != *check) {
        unlock_two(from, to);
        return -EAGAIN;
    }
    int found = collect(from, addr, n_wake, GR_FUTEX_ALL, &woken);
    int moved = 0;
    struct gr_waiter *next;
    for (struct gr_waiter *w = addr == addr2 ? NULL : gr_lot_first(from, addr); w && moved < n_move;
         w = next) {
        next = gr_lot_next(from, w);
        gr_lot_take(from, w);
        __atomic_store_n(&w->key, addr2, __ATOMIC_RELEASE);
        gr_list_push_back(&to->waiters, &w->link);
        moved++;
    }
    wake_all(&woken);
    unlock_two(from, to);
    if (moved_out) {
        *moved_out = moved;
        return found;
    }
    return found + moved;
}

void gr_lot_fork_child(void)
{
    life++;
}
