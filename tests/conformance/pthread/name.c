/* Thread names: per thread, 15 bytes, ERANGE. */
#include "testlib.h"

#include <sys/prctl.h>

static void *body(void *arg)
{
    char name[16], want[16];
    int id = (int)(intptr_t)arg;

    snprintf(want, sizeof(want), "worker-%d", id);
    CHECK_RC(pthread_setname_np(pthread_self(), want), 0);
    for (int i = 0; i < 5; i++) {
        usleep(1000);
        CHECK_RC(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
        CHECK_STR(name, want);
        SYS(prctl(PR_GET_NAME, name));
        CHECK_STR(name, want);
    }
    return NULL;
}

static void *sleeper(void *arg)
{
    flag_wait(arg, 1);
    return NULL;
}

int test_main(void)
{
    char name[16] = "", tiny[3], before[16];
    pthread_t threads[10];
    int flag = 0;

    SYS(prctl(PR_GET_NAME, before));
    for (intptr_t i = 0; i < 10; i++)
        threads[i] = start(body, (void *)i);
    for (int i = 0; i < 10; i++)
        finish(threads[i]);
    SYS(prctl(PR_GET_NAME, name));
    CHECK_STR(name, before);

    CHECK_RC(pthread_setname_np(pthread_self(), "sixteen-bytes-xx"), ERANGE);
    CHECK_RC(pthread_setname_np(pthread_self(), "fifteen-bytes-x"), 0);
    CHECK_RC(pthread_getname_np(pthread_self(), tiny, sizeof(tiny)), ERANGE);
    CHECK_RC(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
    CHECK_STR(name, "fifteen-bytes-x");

    /* a child inherits its creator's name; another thread's can be set and read */
    pthread_t other = start(sleeper, &flag);
    CHECK_RC(pthread_getname_np(other, name, sizeof(name)), 0);
    CHECK_STR(name, "fifteen-bytes-x");
    CHECK_RC(pthread_setname_np(other, "other"), 0);
    CHECK_RC(pthread_getname_np(other, name, sizeof(name)), 0);
    CHECK_STR(name, "other");
    CHECK_RC(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
    CHECK_STR(name, "fifteen-bytes-x");
    flag_set(&flag, 1);
    finish(other);
    return 0;
}
