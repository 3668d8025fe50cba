/* The public functions from kernel threads that run no greens. */
#include <green/call.h>
#include <green/event.h>
#include <green/green.h>
#include <green/local.h>
#include <green/lock.h>
#include <green/os.h>
#include <green/queue.h>
#include <green/signal.h>
#include <green/timeout.h>

#include "runtime/base/rawsys.h"

#include "sync.h"

#include <signal.h>

#include <stdlib.h>

TestSuite(foreign, .init = start, .timeout = 60);

/* Has @fn called on a kernel thread while greens go on here. */
static void outside(void *(*fn)(void *), void *arg)
{
    join_foreign(foreign(fn, arg));
}

static struct greenlet *go(void *(*fn)(void *), intptr_t arg)
{
    struct greenlet *g;
    cr_assert_eq(green_spawn(fn, (void *)arg, &g), 0);
    return g;
}

static void finish(struct greenlet *g)
{
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    green_unref(g);
}

/* --- greenlets --- */

static long carrier;
static int ran;

static void *run_on_carrier(void *arg)
{
    cr_assert_eq(GR_SYS(SYS_gettid), carrier);
    cr_assert_not_null(gr_self);
    ran++;
    green_sleep(ran % 3 ? 0 : MS(1));
    return arg;
}

static void *spawn_and_join(void *arg)
{
    struct greenlet *g[20];
    void *value;
    cr_assert_null(green_current());
    for (int round = 0; round < 20; round++) {
        for (intptr_t i = 0; i < 20; i++) {
            cr_assert_eq(green_spawn(run_on_carrier, (void *)i, &g[i]), 0);
        }
        for (intptr_t i = 0; i < 20; i++) {
            cr_assert_eq(green_get(g[i], &value, GREEN_FOREVER), 0);
            cr_assert_eq((intptr_t)value, i);
            cr_assert_neq(green_id(g[i]), 0);
            green_unref(g[i]);
        }
    }
    cr_assert_eq(green_spawn(run_on_carrier, NULL, NULL), 0);
    return arg;
}

Test(foreign, kernel_threads_spawn_on_the_carrier_of_main)
{
    pthread_t t[3];
    carrier = GR_SYS(SYS_gettid);
    for (int i = 0; i < 3; i++) {
        t[i] = foreign(spawn_and_join, NULL);
    }
    for (int i = 0; i < 3; i++) {
        join_foreign(t[i]);
    }
    while (ran < 3 * 401 || gr_self->hub->n_greens > 1) {
        green_sleep(MS(1));
    }
}

static int order[100];
static int n_order;

static void *note(void *arg)
{
    order[n_order++] = (int)(intptr_t)arg;
    return arg;
}

static void *spawn_hundred(void *arg)
{
    for (intptr_t i = 0; i < 100; i++) {
        cr_assert_eq(green_spawn(note, (void *)i, NULL), 0);
    }
    return arg;
}

Test(foreign, what_one_thread_spawns_runs_in_order)
{
    outside(spawn_hundred, NULL);
    settle();
    cr_assert_eq(n_order, 100);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(order[i], i);
    }
}

static void *spawn_later_and_kill(void *arg)
{
    struct greenlet *g;
    int64_t begin = gr_now();
    cr_assert_eq(green_spawn_later(MS(20), note, (void *)1, &g), 0);
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    cr_assert_geq(gr_now() - begin, MS(20));
    green_unref(g);
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(green_spawn_later(GREEN_S(100000), note, (void *)2, &g), 0);
        if (i % 2) {
            (void)usleep(500); /* it has come */
        }
        cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
        cr_assert(green_ended(g) && green_successful(g));
        green_unref(g);
    }
    return arg;
}

Test(foreign, spawn_later_and_kill_before_it_runs)
{
    outside(spawn_later_and_kill, NULL);
    cr_assert_eq(n_order, 1);
    cr_assert_eq(gr_self->hub->n_greens, 1, "nothing is left of those killed");
}

static void *kill_it(void *g)
{
    cr_assert_eq(green_kill(g, -EPROTO, 0), 0);
    cr_assert_eq(green_kill(g, -EPROTO, GREEN_FOREVER), 0);
    return NULL;
}

static void *nap_for_ever(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)green_sleep(GREEN_FOREVER);
}

Test(foreign, a_kernel_thread_kills_what_waits_and_what_has_never_run)
{
    struct greenlet *g = go(nap_for_ever, 0);
    settle();
    outside(kill_it, g);
    cr_assert_eq((intptr_t)green_value(g), -EPROTO);
    green_unref(g);
    cr_assert_eq(green_spawn_later(GREEN_S(100000), note, NULL, &g), 0);
    outside(kill_it, g);
    cr_assert(green_ended(g) && n_order == 0);
    green_unref(g);
}

static int destroyed;

static void *copy(void *value)
{
    return value;
}

static void destroy_slowly(void *value)
{
    (void)value;
    green_sleep(MS(1));
    destroyed++;
}

Test(foreign, what_a_killed_greenlet_has_inherited_is_destroyed_where_it_may_wait)
{
    struct greenlet *g;
    struct green_local *l = green_inheritable_local_new(copy, NULL, NULL, destroy_slowly);
    cr_assert_eq(green_local_set(l, &destroyed), 0);
    cr_assert_eq(green_spawn_later(GREEN_S(100000), note, NULL, &g), 0);
    outside(kill_it, g);
    cr_assert(green_ended(g) && n_order == 0);
    cr_assert_eq(destroyed, 1);
    green_unref(g);
}

static double twice(double d, const char *s)
{
    return strcmp(s, "twice") == 0 ? 2 * d : 0;
}

static void *spawn_call(void *arg)
{
    for (int i = 0; i < 100; i++) {
        struct greenlet *g;
        double d;
        cr_assert_eq(green_spawn_call(&g, twice, "d(ds)", i + 0.5, "twice"), 0);
        cr_assert_eq(green_call_get(g, &d, sizeof(d), GREEN_FOREVER), 0);
        cr_assert_eq(d, 2 * i + 1);
        green_unref(g);
        cr_assert_eq(green_spawn_call(NULL, twice, "d(ds)", 1.0, "thrice"), 0);
    }
    return arg;
}

Test(foreign, spawn_call)
{
    outside(spawn_call, NULL);
}

/* --- waiting outside, waking inside, and the other way round --- */

static struct green_event *event;
static struct green_result *result;

static void *wait_outside(void *arg)
{
    void *value;
    cr_assert_eq(green_event_wait(arg, MS(2)), -ETIMEDOUT);
    cr_assert_eq(green_event_wait(event, GREEN_FOREVER), 0);
    cr_assert_eq(green_result_get(result, &value, GREEN_FOREVER), 0);
    cr_assert_eq(value, (void *)event);
    green_event_clear(event);
    return arg;
}

static void *set_inside(void *arg)
{
    green_sleep(MS(10));
    green_event_set(event);
    green_sleep(MS(2));
    green_result_set(result, event);
    return arg;
}

static void *set_outside(void *arg)
{
    (void)usleep(5000);
    green_event_set(event);
    (void)usleep(2000);
    cr_assert_eq(green_result_set_error(result, -EPROTO, "from outside", NULL), 0);
    return arg;
}

Test(foreign, event_and_result)
{
    event = green_event_new();
    result = green_result_new();
    struct greenlet *g = go(set_inside, 0);
    struct green_event *never = green_event_new();
    outside(wait_outside, never);
    green_event_free(never);
    finish(g);
    cr_assert(!green_event_is_set(event));
    green_result_free(result);
    result = green_result_new();
    pthread_t t = foreign(set_outside, NULL);
    cr_assert_eq(green_event_wait(event, GREEN_FOREVER), 0);
    cr_assert_eq(green_result_get(result, NULL, GREEN_FOREVER), -EPROTO);
    join_foreign(t);
    green_event_free(event);
    green_result_free(result);
}

static struct green_semaphore *semaphore;
static struct green_rlock *rlock;
static struct green_condition *condition;
static int inside_lock;
static int turns;
static int turn_of;

static void *take_permits(void *arg)
{
    for (int i = 0; i < 300; i++) {
        cr_assert_eq(green_semaphore_acquire(semaphore, GREEN_FOREVER), 0);
        int n = __atomic_add_fetch(&inside_lock, 1, __ATOMIC_SEQ_CST);
        cr_assert_leq(n, 2);
        if (i % 16 == 0) {
            green_sleep(1000);
        }
        __atomic_sub_fetch(&inside_lock, 1, __ATOMIC_SEQ_CST);
        cr_assert_eq(green_semaphore_release(semaphore), 0);
    }
    return arg;
}

static void *lock_twice(void *arg)
{
    for (int i = 0; i < 300; i++) {
        cr_assert_eq(green_rlock_acquire(rlock, GREEN_FOREVER), 0);
        cr_assert_eq(green_rlock_acquire(rlock, 0), 0);
        cr_assert_eq(inside_lock++, 0);
        if (i % 16 == 0) {
            green_sleep(1000);
        }
        cr_assert_eq(--inside_lock, 0);
        cr_assert_eq(green_rlock_release(rlock), 0);
        cr_assert_eq(green_rlock_release(rlock), 0);
        cr_assert_eq(green_rlock_release(rlock), -EPERM);
    }
    return arg;
}

/* Two of them alternate. */
static void *alternate(void *arg)
{
    int mine = (int)(intptr_t)arg;
    for (int i = 0; i < 200; i++) {
        cr_assert_eq(green_rlock_acquire(rlock, GREEN_FOREVER), 0);
        while (turn_of != mine) {
            cr_assert_eq(green_condition_wait(condition, GREEN_FOREVER), 0);
        }
        turn_of = !mine;
        turns++;
        cr_assert_eq(green_condition_notify(condition, 1), 0);
        cr_assert_eq(green_rlock_release(rlock), 0);
    }
    return arg;
}

/* @fn in two greens and on two kernel threads. */
static void inside_and_outside(void *(*fn)(void *))
{
    struct greenlet *g[2] = {go(fn, 0), go(fn, 1)};
    pthread_t t[2] = {foreign(fn, NULL), foreign(fn, (void *)1)};
    for (int i = 0; i < 2; i++) {
        finish(g[i]);
        join_foreign(t[i]);
    }
}

Test(foreign, semaphore)
{
    semaphore = green_bounded_semaphore_new(2);
    inside_and_outside(take_permits);
    cr_assert_eq(green_semaphore_count(semaphore), 2);
    cr_assert_eq(green_semaphore_release(semaphore), -EOVERFLOW);
    green_semaphore_free(semaphore);
}

Test(foreign, rlock)
{
    rlock = green_rlock_new();
    inside_and_outside(lock_twice);
    cr_assert(!green_rlock_locked(rlock));
    green_rlock_free(rlock);
}

Test(foreign, condition)
{
    rlock = green_rlock_new();
    condition = green_condition_new(rlock);
    struct greenlet *g = go(alternate, 0);
    pthread_t t = foreign(alternate, (void *)1);
    finish(g);
    join_foreign(t);
    cr_assert_eq(turns, 400);
    green_condition_free(condition);
    green_rlock_free(rlock);
}

/* --- queues --- */

static struct green_queue *queue;
static struct green_channel *channel;
static long sum;

#define N_ITEMS 500

static void *put_items(void *arg)
{
    for (intptr_t i = 1; i <= N_ITEMS; i++) {
        cr_assert_eq(green_queue_put(queue, (void *)i, GREEN_FOREVER), 0);
    }
    return arg;
}

static void *get_items(void *arg)
{
    void *item;
    while (green_queue_get(queue, &item, GREEN_FOREVER) == 0) {
        __atomic_add_fetch(&sum, (long)(intptr_t)item, __ATOMIC_SEQ_CST);
        cr_assert_eq(green_queue_task_done(queue), 0);
    }
    return arg;
}

static void *join_queue(void *arg)
{
    cr_assert_eq(green_queue_join(queue, GREEN_FOREVER), 0);
    return arg;
}

static int compare(const void *a, const void *b)
{
    return ((intptr_t)a > (intptr_t)b) - ((intptr_t)a < (intptr_t)b);
}

static void pass_items(struct green_queue *q)
{
    queue = q;
    sum = 0;
    struct greenlet *getters[2] = {go(get_items, 0), go(get_items, 0)};
    pthread_t t[2] = {foreign(get_items, NULL), foreign(get_items, NULL)};
    inside_and_outside(put_items);
    outside(join_queue, NULL);
    cr_assert_eq(sum, 4L * N_ITEMS * (N_ITEMS + 1) / 2);
    green_queue_shutdown(queue, 0);
    for (int i = 0; i < 2; i++) {
        finish(getters[i]);
        join_foreign(t[i]);
    }
    cr_assert_eq(green_queue_size(queue), 0);
    green_queue_free(queue);
}

Test(foreign, queues_of_all_kinds)
{
    pass_items(green_queue_new(0));
    pass_items(green_queue_new(3));
    pass_items(green_lifo_queue_new(3));
    pass_items(green_priority_queue_new(3, compare));
}

static void *put_into_channel(void *arg)
{
    for (intptr_t i = 1; i <= N_ITEMS; i++) {
        cr_assert_eq(green_channel_put(channel, (void *)i, GREEN_FOREVER), 0);
    }
    return arg;
}

static void *get_from_channel(void *arg)
{
    for (int i = 0; i < N_ITEMS; i++) {
        void *item;
        cr_assert_eq(green_channel_get(channel, &item, GREEN_FOREVER), 0);
        __atomic_add_fetch(&sum, (long)(intptr_t)item, __ATOMIC_SEQ_CST);
    }
    return arg;
}

Test(foreign, channel)
{
    channel = green_channel_new();
    struct greenlet *g[2] = {go(put_into_channel, 0), go(get_from_channel, 0)};
    pthread_t t[2] = {foreign(put_into_channel, NULL), foreign(get_from_channel, NULL)};
    for (int i = 0; i < 2; i++) {
        finish(g[i]);
        join_foreign(t[i]);
    }
    cr_assert_eq(sum, 2L * N_ITEMS * (N_ITEMS + 1) / 2);
    cr_assert_eq(green_channel_balance(channel), 0);
    green_channel_free(channel);
}

/* Who gives up outside takes nothing with him. */
static void *give_up(void *arg)
{
    void *item;
    for (int i = 0; i < 50; i++) {
        int rc = green_queue_get(queue, &item, 200000);
        if (rc == 0) {
            __atomic_add_fetch(&sum, 1, __ATOMIC_SEQ_CST);
        } else {
            cr_assert_eq(rc, -ETIMEDOUT);
        }
    }
    return arg;
}

Test(foreign, who_gives_up_takes_no_item)
{
    queue = green_queue_new(0);
    pthread_t t[2] = {foreign(give_up, NULL), foreign(give_up, NULL)};
    int put = 0;
    for (; put < 50; put++) {
        cr_assert_eq(green_queue_put(queue, NULL, 0), 0);
        green_sleep(200000);
    }
    join_foreign(t[0]);
    join_foreign(t[1]);
    cr_assert_eq(sum + (long)green_queue_size(queue), put);
    green_queue_free(queue);
}

/* --- several at once, links --- */

static void *nap(void *arg)
{
    green_sleep(MS((intptr_t)arg));
    return arg;
}

static void *wait_for_several(void *arg)
{
    struct greenlet **g = arg;
    struct greenlet *done[3];
    struct green_object *o[2] = {green_greenlet_object(g[0]), green_event_object(event)};
    struct green_object *ready[2];
    cr_assert_eq(green_wait(o, 2, ready, 1, MS(1)), 0);
    cr_assert_eq(green_joinall(g, 3, done, 0, 0, GREEN_FOREVER), 3);
    cr_assert(done[0] == g[2] && done[1] == g[0] && done[2] == g[1]);
    green_event_set(event);
    cr_assert_eq(green_wait(o, 2, ready, 0, GREEN_FOREVER), 2);
    struct green_iwait *it = green_iwait_new(o, 2);
    cr_assert_eq(green_iwait_next(it, &ready[0], GREEN_FOREVER), 1);
    green_iwait_free(it);
    return NULL;
}

Test(foreign, wait_for_several)
{
    event = green_event_new();
    struct greenlet *g[3] = {go(nap, 60), go(nap, 90), go(nap, 30)};
    outside(wait_for_several, g);
    for (int i = 0; i < 3; i++) {
        green_unref(g[i]);
    }
    green_event_free(event);
}

static int linked;
static int raw_linked;

static void on_ready(struct green_object *o, void *arg)
{
    cr_assert_eq(o, green_event_object(event));
    cr_assert_not_null(gr_self, "a link has a green of its own");
    green_sleep(0);
    linked += (int)(intptr_t)arg;
}

static void on_ready_raw(struct green_object *o, void *arg)
{
    (void)o;
    raw_linked += (int)(intptr_t)arg;
}

static void *link_outside(void *arg)
{
    struct green_object *o = green_event_object(event);
    cr_assert_eq(green_link(o, on_ready, (void *)1), 0);
    cr_assert_eq(green_link(o, on_ready, (void *)10), 0);
    cr_assert_eq(green_rawlink(o, on_ready_raw, (void *)100), 0);
    cr_assert_eq(green_rawlink(o, on_ready_raw, (void *)1000), 0);
    cr_assert_eq(green_link_count(o), 4);
    cr_assert_eq(green_unlink(o, on_ready, (void *)10), 1);
    cr_assert_eq(green_unlink(o, on_ready_raw, (void *)1000), 1);
    cr_assert_eq(green_unlink(o, on_ready_raw, (void *)1000), 0);
    return arg;
}

static void *link_when_ready(void *arg)
{
    struct green_object *o = green_event_object(event);
    cr_assert_eq(green_link(o, on_ready, (void *)2), 0);
    cr_assert_eq(green_rawlink(o, on_ready, (void *)20), 0);
    return arg;
}

Test(foreign, links)
{
    event = green_event_new();
    outside(link_outside, NULL);
    settle();
    cr_assert(linked == 0 && raw_linked == 0);
    green_event_set(event);
    settle();
    cr_assert(linked == 1 && raw_linked == 100, "%d %d", linked, raw_linked);
    outside(link_when_ready, NULL);
    settle();
    cr_assert_eq(linked, 23);
    green_event_free(event);
}

/* --- the rest --- */

static void *fail(void *arg)
{
    green_fail(-EPROTO, "in a kernel thread", arg);
}

static void *call_the_rest(void *arg)
{
    int64_t begin = gr_now();
    cr_assert_eq(green_sleep(MS(5)), 0);
    cr_assert_geq(gr_now() - begin, MS(5));
    cr_assert_eq(green_sleep_unref(MS(1)), 0);
    cr_assert_eq(green_sleep(0), 0);
    cr_assert_eq(green_idle(0), 0);
    cr_assert_eq(green_hub_join(0), -EPERM);
    errno = 0;
    cr_assert_null(green_timeout_start_new(MS(1), 0));
    cr_assert_eq(errno, ENOTSUP);
    cr_assert_eq(green_with_timeout(MS(1), nap, NULL, NULL), -ENOTSUP);
    struct green_signal *s;
    cr_assert_eq(green_signal_handler(SIGUSR1, nap, NULL, &s), -ENOTSUP);
    cr_assert_eq(green_watch_child(1, NULL, NULL), -ENOTSUP);
    cr_assert_eq(green_fork_and_watch(NULL, NULL), -ENOTSUP);
    struct green_error *error;
    cr_assert_eq(green_try(fail, arg, NULL, &error), -EPROTO);
    cr_assert_str_eq(error->message, "in a kernel thread");
    green_error_free(error);
    return arg;
}

Test(foreign, sleeps_errors_and_what_is_for_greens_only)
{
    outside(call_the_rest, NULL);
}

/* --- before there are greens --- */

static atomic_int tried;

static void *before_the_start(void *arg)
{
    cr_assert_eq(green_spawn(note, NULL, NULL), -ENOTSUP);
    cr_assert_eq(green_event_wait(arg, MS(1)), -ETIMEDOUT);
    atomic_store(&tried, 1);
    cr_assert_eq(green_event_wait(arg, GREEN_FOREVER), 0);
    cr_assert(!gr_active, "a kernel thread has not made itself main");
    return NULL;
}

Test(early, a_kernel_thread_waits_before_there_are_greens)
{
    pthread_t t;
    struct green_event *e = green_event_new();
    cr_assert_eq(pthread_create(&t, NULL, before_the_start, e), 0);
    while (!atomic_load(&tried)) {
        (void)usleep(1000);
    }
    (void)usleep(5000); /* it waits by now, most likely */
    green_event_set(e);
    pthread_join(t, NULL);
    green_event_free(e);
}
