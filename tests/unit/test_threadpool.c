/* Thread pools: calls on kernel threads, their results and errors, room, size, ends, forks. */
#include <green/event.h>
#include <green/green.h>
#include <green/queue.h>
#include <green/threadpool.h>
#include <green/timeout.h>

#include "sync.h"

#include "runtime/base/rawsys.h"

#include <stdlib.h>
#include <sys/wait.h>

#define ITEM(n) ((void *)(intptr_t)(n))

TestSuite(threadpool, .init = start, .timeout = 60);

static atomic_int running;
static atomic_int most;
static atomic_int calls;
static atomic_bool open_gate;

static struct green_threadpool *new_pool(int max)
{
    struct green_threadpool *p = green_threadpool_new(max, GREEN_FOREVER);
    cr_assert_not_null(p);
    return p;
}

static void *twice(void *arg)
{
    calls++;
    return ITEM((intptr_t)arg * 2);
}

/* Blocks its thread until the gate is opened. */
static void *at_gate(void *arg)
{
    int n = ++running;
    int old = most;
    while (old < n && !atomic_compare_exchange_weak(&most, &old, n)) {
    }
    calls++;
    while (!open_gate) {
        usleep(1000);
    }
    running--;
    return arg;
}

static void *fails(void *arg)
{
    green_fail(-EPROTO, "no good", arg);
}

static void *ends_thread(void *arg)
{
    pthread_exit(arg);
}

static intptr_t value_of(struct green_result *r)
{
    void *value = NULL;
    int rc = green_result_get(r, &value, GREEN_FOREVER);
    green_result_free(r);
    return rc ? rc : (intptr_t)value;
}

static struct green_result *go(struct green_threadpool *p, void *(*fn)(void *), intptr_t arg)
{
    struct green_result *r = NULL;
    cr_assert_eq(green_threadpool_spawn(p, fn, ITEM(arg), &r, GREEN_FOREVER), 0);
    return r;
}

static void await_size(struct green_threadpool *p, int size)
{
    while (green_threadpool_size(p) != size) {
        green_sleep(MS(1));
    }
}

static void end_pool(struct green_threadpool *p)
{
    open_gate = true;
    cr_assert_eq(green_threadpool_kill(p, GREEN_FOREVER), 0);
    cr_assert_eq(green_threadpool_size(p), 0);
    cr_assert_eq(green_threadpool_count(p), 0);
    green_threadpool_free(p);
}

static void *on_no_green(void *arg)
{
    return gr_self ? NULL : arg;
}

Test(threadpool, calls_are_made_on_kernel_threads)
{
    struct green_threadpool *p = new_pool(3);
    cr_assert_eq(green_threadpool_size(p), 0, "made on demand");
    cr_assert_eq(value_of(go(p, on_no_green, 7)), 7);
    cr_assert_eq(value_of(go(p, twice, 4)), 8);
    cr_assert_eq(green_threadpool_spawn(p, twice, NULL, NULL, 0), 0);
    cr_assert_eq(green_threadpool_join(p, GREEN_FOREVER), 0);
    cr_assert_eq(calls, 2);
    cr_assert_leq(green_threadpool_size(p), 3);
    end_pool(p);
    green_threadpool_free(NULL);
}

static void *tick(void *arg)
{
    while (!open_gate) {
        ++*(int *)arg;
        green_sleep(MS(1));
    }
    return NULL;
}

Test(threadpool, greens_go_on_meanwhile)
{
    struct green_threadpool *p = new_pool(1);
    int ticks = 0;
    struct greenlet *g;
    cr_assert_eq(green_spawn(tick, &ticks, &g), 0);
    struct green_result *r = go(p, at_gate, 1);
    cr_assert_eq(green_result_get(r, NULL, MS(20)), -ETIMEDOUT);
    cr_assert_gt(ticks, 0);
    cr_assert_eq(green_threadpool_join(p, 0), -ETIMEDOUT);
    cr_assert_eq(green_threadpool_join(p, MS(2)), -ETIMEDOUT);
    open_gate = true;
    cr_assert_eq(value_of(r), 1);
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    green_unref(g);
    end_pool(p);
}

Test(threadpool, errors_are_carried_back)
{
    struct green_threadpool *p = new_pool(2);
    struct green_result *r = go(p, fails, 5);
    cr_assert_eq(green_result_get(r, NULL, GREEN_FOREVER), -EPROTO);
    cr_assert_str_eq(green_result_error(r)->message, "no good");
    cr_assert_eq(green_result_error(r)->payload, ITEM(5));
    green_result_free(r);
    cr_assert_eq(green_threadpool_apply(p, fails, NULL, NULL, GREEN_FOREVER), -EPROTO);
    end_pool(p);
}

Test(threadpool, one_more_than_threads_get_in)
{
    struct green_threadpool *p = new_pool(2);
    struct green_result *r[5];
    for (int i = 0; i < 3; i++) {
        r[i] = go(p, at_gate, i);
    }
    cr_assert_eq(green_threadpool_count(p), 3);
    cr_assert_eq(green_threadpool_spawn(p, twice, NULL, NULL, 0), -EAGAIN);
    cr_assert_eq(green_threadpool_spawn(p, twice, NULL, NULL, MS(5)), -ETIMEDOUT);
    GREEN_TIMEOUT(t, MS(5))
    {
        cr_assert_eq(green_threadpool_spawn(p, twice, NULL, NULL, GREEN_FOREVER), -ETIMEDOUT);
        cr_assert(green_timeout_fired(t));
    }
    open_gate = true;
    r[3] = go(p, at_gate, 3);
    r[4] = go(p, at_gate, 4);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(value_of(r[i]), i);
    }
    cr_assert_eq(most, 2);
    cr_assert_eq(calls, 5, "nothing of those that gave up");
    end_pool(p);
}

Test(threadpool, of_no_threads)
{
    errno = 0;
    cr_assert_null(green_threadpool_new(-1, GREEN_FOREVER));
    cr_assert_eq(errno, EINVAL);
    struct green_threadpool *p = new_pool(0);
    struct green_result *r = go(p, twice, 1);
    cr_assert_eq(green_threadpool_spawn(p, twice, NULL, NULL, 0), -EAGAIN);
    cr_assert_eq(green_result_wait(r, MS(5)), -ETIMEDOUT);
    cr_assert_eq(green_threadpool_set_max(p, -1), -EINVAL);
    cr_assert_eq(green_threadpool_set_max(p, 1), 0);
    cr_assert_eq(value_of(r), 2);
    end_pool(p);
}

Test(threadpool, grows_and_shrinks)
{
    struct green_threadpool *p = new_pool(1);
    struct green_result *r[8];
    r[0] = go(p, at_gate, 0);
    r[1] = go(p, at_gate, 1);
    cr_assert_eq(green_threadpool_spawn(p, twice, NULL, NULL, 0), -EAGAIN);
    cr_assert_eq(green_threadpool_set_max(p, 4), 0);
    cr_assert_eq(green_threadpool_max(p), 4);
    for (int i = 2; i < 5; i++) {
        r[i] = go(p, at_gate, i);
    }
    cr_assert_eq(green_threadpool_spawn(p, twice, NULL, NULL, 0), -EAGAIN);
    while (running < 4) {
        green_sleep(MS(1));
    }
    cr_assert_eq(green_threadpool_size(p), 4);
    cr_assert_eq(green_threadpool_set_max(p, 2), 0);
    cr_assert_eq(green_threadpool_size(p), 4, "they end after their calls");
    open_gate = true;
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(value_of(r[i]), i);
    }
    await_size(p, 2);
    open_gate = false;
    most = 0;
    cr_assert_eq(green_threadpool_join(p, GREEN_FOREVER), 0);
    for (int i = 0; i < 3; i++) {
        r[i] = go(p, at_gate, i);
    }
    cr_assert_eq(green_threadpool_spawn(p, twice, NULL, NULL, 0), -EAGAIN, "room for three again");
    open_gate = true;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(value_of(r[i]), i);
    }
    cr_assert_leq(most, 2);
    end_pool(p);
}

Test(threadpool, size)
{
    struct green_threadpool *p = new_pool(4);
    cr_assert_eq(green_threadpool_set_size(p, -1), -EINVAL);
    cr_assert_eq(green_threadpool_set_size(p, 5), -EINVAL);
    cr_assert_eq(green_threadpool_set_size(p, 3), 0);
    cr_assert_eq(green_threadpool_size(p), 3);
    cr_assert_eq(value_of(go(p, twice, 1)), 2);
    cr_assert_eq(green_threadpool_set_size(p, 1), 0);
    await_size(p, 1);
    cr_assert_eq(value_of(go(p, twice, 1)), 2);
    end_pool(p);
}

Test(threadpool, idle_threads_end)
{
    struct green_threadpool *p = green_threadpool_new(3, MS(5));
    for (int round = 0; round < 3; round++) {
        struct green_result *r[3];
        for (int i = 0; i < 3; i++) {
            r[i] = go(p, twice, i);
        }
        for (int i = 0; i < 3; i++) {
            cr_assert_eq(value_of(r[i]), 2 * i);
        }
        await_size(p, 0);
    }
    end_pool(p);
}

static void *kill_pool(void *arg)
{
    return ITEM(green_threadpool_kill(arg, GREEN_FOREVER));
}

Test(threadpool, kill_waits_for_what_is_in_it)
{
    struct green_threadpool *p = new_pool(2);
    cr_assert_eq(green_threadpool_kill(p, 0), 0, "it has no thread");
    struct green_result *r[3];
    for (int i = 0; i < 3; i++) {
        r[i] = go(p, at_gate, i);
    }
    cr_assert_eq(green_threadpool_kill(p, MS(5)), -ETIMEDOUT);
    struct greenlet *killer;
    cr_assert_eq(green_spawn(kill_pool, p, &killer), 0);
    settle();
    cr_assert_eq(green_kill(killer, -EIO, GREEN_FOREVER), 0);
    cr_assert_eq(green_value(killer), ITEM(-EIO));
    green_unref(killer);
    open_gate = true;
    cr_assert_eq(green_threadpool_kill(p, GREEN_FOREVER), 0);
    cr_assert_eq(green_threadpool_size(p), 0);
    for (int i = 0; i < 3; i++) {
        cr_assert(green_result_ready(r[i]));
        cr_assert_eq(value_of(r[i]), i);
    }
    cr_assert_eq(value_of(go(p, twice, 3)), 6, "it can be used again");
    end_pool(p);
}

Test(threadpool, freed_with_calls_in_it)
{
    struct green_threadpool *p = new_pool(1);
    struct green_result *a = go(p, at_gate, 1);
    struct green_result *b = go(p, twice, 2);
    green_result_free(go(new_pool(1), at_gate, 1)); /* a result that nobody waits for */
    green_threadpool_free(p);
    open_gate = true;
    cr_assert_eq(value_of(a), 1);
    cr_assert_eq(value_of(b), 4);
}

Test(threadpool, a_call_that_ends_its_thread)
{
    struct green_threadpool *p = new_pool(1);
    struct green_result *r = go(p, ends_thread, 1);
    struct green_result *next = go(p, twice, 2);
    cr_assert_eq(value_of(r), -ECANCELED);
    cr_assert_eq(value_of(next), 4);
    end_pool(p);
}

static int no_thread(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    (void)thread;
    (void)attr;
    (void)fn;
    (void)arg;
    return EAGAIN;
}

Test(threadpool, no_thread_to_be_had)
{
    struct green_threadpool *p = new_pool(1);
    gr_kernel_thread_create = no_thread;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(green_threadpool_spawn(p, twice, NULL, NULL, 0), -ENOMEM);
    }
    cr_assert_eq(green_threadpool_set_size(p, 1), -ENOMEM);
    cr_assert_eq(
        green_threadpool_map(p, twice, green_items((void *[]){NULL}, 1), NULL, GREEN_FOREVER),
        -ENOMEM);
    cr_assert_eq(green_threadpool_count(p), 0);
    cr_assert_eq(green_threadpool_size(p), 0);
    gr_kernel_thread_create = pthread_create;
    cr_assert_eq(value_of(go(p, twice, 2)), 4);
    end_pool(p);
}

static double half_of(int n, const char *s, double d)
{
    calls++;
    return (n + (double)strlen(s) + d) / 2;
}

static void nothing(void)
{
    calls++;
}

Test(threadpool, functions_of_any_type)
{
    struct green_threadpool *p = new_pool(2);
    struct green_result *r;
    double y = 0;
    char text[] = "four";
    cr_assert_eq(green_threadpool_call(p, &r, half_of, "d(isd)", 3, text, 1.5), 0);
    text[0] = '\0';
    cr_assert_eq(green_threadpool_call_get(r, &y, sizeof(y), GREEN_FOREVER), 0);
    cr_assert_eq(y, 4.25, "strings are copied");
    cr_assert_eq(*(double *)green_result_value(r), 4.25);
    int n = 0;
    cr_assert_eq(green_threadpool_call_get(r, &n, sizeof(n), 0), -EINVAL);
    green_result_free(r);
    cr_assert_eq(green_threadpool_call(p, &r, fails, "p(p)", &n), 0);
    cr_assert_eq(green_threadpool_call_get(r, &n, sizeof(n), GREEN_FOREVER), -EPROTO);
    cr_assert_eq(green_result_error(r)->payload, &n);
    green_result_free(r);
    cr_assert_eq(green_threadpool_call(p, NULL, nothing, "v()"), 0);
    cr_assert_eq(green_threadpool_call(p, &r, half_of, "d(is", 3, text), -EINVAL);
    cr_assert_eq(green_threadpool_call(p, &r, NULL, "v()"), -EINVAL);
    r = go(p, twice, 1);
    cr_assert_eq(green_threadpool_call_get(r, NULL, 0, GREEN_FOREVER), -EINVAL);
    cr_assert_eq(value_of(r), 2);
    end_pool(p);
    cr_assert_eq(calls, 3);
}

static struct green_threadpool *shared;

static void *apply_again(void *arg)
{
    void *value = NULL;
    int rc = green_threadpool_apply(shared, twice, arg, &value, GREEN_FOREVER);
    cr_assert_eq(green_threadpool_apply(shared, fails, arg, NULL, GREEN_FOREVER), -EPROTO);
    return rc ? ITEM(rc) : value;
}

Test(threadpool, apply)
{
    shared = new_pool(1);
    void *value = NULL;
    cr_assert_eq(green_threadpool_apply(shared, apply_again, ITEM(2), &value, GREEN_FOREVER), 0);
    cr_assert_eq(value, ITEM(4), "its thread calls it itself");
    cr_assert_eq(green_threadpool_apply(shared, at_gate, NULL, &value, MS(5)), -ETIMEDOUT);
    cr_assert_eq(value, ITEM(4));
    open_gate = true;
    end_pool(shared);
}

static intptr_t noted;

static void note(void *value, void *arg)
{
    green_sleep(0);
    noted = (intptr_t)value * 100 + (intptr_t)arg;
}

static void quiet(struct greenlet *g, const struct green_error *e)
{
    (void)g;
    (void)e;
}

Test(threadpool, apply_async)
{
    green_set_error_handler(quiet);
    struct green_threadpool *p = new_pool(1);
    struct greenlet *g[5];
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(
            green_threadpool_apply_async(p, at_gate, ITEM(i), i == 2 ? note : NULL, ITEM(7), &g[i]),
            0);
    }
    settle();
    cr_assert_eq(green_kill(g[4], 0, GREEN_FOREVER), 0);
    open_gate = true;
    for (int i = 0; i < 5; i++) {
        void *value = NULL;
        cr_assert_eq(green_get(g[i], &value, GREEN_FOREVER), 0);
        cr_assert_eq(value, i < 4 ? ITEM(i) : NULL);
        green_unref(g[i]);
    }
    settle();
    cr_assert_eq(noted, 207);
    cr_assert_eq(calls, 4);
    cr_assert_eq(green_threadpool_apply_async(p, fails, ITEM(3), note, NULL, &g[0]), 0);
    cr_assert_eq(green_get(g[0], NULL, GREEN_FOREVER), -EPROTO);
    cr_assert_str_eq(green_error(g[0])->message, "no good");
    cr_assert_eq(green_error(g[0])->payload, ITEM(3));
    green_unref(g[0]);
    settle();
    cr_assert_eq(noted, 207);
    end_pool(p);
}

static void *items[500];

static struct green_input some(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        items[i] = ITEM(i);
    }
    return green_items(items, n);
}

static void *fails_if_odd(void *arg)
{
    return (intptr_t)arg % 2 ? fails(arg) : arg;
}

Test(threadpool, maps)
{
    struct green_threadpool *p = new_pool(4);
    struct green_values *v;
    cr_assert_eq(green_threadpool_map(p, twice, some(500), &v, GREEN_FOREVER), 0);
    cr_assert_eq(v->n, 500);
    for (intptr_t i = 0; i < 500; i++) {
        cr_assert_eq(v->value[i], ITEM(2 * i));
    }
    free(v);
    cr_assert_eq(green_threadpool_map(p, fails_if_odd, some(10), NULL, GREEN_FOREVER), -EPROTO);
    cr_assert_eq(green_threadpool_map(p, at_gate, some(10), NULL, MS(5)), -ETIMEDOUT);
    open_gate = true;
    cr_assert_eq(green_threadpool_join(p, GREEN_FOREVER), 0);

    for (int ordered = 0; ordered <= 1; ordered++) {
        struct green_imap *it =
            ordered ? green_threadpool_imap(p, fails_if_odd, some(100), 5)
                    : green_threadpool_imap_unordered(p, fails_if_odd, some(100), 5);
        int errors = 0;
        intptr_t sum = 0;
        intptr_t next = 0;
        void *value;
        int rc;
        while ((rc = green_imap_next(it, &value, GREEN_FOREVER)) != 0) {
            if (rc == -EPROTO) {
                cr_assert_eq(green_imap_error(it)->payload, green_imap_item(it));
                errors++;
            } else {
                cr_assert_eq(rc, 1);
                sum += (intptr_t)value;
            }
            cr_assert(!ordered || green_imap_item(it) == ITEM(next));
            next++;
        }
        cr_assert_eq(errors, 50);
        cr_assert_eq(sum, 2450);
        green_imap_free(it);
    }
    green_imap_free(green_threadpool_imap(p, twice, some(100), 0));

    struct greenlet *g;
    void *value = NULL;
    cr_assert_eq(green_threadpool_map_async(p, twice, some(50), NULL, NULL, &g), 0);
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq(((struct green_values *)value)->value[49], ITEM(98));
    free(value);
    green_unref(g);
    end_pool(p);
}

static struct green_queue *questions;
static struct green_queue *answers;

static void *answer(void *arg)
{
    void *item = NULL;
    while (green_queue_get(questions, &item, GREEN_FOREVER) == 0) {
        cr_assert_eq(green_queue_put(answers, ITEM((intptr_t)item + 1), GREEN_FOREVER), 0);
    }
    return arg;
}

Test(threadpool, calls_talk_to_greens)
{
    struct green_threadpool *p = new_pool(3);
    questions = green_queue_new(2);
    answers = green_queue_new(2);
    struct green_result *r[3];
    for (int i = 0; i < 3; i++) {
        r[i] = go(p, answer, i);
    }
    intptr_t sum = 0;
    for (int i = 0; i < 200; i++) {
        void *item;
        cr_assert_eq(green_queue_put(questions, ITEM(i), GREEN_FOREVER), 0);
        cr_assert_eq(green_queue_get(answers, &item, GREEN_FOREVER), 0);
        sum += (intptr_t)item;
    }
    cr_assert_eq(sum, 20100);
    green_queue_shutdown(questions, 0);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(value_of(r[i]), i);
    }
    end_pool(p);
    green_queue_free(questions);
    green_queue_free(answers);
}

static void *spawn_from_thread(void *arg)
{
    struct green_result *r;
    intptr_t sum = 0;
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(green_threadpool_spawn(shared, twice, ITEM(i), &r, GREEN_FOREVER), 0);
        sum += value_of(r);
    }
    return sum == 9900 ? arg : NULL;
}

Test(threadpool, kernel_threads_and_greens_use_it)
{
    shared = new_pool(2);
    pthread_t t[2];
    struct greenlet *g[2];
    gr_hub_foreign();
    for (int i = 0; i < 2; i++) {
        t[i] = foreign(spawn_from_thread, ITEM(1));
        cr_assert_eq(green_spawn(spawn_from_thread, ITEM(1), &g[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        void *value = NULL;
        cr_assert_eq(green_get(g[i], &value, GREEN_FOREVER), 0);
        cr_assert_eq(value, ITEM(1));
        green_unref(g[i]);
        value = NULL;
        while (pthread_tryjoin_np(t[i], &value)) {
            green_sleep(MS(1));
        }
        cr_assert_eq(value, ITEM(1));
    }
    cr_assert_eq(calls, 400);
    end_pool(shared);
}

Test(threadpool, in_a_forked_child)
{
    char c = 0;
    if (gr_peek(&c, &c, 1) == -ENOSYS) {
        cr_skip_test("an emulator, which dies of a fork with threads");
    }
    struct green_threadpool *p = new_pool(2);
    struct green_result *r[3];
    for (int i = 0; i < 3; i++) {
        r[i] = go(p, at_gate, i);
    }
    while (running < 2) {
        green_sleep(MS(1));
    }
    pid_t pid = fork();
    if (pid == 0) {
        gr_runtime_fork_child();
        bool ok = green_threadpool_size(p) == 0 && green_threadpool_count(p) == 0;
        for (int i = 0; i < 3; i++) {
            ok = ok && value_of(r[i]) == -ECANCELED;
        }
        open_gate = true;
        for (int i = 0; i < 3; i++) {
            struct green_result *again = NULL;
            ok = ok && green_threadpool_spawn(p, twice, ITEM(i), &again, GREEN_S(10)) == 0 &&
                 value_of(again) == 2 * i;
        }
        ok = ok && green_threadpool_kill(p, GREEN_S(10)) == 0;
        green_threadpool_free(p);
        _exit(ok ? 0 : 1);
    }
    int status = -1;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    open_gate = true;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(value_of(r[i]), i);
    }
    end_pool(p);
}
