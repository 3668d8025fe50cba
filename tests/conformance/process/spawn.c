/* posix_spawn with file actions and attributes, from several threads at once. */
#include "testlib.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static void *spawns(void *arg)
{
    int id = (int)(intptr_t)arg;

    for (int i = 0; i < 5; i++) {
        posix_spawn_file_actions_t actions;
        char command[64], text[64] = "";
        char *argv[] = {"sh", "-c", command, NULL};
        int fds[2], status;
        pid_t pid;

        SYS(pipe2(fds, O_CLOEXEC));
        snprintf(command, sizeof(command), "sleep 0.0%d; echo %d; exit %d", id, id * 10 + i, i);
        CHECK_RC(posix_spawn_file_actions_init(&actions), 0);
        CHECK_RC(posix_spawn_file_actions_adddup2(&actions, fds[1], 1), 0);
        CHECK_RC(posix_spawnp(&pid, "sh", &actions, NULL, argv, environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        SYS(close(fds[1]));
        CHECK_GE(read(fds[0], text, sizeof(text)), 2);
        CHECK_EQ(atoi(text), id * 10 + i);
        CHECK_EQ(read(fds[0], text, sizeof(text)), 0);
        SYS(close(fds[0]));
        CHECK_EQ(SYS(waitpid(pid, &status, 0)), pid);
        CHECK_EQ(WEXITSTATUS(status), i);
    }
    return NULL;
}

int test_main(void)
{
    pthread_t threads[6];
    posix_spawnattr_t attr;
    char *argv[] = {"sh", "-c", "kill -TERM $$; sleep 1; exit 3", NULL};
    sigset_t set;
    pid_t pid;
    int status;

    for (intptr_t i = 0; i < 6; i++)
        threads[i] = start(spawns, (void *)(i + 1));
    for (int i = 0; i < 6; i++)
        finish(threads[i]);
    CHECK_RC(posix_spawn(&pid, "/nonexistent", NULL, NULL, argv, environ), ENOENT);
    CHECK_ERRNO(waitpid(-1, &status, WNOHANG), ECHILD);

    signal(SIGTERM, SIG_IGN);
    CHECK_RC(posix_spawnattr_init(&attr), 0);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    CHECK_RC(posix_spawnattr_setsigdefault(&attr, &set), 0);
    CHECK_RC(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF), 0);
    CHECK_RC(posix_spawn(&pid, "/bin/sh", NULL, &attr, argv, environ), 0);
    CHECK_EQ(SYS(waitpid(pid, &status, 0)), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    return 0;
}
