/* Detached threads: by attribute and by pthread_detach, EINVAL afterwards, many of them. */
#include "testlib.h"

static int running, done;

static void *body(void *arg)
{
    flag_add(&running, 1);
    flag_wait(arg, 1);
    flag_add(&done, 1);
    return NULL;
}

static void *detach_self(void *arg)
{
    (void)arg;
    CHECK_RC(pthread_detach(pthread_self()), 0);
    usleep(1000);
    flag_add(&done, 1);
    return NULL;
}

int test_main(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    int go = 0, state = -1;

    CHECK_RC(pthread_attr_init(&attr), 0);
    CHECK_RC(pthread_attr_getdetachstate(&attr, &state), 0);
    CHECK_EQ(state, PTHREAD_CREATE_JOINABLE);
    CHECK_RC(pthread_attr_setdetachstate(&attr, 12345), EINVAL);
    CHECK_RC(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
    CHECK_RC(pthread_create(&thread, &attr, body, &go), 0);
    flag_wait(&running, 1);
    CHECK_RC(pthread_join(thread, NULL), EINVAL);
    CHECK_RC(pthread_detach(thread), EINVAL);
    pthread_attr_t seen;
    CHECK_RC(pthread_getattr_np(thread, &seen), 0);
    CHECK_RC(pthread_attr_getdetachstate(&seen, &state), 0);
    CHECK_EQ(state, PTHREAD_CREATE_DETACHED);
    pthread_attr_destroy(&seen);

    /* pthread_detach while it runs */
    thread = start(body, &go);
    CHECK_RC(pthread_detach(thread), 0);
    CHECK_RC(pthread_join(thread, NULL), EINVAL);
    flag_set(&go, 1);
    flag_wait(&done, 2);

    /* pthread_detach after its end */
    thread = start(body, &go);
    flag_wait(&done, 3);
    settle();
    CHECK_RC(pthread_detach(thread), 0);

    for (int i = 0; i < 2000; i++) {
        CHECK_RC(pthread_create(&thread, &attr, body, &go), 0);
        if (i % 100 == 0)
            flag_wait(&done, i / 2);
    }
    flag_wait(&done, 2003);
    for (int i = 0; i < 500; i++)
        start(detach_self, NULL);
    flag_wait(&done, 2503);
    pthread_attr_destroy(&attr);
    return 0;
}
