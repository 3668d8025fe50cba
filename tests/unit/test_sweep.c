/* Waits for events, results, locks, queues, channels, greenlets, time: swept. */
#include <green/call.h>
#include <green/event.h>
#include <green/green.h>
#include <green/lock.h>
#include <green/queue.h>
#include <green/timeout.h>

#include "sweep.h"

/* All have been made anew by a call's prepare(). */
static struct green_result *result;
static struct green_semaphore *semaphore;
static struct green_rlock *lock;
static struct green_condition *condition;
static struct green_queue *queue;
static struct green_channel *channel;
static void *got;  /* by the victim */
static int served; /* what the helper's call gave */

static char first, second, third; /* items */

/* --- events, results --- */

static void pulse_event(int step)
{
    if (step == 1) {
        green_event_set(event);
        green_event_clear(event);
    }
}
static void new_result(void)
{
    result = green_result_new();
}
static int wait_result(int64_t t)
{
    return green_result_wait(result, t);
}
static int get_result(int64_t t)
{
    return green_result_get(result, &got, t);
}
static void set_result(int step)
{
    if (step == 1) {
        green_result_set(result, &first);
    }
}
static bool has_result(bool ok)
{
    return rival_done && (got == &first) == ok;
}

/* --- semaphores: one permit comes --- */

static void new_semaphore(void)
{
    semaphore = green_semaphore_new(0);
}
static void new_bounded(void)
{
    semaphore = green_bounded_semaphore_new(1);
    cr_assert_eq(green_semaphore_acquire(semaphore, 0), 0);
}
static int acquire(int64_t t)
{
    return green_semaphore_acquire(semaphore, t);
}
static int look(int64_t t)
{
    return green_semaphore_wait(semaphore, t);
}
static void release(int step)
{
    if (step == 1) {
        cr_assert_eq(green_semaphore_release(semaphore), 0);
    }
}
static bool one_permit(bool ok)
{
    return ok + rival_done == 1 && green_semaphore_count(semaphore) == 0;
}
static bool permit_to_rival(bool ok)
{
    (void)ok;
    return rival_done && green_semaphore_count(semaphore) == 0;
}

/* --- locks: the helper has it at first --- */

static void new_lock(void)
{
    lock = green_rlock_new();
}
static int lock_twice(int64_t t)
{
    int rc = green_rlock_acquire(lock, t);
    if (rc == 0) {
        cr_assert_eq(green_rlock_acquire(lock, 0), 0);
        (void)green_rlock_release(lock);
        cr_assert_eq(green_rlock_release(lock), 0);
    }
    return rc;
}
static void lend(int step)
{
    cr_assert_eq(step ? green_rlock_release(lock) : green_rlock_acquire(lock, GREEN_FOREVER), 0);
}
static bool unlocked(bool ok)
{
    (void)ok;
    return rival_done && !green_rlock_locked(lock);
}

/* --- conditions: one notification comes --- */

static void new_condition(void)
{
    new_lock();
    condition = green_condition_new(lock);
}
/* Held as often as before the wait. */
static void let_go(bool *held)
{
    if (*held) {
        cr_assert_eq(green_rlock_release(lock), 0);
        cr_assert_eq(green_rlock_release(lock), 0);
        cr_assert_eq(green_rlock_release(lock), -EPERM);
    }
}
static int await_news(int64_t t)
{
    bool held __attribute__((cleanup(let_go))) = false;
    int rc = green_rlock_acquire(lock, GREEN_FOREVER);
    if (rc == 0) {
        held = true;
        cr_assert_eq(green_rlock_acquire(lock, 0), 0);
        rc = green_condition_wait(condition, t);
    }
    return rc;
}
static void notify(int step)
{
    if (step == 1) {
        cr_assert_eq(green_rlock_acquire(lock, GREEN_FOREVER), 0);
        turn();
        cr_assert_eq(green_condition_notify(condition, 1), 0);
        turn();
        cr_assert_eq(green_rlock_release(lock), 0);
    }
}
static bool one_notified(bool ok)
{
    return ok + rival_done == 1 && !green_rlock_locked(lock);
}

/* --- queues --- */

static int by_address(const void *a, const void *b)
{
    return (a > b) - (a < b);
}
static void new_queue(void)
{
    queue = green_queue_new(0);
}
static void new_lifo(void)
{
    queue = green_lifo_queue_new(0);
}
static void new_priority(void)
{
    queue = green_priority_queue_new(0, by_address);
}
static int get(int64_t t)
{
    return green_queue_get(queue, &got, t);
}
static int get_too(int64_t t)
{
    void *item;
    return green_queue_get(queue, &item, t);
}
static int peek(int64_t t)
{
    return green_queue_peek(queue, &got, t);
}
static int peek_too(int64_t t)
{
    void *item;
    return green_queue_peek(queue, &item, t);
}
static void put_item(int step)
{
    if (step == 1) {
        cr_assert_eq(green_queue_put(queue, &first, 0), 0);
    }
}
static bool one_item(bool ok)
{
    return ok + rival_done == 1 && green_queue_empty(queue) && (got == &first) == ok;
}
static bool item_to_rival(bool ok)
{
    return rival_done && green_queue_empty(queue) && (got == &first) == ok;
}
static bool item_stays_or_is_taken(bool ok)
{
    return rival_done == !ok && green_queue_size(queue) == !ok;
}
static void full(struct green_queue *q)
{
    queue = q;
    cr_assert_eq(green_queue_put(queue, &first, 0), 0);
}
static void new_full(void)
{
    full(green_queue_new(1));
}
static void new_full_lifo(void)
{
    full(green_lifo_queue_new(1));
}
static void new_full_priority(void)
{
    full(green_priority_queue_new(1, by_address));
}
static int put(int64_t t)
{
    return green_queue_put(queue, &second, t);
}
static int put_too(int64_t t)
{
    return green_queue_put(queue, &third, t);
}
static void take_item(int step)
{
    if (step == 1) {
        void *item;
        cr_assert_eq(green_queue_get(queue, &item, 0), 0);
        cr_assert_eq(item, &first);
    }
}
static bool one_came_in(bool ok)
{
    void *item = NULL;
    /* Taking it lets in who still waits: the rival, if the victim was first. */
    return ok + rival_done == 1 && green_queue_get(queue, &item, 0) == 0 &&
           item == (ok ? &second : &third) && green_queue_size(queue) == ok;
}
static void widen(int step)
{
    if (step == 1) {
        cr_assert_eq(green_queue_set_max(queue, 2), 0);
    }
}
static bool one_more_came_in(bool ok)
{
    void *item = NULL;
    return ok + rival_done == 1 && green_queue_size(queue) == 2 &&
           green_queue_get(queue, &item, 0) == 0 && item == &first &&
           green_queue_get(queue, &item, 0) == 0 && item == (ok ? &second : &third);
}
static int ended_by_shutdown(int rc)
{
    return rc == -ESHUTDOWN ? 0 : rc;
}
static int get_until_shut(int64_t t)
{
    return ended_by_shutdown(get_too(t));
}
static int put_until_shut(int64_t t)
{
    return ended_by_shutdown(put(t));
}
static void shut_down(int step)
{
    if (step == 1) {
        green_queue_shutdown(queue, 0);
    }
}
static void shut_down_at_once(int step)
{
    if (step == 1) {
        green_queue_shutdown(queue, 1);
    }
}
static bool still_full(bool ok)
{
    void *item = NULL;
    (void)ok;
    return rival_done && green_queue_get(queue, &item, 0) == 0 && item == &first &&
           green_queue_get(queue, &item, 0) == -ESHUTDOWN;
}
static int join_queue(int64_t t)
{
    return green_queue_join(queue, t);
}
static void deal_with(int step)
{
    if (step == 1) {
        cr_assert_eq(green_queue_task_done(queue), 0);
    }
}

/* --- channels: the helper offers once, and only to who waits --- */

static void new_channel(void)
{
    channel = green_channel_new();
}
static int channel_get(int64_t t)
{
    return green_channel_get(channel, &got, t);
}
static int channel_get_too(int64_t t)
{
    void *item;
    return green_channel_get(channel, &item, t);
}
static void offer(int step)
{
    if (step == 1) {
        served = green_channel_put(channel, &first, 0);
    }
}
static bool one_got(bool ok)
{
    return served == 0 && ok + rival_done == 1 && (got == &first) == ok &&
           green_channel_balance(channel) == (rival_done ? 0 : -1);
}
static int channel_put(int64_t t)
{
    return green_channel_put(channel, &second, t);
}
static int channel_put_too(int64_t t)
{
    return green_channel_put(channel, &third, t);
}
static void ask(int step)
{
    if (step == 1) {
        served = green_channel_get(channel, &got, 0);
    }
}
static bool one_gave(bool ok)
{
    return served == 0 && ok + rival_done == 1 && got == (ok ? &second : &third) &&
           green_channel_balance(channel) == (rival_done ? 0 : 1);
}

/* --- greenlets --- */

static void new_target(void)
{
    new_event();
    cr_assert_eq(green_spawn(stay, &first, &target), 0);
    settle();
}
static int join_target(int64_t t)
{
    return green_join(target, t);
}
static int get_target(int64_t t)
{
    return green_get(target, &got, t);
}
static int kill_target(int64_t t)
{
    return green_kill(target, 0, t);
}
static int all(int rc, int n)
{
    return rc == n ? 0 : rc >= 0 ? -ETIMEDOUT : rc;
}
static int joinall(int64_t t)
{
    struct greenlet *twice[] = {target, target};
    return all(green_joinall(twice, 2, NULL, 0, 0, t), 2);
}
static int killall(int64_t t)
{
    struct greenlet *twice[] = {target, target};
    return green_killall(twice, 2, 0, t);
}
static bool target_ended(bool ok)
{
    return rival_done && green_ended(target) && (!got || (ok && got == &first)) &&
           green_link_count(green_greenlet_object(target)) == 0;
}

/* --- several objects --- */

static void new_objects(void)
{
    new_target();
    new_semaphore();
    new_result();
}
static int wait_all(int64_t t)
{
    struct green_object *o[] = {green_event_object(event), green_greenlet_object(target),
                                green_event_object(event)};
    return all(green_wait(o, 3, NULL, 0, t), 3);
}
static int wait_any(int64_t t)
{
    struct green_object *o[] = {green_result_object(result), green_semaphore_object(semaphore)};
    return all(green_wait(o, 2, NULL, 1, t), 1);
}
static void end_walk(struct green_iwait **it)
{
    green_iwait_free(*it);
}
static int walk(int64_t t)
{
    struct green_object *o[] = {green_event_object(event), green_greenlet_object(target)};
    struct green_iwait *it __attribute__((cleanup(end_walk))) = green_iwait_new(o, 2);
    int rc;
    while ((rc = green_iwait_next(it, &o[0], t)) > 0) {
    }
    return rc;
}
static void release_and_set(int step)
{
    release(step);
    set_event(step);
}
static bool permit_is_left(bool ok)
{
    (void)ok;
    return green_semaphore_count(semaphore) == 1;
}

/* --- calls --- */

static int wait_and_count(int n)
{
    (void)stay(NULL);
    return n + 1;
}
static void new_call(void)
{
    new_event();
    cr_assert_eq(green_spawn_call(&target, wait_and_count, "i(i)", 41), 0);
    settle();
}
static int get_call(int64_t t)
{
    int n = 0;
    int rc = green_call_get(target, &n, sizeof(n), t);
    cr_assert_eq(n == 42, rc == 0);
    return rc;
}

/* --- time, scopes --- */

static int sleep_some(int64_t t)
{
    return green_sleep(t == GREEN_FOREVER ? MS(1) : t);
}
static int give_way(int64_t t)
{
    (void)t;
    return green_sleep(0);
}
static int be_idle(int64_t t)
{
    (void)t;
    return green_idle(0);
}
static void *in_scope(void *t)
{
    return (void *)(intptr_t)green_event_wait(event, *(int64_t *)t);
}
static int with_timeout(int64_t t)
{
    void *rc = NULL;
    int over = green_with_timeout(GREEN_S(60), in_scope, &t, &rc);
    return over ? over : (int)(intptr_t)rc;
}
static int try_scope(int64_t t)
{
    void *rc = NULL;
    int code = green_try(in_scope, &t, &rc, NULL);
    return code ? code : (int)(intptr_t)rc;
}

static const struct call calls[] = {
    {"sleep", nothing, sleep_some, NULL, no_service, whatever},
    {"yield", nothing, give_way, NULL, no_service, whatever},
    {"idle", nothing, be_idle, NULL, no_service, whatever},
    {"with_timeout", new_event, with_timeout, wait_event, set_event, rival_served},
    {"try", new_event, try_scope, wait_event, set_event, rival_served},
    {"event_wait", new_event, wait_event, wait_event, set_event, rival_served},
    {"event_wait, cleared", new_event, wait_event, wait_event, pulse_event, whatever},
    {"result_wait", new_result, wait_result, wait_result, set_result, rival_served},
    {"result_get", new_result, get_result, wait_result, set_result, has_result},
    {"semaphore_acquire", new_semaphore, acquire, acquire, release, one_permit},
    {"semaphore_acquire, bounded", new_bounded, acquire, acquire, release, one_permit},
    {"semaphore_wait", new_semaphore, look, acquire, release, permit_to_rival},
    {"rlock_acquire", new_lock, lock_twice, lock_twice, lend, unlocked},
    {"condition_wait", new_condition, await_news, await_news, notify, one_notified},
    {"queue_get", new_queue, get, get_too, put_item, one_item},
    {"queue_get, lifo", new_lifo, get, get_too, put_item, one_item},
    {"queue_get, priority", new_priority, get, get_too, put_item, one_item},
    {"queue_get before a peek", new_queue, get, peek_too, put_item, item_stays_or_is_taken},
    {"queue_peek", new_queue, peek, get_too, put_item, item_to_rival},
    {"queue_get, shutdown", new_queue, get_until_shut, get_until_shut, shut_down, rival_served},
    {"queue_put", new_full, put, put_too, take_item, one_came_in},
    {"queue_put, lifo", new_full_lifo, put, put_too, take_item, one_came_in},
    {"queue_put, priority", new_full_priority, put, put_too, take_item, one_came_in},
    {"queue_put, larger", new_full, put, put_too, widen, one_more_came_in},
    {"queue_put, shutdown", new_full, put_until_shut, put_until_shut, shut_down, still_full},
    {"queue_join", new_full, join_queue, join_queue, deal_with, rival_served},
    {"queue_join, shutdown", new_full, join_queue, join_queue, shut_down_at_once, rival_served},
    {"channel_get", new_channel, channel_get, channel_get_too, offer, one_got},
    {"channel_put", new_channel, channel_put, channel_put_too, ask, one_gave},
    {"join", new_target, join_target, join_target, set_event, target_ended},
    {"get", new_target, get_target, join_target, set_event, target_ended},
    {"joinall", new_target, joinall, joinall, set_event, target_ended},
    {"kill", new_target, kill_target, join_target, set_event, target_ended},
    {"killall", new_target, killall, join_target, set_event, target_ended},
    {"wait, all", new_objects, wait_all, wait_all, set_event, target_ended},
    {"wait, one", new_objects, wait_any, wait_any, release_and_set, permit_is_left},
    {"iwait", new_objects, walk, walk, set_event, target_ended},
    {"call_get", new_call, get_call, join_target, set_event, target_ended},
};

static void free_all(void)
{
    green_result_free(result);
    green_semaphore_free(semaphore);
    green_condition_free(condition);
    green_rlock_free(lock);
    green_queue_free(queue);
    green_channel_free(channel);
    result = NULL;
    semaphore = NULL;
    condition = NULL;
    lock = NULL;
    queue = NULL;
    channel = NULL;
    got = NULL;
}

SWEEP(sweep, calls)
