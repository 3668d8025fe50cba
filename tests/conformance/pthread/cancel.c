/* pthread_cancel: deferred at blocking calls, disabled, cleanup handlers, PTHREAD_CANCELED. */
#include "testlib.h"

#include <poll.h>
#include <semaphore.h>
#include <sys/socket.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static int fds[2];
static int cleaned, ready;
static int sent; /* the request */

static void cleanup(void *arg)
{
    flag_add(&cleaned, 1);
    if (arg)
        pthread_mutex_unlock(arg);
}

static void block_in(int what)
{
    char byte;
    struct pollfd pfd = {.fd = fds[0], .events = POLLIN};

    switch (what) {
    case 0:
        CHECK_EQ(read(fds[0], &byte, 1), -2);
        break;
    case 1:
        CHECK_EQ(recv(fds[0], &byte, 1, 0), -2);
        break;
    case 2:
        CHECK_EQ(poll(&pfd, 1, -1), -2);
        break;
    case 3:
        CHECK_EQ(sleep(20), 99);
        break;
    case 4:
        CHECK_EQ(sem_wait(&sem), -2);
        break;
    case 5:
        CHECK_EQ(usleep(20000000), -2);
        break;
    default:
        for (;;) {
            pthread_testcancel();
            usleep(500);
        }
    }
}

static void *body(void *arg)
{
    pthread_cleanup_push(cleanup, NULL);
    flag_set(&ready, 1);
    block_in((int)(intptr_t)arg);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *in_cond(void *arg)
{
    pthread_mutex_lock(&lock);
    pthread_cleanup_push(cleanup, &lock);
    flag_set(&ready, 1);
    for (;;)
        pthread_cond_wait(&cond, &lock);
    pthread_cleanup_pop(1);
    return arg;
}

static void *disabled(void *arg)
{
    int old;

    CHECK_RC(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
    CHECK_EQ(old, PTHREAD_CANCEL_ENABLE);
    flag_set(&ready, 1);
    while (!flag_get(&sent))
        usleep(1000);
    flag_add(&cleaned, 10);
    CHECK_RC(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old), 0);
    CHECK_EQ(old, PTHREAD_CANCEL_DISABLE);
    pthread_testcancel();
    flag_add(&cleaned, 100);
    return arg;
}

static void cancel_and_check(void *(*fn)(void *), intptr_t arg, int want_cleaned)
{
    flag_set(&ready, 0);
    flag_set(&sent, 0);
    flag_set(&cleaned, 0);
    pthread_t thread = start(fn, (void *)arg);
    flag_wait(&ready, 1);
    usleep(10000);
    CHECK_RC(pthread_cancel(thread), 0);
    flag_set(&sent, 1);
    CHECK(finish(thread) == PTHREAD_CANCELED);
    CHECK_EQ(cleaned, want_cleaned);
}

int test_main(void)
{
    unix_pair(fds);
    SYS(sem_init(&sem, 0, 0));
    for (int what = 0; what <= 6; what++)
        cancel_and_check(body, what, 1);
    cancel_and_check(in_cond, 0, 1);
    CHECK_RC(pthread_mutex_trylock(&lock), 0);
    CHECK_RC(pthread_mutex_unlock(&lock), 0);
    cancel_and_check(disabled, 0, 10);
    int old;
    CHECK_RC(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old), 0);
    CHECK_EQ(old, PTHREAD_CANCEL_DEFERRED);
    CHECK_RC(pthread_setcancelstate(55, &old), EINVAL);
    return 0;
}
