/* What happens in a thread that ends by cancellation or pthread_exit(): order of cleanup handlers
   and key destructors, requests that come meanwhile, states shown; asynchronous cancellation. */
#include "testlib.h"

#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>

static pthread_key_t keys[2];
static int pipe_fds[2];
static int ready, go;
static sem_t never;

static void say(const char *what)
{
    int state;

    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
    pthread_setcancelstate(state, NULL);
    printf("  %s, %s\n", what, state == PTHREAD_CANCEL_ENABLE ? "enabled" : "disabled");
}

static void key_ends(void *value)
{
    char byte = 'x';

    say(value);
    CHECK_EQ(write(pipe_fds[1], &byte, 1), 1); /* a cancellation point: acts no more */
    pthread_testcancel();
}

static void handler(void *arg)
{
    char byte = 'x';

    say(arg);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    CHECK_EQ(write(pipe_fds[1], &byte, 1), 1);
    pthread_testcancel();
    usleep(1);
}

static void asks_again(void *arg)
{
    say(arg);
    CHECK_RC(pthread_cancel(pthread_self()), 0);
    pthread_testcancel();
    usleep(1);
}

static void *body(void *arg)
{
    pthread_setspecific(keys[0], "key 0");
    pthread_setspecific(keys[1], "key 1");
    pthread_cleanup_push(handler, "first pushed");
    pthread_cleanup_push(asks_again, "second pushed");
    pthread_cleanup_push(handler, "third pushed");
    flag_set(&ready, 1);
    if (arg)
        pthread_exit("by itself");
    sem_wait(&never);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

/* A request is pending while the thread leaves by pthread_exit(). */
static void *exits_with_request(void *arg)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    flag_set(&ready, 1);
    while (!flag_get(&go))
        usleep(1000);
    pthread_cleanup_push(handler, "handler with a request pending");
    pthread_exit(arg);
    pthread_cleanup_pop(0);
    return NULL;
}

/* Returns with a request pending. */
static void *returns_with_request(void *arg)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    flag_set(&ready, 1);
    while (!flag_get(&go))
        usleep(1000);
    return arg;
}

static void run(const char *title, void *(*fn)(void *), void *arg)
{
    printf("%s\n", title);
    fflush(stdout);
    flag_set(&ready, 0);
    flag_set(&go, 0);
    pthread_t t = start(fn, arg);
    flag_wait(&ready, 1);
    usleep(20000);
    pthread_cancel(t);
    flag_set(&go, 1);
    void *value = finish(t);
    printf("  result: %s\n", value == PTHREAD_CANCELED ? "cancelled" : (char *)value);
}

/* --- asynchronous --- */

static volatile unsigned long long counter;

static void *asks_itself(void *arg)
{
    flag_set(&ready, 1);
    CHECK_RC(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    pthread_cleanup_push(handler, "asked itself");
    pthread_cancel(pthread_self());
    test_fail(__FILE__, __LINE__, "still there");
    pthread_cleanup_pop(0);
    return arg;
}

static void *becomes_enabled(void *arg)
{
    flag_set(&ready, 1);
    CHECK_RC(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    CHECK_RC(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
    pthread_cancel(pthread_self());
    pthread_testcancel();
    pthread_cleanup_push(handler, "became enabled");
    CHECK_RC(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL), 0);
    test_fail(__FILE__, __LINE__, "still there");
    pthread_cleanup_pop(0);
    return arg;
}

static void *becomes_asynchronous(void *arg)
{
    flag_set(&ready, 1);
    pthread_cancel(pthread_self());
    pthread_cleanup_push(handler, "became asynchronous");
    CHECK_RC(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    test_fail(__FILE__, __LINE__, "still there");
    pthread_cleanup_pop(0);
    return arg;
}

static void *yields(void *arg)
{
    CHECK_RC(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    pthread_cleanup_push(handler, "yielding");
    flag_set(&ready, 1);
    for (;;)
        sched_yield();
    pthread_cleanup_pop(0);
    return arg;
}

static void *computes(void *arg)
{
    CHECK_RC(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    pthread_cleanup_push(handler, "computing");
    flag_set(&ready, 1);
    for (;;)
        counter++;
    pthread_cleanup_pop(0);
    return arg;
}

/* --- main thread --- */

static void *cancels_main(void *arg)
{
    pthread_t main_thread = *(pthread_t *)arg;
    void *value;

    CHECK_RC(pthread_cancel(main_thread), 0);
    CHECK_RC(pthread_join(main_thread, &value), 0);
    CHECK(value == PTHREAD_CANCELED);
    printf("main thread cancelled\n");
    fflush(stdout);
    return NULL;
}

static int cancelled_main(void *arg)
{
    static pthread_t self;

    self = pthread_self();
    start(cancels_main, &self);
    pthread_cleanup_push(handler, "main");
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return arg != NULL;
}

int test_main(void)
{
    SYS(sem_init(&never, 0, 0));
    pipe_pair(pipe_fds);
    set_nonblock(pipe_fds[0], 1);
    pthread_key_create(&keys[0], key_ends);
    pthread_key_create(&keys[1], key_ends);
    run("cancelled", body, NULL);
    run("pthread_exit", body, "x");
    run("pthread_exit, request pending", exits_with_request, "own result");
    run("return, request pending", returns_with_request, "own result");
    run("asynchronous, itself", asks_itself, NULL);
    run("asynchronous, enabled later", becomes_enabled, NULL);
    run("asynchronous later", becomes_asynchronous, NULL);
    run("asynchronous, yields", yields, NULL);
    run("asynchronous, computes", computes, NULL);
    fflush(stdout);
    CHECK_EQ(run_child(cancelled_main, NULL), 0);
    return 0;
}
