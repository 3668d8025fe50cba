/* pthread_cancel runs C++ destructors on the way out of a blocked call. */
#include "testlib.h"

static int destroyed, ready;

struct Guard {
    ~Guard()
    {
        flag_add(&destroyed, 1);
    }
};

static void *body(void *arg)
{
    Guard outer;
    int fds[2];
    char byte;

    pipe_pair(fds);
    {
        Guard inner;
        flag_set(&ready, 1);
        CHECK_EQ(read(fds[0], &byte, 1), -2);
    }
    return arg;
}

int test_main(void)
{
    pthread_t thread = start(body, nullptr);

    flag_wait(&ready, 1);
    settle();
    CHECK_RC(pthread_cancel(thread), 0);
    CHECK(finish(thread) == PTHREAD_CANCELED);
    CHECK_EQ(destroyed, 2);
    return 0;
}
