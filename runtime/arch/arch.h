/*
 * What depends on the machine: switching contexts, and the abortable system call.
 *
 * Saved over a switch: callee-saved registers, floating-point control words, stack pointer. Not
 * saved: the signal mask (kept per green by core/signal.c) and caller-saved registers.
 */
#ifndef GR_ARCH_ARCH_H
#define GR_ARCH_ARCH_H

#include "runtime/arch/tp.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A suspended thread of control. The assembly knows this layout. */
struct gr_ctx {
    void *sp; /* where the registers are saved, while suspended */
    void *tp; /* its thread pointer */
};

/* gr_ctx_switch - suspend the caller into @from and resume @to. Returns when somebody switches
 * back. */
void gr_ctx_switch(struct gr_ctx *from, const struct gr_ctx *to);

/*
 * gr_ctx_make - prepare @ctx so that the first switch to it calls @entry(@arg) on the stack that
 * ends at @top, with thread pointer @tp. Floating-point modes are the caller's, as POSIX wants for
 * new threads. What @entry returns is resumed, without suspending @ctx: a switch to @ctx calls
 * @entry again, unless it was suspended meanwhile (then gr_ctx_make() comes first).
 */
typedef const struct gr_ctx *gr_ctx_entry_fn(void *arg);
void gr_ctx_make(struct gr_ctx *ctx, void *top, void *tp, gr_ctx_entry_fn *entry, void *arg);

/*
 * gr_arch_syscall - a system call that a signal handler can cut off before it begins or while the
 * kernel would restart it. Returns the kernel's answer, or GR_ABORTED if gr_arch_abort() redirected
 * it: then nothing has been done.
 */
#define GR_ABORTED (-5000L)
long gr_arch_syscall(long nr, long a, long b, long c, long d, long e, long f);

/* gr_arch_abort - in a handler, with the interrupted context @ucontext: cut off gr_arch_syscall()
 * if it is in there. */
bool gr_arch_abort(void *ucontext);

/* gr_arch_call_on - call @fn(@a, @b, @c) on the stack that ends at @top, and come back to this one.
 */
void gr_arch_call_on(void *top, uintptr_t fn, long a, void *b, void *c);

/*
 * gr_arch_move_handler - leave the stack that the calling handler was entered on, which others will
 * use, too: call @fn with the same arguments on the stack that ends at @top, with a copy of what
 * the kernel has put between the handler's frame and @end, and then return from the handler.
 * It does not come back; not declared so, as AddressSanitizer calls malloc() before what does not.
 */
typedef void gr_arch_handler_fn(int sig, siginfo_t *info, void *ucontext);
void gr_arch_move_handler(gr_arch_handler_fn *fn, int sig, siginfo_t *info, void *ucontext,
                          const char *end, char *top);

/* gr_arch_fp_begin - give the calling function the floating-point modes that a handler begins with;
 * returns those it had. gr_arch_fp_end - put them back. */
uint64_t gr_arch_fp_begin(void);
void gr_arch_fp_end(uint64_t modes);

/* The kernel's struct sigaction. */
struct gr_kernel_action {
    uintptr_t handler; /* SIG_DFL, SIG_IGN or a function */
    unsigned long flags;
    void (*restorer)(void); /* on aarch64 the kernel has its own */
    uint64_t mask;
};

#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif

/* gr_arch_sigreturn - the restorer that x86-64 wants; not to be called. */
void gr_arch_sigreturn(void) __attribute__((visibility("hidden")));

/* gr_arch_sp, gr_arch_pc - stack pointer and program counter of an interrupted context;
 * gr_arch_free_stack - where its stack is free below. */
uintptr_t gr_arch_sp(const void *ucontext);
uintptr_t gr_arch_pc(const void *ucontext);
char *gr_arch_free_stack(const void *ucontext);

#endif
