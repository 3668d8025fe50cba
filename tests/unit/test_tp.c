/* The trap that tells of a lost thread pointer. The kernel's part in it is played by lose(). */
#include "sync.h"

#include "child.h"
#include "runtime/base/config.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/signal.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

TestSuite(tp, .timeout = 60);

static GR_TLS int own;

static GR_NOINLINE int *address_of_own(void)
{
    return &own;
}

static void *keep_own(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        *address_of_own() = (int)(intptr_t)arg + i;
        gr_yield();
        if (*address_of_own() != (int)(intptr_t)arg + i) {
            return NULL;
        }
    }
    return arg;
}

Test(tp, each_has_its_own_without_the_trap)
{
    setenv("GREENSHIM_TP_TRAP", "0", 1);
    start();
    cr_assert(!gr_tp_traps());
    struct green *g = spawn(keep_own, (void *)5000);
    cr_assert_eq(keep_own((void *)9), (void *)9);
    cr_assert_eq(join(g), (void *)5000);
}

#if defined(__x86_64__)

static int n_handled;
static sigjmp_buf back;

static void start_with_trap(void)
{
    setenv("GREENSHIM_TP_TRAP", "2", 1);
    start();
    if (!gr_tp_traps()) {
        cr_skip_test("user space may not write the thread pointer here");
    }
}

/* What a kernel that knows nothing of our writing does when it switches tasks. */
static void lose(void)
{
    __asm__ volatile("wrfsbase %0" : : "r"(gr_tp_trap) : "memory");
}

static void *lose_often(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        *address_of_own() = (int)(intptr_t)arg;
        lose();
        if (*address_of_own() != (int)(intptr_t)arg) {
            return NULL;
        }
        lose();
        errno = i;
        gr_yield();
        lose();
        if (errno != i || *address_of_own() != (int)(intptr_t)arg) {
            return NULL;
        }
    }
    return arg;
}

Test(tp, what_is_lost_is_mended_for_each_green)
{
    struct green *g[3];
    start_with_trap();
    for (intptr_t i = 0; i < 3; i++) {
        g[i] = spawn(lose_often, (void *)(i + 1));
    }
    cr_assert_eq(lose_often((void *)9), (void *)9);
    for (intptr_t i = 0; i < 3; i++) {
        cr_assert_eq(join(g[i]), (void *)(i + 1));
    }
}

static void *volatile nowhere = (void *)8;

static void follow(void *arg)
{
    *(volatile char *)arg = 1;
}

static void note(int sig)
{
    (void)sig;
    n_handled++;
    siglongjmp(back, 1);
}

static void handle_faults(void)
{
    struct sigaction sa = {.sa_handler = note};
    cr_assert_eq(gr_sig_action(SIGSEGV, &sa, NULL), 0);
}

Test(tp, the_programs_handler_sees_its_own_faults_alone)
{
    start_with_trap();
    handle_faults();
    lose();
    *address_of_own() = 1;
    cr_assert_eq(n_handled, 0);
    if (sigsetjmp(back, 0) == 0) {
        follow(nowhere);
    }
    cr_assert_eq(n_handled, 1);
}

Test(tp, one_that_ignores_or_blocks_the_signal_goes_on)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    uint64_t set = gr_sigbit(SIGSEGV);
    start_with_trap();
    cr_assert_eq(gr_sig_mask(SIG_BLOCK, &set, NULL), 0);
    lose();
    *address_of_own() = 1;
    cr_assert_eq(gr_sig_action(SIGSEGV, &ignore, NULL), 0);
    lose();
    *address_of_own() = 2;
    cr_assert_eq(gr_sig_pending_set(), 0);
}

Test(tp, a_wild_pointer_into_the_trap_ends_the_process)
{
    start_with_trap();
    cr_assert_eq(WTERMSIG(in_child(follow, (void *)(gr_tp_trap - 100))), SIGSEGV);
    cr_assert_eq(WTERMSIG(in_child(follow, nowhere)), SIGSEGV);
}

static void lose_in_handler(int sig)
{
    (void)sig;
    lose();
    *address_of_own() += 1;
}

Test(tp, handlers_may_lose_it_too)
{
    struct sigaction sa = {.sa_handler = lose_in_handler};
    start_with_trap();
    (void)sigfillset(&sa.sa_mask);
    cr_assert_eq(gr_sig_action(SIGUSR1, &sa, NULL), 0);
    own = 5;
    lose();
    (void)kill(getpid(), SIGUSR1);
    cr_assert_eq(*address_of_own(), 6);
}

/* What the kernel loads when it switches tasks. */
static void *kernels(void)
{
    struct timespec ts = {.tv_nsec = 1000000};
    void *tp;
    long rc = SYS_nanosleep;
    __asm__ volatile("syscall; rdfsbase %1; wrfsbase %2"
                     : "+a"(rc), "=&r"(tp)
                     : "r"(gr_tp_now), "D"(&ts), "S"(NULL)
                     : "rcx", "r11", "memory");
    return tp;
}

Test(tp, pinned_the_kernel_has_it)
{
    start_with_trap();
    gr_tp_pin();
    gr_tp_pin();
    gr_tp_unpin();
    cr_assert_eq(kernels(), gr_tp_get());
    gr_tp_unpin();
    lose();
    *address_of_own() = 3;
    cr_assert_eq(own, 3);
}

static void *is_pinned(void *arg)
{
    cr_assert_eq(kernels(), gr_tp_get());
    own = 7;
    gr_yield();
    cr_assert_eq(kernels(), gr_tp_get());
    return arg;
}

Test(tp, pinned_greens_switch_and_the_kernel_knows)
{
    start_with_trap();
    struct green *other = spawn(is_pinned, NULL);
    own = 5;
    gr_tp_pin();
    gr_yield();
    cr_assert_eq(own, 5);
    cr_assert_eq(kernels(), gr_tp_get());
    gr_yield();
    gr_tp_unpin();
    (void)join(other);
}

#endif
