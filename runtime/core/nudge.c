/* Nudges, now or by a timer of the kernel's. */
#include "runtime/core/nudge.h"

#include "runtime/base/clock.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/signal.h"
#include "runtime/core/tick.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define SIG_CANCEL 32
#define LATER_NS   (10 * 1000 * 1000LL)

/* libc's own handler of the signal, if it has one by now. For a thread that it did not cancel it
 * does nothing. */
static void (*libc_handler)(int, siginfo_t *, void *);

static void on_carrier(struct gr_hub *h, const siginfo_t *info, void *uc)
{
    struct green *g = gr_self;
    h->nudges++;
    if (info->si_code == SI_TIMER && info->si_timerid == h->nudge_timer) {
        atomic_store(&h->nudging, false);
    }
    gr_hub_note_time(h);
    gr_sig_look(uc);
    (void)gr_tick(h, info, uc);
    if (g && g->crit == 0) {
        gr_sig_finish(uc);
    }
}

/* What the nudge interrupted goes on with the mask that it had, as others may run here. */
static void on_stack_of_green(int sig, siginfo_t *info, void *context)
{
    const ucontext_t *uc = context;
    (void)sig;
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &uc->uc_sigmask, NULL, GR_SIG_SET_BYTES);
    on_carrier(gr_hub_here(), info, context);
}

static GR_NOINLINE void take_nudge(int sig, siginfo_t *info, void *uc)
{
    struct gr_hub *h = gr_hub_here();
    struct green *g = gr_self;
    if (libc_handler) {
        libc_handler(sig, info, uc);
    }
    if (!h) {
        return;
    }
    if (!g || g->crit) {
        on_carrier(h, info, uc);
    } else if (!gr_sig_on_carriers_stack(h)) {
        on_stack_of_green(sig, info, uc);
    } else if (gr_sig_stack_is_usable(g, uc)) {
        gr_sig_leave_carriers_stack(on_stack_of_green, sig, info, uc, gr_arch_free_stack(uc));
    } else {
        g->crit++; /* nobody else may run */
        on_carrier(h, info, uc);
        g->crit--;
    }
}

static void on_nudge(int sig, siginfo_t *info, void *uc)
{
    (void)gr_tp_mend();
    take_nudge(sig, info, uc);
}

/* Not with the start: libc would not set its own, which it has for its helper threads. */
int gr_nudge_signal(void)
{
    struct gr_kernel_action now = {0};
    struct gr_kernel_action ours = gr_kernel_handler(on_nudge);
    ours.mask |= GR_SIG_LIBC;
    ours.flags |= gr_sig_onstack();
    (void)GR_SYS(SYS_rt_sigaction, SIG_CANCEL, NULL, &now, GR_SIG_SET_BYTES);
    if (now.handler != ours.handler) { /* not yet, or libc has set its own, with SA_RESTART */
        libc_handler = now.handler > (uintptr_t)SIG_IGN ? (void *)now.handler : NULL;
        (void)GR_SYS(SYS_rt_sigaction, SIG_CANCEL, &ours, NULL, GR_SIG_SET_BYTES);
    }
    return SIG_CANCEL;
}

void gr_nudge(int tid)
{
    (void)GR_SYS(SYS_tgkill, getpid(), tid, gr_nudge_signal());
}

static bool have_timer(struct gr_hub *h)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = gr_nudge_signal()};
    event._sigev_un._tid = h->tid;
    if (!h->has_nudge_timer) {
        h->has_nudge_timer =
            GR_SYS(SYS_timer_create, CLOCK_MONOTONIC, &event, &h->nudge_timer) == 0;
    }
    return h->has_nudge_timer;
}

void gr_nudge_later(struct gr_hub *h)
{
    struct itimerspec once = {.it_value = gr_ns_timespec(LATER_NS)};
    if (atomic_exchange(&h->nudging, true)) {
        return;
    }
    if (!have_timer(h) || GR_SYS(SYS_timer_settime, h->nudge_timer, 0, &once, NULL)) {
        atomic_store(&h->nudging, false);
    }
}

void gr_nudge_fork_child(struct gr_hub *h)
{
    h->has_nudge_timer = false;
    atomic_store(&h->nudging, false);
}
