/* Signals of a process whose threads are greens. */
#include "runtime/core/signal.h"

#include "sync.h"

#include "runtime/core/fdwait.h"
#include "runtime/core/lot.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

TestSuite(signal, .init = start, .timeout = 60);

#define BIT(sig) gr_sigbit(sig)

static struct green *ran_on[256]; /* by which green each handler was run */
static int ran_sig[256];
static int ran_value[256];
static volatile sig_atomic_t n_ran;
static uint64_t mask_inside;

static void note(int sig, siginfo_t *info, void *uc)
{
    (void)uc;
    ran_on[n_ran] = gr_self;
    ran_sig[n_ran] = sig;
    ran_value[n_ran] = info->si_value.sival_int;
    n_ran++;
    (void)gr_sig_mask(SIG_BLOCK, NULL, &mask_inside);
}

static void handle_with(int sig, void (*fn)(int, siginfo_t *, void *), int flags, uint64_t mask)
{
    struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};
    memcpy(&sa.sa_mask, &mask, sizeof(mask));
    cr_assert_eq(gr_sig_action(sig, &sa, NULL), 0);
}

static void handle(int sig, int flags)
{
    handle_with(sig, note, flags, 0);
}

static void block(uint64_t set)
{
    cr_assert_eq(gr_sig_mask(SIG_BLOCK, &set, NULL), 0);
}

static void unblock(uint64_t set)
{
    cr_assert_eq(gr_sig_mask(SIG_UNBLOCK, &set, NULL), 0);
}

static uint64_t my_mask(void)
{
    uint64_t mask;
    cr_assert_eq(gr_sig_mask(SIG_BLOCK, NULL, &mask), 0);
    return mask;
}

static void to_process(int sig)
{
    cr_assert_eq(kill(getpid(), sig), 0);
}

static void direct(struct green *g, int sig)
{
    cr_assert_eq(gr_sig_send(g, sig, NULL), 0);
}

/* A green that waits until it is woken by gr_wake(&gate) or a signal. */
static struct gr_waiter gate;

static void *wait_interruptibly(void *arg)
{
    gr_waiter_init(&gate, NULL);
    block((uint64_t)(uintptr_t)arg);
    int rc = gr_park(&gate, GR_FOREVER, GR_INTR, GR_WHY_SLEEP);
    return (void *)(intptr_t)(rc == -EINTR ? gr_sig_interrupted(gr_self) : rc);
}

static void *wait_stubbornly(void *arg)
{
    gr_waiter_init(&gate, NULL);
    block((uint64_t)(uintptr_t)arg);
    return (void *)(intptr_t)gr_park(&gate, GR_FOREVER, 0, GR_WHY_SLEEP);
}

static struct green *parked(void *(*fn)(void *), uint64_t blocked)
{
    struct green *g = spawn(fn, (void *)(uintptr_t)blocked);
    settle();
    return g;
}

/* --- masks --- */

static void *change_mask(void *arg)
{
    uint64_t all = ~0ULL;
    (void)arg;
    cr_assert_eq(gr_sig_mask(SIG_SETMASK, &all, NULL), 0);
    gr_yield();
    return (void *)(uintptr_t)my_mask();
}

Test(signal, mask_belongs_to_the_green)
{
    uint64_t mine = my_mask();
    struct green *g = spawn(change_mask, NULL);
    settle();
    cr_assert_eq(my_mask(), mine);
    uint64_t others = (uint64_t)(uintptr_t)join(g);
    cr_assert(others & BIT(SIGUSR1));
    cr_assert_eq(others & (BIT(SIGKILL) | BIT(SIGSTOP)), 0, "never blocked");
}

static void *note_mask(void *arg)
{
    (void)arg;
    return (void *)(uintptr_t)my_mask();
}

Test(signal, new_green_has_the_mask_of_its_maker)
{
    block(BIT(SIGUSR1));
    struct green *g = spawn(note_mask, NULL);
    unblock(BIT(SIGUSR1));
    cr_assert((uintptr_t)join(g) & BIT(SIGUSR1), "at the time it was made");
    g = spawn(note_mask, NULL);
    cr_assert_eq((uintptr_t)join(g) & BIT(SIGUSR1), 0);
}

Test(signal, mask_may_be_given_to_a_new_green)
{
    struct gr_green_attr attr = {.has_mask = true, .mask = BIT(SIGUSR2) | BIT(SIGHUP)};
    struct green *g;
    cr_assert_eq(gr_green_new(&attr, note_mask, NULL, &g), 0);
    gr_green_start(g);
    cr_assert_eq((uintptr_t)join(g), BIT(SIGUSR2) | BIT(SIGHUP));
}

Test(signal, mask_is_changed_as_told)
{
    uint64_t a = BIT(SIGUSR1) | BIT(SIGHUP);
    uint64_t b = BIT(SIGHUP) | BIT(SIGUSR2);
    uint64_t old;
    cr_assert_eq(gr_sig_mask(SIG_SETMASK, &a, NULL), 0);
    cr_assert_eq(gr_sig_mask(SIG_BLOCK, &b, &old), 0);
    cr_assert_eq(old, a);
    cr_assert_eq(my_mask(), a | b);
    cr_assert_eq(gr_sig_mask(SIG_UNBLOCK, &a, &old), 0);
    cr_assert_eq(old, a | b);
    cr_assert_eq(my_mask(), BIT(SIGUSR2));
    cr_assert_eq(gr_sig_mask(17, &a, NULL), -EINVAL);
    cr_assert_eq(gr_sig_mask(17, NULL, &old), 0, "what is done with no set does not matter");
}

/* --- signals directed at a green --- */

Test(signal, directed_one_runs_its_handler_on_that_green)
{
    handle(SIGUSR1, 0);
    struct green *g = parked(wait_interruptibly, 0);
    direct(g, SIGUSR1);
    cr_assert_eq(n_ran, 0, "not on another's stack");
    cr_assert_eq((intptr_t)join(g), -EINTR);
    cr_assert_eq(n_ran, 1);
    cr_assert_eq(ran_on[0], g);
}

Test(signal, handler_with_restart_asks_for_the_wait_to_go_on)
{
    handle(SIGUSR1, SA_RESTART);
    struct green *g = parked(wait_interruptibly, 0);
    direct(g, SIGUSR1);
    cr_assert_eq((intptr_t)join(g), -GR_ERESTART);
    cr_assert_eq(n_ran, 1);
}

Test(signal, of_several_the_lowest_decides_whether_a_wait_is_restarted)
{
    for (int i = 0; i < 4; i++) {
        handle(SIGUSR1, i & 1 ? SA_RESTART : 0);
        handle(SIGUSR2, i & 1 ? 0 : SA_RESTART);
        struct green *g = parked(wait_interruptibly, 0);
        direct(g, i & 2 ? SIGUSR1 : SIGUSR2);
        direct(g, i & 2 ? SIGUSR2 : SIGUSR1);
        cr_assert_eq((intptr_t)join(g), i & 1 ? -GR_ERESTART : -EINTR);
        cr_assert_eq(ran_sig[2 * i], SIGUSR2, "it interrupts the other handler");
        cr_assert_eq(ran_sig[2 * i + 1], SIGUSR1);
    }
    cr_assert_eq(n_ran, 8);
}

Test(signal, wait_that_cannot_be_interrupted_goes_on_after_the_handler)
{
    handle(SIGUSR1, 0);
    struct green *g = parked(wait_stubbornly, 0);
    direct(g, SIGUSR1);
    (void)gr_sleep_until(gr_now() + MS(1), 0);
    cr_assert_eq(n_ran, 1);
    cr_assert_eq(g->state, GR_PARKED);
    gr_wake(&gate);
    cr_assert_eq((intptr_t)join(g), 0);
}

Test(signal, wake_wins_over_a_signal)
{
    handle(SIGUSR1, 0);
    struct green *g = parked(wait_interruptibly, 0);
    direct(g, SIGUSR1);
    gr_wake(&gate);
    cr_assert_eq((intptr_t)join(g), 0);
    cr_assert_eq(n_ran, 1, "it must run before the green ends");
    cr_assert_eq(ran_on[0], g);
}

Test(signal, directed_at_oneself_runs_at_once)
{
    handle(SIGUSR1, 0);
    direct(gr_self, SIGUSR1);
    cr_assert_eq(n_ran, 1);
    cr_assert_eq(ran_on[0], gr_self);
}

Test(signal, raise_is_handled_by_who_raised_it)
{
    handle(SIGUSR1, 0);
    cr_assert_eq(raise(SIGUSR1), 0);
    cr_assert_eq(n_ran, 1);
    cr_assert_eq(ran_on[0], gr_self);
}

static void *raise_here(void *arg)
{
    raise((int)(intptr_t)arg);
    cr_assert_eq(n_ran, 1);
    cr_assert_eq(ran_on[0], gr_self);
    return NULL;
}

Test(signal, raise_on_a_green_is_not_mains)
{
    handle(SIGUSR1, 0);
    join(spawn(raise_here, (void *)SIGUSR1));
    cr_assert_eq(n_ran, 1);
}

static void *unblock_later(void *arg)
{
    block(BIT(SIGUSR1));
    gr_yield();
    cr_assert_eq(n_ran, 0);
    cr_assert(gr_sig_pending_set() & BIT(SIGUSR1));
    unblock(BIT(SIGUSR1));
    cr_assert_eq(n_ran, 1, "before it returns");
    cr_assert_eq(ran_on[0], gr_self);
    cr_assert_eq(gr_sig_pending_set() & BIT(SIGUSR1), 0);
    return arg;
}

Test(signal, directed_one_waits_until_its_green_unblocks_it)
{
    handle(SIGUSR1, 0);
    struct green *g = spawn(unblock_later, NULL);
    gr_yield();
    direct(g, SIGUSR1);
    cr_assert_eq(n_ran, 0);
    cr_assert_eq(gr_sig_pending_set() & BIT(SIGUSR1), 0, "not pending for us");
    join(g);
    cr_assert_eq(n_ran, 1);
}

static void *end_with_it_pending(void *arg)
{
    block(BIT(SIGUSR1));
    direct(gr_self, SIGUSR1);
    return arg;
}

static void *expect_none(void *arg)
{
    unblock(BIT(SIGUSR1));
    cr_assert_eq(gr_sig_pending_set(), 0);
    return arg;
}

Test(signal, directed_one_dies_with_its_green)
{
    handle(SIGUSR1, 0);
    struct green *first = spawn(end_with_it_pending, NULL);
    join(first);
    struct green *second = spawn(expect_none, NULL);
    cr_assert_eq(second, first, "not the green of before: this test shows nothing");
    join(second);
    cr_assert_eq(n_ran, 0);
}

Test(signal, ignored_one_disturbs_nobody)
{
    struct sigaction ign = {.sa_handler = SIG_IGN};
    cr_assert_eq(gr_sig_action(SIGUSR1, &ign, NULL), 0);
    struct green *g = parked(wait_interruptibly, 0);
    direct(g, SIGUSR1);
    to_process(SIGUSR1);
    settle();
    cr_assert_eq(g->state, GR_PARKED);
    gr_wake(&gate);
    cr_assert_eq((intptr_t)join(g), 0);
}

Test(signal, impossible_numbers_are_refused)
{
    struct sigaction sa = {.sa_handler = SIG_IGN};
    cr_assert_eq(gr_sig_send(gr_self, 0, NULL), 0, "a question");
    cr_assert_eq(gr_sig_send(gr_self, -1, NULL), -EINVAL);
    cr_assert_eq(gr_sig_send(gr_self, 65, NULL), -EINVAL);
    cr_assert_eq(gr_sig_action(0, &sa, NULL), -EINVAL);
    cr_assert_eq(gr_sig_action(65, &sa, NULL), -EINVAL);
    cr_assert_eq(gr_sig_action(SIGKILL, &sa, NULL), -EINVAL);
    cr_assert_eq(gr_sig_action(SIGSTOP, &sa, NULL), -EINVAL);
    cr_assert_eq(gr_sig_action(SIGKILL, NULL, &sa), 0);
    cr_assert_eq(sa.sa_handler, SIG_DFL);
}

/* --- signals to the process --- */

static void *signal_process(void *arg)
{
    to_process((int)(intptr_t)arg);
    cr_assert_eq(n_ran, 0, "main is preferred");
    return NULL;
}

Test(signal, process_signal_prefers_main)
{
    handle(SIGUSR1, 0);
    join(spawn(signal_process, (void *)SIGUSR1));
    cr_assert_eq(n_ran, 1);
    cr_assert_eq(ran_on[0], gr_self);
}

Test(signal, process_signal_goes_to_another_when_main_blocks_it)
{
    handle(SIGUSR1, 0);
    struct green *g = parked(wait_interruptibly, 0);
    block(BIT(SIGUSR1));
    to_process(SIGUSR1);
    cr_assert_eq((intptr_t)join(g), -EINTR);
    cr_assert_eq(n_ran, 1);
    cr_assert_eq(ran_on[0], g);
}

Test(signal, process_signal_waits_for_the_first_to_unblock_it)
{
    handle(SIGUSR1, 0);
    block(BIT(SIGUSR1));
    struct green *g = parked(wait_interruptibly, 0);
    to_process(SIGUSR1);
    settle();
    cr_assert_eq(n_ran, 0);
    cr_assert(gr_sig_pending_set() & BIT(SIGUSR1));
    unblock(BIT(SIGUSR1));
    cr_assert_eq(n_ran, 1);
    cr_assert_eq(ran_on[0], gr_self);
    cr_assert_eq(g->state, GR_PARKED);
    gr_wake(&gate);
    cr_assert_eq((intptr_t)join(g), 0);
}

/* Let SIGVTALRM be sent to the process in @us microseconds, and then every @interval. */
static timer_t ring_every(int us, int interval)
{
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM};
    struct itimerspec its = {.it_value = gr_ns_timespec(us * 1000),
                             .it_interval = gr_ns_timespec(interval * 1000)};
    timer_t t;
    cr_assert_eq(timer_create(CLOCK_MONOTONIC, &ev, &t), 0);
    cr_assert_eq(timer_settime(t, 0, &its, NULL), 0);
    return t;
}

static void ring(int ms)
{
    (void)ring_every(ms * 1000, 0);
}

Test(signal, process_signal_interrupts_main_in_a_sleeping_hub)
{
    handle(SIGVTALRM, 0);
    ring(20);
    cr_assert_eq(gr_sleep_until(GR_FOREVER, GR_INTR), -EINTR);
    cr_assert_eq(n_ran, 1);
}

Test(signal, process_signal_wakes_a_green_in_a_sleeping_hub)
{
    handle(SIGVTALRM, 0);
    block(BIT(SIGVTALRM));
    struct gr_green_attr attr = {.has_mask = true};
    struct green *g;
    cr_assert_eq(gr_green_new(&attr, wait_interruptibly, NULL, &g), 0);
    gr_green_start(g);
    settle();
    ring(20);
    cr_assert_eq((intptr_t)join(g), -EINTR);
    cr_assert_eq(ran_on[0], g);
}

/* --- handlers --- */

Test(signal, handler_waits_until_the_runtime_is_left)
{
    handle(SIGUSR1, 0);
    gr_enter(gr_self);
    gr_enter(gr_self);
    to_process(SIGUSR1);
    to_process(SIGUSR1);
    cr_assert_eq(n_ran, 0);
    gr_leave(gr_self);
    cr_assert_eq(n_ran, 0);
    gr_leave(gr_self);
    cr_assert_eq(n_ran, 1, "two of one kind are one");
}

Test(signal, handler_runs_with_its_own_signal_and_mask_blocked)
{
    uint64_t before = my_mask();
    handle_with(SIGUSR1, note, 0, BIT(SIGUSR2));
    to_process(SIGUSR1);
    cr_assert_eq(mask_inside, before | BIT(SIGUSR1) | BIT(SIGUSR2));
    cr_assert_eq(my_mask(), before);
    direct(gr_self, SIGUSR1);
    cr_assert_eq(mask_inside, before | BIT(SIGUSR1) | BIT(SIGUSR2));
    cr_assert_eq(my_mask(), before);
    handle(SIGUSR1, SA_NODEFER);
    to_process(SIGUSR1);
    cr_assert_eq(mask_inside, before);
    cr_assert_eq(n_ran, 3);
}

static void raise_other(int sig, siginfo_t *info, void *uc)
{
    if (sig == SIGUSR1) {
        raise(SIGUSR2);
    }
    note(sig, info, uc);
}

Test(signal, handlers_nest_unless_their_mask_forbids)
{
    handle_with(SIGUSR1, raise_other, 0, 0);
    handle_with(SIGUSR2, raise_other, 0, 0);
    raise(SIGUSR1);
    cr_assert_eq(n_ran, 2);
    cr_assert_eq(ran_sig[0], SIGUSR2);
    handle_with(SIGUSR1, raise_other, 0, BIT(SIGUSR2));
    raise(SIGUSR1);
    cr_assert_eq(n_ran, 4);
    cr_assert_eq(ran_sig[2], SIGUSR1);
    cr_assert_eq(ran_sig[3], SIGUSR2);
}

Test(signal, handler_may_be_reset_by_running)
{
    struct sigaction now;
    handle(SIGUSR1, SA_RESETHAND);
    direct(gr_self, SIGUSR1);
    cr_assert_eq(n_ran, 1);
    cr_assert_eq(gr_sig_action(SIGUSR1, NULL, &now), 0);
    cr_assert_eq(now.sa_handler, SIG_DFL);
}

Test(signal, action_is_given_back_as_it_was_set)
{
    struct sigaction old;
    struct sigaction ign = {.sa_handler = SIG_IGN};
    handle_with(SIGUSR1, note, SA_RESTART | SA_NODEFER, BIT(SIGHUP));
    cr_assert_eq(gr_sig_action(SIGUSR1, &ign, &old), 0);
    cr_assert_eq(old.sa_sigaction, note);
    cr_assert_eq(old.sa_flags, SA_SIGINFO | SA_RESTART | SA_NODEFER);
    cr_assert(sigismember(&old.sa_mask, SIGHUP));
    cr_assert(!sigismember(&old.sa_mask, SIGUSR2));
    cr_assert_eq(gr_sig_action(SIGUSR1, NULL, &old), 0);
    cr_assert_eq(old.sa_handler, SIG_IGN);
}

static void spoil_errno(int sig, siginfo_t *info, void *uc)
{
    note(sig, info, uc);
    errno = EPIPE;
}

Test(signal, handler_leaves_the_interrupted_errno_alone)
{
    handle_with(SIGUSR1, spoil_errno, 0, 0);
    errno = EDOM;
    to_process(SIGUSR1);
    cr_assert_eq(errno, EDOM);
    direct(gr_self, SIGUSR1);
    cr_assert_eq(errno, EDOM);
    cr_assert_eq(n_ran, 2);
}

static void sleep_inside(int sig, siginfo_t *info, void *uc)
{
    cr_assert_eq(gr_sleep_until(gr_now() + MS(5), 0), 0);
    note(sig, info, uc);
}

static void *count_up(void *arg)
{
    for (int i = 0; i < 3; i++) {
        ++*(int *)arg;
        (void)gr_sleep_until(gr_now() + MS(1), 0);
    }
    return NULL;
}

Test(signal, handler_may_wait_while_others_run)
{
    int n = 0;
    handle_with(SIGUSR1, sleep_inside, 0, 0);
    struct green *g = spawn(count_up, &n);
    to_process(SIGUSR1);
    cr_assert_eq(n_ran, 1);
    cr_assert_gt(n, 0);
    join(g);
}

static void wake_gate(int sig, siginfo_t *info, void *uc)
{
    note(sig, info, uc);
    gr_wake(&gate);
}

Test(signal, handler_may_wake_others)
{
    handle_with(SIGVTALRM, wake_gate, 0, 0);
    struct green *g = parked(wait_stubbornly, 0);
    ring(20);
    cr_assert_eq((intptr_t)join(g), 0);
    cr_assert_eq(n_ran, 1);
}

/* A green that waits in @fn and notes how many handlers have run when the wait is over. */
static int ran_at_return;
static uint32_t word;
static int ends[2];

static void *wait_for_futex(void *arg)
{
    (void)gr_futex_wait(&word, 0, GR_FUTEX_ALL, GR_FOREVER, GR_INTR, GR_WHY_FUTEX);
    ran_at_return = n_ran;
    return arg;
}

static void *wait_for_data(void *arg)
{
    struct gr_fd *f = gr_fd_get(ends[0]);
    gr_fd_drained(f, GR_IN);
    (void)gr_fd_wait(&f, GR_IN, GR_FOREVER, GR_INTR);
    ran_at_return = n_ran;
    return arg;
}

Test(signal, handler_that_is_due_runs_before_a_woken_wait_returns)
{
    handle(SIGUSR1, 0);
    struct green *g = parked(wait_for_futex, 0);
    direct(g, SIGUSR1);
    cr_assert_eq(gr_futex_wake(&word, 1, GR_FUTEX_ALL), 1);
    join(g);
    cr_assert_eq(ran_at_return, 1);
    cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
    g = parked(wait_for_data, 0);
    direct(g, SIGUSR1);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    join(g);
    cr_assert_eq(ran_at_return, 2);
}

/* --- queues --- */

static void send_value(int sig, int value)
{
    siginfo_t info = {.si_signo = sig, .si_code = SI_QUEUE};
    info.si_value.sival_int = value;
    cr_assert_eq(gr_sig_send(gr_self, sig, &info), 0);
}

Test(signal, standard_ones_do_not_queue)
{
    handle(SIGUSR1, 0);
    block(BIT(SIGUSR1));
    for (int i = 0; i < 5; i++) {
        direct(gr_self, SIGUSR1);
    }
    unblock(BIT(SIGUSR1));
    cr_assert_eq(n_ran, 1);
}

Test(signal, realtime_ones_queue_in_order_with_their_values)
{
    int sig = SIGRTMIN + 3;
    handle(sig, 0);
    block(BIT(sig));
    for (int i = 0; i < 50; i++) {
        send_value(sig, i);
    }
    unblock(BIT(sig));
    cr_assert_eq(n_ran, 50);
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(ran_value[i], i);
    }
}

/* --- waiting for signals --- */

static siginfo_t waited;

static void *sigwait_usr1(void *arg)
{
    int64_t deadline = arg ? gr_now() + MS((intptr_t)arg) : GR_FOREVER;
    block(BIT(SIGUSR1));
    int rc = gr_sig_wait(BIT(SIGUSR1), &waited, deadline);
    cr_assert(rc != -EAGAIN || gr_now() >= deadline, "too early");
    return (void *)(intptr_t)rc;
}

Test(signal, sigwait_takes_what_is_pending)
{
    handle(SIGUSR1, 0);
    block(BIT(SIGUSR1));
    direct(gr_self, SIGUSR1);
    cr_assert_eq(gr_sig_wait(BIT(SIGUSR1), &waited, 0), SIGUSR1);
    cr_assert_eq(waited.si_signo, SIGUSR1);
    cr_assert_eq(gr_sig_wait(BIT(SIGUSR1), NULL, 0), -EAGAIN, "once");
    unblock(BIT(SIGUSR1));
    cr_assert_eq(n_ran, 0);
}

Test(signal, sigwait_takes_a_directed_one)
{
    handle(SIGUSR1, 0);
    struct green *g = spawn(sigwait_usr1, NULL);
    settle();
    direct(g, SIGUSR1);
    cr_assert_eq((intptr_t)join(g), SIGUSR1);
    cr_assert_eq(waited.si_code, SI_TKILL);
    cr_assert_eq(n_ran, 0);
}

Test(signal, sigwait_takes_one_for_the_process_that_all_block)
{
    block(BIT(SIGUSR1));
    struct green *g = spawn(sigwait_usr1, NULL);
    settle();
    to_process(SIGUSR1);
    cr_assert_eq((intptr_t)join(g), SIGUSR1);
    cr_assert_eq(waited.si_pid, getpid());
    cr_assert_eq(gr_sig_pending_set() & BIT(SIGUSR1), 0);
}

Test(signal, sigwait_ends_at_its_deadline_and_not_before)
{
    cr_assert_eq((intptr_t)join(spawn(sigwait_usr1, (void *)10)), -EAGAIN);
}

Test(signal, sigwait_is_interrupted_by_another_handler)
{
    handle(SIGUSR2, 0);
    struct green *g = spawn(sigwait_usr1, NULL);
    settle();
    direct(g, SIGUSR2);
    cr_assert_eq((intptr_t)join(g), -EINTR);
    cr_assert_eq(n_ran, 1);
}

/* --- masks for the time of a wait --- */

Test(signal, mask_for_a_wait_lets_in_what_is_pending)
{
    handle(SIGUSR1, 0);
    block(BIT(SIGUSR1));
    direct(gr_self, SIGUSR1);
    uint64_t before = my_mask();
    uint64_t old = gr_sig_mask_swap(before & ~BIT(SIGUSR1));
    cr_assert_eq(gr_sleep_until(gr_now() + GR_NSEC, GR_INTR), -EINTR);
    gr_sig_mask_restore(old);
    cr_assert_eq(n_ran, 1);
    cr_assert_eq(my_mask(), before);
}

Test(signal, mask_for_a_wait_lets_in_a_process_signal_that_all_blocked)
{
    handle(SIGUSR1, 0);
    block(BIT(SIGUSR1));
    to_process(SIGUSR1);
    cr_assert_eq(n_ran, 0);
    uint64_t before = my_mask();
    uint64_t old = gr_sig_mask_swap(before & ~BIT(SIGUSR1));
    gr_sig_mask_restore(old);
    cr_assert_eq(n_ran, 1);
    cr_assert_eq(my_mask(), before);
}

/* --- calls that block the carrier --- */

static bool native_read(int fd, long *rc)
{
    static char c;
    gr_hub_here()->no_native = false; /* whatever the test's environment has */
    return gr_native(rc, SYS_read, fd, (long)&c, 1, 0, 0, 0);
}

Test(signal, native_call_is_made_only_when_nobody_else_can_run)
{
    int p[2];
    int n = 0;
    long rc;
    cr_assert_eq(pipe(p), 0);
    cr_assert_eq(write(p[1], "xy", 2), 2);
    cr_assert(native_read(p[0], &rc));
    cr_assert_eq(rc, 1);
    struct green *g = spawn(count_up, &n);
    cr_assert(!native_read(p[0], &rc));
    join(g);
    cr_assert(native_read(p[0], &rc));
    cr_assert_eq(rc, 1);
    cr_assert(native_read(-1, &rc));
    cr_assert_eq(rc, -EBADF);
}

Test(signal, native_call_is_interrupted_by_a_handler)
{
    int p[2];
    long rc = 0;
    cr_assert_eq(pipe(p), 0);
    handle(SIGVTALRM, 0);
    ring(20);
    cr_assert(native_read(p[0], &rc));
    cr_assert_eq(rc, -EINTR);
    cr_assert_eq(n_ran, 1);
}

Test(signal, native_call_is_left_when_a_signal_goes_to_another_green)
{
    int p[2];
    long rc;
    cr_assert_eq(pipe(p), 0);
    handle(SIGVTALRM, SA_RESTART);
    struct green *g = parked(wait_interruptibly, 0);
    block(BIT(SIGVTALRM));
    ring(20);
    cr_assert(!native_read(p[0], &rc));
    cr_assert_eq((intptr_t)join(g), -GR_ERESTART);
    cr_assert_eq(ran_on[0], g);
}

Test(signal, native_call_is_left_when_its_handler_wakes_another_green)
{
    int p[2];
    long rc;
    cr_assert_eq(pipe(p), 0);
    handle_with(SIGVTALRM, wake_gate, SA_RESTART, 0);
    struct green *g = parked(wait_stubbornly, 0);
    ring(20);
    cr_assert(!native_read(p[0], &rc));
    cr_assert_eq((intptr_t)join(g), 0);
}

/* --- kernel threads that run no hub --- */

static atomic_bool in_thread;

static void note_thread(int sig, siginfo_t *info, void *uc)
{
    (void)sig;
    (void)info;
    (void)uc;
    in_thread = gr_self == NULL;
    n_ran++;
}

static void *raise_in_thread(void *arg)
{
    pthread_kill(pthread_self(), (int)(intptr_t)arg);
    return NULL;
}

Test(signal, kernel_thread_takes_its_own)
{
    handle_with(SIGUSR1, note_thread, 0, 0);
    join_foreign(foreign(raise_in_thread, (void *)SIGUSR1));
    cr_assert_eq(n_ran, 1);
    cr_assert(in_thread);
}

/* --- under load --- */

static bool stop;
static int sum;

static void *work_on(void *arg)
{
    while (!stop) {
        gr_enter(gr_self);
        sum++;
        gr_leave(gr_self);
        gr_yield();
    }
    return arg;
}

static void count_only(int sig, siginfo_t *info, void *uc)
{
    (void)sig;
    (void)info;
    (void)uc;
    cr_assert_eq(gr_self->crit, 0);
    n_ran++;
}

Test(signal, stream_of_signals_disturbs_no_switch)
{
    struct green *g[5];
    handle_with(SIGVTALRM, count_only, SA_RESTART, 0);
    for (int i = 0; i < 5; i++) {
        g[i] = spawn(work_on, NULL);
    }
    timer_t t = ring_every(100, 100);
    while (n_ran < 500) {
        gr_yield();
    }
    cr_assert_eq(timer_delete(t), 0);
    stop = true;
    for (int i = 0; i < 5; i++) {
        join(g[i]);
    }
    cr_assert_eq(gr_self->crit, 0);
    cr_assert_eq(my_mask() & BIT(SIGVTALRM), 0);
}
