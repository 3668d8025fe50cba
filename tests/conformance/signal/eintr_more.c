/* EINTR and restart of connect, of a write that found no room, waitpid and sigtimedwait; mutexes
   and joins are never ended by a signal. */
#include "testlib.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static int caught, release[2], listener, drain_fd;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "sock"};

static void on_signal(int sig)
{
    (void)sig;
    flag_add(&caught, 1);
}

static void *kill_then(void *arg)
{
    void (*then)(void) = (void (*)(void))arg;

    settle();
    SYS(kill(getpid(), SIGUSR1));
    if (then) {
        settle();
        then();
    }
    return NULL;
}

static void *hold_mutex(void *arg)
{
    pthread_mutex_lock(&mutex);
    flag_set(arg, 1);
    settle();
    SYS(kill(getpid(), SIGUSR1));
    settle();
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void accept_one(void)
{
    close((int)SYS(accept(listener, NULL, NULL)));
}

static void drain(void)
{
    static char block[1 << 16];

    SYS(read(drain_fd, block, sizeof(block)));
}

static void let_child_go(void)
{
    write_all(release[1], "x", 1);
}

static void handler(int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

    SYS(sigaction(SIGUSR1, &action, NULL));
    flag_set(&caught, 0);
}

static void full_listener(void)
{
    int fd;

    unlink(addr.sun_path);
    listener = (int)SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    SYS(bind(listener, (struct sockaddr *)&addr, sizeof(addr)));
    SYS(listen(listener, 0));
    do
        fd = (int)SYS(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
    CHECK_EQ(errno, EAGAIN);
}

static void check_connect(int restart)
{
    int fd = (int)SYS(socket(AF_UNIX, SOCK_STREAM, 0));

    full_listener();
    handler(restart ? SA_RESTART : 0);
    pthread_t thread = start_without_signals(kill_then, restart ? (void *)accept_one : NULL);
    if (restart)
        SYS(connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
    else
        CHECK_ERRNO(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), EINTR);
    CHECK_EQ(caught, 1);
    finish(thread);
    close(fd);
    close(listener);
}

static void check_write(int restart)
{
    static char block[65536];
    int fds[2];

    pipe_pair(fds);
    set_nonblock(fds[1], 1);
    while (write(fds[1], block, sizeof(block)) > 0)
        ;
    set_nonblock(fds[1], 0);
    drain_fd = fds[0];
    handler(restart ? SA_RESTART : 0);
    pthread_t thread = start_without_signals(kill_then, restart ? (void *)drain : NULL);
    if (restart)
        CHECK_EQ(write(fds[1], block, 100), 100);
    else
        CHECK_ERRNO(write(fds[1], block, 100), EINTR);
    CHECK_EQ(caught, 1);
    finish(thread);
    close(fds[0]);
    close(fds[1]);
}

static void check_waitpid(int restart)
{
    int status;

    pipe_pair(release);
    pid_t pid = (pid_t)SYS(fork());
    if (pid == 0) {
        read_all(release[0], &(char){0}, 1);
        _exit(4);
    }
    handler(restart ? SA_RESTART : 0);
    pthread_t thread = start_without_signals(kill_then, restart ? (void *)let_child_go : NULL);
    if (!restart) {
        CHECK_ERRNO(waitpid(pid, &status, 0), EINTR);
        let_child_go();
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 4);
    CHECK_EQ(caught, 1);
    finish(thread);
    close(release[0]);
    close(release[1]);
}

int test_main(void)
{
    sigset_t set;
    int held = 0;

    for (int restart = 0; restart < 2; restart++) {
        check_connect(restart);
        check_write(restart);
        check_waitpid(restart);
    }
    handler(0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_t thread = start_without_signals(kill_then, NULL);
    CHECK_ERRNO(sigtimedwait(&set, NULL, &(struct timespec){.tv_sec = 20}), EINTR);
    finish(thread);

    handler(0);
    thread = start_without_signals(hold_mutex, &held);
    flag_wait(&held, 1);
    CHECK_RC(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(caught, 1);
    pthread_mutex_unlock(&mutex);
    finish(thread); /* a join with a signal in it */
    handler(0);
    finish(start_without_signals(kill_then, NULL));
    flag_wait(&caught, 1);
    return 0;
}
