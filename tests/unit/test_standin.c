/* Kernel threads that block in a green's place. */
#include "runtime/core/nudge.h"
#include "runtime/core/standin.h"

#include "runtime/base/rawsys.h"
#include "runtime/core/signal.h"
#include "sync.h"

#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

TestSuite(standin, .init = start, .timeout = 60);

static int caught;

static void on_signal(int sig)
{
    (void)sig;
    caught++;
}

static void handle(int flags)
{
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = flags};
    cr_assert_eq(gr_sig_action(SIGUSR1, &act, NULL), 0);
    caught = 0;
}

/* A read that nobody's readiness is asked for: it blocks in the kernel. */
struct reading {
    int fd;
    char byte;
    long rc;
};

static long read_aside(struct reading *r, int64_t deadline, unsigned flags)
{
    struct gr_syscall c = {SYS_read, {r->fd, (long)&r->byte, 1}};
    return gr_standin_call(&c, deadline, flags);
}

static void *reader(void *arg)
{
    struct reading *r = arg;
    r->rc = read_aside(r, GR_FOREVER, GR_INTR);
    return NULL;
}

static void nap(int ms)
{
    cr_assert_eq(gr_sleep_until(gr_now() + MS(ms), 0), 0);
}

static int *open_pipe(void)
{
    static int p[2];
    cr_assert_eq(pipe(p), 0);
    return p;
}

struct seen {
    long tid;
    uint64_t mask;
};

static bool look_around(void *arg)
{
    struct seen *s = arg;
    s->tid = GR_SYS(SYS_gettid);
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &s->mask, sizeof(s->mask));
    errno = EXDEV;
    return true;
}

Test(standin, runs_in_another_kernel_thread_that_takes_none_of_the_programs_signals)
{
    struct seen s;
    errno = EDOM;
    cr_assert_eq(gr_standin_run(look_around, &s, GR_FOREVER, 0), 0);
    cr_assert_eq(errno, EDOM);
    cr_assert_neq(s.tid, syscall(SYS_gettid));
    uint64_t all = ~0ULL;
    uint64_t old;
    uint64_t can = 0; /* what can be blocked at all: an emulator keeps signals for itself */
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &old, &can, sizeof(all));
    for (int sig = 1; sig < 65; sig++) {
        bool libcs = sig == 32 || sig == 33;
        bool never = !(can & gr_sigbit(sig));
        cr_assert_eq((s.mask & gr_sigbit(sig)) != 0, !libcs && !never, "signal %d", sig);
    }
}

Test(standin, an_idle_one_is_used_again)
{
    struct seen first;
    struct seen s;
    (void)gr_standin_run(look_around, &first, GR_FOREVER, 0);
    for (int i = 0; i < 100; i++) {
        (void)gr_standin_run(look_around, &s, GR_FOREVER, 0);
        cr_assert_eq(s.tid, first.tid);
    }
    cr_assert_eq(gr_hub_here()->n_standins, 1);
    cr_assert_eq(gr_hub_here()->n_jobs, 0);
}

static int n_threads(void)
{
    char line[128];
    int n = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof(line), f)) {
        (void)sscanf(line, "Threads: %d", &n);
    }
    (void)fclose(f);
    return n;
}

Test(standin, idle_ones_end_after_a_while_and_new_ones_are_made)
{
    struct seen first;
    struct seen s;
    int before = n_threads();
    (void)gr_standin_run(look_around, &first, GR_FOREVER, 0);
    cr_assert_eq(n_threads(), before + 1);
    while (n_threads() > before) {
        nap(100);
    }
    (void)gr_standin_run(look_around, &s, GR_FOREVER, 0);
    cr_assert_neq(s.tid, first.tid);
    cr_assert_eq(gr_hub_here()->n_standins, 1);
}

Test(standin, brings_the_kernels_answer_while_others_go_on)
{
    int *p = open_pipe();
    struct reading r = {.fd = p[0]};
    struct green *g = spawn(reader, &r);
    for (int i = 0; i < 10; i++) {
        nap(1);
    }
    cr_assert(!gr_hub_quiet());
    cr_assert_eq(write(p[1], "x", 1), 1);
    join(g);
    cr_assert_eq(r.rc, 1);
    cr_assert_eq(r.byte, 'x');
    struct gr_syscall bad = {SYS_read, {-1}};
    cr_assert_eq(gr_standin_call(&bad, GR_FOREVER, 0), -EBADF);
}

#define MANY 200

Test(standin, any_number_of_calls_wait_at_once)
{
    static struct reading r[MANY];
    static int p[MANY][2];
    struct green *g[MANY];
    for (int i = 0; i < MANY; i++) {
        cr_assert_eq(pipe(p[i]), 0);
        r[i].fd = p[i][0];
        g[i] = spawn(reader, &r[i]);
    }
    while (gr_hub_here()->n_standins < MANY) {
        nap(1);
    }
    for (int i = MANY - 1; i >= 0; i--) { /* the last one first */
        cr_assert_eq(write(p[i][1], "x", 1), 1);
        join(g[i]);
        cr_assert_eq(r[i].rc, 1);
    }
    cr_assert_eq(gr_hub_here()->n_standins_peak, MANY);
    cr_assert_eq(gr_hub_here()->n_jobs, 0);
}

Test(standin, ends_at_its_deadline)
{
    struct reading r = {.fd = open_pipe()[0]};
    int64_t end = gr_now() + MS(20);
    cr_assert_eq(read_aside(&r, end, 0), -ETIMEDOUT);
    cr_assert_geq(gr_now(), end);
    cr_assert_eq(read_aside(&r, gr_now() - 1, 0), -ETIMEDOUT);
}

static void *interrupted_reader(void *arg)
{
    return (void *)read_aside(arg, GR_FOREVER, GR_SIGNAL);
}

static long interrupt(unsigned restart)
{
    struct reading r = {.fd = open_pipe()[0]};
    handle((int)restart);
    struct green *g = spawn(interrupted_reader, &r);
    nap(10);
    cr_assert_eq(gr_sig_send(g, SIGUSR1, NULL), 0);
    long rc = (long)join(g);
    cr_assert_eq(caught, 1);
    return rc;
}

Test(standin, a_handler_ends_the_call)
{
    cr_assert_eq(interrupt(0), -EINTR);
    cr_assert_eq(interrupt(SA_RESTART), -GR_ERESTART);
}

static void *held_reader(void *arg)
{
    struct reading *r = arg;
    r->rc = read_aside(r, GR_FOREVER, 0);
    return (void *)(intptr_t)caught;
}

Test(standin, a_call_that_signals_do_not_end_holds_handlers_back)
{
    int *p = open_pipe();
    struct reading r = {.fd = p[0]};
    handle(0);
    struct green *g = spawn(held_reader, &r);
    nap(10);
    cr_assert_eq(gr_sig_send(g, SIGUSR1, NULL), 0);
    nap(10);
    cr_assert_eq(caught, 0);
    cr_assert_eq(write(p[1], "x", 1), 1);
    cr_assert_eq((intptr_t)join(g), 1, "it runs before the call returns");
    cr_assert_eq(r.rc, 1);
}

static void cancel(struct green *g)
{
    atomic_store(&g->cancel_pending, true);
    gr_hub_remote(g->hub, g);
}

static void *cancelled_reader(void *arg)
{
    long rc = read_aside(arg, GR_FOREVER, GR_INTR);
    cr_assert_eq(read_aside(arg, GR_FOREVER, GR_CANCEL), -ECANCELED, "before it begins");
    return (void *)rc;
}

Test(standin, a_cancellation_ends_the_call)
{
    struct reading r = {.fd = open_pipe()[0]};
    struct green *g = spawn(cancelled_reader, &r);
    nap(10);
    cancel(g);
    cr_assert_eq((long)join(g), -ECANCELED);
}

static void *uncancelled_reader(void *arg)
{
    return (void *)read_aside(arg, gr_now() + MS(50), GR_SIGNAL);
}

Test(standin, a_cancellation_leaves_other_calls_alone)
{
    struct reading r = {.fd = open_pipe()[0]};
    struct green *g = spawn(uncancelled_reader, &r);
    nap(10);
    cancel(g);
    cr_assert_eq((long)join(g), -ETIMEDOUT);
}

/* Each byte is read by somebody or still in the pipe, whatever comes at the same moment. */
Test(standin, no_result_is_lost_to_a_signal)
{
    int *p = open_pipe();
    int n_read = 0;
    int n_cut = 0;
    for (int i = 0; i < 500; i++) {
        struct reading r = {.fd = p[0]};
        handle(0);
        struct green *g = spawn(reader, &r);
        for (int turns = i % 7; turns > 0; turns--) {
            gr_yield();
        }
        cr_assert_eq(write(p[1], "x", 1), 1);
        if (i % 3) {
            (void)GR_SYS(SYS_nanosleep, &(struct timespec){.tv_nsec = i * 100 % 50000}, NULL);
        }
        (void)gr_sig_send(g, SIGUSR1, NULL);
        join(g);
        cr_assert_eq(caught, 1);
        cr_assert(r.rc == 1 || r.rc == -EINTR, "%ld", r.rc);
        n_read += r.rc == 1;
        if (r.rc == -EINTR) {
            n_cut++;
            cr_assert_eq(read(p[0], &r.byte, 1), 1);
        }
    }
    cr_assert_eq(n_read + n_cut, 500);
}

/* A signal that is for nobody's call, such as libc's for setuid(), does not end it. */
Test(standin, a_stray_signal_does_not_end_the_call)
{
    int *p = open_pipe();
    struct reading r = {.fd = p[0]};
    struct seen s;
    (void)gr_standin_run(look_around, &s, GR_FOREVER, 0);
    struct green *g = spawn(reader, &r);
    for (int i = 0; i < 20; i++) {
        nap(1);
        gr_nudge((int)s.tid);
    }
    cr_assert_eq(write(p[1], "x", 1), 1);
    join(g);
    cr_assert_eq(r.rc, 1);
}

Test(standin, cuts_off_with_libcs_handler_in_place)
{
    pthread_t t = foreign((void *(*)(void *))(void *)pause, NULL);
    cr_assert_eq(pthread_cancel(t), 0); /* installs it */
    join_foreign(t);
    cr_assert_eq(interrupt(0), -EINTR);
    t = foreign((void *(*)(void *))(void *)pause, NULL);
    nap(10);
    cr_assert_eq(pthread_cancel(t), 0);
    join_foreign(t);
}

Test(standin, a_forked_child_makes_its_own)
{
    struct seen s;
    if (gr_peek(&s, &s, sizeof(s)) == -ENOSYS) {
        cr_skip_test("an emulator, which dies of a fork with threads");
    }
    (void)gr_standin_run(look_around, &s, GR_FOREVER, 0);
    pid_t pid = fork();
    if (pid == 0) {
        gr_runtime_fork_child();
        long parents = s.tid;
        bool ok = gr_standin_run(look_around, &s, GR_FOREVER, 0) == 0 && s.tid != parents &&
                  s.tid != GR_SYS(SYS_gettid) && gr_hub_here()->n_standins == 1;
        _exit(ok ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
}

static void *sum(void *arg)
{
    struct seen s;
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(gr_standin_run(look_around, &s, GR_FOREVER, 0), 0);
    }
    return arg;
}

Test(standin, many_short_calls)
{
    struct green *g[50];
    for (intptr_t i = 0; i < 50; i++) {
        g[i] = spawn(sum, (void *)i);
    }
    for (intptr_t i = 0; i < 50; i++) {
        cr_assert_eq((intptr_t)join(g[i]), i);
    }
    cr_assert_eq(gr_hub_here()->n_jobs, 0);
    cr_assert_leq(gr_hub_here()->n_standins, 50);
}

static bool use_stack(void *arg)
{
    volatile char big[1 << 20];
    for (size_t i = 0; i < sizeof(big); i += 4096) {
        big[i] = 1;
    }
    *(pid_t *)arg = (pid_t)GR_SYS(SYS_gettid) * big[4096];
    return true;
}

static bool note_tid(void *arg)
{
    *(pid_t *)arg = (pid_t)GR_SYS(SYS_gettid);
    return true;
}

Test(standin, deep_calls_have_a_whole_stack)
{
    pid_t small = 0;
    pid_t deep = 0;
    pid_t again = 0;
    cr_assert_eq(gr_standin_run(note_tid, &small, GR_FOREVER, 0), 0);
    nap(5); /* it is idle, but too small */
    cr_assert_eq(gr_standin_run(use_stack, &deep, GR_FOREVER, GR_DEEP), 0);
    cr_assert_neq(deep, small);
    nap(5);
    cr_assert_eq(gr_standin_run(use_stack, &again, GR_FOREVER, GR_DEEP), 0);
    cr_assert_eq(again, deep);
}
