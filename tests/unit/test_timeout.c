/* Timeouts: what they reach, whose they are, nesting. */
#include <green/event.h>
#include <green/green.h>
#include <green/lock.h>
#include <green/queue.h>
#include <green/timeout.h>

#include "sync.h"

TestSuite(timeout, .init = start, .timeout = 60);

Test(timeout, is_delivered_to_a_wait_and_told_by_identity)
{
    struct green_timeout *t = green_timeout_new(MS(5), 0);
    cr_assert(!green_timeout_pending(t));
    cr_assert_eq(green_timeout_start(t), 0);
    cr_assert_eq(green_timeout_start(t), -EBUSY);
    cr_assert(green_timeout_pending(t));
    int64_t before = gr_now();
    cr_assert_eq(green_sleep(GREEN_FOREVER), -ETIMEDOUT);
    cr_assert_geq(gr_now() - before, MS(4));
    cr_assert(green_timeout_fired(t) && !green_timeout_pending(t));
    cr_assert_eq(green_sleep(MS(1)), 0, "once");
    green_timeout_free(t);
}

Test(timeout, cancelled_it_does_not_fire_and_may_be_started_again)
{
    struct green_timeout *t = green_timeout_start_new(MS(5), -EPROTO);
    green_timeout_cancel(t);
    cr_assert(!green_timeout_pending(t));
    cr_assert_eq(green_sleep(MS(15)), 0);
    cr_assert_eq(green_timeout_start(t), 0);
    cr_assert_eq(green_sleep(GREEN_FOREVER), -EPROTO, "a code of one's own");
    green_timeout_cancel(t);
    green_timeout_free(t);
    green_timeout_free(NULL);
}

Test(timeout, none_and_bad_codes)
{
    struct green_timeout *t = green_timeout_start_new(GREEN_FOREVER, 0);
    cr_assert_not_null(t);
    cr_assert(!green_timeout_pending(t));
    cr_assert_eq(green_sleep(MS(1)), 0);
    green_timeout_free(t);
    errno = 0;
    cr_assert_null(green_timeout_new(MS(1), 3));
    cr_assert_eq(errno, EINVAL);
}

Test(timeout, of_zero_fires_at_the_next_wait)
{
    struct green_timeout *t = green_timeout_start_new(0, 0);
    cr_assert_eq(green_sleep(GREEN_FOREVER), -ETIMEDOUT);
    green_timeout_free(t);
}

Test(timeout, what_is_ready_in_the_same_turn_comes_first_and_it_is_taken_back)
{
    struct green_timeout *t = green_timeout_start_new(MS(1), 0);
    int64_t until = gr_now() + MS(5);
    while (gr_now() < until) {
    }
    green_timeout_free(t);
    cr_assert_eq(green_sleep(MS(1)), 0);
}

Test(timeout, outer_passes_the_inner_one)
{
    struct green_timeout *outer = green_timeout_start_new(MS(5), 0);
    struct green_timeout *inner = green_timeout_start_new(GREEN_S(50), 0);
    cr_assert_eq(green_sleep(GREEN_S(40)), -ETIMEDOUT);
    cr_assert(green_timeout_fired(outer) && !green_timeout_fired(inner));
    cr_assert(green_timeout_pending(inner));
    green_timeout_free(inner);
    green_timeout_free(outer);
}

static void *sleep_long(void *arg)
{
    return (void *)(intptr_t)green_sleep(MS((intptr_t)arg));
}

Test(timeout, with_timeout)
{
    void *value = &value;
    cr_assert_eq(green_with_timeout(MS(5), sleep_long, (void *)100000, &value), -ETIMEDOUT);
    cr_assert_eq(value, (void *)&value);
    cr_assert_eq(green_with_timeout(GREEN_S(10), sleep_long, (void *)1, &value), 0);
    cr_assert_null(value);
    struct green_timeout *outer = green_timeout_start_new(MS(5), 0);
    cr_assert_eq(green_with_timeout(GREEN_S(10), sleep_long, (void *)20000, &value), 0);
    cr_assert_eq(value, (void *)-ETIMEDOUT, "not its own");
    cr_assert(green_timeout_fired(outer));
    green_timeout_free(outer);
}

Test(timeout, scope_macro)
{
    int n = 0;
    GREEN_TIMEOUT(t, MS(5))
    {
        cr_assert_eq(green_sleep(GREEN_S(10)), -ETIMEDOUT);
        cr_assert(green_timeout_fired(t));
        n++;
    }
    GREEN_TIMEOUT(t, MS(1))
    {
        n++;
        break;
    }
    cr_assert_eq(green_sleep(MS(5)), 0);
    cr_assert_eq(n, 2);
}

/* --- every call that waits: by a timeout of its own, by an outer one, by a kill --- */

static struct green_event *event;
static struct green_result *result;
static struct green_semaphore *semaphore;
static struct green_rlock *rlock;
static struct green_condition *condition;
static struct green_queue *queue;
static struct green_queue *full;
static struct green_channel *channel;
static struct greenlet *sleeper;

static int wait_event(int64_t t)
{
    return green_event_wait(event, t);
}
static int wait_result(int64_t t)
{
    return green_result_wait(result, t);
}
static int get_result(int64_t t)
{
    return green_result_get(result, NULL, t);
}
static int acquire(int64_t t)
{
    return green_semaphore_acquire(semaphore, t);
}
static int wait_semaphore(int64_t t)
{
    return green_semaphore_wait(semaphore, t);
}
static int lock(int64_t t)
{
    return green_rlock_acquire(rlock, t);
}
static int wait_condition(int64_t t)
{
    struct green_rlock *l = green_rlock_new();
    struct green_condition *c = green_condition_new(l);
    cr_assert_eq(green_rlock_acquire(l, 0), 0);
    cr_assert_eq(green_rlock_acquire(l, 0), 0);
    int rc = green_condition_wait(c, t);
    cr_assert_eq(green_rlock_release(l), 0);
    cr_assert(green_rlock_locked(l), "as often as before");
    cr_assert_eq(green_rlock_release(l), 0);
    cr_assert_not(green_rlock_locked(l));
    green_condition_free(c);
    green_rlock_free(l);
    return rc;
}
static int get(int64_t t)
{
    void *item;
    return green_queue_get(queue, &item, t);
}
static int peek(int64_t t)
{
    void *item;
    return green_queue_peek(queue, &item, t);
}
static int put(int64_t t)
{
    return green_queue_put(full, NULL, t);
}
static int join_queue(int64_t t)
{
    return green_queue_join(full, t);
}
static int channel_put(int64_t t)
{
    return green_channel_put(channel, NULL, t);
}
static int channel_get(int64_t t)
{
    void *item;
    return green_channel_get(channel, &item, t);
}
static int join_sleeper(int64_t t)
{
    return green_join(sleeper, t);
}
static int get_sleeper(int64_t t)
{
    return green_get(sleeper, NULL, t);
}
static int joinall(int64_t t)
{
    int rc = green_joinall(&sleeper, 1, NULL, 0, 0, t);
    return rc == 0 ? -ETIMEDOUT : rc;
}
static int wait_object(int64_t t)
{
    struct green_object *o = green_event_object(event);
    int rc = green_wait(&o, 1, NULL, 0, t);
    return rc == 0 ? -ETIMEDOUT : rc;
}
static int iwait(int64_t t)
{
    struct green_object *o = green_event_object(event);
    struct green_iwait *it = green_iwait_new(&o, 1);
    int rc = green_iwait_next(it, &o, t);
    green_iwait_free(it);
    return rc;
}

static int (*const calls[])(int64_t) = {
    wait_event,     wait_result,  get_result,  acquire, wait_semaphore, lock,
    wait_condition, get,          peek,        put,     join_queue,     channel_put,
    channel_get,    join_sleeper, get_sleeper, joinall, wait_object,    iwait,
};
#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

static void *hold(void *arg)
{
    cr_assert_eq(green_rlock_acquire(rlock, GREEN_FOREVER), 0);
    (void)green_sleep(GREEN_FOREVER);
    return arg;
}

static void prepare(void)
{
    event = green_event_new();
    result = green_result_new();
    semaphore = green_semaphore_new(0);
    rlock = green_rlock_new();
    condition = green_condition_new(rlock);
    queue = green_queue_new(0);
    full = green_queue_new(1);
    channel = green_channel_new();
    cr_assert_eq(green_queue_put(full, NULL, 0), 0);
    cr_assert_eq(green_spawn(hold, NULL, &sleeper), 0);
    settle();
}

/* After all those waits the objects must be as if nobody had ever waited. */
static void check_nothing_stayed(void)
{
    void *item;
    cr_assert_eq(green_semaphore_release(semaphore), 0);
    cr_assert_eq(green_semaphore_count(semaphore), 1, "a permit went to somebody who had left");
    cr_assert_eq(green_queue_put(queue, queue, 0), 0);
    cr_assert_eq(green_queue_size(queue), 1, "an item went to somebody who had left");
    cr_assert_eq(green_queue_get(full, &item, 0), 0);
    cr_assert_eq(green_queue_size(full), 0, "an item of somebody who had left came in");
    cr_assert_eq(green_channel_balance(channel), 0);
    cr_assert_eq(green_channel_put(channel, NULL, 0), -EAGAIN);
    cr_assert_eq(green_link_count(green_event_object(event)), 0);
}

Test(timeout, own_one_of_every_call)
{
    prepare();
    for (size_t i = 0; i < N_CALLS; i++) {
        int64_t before = gr_now();
        cr_assert_eq(calls[i](MS(2)), -ETIMEDOUT, "call %zu", i);
        cr_assert_geq(gr_now() - before, MS(2), "call %zu", i);
        int rc = calls[i](0);
        cr_assert(rc == -ETIMEDOUT || rc == -EAGAIN, "call %zu: %d", i, rc);
    }
    check_nothing_stayed();
}

Test(timeout, outer_one_of_every_call)
{
    prepare();
    for (size_t i = 0; i < N_CALLS; i++) {
        for (int code = 0; code >= -EPROTO; code -= EPROTO) {
            struct green_timeout *outer = green_timeout_start_new(MS(2), code);
            cr_assert_eq(calls[i](GREEN_S(30)), code ? code : -ETIMEDOUT, "call %zu", i);
            cr_assert(green_timeout_fired(outer), "call %zu: the outer timeout is lost", i);
            green_timeout_free(outer);
        }
    }
    check_nothing_stayed();
}

static void *make_call(void *arg)
{
    return (void *)(intptr_t)calls[(intptr_t)arg](GREEN_FOREVER);
}

Test(timeout, kill_in_every_call)
{
    prepare();
    for (size_t i = 0; i < N_CALLS; i++) {
        struct greenlet *g;
        cr_assert_eq(green_spawn(make_call, (void *)i, &g), 0);
        settle();
        cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
        cr_assert_eq(green_value(g), (void *)-ECANCELED, "call %zu", i);
        green_unref(g);
    }
    check_nothing_stayed();
}

/* Woken and struck in the same breath: the wake must not be lost, nor the kill. */
static void *acquire_and_nap(void *arg)
{
    (void)arg;
    int rc = green_semaphore_acquire(semaphore, GREEN_FOREVER);
    int nap = green_sleep(MS(20));
    return (void *)(intptr_t)(rc == 0 ? nap : rc);
}

Test(timeout, a_permit_given_and_a_kill_at_once)
{
    prepare();
    for (int killed_first = 0; killed_first <= 1; killed_first++) {
        struct greenlet *g;
        cr_assert_eq(green_spawn(acquire_and_nap, NULL, &g), 0);
        settle();
        if (killed_first) {
            green_kill(g, 0, 0);
        }
        green_semaphore_release(semaphore);
        if (!killed_first) {
            green_kill(g, 0, 0);
        }
        cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
        cr_assert_eq(green_value(g), (void *)-ECANCELED);
        cr_assert_eq(green_semaphore_count(semaphore), 0, "the permit was taken");
        green_unref(g);
    }
}
