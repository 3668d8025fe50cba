/* A listener on which a thread waits in accept looks to children as the program made it, and goes
   on accepting after they have come and gone. */
#include "testlib.h"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern char **environ;
static int listener;
static uint16_t port;

static void *accepter(void *arg)
{
    for (int i = 0; i < 3; i++) {
        int fd = (int)SYS(accept(listener, NULL, NULL));
        SYS(close(fd));
    }
    return arg;
}

static int sees_blocking(void *arg)
{
    (void)arg;
    return is_nonblock(listener);
}

/* A program that knows nothing of the parent tells what it inherited. */
static void spawned_sees_blocking(void)
{
    posix_spawn_file_actions_t actions;
    /* O_NONBLOCK is 04000 */
    char *argv[] = {"awk", "/flags/ {exit int($2 / 1000) % 10 >= 4}", "/proc/self/fdinfo/0", NULL};
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, listener, 0);
    CHECK_EQ(posix_spawnp(&pid, "awk", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    SYS(waitpid(pid, &status, 0));
    CHECK_EQ(status, 0);
}

static void connect_once(void)
{
    int fd = tcp_connect(port);
    char c;
    CHECK_EQ(SYS(read(fd, &c, 1)), 0);
    SYS(close(fd));
}

int test_main(void)
{
    listener = tcp_listen(5, &port);
    pthread_t thread = start(accepter, NULL);
    settle();
    CHECK(!is_nonblock(listener));
    connect_once();
    settle();
    spawned_sees_blocking();
    connect_once();
    settle();
    CHECK_EQ(run_child(sees_blocking, NULL), 0);
    connect_once();
    finish(thread);
    return 0;
}
