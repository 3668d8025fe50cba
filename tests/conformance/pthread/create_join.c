/* pthread_create and pthread_join: values, order of joining, thread ids, errors. */
#include "testlib.h"

static void *add_one(void *arg)
{
    return (char *)arg + 1;
}

static void *slow_value(void *arg)
{
    sleep_ms(30);
    return arg;
}

static void *join_me_not(void *arg)
{
    pthread_t *self = arg;

    CHECK_RC(pthread_join(pthread_self(), NULL), EDEADLK);
    CHECK(pthread_equal(pthread_self(), *self));
    return NULL;
}

static void *keep_self(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return NULL;
}

int test_main(void)
{
    pthread_t threads[100];
    char base[100];

    for (int i = 0; i < 100; i++)
        threads[i] = start(add_one, base + i);
    for (int i = 99; i >= 0; i--)
        CHECK(finish(threads[i]) == base + i + 1);

    /* joining before the end waits; joining after the end does not */
    pthread_t slow = start(slow_value, base);
    CHECK(finish(slow) == base);
    pthread_t fast = start(add_one, base);
    settle();
    CHECK(finish(fast) == base + 1);

    /* the value may be dropped */
    fast = start(add_one, base);
    CHECK_RC(pthread_join(fast, NULL), 0);

    pthread_t self;
    pthread_t thread = start(keep_self, &self);
    finish(thread);
    CHECK(pthread_equal(thread, self));
    CHECK(!pthread_equal(thread, pthread_self()));
    CHECK(pthread_equal(pthread_self(), pthread_self()));

    /* EDEADLK on oneself, in main and in a thread */
    CHECK_RC(pthread_join(pthread_self(), NULL), EDEADLK);
    pthread_t me;
    CHECK_RC(pthread_create(&me, NULL, join_me_not, &me), 0);
    finish(me);
    return 0;
}
