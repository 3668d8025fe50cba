/* syslog to a /dev/log that is full waits for its reader, and others run meanwhile; every message
   arrives once, in each thread's order. Without a /dev/log it returns. The device is in a mount
   namespace of the program's own. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>

#define THREADS 4
#define LINES   300

static int receiver;

static void *logs(void *arg)
{
    for (int i = 0; i < LINES; i++)
        syslog(LOG_INFO, "thread %d line %d", (int)(intptr_t)arg, i);
    return NULL;
}

static void *receives(void *arg)
{
    char text[512];
    int next[THREADS] = {0}, id, number;

    sleep_ms(200);
    for (int i = 0; i < THREADS * LINES; i++) {
        text[SYS(recv(receiver, text, sizeof(text) - 1, 0))] = '\0';
        const char *at = strstr(text, "me: thread ");
        CHECK(at);
        CHECK_EQ(sscanf(at, "me: thread %d line %d", &id, &number), 2);
        CHECK(id >= 0 && id < THREADS);
        CHECK_EQ(number, next[id]++);
    }
    return arg;
}

static int inside(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    pthread_t threads[THREADS], reader;

    openlog("me", 0, LOG_USER);
    syslog(LOG_INFO, "nobody hears this");
    closelog();
    receiver = (int)SYS(socket(AF_UNIX, SOCK_DGRAM, 0));
    SYS(bind(receiver, (struct sockaddr *)&addr, sizeof(addr)));
    openlog("me", LOG_NDELAY, LOG_USER);
    OTHERS_RUN(200, {
        reader = start(receives, NULL);
        for (intptr_t i = 0; i < THREADS; i++)
            threads[i] = start(logs, (void *)i);
        for (int i = 0; i < THREADS; i++)
            finish(threads[i]);
    });
    finish(reader);
    closelog();
    return 0;
}

static int isolated(void *arg)
{
    (void)arg;
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return 77;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/dev", "tmpfs", 0, NULL) != 0)
        return 77;
    execl("/proc/self/exe", test_argv[0], "inside", (char *)NULL);
    return 121;
}

int test_main(void)
{
    if (test_argc > 1)
        return inside();
    int status = run_child(isolated, NULL);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        test_skip("no mount namespace here");
    CHECK_EQ(status, 0);
    return 0;
}
