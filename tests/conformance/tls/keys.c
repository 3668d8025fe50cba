/* Thread-specific data: per thread, destructors in up to four rounds, set again by a destructor,
   deleted keys, many keys. */
#include "testlib.h"

#include <limits.h>

static pthread_key_t key, again_key, sleepy_key;
static int destroyed, rounds, slept;

static void on_destroy(void *value)
{
    CHECK(value != NULL);
    CHECK(pthread_getspecific(key) == NULL);
    flag_add(&destroyed, 1);
}

static void set_again(void *value)
{
    flag_add(&rounds, 1);
    CHECK_RC(pthread_setspecific(again_key, value), 0);
}

static void sleeps(void *value)
{
    usleep(1000);
    flag_add(&slept, (int)(intptr_t)value);
}

static void *body(void *arg)
{
    CHECK(pthread_getspecific(key) == NULL);
    CHECK_RC(pthread_setspecific(key, arg), 0);
    for (int i = 0; i < 5; i++) {
        usleep(500);
        CHECK(pthread_getspecific(key) == arg);
    }
    return NULL;
}

static void *four_rounds(void *arg)
{
    CHECK_RC(pthread_setspecific(again_key, arg), 0);
    return NULL;
}

static void *sleepy(void *arg)
{
    CHECK_RC(pthread_setspecific(sleepy_key, arg), 0);
    return NULL;
}

static void *cleared(void *arg)
{
    CHECK_RC(pthread_setspecific(key, arg), 0);
    CHECK_RC(pthread_setspecific(key, NULL), 0);
    return NULL;
}

int test_main(void)
{
    pthread_t threads[50];
    pthread_key_t keys[PTHREAD_KEYS_MAX];
    int count = 0;

    CHECK_RC(pthread_key_create(&key, on_destroy), 0);
    CHECK_RC(pthread_key_create(&again_key, set_again), 0);
    CHECK_RC(pthread_key_create(&sleepy_key, sleeps), 0);
    CHECK_RC(pthread_setspecific(key, "main"), 0);
    for (int i = 0; i < 50; i++)
        threads[i] = start(body, &threads[i]);
    for (int i = 0; i < 50; i++)
        finish(threads[i]);
    CHECK_EQ(destroyed, 50);
    CHECK_STR(pthread_getspecific(key), "main");

    finish(start(four_rounds, &key));
    CHECK_EQ(rounds, PTHREAD_DESTRUCTOR_ITERATIONS);
    finish(start(cleared, &key));
    CHECK_EQ(destroyed, 50);
    for (intptr_t i = 0; i < 20; i++)
        threads[i] = start(sleepy, (void *)i + 1);
    for (int i = 0; i < 20; i++)
        finish(threads[i]);
    CHECK_EQ(slept, 210);

    while (count < PTHREAD_KEYS_MAX && pthread_key_create(&keys[count], NULL) == 0) {
        CHECK(pthread_getspecific(keys[count]) == NULL);
        CHECK_RC(pthread_setspecific(keys[count], &keys[count]), 0);
        count++;
    }
    CHECK_GE(count, 900);
    CHECK_RC(pthread_key_create(&keys[0] + 0, NULL), EAGAIN);
    for (int i = 0; i < count; i++)
        CHECK(pthread_getspecific(keys[i]) == &keys[i]);
    for (int i = 0; i < count; i++)
        CHECK_RC(pthread_key_delete(keys[i]), 0);
    CHECK_RC(pthread_key_delete(keys[5]), EINVAL);
    CHECK_RC(pthread_setspecific(keys[5], "x"), EINVAL);
    CHECK(pthread_getspecific(keys[5]) == NULL);
    /* a new key never shows an old value */
    CHECK_RC(pthread_key_create(&keys[0], NULL), 0);
    CHECK(pthread_getspecific(keys[0]) == NULL);
    /* a deleted key's destructor is not called */
    CHECK_RC(pthread_key_delete(key), 0);
    CHECK_EQ(destroyed, 50);
    return 0;
}
