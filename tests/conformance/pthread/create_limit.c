/* Beyond the memory limit pthread_create gives EAGAIN, what exists goes on, and it works again
   when threads have ended. */
#include "testlib.h"

#include <sys/resource.h>

static int go;

static void *body(void *arg)
{
    flag_wait(&go, 1);
    return arg;
}

static long address_space(void)
{
    char text[200];
    FILE *f = fopen("/proc/self/statm", "r");

    CHECK(f && fgets(text, sizeof(text), f));
    fclose(f);
    return atol(text) * 4096;
}

static int child(void)
{
    enum { MOST = 4000 };
    static pthread_t threads[MOST];
    pthread_attr_t attr;
    struct rlimit limit;
    int count = 0, rc = 0;

    CHECK_RC(pthread_attr_init(&attr), 0);
    CHECK_RC(pthread_attr_setstacksize(&attr, 1 << 20), 0);
    finish(start(body, (flag_set(&go, 1), NULL)));
    flag_set(&go, 0);
    limit.rlim_cur = limit.rlim_max = (rlim_t)address_space() + (200 << 20);
    SYS(setrlimit(RLIMIT_AS, &limit));
    while (count < MOST && (rc = pthread_create(&threads[count], &attr, body, &attr)) == 0)
        count++;
    CHECK_RC(rc, EAGAIN);
    CHECK_GE(count, 20);
    CHECK_LE(count, 260);
    CHECK_RC(pthread_create(&threads[count], &attr, body, &attr), EAGAIN);
    flag_set(&go, 1);
    for (int i = 0; i < count; i++)
        CHECK(finish(threads[i]) == &attr);
    for (int i = 0; i < 20; i++)
        CHECK_RC(pthread_create(&threads[i], &attr, body, &attr), 0);
    for (int i = 0; i < 20; i++)
        CHECK(finish(threads[i]) == &attr);
    return 0;
}

int test_main(void)
{
    if (test_argc > 1)
        return child();
    CHECK_EQ(run_self("child", NULL, 0), 0);
    return 0;
}
