/* A signal during a long write: what went out is reported, the rest can follow; restart too. */
#include "testlib.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

static int fds[2], caught;

static void on_signal(int sig)
{
    (void)sig;
    flag_add(&caught, 1);
}

static void *kill_and_drain(void *arg)
{
    static char block[65536];
    long total = 0, n;

    settle();
    SYS(kill(getpid(), SIGUSR1));
    settle();
    while ((n = SYS(read(fds[0], block, sizeof(block)))) > 0)
        total += n;
    (void)arg;
    return (void *)total;
}

static void *nothing(void *arg)
{
    return arg;
}

/* The same with no other thread and no reader: it ends at all because the handler ends it. */
static void alone(char *block, size_t size)
{
    struct iovec v[2] = {{block, size / 2}, {block + size / 2, size / 2}};
    struct msghdr msg = {.msg_iov = v, .msg_iovlen = 2};
    struct itimerval soon = {.it_value.tv_usec = 50000};

    finish(start(nothing, NULL));
    for (int i = 0; i < 4; i++) {
        long n = 0;

        (i ? unix_pair : pipe_pair)(fds);
        flag_set(&caught, 0);
        SYS(setitimer(ITIMER_REAL, &soon, NULL));
        switch (i) {
        case 0:
            n = SYS(write(fds[1], block, size));
            break;
        case 1:
            n = SYS(send(fds[1], block, size, 0));
            break;
        case 2:
            n = SYS(writev(fds[1], v, 2));
            break;
        case 3:
            n = SYS(sendmsg(fds[1], &msg, 0));
            break;
        }
        CHECK(n > 0 && n < (long)size);
        CHECK_EQ(flag_get(&caught), 1);
        SYS(close(fds[1]));
        SYS(close(fds[0]));
    }
}

int test_main(void)
{
    static char block[4 << 20];
    int zero = (int)SYS(open("/dev/zero", O_RDONLY));
    struct sigaction restart = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    SYS(sigaction(SIGALRM, &restart, NULL));
    alone(block, sizeof(block));
    flag_set(&caught, 0);
    for (int i = 0; i < 6; i++) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = i % 2 ? SA_RESTART : 0};
        sigset_t set, old;

        SYS(sigaction(SIGUSR1, &action, NULL));
        (i / 2 == 1 ? tcp_pair : pipe_pair)(fds);
        if (i / 2 == 2) { /* of a pipe that has been spliced to, the kernel thinks otherwise */
            CHECK_EQ(splice(zero, NULL, fds[1], NULL, 1, 0), 1);
            read_all(fds[0], block, 1);
        }
        sigfillset(&set);
        pthread_sigmask(SIG_BLOCK, &set, &old);
        pthread_t thread = start(kill_and_drain, NULL);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        long n = SYS(write(fds[1], block, sizeof(block)));
        CHECK(n > 0 && n < (long)sizeof(block)); /* something had gone out */
        CHECK_EQ(flag_get(&caught), i + 1);
        write_all(fds[1], block, sizeof(block) - (size_t)n);
        SYS(close(fds[1]));
        CHECK_EQ(finish(thread), sizeof(block));
        SYS(close(fds[0]));
    }
    return 0;
}
