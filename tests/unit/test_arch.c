/* Switching contexts and the abortable system call. */
#include "runtime/arch/arch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static void init(void)
{
    gr_tp_init(0);
}

TestSuite(arch, .init = init, .timeout = 60);

#define STACK (256 << 10)

static struct gr_ctx home;
static struct gr_ctx away;
static char *stack;

/* A context on a stack of its own that shares our thread pointer. */
static void make(gr_ctx_entry_fn *entry, void *arg)
{
    stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(stack, MAP_FAILED);
    home.tp = gr_tp_get();
    gr_ctx_make(&away, stack + STACK, gr_tp_get(), entry, arg);
}

static void go(void)
{
    gr_ctx_switch(&home, &away);
}

static void back(void)
{
    gr_ctx_switch(&away, &home);
}

/* --- entry --- */

static struct {
    void *arg;
    uintptr_t frame;
    char *tp;
    int depth;
    int rounds;
} seen;

static const struct gr_ctx *note_entry(void *arg)
{
    seen.arg = arg;
    seen.frame = (uintptr_t)__builtin_frame_address(0);
    seen.tp = gr_tp_get();
    return &home;
}

Test(arch, entry_gets_its_argument_on_its_own_stack)
{
    int value;
    make(note_entry, &value);
    go();
    cr_assert_eq(seen.arg, &value);
    cr_assert_gt(seen.frame, (uintptr_t)stack);
    cr_assert_lt(seen.frame, (uintptr_t)stack + STACK);
    cr_assert_eq(seen.frame % 16, 0, "the calling convention wants alignment");
    cr_assert_eq(seen.tp, gr_tp_get());
}

Test(arch, unaligned_top_is_aligned)
{
    make(note_entry, NULL);
    gr_ctx_make(&away, stack + STACK - 5, gr_tp_get(), note_entry, NULL);
    go();
    cr_assert_eq(seen.frame % 16, 0);
}

static const struct gr_ctx *unwind_from_here(void *arg)
{
    void *frames[64];
    (void)arg;
    seen.depth = backtrace(frames, 64);
    return &home;
}

Test(arch, unwinding_ends_at_the_entry)
{
    void *frames[2];
    cr_assert_geq(backtrace(frames, 2), 1, "the unwinder works, and is loaded");
    make(unwind_from_here, NULL);
    go();
    cr_assert_geq(seen.depth, 1);
    cr_assert_leq(seen.depth, 4, "went on beyond the first frame");
}

static const struct gr_ctx *count_rounds(void *arg)
{
    for (int *n = arg; *n >= 0; (*n)++) {
        back();
    }
    return &home;
}

Test(arch, switching_goes_on_where_it_left_off)
{
    make(count_rounds, &seen.rounds);
    for (int i = 0; i < 100000; i++) {
        go();
        cr_assert_eq(seen.rounds, i);
    }
}

static const struct gr_ctx *end_at_once(void *arg)
{
    *(int *)arg += 1;
    seen.frame = (uintptr_t)__builtin_frame_address(0);
    seen.tp = gr_tp_get();
    return &home;
}

Test(arch, context_that_returned_begins_again)
{
    int begun = 0;
    uintptr_t frame = 0;
    make(end_at_once, &begun);
    for (int i = 1; i <= 1000; i++) {
        go();
        cr_assert_eq(begun, i);
        cr_assert(i == 1 || seen.frame == frame, "on the same part of its stack");
        frame = seen.frame;
    }
}

static struct gr_ctx other;

static const struct gr_ctx *go_to_other(void *arg)
{
    (void)arg;
    return &other;
}

Test(arch, returning_context_names_the_one_that_goes_on)
{
    int begun = 0;
    make(go_to_other, NULL);
    char *more = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(more, MAP_FAILED);
    gr_ctx_make(&other, more + STACK, gr_tp_get(), end_at_once, &begun);
    go();
    cr_assert_eq(begun, 1);
    cr_assert_eq(seen.frame - (uintptr_t)more < STACK, true, "on the stack of the other");
}

/* --- registers --- */

/* Fill what a function must preserve with values made from @seed, switch, and compare. */
#if defined(__x86_64__)

#define CALLER_SAVED                                                                               \
    "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", \
        "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",      \
        "memory", "cc"

static __attribute__((noinline)) bool keeps_registers(struct gr_ctx *from, struct gr_ctx *to,
                                                      uint64_t seed)
{
    register uint64_t rbx __asm__("rbx") = seed + 1;
    register uint64_t r12 __asm__("r12") = seed + 2;
    register uint64_t r13 __asm__("r13") = seed + 3;
    register uint64_t r14 __asm__("r14") = seed + 4;
    register uint64_t r15 __asm__("r15") = seed + 5;
    /* clang-format off */
    __asm__ volatile("sub $128, %%rsp\n\tcall gr_ctx_switch\n\tadd $128, %%rsp"
                     : "+r"(rbx), "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15), "+D"(from), "+S"(to)
                     :
                     : CALLER_SAVED);
    /* clang-format on */
    bool same = rbx == 1 + (r12 - 2) && r13 == 3 + (r12 - 2) && r14 == 4 + (r12 - 2) &&
                r15 == 5 + (r12 - 2);
    return same && r12 - 2 == seed;
}

static bool keeps_fp_registers(struct gr_ctx *from, struct gr_ctx *to, uint64_t seed)
{
    (void)seed; /* there are none to be preserved */
    gr_ctx_switch(from, to);
    return true;
}

static unsigned rounding(void)
{
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    return (mxcsr >> 13 & 3) | (unsigned)(x87 >> 10 & 3) << 2;
}

static void set_rounding(unsigned mode)
{
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    mxcsr = (mxcsr & ~(3u << 13)) | (mode & 3) << 13;
    x87 = (uint16_t)((x87 & ~(3u << 10)) | (mode >> 2) << 10);
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(x87));
}

static unsigned exceptions(void)
{
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return mxcsr & 0x3f;
}

#elif defined(__aarch64__)

#define CALLER_SAVED                                                                               \
    "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",      \
        "x16", "x17", "x18", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17",  \
        "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", \
        "v31", "memory", "cc"

static __attribute__((noinline)) bool keeps_registers(struct gr_ctx *from, struct gr_ctx *to,
                                                      uint64_t seed)
{
    register uint64_t x0 __asm__("x0") = (uint64_t)from;
    register uint64_t x1 __asm__("x1") = (uint64_t)to;
    register uint64_t r19 __asm__("x19") = seed + 1;
    register uint64_t r20 __asm__("x20") = seed + 2;
    register uint64_t r21 __asm__("x21") = seed + 3;
    register uint64_t r22 __asm__("x22") = seed + 4;
    register uint64_t r23 __asm__("x23") = seed + 5;
    register uint64_t r24 __asm__("x24") = seed + 6;
    register uint64_t r25 __asm__("x25") = seed + 7;
    register uint64_t r26 __asm__("x26") = seed + 8;
    register uint64_t r27 __asm__("x27") = seed + 9;
    register uint64_t r28 __asm__("x28") = seed + 10;
    __asm__ volatile("bl gr_ctx_switch"
                     : "+r"(x0), "+r"(x1), "+r"(r19), "+r"(r20), "+r"(r21), "+r"(r22), "+r"(r23),
                       "+r"(r24), "+r"(r25), "+r"(r26), "+r"(r27), "+r"(r28)
                     :
                     : CALLER_SAVED);
    uint64_t now[] = {r19, r20, r21, r22, r23, r24, r25, r26, r27, r28};
    for (uint64_t i = 0; i < 10; i++) {
        if (now[i] != seed + 1 + i) {
            return false;
        }
    }
    return true;
}

static __attribute__((noinline)) bool keeps_fp_registers(struct gr_ctx *from, struct gr_ctx *to,
                                                         uint64_t seed)
{
    register uint64_t x0 __asm__("x0") = (uint64_t)from;
    register uint64_t x1 __asm__("x1") = (uint64_t)to;
    register double d8 __asm__("d8") = (double)seed + 1;
    register double d9 __asm__("d9") = (double)seed + 2;
    register double d10 __asm__("d10") = (double)seed + 3;
    register double d11 __asm__("d11") = (double)seed + 4;
    register double d12 __asm__("d12") = (double)seed + 5;
    register double d13 __asm__("d13") = (double)seed + 6;
    register double d14 __asm__("d14") = (double)seed + 7;
    register double d15 __asm__("d15") = (double)seed + 8;
    __asm__ volatile("bl gr_ctx_switch"
                     : "+r"(x0), "+r"(x1), "+w"(d8), "+w"(d9), "+w"(d10), "+w"(d11), "+w"(d12),
                       "+w"(d13), "+w"(d14), "+w"(d15)
                     :
                     : CALLER_SAVED);
    double now[] = {d8, d9, d10, d11, d12, d13, d14, d15};
    for (int i = 0; i < 8; i++) {
        if (now[i] != (double)seed + 1 + i) {
            return false;
        }
    }
    return true;
}

static unsigned rounding(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr >> 22 & 3;
}

static void set_rounding(unsigned mode)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    fpcr = (fpcr & ~(3ULL << 22)) | (uint64_t)(mode & 3) << 22;
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
}

static unsigned exceptions(void)
{
    uint64_t fpsr;
    __asm__ volatile("mrs %0, fpsr" : "=r"(fpsr));
    return fpsr & 0x1f;
}

#endif

static bool kept_away = true;

static const struct gr_ctx *use_registers(void *arg)
{
    while (kept_away) {
        kept_away = keeps_registers(&away, &home, (uint64_t)(uintptr_t)arg);
        kept_away = kept_away && keeps_fp_registers(&away, &home, (uint64_t)(uintptr_t)arg);
    }
    return &home;
}

Test(arch, switch_keeps_the_registers_of_both_sides)
{
    make(use_registers, (void *)0x100000);
    for (uint64_t i = 0; i < 10; i++) {
        cr_assert(keeps_registers(&home, &away, 1000 * i));
        cr_assert(keeps_fp_registers(&home, &away, 1000 * i + 500));
        cr_assert(kept_away);
    }
}

static unsigned first_rounding;
static unsigned later_rounding;

static const struct gr_ctx *round_otherwise(void *arg)
{
    (void)arg;
    first_rounding = rounding();
    set_rounding(1);
    back();
    later_rounding = rounding();
    return &home;
}

Test(arch, new_context_inherits_floating_point_modes)
{
    set_rounding(2);
    unsigned mine = rounding();
    make(round_otherwise, NULL);
    set_rounding(0);
    go();
    cr_assert_eq(first_rounding, mine, "those at the time it was made");
}

Test(arch, floating_point_modes_of_a_returning_context_stay_behind)
{
    make(round_otherwise, NULL);
    set_rounding(2);
    unsigned mine = rounding();
    go();
    go();
    cr_assert_eq(rounding(), mine);
}

Test(arch, floating_point_modes_belong_to_the_context)
{
    make(round_otherwise, NULL);
    set_rounding(2);
    unsigned mine = rounding();
    go();
    cr_assert_eq(rounding(), mine);
    set_rounding(3);
    go();
    set_rounding(1);
    cr_assert_eq(later_rounding, rounding());
}

static unsigned raised;

static const struct gr_ctx *divide_by_zero(void *arg)
{
    volatile double zero = 0;
    *(volatile double *)arg = 1 / zero;
    back();
    raised = exceptions();
    return &home;
}

Test(arch, floating_point_exceptions_belong_to_the_context)
{
    volatile double quotient;
    unsigned mine = exceptions();
    make(divide_by_zero, (void *)&quotient);
    go();
    cr_assert_eq(exceptions(), mine);
    go();
    cr_assert_neq(raised, mine);
}

static const struct gr_ctx *set_tp_from_here(void *arg)
{
    gr_tp_set(arg);
    seen.tp = gr_tp_get();
    return &home;
}

Test(arch, thread_pointer_can_be_set_and_is_restored_by_a_switch)
{
    char *mine = gr_tp_get();
    make(set_tp_from_here, mine);
    go();
    cr_assert_eq(seen.tp, mine);
    cr_assert_eq(gr_tp_get(), mine);
}

/* --- system calls --- */

Test(arch, syscall_gives_the_kernels_answer_and_leaves_errno_alone)
{
    errno = EDOM;
    cr_assert_eq(gr_arch_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
    cr_assert_eq(gr_arch_syscall(SYS_read, -1, 0, 0, 0, 0, 0), -EBADF);
    cr_assert_eq(errno, EDOM);
}

Test(arch, syscall_passes_six_arguments)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    long p = gr_arch_syscall(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, fd, 4096);
    char page[4096];
    cr_assert(p > 0 || p < -4095, "mmap: %ld", p);
    cr_assert_eq(pread(fd, page, sizeof(page), 4096), sizeof(page));
    cr_assert_arr_eq((void *)p, page, sizeof(page), "offset and descriptor come last");
    close(fd);
}

static volatile sig_atomic_t ran;
static volatile bool aborted;

static void abort_call(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)info;
    ran++;
    aborted = gr_arch_abort(context);
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
    struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};
    sigemptyset(&sa.sa_mask);
    cr_assert_eq(sigaction(sig, &sa, NULL), 0);
}

static void ring_repeatedly(void)
{
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM};
    struct itimerspec soon = {.it_value = {.tv_nsec = 20000000},
                              .it_interval = {.tv_nsec = 20000000}};
    timer_t t;
    cr_assert_eq(timer_create(CLOCK_MONOTONIC, &ev, &t), 0);
    cr_assert_eq(timer_settime(t, 0, &soon, NULL), 0);
}

Test(arch, handler_cuts_off_a_call_that_the_kernel_would_restart)
{
    int p[2];
    char c;
    cr_assert_eq(pipe(p), 0);
    handle(SIGVTALRM, abort_call, SA_RESTART);
    ring_repeatedly();
    cr_assert_eq(gr_arch_syscall(SYS_read, p[0], (long)&c, 1, 0, 0, 0), GR_ABORTED);
    cr_assert(aborted);
}

Test(arch, call_that_ended_already_is_not_cut_off)
{
    int p[2];
    char c;
    cr_assert_eq(pipe(p), 0);
    handle(SIGVTALRM, abort_call, 0);
    ring_repeatedly();
    long rc = gr_arch_syscall(SYS_read, p[0], (long)&c, 1, 0, 0, 0);
    cr_assert(aborted ? rc == GR_ABORTED : rc == -EINTR, "%ld", rc);
}

Test(arch, handler_elsewhere_cuts_off_nothing)
{
    handle(SIGUSR1, abort_call, 0);
    aborted = true;
    raise(SIGUSR1);
    cr_assert_eq(ran, 1);
    cr_assert(!aborted);
}

#if defined(__x86_64__)

#define TRAP_FLAG 0x100

extern const char gr_arch_syscall_insn[];

static int abort_at; /* at which instruction of gr_arch_syscall() */
static volatile int steps;

static void step(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uintptr_t pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    (void)sig;
    (void)info;
    if (pc < (uintptr_t)gr_arch_syscall || pc > (uintptr_t)gr_arch_syscall_insn) {
        return;
    }
    if (steps++ == abort_at) {
        aborted = gr_arch_abort(uc);
        uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    }
}

/* Write one byte to @fd, one instruction at a time, cut off before the one numbered @at. */
static __attribute__((noinline)) long write_stepping(int fd, int at)
{
    abort_at = at;
    steps = 0;
    aborted = false;
    __asm__ volatile("sub $128, %%rsp\n\tpushf\n\torl %0, (%%rsp)\n\tpopf\n\tadd $128, %%rsp"
                     :
                     : "i"(TRAP_FLAG)
                     : "memory", "cc");
    long rc = gr_arch_syscall(SYS_write, fd, (long)"x", 1, 0, 0, 0);
    __asm__ volatile("sub $128, %%rsp\n\tpushf\n\tandl %0, (%%rsp)\n\tpopf\n\tadd $128, %%rsp"
                     :
                     : "i"(~TRAP_FLAG)
                     : "memory", "cc");
    return rc;
}

Test(arch, call_cut_off_at_any_instruction_has_done_nothing)
{
    int p[2];
    char c[64];
    cr_assert_eq(pipe2(p, O_NONBLOCK), 0);
    handle(SIGTRAP, step, 0);
    int at = 0;
    for (; at < 50; at++) {
        long rc = write_stepping(p[1], at);
        if (!aborted) {
            cr_assert_eq(rc, 1);
            cr_assert_eq(read(p[0], c, sizeof(c)), 1, "it was carried out, once");
            break;
        }
        cr_assert_eq(rc, GR_ABORTED);
        cr_assert_eq(read(p[0], c, sizeof(c)), -1, "written although cut off at step %d", at);
    }
    cr_assert_geq(at, 2);
    cr_assert_eq(steps, at, "every instruction before the call was tried");
}

#endif
