/* What threads get that ask for nothing, and results of joins that must fail. */
#include "testlib.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static int go;

static void *waits(void *arg)
{
    flag_wait(&go, 1);
    return arg;
}

static void *shows(void *arg)
{
    pthread_attr_t attr;
    size_t size, guard;
    int detached;

    CHECK_RC(pthread_getattr_np(pthread_self(), &attr), 0);
    pthread_attr_getstacksize(&attr, &size);
    pthread_attr_getguardsize(&attr, &guard);
    pthread_attr_getdetachstate(&attr, &detached);
    pthread_attr_destroy(&attr);
    printf("stack %zu guard %zu detached %d\n", size, guard, detached);
    flag_add(&go, 1);
    return arg;
}

static void changed_defaults(void)
{
    pthread_attr_t attr, plain;
    struct rlimit limit;
    pthread_t thread;
    size_t size;

    CHECK_RC(pthread_attr_init(&plain), 0);
    finish(start(shows, NULL));
    CHECK_RC(pthread_getattr_default_np(&attr), 0);
    CHECK_RC(pthread_attr_setstacksize(&attr, 300 * 1024), 0);
    CHECK_RC(pthread_attr_setguardsize(&attr, 8192), 0);
    CHECK_RC(pthread_setattr_default_np(&attr), 0);
    finish(start(shows, NULL));
    pthread_attr_getstacksize(&plain, &size);
    printf("plain attributes: %zu\n", size);
    CHECK_RC(pthread_create(&thread, &plain, shows, NULL), 0);
    finish(thread);
    SYS(getrlimit(RLIMIT_STACK, &limit)); /* looked at when the program starts */
    limit.rlim_cur = 4 << 20;
    SYS(setrlimit(RLIMIT_STACK, &limit));
    finish(start(shows, NULL));
    CHECK_RC(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
    CHECK_RC(pthread_setattr_default_np(&attr), 0);
    flag_set(&go, 0);
    CHECK_RC(pthread_create(&thread, NULL, shows, NULL), 0);
    flag_wait(&go, 1);
    CHECK_RC(pthread_setattr_default_np(&plain), 0);
    finish(start(shows, NULL));
}

static void *joins_itself(void *arg)
{
    struct timespec past = {1, 0};

    CHECK_RC(pthread_join(pthread_self(), NULL), EDEADLK);
    CHECK_RC(pthread_tryjoin_np(pthread_self(), NULL), EBUSY);
    CHECK_RC(pthread_timedjoin_np(pthread_self(), NULL, &past), EDEADLK);
    return arg;
}

static void failing_joins(void)
{
    struct timespec past = {1, 0};

    flag_set(&go, 0);
    pthread_t thread = start(waits, NULL);
    CHECK_RC(pthread_tryjoin_np(thread, NULL), EBUSY);
    CHECK_RC(pthread_timedjoin_np(thread, NULL, &past), ETIMEDOUT);
    CHECK_RC(pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &past), ETIMEDOUT);
    CHECK_RC(pthread_clockjoin_np(thread, NULL, CLOCK_PROCESS_CPUTIME_ID, &past), EINVAL);
    CHECK_RC(pthread_detach(thread), 0);
    CHECK_RC(pthread_detach(thread), EINVAL);
    CHECK_RC(pthread_join(thread, NULL), EINVAL);
    CHECK_RC(pthread_tryjoin_np(thread, NULL), EBUSY);
    CHECK_RC(pthread_timedjoin_np(thread, NULL, &past), EINVAL);
    flag_set(&go, 1);
    finish(start(joins_itself, NULL));
}

static void *named(void *arg)
{
    char name[16];

    CHECK_RC(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
    printf("name %s\n", name);
    if (arg)
        return NULL;
    CHECK_RC(pthread_setname_np(pthread_self(), "child"), 0);
    finish(start(named, name)); /* inherits it */
    SYS(prctl(PR_SET_NAME, "a name that is much too long"));
    CHECK_RC(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
    printf("name %s\n", name);
    CHECK_RC(pthread_setname_np(pthread_self(), "a name that is much too long"), ERANGE);
    CHECK_RC(pthread_getname_np(pthread_self(), name, 15), ERANGE);
    return NULL;
}

int test_main(void)
{
    changed_defaults();
    failing_joins();
    finish(start(named, NULL));
    return 0;
}
