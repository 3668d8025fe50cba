/*
 * Signals of a process whose threads are greens.
 *
 * Each green has its own mask, kept here; the kernel's mask of the carrier is the set that every
 * green blocks. Handlers of the program are reached through one entry of ours, which finds the
 * green that must run them: the one a signal is directed to, else the main green, else any that
 * does not block it. A handler runs on its green's own stack, at once if that green is running
 * outside the runtime, else when it next runs; a wait it interrupts ends with EINTR, or is
 * restarted (SA_RESTART).
 */
#ifndef GR_CORE_SIGNAL_H
#define GR_CORE_SIGNAL_H

#include "runtime/arch/arch.h"
#include "runtime/core/green.h"
#include "runtime/core/sigmask.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* gr_kernel_handler - have @fn called with every signal blocked, and system calls end with EINTR.
 */
struct gr_kernel_action gr_kernel_handler(void (*fn)(int, siginfo_t *, void *));

/* gr_sig_init - begin with the mask that the process has now; gr_sig_start - take over its
 * dispositions. */
void gr_sig_init(struct green *main);
void gr_sig_start(void);

/* gr_sig_mask - sigprocmask(2) for the calling green; either pointer may be NULL. 0 or -EINVAL.
 * Runs what became deliverable. */
int gr_sig_mask(int how, const uint64_t *set, uint64_t *old);

/*
 * gr_sig_mask_swap - for ppoll, pselect, epoll_pwait, sigsuspend: put @mask in force for one wait,
 * handing back the old one; gr_sig_mask_restore - put it back. Handlers of signals that arrive
 * meanwhile run before the restore.
 */
uint64_t gr_sig_mask_swap(uint64_t mask);
void gr_sig_mask_restore(uint64_t old);

/* gr_sig_check - run handlers that are pending for the calling green. 0 when none ran, else -EINTR
 * or -GR_ERESTART. */
int gr_sig_check_slow(void);

/* gr_sig_deliverable - would gr_sig_check() run a handler on @g? */
static inline bool gr_sig_deliverable(const struct green *g)
{
    return atomic_load_explicit(&g->pending.set, memory_order_acquire) & ~g->sig_mask;
}

static inline int gr_sig_check(void)
{
    return GR_UNLIKELY(gr_sig_deliverable(gr_self)) ? gr_sig_check_slow() : 0;
}

/*
 * gr_sig_interrupted - after gr_park() returned -EINTR to @g and its waiter is off every list: run
 * the handlers. Returns -EINTR, -GR_ERESTART, or 0 when there was none to run after all. A handler
 * may leave by a jump.
 */
static inline int gr_sig_interrupted(struct green *g)
{
    return g ? gr_sig_check() : -EINTR;
}

/* gr_sig_action - sigaction(2) in libc's terms. 0 or -EINVAL. */
int gr_sig_action(int sig, const struct sigaction *act, struct sigaction *old);

/* gr_sig_has_handlers - has the program handlers of signals that come from outside? */
bool gr_sig_has_handlers(void);

/*
 * gr_sig_onstack - the flag of sigaction(2) by which a handler begins on the signal stack of the
 * carrier, or 0. gr_sig_on_carriers_stack - does the calling handler run on the signal stack of the
 * carrier, which others use, too? Then it must not let others run; gr_sig_leave_carriers_stack()
 * calls @fn, as gr_arch_move_handler() does, on the stack that ends at @top and does not return;
 * gr_sig_stack_is_usable() - may that be the stack which was interrupted, in @uc?
 */
unsigned long gr_sig_onstack(void);
bool gr_sig_on_carriers_stack(const struct gr_hub *h);
bool gr_sig_stack_is_usable(const struct green *g, const void *uc);
void gr_sig_leave_carriers_stack(gr_arch_handler_fn *fn, int sig, siginfo_t *info, void *uc,
                                 char *top);

/* gr_sig_on_altstack - does the calling green @g run on its alternate signal stack? */
bool gr_sig_on_altstack(const struct green *g);

/* gr_sig_send - direct @sig to @g, as pthread_kill(3) and tgkill(2) do. 0, -EINVAL, or -EAGAIN: too
 * many are pending. May run a handler of the caller. */
int gr_sig_send(struct green *g, int sig, const siginfo_t *info);

/* gr_sig_wait - sigtimedwait(2). Returns the signal, -EAGAIN at the deadline, -EINTR. Switches. */
int gr_sig_wait(uint64_t set, siginfo_t *info, int64_t deadline);

/* gr_sig_pending_set - sigpending(2). */
uint64_t gr_sig_pending_set(void);

/* gr_sig_green_new / gr_sig_green_end - a green with g->sig_mask enters or leaves the set of
 * receivers. */
void gr_sig_green_new(struct green *g);
void gr_sig_green_end(struct green *g);

/*
 * gr_sig_expose / gr_sig_conceal - give the kernel the calling green's own mask while a child is
 * made that inherits it (fork, exec, posix_spawn), and take it back.
 */
void gr_sig_expose(void);
void gr_sig_conceal(void);
void gr_sig_fork_child(void);

/* gr_sig_before_exec - as gr_sig_expose(); the new program also finds pending what is pending for
 * the caller. gr_sig_after_failed_exec - take all that back. */
void gr_sig_before_exec(void);
void gr_sig_after_failed_exec(void);

/* gr_sig_signalfd - the program has made a signalfd for @set. */
void gr_sig_signalfd(uint64_t set);

/*
 * gr_native - issue a system call that may block the carrier, if nothing else can run meanwhile
 * (gr_hub_quiet()), and no request to cancel it is pending. Returns false when it must not; else
 * true with the kernel's answer in *@ret. A call that was cut short because another green became
 * runnable reports false too: nothing was transferred, go on cooperatively.
 */
bool gr_native(long *ret, long nr, long a, long b, long c, long d, long e, long f);

/*
 * gr_sig_look - in a nudge (nudge.h), with the interrupted context: run handlers that are due for
 * the green that runs, and those that another one should run and has not come to run.
 */
void gr_sig_look(void *ucontext);

/* gr_sig_finish - at the end of a handler of ours, during which other greens may have run, with the
 * interrupted context. The calling green is outside the runtime. */
void gr_sig_finish(void *ucontext);

/* For the hub: hand process-directed signals to greens; is any waiting for that? */
void gr_sig_route(struct gr_hub *h);
bool gr_sig_unrouted(const struct gr_hub *h);

/* gr_enter / gr_leave - bracket work on the runtime's own structures: handlers of the program wait
 * until the end. */
void gr_sig_leave_slow(struct green *g);

static inline void gr_enter(struct green *g)
{
    if (g) {
        g->crit++;
        atomic_signal_fence(memory_order_seq_cst);
    }
}

static inline void gr_leave(struct green *g)
{
    if (g) {
        atomic_signal_fence(memory_order_seq_cst);
        g->crit--;
        if (GR_UNLIKELY(g->crit == 0 &&
                        atomic_load_explicit(&g->pending.set, memory_order_relaxed))) {
            gr_sig_leave_slow(g);
        }
    }
}

#endif
