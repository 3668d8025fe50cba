/* Finding the way to write the thread pointer, and the trap. See tp.h. */
#include "runtime/arch/arch.h"

#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "runtime/base/rawsys.h"
#include "runtime/base/status.h"
#include "runtime/base/valgrind.h"

#if defined(__x86_64__)

#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

#define HWCAP2_FSGSBASE (1UL << 1)
#define CPUID_FSGSBASE  1u /* leaf 7, ebx */
#define RDFSBASE_LENGTH 5

/* Addresses near the thread pointer that are thread-local objects: static TLS is below. */
#define REACH_BELOW (64UL << 20)
#define REACH_ABOVE (1UL << 20)

bool gr_tp_writable;
void *gr_tp_now;
uintptr_t gr_tp_trap;

static bool armed;
static int pins;

static void tell_kernel(uintptr_t tp)
{
    long rc = GR_SYS(SYS_arch_prctl, ARCH_SET_FS, tp);
    if (GR_UNLIKELY(rc)) {
        gr_die("the kernel refuses arch_prctl(2) (%ld): threads cannot be switched", -rc);
    }
}

/* --- does the instruction work? --- */

static volatile bool refused;

static void on_refusal(int sig, siginfo_t *info, void *uc)
{
    (void)sig;
    (void)info;
    refused = true;
    ((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP] += RDFSBASE_LENGTH;
}

/* On a thread whose thread pointer the kernel has set. */
static bool instruction_works(void)
{
    struct gr_kernel_action old;
    struct gr_kernel_action probe = {.handler = (uintptr_t)on_refusal,
                                     .flags = SA_SIGINFO | SA_RESTORER,
                                     .restorer = gr_arch_sigreturn};
    uint64_t ill = 1ULL << (SIGILL - 1);
    uint64_t mask;
    uintptr_t tp = 0;
    refused = false;
    if (GR_SYS(SYS_rt_sigaction, SIGILL, &probe, &old, sizeof(mask))) {
        return false;
    }
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_UNBLOCK, &ill, &mask, sizeof(mask));
    __asm__ volatile("rdfsbase %0" : "+r"(tp) : : "memory");
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
    (void)GR_SYS(SYS_rt_sigaction, SIGILL, &old, NULL, sizeof(mask));
    return !refused && tp == (uintptr_t)gr_tp_get();
}

/* A debugger stops at each fault. */
static bool is_traced(void)
{
    return gr_status_read("TracerPid", 10, 1) != 0;
}

/* A sanitizer stops its process by a thread of its own making that shares the thread pointer and
 * blocks every signal. */
extern void __lsan_do_leak_check(void) GR_WEAK;

static bool processor_can(void)
{
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & CPUID_FSGSBASE);
}

static uintptr_t make_trap(void)
{
    void *p = mmap(NULL, REACH_BELOW + REACH_ABOVE, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? 0 : (uintptr_t)p + REACH_BELOW;
}

void gr_tp_init(long trap)
{
    gr_tp_now = gr_tp_get();
    gr_tp_writable = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0 && trap < 2;
    if (!gr_tp_writable && !gr_tp_trap && trap && !RUNNING_ON_VALGRIND && !__lsan_do_leak_check &&
        processor_can() && !is_traced() && instruction_works()) {
        gr_tp_trap = make_trap();
    }
    gr_debug(1, "thread pointers are switched by %s",
             gr_tp_writable ? "FSGSBASE"
             : gr_tp_trap   ? "FSGSBASE and a trap"
                            : "system calls");
}

/* --- the trap --- */

static void set_trap(void)
{
    uintptr_t trap = gr_tp_trap;
    void *tp = gr_tp_now;
    gr_tp_writable = true;
    tell_kernel(trap);
    __asm__ volatile("wrfsbase %0" : : "r"(tp) : "memory");
}

void gr_tp_arm(void)
{
    if (gr_tp_trap) {
        gr_tp_now = gr_tp_get();
        armed = true;
        pins = 0;
        set_trap();
    }
}

/* Is the trap in use, and the caller the carrier? Others have a thread pointer of the kernel's. */
static bool on_carrier(void)
{
    return armed && gr_tp_get() == gr_tp_now;
}

void gr_tp_pin(void)
{
    if (on_carrier() && pins++ == 0) {
        gr_tp_writable = false; /* should it switch nevertheless: by system calls */
        tell_kernel((uintptr_t)gr_tp_now);
    }
}

void gr_tp_unpin(void)
{
    if (on_carrier() && --pins == 0) {
        set_trap();
    }
}

/*
 * Another handler may have come in between and mended it: then the fault looks like one that has
 * nothing to do with the trap. A wild pointer that leads here does so again, at the same place.
 */
bool gr_tp_trapped(const void *addr, const void *uc, bool lost)
{
    static uintptr_t seen_at;
    uintptr_t at = (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];
    if ((uintptr_t)addr - (gr_tp_trap - REACH_BELOW) >= REACH_BELOW + REACH_ABOVE || !gr_tp_trap) {
        return false;
    }
    bool again = !lost && seen_at == at;
    seen_at = lost || again ? 0 : at;
    return !again;
}

void gr_tp_set(void *tp)
{
    gr_tp_now = tp;
    if (gr_tp_writable) {
        __asm__ volatile("wrfsbase %0" : : "r"(tp) : "memory");
    } else {
        tell_kernel((uintptr_t)tp);
    }
}

#elif defined(__aarch64__)

void gr_tp_set(void *tp)
{
    __asm__ volatile("msr tpidr_el0, %0" : : "r"(tp) : "memory");
}

#endif
