/* Thread attributes: getters give what was set, wrong values are refused, defaults. */
#include "testlib.h"

#include <limits.h>
#include <sched.h>

static void *body(void *arg)
{
    return arg;
}

int test_main(void)
{
    pthread_attr_t attr;
    size_t size = 0;
    void *addr = NULL;
    int value = -1;
    struct sched_param param;

    CHECK_RC(pthread_attr_init(&attr), 0);
    CHECK_RC(pthread_attr_getstacksize(&attr, &size), 0);
    CHECK_GE(size, PTHREAD_STACK_MIN);
    CHECK_RC(pthread_attr_setstacksize(&attr, 100), EINVAL);
    CHECK_RC(pthread_attr_setstacksize(&attr, 1 << 20), 0);
    CHECK_RC(pthread_attr_getstacksize(&attr, &size), 0);
    CHECK_EQ(size, 1 << 20);
    CHECK_RC(pthread_attr_setguardsize(&attr, 8192), 0);
    CHECK_RC(pthread_attr_getguardsize(&attr, &size), 0);
    CHECK_EQ(size, 8192);
    CHECK_RC(pthread_attr_getscope(&attr, &value), 0);
    CHECK_EQ(value, PTHREAD_SCOPE_SYSTEM);
    CHECK_RC(pthread_attr_setscope(&attr, PTHREAD_SCOPE_PROCESS), ENOTSUP);
    CHECK_RC(pthread_attr_getinheritsched(&attr, &value), 0);
    CHECK_EQ(value, PTHREAD_INHERIT_SCHED);
    CHECK_RC(pthread_attr_getschedpolicy(&attr, &value), 0);
    CHECK_EQ(value, SCHED_OTHER);
    CHECK_RC(pthread_attr_getschedparam(&attr, &param), 0);
    CHECK_EQ(param.sched_priority, 0);
    CHECK_RC(pthread_attr_setschedpolicy(&attr, 99), EINVAL);
    CHECK_EQ(finish(({
                 pthread_t thread;
                 CHECK_RC(pthread_create(&thread, &attr, body, (void *)5), 0);
                 thread;
             })),
             5);
    static char stack[1 << 18] __attribute__((aligned(4096)));
    CHECK_RC(pthread_attr_setstack(&attr, stack, sizeof(stack)), 0);
    CHECK_RC(pthread_attr_getstack(&attr, &addr, &size), 0);
    CHECK(addr == stack);
    CHECK_EQ(size, sizeof(stack));
    CHECK_RC(pthread_attr_destroy(&attr), 0);

    /* the process default */
    CHECK_RC(pthread_getattr_default_np(&attr), 0);
    CHECK_RC(pthread_attr_setstacksize(&attr, 3 << 20), 0);
    CHECK_RC(pthread_setattr_default_np(&attr), 0);
    pthread_attr_destroy(&attr);
    CHECK_RC(pthread_getattr_default_np(&attr), 0);
    CHECK_RC(pthread_attr_getstacksize(&attr, &size), 0);
    CHECK_EQ(size, 3 << 20);
    pthread_attr_destroy(&attr);
    CHECK_EQ(finish(start(body, (void *)6)), 6);

    /* scheduling parameters of a running thread */
    CHECK_RC(pthread_getschedparam(pthread_self(), &value, &param), 0);
    CHECK_EQ(value, SCHED_OTHER);
    CHECK_RC(pthread_setschedparam(pthread_self(), SCHED_OTHER, &param), 0);
    CHECK_EQ(pthread_getconcurrency(), 0);
    CHECK_RC(pthread_setconcurrency(4), 0);
    CHECK_EQ(pthread_getconcurrency(), 4);

    cpu_set_t set;
    CHECK_RC(pthread_getaffinity_np(pthread_self(), sizeof(set), &set), 0);
    CHECK_GE(CPU_COUNT(&set), 1);
    CHECK_RC(pthread_setaffinity_np(pthread_self(), sizeof(set), &set), 0);
    return 0;
}
