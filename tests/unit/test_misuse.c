/* What callers must not do, and the error that says so. Nothing is begun, taken or leaked. */
#include <green/call.h>
#include <green/event.h>
#include <green/green.h>
#include <green/io.h>
#include <green/lock.h>
#include <green/map.h>
#include <green/pool.h>
#include <green/queue.h>
#include <green/server.h>
#include <green/signal.h>
#include <green/subprocess.h>
#include <green/threadpool.h>
#include <green/timeout.h>

#include "resources.h"

#include <signal.h>
#include <stdlib.h>

TestSuite(misuse, .init = start, .timeout = 60);

static void *nothing(void *arg)
{
    return arg;
}

static void on_ready(struct green_object *o, void *arg)
{
    (void)o;
    (void)arg;
}

Test(misuse, no_function)
{
    struct greenlet *g = NULL;
    struct green_result *r = NULL;
    struct green_signal *s = NULL;
    struct green_pool *p = green_pool_new(1);
    struct green_threadpool *t = green_threadpool_new(1, GREEN_FOREVER);
    struct green_event *e = green_event_new();
    void *item = NULL;
    cr_assert_eq(green_spawn(NULL, NULL, &g), -EINVAL);
    cr_assert_eq(green_spawn_later(MS(1), NULL, NULL, &g), -EINVAL);
    cr_assert_eq(green_spawn_call(&g, (void (*)(void))NULL, "v"), -EINVAL);
    cr_assert_eq(green_pool_spawn(p, NULL, NULL, &g, 0), -EINVAL);
    cr_assert_eq(green_pool_apply(p, NULL, NULL, NULL, 0), -EINVAL);
    cr_assert_eq(green_pool_apply_async(p, NULL, NULL, NULL, NULL, &g), -EINVAL);
    cr_assert_eq(green_pool_map(p, NULL, green_items(&item, 1), NULL, MS(1)), -EINVAL);
    cr_assert_eq(green_pool_map_async(p, NULL, green_items(&item, 1), NULL, NULL, &g), -EINVAL);
    errno = 0;
    cr_assert_null(green_pool_imap(p, NULL, green_items(&item, 1), 0));
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(green_threadpool_spawn(t, NULL, NULL, &r, 0), -EINVAL);
    cr_assert_eq(green_threadpool_call(t, &r, (void (*)(void))NULL, "v"), -EINVAL);
    cr_assert_eq(green_threadpool_apply(t, NULL, NULL, NULL, 0), -EINVAL);
    cr_assert_eq(green_threadpool_apply_async(t, NULL, NULL, NULL, NULL, &g), -EINVAL);
    cr_assert_eq(green_threadpool_map(t, NULL, green_items(&item, 1), NULL, MS(1)), -EINVAL);
    cr_assert_eq(green_link(green_event_object(e), NULL, NULL), -EINVAL);
    cr_assert_eq(green_rawlink(green_event_object(e), NULL, NULL), -EINVAL);
    cr_assert_eq(green_signal_handler(SIGUSR1, NULL, NULL, &s), -EINVAL);
    cr_assert_eq(green_server_new(&(struct green_server_options){.listen = ":0"}, NULL), -EINVAL);
    cr_assert(!g && !r && !s);
    cr_assert_eq(green_pool_free_count(p), 1);
    cr_assert_eq(green_threadpool_count(t), 0);
    cr_assert_eq(green_link_count(green_event_object(e)), 0);
    cr_assert_eq(gr_self->hub->n_greens, 1);
    green_pool_free(p);
    green_threadpool_free(t);
    green_event_free(e);
}

/* Codes of errors are negative. */
Test(misuse, codes)
{
    struct greenlet *g;
    struct green_pool *p = green_group_new();
    struct green_result *r = green_result_new();
    cr_assert_eq(green_pool_spawn(p, nothing, NULL, &g, 0), 0);
    cr_assert_eq(green_kill(g, EIO, GREEN_FOREVER), -EINVAL);
    cr_assert_eq(green_killall(&g, 1, EIO, GREEN_FOREVER), -EINVAL);
    cr_assert_eq(green_pool_kill(p, EIO, GREEN_FOREVER), -EINVAL);
    cr_assert_eq(green_pool_killone(p, g, EIO, GREEN_FOREVER), -EINVAL);
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    cr_assert(green_successful(g));
    cr_assert_eq(green_result_set_error(r, 0, NULL, NULL), -EINVAL);
    cr_assert_eq(green_result_set_error(r, EIO, NULL, NULL), -EINVAL);
    cr_assert(!green_result_ready(r));
    errno = 0;
    cr_assert_null(green_timeout_new(MS(1), EIO));
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_null(green_timeout_start_new(MS(1), EIO));
    cr_assert_eq(errno, EINVAL);
    green_unref(g);
    green_pool_free(p);
    green_result_free(r);
}

/* A size below 0, more than there is, more than was taken. */
Test(misuse, numbers)
{
    errno = 0;
    cr_assert_null(green_pool_new(-1));
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_null(green_threadpool_new(-1, 0));
    cr_assert_eq(errno, EINVAL);
    struct green_threadpool *t = green_threadpool_new(1, GREEN_FOREVER);
    cr_assert_eq(green_threadpool_set_max(t, -1), -EINVAL);
    cr_assert_eq(green_threadpool_set_size(t, -1), -EINVAL);
    cr_assert_eq(green_threadpool_set_size(t, 2), -EINVAL);
    green_threadpool_free(t);
    struct green_queue *q = green_queue_new(0);
    cr_assert_eq(green_queue_task_done(q), -EINVAL);
    cr_assert_eq(green_queue_put(q, NULL, 0), 0);
    cr_assert_eq(green_queue_task_done(q), 0);
    cr_assert_eq(green_queue_task_done(q), -EINVAL);
    green_queue_free(q);
    struct green_semaphore *s = green_bounded_semaphore_new(1);
    cr_assert_eq(green_semaphore_release(s), -EOVERFLOW);
    cr_assert_eq(green_semaphore_count(s), 1);
    green_semaphore_free(s);
    struct green_signal *h;
    cr_assert_eq(green_signal_handler(0, nothing, NULL, &h), -EINVAL);
    cr_assert_eq(green_signal_handler(65, nothing, NULL, &h), -EINVAL);
    cr_assert_eq(green_signal_handler(SIGKILL, nothing, NULL, &h), -EINVAL);
}

/* A time that is over is no error: it is what is left of a deadline. */
Test(misuse, negative_timeouts_are_as_good_as_none)
{
    void *item;
    struct green_event *e = green_event_new();
    struct green_queue *q = green_queue_new(1);
    struct green_semaphore *s = green_semaphore_new(0);
    struct green_rlock *l = green_rlock_new();
    struct greenlet *g;
    cr_assert_eq(green_event_wait(e, -1), -ETIMEDOUT);
    cr_assert_eq(green_queue_get(q, &item, -1), -EAGAIN);
    cr_assert_eq(green_queue_put(q, NULL, -1), 0);
    cr_assert_eq(green_queue_put(q, NULL, -1), -EAGAIN);
    cr_assert_eq(green_semaphore_acquire(s, INT64_MIN), -EAGAIN);
    cr_assert_eq(green_rlock_acquire(l, -1), 0);
    cr_assert_eq(green_sleep(-1), 0);
    cr_assert_eq(green_spawn_later(-1, nothing, NULL, &g), 0);
    cr_assert_eq(green_join(g, -1), -ETIMEDOUT);
    GREEN_TIMEOUT(t, -1)
    {
        cr_assert_eq(green_event_wait(e, GREEN_FOREVER), -ETIMEDOUT);
        cr_assert(green_timeout_fired(t));
    }
    cr_assert(green_ended(g));
    green_unref(g);
    green_event_free(e);
    green_queue_free(q);
    green_semaphore_free(s);
    green_rlock_free(l);
}

static struct green_rlock *lock;
static struct green_condition *condition;

static void *use_the_lock_of_another(void *arg)
{
    cr_assert_eq(green_rlock_acquire(lock, 0), -EAGAIN);
    cr_assert_eq(green_rlock_release(lock), -EPERM);
    cr_assert_eq(green_condition_wait(condition, GREEN_FOREVER), -EPERM);
    cr_assert_eq(green_condition_notify(condition, 1), -EPERM);
    return arg;
}

Test(misuse, locks_of_others)
{
    struct greenlet *g;
    lock = green_rlock_new();
    condition = green_condition_new(lock);
    cr_assert_eq(green_rlock_release(lock), -EPERM);
    cr_assert_eq(green_rlock_acquire(lock, 0), 0);
    cr_assert_eq(green_spawn(use_the_lock_of_another, NULL, &g), 0);
    cr_assert_eq(green_join(g, GREEN_FOREVER), 0);
    join_foreign(foreign(use_the_lock_of_another, NULL));
    cr_assert_eq(green_rlock_release(lock), 0);
    green_unref(g);
    green_condition_free(condition);
    green_rlock_free(lock);
}

static void *wait_for_oneself(void *arg)
{
    struct green_pool *p = arg;
    cr_assert_eq(green_join(green_current(), GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_get(green_current(), NULL, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_pool_join(p, 0, GREEN_FOREVER), -EDEADLK);
    cr_assert_eq(green_hub_join(GREEN_FOREVER), -EPERM);
    return NULL;
}

Test(misuse, waits_for_oneself)
{
    struct green_pool *p = green_group_new();
    cr_assert_eq(green_pool_spawn(p, wait_for_oneself, p, NULL, 0), 0);
    cr_assert_eq(green_pool_join(p, 1, GREEN_FOREVER), 0);
    green_pool_free(p);
}

Test(misuse, twice)
{
    struct green_timeout *t = green_timeout_start_new(GREEN_S(60), 0);
    cr_assert_eq(green_timeout_start(t), -EBUSY);
    cr_assert(green_timeout_pending(t));
    green_timeout_cancel(t);
    cr_assert_eq(green_timeout_start(t), 0);
    green_timeout_free(t);
    struct green_event *e = green_event_new();
    cr_assert_eq(green_unlink(green_event_object(e), on_ready, NULL), 0);
    cr_assert_eq(green_link(green_event_object(e), on_ready, NULL), 0);
    cr_assert_eq(green_unlink(green_event_object(e), on_ready, NULL), 1);
    cr_assert_eq(green_unlink(green_event_object(e), on_ready, NULL), 0);
    settle();
    green_event_free(e);
}

Test(misuse, descriptors_and_processes)
{
    struct green_popen *p = NULL;
    static char *const none[] = {NULL};
    static char *const cat[] = {"cat", NULL};
    make_loop();
    int before = n_descriptors();
    cr_assert_eq(green_wait_read(-1, GREEN_FOREVER), -EBADF);
    cr_assert_eq(green_wait_write(12345, GREEN_FOREVER), -EBADF);
    cr_assert_eq(green_cancel_wait(-1), 0);
    cr_assert_eq(green_popen(&(struct green_command){0}, &p), -EINVAL);
    cr_assert_eq(green_popen(&(struct green_command){.argv = none}, &p), -EINVAL);
    cr_assert_eq(green_popen(&(struct green_command){.argv = cat, .shell = "cat"}, &p), -EINVAL);
    cr_assert_eq(green_popen(&(struct green_command){.argv = cat, .in = -7}, &p), -EINVAL);
    cr_assert_eq(green_popen(&(struct green_command){.argv = cat, .out = GREEN_STDOUT}, &p),
                 -EINVAL);
    cr_assert_eq(green_popen(&(struct green_command){.argv = cat, .out = 12345}, &p), -EBADF);
    cr_assert_eq(green_run(&(struct green_command){.argv = cat, .in = GREEN_PIPE}, "x", 1, NULL, 0),
                 -EINVAL);
    cr_assert_null(p);
    cr_assert_eq(green_popen(&(struct green_command){.argv = cat, .in = GREEN_DEVNULL}, &p), 0);
    cr_assert_eq(green_popen_communicate(p, "x", 1, GREEN_FOREVER), -EINVAL, "there is no pipe");
    cr_assert_eq(green_popen_wait(p, GREEN_FOREVER), 0);
    cr_assert_eq(green_popen_send_signal(p, 1000), 0, "it has ended");
    green_popen_free(p);
    cr_assert_eq(n_descriptors(), before);
}
