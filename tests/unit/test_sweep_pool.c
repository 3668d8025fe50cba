/* Waits at pools of greenlets and of kernel threads, and for their results: swept. */
#include <green/map.h>
#include <green/pool.h>
#include <green/threadpool.h>

#include "sweep.h"

static struct green_pool *pool;
static struct green_threadpool *threads;
static struct green_result *result;
static atomic_int n_run; /* calls that began */

static char first, second;
static void *items[] = {&first, &second};

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
static void free_values(struct green_values **values)
{
    free(*values);
}
static int pool_map(int64_t t)
{
    struct green_values *values __attribute__((cleanup(free_values))) = NULL;
    int rc = green_pool_map(pool, run_until_event, green_items(items, 2), &values, t);
    return rc;
}
static void end_imap(struct green_imap **it)
{
    green_imap_free(*it);
}
static int walk(struct green_imap *it, int64_t t)
{
    struct green_imap *freed __attribute__((cleanup(end_imap))) = it;
    int rc;
    while ((rc = green_imap_next(freed, NULL, t)) > 0) {
    }
    return rc;
}
static int pool_imap(int64_t t)
{
    return walk(green_pool_imap(pool, run_until_event, green_items(items, 2), 0), t);
}
static int pool_imap_unordered(int64_t t)
{
    return walk(green_pool_imap_unordered(pool, run_until_event, green_items(items, 2), 1), t);
}
static void new_pool_and_target(void)
{
    new_full_pool();
    cr_assert_eq(green_pool_members(pool, &target, 1), 1);
}
static int pool_killone(int64_t t)
{
    return green_pool_killone(pool, target, 0, t);
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

/* --- pools of one kernel thread, which waits for the event as long as somebody else does --- */

static bool at_rest(void)
{
    return rival_done && green_threadpool_count(threads) == 0;
}
static void new_threads(void)
{
    slow = true;
    new_event();
    n_run = 0;
    threads = green_threadpool_new(1, GREEN_FOREVER);
}
/* A call for the thread, and one for the place behind it. */
static void new_full_threads(void)
{
    new_threads();
    cr_assert_eq(green_threadpool_spawn(threads, stay, &first, &result, 0), 0);
    cr_assert_eq(green_threadpool_spawn(threads, run_at_once, NULL, NULL, 0), 0);
}
static int threads_spawn(int64_t t)
{
    struct green_result *r = NULL;
    int rc = green_threadpool_spawn(threads, run_at_once, NULL, &r, t);
    cr_assert_eq(r != NULL, rc == 0);
    green_result_free(r);
    return rc;
}
static int threads_apply(int64_t t)
{
    void *value = NULL;
    int rc = green_threadpool_apply(threads, run_until_event, &first, &value, t);
    cr_assert_eq(value == &first, rc == 0);
    return rc;
}
static int threads_result(int64_t t)
{
    return green_result_get(result, NULL, t);
}
static int threads_join(int64_t t)
{
    return green_threadpool_join(threads, t);
}
static int threads_kill(int64_t t)
{
    return green_threadpool_kill(threads, t);
}
static int threads_map(int64_t t)
{
    struct green_values *values __attribute__((cleanup(free_values))) = NULL;
    return green_threadpool_map(threads, run_until_event, green_items(items, 2), &values, t);
}
static int threads_imap(int64_t t)
{
    return walk(green_threadpool_imap(threads, run_until_event, green_items(items, 2), 1), t);
}
static bool threads_idle(bool ok)
{
    (void)ok;
    return soon(at_rest);
}
static bool threads_did_what_was_told(bool ok)
{
    return threads_idle(ok) && n_run == 1 + ok + rival_done;
}
static int wait_and_add(int n)
{
    (void)stay(NULL);
    return n + 1;
}
static void new_thread_call(void)
{
    new_threads();
    cr_assert_eq(green_threadpool_call(threads, &result, wait_and_add, "i(i)", 41), 0);
}
static int thread_call_get(int64_t t)
{
    int n = 0;
    int rc = green_threadpool_call_get(result, &n, sizeof(n), t);
    cr_assert_eq(n == 42, rc == 0);
    return rc;
}
static int thread_call(int64_t t)
{
    struct green_result *r = NULL;
    int rc = t == GREEN_FOREVER ? green_threadpool_call(threads, &r, wait_and_add, "i(i)", 41)
                                : green_threadpool_spawn(threads, run_at_once, NULL, &r, t);
    green_result_free(r);
    return rc;
}

static const struct call calls[] = {
    {"pool_spawn", new_full_pool, pool_spawn, pool_spawn, set_event, spawned_what_was_told},
    {"pool_add", new_full_pool, pool_add, pool_spawn, set_event, pool_is_empty},
    {"pool_wait_available", new_full_pool, pool_available, pool_spawn, set_event, pool_is_empty},
    {"pool_join", new_full_pool, pool_join, pool_join, set_event, pool_is_empty},
    {"pool_kill", new_full_pool, pool_kill, pool_join, set_event, pool_is_empty},
    {"pool_apply", new_pool, pool_apply, pool_spawn, set_event, pool_is_empty},
    {"pool_apply, full", new_full_pool, pool_apply, pool_spawn, set_event, pool_is_empty},
    {"pool_map", new_pool, pool_map, pool_spawn, set_event, pool_is_empty},
    {"pool_imap", new_pool, pool_imap, pool_spawn, set_event, pool_is_empty},
    {"pool_imap_unordered", new_pool, pool_imap_unordered, pool_spawn, set_event, pool_is_empty},
    {"pool_killone", new_pool_and_target, pool_killone, pool_join, set_event, pool_is_empty},
    {"threadpool_spawn", new_full_threads, threads_spawn, threads_spawn, set_event,
     threads_did_what_was_told},
    {"threadpool_call", new_full_threads, thread_call, threads_spawn, set_event, threads_idle},
    {"threadpool_call_get", new_thread_call, thread_call_get, threads_join, set_event,
     threads_idle},
    {"threadpool_apply", new_threads, threads_apply, threads_spawn, set_event, threads_idle},
    {"threadpool_apply, full", new_full_threads, threads_apply, threads_spawn, set_event,
     threads_idle},
    {"threadpool, result", new_full_threads, threads_result, threads_result, set_event,
     threads_idle},
    {"threadpool_join", new_full_threads, threads_join, threads_join, set_event, threads_idle},
    {"threadpool_kill", new_full_threads, threads_kill, threads_join, set_event, threads_idle},
    {"threadpool_map", new_threads, threads_map, threads_spawn, set_event, threads_idle},
    {"threadpool_imap", new_threads, threads_imap, threads_spawn, set_event, threads_idle},
};

static void free_all(void)
{
    green_pool_free(pool);
    pool = NULL;
    if (threads) {
        cr_assert_eq(green_threadpool_kill(threads, GREEN_S(60)), 0);
    }
    green_threadpool_free(threads);
    threads = NULL;
    green_result_free(result);
    result = NULL;
}

SWEEP(sweep_pool, calls)
