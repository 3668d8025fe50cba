/* Queues. */
#include <green/queue.h>

#include "runtime/api/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum kind { FIFO, LIFO, PRIORITY };

/*
 * The lot's lock of the queue's address guards it. Getters wait only while it is empty and putters
 * only while it is full, so those who wait at the address are getters and peekers, or putters.
 */
struct green_queue {
    enum kind kind;
    size_t max;   /* SIZE_MAX: none */
    size_t n;     /* items */
    size_t room;  /* of @items */
    size_t first; /* FIFO: a ring */
    void **items; /* LIFO: the last is next; PRIORITY: a binary heap */
    int (*compare)(const void *a, const void *b);
    size_t open; /* items put and not dealt with */
    bool shut;
};

enum { GETTER = 1, PEEKER = 2, PUTTER = 4 }; /* bits of a waiter */

/* Somebody who waits: a putter with his item, or for one. */
struct party {
    struct gr_waiter w;
    void *item;
    int result;
};

static struct party *party_of(struct gr_waiter *w)
{
    return GR_CONTAINER_OF(w, struct party, w);
}

/* --- what is in it --- */

static struct green_queue *new_queue(enum kind kind, size_t max,
                                     int (*compare)(const void *, const void *))
{
    struct green_queue *q = calloc(1, sizeof(*q));
    if (q) {
        q->kind = kind;
        q->max = max ? max : SIZE_MAX;
        q->compare = compare;
    }
    return q;
}

struct green_queue *green_queue_new(size_t max)
{
    return new_queue(FIFO, max, NULL);
}

struct green_queue *green_lifo_queue_new(size_t max)
{
    return new_queue(LIFO, max, NULL);
}

struct green_queue *green_priority_queue_new(size_t max, int (*compare)(const void *, const void *))
{
    return new_queue(PRIORITY, max, compare);
}

void green_queue_free(struct green_queue *q)
{
    if (q) {
        free(q->items);
        free(q);
    }
}

static void **ring_at(const struct green_queue *q, size_t i)
{
    size_t at = q->first + i;
    return &q->items[at < q->room ? at : at - q->room];
}

static void heap_up(const struct green_queue *q, size_t i, void *item)
{
    while (i > 0 && q->compare(item, q->items[(i - 1) / 2]) < 0) {
        q->items[i] = q->items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    q->items[i] = item;
}

/* @item into the hole at the top of a heap of @n. */
static void heap_down(const struct green_queue *q, size_t n, void *item)
{
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && q->compare(q->items[child + 1], q->items[child]) < 0) {
            child++;
        }
        if (q->compare(item, q->items[child]) <= 0) {
            break;
        }
        q->items[i] = q->items[child];
    }
    q->items[i] = item;
}

/* There is room. */
static void push(struct green_queue *q, void *item)
{
    switch (q->kind) {
    case FIFO:
        *ring_at(q, q->n) = item;
        break;
    case LIFO:
        q->items[q->n] = item;
        break;
    case PRIORITY:
        heap_up(q, q->n, item);
        break;
    }
    q->n++;
    q->open++;
}

static void *top(const struct green_queue *q)
{
    return q->kind == FIFO ? *ring_at(q, 0) : q->items[q->kind == LIFO ? q->n - 1 : 0];
}

static void *pop(struct green_queue *q)
{
    void *item = top(q);
    q->n--;
    if (q->kind == FIFO) {
        q->first = q->first + 1 < q->room ? q->first + 1 : 0;
    } else if (q->kind == PRIORITY && q->n > 0) {
        heap_down(q, q->n, q->items[q->n]);
    }
    return item;
}

/*
 * Room for @n items; the lock is let go meanwhile if memory is needed, so the caller looks at
 * everything again when this says true. Returns -ENOMEM with the lock let go.
 */
static int make_room(struct green_queue *q, struct gr_bucket **b, size_t n, bool *looked_away)
{
    *looked_away = false;
    while (q->room < n) {
        size_t room = q->room ? q->room : 8;
        while (room < n) {
            room *= 2;
        }
        gr_lot_unlock(*b);
        void **items = malloc(room * sizeof(*items));
        if (!items) {
            return -ENOMEM;
        }
        *b = gr_lot_lock(q);
        *looked_away = true;
        void **old = items;
        if (q->room < room) {
            for (size_t i = 0; i < q->n; i++) {
                items[i] = q->kind == FIFO ? *ring_at(q, i) : q->items[i];
            }
            old = q->items;
            q->items = items;
            q->room = room;
            q->first = 0;
        }
        free(old);
    }
    return 0;
}

/* --- who waits --- */

static void release(struct gr_bucket *b, struct gr_waiter *w, int result)
{
    gr_lot_take(b, w);
    party_of(w)->result = result;
    gr_wake(w);
}

/* @item goes past the peekers to the first getter, if there is one: the queue is empty. */
static bool give(struct gr_bucket *b, struct green_queue *q, void *item)
{
    struct gr_waiter *w;
    while ((w = gr_lot_first(b, q)) && (w->bits & (GETTER | PEEKER))) {
        bool taken = w->bits == GETTER;
        party_of(w)->item = item;
        release(b, w, 0);
        if (taken) {
            return true;
        }
    }
    return false;
}

/* Putters whose items fit now; there is memory for them. */
static void let_in(struct gr_bucket *b, struct green_queue *q)
{
    struct gr_waiter *w;
    while (q->n < q->max && q->n < q->room && (w = gr_lot_first(b, q)) && w->bits == PUTTER) {
        push(q, party_of(w)->item);
        release(b, w, 0);
    }
}

static int wait_at(struct gr_bucket *b, struct green_queue *q, uint32_t role, struct party *p,
                   int64_t timeout)
{
    gr_waiter_init(&p->w, q);
    p->w.bits = role;
    int rc = gr_api_wait_for(b, &p->w, timeout, GR_WHY_QUEUE);
    return rc ? rc : p->result;
}

int green_queue_put(struct green_queue *q, void *item, int64_t timeout)
{
    (void)gr_api_start();
    struct gr_bucket *b = gr_lot_lock(q);
    bool looked_away;
    do {
        looked_away = false;
        if (q->shut) {
            gr_lot_unlock(b);
            return -ESHUTDOWN;
        }
        if (q->n == 0 && give(b, q, item)) {
            q->open++;
            break;
        }
        if (q->n >= q->max) {
            struct party p = {.item = item};
            return wait_at(b, q, PUTTER, &p, timeout);
        }
        if (make_room(q, &b, q->n + 1, &looked_away)) {
            return -ENOMEM;
        }
        if (!looked_away) {
            push(q, item);
        }
    } while (looked_away);
    gr_lot_unlock(b);
    return 0;
}

static int take(struct green_queue *q, uint32_t role, void **out, int64_t timeout)
{
    (void)gr_api_start();
    struct gr_bucket *b = gr_lot_lock(q);
    if (q->n > 0) {
        *out = role == GETTER ? pop(q) : top(q);
        let_in(b, q);
        gr_lot_unlock(b);
        return 0;
    }
    if (q->shut) {
        gr_lot_unlock(b);
        return -ESHUTDOWN;
    }
    struct party p;
    int rc = wait_at(b, q, role, &p, timeout);
    if (rc == 0) {
        *out = p.item;
    }
    return rc;
}

int green_queue_get(struct green_queue *q, void **out, int64_t timeout)
{
    return take(q, GETTER, out, timeout);
}

int green_queue_peek(struct green_queue *q, void **out, int64_t timeout)
{
    return take(q, PEEKER, out, timeout);
}

size_t green_queue_size(const struct green_queue *q)
{
    return __atomic_load_n(&q->n, __ATOMIC_RELAXED);
}

int green_queue_empty(const struct green_queue *q)
{
    return green_queue_size(q) == 0;
}

int green_queue_full(const struct green_queue *q)
{
    return green_queue_size(q) >= __atomic_load_n(&q->max, __ATOMIC_RELAXED);
}

static size_t count_putters(struct gr_bucket *b, const struct green_queue *q)
{
    size_t n = 0;
    for (struct gr_waiter *w = gr_lot_first(b, q); w; w = gr_lot_next(b, w)) {
        n += w->bits == PUTTER;
    }
    return n;
}

int green_queue_set_max(struct green_queue *q, size_t max)
{
    struct gr_bucket *b = gr_lot_lock(q);
    bool looked_away;
    max = max ? max : SIZE_MAX;
    do {
        size_t want = q->n + count_putters(b, q);
        if (make_room(q, &b, want < max ? want : max, &looked_away)) {
            return -ENOMEM;
        }
    } while (looked_away);
    q->max = max;
    let_in(b, q);
    gr_lot_unlock(b);
    return 0;
}

void green_queue_shutdown(struct green_queue *q, int immediate)
{
    struct gr_bucket *b = gr_lot_lock(q);
    q->shut = true;
    bool dealt_with = false;
    if (immediate) {
        dealt_with = q->n > 0 && q->n == q->open;
        q->open -= q->n < q->open ? q->n : q->open;
        q->n = 0;
    }
    /* Whoever waits: for an item that will not come, or for room that is of no use. */
    for (struct gr_waiter *w; (w = gr_lot_first(b, q));) {
        release(b, w, -ESHUTDOWN);
    }
    gr_lot_unlock(b);
    if (dealt_with) {
        b = gr_lot_lock(&q->open);
        gr_api_wake_all(b, &q->open);
        gr_lot_unlock(b);
    }
}

/* --- items dealt with --- */

int green_queue_task_done(struct green_queue *q)
{
    struct gr_bucket *b = gr_lot_lock(q);
    size_t open = q->open;
    if (open > 0) {
        q->open--;
    }
    gr_lot_unlock(b);
    if (open == 1) {
        b = gr_lot_lock(&q->open);
        gr_api_wake_all(b, &q->open);
        gr_lot_unlock(b);
    }
    return open ? 0 : -EINVAL;
}

int green_queue_join(struct green_queue *q, int64_t timeout)
{
    (void)gr_api_start();
    struct gr_bucket *b = gr_lot_lock(&q->open);
    if (__atomic_load_n(&q->open, __ATOMIC_ACQUIRE) == 0) {
        gr_lot_unlock(b);
        return 0;
    }
    struct gr_waiter w;
    gr_waiter_init(&w, &q->open);
    int rc = gr_api_wait_for(b, &w, timeout, GR_WHY_QUEUE);
    return rc == -EAGAIN ? -ETIMEDOUT : rc;
}

/* --- channels --- */

/* Whoever waits at its address is a putter or a getter, never both kinds. */
struct green_channel {
    long balance;
};

struct green_channel *green_channel_new(void)
{
    return calloc(1, sizeof(struct green_channel));
}

void green_channel_free(struct green_channel *c)
{
    free(c);
}

static int meet(struct green_channel *c, uint32_t role, void **item, int64_t timeout)
{
    (void)gr_api_start();
    struct gr_bucket *b = gr_lot_lock(c);
    struct gr_waiter *w = gr_lot_first(b, c);
    long step = role == PUTTER ? 1 : -1;
    if (w && w->bits != role) {
        void **from = role == PUTTER ? item : &party_of(w)->item;
        void **to = role == PUTTER ? &party_of(w)->item : item;
        *to = *from;
        c->balance += step;
        release(b, w, 0);
        gr_lot_unlock(b);
        return 0;
    }
    struct party p = {.item = *item};
    gr_waiter_init(&p.w, c);
    p.w.bits = role;
    if (timeout <= 0) {
        gr_lot_unlock(b);
        return -EAGAIN;
    }
    c->balance += step;
    int rc = gr_lot_wait(b, &p.w, gr_api_deadline(timeout), GR_API_PARK, GR_WHY_CHANNEL);
    if (rc) {
        b = gr_lot_lock(c);
        c->balance -= step; /* nobody came */
        gr_lot_unlock(b);
    } else {
        *item = p.item;
    }
    return gr_api_result(rc);
}

int green_channel_put(struct green_channel *c, void *item, int64_t timeout)
{
    return meet(c, PUTTER, &item, timeout);
}

int green_channel_get(struct green_channel *c, void **out, int64_t timeout)
{
    void *item = NULL;
    int rc = meet(c, GETTER, &item, timeout);
    if (rc == 0) {
        *out = item;
    }
    return rc;
}

long green_channel_balance(const struct green_channel *c)
{
    return __atomic_load_n(&c->balance, __ATOMIC_RELAXED);
}
