/* Waits for one descriptor: readiness, time, kill, close, cancel, several at once. */
#include <green/event.h>
#include <green/green.h>
#include <green/io.h>
#include <green/timeout.h>

#include "runtime/api/io.h"
#include "runtime/core/fdwait.h"
#include "sync.h"

#include <fcntl.h>
#include <sys/socket.h>

#define ITEM(n) ((void *)(intptr_t)(n))

static int fd[2];

static void open_pair(void)
{
    start();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
}

TestSuite(io, .init = open_pair, .timeout = 60);

static void fill(int to)
{
    char buf[4096] = {0};
    while (write(to, buf, sizeof(buf)) > 0) {
    }
    cr_assert_eq(errno, EAGAIN);
}

static void drain(int from)
{
    char buf[4096];
    while (read(from, buf, sizeof(buf)) > 0) {
    }
    cr_assert_eq(errno, EAGAIN);
}

static void put(void)
{
    cr_assert_eq(write(fd[1], "x", 1), 1);
}

static struct greenlet *go(void *(*fn)(void *), int64_t arg)
{
    struct greenlet *g;
    cr_assert_eq(green_spawn(fn, ITEM(arg), &g), 0);
    settle();
    return g;
}

static intptr_t value_of(struct greenlet *g)
{
    void *value = ITEM(1);
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    green_unref(g);
    return (intptr_t)value;
}

static void *readable(void *timeout)
{
    return ITEM(green_wait_read(fd[0], (intptr_t)timeout));
}

static void *writable(void *timeout)
{
    return ITEM(green_wait_write(fd[0], (intptr_t)timeout));
}

static void *either(void *timeout)
{
    return ITEM(green_wait_readwrite(fd[0], (intptr_t)timeout));
}

Test(io, ready_at_once)
{
    put();
    cr_assert_eq(green_wait_read(fd[0], 0), 0);
    cr_assert_eq(green_wait_read(fd[0], GREEN_FOREVER), 0, "it takes nothing");
    cr_assert_eq(green_wait_write(fd[0], 0), 0);
    cr_assert_eq(green_wait_readwrite(fd[0], GREEN_FOREVER), 0);
    int null = open("/dev/null", O_RDWR);
    cr_assert_eq(green_wait_read(null, GREEN_FOREVER), 0, "files are always ready");
    close(null);
}

Test(io, not_open)
{
    cr_assert_eq(green_wait_read(-1, GREEN_FOREVER), -EBADF);
    int closed = dup(fd[0]);
    close(closed);
    cr_assert_eq(green_wait_read(closed, GREEN_FOREVER), -EBADF);
    cr_assert_eq(green_wait_write(closed, 0), -EBADF);
    cr_assert_eq(green_cancel_wait(closed), 0);
    cr_assert_eq(green_cancel_wait(-1), 0);
}

Test(io, timeouts)
{
    cr_assert_eq(green_wait_read(fd[0], 0), -ETIMEDOUT);
    cr_assert_eq(green_wait_read(fd[0], -5), -ETIMEDOUT);
    int64_t before = gr_now();
    cr_assert_eq(green_wait_read(fd[0], MS(5)), -ETIMEDOUT);
    cr_assert_geq(gr_now() - before, MS(5));
    fill(fd[0]);
    cr_assert_eq(green_wait_write(fd[0], 0), -ETIMEDOUT);
    cr_assert_eq(green_wait_write(fd[0], MS(5)), -ETIMEDOUT);
    cr_assert_eq(green_wait_readwrite(fd[0], MS(5)), -ETIMEDOUT);
    GREEN_TIMEOUT(t, MS(5))
    {
        cr_assert_eq(green_wait_read(fd[0], GREEN_FOREVER), -ETIMEDOUT);
        cr_assert(green_timeout_fired(t));
    }
}

static void told(void *(*fn)(void *), void (*event)(void))
{
    struct greenlet *g[3];
    for (int i = 0; i < 3; i++) {
        g[i] = go(fn, GREEN_FOREVER);
        cr_assert(!green_ended(g[i]));
    }
    event();
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(value_of(g[i]), 0);
    }
}

static void drain_other_side(void)
{
    drain(fd[1]);
}

static void close_other_side(void)
{
    close(fd[1]);
}

Test(io, all_who_wait_are_told)
{
    told(readable, put);
    drain(fd[0]);
    told(readable, put);
    fill(fd[0]);
    told(writable, drain_other_side);
    drain(fd[0]);
    fill(fd[0]);
    told(either, put);
    drain(fd[0]);
    told(either, drain_other_side);
    told(readable, close_other_side);
}

Test(io, a_reader_and_a_writer)
{
    fill(fd[0]);
    struct greenlet *reader = go(readable, GREEN_FOREVER);
    struct greenlet *writer = go(writable, GREEN_FOREVER);
    put();
    cr_assert_eq(value_of(reader), 0);
    settle();
    cr_assert(!green_ended(writer));
    drain(fd[1]);
    cr_assert_eq(value_of(writer), 0);
}

Test(io, killed)
{
    void *(*const fn[])(void *) = {readable, writable, either};
    fill(fd[0]);
    for (int i = 0; i < 3; i++) {
        struct greenlet *g = go(fn[i], GREEN_FOREVER);
        cr_assert_eq(green_kill(g, -EIO, GREEN_FOREVER), 0);
        cr_assert_eq(value_of(g), -EIO);
    }
    cr_assert_eq(green_cancel_wait(fd[0]), 0, "nobody is left");
    put();
    cr_assert_eq(green_wait_read(fd[0], GREEN_FOREVER), 0);
}

Test(io, closed_meanwhile)
{
    struct greenlet *g = go(readable, GREEN_FOREVER);
    struct greenlet *late = go(readable, GREEN_S(50));
    gr_api_close(fd[0]);
    cr_assert_eq(value_of(g), -EBADF);
    cr_assert_eq(value_of(late), -EBADF);
}

static void *as_read_does(void *arg)
{
    struct gr_fd *f = gr_fd_get(fd[0]);
    (void)arg;
    gr_fd_drained(f, GR_IN);
    int rc = gr_fd_wait(&f, GR_IN, GR_FOREVER, GR_INTR);
    gr_fd_done(f);
    return ITEM(rc);
}

static void *as_poll_does(void *arg)
{
    (void)arg;
    return ITEM(gr_api_poll_one(fd[0], POLLIN, GR_FOREVER));
}

Test(io, cancelled)
{
    fill(fd[0]);
    struct greenlet *g[] = {go(readable, GREEN_FOREVER), go(writable, GREEN_FOREVER),
                            go(either, GREEN_S(50)), go(as_read_does, 0)};
    struct greenlet *poller = go(as_poll_does, 0);
    cr_assert_eq(green_cancel_wait(fd[0]), 4);
    cr_assert_eq(green_cancel_wait(fd[0]), 0);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(value_of(g[i]), -EBADF);
    }
    settle();
    cr_assert(!green_ended(poller));
    struct greenlet *again = go(readable, GREEN_FOREVER);
    put();
    cr_assert_eq(value_of(again), 0, "it is open");
    cr_assert_eq(value_of(poller), 0);
}

static atomic_int cancelled;

static void *cancel(void *arg)
{
    while (!cancelled) {
        cancelled = green_cancel_wait(fd[0]);
        usleep(1000);
    }
    return arg;
}

Test(io, by_and_on_kernel_threads)
{
    gr_hub_foreign();
    struct greenlet *g = go(readable, GREEN_FOREVER);
    pthread_t t = foreign(cancel, NULL);
    cr_assert_eq(value_of(g), -EBADF);
    join_foreign(t);
    cr_assert_eq(cancelled, 1);

    void *value = ITEM(1);
    t = foreign(readable, ITEM(MS(5)));
    while (pthread_tryjoin_np(t, &value)) {
        green_sleep(MS(1));
    }
    cr_assert_eq(value, ITEM(-ETIMEDOUT));
    t = foreign(readable, ITEM(GREEN_FOREVER));
    put();
    while (pthread_tryjoin_np(t, &value)) {
        green_sleep(MS(1));
    }
    cr_assert_eq(value, NULL);
}
