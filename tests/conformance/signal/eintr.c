/* A handler without SA_RESTART ends every blocking call in main with EINTR; with it, those that
   restart go on. Other threads are about all the time. */
/* TIMEOUT: 60 */
#include "testlib.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int fds[2], listener, ep, caught, stop;
static sem_t sem;
static pthread_t main_thread;

static void on_signal(int sig)
{
    CHECK_EQ(sig, SIGUSR1);
    CHECK(pthread_equal(pthread_self(), main_thread));
    flag_add(&caught, 1);
}

static void *others(void *arg)
{
    while (!flag_get(&stop))
        usleep(1000);
    return arg;
}

static void *kill_later(void *arg)
{
    settle();
    SYS(kill(getpid(), SIGUSR1));
    if (arg) {
        settle();
        if ((intptr_t)arg == 1)
            write_all(fds[1], "x", 1);
        else
            close(tcp_connect((uint16_t)(intptr_t)arg));
    }
    return NULL;
}

static long in_read(void)
{
    return read(fds[0], &(char){0}, 1);
}

static long in_recv(void)
{
    return recv(fds[0], &(char){0}, 1, 0);
}

static long in_recvmsg(void)
{
    struct iovec iov = {&(char){0}, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    return recvmsg(fds[0], &msg, 0);
}

static long in_accept(void)
{
    return accept(listener, NULL, NULL);
}

static long in_poll(void)
{
    struct pollfd pfd = {.fd = fds[0], .events = POLLIN};

    return poll(&pfd, 1, 20000);
}

static long in_poll_forever(void)
{
    struct pollfd pfd = {.fd = fds[0], .events = POLLIN};

    return poll(&pfd, 1, -1);
}

static long in_select(void)
{
    fd_set set;
    struct timeval tv = {20, 0};

    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    return select(fds[0] + 1, &set, NULL, NULL, &tv);
}

static long in_epoll(void)
{
    struct epoll_event event;

    return epoll_wait(ep, &event, 1, 20000);
}

static long in_sem(void)
{
    return sem_wait(&sem);
}

static long in_sem_timed(void)
{
    struct timespec ts = ts_after(CLOCK_REALTIME, 20000);

    return sem_timedwait(&sem, &ts);
}

static long in_pause(void)
{
    return pause();
}

static long in_rcvtimeo(void)
{
    struct timeval tv = {20, 0}, none = {0, 0};

    SYS(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    long n = recv(fds[0], &(char){0}, 1, 0);
    int error = errno;
    SYS(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none)));
    errno = error;
    return n;
}

static const struct {
    const char *name;
    long (*call)(void);
    int restarts;
} calls[] = {{"read", in_read, 1},       {"recv", in_recv, 1},
             {"recvmsg", in_recvmsg, 1}, {"accept", in_accept, 2},
             {"poll", in_poll, 0},       {"poll_forever", in_poll_forever, 0},
             {"select", in_select, 0},   {"epoll_wait", in_epoll, 0},
             {"sem_wait", in_sem, 3},    {"sem_timedwait", in_sem_timed, 3},
             {"pause", in_pause, 0},     {"recv with SO_RCVTIMEO", in_rcvtimeo, 0}};

static void set_handler(int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

    SYS(sigaction(SIGUSR1, &action, NULL));
}

int test_main(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    pthread_t helpers[3];
    sigset_t set, old;
    uint16_t port;

    main_thread = pthread_self();
    unix_pair(fds);
    listener = tcp_listen(5, &port);
    ep = (int)SYS(epoll_create1(0));
    SYS(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &event));
    SYS(sem_init(&sem, 0, 0));
    sigfillset(&set);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    for (int i = 0; i < 3; i++)
        helpers[i] = start(others, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);

    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        for (int restart = 0; restart < 2; restart++) {
            intptr_t then = 0;
            long got;

            if (restart && calls[i].restarts == 1)
                then = 1;
            if (restart && calls[i].restarts == 2)
                then = port;
            if (restart && calls[i].restarts == 3)
                continue;
            set_handler(restart ? SA_RESTART : 0);
            flag_set(&caught, 0);
            pthread_sigmask(SIG_BLOCK, &set, &old);
            pthread_t killer = start(kill_later, (void *)then);
            pthread_sigmask(SIG_SETMASK, &old, NULL);
            errno = 0;
            got = calls[i].call();
            printf("%s %s: %s\n", calls[i].name, restart ? "SA_RESTART" : "plain",
                   got == -1 ? strerror(errno) : "went on");
            fflush(stdout);
            CHECK_EQ(got == -1 ? errno : 0, then ? 0 : EINTR);
            CHECK_EQ(caught, 1);
            finish(killer);
        }
    }
    flag_set(&stop, 1);
    for (int i = 0; i < 3; i++)
        finish(helpers[i]);
    return 0;
}
