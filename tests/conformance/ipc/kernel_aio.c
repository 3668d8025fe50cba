/* io_getevents and io_pgetevents, as libaio makes them: waits, timeouts, handlers, masks. */
#include "testlib.h"

#include <linux/aio_abi.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

static aio_context_t context;
static int fds[2][2], handled, ready;

/* The end of the wait for input on pipe i is an event with the number i. */
static void submit(int i)
{
    struct iocb cb = {.aio_lio_opcode = IOCB_CMD_POLL,
                      .aio_fildes = (unsigned)fds[i][0],
                      .aio_buf = POLLIN,
                      .aio_data = (unsigned)i},
                *list[] = {&cb};

    SYS(syscall(SYS_io_submit, context, 1L, list));
}

static void take(int i)
{
    char c;

    CHECK_EQ(read(fds[i][0], &c, 1), 1);
}

static long reap(long min, long max, struct io_event *events, struct timespec *timeout)
{
    return syscall(SYS_io_getevents, context, min, max, events, timeout);
}

static void *writes_later(void *arg)
{
    settle();
    write_all(fds[0][1], "x", 1);
    settle();
    write_all(fds[1][1], "x", 1);
    return arg;
}

static void waits(void)
{
    struct io_event events[4] = {{0}};

    submit(0);
    submit(1);
    pthread_t thread = start(writes_later, NULL);
    CHECK_EQ(reap(2, 4, events, NULL), 2);
    CHECK_EQ(events[0].data, 0);
    CHECK_EQ(events[1].data, 1);
    CHECK(events[1].res & POLLIN);
    finish(thread);
    take(0);
    take(1);
}

/* Fewer than wanted: those that came until then. */
static void timeouts(void)
{
    struct io_event events[4] = {{0}};
    struct timespec short_time = ts_of_ms(30), none = ts_of_ms(0);

    CHECK_EQ(reap(1, 4, events, &none), 0);
    CHECK_EQ(reap(0, 4, events, NULL), 0);
    TAKES(30, CHECK_EQ(reap(1, 4, events, &short_time), 0));
    submit(0);
    submit(1);
    write_all(fds[1][1], "x", 1);
    TAKES(30, CHECK_EQ(reap(2, 4, events, &short_time), 1));
    CHECK_EQ(events[0].data, 1);
    write_all(fds[0][1], "x", 1);
    CHECK_EQ(reap(1, 1, events, &short_time), 1);
    CHECK_EQ(events[0].data, 0);
    take(0);
    take(1);
}

static void on_signal(int sig)
{
    (void)sig;
    flag_add(&handled, 1);
}

static void *interrupted(void *arg)
{
    struct io_event events[2];

    flag_set(&ready, 1);
    CHECK_ERRNO(reap(1, 2, events, NULL), EINTR);
    return arg;
}

/* The signal is blocked but for the time of the call. */
static void *opens_mask(void *arg)
{
    struct io_event events[2];
    sigset_t all, none;
    struct {
        const sigset_t *mask;
        size_t size;
    } sig = {&none, 8};

    sigfillset(&all);
    sigemptyset(&none);
    CHECK_RC(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
    flag_set(&ready, 1);
    CHECK_ERRNO(syscall(SYS_io_pgetevents, context, 1L, 2L, events, NULL, &sig), EINTR);
    CHECK_EQ(flag_get(&handled), 1);
    sig.size = 4;
    CHECK_ERRNO(syscall(SYS_io_pgetevents, context, 1L, 2L, events, NULL, &sig), EINVAL);
    return arg;
}

static void signals(void *(*fn)(void *), int flags, int pause)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

    SYS(sigaction(SIGUSR1, &action, NULL));
    flag_set(&handled, 0);
    flag_set(&ready, 0);
    pthread_t thread = start(fn, NULL);
    flag_wait(&ready, 1);
    if (pause)
        settle();
    CHECK_RC(pthread_kill(thread, SIGUSR1), 0);
    finish(thread);
    CHECK_EQ(handled, 1);
}

int test_main(void)
{
    struct io_event events[2];

    if (syscall(SYS_io_setup, 16L, &context))
        test_skip("no asynchronous I/O in this kernel");
    pipe_pair(fds[0]);
    pipe_pair(fds[1]);
    for (int i = 0; i < 3; i++) {
        OTHERS_RUN(20, waits());
        timeouts();
        signals(interrupted, 0, 1);
        signals(interrupted, SA_RESTART, 1); /* never restarted: signal(7) */
        signals(opens_mask, SA_RESTART, i);
    }
    CHECK_ERRNO(reap(2, 1, events, NULL), EINVAL);
    CHECK_ERRNO(reap(-1, 1, events, NULL), EINVAL);
    CHECK_ERRNO(syscall(SYS_io_getevents, 1L, 1L, 1L, events, NULL), EINVAL);
    SYS(syscall(SYS_io_destroy, context));
    return 0;
}
