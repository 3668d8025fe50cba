/* pthread_self is unique among live threads, getpid is the same in all, gettid works. */
#include "testlib.h"

#include <sys/syscall.h>

static int go;

static void *body(void *arg)
{
    pthread_t *self = arg;
    pid_t pid = getpid();

    *self = pthread_self();
    CHECK_GE(gettid(), 1);
    CHECK_EQ(syscall(SYS_gettid), gettid());
    flag_wait(&go, 1);
    CHECK(pthread_equal(*self, pthread_self()));
    CHECK_EQ(getpid(), pid);
    CHECK_EQ(getppid() == pid, 0);
    return NULL;
}

int test_main(void)
{
    enum { COUNT = 64 };
    pthread_t threads[COUNT], selves[COUNT];

    memset(selves, 0, sizeof(selves));
    for (int i = 0; i < COUNT; i++)
        threads[i] = start(body, &selves[i]);
    CHECK_EQ(gettid(), getpid());
    flag_set(&go, 1);
    for (int i = 0; i < COUNT; i++)
        finish(threads[i]);
    for (int i = 0; i < COUNT; i++) {
        CHECK(pthread_equal(threads[i], selves[i]));
        for (int j = 0; j < i; j++)
            CHECK(!pthread_equal(selves[i], selves[j]));
    }
    return 0;
}
