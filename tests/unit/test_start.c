/* Starting the runtime, and what is left of it in a forked child. */
#include "sync.h"

#include "child.h"
#include "runtime/core/fdwait.h"
#include "runtime/core/lot.h"
#include "runtime/core/signal.h"

#include <fcntl.h>
#include <stdlib.h>

TestSuite(start, .timeout = 60);

/* What a child checks is told by its exit status: the line of the first check that failed. */
#define CHECK(c) ((void)((c) || (_exit(__LINE__ % 250 + 1), 0)))

static struct gr_waiter gate;
static uint32_t word;
static int n_ran;

static void *identity(void *arg)
{
    n_ran++;
    return arg;
}

static void *wait_at_gate(void *arg)
{
    gr_waiter_init(&gate, NULL);
    (void)gr_park(&gate, GR_FOREVER, 0, GR_WHY_SLEEP);
    return identity(arg);
}

static void *sleep_5_ms(void *arg)
{
    (void)gr_sleep_until(gr_now() + MS(5), 0);
    return identity(arg);
}

static void *wait_on_word(void *arg)
{
    (void)gr_futex_wait(&word, 0, GR_FUTEX_ALL, GR_FOREVER, 0, GR_WHY_FUTEX);
    return identity(arg);
}

static int wait_readable(int fd)
{
    struct gr_fd *f = gr_fd_get(fd);
    gr_fd_drained(f, GR_IN);
    return gr_fd_wait(&f, GR_IN, GR_FOREVER, 0);
}

static void *wait_for_pipe(void *arg)
{
    char c;
    (void)wait_readable(*(int *)arg);
    (void)!read(*(int *)arg, &c, 1);
    return identity(arg);
}

/* --- start --- */

Test(start, makes_the_caller_green_1)
{
    errno = EDOM;
    start();
    cr_assert_eq(errno, EDOM);
    cr_assert(gr_active);
    cr_assert_not_null(gr_self);
    cr_assert(gr_self->is_main);
    cr_assert_eq(gr_self->id, 1);
    cr_assert_eq(gr_owner_id(), getpid(), "main's thread id is the process's");
    cr_assert_eq(gr_hub_here()->n_greens, 1, "the trial leaves nothing behind");
    cr_assert_eq(gr_hub_here()->created, 1);
}

Test(start, twice_is_once)
{
    const char *why = "untouched";
    start();
    struct green *main = gr_self;
    cr_assert_eq(gr_runtime_start(&why), 0);
    cr_assert_eq(gr_self, main);
}

Test(start, is_refused_with_a_reason_when_turned_off)
{
    const char *why = NULL;
    setenv("GREENSHIM_TLS", "off", 1);
    gr_config_load(environ);
    gr_tls_snapshot();
    cr_assert_eq(gr_runtime_start(&why), -ENOTSUP);
    cr_assert_not_null(why);
    cr_assert_not_null(strstr(why, "GREENSHIM_TLS"), "%s", why);
    cr_assert(!gr_active);
    cr_assert_null(gr_self);
    cr_assert_null(gr_hub_here());
}

static void *thread_body(void *arg)
{
    return arg;
}

Test(start, refusal_leaves_kernel_threads_working)
{
    const char *why;
    void *value = NULL;
    pthread_t t;
    gr_config.tls = GR_TLS_OFF;
    cr_assert_eq(gr_runtime_start(&why), -ENOTSUP);
    cr_assert_eq(pthread_create(&t, NULL, thread_body, &word), 0);
    cr_assert_eq(pthread_join(t, &value), 0);
    cr_assert_eq(value, &word);
}

Test(start, keeps_the_handlers_the_process_had)
{
    struct sigaction old;
    signal(SIGUSR1, SIG_IGN);
    start();
    cr_assert_eq(gr_sig_action(SIGUSR1, NULL, &old), 0);
    cr_assert_eq(old.sa_handler, SIG_IGN);
}

static void start_in_child(void *arg)
{
    const char *why;
    (void)arg;
    CHECK(gr_runtime_start(&why) == 0);
    CHECK(gr_owner_id() == getpid());
    struct green *g = spawn(identity, &why);
    CHECK(join(g) == &why);
}

/* As a server does that forks first and makes threads in its children. */
Test(start, works_in_a_child_forked_before)
{
    gr_config_load(environ);
    gr_tls_snapshot();
    cr_assert_eq(in_child(start_in_child, NULL), 0);
    cr_assert_eq(in_child(start_in_child, NULL), 0);
    start_in_child(NULL);
}

/* --- the forked child --- */

/* Fork on the calling green, as the shim does it, and run @fn in the child. */
static int fork_here(void (*fn)(void *), void *arg)
{
    gr_sig_expose();
    pid_t pid = fork();
    if (pid == 0) {
        bare_child();
        gr_runtime_fork_child();
        fn(arg);
        _exit(0);
    }
    gr_sig_conceal();
    return status_of(pid);
}

static void expect_alone(void *arg)
{
    struct gr_hub *h = gr_hub_here();
    (void)arg;
    CHECK(h->n_greens == 1);
    CHECK(h->n_fd_waits == 0 && h->n_jobs == 0 && h->timers.n == 0);
    CHECK(h->main == gr_self && gr_self->is_main);
    CHECK(gr_hub_quiet());
    for (int i = 0; i < 20; i++) {
        gr_yield();
    }
    CHECK(gr_sleep_until(gr_now() + MS(20), 0) == 0);
    CHECK(n_ran == 0);
    CHECK(gr_futex_wake(&word, 1, GR_FUTEX_ALL) == 0);
}

Test(start, forked_child_has_the_caller_only)
{
    int p[2];
    start();
    cr_assert_eq(pipe2(p, O_NONBLOCK), 0);
    struct green *g[] = {spawn(sleep_5_ms, NULL), spawn(wait_on_word, NULL),
                         spawn(wait_at_gate, NULL), spawn(wait_for_pipe, &p[0])};
    gr_yield();
    struct green *ready = spawn(identity, NULL);
    cr_assert_eq(fork_here(expect_alone, NULL), 0);
    cr_assert_eq(gr_futex_wake(&word, 1, GR_FUTEX_ALL), 1);
    gr_wake(&gate);
    cr_assert_eq(write(p[1], "x", 1), 1);
    for (int i = 0; i < 4; i++) {
        join(g[i]);
    }
    join(ready);
    cr_assert_eq(n_ran, 5, "the parent's are as they were");
}

static void use_everything(void *arg)
{
    int p[2];
    struct green *g[20];
    struct green *reader;
    (void)arg;
    CHECK(pipe2(p, O_NONBLOCK) == 0);
    reader = spawn(wait_for_pipe, &p[0]);
    for (int i = 0; i < 20; i++) {
        g[i] = spawn(i % 2 ? identity : sleep_5_ms, &g[i]);
    }
    for (int i = 0; i < 20; i++) {
        CHECK(join(g[i]) == &g[i]);
    }
    CHECK(write(p[1], "x", 1) == 1);
    join(reader);
    CHECK(n_ran >= 21);
    CHECK(gr_hub_here()->n_greens == 1);
}

Test(start, forked_child_can_do_everything_again)
{
    start();
    use_everything(NULL);
    cr_assert_eq(fork_here(use_everything, NULL), 0);
    use_everything(NULL);
    cr_assert_eq(fork_here(use_everything, NULL), 0);
}

static void fork_again(void *arg)
{
    int depth = (int)(intptr_t)arg;
    use_everything(NULL);
    if (depth > 0) {
        CHECK(fork_here(fork_again, (void *)(intptr_t)(depth - 1)) == 0);
    }
    use_everything(NULL);
}

Test(start, children_may_fork_again)
{
    start();
    fork_again((void *)3);
}

static void expect_to_be_main(void *arg)
{
    CHECK(gr_self == arg);
    CHECK(gr_hub_here()->main == gr_self);
    expect_alone(NULL);
    use_everything(NULL);
}

static void *fork_on_green(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)fork_here(expect_to_be_main, gr_self);
}

Test(start, green_that_forks_is_the_childs_main)
{
    start();
    struct green *other = spawn(wait_at_gate, NULL);
    struct green *g = spawn(fork_on_green, NULL);
    cr_assert_eq((intptr_t)join(g), 0);
    gr_wake(&gate);
    join(other);
}

static volatile sig_atomic_t n_signals;

static void count_signal(int sig)
{
    (void)sig;
    n_signals++;
}

static void expect_mask(void *arg)
{
    uint64_t mask;
    (void)arg;
    CHECK(gr_sig_mask(SIG_BLOCK, NULL, &mask) == 0);
    CHECK(mask & gr_sigbit(SIGUSR2));
    CHECK(!(mask & gr_sigbit(SIGUSR1)));
    sigset_t kernel;
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &kernel) == 0);
    CHECK(sigismember(&kernel, SIGUSR2) && !sigismember(&kernel, SIGUSR1));
    CHECK(gr_sig_pending_set() == 0);
    raise(SIGUSR1);
    CHECK(n_signals == 1);
    raise(SIGUSR2);
    CHECK(n_signals == 1);
    mask = gr_sigbit(SIGUSR2);
    CHECK(gr_sig_mask(SIG_UNBLOCK, &mask, NULL) == 0);
    CHECK(n_signals == 2);
}

Test(start, forked_child_has_the_callers_mask_and_nothing_pending)
{
    struct sigaction sa = {.sa_handler = count_signal};
    uint64_t usr2 = gr_sigbit(SIGUSR2);
    start();
    cr_assert_eq(gr_sig_action(SIGUSR1, &sa, NULL), 0);
    cr_assert_eq(gr_sig_action(SIGUSR2, &sa, NULL), 0);
    struct green *open = spawn(wait_at_gate, NULL); /* blocks nothing */
    settle();
    cr_assert_eq(gr_sig_mask(SIG_BLOCK, &usr2, NULL), 0);
    cr_assert_eq(gr_sig_send(gr_self, SIGUSR2, NULL), 0);
    cr_assert(gr_sig_pending_set() & usr2);
    cr_assert_eq(fork_here(expect_mask, NULL), 0);
    cr_assert_eq(n_signals, 0);
    cr_assert(gr_sig_pending_set() & usr2, "the parent's is still there");
    gr_wake(&gate);
    join(open);
}
