/* setgid, setgroups and setuid with threads about, some of them in calls that kernel threads may
   carry out for them: they return, and every thread sees them. */
#include "testlib.h"

#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <sys/file.h>

static int go, held;

static void *body(void *arg)
{
    flag_wait(&go, 1);
    CHECK_EQ(getegid(), 65534);
    CHECK_EQ(getgid(), 65534);
    CHECK_EQ(geteuid(), 65534);
    CHECK_ERRNO(setuid(0), EPERM);
    return arg;
}

static void *looks_up(void *arg)
{
    struct addrinfo *found;

    CHECK_EQ(getaddrinfo("localhost", NULL, NULL, &found), 0);
    freeaddrinfo(found);
    return arg;
}

static void *locks(void *arg)
{
    int fd = (int)SYS(open("lock", O_RDWR));

    SYS(flock(fd, LOCK_EX));
    CHECK_EQ(flag_get(&go), 1);
    return arg;
}

static void *drop(void *arg)
{
    SYS(setgroups(0, NULL));
    SYS(setresgid(65534, 65534, 65534));
    SYS(setresuid(65534, 65534, 65534));
    return arg;
}

static int child(void)
{
    pthread_t threads[10];

    held = (int)SYS(open("lock", O_RDWR | O_CREAT, 0600));
    SYS(flock(held, LOCK_EX));
    pthread_t waiter = start(locks, NULL);
    finish(start(looks_up, NULL));
    for (int i = 0; i < 10; i++)
        threads[i] = start(body, NULL);
    settle();
    CHECK_ERRNO(seteuid((uid_t)-1), EINVAL);
    finish(start(drop, NULL));
    flag_set(&go, 1);
    SYS(flock(held, LOCK_UN));
    finish(waiter);
    for (int i = 0; i < 10; i++)
        finish(threads[i]);
    body(NULL);
    return 0;
}

int test_main(void)
{
    if (test_argc > 1)
        return child();
    if (geteuid() != 0)
        test_skip("needs root");
    CHECK_EQ(run_self("child", NULL, 0), 0);
    return 0;
}
