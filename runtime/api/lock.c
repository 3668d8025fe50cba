/* Semaphores, locks, conditions. */
#include <green/lock.h>

#include "runtime/api/api.h"
#include "runtime/api/lock.h"
#include "runtime/api/object.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* --- semaphores --- */

struct green_semaphore {
    struct green_object object;
    unsigned count;
    unsigned max;
};

enum { TAKER = 1, LOOKER = 2 }; /* bits of a waiter */

static bool semaphore_ready(const struct green_object *o)
{
    return GR_CONTAINER_OF(o, struct green_semaphore, object)->count > 0;
}

static struct green_semaphore *new_semaphore(unsigned value, unsigned max)
{
    struct green_semaphore *s = malloc(sizeof(*s));
    if (s) {
        gr_object_init(&s->object, semaphore_ready, true);
        s->count = value;
        s->max = max;
    }
    return s;
}

struct green_semaphore *green_semaphore_new(unsigned value)
{
    return new_semaphore(value, UINT_MAX);
}

struct green_semaphore *green_bounded_semaphore_new(unsigned value)
{
    return new_semaphore(value, value);
}

void green_semaphore_free(struct green_semaphore *s)
{
    free(s);
}

static int wait_for_permit(struct green_semaphore *s, uint32_t role, int64_t timeout)
{
    (void)gr_api_start();
    struct gr_bucket *b = gr_lot_lock(&s->object);
    if (s->count > 0) {
        s->count -= role == TAKER;
        gr_lot_unlock(b);
        return 0;
    }
    struct gr_waiter w;
    gr_waiter_init(&w, &s->object);
    w.bits = role;
    return gr_api_wait_for(b, &w, timeout, GR_WHY_PERMIT);
}

int green_semaphore_acquire(struct green_semaphore *s, int64_t timeout)
{
    return wait_for_permit(s, TAKER, timeout);
}

int green_semaphore_wait(struct green_semaphore *s, int64_t timeout)
{
    int rc = wait_for_permit(s, LOOKER, timeout);
    return rc == -EAGAIN ? -ETIMEDOUT : rc;
}

int green_semaphore_release(struct green_semaphore *s)
{
    struct gr_bucket *b = gr_lot_lock(&s->object);
    if (s->count == s->max) {
        gr_lot_unlock(b);
        return -EOVERFLOW;
    }
    s->count++;
    struct gr_waiter *w;
    while (s->count > 0 && (w = gr_lot_first(b, &s->object))) {
        s->count -= w->bits == TAKER; /* it is the waiter's from here on */
        gr_lot_take(b, w);
        gr_wake(w);
    }
    gr_object_notify(b, &s->object);
    return 0;
}

unsigned green_semaphore_count(const struct green_semaphore *s)
{
    return __atomic_load_n(&s->count, __ATOMIC_RELAXED);
}

struct green_object *green_semaphore_object(struct green_semaphore *s)
{
    return &s->object;
}

/* --- recursive locks --- */

struct green_rlock {
    int owner; /* gr_owner_id(), 0: nobody */
    unsigned count;
};

struct green_rlock *green_rlock_new(void)
{
    return calloc(1, sizeof(struct green_rlock));
}

void green_rlock_free(struct green_rlock *l)
{
    free(l);
}

int gr_rlock_owner(const struct green_rlock *l)
{
    return __atomic_load_n(&l->owner, __ATOMIC_RELAXED);
}

static bool owns(const struct green_rlock *l)
{
    return gr_rlock_owner(l) == gr_owner_id();
}

int green_rlock_acquire(struct green_rlock *l, int64_t timeout)
{
    (void)gr_api_start();
    if (owns(l)) {
        l->count++;
        return 0;
    }
    struct gr_bucket *b = gr_lot_lock(l);
    if (!l->owner) {
        l->owner = gr_owner_id();
        l->count = 1;
        gr_lot_unlock(b);
        return 0;
    }
    struct gr_waiter w;
    gr_waiter_init(&w, l);
    w.bits = (uint32_t)gr_owner_id();
    return gr_api_wait_for(b, &w, timeout, GR_WHY_RLOCK);
}

int green_rlock_release(struct green_rlock *l)
{
    if (!owns(l)) {
        return -EPERM;
    }
    if (l->count > 1) {
        l->count--;
        return 0;
    }
    struct gr_bucket *b = gr_lot_lock(l);
    struct gr_waiter *w = gr_lot_first(b, l);
    l->owner = w ? (int)w->bits : 0; /* of @w, with the count of 1 that is there */
    if (w) {
        gr_lot_take(b, w);
        gr_wake(w);
    }
    gr_lot_unlock(b);
    return 0;
}

int green_rlock_locked(const struct green_rlock *l)
{
    return gr_rlock_owner(l) != 0;
}

/* --- conditions --- */

/* The program's lock guards the list: a waiter puts itself in and a notifier takes it off with the
 * lock held. */
struct green_condition {
    struct green_rlock *lock;
    struct gr_list waiters;
};

struct green_condition *green_condition_new(struct green_rlock *lock)
{
    struct green_condition *c = malloc(sizeof(*c));
    if (c) {
        c->lock = lock;
        gr_list_init(&c->waiters);
    }
    return c;
}

void green_condition_free(struct green_condition *c)
{
    free(c);
}

/* The lock again, whatever comes: an interruption that is due meanwhile waits. Returns 0, or
 * -EDEADLK: nobody can give it to main. */
static int take_back(struct green_rlock *l, unsigned count)
{
    int rc = 0;
    struct gr_bucket *b = gr_lot_lock(l);
    if (!l->owner) {
        l->owner = gr_owner_id();
        gr_lot_unlock(b);
    } else {
        struct gr_waiter w;
        gr_waiter_init(&w, l);
        w.bits = (uint32_t)gr_owner_id();
        rc = gr_lot_wait(b, &w, GR_FOREVER, GR_STUCK, GR_WHY_RLOCK);
    }
    if (rc == 0) {
        l->count = count;
    }
    return rc;
}

int green_condition_wait(struct green_condition *c, int64_t timeout)
{
    (void)gr_api_start();
    struct green_rlock *l = c->lock;
    if (!owns(l)) {
        return -EPERM;
    }
    int64_t deadline = gr_api_deadline(timeout);
    unsigned count = l->count;
    struct gr_waiter w;
    gr_waiter_init(&w, c);
    gr_list_push_back(&c->waiters, &w.link);
    l->count = 1;
    (void)green_rlock_release(l);
    int rc = gr_park(&w, deadline, GR_API_PARK, GR_WHY_CONDITION);
    int lost = take_back(l, count);
    bool notified = gr_list_empty(&w.link); /* perhaps by somebody who held the lock before us */
    gr_list_remove(&w.link);                /* without the lock only where nobody else can run */
    if (lost) {
        return lost;
    }
    return notified ? 0 : gr_api_result(rc);
}

int green_condition_notify(struct green_condition *c, size_t n)
{
    if (!owns(c->lock)) {
        return -EPERM;
    }
    for (; n > 0 && !gr_list_empty(&c->waiters); n--) {
        gr_wake(GR_LIST_ENTRY(gr_list_pop_front(&c->waiters), struct gr_waiter, link));
    }
    return 0;
}
