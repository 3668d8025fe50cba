/* What happens when nobody is ready: idle greens, the end of the loop, deadlocks. */
#include <green/event.h>
#include <green/green.h>
#include <green/lock.h>
#include <green/queue.h>
#include <green/threadpool.h>
#include <green/timeout.h>

#include "runtime/core/signal.h"

#include "sync.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

/* The thread of the test framework's wakes nobody. */
static void start_alone(void)
{
    start();
    gr_self->hub->no_native = false;
}

TestSuite(rest, .init = start_alone, .timeout = 60);

static int order[64];
static int n_order;

static void *note(void *arg)
{
    order[n_order++] = (int)(intptr_t)arg;
    return arg;
}

static struct greenlet *go(void *(*fn)(void *), intptr_t arg)
{
    struct greenlet *g;
    cr_assert_eq(green_spawn(fn, (void *)arg, &g), 0);
    return g;
}

static void finish(struct greenlet *g)
{
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
    green_unref(g);
}

/* --- idle --- */

static void *be_idle(void *arg)
{
    cr_assert_eq(green_idle((int)(intptr_t)arg), 0);
    return note(arg);
}

static void *take_turns(void *arg)
{
    for (int i = 0; i < 10; i++) {
        green_sleep(0);
    }
    return note(arg);
}

Test(rest, idle_comes_when_nobody_else_is_ready)
{
    struct greenlet *g[3] = {go(be_idle, 1), go(take_turns, 2), go(take_turns, 3)};
    cr_assert_eq(green_joinall(g, 3, NULL, 0, 0, GREEN_FOREVER), 3);
    cr_assert(order[0] == 2 && order[1] == 3 && order[2] == 1);
    for (int i = 0; i < 3; i++) {
        green_unref(g[i]);
    }
}

Test(rest, idle_of_higher_priority_comes_first)
{
    struct greenlet *g[5] = {go(be_idle, 0), go(be_idle, 2), go(be_idle, 1), go(be_idle, 2),
                             go(be_idle, -1)};
    cr_assert_eq(green_joinall(g, 5, NULL, 0, 0, GREEN_FOREVER), 5);
    static const int want[] = {2, 2, 1, 0, -1};
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(order[i], want[i]);
        green_unref(g[i]);
    }
}

static void *keep_busy(void *arg)
{
    struct green_event *stop = arg;
    while (!green_event_is_set(stop)) {
        green_sleep(0);
    }
    return NULL;
}

Test(rest, idle_can_be_interrupted)
{
    struct green_event *stop = green_event_new();
    struct greenlet *busy = go(keep_busy, (intptr_t)stop);
    struct greenlet *g = go(be_idle, 0);
    struct green_timeout *t = green_timeout_start_new(MS(5), 0);
    cr_assert_eq(green_idle(7), -ETIMEDOUT);
    green_timeout_free(t);
    cr_assert_eq(n_order, 0);
    green_event_set(stop);
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    cr_assert_eq(green_idle(0), 0, "alone");
    green_unref(g);
    green_unref(busy);
    green_event_free(stop);
}

static void *idle_elsewhere(void *arg)
{
    cr_assert_eq(green_idle(0), 0);
    return arg;
}

Test(rest, idle_on_a_kernel_thread_gives_way)
{
    join_foreign(foreign(idle_elsewhere, NULL));
}

/* --- the end of the loop --- */

static void *nap(void *arg)
{
    green_sleep(MS((intptr_t)arg));
    return note(arg);
}

Test(rest, join_of_the_hub_waits_for_everything_that_happens_by_itself)
{
    green_unref(go(nap, 20));
    green_unref(go(nap, 1));
    struct greenlet *later;
    cr_assert_eq(green_spawn_later(MS(30), note, (void *)3, &later), 0);
    cr_assert_eq(green_hub_join(GREEN_FOREVER), 0);
    cr_assert_eq(n_order, 3);
    cr_assert(green_ended(later));
    green_unref(later);
    cr_assert_eq(green_hub_join(GREEN_FOREVER), 0, "nothing is left");
    cr_assert_eq(green_hub_join(0), 0);
}

static void *wait_for_ever(void *arg)
{
    return (void *)(intptr_t)green_event_wait(arg, GREEN_FOREVER);
}

Test(rest, join_of_the_hub_does_not_wait_for_those_whom_nobody_can_wake)
{
    struct green_event *e = green_event_new();
    struct greenlet *g = go(wait_for_ever, (intptr_t)e);
    cr_assert_eq(green_hub_join(GREEN_FOREVER), 0);
    cr_assert(!green_ended(g));
    finish(g);
    green_event_free(e);
}

Test(rest, join_of_the_hub_has_a_timeout_that_does_not_count)
{
    struct greenlet *g = go(nap, 10000);
    cr_assert_eq(green_hub_join(0), -ETIMEDOUT);
    cr_assert_eq(green_hub_join(MS(5)), -ETIMEDOUT);
    finish(g);
    int64_t begin = gr_now();
    cr_assert_eq(green_hub_join(GREEN_S(30)), 0);
    cr_assert_lt(gr_now() - begin, GREEN_S(30));
}

Test(rest, join_of_the_hub_can_be_interrupted)
{
    struct greenlet *g = go(nap, 10000);
    struct green_timeout *t = green_timeout_start_new(MS(5), -EPROTO);
    cr_assert_eq(green_hub_join(GREEN_FOREVER), -EPROTO);
    green_timeout_free(t);
    finish(g);
}

static void *join_hub(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)green_hub_join(GREEN_FOREVER);
}

Test(rest, join_of_the_hub_is_for_main)
{
    struct greenlet *g = go(join_hub, 0);
    void *value;
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq((intptr_t)value, -EPERM);
    green_unref(g);
}

static void *nap_unref(void *arg)
{
    green_sleep_unref(MS((intptr_t)arg));
    return note(arg);
}

static void *wait_with_timeout(void *arg)
{
    struct green_timeout *t = green_timeout_new(GREEN_S(10000), 0);
    green_timeout_unref(t);
    cr_assert_eq(green_timeout_start(t), 0);
    void *rc = wait_for_ever(arg);
    green_timeout_free(t);
    return rc;
}

Test(rest, sleeps_and_timeouts_without_a_reference_do_not_count)
{
    struct green_event *e = green_event_new();
    struct greenlet *a = go(nap_unref, 10000000);
    struct greenlet *b = go(wait_with_timeout, (intptr_t)e);
    struct greenlet *c = go(nap_unref, 1);
    struct greenlet *d = go(nap, 20);
    cr_assert_eq(green_hub_join(GREEN_FOREVER), 0);
    cr_assert(!green_ended(a) && !green_ended(b));
    cr_assert(green_ended(c) && green_ended(d), "they run as long as something else is left");
    finish(a);
    finish(b);
    green_unref(c);
    green_unref(d);
    green_event_free(e);
}

/* --- deadlock --- */

static char said[4096];

/* Calls @fn with standard error into @said. */
static void listen(void (*fn)(void))
{
    int out[2];
    int old = dup(2);
    cr_assert(old >= 0 && pipe(out) == 0);
    dup2(out[1], 2);
    fn();
    dup2(old, 2);
    close(old);
    close(out[1]);
    ssize_t n = read(out[0], said, sizeof(said) - 1);
    said[n > 0 ? n : 0] = '\0';
    close(out[0]);
}

static bool says(const char *format, ...)
{
    char line[200];
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    return strstr(said, line) != NULL;
}

static struct green_rlock *rlock;
static struct green_queue *queue;
static struct greenlet *locker;
static struct greenlet *stuck[4];

static void *lock_and_get(void *arg)
{
    void *item;
    green_set_name(green_current(), "locker");
    cr_assert_eq(green_rlock_acquire(rlock, GREEN_FOREVER), 0);
    return (void *)(intptr_t)green_queue_get(queue, &item, GREEN_FOREVER) + (intptr_t)arg;
}

static void *lock_it(void *arg)
{
    return (void *)(intptr_t)green_rlock_acquire(rlock, GREEN_FOREVER) + (intptr_t)arg;
}

static void wait_in_a_circle(void)
{
    locker = go(lock_and_get, 0);
    stuck[0] = go(lock_it, 0);
    cr_assert_eq(green_join(stuck[0], GREEN_FOREVER), -EDEADLK);
}

Test(rest, a_deadlock_ends_the_wait_of_main_and_says_who_waits_for_what)
{
    rlock = green_rlock_new();
    queue = green_queue_new(0);
    listen(wait_in_a_circle);
    unsigned a = (unsigned)green_id(locker);
    unsigned b = (unsigned)green_id(stuck[0]);
    cr_assert(says("deadlock: nothing is left that could wake any of 3 green threads\n"), "%s",
              said);
    cr_assert(says("  main waits for the end of green thread %u\n", b), "%s", said);
    cr_assert(says("  green thread %u locker waits for queue %p\n", a, (void *)queue), "%s", said);
    cr_assert(says("  green thread %u waits for a lock held by green thread %u locker\n", b, a),
              "%s", said);
    /* Main can mend it. */
    cr_assert_eq(green_queue_put(queue, NULL, 0), 0);
    cr_assert_eq(green_join(locker, GREEN_FOREVER), 0);
    finish(stuck[0]);
    green_unref(locker);
}

static struct green_event *event;
static struct green_semaphore *semaphore;
static struct green_channel *channel;
static struct green_condition *condition;
static struct green_result *result;

static void wait_in_each_way(void)
{
    void *item;
    cr_assert_eq(green_event_wait(event, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_result_get(result, &item, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_result_wait(result, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_semaphore_acquire(semaphore, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_semaphore_wait(semaphore, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_queue_get(queue, &item, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_queue_peek(queue, &item, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_queue_put(queue, NULL, 0), 0);
    cr_assert_eq(green_queue_put(queue, NULL, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_queue_join(queue, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_channel_put(channel, NULL, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_channel_get(channel, &item, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_channel_balance(channel), 0, "nobody is left there");
    cr_assert_eq(green_rlock_acquire(rlock, 0), 0);
    cr_assert_eq(green_condition_wait(condition, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_rlock_release(rlock), 0, "it holds the lock again");
    cr_assert_eq(green_sleep(GREEN_FOREVER), -EDEADLK);
    struct green_object *o[2] = {green_event_object(event), green_result_object(result)};
    cr_assert_eq(green_wait(o, 2, NULL, 0, GREEN_FOREVER), -EDEADLK);
    struct green_iwait *it = green_iwait_new(o, 2);
    struct green_object *ready;
    cr_assert_eq(green_iwait_next(it, &ready, GREEN_FOREVER), -EDEADLK);
    green_iwait_free(it);
    cr_assert_eq(green_sleep_unref(GREEN_S(10000)), -EDEADLK);
}

Test(rest, each_wait_of_main_ends_and_takes_nothing_with_it)
{
    event = green_event_new();
    semaphore = green_semaphore_new(0);
    queue = green_queue_new(1);
    channel = green_channel_new();
    rlock = green_rlock_new();
    condition = green_condition_new(rlock);
    result = green_result_new();
    listen(wait_in_each_way);
    cr_assert_eq(green_semaphore_count(semaphore), 0);
    cr_assert_eq(green_queue_size(queue), 1);
    cr_assert(says("main waits for event"));
}

/* Keeps the lock that the waiter has let go. */
static void wait_for_news_and_the_lock(void)
{
    cr_assert_eq(green_rlock_acquire(rlock, 0), 0);
    locker = go(lock_and_get, 0);
    cr_assert_eq(green_condition_wait(condition, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_rlock_release(rlock), -EPERM, "it could not have the lock");
}

Test(rest, a_condition_whose_lock_nobody_gives_back)
{
    rlock = green_rlock_new();
    condition = green_condition_new(rlock);
    queue = green_queue_new(0);
    listen(wait_for_news_and_the_lock);
    cr_assert(says("  main waits for green_condition %p\n", (void *)condition), "%s", said);
    cr_assert(says("  main waits for a lock held by green thread %u locker\n",
                   (unsigned)green_id(locker)),
              "%s", said);
    cr_assert_eq(green_queue_put(queue, NULL, 0), 0);
    cr_assert_eq(green_join(locker, GREEN_FOREVER), 0);
    green_unref(locker);
}

static void wait_for_all(void)
{
    cr_assert_eq(green_joinall(stuck, 4, NULL, 0, 0, GREEN_FOREVER), -EDEADLK);
}

Test(rest, joinall_of_those_whom_nobody_can_wake)
{
    event = green_event_new();
    for (int i = 0; i < 4; i++) {
        stuck[i] = go(wait_for_ever, (intptr_t)event);
    }
    listen(wait_for_all);
    cr_assert(says("main waits for one of several objects"), "%s", said);
    cr_assert_eq(green_killall(stuck, 4, 0, GREEN_FOREVER), 0);
    for (int i = 0; i < 4; i++) {
        green_unref(stuck[i]);
    }
}

static void wait_for_event(void)
{
    cr_assert_eq(green_event_wait(event, GREEN_FOREVER), -EDEADLK);
}

Test(rest, a_report_has_at_most_a_hundred_lines)
{
    struct greenlet *g[200];
    event = green_event_new();
    for (int i = 0; i < 200; i++) {
        g[i] = go(wait_for_ever, (intptr_t)event);
    }
    listen(wait_for_event);
    green_event_set(event);
    for (int i = 0; i < 200; i++) {
        cr_assert_eq(green_join(g[i], GREEN_FOREVER), 0);
        green_unref(g[i]);
    }
    int lines = 0;
    for (const char *s = said; (s = strchr(s, '\n')); s++) {
        lines++;
    }
    cr_assert(says("any of 201 green threads") && lines <= 102, "%d: %s", lines, said);
}

/* --- what is no deadlock --- */

/* A kernel thread that is not expected to wake anybody itself. */
static pthread_t unnoticed(void *(*fn)(void *), void *arg)
{
    pthread_t t = foreign(fn, arg);
    gr_self->hub->no_native = false;
    return t;
}

static void *set_after_a_while(void *arg)
{
    green_sleep(MS(20));
    green_event_set(arg);
    return NULL;
}

static void *read_and_set(void *arg)
{
    int *fd = arg;
    char c;
    struct gr_fd *f = gr_fd_get(*fd);
    gr_fd_drained(f, GR_IN);
    cr_assert_eq(gr_fd_wait(&f, GR_IN, GR_FOREVER, 0), 0);
    cr_assert_eq(read(*fd, &c, 1), 1);
    green_event_set(event);
    return NULL;
}

static void *write_after_a_while(void *arg)
{
    (void)usleep(20000);
    cr_assert_eq(write(*(int *)arg, "x", 1), 1);
    return NULL;
}

Test(rest, a_timer_is_left)
{
    event = green_event_new();
    green_unref(go(set_after_a_while, (intptr_t)event));
    cr_assert_eq(green_event_wait(event, GREEN_FOREVER), 0);
    green_event_clear(event);
    cr_assert_eq(green_event_wait(event, MS(5)), -ETIMEDOUT, "main's own timer");
}

Test(rest, a_descriptor_is_left)
{
    int p[2];
    event = green_event_new();
    cr_assert_eq(pipe(p), 0);
    green_unref(go(read_and_set, (intptr_t)&p[0]));
    settle();
    pthread_t t = unnoticed(write_after_a_while, &p[1]);
    cr_assert_eq(green_event_wait(event, GREEN_FOREVER), 0);
    pthread_join(t, NULL);
}

static void work(void *arg)
{
    (void)arg;
    (void)usleep(20000);
}

static void *work_and_set(void *arg)
{
    gr_offload(work, NULL);
    green_event_set(arg);
    return NULL;
}

Test(rest, a_worker_is_left)
{
    event = green_event_new();
    green_unref(go(work_and_set, (intptr_t)event));
    cr_assert_eq(green_event_wait(event, GREEN_FOREVER), 0);
}

static void *set_from_outside(void *arg)
{
    (void)usleep(20000);
    green_event_set(arg);
    return NULL;
}

Test(rest, a_kernel_thread_is_left)
{
    event = green_event_new();
    pthread_t t = foreign(set_from_outside, event);
    cr_assert_eq(green_event_wait(event, GREEN_FOREVER), 0);
    join_foreign(t);
}

static void *wait_for_signal(void *arg)
{
    siginfo_t info;
    cr_assert_eq(gr_sig_wait(1ULL << (SIGUSR1 - 1), &info, GR_FOREVER), SIGUSR1);
    green_event_set(arg);
    return NULL;
}

static void *send_signal(void *arg)
{
    (void)usleep(20000);
    (void)kill(getpid(), SIGUSR1);
    return arg;
}

Test(rest, a_signal_is_left)
{
    uint64_t set = 1ULL << (SIGUSR1 - 1);
    event = green_event_new();
    (void)gr_sig_mask(SIG_BLOCK, &set, NULL);
    green_unref(go(wait_for_signal, (intptr_t)event));
    settle();
    pthread_t t = unnoticed(send_signal, NULL);
    cr_assert_eq(green_event_wait(event, GREEN_FOREVER), 0);
    pthread_join(t, NULL);
}

static int *wake_up;

static void on_signal(int sig)
{
    (void)sig;
    *wake_up = 1;
}

Test(rest, a_handler_is_left)
{
    struct sigaction act = {.sa_handler = on_signal};
    cr_assert_eq(gr_sig_action(SIGUSR1, &act, NULL), 0);
    event = green_event_new();
    (void)unnoticed(set_from_outside, event);
    cr_assert_eq(green_event_wait(event, GREEN_FOREVER), 0);
}

Test(rest, join_of_the_hub_waits_for_no_handler_and_no_stranger)
{
    struct sigaction act = {.sa_handler = on_signal};
    cr_assert_eq(gr_sig_action(SIGUSR1, &act, NULL), 0);
    gr_hub_foreign();
    cr_assert_eq(green_hub_join(GREEN_FOREVER), 0);
    cr_assert_eq(green_hub_join(0), 0);
}

static void *work_for_a_while(void *arg)
{
    (void)usleep(20000);
    return arg;
}

static void *use_the_pool(void *pool)
{
    void *value = NULL;
    cr_assert_eq(green_threadpool_apply(pool, work_for_a_while, &order, &value, GREEN_FOREVER), 0);
    cr_assert_eq(value, (void *)&order);
    return note(NULL);
}

Test(rest, join_of_the_hub_waits_for_calls_in_a_threadpool)
{
    struct green_threadpool *pool = green_threadpool_new(2, GREEN_FOREVER);
    for (int i = 0; i < 4; i++) {
        green_unref(go(use_the_pool, (intptr_t)pool));
    }
    cr_assert_eq(green_hub_join(0), -ETIMEDOUT);
    cr_assert_eq(green_hub_join(GREEN_FOREVER), 0);
    cr_assert_eq(n_order, 4);
    struct green_result *r;
    cr_assert_eq(green_threadpool_spawn(pool, work_for_a_while, NULL, &r, GREEN_FOREVER), 0);
    cr_assert_eq(green_hub_join(GREEN_FOREVER), 0, "nobody waits for it, but it will be set");
    cr_assert(green_result_ready(r));
    green_result_free(r);
    green_threadpool_free(pool);
}
