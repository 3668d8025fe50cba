/*
 * The thread pointer, which every switch writes.
 *
 * On x86-64 it is the base of the segment fs. There are three ways, the first that works is taken:
 *
 *   FSGSBASE  The kernel lets user space write it, and says so (Linux 5.9, all recent processors).
 *   trap      The processor lets user space write it, but the kernel does not know: virtual
 *             machines whose hypervisor runs the guest's user space on the processor itself and
 *             offers the guest no FSGSBASE. What is written lasts until the kernel switches tasks;
 *             then it loads the value it was last told by system call. That value is made one
 *             through which nothing can be reached: the first access to a thread-local object
 *             faults, the handler of SIGSEGV writes the right one, and the access is made again.
 *             On such machines a system call may take microseconds, this takes nanoseconds.
 *   syscall   arch_prctl(2): old kernels, valgrind, programs started by a debugger.
 *
 * The kernel must not block SIGSEGV while the trap is set, for the fault would end the process: it
 * is among the signals that only our own masks hold back (core/signal.c). Where libc blocks every
 * signal, and where a child inherits the kernel's value, the trap is lifted.
 */
#ifndef GR_ARCH_TP_H
#define GR_ARCH_TP_H

#include "runtime/base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)

/* The assembly reads and writes these. */
extern bool gr_tp_writable __attribute__((visibility("hidden")));  /* by an instruction */
extern void *gr_tp_now __attribute__((visibility("hidden")));      /* the carrier's */
extern uintptr_t gr_tp_trap __attribute__((visibility("hidden"))); /* 0: no trap is used */

/* gr_tp_init - find the way. @trap: 0: it is none, 1: it is one of them, 2: it is the first one
 * (for tests). Until gr_tp_arm() a trap is not set, and the thread pointer is written by system
 * calls. */
void gr_tp_init(long trap);

/* gr_tp_arm - on the carrier, when SIGSEGV is handled: set the trap, if that is the way. */
void gr_tp_arm(void);

/*
 * gr_tp_pin - from here to gr_tp_unpin() the kernel has the calling green's thread pointer, too.
 * For code that blocks SIGSEGV or makes a child. Switches are slow meanwhile, each a system call.
 * They nest, and do nothing on other threads than the carrier. The child of a fork begins pinned.
 */
void gr_tp_pin(void);
void gr_tp_unpin(void);

/*
 * gr_tp_mend - first thing in a handler: put the thread pointer right if the kernel has reset it.
 * Returns whether it had. The calling function must not use thread-local objects itself, since it
 * may take their address before.
 */
static inline bool gr_tp_mend(void)
{
    uintptr_t tp;
    if (GR_LIKELY(!gr_tp_trap)) {
        return false;
    }
    __asm__ volatile("rdfsbase %0" : "=r"(tp) : : "memory");
    if (tp != gr_tp_trap) {
        return false;
    }
    __asm__ volatile("wrfsbase %0" : : "r"(gr_tp_now) : "memory");
    return true;
}

/*
 * gr_tp_trapped - in the handler of SIGSEGV: was it the trap, and shall the access be made again?
 * @addr: where the fault was; @uc: the interrupted context; @lost: what gr_tp_mend() said
 */
bool gr_tp_trapped(const void *addr, const void *uc, bool lost);

static inline bool gr_tp_traps(void)
{
    return GR_UNLIKELY(gr_tp_trap != 0);
}

#else

static inline void gr_tp_init(long trap)
{
    (void)trap;
}

static inline void gr_tp_arm(void)
{
}

static inline void gr_tp_pin(void)
{
}

static inline void gr_tp_unpin(void)
{
}

static inline bool gr_tp_mend(void)
{
    return false;
}

static inline bool gr_tp_trapped(const void *addr, const void *uc, bool lost)
{
    (void)addr;
    (void)uc;
    return lost;
}

static inline bool gr_tp_traps(void)
{
    return false;
}

#endif

/* gr_tp_set - change the thread pointer. Whoever calls must hold no address of a thread-local
 * object. */
void gr_tp_set(void *tp);

/* gr_tp_get - the calling thread's. */
static inline char *gr_tp_get(void)
{
    char *tp;
#if defined(__x86_64__)
    __asm__("mov %%fs:0, %0" : "=r"(tp));
#elif defined(__aarch64__)
    __asm__("mrs %0, tpidr_el0" : "=r"(tp));
#else
#error "unsupported machine"
#endif
    return tp;
}

#endif
