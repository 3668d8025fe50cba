/* A signal, then what a call waits for: the handler has run when the call returns. */
#include "testlib.h"

#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>

static int caught, held, pipes[2], sockets[2], go;
static pthread_t waiter;
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void on_signal(int sig)
{
    (void)sig;
    flag_add(&caught, 1);
}

static void to_process(void)
{
    SYS(kill(getpid(), SIGUSR1));
}

static void to_waiter(void)
{
    CHECK_RC(pthread_kill(waiter, SIGUSR1), 0);
}

static void post(void)
{
    SYS(sem_post(&sem));
}

static void wait_sem(void)
{
    SYS(sem_wait(&sem));
}

static void unlock(void)
{
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);
}

static void wait_mutex(void)
{
    CHECK_RC(pthread_mutex_lock(&mutex), 0);
}

static void signal_cond(void)
{
    CHECK_RC(pthread_mutex_lock(&mutex), 0);
    go = 1;
    CHECK_RC(pthread_cond_signal(&cond), 0);
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);
}

static void wait_cond(void)
{
    CHECK_RC(pthread_mutex_lock(&mutex), 0);
    while (!go)
        CHECK_RC(pthread_cond_wait(&cond, &mutex), 0);
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);
}

static void write_pipe(void)
{
    write_all(pipes[1], "x", 1);
}

static void wait_read(void)
{
    char c;

    CHECK_EQ(SYS(read(pipes[0], &c, 1)), 1);
}

static void write_socket(void)
{
    write_all(sockets[1], "x", 1);
}

static void wait_recv(void)
{
    char c;

    CHECK_EQ(SYS(recv(sockets[0], &c, 1, 0)), 1);
}

static void wait_poll(void)
{
    struct pollfd fd = {.fd = pipes[0], .events = POLLIN};
    int n = poll(&fd, 1, -1); /* never restarted */

    CHECK(n == 1 || (n == -1 && errno == EINTR));
    CHECK_GE(flag_get(&caught), 1);
    wait_read();
}

static void nothing(void)
{
}

static pthread_t other;

static void wait_join(void)
{
    finish(other);
}

/* One case: another thread sends the signal and at once lets the waiter go on. */
struct wake {
    void (*send)(void), (*wake)(void), (*wait)(void);
    bool holds;
};

static void *wake_up(void *arg)
{
    struct wake *w = arg;

    if (w->holds)
        wait_mutex();
    flag_set(&held, 1);
    settle();
    w->send();
    w->wake();
    return NULL;
}

static void *wait_and_look(void *arg)
{
    struct wake *w = arg;

    waiter = pthread_self();
    flag_set(&caught, 0);
    flag_set(&held, 0);
    go = 0;
    other = start(wake_up, w);
    flag_wait(&held, 1);
    w->wait();
    CHECK_EQ(flag_get(&caught), 1);
    if (w->holds)
        unlock();
    if (w->wait != wait_join)
        finish(other);
    return NULL;
}

int test_main(void)
{
    static struct wake cases[] = {
        {NULL, post, wait_sem, false},          {NULL, unlock, wait_mutex, true},
        {NULL, signal_cond, wait_cond, false},  {NULL, write_pipe, wait_read, false},
        {NULL, write_socket, wait_recv, false}, {NULL, write_pipe, wait_poll, false},
        {NULL, nothing, wait_join, false},
    };
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    SYS(sigaction(SIGUSR1, &action, NULL));
    SYS(sem_init(&sem, 0, 0));
    pipe_pair(pipes);
    unix_pair(sockets);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cases[i].send = to_process; /* Linux prefers the main thread */
        wait_and_look(&cases[i]);
        cases[i].send = to_waiter;
        finish(start(wait_and_look, &cases[i]));
    }
    return 0;
}
