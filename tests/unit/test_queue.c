/* Queues and channels, semaphores, locks, conditions, events, results: who gets what, and when. */
#include <green/event.h>
#include <green/green.h>
#include <green/lock.h>
#include <green/queue.h>

#include "sync.h"

#define ITEM(n) ((void *)(intptr_t)(n))

TestSuite(queue, .init = start, .timeout = 60);
TestSuite(lock, .init = start, .timeout = 60);
TestSuite(event, .init = start, .timeout = 60);

static intptr_t got[64];
static int n_got;
static struct green_queue *q;

static struct greenlet *go(void *(*fn)(void *), intptr_t arg)
{
    struct greenlet *g;
    cr_assert_eq(green_spawn(fn, (void *)arg, &g), 0);
    return g;
}

static void end(struct greenlet *g)
{
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    green_unref(g);
}

static intptr_t next(void)
{
    void *item = ITEM(-1);
    int rc = green_queue_get(q, &item, 0);
    return rc ? rc : (intptr_t)item;
}

static void fill(const int *items, int n)
{
    for (int i = 0; i < n; i++) {
        cr_assert_eq(green_queue_put(q, ITEM(items[i]), 0), 0);
    }
}

static int by_number(const void *a, const void *b)
{
    return ((intptr_t)a > (intptr_t)b) - ((intptr_t)a < (intptr_t)b);
}

/* --- order --- */

Test(queue, first_in_first_out_also_over_the_end_of_the_ring)
{
    q = green_queue_new(0);
    for (intptr_t in = 0, out = 0; out < 1000;) {
        for (int i = 0; i < 7 && in < 1000; i++) {
            cr_assert_eq(green_queue_put(q, ITEM(in++), 0), 0);
        }
        for (int i = 0; i < 5; i++) {
            intptr_t item = next();
            if (item == -EAGAIN) {
                break;
            }
            cr_assert_eq(item, out++);
        }
    }
    cr_assert(green_queue_empty(q));
    green_queue_free(q);
}

Test(queue, last_in_first_out)
{
    q = green_lifo_queue_new(0);
    fill((int[]){1, 2, 3}, 3);
    void *item;
    cr_assert_eq(green_queue_peek(q, &item, 0), 0);
    cr_assert_eq(item, ITEM(3));
    cr_assert(next() == 3 && next() == 2 && next() == 1 && next() == -EAGAIN);
    green_queue_free(q);
}

Test(queue, smallest_first)
{
    q = green_priority_queue_new(0, by_number);
    unsigned n = 12345;
    for (int i = 0; i < 500; i++) {
        n = n * 1103515245 + 12345;
        cr_assert_eq(green_queue_put(q, ITEM(n >> 20), 0), 0);
    }
    intptr_t last = 0;
    for (int i = 0; i < 500; i++) {
        intptr_t item = next();
        cr_assert_geq(item, last);
        last = item;
    }
    cr_assert_eq(next(), -EAGAIN);
    green_queue_free(q);
}

/* --- waiting --- */

static void *get_one(void *arg)
{
    void *item;
    cr_assert_eq(green_queue_get(q, &item, GREEN_FOREVER), 0);
    got[n_got++] = (intptr_t)item * 100 + (intptr_t)arg;
    return NULL;
}

static void *put_one(void *arg)
{
    int rc = green_queue_put(q, arg, GREEN_FOREVER);
    got[n_got++] = rc ? rc : (intptr_t)arg;
    return NULL;
}

Test(queue, getters_are_served_in_their_order)
{
    q = green_queue_new(0);
    struct greenlet *g[3];
    for (int i = 0; i < 3; i++) {
        g[i] = go(get_one, i);
    }
    settle();
    fill((int[]){7, 8, 9}, 3);
    cr_assert_eq(n_got, 0, "a put does not switch");
    cr_assert(green_queue_empty(q), "handed over");
    for (int i = 0; i < 3; i++) {
        end(g[i]);
        cr_assert_eq(got[i], (7 + i) * 100 + i);
    }
    green_queue_free(q);
}

Test(queue, putters_wait_for_room_and_enter_in_their_order)
{
    q = green_queue_new(2);
    fill((int[]){1, 2}, 2);
    cr_assert(green_queue_full(q));
    cr_assert_eq(green_queue_put(q, ITEM(9), 0), -EAGAIN);
    struct greenlet *g[] = {go(put_one, 3), go(put_one, 4)};
    settle();
    cr_assert_eq(next(), 1);
    cr_assert_eq(green_queue_size(q), 2, "the item enters before its putter goes on");
    cr_assert_eq(n_got, 0);
    settle();
    cr_assert_eq(n_got, 1);
    cr_assert(next() == 2 && next() == 3 && next() == 4 && next() == -EAGAIN);
    end(g[0]);
    end(g[1]);
    green_queue_free(q);
}

Test(queue, a_larger_limit_lets_putters_in)
{
    q = green_queue_new(1);
    fill((int[]){1}, 1);
    struct greenlet *g[20];
    for (int i = 0; i < 20; i++) {
        g[i] = go(put_one, 2 + i);
    }
    settle();
    cr_assert_eq(green_queue_set_max(q, 10), 0);
    cr_assert_eq(green_queue_size(q), 10);
    cr_assert_eq(green_queue_set_max(q, 0), 0);
    cr_assert_eq(green_queue_size(q), 21);
    for (int i = 0; i < 21; i++) {
        cr_assert_eq(next(), i + 1);
    }
    for (int i = 0; i < 20; i++) {
        end(g[i]);
    }
    green_queue_free(q);
}

static void *peek_one(void *arg)
{
    void *item;
    cr_assert_eq(green_queue_peek(q, &item, GREEN_FOREVER), 0);
    got[n_got++] = (intptr_t)item + (intptr_t)arg;
    return NULL;
}

Test(queue, peeking_takes_nothing)
{
    q = green_queue_new(1);
    struct greenlet *g[] = {go(peek_one, 10), go(peek_one, 20), go(get_one, 3)};
    settle();
    fill((int[]){5}, 1);
    for (int i = 0; i < 3; i++) {
        end(g[i]);
    }
    cr_assert(got[0] == 15 && got[1] == 25 && got[2] == 503);
    cr_assert(green_queue_empty(q));
    green_queue_free(q);
}

/* --- task accounting, shutdown --- */

static void *join_it(void *arg)
{
    cr_assert_eq(green_queue_join(q, GREEN_FOREVER), 0);
    n_got++;
    return arg;
}

Test(queue, join_waits_for_items_to_be_dealt_with)
{
    q = green_queue_new(0);
    cr_assert_eq(green_queue_join(q, 0), 0, "nothing is open");
    cr_assert_eq(green_queue_task_done(q), -EINVAL);
    fill((int[]){1, 2}, 2);
    struct greenlet *g = go(join_it, 0);
    settle();
    cr_assert(next() == 1 && next() == 2);
    cr_assert_eq(green_queue_join(q, MS(1)), -ETIMEDOUT);
    cr_assert_eq(green_queue_task_done(q), 0);
    settle();
    cr_assert_eq(n_got, 0);
    cr_assert_eq(green_queue_task_done(q), 0);
    end(g);
    cr_assert_eq(n_got, 1);
    cr_assert_eq(green_queue_task_done(q), -EINVAL);
    fill((int[]){3}, 1);
    cr_assert_eq(green_queue_join(q, 0), -ETIMEDOUT, "open again");
    green_queue_free(q);
}

static void *get_until_shut(void *arg)
{
    void *item;
    int rc = green_queue_get(q, &item, GREEN_FOREVER);
    got[n_got++] = rc;
    return arg;
}

Test(queue, shutdown_lets_getters_finish_and_nobody_put)
{
    q = green_queue_new(2);
    fill((int[]){1, 2}, 2);
    struct greenlet *putter = go(put_one, 3);
    settle();
    green_queue_shutdown(q, 0);
    cr_assert_eq(green_queue_put(q, ITEM(4), 0), -ESHUTDOWN);
    end(putter);
    cr_assert_eq(got[0], -ESHUTDOWN);
    cr_assert(next() == 1 && next() == 2 && next() == -ESHUTDOWN, "its item is not in it");
    green_queue_free(q);

    q = green_queue_new(0);
    struct greenlet *getter = go(get_until_shut, 0);
    settle();
    green_queue_shutdown(q, 0);
    end(getter);
    cr_assert_eq(got[1], -ESHUTDOWN);
    green_queue_free(q);
}

Test(queue, immediate_shutdown_drops_items_and_ends_a_join)
{
    q = green_queue_new(0);
    fill((int[]){1, 2}, 2);
    struct greenlet *g = go(join_it, 0);
    settle();
    green_queue_shutdown(q, 1);
    end(g);
    cr_assert_eq(next(), -ESHUTDOWN);
    green_queue_free(q);
}

/* --- channels --- */

static struct green_channel *channel;

static void *channel_putter(void *arg)
{
    cr_assert_eq(green_channel_put(channel, arg, GREEN_FOREVER), 0);
    got[n_got++] = (intptr_t)arg;
    return NULL;
}

Test(queue, a_channel_keeps_nothing)
{
    channel = green_channel_new();
    cr_assert_eq(green_channel_put(channel, ITEM(1), 0), -EAGAIN);
    struct greenlet *g[] = {go(channel_putter, 1), go(channel_putter, 2)};
    settle();
    cr_assert_eq(green_channel_balance(channel), 2);
    cr_assert_eq(n_got, 0);
    void *item;
    cr_assert_eq(green_channel_get(channel, &item, 0), 0);
    cr_assert_eq(item, ITEM(1));
    cr_assert_eq(green_channel_get(channel, &item, GREEN_FOREVER), 0);
    cr_assert_eq(item, ITEM(2));
    cr_assert_eq(green_channel_balance(channel), 0);
    end(g[0]);
    end(g[1]);
    green_channel_free(channel);
}

/* --- greens and kernel threads --- */

enum { EACH = 2000, SIDES = 3 };

static void *produce(void *arg)
{
    for (intptr_t i = 0; i < EACH; i++) {
        cr_assert_eq(green_queue_put(q, arg, GREEN_FOREVER), 0);
    }
    return NULL;
}

static _Atomic long sums[2 * SIDES];

static void *consume(void *arg)
{
    for (int i = 0; i < EACH; i++) {
        void *item;
        cr_assert_eq(green_queue_get(q, &item, GREEN_FOREVER), 0);
        sums[(intptr_t)arg] += (intptr_t)item;
    }
    return NULL;
}

Test(queue, between_greens_and_kernel_threads)
{
    q = green_queue_new(5);
    pthread_t t[2 * SIDES];
    struct greenlet *g[2 * SIDES];
    for (intptr_t i = 0; i < SIDES; i++) {
        t[2 * i] = foreign(produce, ITEM(1));
        t[2 * i + 1] = foreign(consume, ITEM(i));
        g[2 * i] = go(produce, 1000);
        g[2 * i + 1] = go(consume, SIDES + i);
    }
    long sum = 0;
    for (int i = 0; i < 2 * SIDES; i++) {
        end(g[i]);
        join_foreign(t[i]);
    }
    for (int i = 0; i < 2 * SIDES; i++) {
        sum += sums[i];
    }
    cr_assert_eq(sum, 1001L * EACH * SIDES);
    cr_assert(green_queue_empty(q));
    green_queue_free(q);
}

/* --- semaphores --- */

static struct green_semaphore *s;

static void *acquire(void *arg)
{
    cr_assert_eq(green_semaphore_acquire(s, GREEN_FOREVER), 0);
    got[n_got++] = (intptr_t)arg;
    return NULL;
}

static void *look(void *arg)
{
    cr_assert_eq(green_semaphore_wait(s, GREEN_FOREVER), 0);
    got[n_got++] = (intptr_t)arg;
    return NULL;
}

Test(lock, permits_go_to_who_waits_not_to_the_releaser)
{
    s = green_semaphore_new(1);
    cr_assert_eq(green_semaphore_acquire(s, 0), 0);
    cr_assert_eq(green_semaphore_acquire(s, 0), -EAGAIN);
    struct greenlet *g[] = {go(acquire, 1), go(look, 2), go(acquire, 3)};
    settle();
    cr_assert_eq(green_semaphore_release(s), 0);
    cr_assert_eq(green_semaphore_acquire(s, 0), -EAGAIN, "it is the waiter's");
    settle();
    cr_assert_eq(n_got, 1);
    cr_assert_eq(green_semaphore_release(s), 0);
    for (int i = 0; i < 3; i++) {
        end(g[i]);
        cr_assert_eq(got[i], i + 1);
    }
    cr_assert_eq(green_semaphore_count(s), 0);
    cr_assert_eq(green_semaphore_release(s), 0);
    cr_assert_eq(green_semaphore_release(s), 0);
    cr_assert_eq(green_semaphore_count(s), 2, "a plain one has no ceiling");
    green_semaphore_free(s);
}

Test(lock, a_bounded_semaphore_refuses_one_release_too_many)
{
    s = green_bounded_semaphore_new(2);
    cr_assert_eq(green_semaphore_release(s), -EOVERFLOW);
    cr_assert_eq(green_semaphore_count(s), 2);
    cr_assert_eq(green_semaphore_acquire(s, 0), 0);
    cr_assert_eq(green_semaphore_release(s), 0);
    cr_assert_eq(green_semaphore_release(s), -EOVERFLOW);
    green_semaphore_free(s);
}

static void count(struct green_object *o, void *arg)
{
    (void)o;
    (void)arg;
    n_got++;
    (void)green_semaphore_acquire(s, 0);
}

Test(lock, links_of_a_semaphore_are_called_while_there_is_a_permit)
{
    s = green_semaphore_new(0);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(green_rawlink(green_semaphore_object(s), count, NULL), 0);
    }
    green_semaphore_release(s);
    cr_assert_eq(n_got, 1, "the first took it");
    cr_assert_eq(green_link_count(green_semaphore_object(s)), 2);
    green_semaphore_free(s);
}

/* --- recursive locks, conditions --- */

static struct green_rlock *l;

static void *lock_twice(void *arg)
{
    cr_assert_eq(green_rlock_release(l), -EPERM);
    cr_assert_eq(green_rlock_acquire(l, 0), -EAGAIN);
    cr_assert_eq(green_rlock_acquire(l, GREEN_FOREVER), 0);
    got[n_got++] = (intptr_t)arg;
    cr_assert_eq(green_rlock_acquire(l, 0), 0);
    (void)green_sleep(0);
    cr_assert_eq(green_rlock_release(l), 0);
    cr_assert_eq(green_rlock_release(l), 0);
    cr_assert_eq(green_rlock_release(l), -EPERM);
    return NULL;
}

Test(lock, a_recursive_lock_belongs_to_a_greenlet)
{
    l = green_rlock_new();
    cr_assert_eq(green_rlock_acquire(l, 0), 0);
    struct greenlet *g[] = {go(lock_twice, 1), go(lock_twice, 2)};
    settle();
    cr_assert(green_rlock_locked(l));
    cr_assert_eq(green_rlock_release(l), 0);
    end(g[0]);
    end(g[1]);
    cr_assert(got[0] == 1 && got[1] == 2);
    cr_assert_not(green_rlock_locked(l));
    green_rlock_free(l);
}

static struct green_condition *c;

static void *wait_for_news(void *arg)
{
    cr_assert_eq(green_rlock_acquire(l, GREEN_FOREVER), 0);
    cr_assert_eq(green_condition_wait(c, GREEN_FOREVER), 0);
    got[n_got++] = (intptr_t)arg;
    cr_assert_eq(green_rlock_release(l), 0);
    return NULL;
}

Test(lock, a_condition_wakes_in_order)
{
    l = green_rlock_new();
    c = green_condition_new(l);
    cr_assert_eq(green_condition_wait(c, 0), -EPERM);
    cr_assert_eq(green_condition_notify(c, 1), -EPERM);
    struct greenlet *g[4];
    for (int i = 0; i < 4; i++) {
        g[i] = go(wait_for_news, i);
    }
    settle();
    cr_assert_eq(green_rlock_acquire(l, GREEN_FOREVER), 0);
    cr_assert_eq(green_condition_notify(c, 2), 0);
    settle();
    cr_assert_eq(n_got, 0, "the lock is held");
    cr_assert_eq(green_rlock_release(l), 0);
    settle();
    cr_assert_eq(n_got, 2);
    cr_assert_eq(green_rlock_acquire(l, GREEN_FOREVER), 0);
    cr_assert_eq(green_condition_notify(c, SIZE_MAX), 0);
    cr_assert_eq(green_rlock_release(l), 0);
    for (int i = 0; i < 4; i++) {
        end(g[i]);
        cr_assert_eq(got[i], i);
    }
    green_condition_free(c);
    green_rlock_free(l);
}

/* --- events, results --- */

static struct green_event *e;
static struct green_result *r;

static void *await_event(void *arg)
{
    got[n_got] = green_event_wait(e, GREEN_FOREVER) * 100 + (intptr_t)arg;
    n_got++;
    return NULL;
}

Test(event, one_setter_five_waiters_and_clear_right_behind)
{
    e = green_event_new();
    struct greenlet *g[5];
    for (int i = 0; i < 5; i++) {
        g[i] = go(await_event, i);
    }
    settle();
    cr_assert_eq(green_event_wait(e, 0), -ETIMEDOUT);
    green_event_set(e);
    green_event_clear(e);
    cr_assert_eq(n_got, 0);
    for (int i = 0; i < 5; i++) {
        end(g[i]);
        cr_assert_eq(got[i], i);
    }
    cr_assert_not(green_event_is_set(e));
    green_event_set(e);
    cr_assert_eq(green_event_wait(e, 0), 0);
    green_event_free(e);
}

static void relink(struct green_object *o, void *arg)
{
    n_got++;
    if (n_got < 5) {
        green_event_clear(e);
        cr_assert_eq(green_rawlink(o, relink, arg), 0);
    }
}

Test(event, a_link_made_in_a_round_waits_for_the_next)
{
    e = green_event_new();
    cr_assert_eq(green_rawlink(green_event_object(e), relink, NULL), 0);
    green_event_set(e);
    cr_assert_eq(n_got, 1);
    green_event_set(e);
    cr_assert_eq(n_got, 2);
    green_event_free(e);
}

static void *await_result(void *arg)
{
    void *value = NULL;
    int rc = green_result_get(r, &value, GREEN_FOREVER);
    got[n_got++] = rc ? rc : (intptr_t)value + (intptr_t)arg;
    return NULL;
}

Test(event, a_result_holds_a_value_or_an_error)
{
    r = green_result_new();
    cr_assert_not(green_result_ready(r));
    cr_assert_not(green_result_successful(r));
    cr_assert_eq(green_result_get(r, NULL, 0), -ETIMEDOUT);
    struct greenlet *g[] = {go(await_result, 1), go(await_result, 2)};
    settle();
    green_result_set(r, ITEM(40));
    green_result_set(r, ITEM(50));
    end(g[0]);
    end(g[1]);
    cr_assert(got[0] == 51 && got[1] == 52, "the newest");
    cr_assert(green_result_ready(r) && green_result_successful(r));
    cr_assert_eq(green_result_set_error(r, 5, NULL, NULL), -EINVAL);
    cr_assert_eq(green_result_value(r), ITEM(50));
    cr_assert_eq(green_result_set_error(r, -EIO, "why", &n_got), 0);
    cr_assert_eq(green_result_get(r, NULL, 0), -EIO);
    cr_assert_eq(green_result_wait(r, 0), 0);
    cr_assert_not(green_result_successful(r));
    cr_assert_null(green_result_value(r));
    cr_assert_str_eq(green_result_error(r)->message, "why");
    cr_assert_eq(green_result_error(r)->payload, (void *)&n_got);
    green_result_free(r);
}
