/*
 * Every call of <green/...> that waits, interrupted at every switch: a victim makes the call, a
 * rival the same one behind it, a helper serves them step by step, and a striker ends the victim's
 * wait after n turns, by a kill, by the call's own timeout, by a timeout around it, or by two of
 * these at once; for n = 0, 1, ... until the call is served before the strike. Whatever comes
 * first, nothing may be lost: no item, permit, notification, nor the kill or the outer timeout,
 * which come once.
 */
#include <green/call.h>
#include <green/event.h>
#include <green/green.h>
#include <green/lock.h>
#include <green/pool.h>
#include <green/queue.h>
#include <green/timeout.h>

#include "sync.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(sweep, .init = start, .timeout = 120);

enum { CODE = -EPROTO, OUTER_CODE = -EDOM }; /* of kills, of timeouts around a call */
enum { NEVER = 1 };                          /* result of a victim that never ran */
#define LIMIT (MS(1) / 4)                    /* of timeouts */

/* What the parties see. All have been made anew by a call's prepare(). */
static struct green_event *event;
static struct green_result *result;
static struct green_semaphore *semaphore;
static struct green_rlock *lock;
static struct green_condition *condition;
static struct green_queue *queue;
static struct green_channel *channel;
static struct green_pool *pool;
static struct greenlet *target;
static void *got;       /* by the victim */
static bool rival_done; /* its call has returned 0 */
static int served;      /* what the helper's call gave */
static int n_run;       /* members of the pool that began */

static char first, second, third; /* items */

/* Everybody runs, and the hub looks at its timers. */
static void turn(void)
{
    if (gr_self) {
        gr_hub_give_way();
    } else {
        gr_yield();
    }
}

struct call {
    const char *name;
    void (*prepare)(void);
    int (*victim)(int64_t timeout); /* 0 when served */
    int (*rival)(int64_t timeout);  /* NULL: nobody waits behind */
    void (*serve)(int step);
    /* At rest again: is everything where it must be? @ok: the victim's call was served. */
    bool (*check)(bool ok);
};

/* --- events, results --- */

static void new_event(void)
{
    event = green_event_new();
}
static int wait_event(int64_t t)
{
    return green_event_wait(event, t);
}
static void set_event(int step)
{
    if (step == 1) {
        green_event_set(event);
    }
}
static void pulse_event(int step)
{
    if (step == 1) {
        green_event_set(event);
        green_event_clear(event);
    }
}
static bool rival_served(bool ok)
{
    (void)ok;
    return rival_done;
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
static int await_news(int64_t t)
{
    int rc = green_rlock_acquire(lock, GREEN_FOREVER);
    if (rc == 0) {
        cr_assert_eq(green_rlock_acquire(lock, 0), 0);
        rc = green_condition_wait(condition, t);
        cr_assert_eq(green_rlock_release(lock), 0, "held as often as before");
        cr_assert_eq(green_rlock_release(lock), 0);
        cr_assert_eq(green_rlock_release(lock), -EPERM);
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

/* Survives what is thrown at it, and ends by the event. */
static void *stay(void *arg)
{
    while (green_event_wait(event, GREEN_FOREVER)) {
    }
    return arg;
}
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
static int walk(int64_t t)
{
    struct green_object *o[] = {green_event_object(event), green_greenlet_object(target)};
    struct green_iwait *it = green_iwait_new(o, 2);
    int rc;
    while ((rc = green_iwait_next(it, &o[0], t)) > 0) {
    }
    green_iwait_free(it);
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

/* --- pools of one: the helper ends the member that is there --- */

static void *run_at_once(void *arg)
{
    n_run++;
    return arg;
}
static void *run_until_event(void *arg)
{
    n_run++;
    return stay(arg);
}
static void new_pool(void)
{
    new_event();
    pool = green_pool_new(1);
    n_run = 0;
}
static void new_full_pool(void)
{
    new_pool();
    cr_assert_eq(green_pool_spawn(pool, stay, NULL, NULL, 0), 0);
    settle();
}
static int pool_spawn(int64_t t)
{
    return green_pool_spawn(pool, run_at_once, NULL, NULL, t);
}
static int pool_add(int64_t t)
{
    int rc = green_pool_add(pool, green_current(), t);
    cr_assert_eq(green_pool_contains(pool, green_current()), rc == 0);
    (void)green_pool_discard(pool, green_current());
    return rc;
}
static int pool_available(int64_t t)
{
    int rc = green_pool_wait_available(pool, t);
    return rc > 0 ? 0 : rc; /* 0: others were faster */
}
static int pool_join(int64_t t)
{
    return green_pool_join(pool, 0, t);
}
static int pool_kill(int64_t t)
{
    return green_pool_kill(pool, 0, t);
}
static int pool_apply(int64_t t)
{
    return green_pool_apply(pool, run_until_event, NULL, NULL, t);
}
static int pool_map(int64_t t)
{
    void *items[] = {&first, &second};
    struct green_values *values = NULL;
    int rc = green_pool_map(pool, run_until_event, green_items(items, 2), &values, t);
    free(values);
    return rc;
}
static int pool_imap(int64_t t)
{
    void *items[] = {&first, &second};
    struct green_imap *it =
        green_pool_imap_unordered(pool, run_until_event, green_items(items, 2), 1);
    int rc;
    while ((rc = green_imap_next(it, NULL, t)) > 0) {
    }
    green_imap_free(it);
    return rc;
}
static bool pool_is_empty(bool ok)
{
    (void)ok;
    return rival_done && green_pool_count(pool) == 0 && green_pool_free_count(pool) == 1;
}
static bool spawned_what_was_told(bool ok)
{
    return pool_is_empty(ok) && n_run == ok + rival_done;
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

static void nothing(void)
{
}
static void no_service(int step)
{
    (void)step;
}
static bool whatever(bool ok)
{
    (void)ok;
    return true;
}
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
    {"pool_spawn", new_full_pool, pool_spawn, pool_spawn, set_event, spawned_what_was_told},
    {"pool_add", new_full_pool, pool_add, pool_spawn, set_event, pool_is_empty},
    {"pool_wait_available", new_full_pool, pool_available, pool_spawn, set_event, pool_is_empty},
    {"pool_join", new_full_pool, pool_join, pool_join, set_event, pool_is_empty},
    {"pool_kill", new_full_pool, pool_kill, pool_join, set_event, pool_is_empty},
    {"pool_apply", new_pool, pool_apply, pool_spawn, set_event, pool_is_empty},
    {"pool_apply, full", new_full_pool, pool_apply, pool_spawn, set_event, pool_is_empty},
    {"pool_map", new_pool, pool_map, pool_spawn, set_event, pool_is_empty},
    {"pool_imap", new_pool, pool_imap, pool_spawn, set_event, pool_is_empty},
};
enum { N_CALLS = sizeof(calls) / sizeof(calls[0]) };

/* --- the parties --- */

enum { KILL = 1, OWN = 2, OUTER = 4, BACK = 8 }; /* BACK: the outer timeout ends with the call */
static const int ways[] = {
    KILL, OWN, OUTER, KILL | OWN, KILL | OUTER, OWN | OUTER, OUTER | BACK, KILL | OUTER | BACK,
};

static const struct call *call;
static int way, turns;
static int64_t deadline; /* of timeouts */
static struct greenlet *victim;
static int victims_result;
static atomic_int helper_is_there;

/* @rc of the victim's call, or of a wait behind it: what was thrown and has now come. */
static bool is_strike(int rc, int *due)
{
    int which = rc == CODE ? KILL : rc == OUTER_CODE ? OUTER : 0;
    *due &= ~which;
    return which;
}

static void *be_victim(void *arg)
{
    struct green_timeout *outer = NULL;
    int due = way & (KILL | OUTER);
    deadline = gr_now() + LIMIT;
    if (way & OUTER) {
        outer = green_timeout_start_new(LIMIT, OUTER_CODE);
    }
    int rc = call->victim(way & OWN ? LIMIT : GREEN_FOREVER);
    victims_result = rc;
    cr_assert(is_strike(rc, &due) || rc == 0 || (rc == -ETIMEDOUT && way & OWN),
              "%s, way %d, after %d turns: %d", call->name, way, turns, rc);
    if (way & BACK) {
        green_timeout_free(outer);
        outer = NULL;
        due &= KILL;
    }
    /* What has not come yet comes with the next wait, once. */
    while (due) {
        rc = green_sleep(GREEN_S(60));
        cr_assert(is_strike(rc, &due), "%s, way %d, after %d turns: %d instead of the strike",
                  call->name, way, turns, rc);
    }
    cr_assert_eq(green_sleep(0), 0, "%s, way %d, after %d turns: struck twice", call->name, way,
                 turns);
    cr_assert(!outer || green_timeout_fired(outer));
    green_timeout_free(outer);
    return arg;
}

static void *be_rival(void *arg)
{
    rival_done = call->rival(GREEN_FOREVER) == 0;
    return arg;
}

static void *be_helper(void *arg)
{
    call->serve(0);
    cr_assert_eq(green_event_wait(arg, GREEN_FOREVER), 0);
    turn();
    turn();
    call->serve(1);
    turn();
    return arg;
}

/* The same on a kernel thread, at any moment. */
static int delay; /* us */

static void *be_foreign_helper(void *arg)
{
    call->serve(0);
    atomic_store(&helper_is_there, 1);
    cr_assert_eq(green_event_wait(arg, GREEN_FOREVER), 0);
    for (int64_t until = gr_now() + (int64_t)delay * 1000; gr_now() < until;) {
    }
    call->serve(1);
    return NULL;
}

static void *be_striker(void *arg)
{
    for (int i = 0; i < turns; i++) {
        turn();
    }
    while (way & (OWN | OUTER) && gr_now() <= deadline + MS(1) / 20) {
        /* its time is over when the hub looks next */
    }
    if (way & KILL) {
        cr_assert_eq(green_kill(victim, CODE, 0), 0);
    }
    return arg;
}

static void end(struct greenlet *g)
{
    cr_assert_eq(green_join(g, GREEN_S(60)), 0, "%s, way %d, after %d turns: hangs", call->name,
                 way, turns);
    green_unref(g);
}

static void free_all(void)
{
    green_event_free(event);
    green_result_free(result);
    green_semaphore_free(semaphore);
    green_condition_free(condition);
    green_rlock_free(lock);
    green_queue_free(queue);
    green_channel_free(channel);
    if (target) {
        end(target);
    }
    green_pool_free(pool);
    event = NULL;
    pool = NULL;
    result = NULL;
    semaphore = NULL;
    condition = NULL;
    lock = NULL;
    queue = NULL;
    channel = NULL;
    target = NULL;
}

/* At rest again. */
static bool settled_and_right(struct greenlet *rival, const char *helper)
{
    settle();
    bool ok = victims_result == 0;
    cr_assert(call->check(ok), "%s, way %d, after %d turns, helper %s: victim %d, rival %s",
              call->name, way, turns, helper, victims_result, rival_done ? "done" : "waits");
    if (rival) {
        cr_assert_eq(green_kill(rival, 0, GREEN_S(60)), 0);
        green_unref(rival);
    }
    free_all();
    return ok;
}

static struct greenlet *go(void *(*fn)(void *), void *arg)
{
    struct greenlet *g;
    cr_assert_eq(green_spawn(fn, arg, &g), 0);
    return g;
}

static void begin(void)
{
    got = NULL;
    rival_done = false;
    victims_result = NEVER;
    call->prepare();
}

/* One strike, before or after what the helper does in the same turn. Was the call served first? */
static bool strike(bool striker_first)
{
    struct green_event *signal = green_event_new();
    begin();
    struct greenlet *helper = go(be_helper, signal);
    settle();
    victim = go(be_victim, NULL);
    struct greenlet *rival = call->rival ? go(be_rival, NULL) : NULL;
    if (!striker_first) {
        green_event_set(signal);
    }
    struct greenlet *striker = go(be_striker, NULL);
    green_event_set(signal);
    end(striker);
    end(helper);
    end(victim);
    bool ok = settled_and_right(rival, striker_first ? "second" : "first");
    green_event_free(signal);
    return ok;
}

/* One strike while a kernel thread helps. */
static void strike_beside_a_kernel_thread(void)
{
    struct green_event *signal = green_event_new();
    begin();
    atomic_store(&helper_is_there, 0);
    pthread_t helper = foreign(be_foreign_helper, signal);
    await(&helper_is_there, 1);
    victim = go(be_victim, NULL);
    struct greenlet *rival = call->rival ? go(be_rival, NULL) : NULL;
    settle();
    green_event_set(signal);
    end(go(be_striker, NULL));
    end(victim);
    join_foreign(helper);
    (void)settled_and_right(rival, "a kernel thread");
    green_event_free(signal);
}

static void sweep(int n_ways)
{
    for (call = calls; call < calls + N_CALLS; call++) {
        for (int i = 0; i < n_ways; i++) {
            int untouched = 0;
            way = ways[i];
            for (turns = 0; untouched < 4 && turns < 12; turns++) {
                for (int striker_first = 0; striker_first <= 1; striker_first++) {
                    untouched = strike(striker_first) ? untouched + 1 : 0;
                }
            }
        }
    }
}

Test(sweep, nothing_is_lost_whenever_a_wait_is_interrupted)
{
    sweep(sizeof(ways) / sizeof(ways[0]));
}

extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* malloc counts what this thread's cache holds as allocated: fill it. */
static void fill_cache(void)
{
    enum { SMALLEST = 24, STEP = 16, N_SIZES = 64, N_EACH = 7 };
    static void *all[N_SIZES][N_EACH];
    for (size_t i = 0; i < N_SIZES; i++) {
        for (size_t j = 0; j < N_EACH; j++) {
            all[i][j] = malloc(SMALLEST + i * STEP);
        }
    }
    for (size_t i = 0; i < N_SIZES; i++) {
        for (size_t j = 0; j < N_EACH; j++) {
            free(all[i][j]);
        }
    }
}

static size_t allocated(void)
{
    if (__sanitizer_get_current_allocated_bytes) {
        return __sanitizer_get_current_allocated_bytes();
    }
    fill_cache();
    return mallinfo2().uordblks;
}

/* Greens and memory: as much after the last round as after the one before. */
Test(sweep, nothing_is_left_behind)
{
    sweep(3);
    (void)allocated();
    sweep(3);
    (void)allocated();
    sweep(3);
    unsigned greens = gr_hub_here()->n_greens;
    size_t used = allocated();
    sweep(3);
    cr_assert_eq(gr_hub_here()->n_greens, greens);
    cr_assert_leq(allocated(), used);
}

Test(sweep, nothing_is_lost_when_kernel_threads_serve)
{
    for (call = calls; call < calls + N_CALLS; call++) {
        for (int i = 0; i < 15; i++) {
            way = ways[i % 3];
            turns = i % 4;
            delay = i * 7;
            strike_beside_a_kernel_thread();
        }
    }
}
