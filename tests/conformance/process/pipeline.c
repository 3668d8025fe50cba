/* Threads feeding and draining a child process through pipes while others work. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <sys/wait.h>

static int to[2], from[2];

static void *feed(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        char line[16];
        int n = snprintf(line, sizeof(line), "%d\n", 20000 - i);
        write_all(to[1], line, (size_t)n);
    }
    SYS(close(to[1]));
    return arg;
}

int test_main(void)
{
    char line[32];
    int status;

    pipe_pair(to);
    pipe_pair(from);
    pid_t pid = (pid_t)SYS(fork());
    if (pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[0]);
        close(to[1]);
        close(from[0]);
        close(from[1]);
        execlp("sort", "sort", "-n", (char *)NULL);
        _exit(99);
    }
    close(to[0]);
    close(from[1]);
    pthread_t thread = start(feed, NULL);
    FILE *file = fdopen(from[0], "r");
    for (int i = 1; i <= 20000; i++) {
        CHECK(fgets(line, sizeof(line), file));
        CHECK_EQ(atoi(line), i);
    }
    CHECK(!fgets(line, sizeof(line), file));
    finish(thread);
    CHECK_EQ(SYS(waitpid(pid, &status, 0)), pid);
    CHECK_EQ(status, 0);
    return 0;
}
