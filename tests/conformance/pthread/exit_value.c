/* pthread_exit: from nested functions, with cleanup handlers and keys, from a joined thread. */
#include "testlib.h"

static char trace[32];
static pthread_key_t key;

static void note(void *arg)
{
    strcat(trace, arg);
}

static void key_gone(void *value)
{
    strcat(trace, value);
}

static void __attribute__((noinline)) deep(int level)
{
    if (level > 0) {
        deep(level - 1);
        return;
    }
    pthread_exit((void *)77);
}

static void *body(void *arg)
{
    (void)arg;
    CHECK_RC(pthread_setspecific(key, "k"), 0);
    pthread_cleanup_push(note, "1");
    pthread_cleanup_push(note, "2");
    pthread_cleanup_push(note, "3");
    usleep(1000);
    pthread_cleanup_pop(1);
    deep(5);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void sleepy(void *arg)
{
    usleep(2000);
    strcat(trace, arg);
    usleep(2000);
}

static void *exit_with_sleeps(void *arg)
{
    pthread_cleanup_push(sleepy, "b");
    pthread_cleanup_push(sleepy, "a");
    pthread_exit(arg);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *exit_in_cleanup(void *arg)
{
    (void)arg;
    pthread_cleanup_push(note, "x");
    pthread_cleanup_pop(1);
    return PTHREAD_CANCELED;
}

int test_main(void)
{
    CHECK_RC(pthread_key_create(&key, key_gone), 0);
    CHECK_EQ(finish(start(body, NULL)), 77);
    CHECK_STR(trace, "321k");
    trace[0] = '\0';
    CHECK(finish(start(exit_with_sleeps, trace)) == trace);
    CHECK_STR(trace, "ab");
    trace[0] = '\0';
    CHECK(finish(start(exit_in_cleanup, NULL)) == PTHREAD_CANCELED);
    CHECK_STR(trace, "x");
    return 0;
}
