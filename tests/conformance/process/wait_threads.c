/* Several threads wait each for its own child, some for any: all get the right status. */
#include "testlib.h"

#include <signal.h>
#include <sys/wait.h>

static int any_seen[64];

static void *own_child(void *arg)
{
    int id = (int)(intptr_t)arg;

    for (int i = 0; i < 5; i++) {
        int status = -1;
        pid_t pid = (pid_t)SYS(fork());

        if (pid == 0) {
            usleep((useconds_t)((id * 7 + i * 3) % 10 * 2000));
            if (id % 3 == 0)
                raise(SIGKILL);
            _exit(id);
        }
        if (id % 4 == 1) {
            siginfo_t info;
            SYS(waitid(P_PID, (id_t)pid, &info, WEXITED));
            CHECK_EQ(info.si_pid, pid);
            CHECK_EQ(info.si_status, id % 3 == 0 ? SIGKILL : id);
            continue;
        }
        CHECK_EQ(SYS(id % 2 ? wait4(pid, &status, 0, NULL) : waitpid(pid, &status, 0)), pid);
        if (id % 3 == 0)
            CHECK_EQ(WTERMSIG(status), SIGKILL);
        else
            CHECK_EQ(WEXITSTATUS(status), id);
    }
    return NULL;
}

static void *any_child(void *arg)
{
    int status;

    while (waitpid(-1, &status, 0) > 0)
        flag_add(&any_seen[WEXITSTATUS(status)], 1);
    CHECK_EQ(errno, ECHILD);
    return arg;
}

int test_main(void)
{
    pthread_t threads[12];

    for (intptr_t i = 0; i < 12; i++)
        threads[i] = start(own_child, (void *)i);
    for (int i = 0; i < 12; i++)
        finish(threads[i]);

    for (int i = 0; i < 20; i++)
        if (SYS(fork()) == 0) {
            usleep((useconds_t)(i % 7 * 4000) + 20000);
            _exit(i);
        }
    for (int i = 0; i < 5; i++)
        threads[i] = start(any_child, NULL);
    for (int i = 0; i < 5; i++)
        finish(threads[i]);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(any_seen[i], 1);
    return 0;
}
