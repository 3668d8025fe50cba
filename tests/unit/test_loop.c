/* The event loop. */
#include "runtime/loop/loop.h"

#include "runtime/base/clock.h"

#include "child.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static struct gr_loop *loop;
static struct gr_loop_fd watch;
static int p[2];
static unsigned got;
static int n_events;

#define MS(n) ((int64_t)(n)*1000000)

static void on_event(struct gr_loop_fd *w, unsigned events)
{
    cr_assert_eq(w, &watch);
    got |= events;
    n_events++;
}

static void setup(void)
{
    int err = 0;
    cr_assert_eq(pipe2(p, O_NONBLOCK), 0);
    loop = gr_loop_new(on_event, &err);
    cr_assert_not_null(loop, "%s", strerror(err));
}

TestSuite(loop, .init = setup, .timeout = 60);

static void arm(int fd)
{
    cr_assert_eq(gr_loop_fd_init(loop, &watch), 0);
    cr_assert_eq(gr_loop_arm(loop, &watch, fd), 0);
}

/* Events of one turn that does not block. */
static unsigned turn(void)
{
    got = 0;
    n_events = 0;
    gr_loop_run(loop, 0);
    return got;
}

static void put(int fd)
{
    cr_assert_eq(write(fd, "x", 1), 1);
}

/* --- turns --- */

Test(loop, turn_without_deadline_does_not_block)
{
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(turn(), 0);
    }
}

Test(loop, turn_blocks_until_its_deadline)
{
    for (int i = 0; i < 20; i++) {
        int64_t deadline = gr_now() + MS(i % 4);
        int turns = 0;
        while (gr_now() < deadline) {
            gr_loop_run(loop, deadline);
            turns++;
        }
        cr_assert_leq(turns, 20, "it span instead of blocking");
    }
}

Test(loop, nearer_deadline_than_the_last_one_is_kept)
{
    arm(p[0]);
    put(p[1]);
    gr_loop_run(loop, gr_now() + 100 * GR_NSEC); /* ends by the event */
    cr_assert(got & GR_LOOP_IN);
    int64_t deadline = gr_now() + MS(5);
    while (gr_now() < deadline) {
        gr_loop_run(loop, deadline);
    }
}

Test(loop, deadline_in_the_past_does_not_block)
{
    gr_loop_run(loop, 1);
    gr_loop_run(loop, gr_now() - GR_NSEC);
}

/* --- wakes --- */

Test(loop, wake_before_a_turn_is_not_lost)
{
    for (int i = 0; i < 1000; i++) {
        gr_loop_wake(loop);
        gr_loop_run(loop, GR_FOREVER);
    }
}

Test(loop, many_wakes_are_as_one)
{
    for (int i = 0; i < 1000; i++) {
        gr_loop_wake(loop);
    }
    gr_loop_run(loop, GR_FOREVER);
    int64_t deadline = gr_now() + MS(5);
    int turns = 0;
    while (gr_now() < deadline) {
        gr_loop_run(loop, deadline);
        turns++;
    }
    cr_assert_leq(turns, 10, "old wakes still end its turns");
}

static void *wake_late(void *arg)
{
    usleep(20000);
    gr_loop_wake(arg);
    return NULL;
}

Test(loop, wake_of_another_thread_ends_a_turn)
{
    pthread_t t;
    cr_assert_eq(pthread_create(&t, NULL, wake_late, loop), 0);
    gr_loop_run(loop, GR_FOREVER);
    pthread_join(t, NULL);
}

static void wake_in_handler(int sig)
{
    (void)sig;
    gr_loop_wake(loop);
}

Test(loop, wake_in_a_signal_handler_ends_a_turn)
{
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec soon = {.it_value = {.tv_nsec = 20000000}};
    timer_t t;
    signal(SIGUSR1, wake_in_handler);
    cr_assert_eq(timer_create(CLOCK_MONOTONIC, &ev, &t), 0);
    cr_assert_eq(timer_settime(t, 0, &soon, NULL), 0);
    gr_loop_run(loop, GR_FOREVER);
}

/* --- descriptors --- */

Test(loop, state_at_arming_is_reported)
{
    put(p[1]);
    arm(p[0]);
    cr_assert_eq(turn() & (GR_LOOP_IN | GR_LOOP_HUP | GR_LOOP_ERR), GR_LOOP_IN);
    cr_assert_eq(n_events, 1);
}

Test(loop, nothing_to_report_is_not_reported)
{
    arm(p[0]);
    cr_assert_eq(turn() & GR_LOOP_IN, 0);
}

Test(loop, change_is_reported_once)
{
    arm(p[0]);
    (void)turn();
    for (int i = 0; i < 10; i++) {
        put(p[1]);
        cr_assert(turn() & GR_LOOP_IN);
        cr_assert_eq(turn(), 0, "edge-triggered: the pipe is still full");
    }
}

Test(loop, room_is_reported)
{
    char block[4096] = "";
    arm(p[1]);
    cr_assert(turn() & GR_LOOP_OUT);
    while (write(p[1], block, sizeof(block)) > 0) {
    }
    cr_assert_eq(turn() & GR_LOOP_OUT, 0);
    while (read(p[0], block, sizeof(block)) > 0) {
    }
    cr_assert(turn() & GR_LOOP_OUT);
}

Test(loop, hang_up_is_reported_as_such)
{
    arm(p[0]);
    (void)turn();
    close(p[1]);
    cr_assert_eq(turn() & (GR_LOOP_IN | GR_LOOP_HUP), GR_LOOP_IN | GR_LOOP_HUP);
}

Test(loop, half_close_is_reported_as_hang_up)
{
    int s[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    arm(s[0]);
    (void)turn();
    cr_assert_eq(shutdown(s[1], SHUT_WR), 0);
    cr_assert_eq(turn() & (GR_LOOP_IN | GR_LOOP_HUP), GR_LOOP_IN | GR_LOOP_HUP);
}

Test(loop, reader_that_is_gone_reaches_the_writer)
{
    arm(p[1]);
    (void)turn();
    close(p[0]);
    cr_assert(turn() & GR_LOOP_OUT);
}

Test(loop, disarmed_descriptor_is_not_reported)
{
    arm(p[0]);
    (void)turn();
    put(p[1]);
    gr_loop_disarm(&watch);
    cr_assert_eq(turn(), 0);
}

Test(loop, handle_may_be_armed_again_for_another_file_of_the_number)
{
    arm(p[0]);
    for (int i = 0; i < 50; i++) {
        (void)turn();
        put(p[1]);
        cr_assert(turn() & GR_LOOP_IN);
        gr_loop_disarm(&watch);
        close(p[0]);
        close(p[1]);
        cr_assert_eq(pipe2(p, O_NONBLOCK), 0);
        cr_assert_eq(gr_loop_arm(loop, &watch, p[0]), 0);
    }
}

Test(loop, arming_touches_no_flags_of_the_file)
{
    int q[2];
    cr_assert_eq(pipe(q), 0);
    arm(q[0]);
    (void)turn();
    cr_assert_eq(fcntl(q[0], F_GETFL) & O_NONBLOCK, 0);
    cr_assert_eq(fcntl(q[0], F_GETFD), 0);
}

Test(loop, what_cannot_be_watched_is_refused)
{
    int fd = open("/proc/self/exe", O_RDONLY);
    cr_assert_eq(gr_loop_fd_init(loop, &watch), 0);
    cr_assert_eq(gr_loop_arm(loop, &watch, fd), -EPERM);
    close(fd);
    cr_assert_eq(gr_loop_arm(loop, &watch, fd), -EBADF);
    cr_assert_eq(turn(), 0, "and the loop goes on");
    cr_assert_eq(gr_loop_arm(loop, &watch, p[0]), 0);
    put(p[1]);
    cr_assert(turn() & GR_LOOP_IN);
}

/* --- its own descriptors --- */

Test(loop, own_descriptors_are_high_and_known)
{
    int n = 0;
    for (int fd = 0; fd < 4096; fd++) {
        if (gr_loop_owns_fd(fd)) {
            cr_assert_geq(fd, 1000);
            cr_assert_geq(fcntl(fd, F_GETFD), 0, "%d is not open", fd);
            cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC, "%d survives exec", fd);
            n++;
        }
    }
    cr_assert_geq(n, 4);
    cr_assert(!gr_loop_owns_fd(p[0]));
    cr_assert(!gr_loop_owns_fd(-1));
    cr_assert(!gr_loop_owns_fd(1 << 20));
}

Test(loop, low_numbers_are_left_to_the_program)
{
    int lowest[10];
    int err;
    for (int i = 0; i < 10; i++) {
        lowest[i] = dup(p[0]);
    }
    for (int i = 0; i < 10; i++) {
        close(lowest[i]);
    }
    cr_assert_not_null(gr_loop_new(on_event, &err));
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(dup(p[0]), lowest[i]);
    }
}

Test(loop, descriptors_of_the_program_in_the_high_range_are_its_own)
{
    int fd = -1;
    for (int i = 0; i < 20; i++) {
        fd = fcntl(p[0], F_DUPFD, 1000 + i);
        cr_assert(!gr_loop_owns_fd(fd));
        close(fd);
    }
}

static void make_with_few_fds(void *arg)
{
    struct rlimit few = {64, 64};
    int err = 0;
    (void)arg;
    setrlimit(RLIMIT_NOFILE, &few);
    loop = gr_loop_new(on_event, &err);
    if (!loop || dup(p[0]) > 20) {
        _exit(1);
    }
    arm(p[0]);
    put(p[1]);
    _exit(turn() & GR_LOOP_IN ? 0 : 2);
}

Test(loop, works_below_a_small_limit_on_descriptors)
{
    cr_assert_eq(in_child(make_with_few_fds, NULL), 0);
}

static void make_with_none(void *arg)
{
    struct rlimit none = {3, 3};
    int err = 0;
    (void)arg;
    setrlimit(RLIMIT_NOFILE, &none);
    loop = gr_loop_new(on_event, &err);
    _exit(!loop && err == EMFILE ? 0 : 1);
}

Test(loop, is_refused_without_descriptors)
{
    cr_assert_eq(in_child(make_with_none, NULL), 0);
}

/* --- fork --- */

static void abandon(void *arg)
{
    int err;
    (void)arg;
    gr_loop_abandon(loop);
    loop = gr_loop_new(on_event, &err);
    arm(p[0]);
    put(p[1]);
    _exit(turn() & GR_LOOP_IN ? 0 : 1);
}

Test(loop, child_abandons_it_without_touching_the_parents)
{
    arm(p[0]);
    (void)turn();
    cr_assert_eq(in_child(abandon, NULL), 0);
    char c;
    cr_assert_eq(read(p[0], &c, 1), 1, "written by the child");
    (void)turn();
    put(p[1]);
    cr_assert(turn() & GR_LOOP_IN, "still watched");
    gr_loop_wake(loop);
    gr_loop_run(loop, GR_FOREVER);
}

/* --- jobs --- */

static struct gr_job jobs[40];
static long ran_on[40];
static int n_done;

static void run(struct gr_job *job)
{
    ran_on[job - jobs] = syscall(SYS_gettid);
}

static void done(struct gr_job *job)
{
    cr_assert_neq(ran_on[job - jobs], 0);
    cr_assert_eq(syscall(SYS_gettid), getpid(), "told on the loop's own thread");
    n_done++;
}

Test(loop, jobs_run_elsewhere_and_are_reported_here)
{
    for (int i = 0; i < 40; i++) {
        jobs[i].run = run;
        jobs[i].done = done;
        cr_assert_eq(gr_loop_submit(loop, &jobs[i]), 0);
    }
    while (n_done < 40) {
        gr_loop_run(loop, GR_FOREVER);
    }
    for (int i = 0; i < 40; i++) {
        cr_assert_neq(ran_on[i], getpid());
    }
}
