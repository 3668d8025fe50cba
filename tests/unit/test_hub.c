/* The scheduler. */
#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"

#include "sync.h"

#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/syscall.h>

TestSuite(hub, .init = start, .timeout = 60);

static int order[256];
static int n_order;
static bool stop;

static void note(int what)
{
    order[n_order++] = what;
}

static void *note_and_yield(void *arg)
{
    for (int i = 0; i < 5; i++) {
        note((int)(intptr_t)arg);
        gr_yield();
    }
    return NULL;
}

/* --- turns --- */

Test(hub, greens_start_in_the_order_they_were_started)
{
    struct green *g[10];
    for (intptr_t i = 0; i < 10; i++) {
        g[i] = spawn(note_and_yield, (void *)i);
    }
    gr_yield();
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(order[i], i);
    }
    for (int i = 0; i < 10; i++) {
        join(g[i]);
    }
}

Test(hub, yield_gives_everybody_one_turn)
{
    struct green *g[4];
    for (intptr_t i = 0; i < 4; i++) {
        g[i] = spawn(note_and_yield, (void *)i);
    }
    for (int round = 0; round < 5; round++) {
        gr_yield();
        cr_assert_eq(n_order, 4 * (round + 1));
    }
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(order[i], i % 4);
    }
    for (int i = 0; i < 4; i++) {
        join(g[i]);
    }
}

Test(hub, yield_alone_returns)
{
    for (int i = 0; i < 1000; i++) {
        gr_yield();
    }
}

static void *yield_until_stopped(void *arg)
{
    while (!stop) {
        gr_yield();
    }
    return arg;
}

static void *sleep_and_stop(void *arg)
{
    cr_assert_eq(gr_sleep_until(gr_now() + MS(10), 0), 0);
    stop = true;
    return arg;
}

Test(hub, timers_are_served_while_others_are_always_ready)
{
    struct green *busy[] = {spawn(yield_until_stopped, NULL), spawn(yield_until_stopped, NULL)};
    join(spawn(sleep_and_stop, NULL));
    join(busy[0]);
    join(busy[1]);
}

static void *wait_for_pipe_and_stop(void *arg)
{
    struct gr_fd *f = gr_fd_get(*(int *)arg);
    gr_fd_drained(f, GR_IN);
    cr_assert_eq(gr_fd_wait(&f, GR_IN, GR_FOREVER, 0), 0);
    stop = true;
    return NULL;
}

static void *write_late(void *arg)
{
    usleep(10000);
    (void)!write(*(int *)arg, "x", 1);
    return NULL;
}

Test(hub, descriptors_are_served_while_others_are_always_ready)
{
    int p[2];
    cr_assert_eq(pipe2(p, O_NONBLOCK), 0);
    struct green *busy = spawn(yield_until_stopped, NULL);
    struct green *g = spawn(wait_for_pipe_and_stop, &p[0]);
    pthread_t t = foreign(write_late, &p[1]);
    join(g);
    join(busy);
    join_foreign(t);
}

static void *charge_until_stopped(void *arg)
{
    while (!stop) {
        gr_hub_charge();
    }
    return arg;
}

Test(hub, successes_without_a_wait_are_charged_for)
{
    struct green *greedy = spawn(charge_until_stopped, NULL);
    struct green *other = spawn(sleep_and_stop, NULL);
    join(greedy);
    join(other);
}

Test(hub, charge_switches_only_now_and_then)
{
    struct green *g = spawn(note_and_yield, NULL);
    gr_yield();
    int before = n_order;
    for (int i = 0; i < 4; i++) {
        gr_hub_charge();
    }
    cr_assert_leq(n_order, before + 1);
    for (int i = 0; i < 100; i++) {
        gr_hub_charge();
    }
    cr_assert_gt(n_order, before);
    join(g);
}

/* --- quiet --- */

static void *wait_forever(void *arg)
{
    gr_waiter_init(arg, NULL);
    (void)gr_park(arg, GR_FOREVER, 0, GR_WHY_SLEEP);
    return NULL;
}

static void *wait_a_second(void *arg)
{
    gr_waiter_init(arg, NULL);
    (void)gr_park(arg, gr_now() + GR_NSEC, 0, GR_WHY_SLEEP);
    return NULL;
}

/* No kernel threads but ours, whatever the test's environment has. */
static void alone(void)
{
    gr_hub_here()->no_native = false;
}

Test(hub, alone_is_quiet)
{
    alone();
    cr_assert(gr_hub_quiet());
}

Test(hub, ready_green_is_not_quiet)
{
    alone();
    struct green *g = spawn(note_and_yield, NULL);
    cr_assert(!gr_hub_quiet());
    join(g);
    cr_assert(gr_hub_quiet());
}

Test(hub, green_that_only_another_can_wake_is_quiet)
{
    struct gr_waiter w;
    alone();
    struct green *g = spawn(wait_forever, &w);
    settle();
    cr_assert(gr_hub_quiet());
    gr_wake(&w);
    cr_assert(!gr_hub_quiet());
    join(g);
}

Test(hub, deadline_is_not_quiet)
{
    struct gr_waiter w;
    alone();
    struct green *g = spawn(wait_a_second, &w);
    settle();
    cr_assert(!gr_hub_quiet());
    gr_wake(&w);
    join(g);
    cr_assert(gr_hub_quiet());
}

Test(hub, wait_for_a_descriptor_is_not_quiet)
{
    int p[2];
    alone();
    cr_assert_eq(pipe2(p, O_NONBLOCK), 0);
    struct green *g = spawn(wait_for_pipe_and_stop, &p[0]);
    settle();
    cr_assert(!gr_hub_quiet());
    cr_assert_eq(write(p[1], "x", 1), 1);
    join(g);
    cr_assert(gr_hub_quiet());
}

Test(hub, announced_kernel_thread_is_not_quiet)
{
    alone();
    gr_hub_foreign();
    cr_assert(!gr_hub_quiet());
}

static void *note_hub(void *arg)
{
    *(struct gr_hub **)arg = gr_hub_here();
    return NULL;
}

Test(hub, kernel_threads_are_on_no_hub)
{
    struct gr_hub *h = gr_hub_here();
    struct gr_hub *inside = NULL;
    cr_assert_not_null(h);
    join(spawn(note_hub, &inside));
    cr_assert_eq(inside, h);
    join_foreign(foreign(note_hub, &inside));
    cr_assert_null(inside);
}

/* --- work for other kernel threads --- */

struct work {
    int in;
    int out;
    int fail_with;
    long tid;
    sigset_t mask;
};

static void do_work(void *arg)
{
    struct work *w = arg;
    w->out = w->in * 2;
    w->tid = syscall(SYS_gettid);
    pthread_sigmask(SIG_BLOCK, NULL, &w->mask);
    if (w->fail_with) {
        errno = w->fail_with;
        h_errno = TRY_AGAIN;
    }
}

Test(hub, offloaded_work_runs_in_another_kernel_thread)
{
    struct work w = {.in = 21};
    gr_offload(do_work, &w);
    cr_assert_eq(w.out, 42);
    cr_assert_neq(w.tid, syscall(SYS_gettid));
}

Test(hub, offloaded_work_brings_back_errno)
{
    struct work w = {.fail_with = ENOTCONN};
    errno = 0;
    h_errno = 0;
    gr_offload(do_work, &w);
    cr_assert_eq(errno, ENOTCONN);
    cr_assert_eq(h_errno, TRY_AGAIN);
}

Test(hub, offloaded_work_that_leaves_errno_alone_does_so)
{
    struct work w = {0};
    errno = EDOM;
    gr_offload(do_work, &w);
    cr_assert_eq(errno, EDOM);
}

Test(hub, offloaded_work_takes_no_signals)
{
    struct work w = {0};
    sigset_t mine;
    gr_offload(do_work, &w);
    cr_assert(sigismember(&w.mask, SIGINT));
    cr_assert(sigismember(&w.mask, SIGALRM));
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    cr_assert(!sigismember(&mine, SIGALRM), "ours are as before");
}

static void take_long(void *arg)
{
    int fd = *(int *)arg;
    char c;
    (void)!read(fd, &c, 1);
}

static void *offload_read(void *arg)
{
    gr_offload(take_long, arg);
    note(1);
    return NULL;
}

Test(hub, others_go_on_while_work_is_done_elsewhere)
{
    int p[2];
    cr_assert_eq(pipe(p), 0);
    struct green *g = spawn(offload_read, &p[0]);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(gr_sleep_until(gr_now() + MS(1), 0), 0);
    }
    cr_assert_eq(n_order, 0);
    cr_assert(!gr_hub_quiet());
    cr_assert_eq(write(p[1], "x", 1), 1);
    join(g);
    cr_assert_eq(n_order, 1);
}

static void *offload_sum(void *arg)
{
    for (int i = 0; i < 20; i++) {
        struct work w = {.in = (int)(intptr_t)arg + i};
        gr_offload(do_work, &w);
        cr_assert_eq(w.out, 2 * w.in);
    }
    return arg;
}

Test(hub, more_work_than_workers_is_all_done)
{
    struct green *g[50];
    for (intptr_t i = 0; i < 50; i++) {
        g[i] = spawn(offload_sum, (void *)i);
    }
    for (intptr_t i = 0; i < 50; i++) {
        cr_assert_eq((intptr_t)join(g[i]), i);
    }
    cr_assert_eq(gr_hub_here()->n_jobs, 0);
}

/* --- counters --- */

Test(hub, counts_what_it_does)
{
    struct gr_hub *h = gr_hub_here();
    struct gr_waiter w;
    uint64_t created = h->created;
    uint64_t sleeps = h->parks[GR_WHY_SLEEP];
    struct green *g = spawn(wait_forever, &w);
    settle();
    cr_assert_eq(h->created, created + 1);
    cr_assert_eq(h->n_greens, 2);
    cr_assert_eq(h->n_peak, 2);
    cr_assert_eq(h->parks[GR_WHY_SLEEP], sleeps + 1);
    gr_wake(&w);
    join(g);
    cr_assert_eq(h->n_greens, 1);
    cr_assert_gt(h->switches, 0);
}

/* --- who is held up --- */

struct held_up {
    const struct gr_hub *hub;
    unsigned n;
};

static void *count_held_up(void *arg)
{
    struct held_up *q = arg;
    q->n = gr_hub_held_up(q->hub);
    return arg;
}

/* As the watchdog sees it: from another kernel thread, while the carrier stands still. */
static unsigned held_up(void)
{
    struct held_up q = {.hub = gr_hub_here()};
    if (gr_peek(&q.n, &q.n, sizeof(q.n)) == -ENOSYS) {
        cr_skip_test("process_vm_readv is missing here");
    }
    cr_assert_eq(pthread_join(foreign(count_held_up, &q), NULL), 0);
    return q.n;
}

static void *sleep_until(void *arg)
{
    (void)gr_sleep_until(*(int64_t *)arg, 0);
    return NULL;
}

Test(hub, nobody_is_held_up_by_waits)
{
    int64_t at = GR_FOREVER - 1;
    struct green *g = spawn(sleep_until, &at);
    struct green *soon = spawn(sleep_until, &(int64_t){gr_now() + MS(1)});
    gr_yield();
    join(soon);
    cr_assert_eq(held_up(), 0);
    cr_assert_eq(g->state, GR_PARKED);
}

Test(hub, ready_greens_are_held_up)
{
    struct green *g[70];
    for (int i = 0; i < 70; i++) {
        g[i] = spawn(yield_until_stopped, NULL);
    }
    cr_assert_eq(held_up(), 70);
    gr_yield();
    cr_assert_eq(held_up(), 70, "after a turn");
    stop = true;
    for (int i = 0; i < 70; i++) {
        join(g[i]);
    }
}

Test(hub, greens_whose_time_has_come_are_held_up)
{
    struct green *g[100];
    int64_t at = gr_now() + MS(20);
    for (int i = 0; i < 100; i++) {
        g[i] = spawn(sleep_until, &at);
    }
    gr_yield();
    while (gr_now() < at) {
    }
    cr_assert_eq(held_up(), 100);
    for (int i = 0; i < 100; i++) {
        join(g[i]);
    }
}

static void *wake_one(void *arg)
{
    gr_wake(arg);
    return NULL;
}

static void *park_self(void *arg)
{
    struct gr_waiter *w = arg;
    gr_waiter_init(w, NULL);
    return (void *)(intptr_t)gr_park(w, GR_FOREVER, 0, GR_WHY_NONE);
}

Test(hub, greens_woken_from_elsewhere_are_held_up)
{
    static struct gr_waiter w;
    struct green *g = spawn(park_self, &w);
    gr_yield();
    cr_assert_eq(held_up(), 0);
    cr_assert_eq(pthread_join(foreign(wake_one, &w), NULL), 0);
    cr_assert_eq(held_up(), 1);
    join(g);
}
