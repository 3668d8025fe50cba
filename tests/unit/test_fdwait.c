/* Waiting for descriptors. */
#include "runtime/base/rawsys.h"
#include "runtime/core/fdwait.h"

#include "sync.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

static int p[2];
static int n_done;

static void setup(void)
{
    start();
    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
}

TestSuite(fdwait, .init = setup, .timeout = 60);

/* read() that waits, the way the shim does it. */
static long read_until(int fd, void *buf, size_t n, int64_t deadline)
{
    struct gr_fd *f = gr_fd_get(fd);
    int rc;
    do {
        ssize_t got = read(f->fd, buf, n);
        if (got >= 0 || errno != EAGAIN) {
            int saved = errno;
            gr_fd_pass_on(f, GR_IN);
            gr_fd_done(f);
            return got < 0 ? -saved : got;
        }
        gr_fd_drained(f, GR_IN);
        rc = gr_fd_wait(&f, GR_IN, deadline, 0);
    } while (rc == 0);
    gr_fd_done(f);
    return rc;
}

static long read_some(int fd, void *buf, size_t n)
{
    return read_until(fd, buf, n, GR_FOREVER);
}

static void write_all(int fd, const char *text)
{
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

struct reader {
    int fd;
    long rc;
    char c;
};

static void *read_one(void *arg)
{
    struct reader *r = arg;
    r->rc = read_some(r->fd, &r->c, 1);
    n_done++;
    return NULL;
}

/* A number is closed as close() does it. */
static void close_fd(int fd)
{
    gr_fd_forget(gr_fd_get(fd));
    cr_assert_eq(close(fd), 0);
}

/* --- readiness --- */

Test(fdwait, unknown_number_counts_as_ready)
{
    struct gr_fd *f = gr_fd_get(p[0]);
    cr_assert_eq(gr_fd_wait(&f, GR_IN, GR_FOREVER, 0), 0);
    cr_assert_eq(gr_fd_wait(&f, GR_OUT, GR_FOREVER, 0), 0);
}

Test(fdwait, reader_is_woken_by_data)
{
    struct reader r = {.fd = p[0]};
    struct green *g = spawn(read_one, &r);
    settle();
    cr_assert_eq(g->state, GR_PARKED);
    write_all(p[1], "x");
    join(g);
    cr_assert_eq(r.rc, 1);
    cr_assert_eq(r.c, 'x');
}

Test(fdwait, every_new_write_is_noticed)
{
    for (int i = 0; i < 1000; i++) {
        struct reader r = {.fd = p[0]};
        struct green *g = spawn(read_one, &r);
        gr_yield();
        write_all(p[1], "x");
        join(g);
        cr_assert_eq(r.rc, 1);
    }
}

Test(fdwait, data_that_came_before_the_wait_is_noticed)
{
    struct gr_fd *f = gr_fd_get(p[0]);
    write_all(p[1], "x");
    gr_fd_drained(f, GR_IN); /* a reader found the pipe empty right before that */
    cr_assert_eq(gr_fd_wait(&f, GR_IN, GR_FOREVER, 0), 0);
}

Test(fdwait, data_between_a_failed_read_and_the_wait_is_noticed)
{
    struct reader r = {.fd = p[0]};
    struct green *g = spawn(read_one, &r);
    settle();
    write_all(p[1], "x");
    join(g); /* from now on the number is registered */
    struct gr_fd *f = gr_fd_get(p[0]);
    char c;
    cr_assert_eq(read(p[0], &c, 1), -1);
    gr_fd_drained(f, GR_IN);
    write_all(p[1], "y");
    cr_assert_eq(gr_fd_wait(&f, GR_IN, GR_FOREVER, 0), 0);
    cr_assert_eq(read(p[0], &c, 1), 1);
}

static void *fill(void *arg)
{
    char block[4096] = "";
    struct gr_fd *f = gr_fd_get(p[1]);
    long total = 0;
    while (total < (long)(intptr_t)arg) {
        ssize_t n = write(p[1], block, sizeof(block));
        if (n > 0) {
            total += n;
            continue;
        }
        cr_assert_eq(errno, EAGAIN);
        gr_fd_drained(f, GR_OUT);
        cr_assert_eq(gr_fd_wait(&f, GR_OUT, GR_FOREVER, 0), 0);
    }
    return (void *)total;
}

Test(fdwait, writer_is_woken_by_room)
{
    char block[10000];
    long total = 0;
    struct green *g = spawn(fill, (void *)(1 << 20));
    while (total < 1 << 20) {
        long n = read_some(p[0], block, sizeof(block));
        cr_assert_gt(n, 0);
        total += n;
    }
    cr_assert_eq((long)join(g), total);
}

Test(fdwait, times_out_and_never_early)
{
    char c;
    for (int i = 0; i < 10; i++) {
        int64_t deadline = gr_now() + MS(i);
        cr_assert_eq(read_until(p[0], &c, 1, deadline), -ETIMEDOUT);
        cr_assert_geq(gr_now(), deadline);
    }
    cr_assert_eq(gr_hub_here()->n_fd_waits, 0);
    write_all(p[1], "x");
    cr_assert_eq(read_until(p[0], &c, 1, GR_FOREVER), 1, "nothing was lost by it");
}

Test(fdwait, both_directions_of_a_socket_are_apart)
{
    int s[2];
    char block[65536] = "";
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
    while (write(s[0], block, sizeof(block)) > 0) {
    }
    struct reader r = {.fd = s[0]};
    struct green *reader = spawn(read_one, &r);
    settle();
    write_all(s[1], "x");
    join(reader);
    cr_assert_eq(r.rc, 1);
    struct gr_fd *f = gr_fd_get(s[0]);
    gr_fd_drained(f, GR_OUT);
    int64_t deadline = gr_now() + MS(5);
    cr_assert_eq(gr_fd_wait(&f, GR_OUT, deadline, 0), -ETIMEDOUT, "still full");
}

static void *write_late(void *arg)
{
    usleep(20000);
    write_all(*(int *)arg, "x");
    return NULL;
}

Test(fdwait, write_of_a_kernel_thread_wakes_a_sleeping_hub)
{
    char c;
    pthread_t t = foreign(write_late, &p[1]);
    gr_hub_foreign();
    cr_assert_eq(read_some(p[0], &c, 1), 1);
    join_foreign(t);
}

/* --- several at one descriptor --- */

Test(fdwait, readers_of_one_pipe_get_one_byte_each)
{
    enum { N = 20 };
    struct reader r[N];
    struct green *g[N];
    for (int i = 0; i < N; i++) {
        r[i] = (struct reader){.fd = p[0]};
        g[i] = spawn(read_one, &r[i]);
    }
    settle();
    write_all(p[1], "abcdefghijklmnopqrst");
    int seen = 0;
    for (int i = 0; i < N; i++) {
        join(g[i]);
        cr_assert_eq(r[i].rc, 1);
        seen |= 1 << (r[i].c - 'a');
    }
    cr_assert_eq(seen, (1 << N) - 1);
}

Test(fdwait, each_byte_serves_one_reader)
{
    struct reader r[3];
    struct green *g[3];
    for (int i = 0; i < 3; i++) {
        r[i] = (struct reader){.fd = p[0]};
        g[i] = spawn(read_one, &r[i]);
        settle();
    }
    for (int i = 0; i < 3; i++) {
        write_all(p[1], "x");
        while (n_done <= i) {
            (void)gr_sleep_until(gr_now() + MS(1), 0);
        }
        settle();
        cr_assert_eq(n_done, i + 1, "others were served as well");
    }
    for (int i = 0; i < 3; i++) {
        join(g[i]);
        cr_assert_eq(r[i].rc, 1);
    }
}

static void *read_for_a_while(void *arg)
{
    char c;
    *(long *)arg = read_until(p[0], &c, 1, gr_now() + MS(5));
    return NULL;
}

Test(fdwait, one_who_timed_out_takes_no_readiness_from_the_next)
{
    long first;
    struct reader second = {.fd = p[0]};
    struct green *a = spawn(read_for_a_while, &first);
    settle();
    struct green *b = spawn(read_one, &second);
    join(a);
    cr_assert_eq(first, -ETIMEDOUT);
    write_all(p[1], "x");
    join(b);
    cr_assert_eq(second.rc, 1);
}

Test(fdwait, hang_up_wakes_all_readers)
{
    struct reader r[5];
    struct green *g[5];
    for (int i = 0; i < 5; i++) {
        r[i] = (struct reader){.fd = p[0], .rc = -1};
        g[i] = spawn(read_one, &r[i]);
    }
    settle();
    close_fd(p[1]);
    for (int i = 0; i < 5; i++) {
        join(g[i]);
        cr_assert_eq(r[i].rc, 0);
    }
}

Test(fdwait, half_close_is_remembered)
{
    int s[2];
    char c;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
    struct reader r = {.fd = s[0], .rc = -1};
    struct green *g = spawn(read_one, &r);
    settle();
    cr_assert_eq(shutdown(s[1], SHUT_WR), 0);
    join(g);
    cr_assert_eq(r.rc, 0);
    cr_assert(gr_fd_get(s[0])->ready & GR_HUP);
    cr_assert_eq(read_some(s[0], &c, 1), 0);
}

Test(fdwait, numbers_of_one_file_are_waited_on_apart)
{
    struct reader r[2] = {{.fd = p[0]}, {.fd = dup(p[0])}};
    struct green *g[] = {spawn(read_one, &r[0]), spawn(read_one, &r[1])};
    settle();
    write_all(p[1], "xy");
    join(g[0]);
    join(g[1]);
    cr_assert_eq(r[0].rc, 1);
    cr_assert_eq(r[1].rc, 1);
}

Test(fdwait, kick_makes_everybody_look_again)
{
    struct gr_fd *f = gr_fd_get(p[0]);
    struct reader r = {.fd = p[0]};
    struct green *g = spawn(read_one, &r);
    settle();
    gr_fd_kick(f);
    settle();
    cr_assert_eq(n_done, 0, "it looked, and waits again");
    write_all(p[1], "x");
    join(g);
    cr_assert_eq(r.rc, 1);
}

Test(fdwait, hundreds_of_descriptors_at_once)
{
    enum { N = 300 };
    int pipes[N][2];
    struct reader r[N];
    struct green *g[N];
    for (int i = 0; i < N; i++) {
        cr_assert_eq(pipe2(pipes[i], O_NONBLOCK), 0);
        r[i] = (struct reader){.fd = pipes[i][0]};
        g[i] = spawn(read_one, &r[i]);
    }
    settle();
    for (int i = N - 1; i >= 0; i--) {
        char c = (char)i;
        cr_assert_eq(write(pipes[i][1], &c, 1), 1);
    }
    for (int i = 0; i < N; i++) {
        join(g[i]);
        cr_assert_eq(r[i].c, (char)i);
    }
}

/* --- closing --- */

Test(fdwait, reader_keeps_the_file_when_its_number_is_closed)
{
    struct reader r = {.fd = p[0]};
    struct green *g = spawn(read_one, &r);
    settle();
    close_fd(p[0]);
    settle();
    cr_assert_eq(n_done, 0);
    write_all(p[1], "x");
    join(g);
    cr_assert_eq(r.rc, 1);
    cr_assert_eq(r.c, 'x');
    cr_assert_eq(write(p[1], "y", 1), -1, "the last reader has let go of the pipe");
    cr_assert_eq(errno, EPIPE);
}

Test(fdwait, file_that_gets_the_number_is_not_read_by_who_waited_before)
{
    int next[2];
    struct reader r[] = {{.fd = p[0]}, {.fd = p[0]}};
    struct green *old = spawn(read_one, &r[0]);
    settle();
    close_fd(p[0]);
    cr_assert_eq(pipe2(next, O_NONBLOCK), 0);
    cr_assert_eq(next[0], p[0], "not the number of before: this test shows nothing");
    struct green *new = spawn(read_one, &r[1]);
    settle();
    write_all(next[1], "n");
    join(new);
    cr_assert_eq(r[1].c, 'n');
    cr_assert_eq(n_done, 1);
    write_all(p[1], "o");
    join(old);
    cr_assert_eq(r[0].c, 'o');
}

Test(fdwait, every_waiter_keeps_the_file)
{
    struct reader r[4];
    struct green *g[4];
    for (int i = 0; i < 4; i++) {
        r[i] = (struct reader){.fd = p[0]};
        g[i] = spawn(read_one, &r[i]);
    }
    settle();
    close_fd(p[0]);
    settle();
    write_all(p[1], "abcd");
    for (int i = 0; i < 4; i++) {
        join(g[i]);
        cr_assert_eq(r[i].rc, 1);
    }
}

Test(fdwait, closing_again_and_again_leaves_no_descriptor_behind)
{
    int first = -1;
    for (int i = 0; i < 200; i++) {
        int q[2];
        cr_assert_eq(pipe2(q, O_NONBLOCK), 0);
        struct reader r = {.fd = q[0]};
        struct green *g = spawn(read_one, &r);
        settle();
        close_fd(q[0]);
        int dup_fd = fcntl(p[0], F_DUPFD, GR_PRIVATE_FD);
        cr_assert(first < 0 || dup_fd == first, "%d is in use", first);
        first = dup_fd;
        close(dup_fd);
        settle();
        write_all(q[1], "x");
        join(g);
        close_fd(q[1]);
    }
}

Test(fdwait, number_used_for_another_file_is_registered_anew)
{
    for (int i = 0; i < 20; i++) {
        struct reader r = {.fd = p[0]};
        struct green *g = spawn(read_one, &r);
        settle();
        write_all(p[1], "x");
        join(g);
        cr_assert_eq(r.rc, 1);
        close_fd(p[0]);
        close_fd(p[1]);
        cr_assert_eq(pipe2(p, O_NONBLOCK), 0);
    }
}

/* --- what cannot be watched --- */

Test(fdwait, files_that_never_block_are_ready)
{
    char name[] = "/tmp/fdwait-XXXXXX";
    int fd[] = {mkstemp(name), open("/dev/null", O_RDWR), open("/", O_RDONLY | O_DIRECTORY)};
    (void)unlink(name);
    for (int i = 0; i < 3; i++) {
        struct gr_fd *f = gr_fd_get(fd[i]);
        gr_fd_drained(f, GR_IN);
        cr_assert_eq(gr_fd_wait(&f, GR_IN, GR_FOREVER, 0), 0);
        cr_assert_eq(f->fd, fd[i]);
    }
}

Test(fdwait, closed_number_is_left_to_the_kernel_to_refuse)
{
    int fd = dup(p[0]);
    close(fd);
    struct gr_fd *f = gr_fd_get(fd);
    gr_fd_drained(f, GR_IN);
    cr_assert_eq(gr_fd_wait(&f, GR_IN, GR_FOREVER, 0), 0);
    char c;
    cr_assert_eq(read_some(fd, &c, 1), -EBADF);
}

Test(fdwait, impossible_numbers_have_no_state)
{
    cr_assert_null(gr_fd_get(-1));
    cr_assert_null(gr_fd_get(INT32_MIN));
    cr_assert_null(gr_fd_get(INT32_MAX));
    cr_assert_null(gr_fd_peek(-1));
    cr_assert_null(gr_fd_peek(INT32_MAX));
    cr_assert_null(gr_fd_peek(500000), "nothing is known of it");
    cr_assert_eq(gr_fd_get(500000)->fd, 500000);
    cr_assert_not_null(gr_fd_peek(500000));
}

/* --- waits on many --- */

struct poll2 {
    int fd[2];
    unsigned revents[2];
    bool gone[2];
    int64_t deadline;
    int rc;
};

static void *poll_two(void *arg)
{
    struct poll2 *q = arg;
    struct gr_waiter w;
    struct gr_fdlink l[2];
    gr_waiter_init(&w, NULL);
    for (int i = 0; i < 2; i++) {
        gr_fd_link(&l[i], q->fd[i], GR_IN, &w);
    }
    q->rc = gr_park(&w, q->deadline, 0, GR_WHY_POLL);
    for (int i = 0; i < 2; i++) {
        q->revents[i] = l[i].revents;
        q->gone[i] = l[i].gone;
        gr_fd_unlink(&l[i]);
    }
    return NULL;
}

/* Let the numbers be registered and what is there now be reported, then begin. */
static struct green *begin_poll(struct poll2 *q)
{
    for (int i = 0; i < 2; i++) {
        q->deadline = gr_now() + MS(1);
        join(spawn(poll_two, q));
    }
    q->deadline = GR_FOREVER;
    struct green *g = spawn(poll_two, q);
    settle();
    return g;
}

Test(fdwait, link_says_which_descriptor_it_was)
{
    int other[2];
    cr_assert_eq(pipe2(other, O_NONBLOCK), 0);
    struct poll2 q = {.fd = {p[0], other[0]}};
    struct green *g = begin_poll(&q);
    cr_assert_eq(g->state, GR_PARKED);
    write_all(other[1], "x");
    join(g);
    cr_assert_eq(q.rc, 0);
    cr_assert_eq(q.revents[0], 0);
    cr_assert(q.revents[1] & GR_IN);
    cr_assert_eq(gr_hub_here()->n_fd_waits, 0);
}

Test(fdwait, number_may_be_linked_twice)
{
    struct poll2 q = {.fd = {p[0], p[0]}};
    struct green *g = begin_poll(&q);
    write_all(p[1], "x");
    join(g);
    cr_assert(q.revents[0] & GR_IN);
    cr_assert(q.revents[1] & GR_IN);
}

Test(fdwait, pollers_and_a_reader_are_all_woken)
{
    struct poll2 q[3];
    struct green *g[3];
    struct reader r = {.fd = p[0]};
    for (int i = 0; i < 3; i++) {
        q[i] = (struct poll2){.fd = {p[0], p[0]}};
        g[i] = begin_poll(&q[i]);
    }
    struct green *reader = spawn(read_one, &r);
    settle();
    write_all(p[1], "x");
    join(reader);
    for (int i = 0; i < 3; i++) {
        join(g[i]);
        cr_assert_eq(q[i].rc, 0);
    }
}

Test(fdwait, timed_out_links_leave_nothing_behind)
{
    struct poll2 q = {.fd = {p[0], p[0]}, .deadline = gr_now()};
    join(spawn(poll_two, &q));
    int64_t deadline = q.deadline = gr_now() + MS(10);
    join(spawn(poll_two, &q));
    cr_assert_eq(q.rc, -ETIMEDOUT);
    cr_assert_geq(gr_now(), deadline);
    cr_assert_eq(gr_hub_here()->n_fd_waits, 0);
    write_all(p[1], "x");
    char c;
    cr_assert_eq(read_some(p[0], &c, 1), 1);
}

Test(fdwait, closing_ends_a_wait_on_many_and_is_marked)
{
    int other[2];
    cr_assert_eq(pipe2(other, O_NONBLOCK), 0);
    struct poll2 q = {.fd = {p[0], other[0]}};
    struct green *g = begin_poll(&q);
    close_fd(other[0]);
    join(g);
    cr_assert_eq(q.rc, 0);
    cr_assert(!q.gone[0]);
    cr_assert(q.gone[1]);
    cr_assert_eq(gr_hub_here()->n_fd_waits, 0);
}

Test(fdwait, impossible_number_is_skipped)
{
    struct poll2 q = {.fd = {-1, INT32_MAX}, .deadline = gr_now() + MS(1)};
    join(spawn(poll_two, &q));
    cr_assert_eq(q.rc, -ETIMEDOUT);
}

/* --- who is held up --- */

static void *count_held_up(void *arg)
{
    *(unsigned *)arg = gr_fd_held_up();
    return arg;
}

/* As the watchdog sees it: from another kernel thread, while the carrier stands still. */
static unsigned held_up(void)
{
    unsigned n = 0;
    if (gr_peek(&n, &n, sizeof(n)) == -ENOSYS) {
        cr_skip_test("process_vm_readv is missing here");
    }
    cr_assert_eq(pthread_join(foreign(count_held_up, &n), NULL), 0);
    return n;
}

Test(fdwait, greens_whose_descriptor_is_ready_are_held_up)
{
    struct reader r = {.fd = p[0]};
    struct green *g = spawn(read_one, &r);
    (void)gr_sleep_until(gr_now() + MS(1), 0);
    cr_assert_eq(held_up(), 0);
    write_all(p[1], "x");
    cr_assert_eq(held_up(), 1);
    join(g);
    write_all(p[1], "x");
    cr_assert_eq(held_up(), 0, "nobody waits any more");
}

Test(fdwait, greens_that_wait_for_the_other_direction_are_not_held_up)
{
    int s[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
    struct reader r = {.fd = s[0]};
    struct green *g = spawn(read_one, &r);
    (void)gr_sleep_until(gr_now() + MS(1), 0);
    cr_assert_eq(held_up(), 0, "it could write, but wants to read");
    write_all(s[1], "x");
    cr_assert_eq(held_up(), 1);
    join(g);
}

Test(fdwait, many_held_up_are_counted)
{
    enum { N = 150 };
    static struct reader r[N];
    static int pipes[N][2];
    struct green *g[N];
    for (int i = 0; i < N; i++) {
        cr_assert_eq(pipe2(pipes[i], O_NONBLOCK), 0);
        r[i].fd = pipes[i][0];
        g[i] = spawn(read_one, &r[i]);
    }
    (void)gr_sleep_until(gr_now() + MS(1), 0);
    for (int i = 0; i < N; i += 2) {
        write_all(pipes[i][1], "x");
    }
    cr_assert_eq(held_up(), N / 2);
    for (int i = 1; i < N; i += 2) {
        write_all(pipes[i][1], "x");
    }
    for (int i = 0; i < N; i++) {
        join(g[i]);
    }
}
