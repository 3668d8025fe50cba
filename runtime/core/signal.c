/*
 * Signals. The kernel sees one thread; programs see many.
 *
 * on_signal() is the kernel-level handler of every signal the program handles. It runs on whatever
 * stack was current, so it touches runtime structures only by means that allow it: it runs the
 * program's handler at once when the green on this stack is the one to take it and is outside the
 * runtime, else it queues the signal and asks the hub for a look. The kernel blocks all signals on
 * the way in, until the program's handler is called.
 */
#include "runtime/core/signal.h"

#include "runtime/base/log.h"
#include "runtime/base/rawsys.h"
#include "runtime/base/status.h"
#include "runtime/base/valgrind.h"
#include "runtime/core/hub.h"
#include "runtime/core/nudge.h"
#include "runtime/core/sigtimer.h"
#include "runtime/core/tick.h"
#include "runtime/core/tid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <ucontext.h>
#include <unistd.h>

#define N_SIG          65
#define ALT_STACK      (64UL << 10)
#define MAIN_STACK_MAX (1UL << 30) /* nothing else lies that near below the main thread's */

#define DFL 0 /* SIG_DFL and SIG_IGN as numbers */
#define IGN 1

extern void *__libc_stack_end GR_WEAK;
static size_t main_stack_size = MAIN_STACK_MAX;

/* What the program asked for. */
static struct gr_kernel_action actions[N_SIG];

/* Signals sent to the process that no green has been found for; should the hub try (again)? */
static struct gr_sigqueue unrouted;
static _Atomic bool try_to_route;

/* Sent by the kernel to the thread that makes a call. We see them even if every green blocks them,
 * and even if they have their default action: only we know whose they are. */
#define SENT_BY_CALLS (gr_sigbit(SIGPIPE) | gr_sigbit(SIGXFSZ))

static bool is_handler(const struct gr_kernel_action *a)
{
    return a->handler > IGN;
}

/* Faults come from the program itself. */
#define FROM_INSIDE                                                                                \
    (gr_sigbit(SIGSEGV) | gr_sigbit(SIGBUS) | gr_sigbit(SIGFPE) | gr_sigbit(SIGILL) |              \
     gr_sigbit(SIGTRAP) | gr_sigbit(SIGABRT) | gr_sigbit(SIGSYS))

bool gr_sig_has_handlers(void)
{
    for (int sig = 1; sig < N_SIG; sig++) {
        if (is_handler(&actions[sig]) && !(FROM_INSIDE & gr_sigbit(sig))) {
            return true;
        }
    }
    return false;
}

/* --- masks --- */

static void leave_to_hub(struct gr_hub *h, const struct gr_signal *s)
{
    (void)gr_sigqueue_add(&unrouted, s);
    atomic_store(&try_to_route, true);
    gr_hub_poke(h);
}

/* Somebody else may take what was sent to the process. */
static void hand_back(struct green *g, uint64_t set)
{
    struct gr_signal s;
    while (gr_sigqueue_take_process(&g->pending, set, &s)) {
        leave_to_hub(g->hub, &s);
    }
}

/* Our books alone; @g->crit > 0. */
static void note_mask(struct green *g, uint64_t mask)
{
    mask &= ~GR_SIG_ALWAYS_OPEN;
    if (mask != g->sig_mask) {
        uint64_t closed = mask & ~g->sig_mask;
        (void)gr_mask_count(g->sig_mask, -1);
        (void)gr_mask_count(mask, 1);
        g->sig_mask = mask;
        if (GR_UNLIKELY(g->pending.set & closed)) {
            hand_back(g, closed);
        }
    }
}

static void change_mask(struct green *g, uint64_t mask)
{
    g->crit++;
    atomic_signal_fence(memory_order_seq_cst);
    note_mask(g, mask);
    gr_mask_set_kernel(gr_mask_common());
    atomic_signal_fence(memory_order_seq_cst);
    g->crit--;
}

void gr_sig_green_new(struct green *g)
{
    if (gr_mask_count(g->sig_mask, 1)) {
        gr_mask_set_kernel(gr_mask_common());
        atomic_store(&try_to_route, true);
    }
}

void gr_sig_green_end(struct green *g)
{
    if (gr_mask_count(g->sig_mask, -1)) {
        gr_mask_set_kernel(gr_mask_common());
    }
    if (atomic_load(&g->pending.set)) {
        hand_back(g, ~0ULL);
        gr_sigqueue_drop(&g->pending, ~0ULL); /* those sent to a thread die with it */
    }
}

/* Signals that nobody took may be taken now. */
static void route_now(struct green *g)
{
    if (GR_UNLIKELY(atomic_load(&unrouted.set))) {
        g->crit++;
        atomic_store(&try_to_route, true);
        gr_sig_route(g->hub);
        g->crit--;
    }
}

/* --- running handlers --- */

static void call(uintptr_t handler, int sig, siginfo_t *info, void *uc)
{
    ((void (*)(int, siginfo_t *, void *))handler)(sig, info, uc);
}

static bool is_on(const stack_t *stack, const void *sp)
{
    const char *low = stack->ss_sp;
    return (const char *)sp >= low && (const char *)sp < low + stack->ss_size;
}

static bool has_altstack(const struct green *g)
{
    return !(g->sig_altstack.ss_flags & SS_DISABLE);
}

bool gr_sig_on_altstack(const struct green *g)
{
    return has_altstack(g) && is_on(&g->sig_altstack, __builtin_frame_address(0));
}

bool gr_sig_on_carriers_stack(const struct gr_hub *h)
{
    return is_on(&h->sigstack, __builtin_frame_address(0));
}

/* Is @sp on the stack that @g was made with? Of stacks that the program supplied we do not know how
 * far down they go. */
static bool is_on_own_stack(const struct green *g, const char *sp)
{
    if (g->is_main) {
        return &__libc_stack_end && sp < (char *)__libc_stack_end &&
               sp >= (char *)__libc_stack_end - main_stack_size;
    }
    return !g->user_stack && sp >= g->stack.base && sp < g->stack.base + g->stack.size;
}

/* A thread with an alternate stack may use its stack pointer for something else, since all its
 * handlers run there: Erlang's do. */
bool gr_sig_stack_is_usable(const struct green *g, const void *uc)
{
    const char *sp = (const char *)gr_arch_sp(uc);
    return !is_on(&g->hub->sigstack, sp) &&
           (!has_altstack(g) || is_on(&g->sig_altstack, sp) || is_on_own_stack(g, sp));
}

/* On the green's alternate stack if the handler asks for it; the kernel knows nothing of that
 * stack. */
static void call_on_green(const struct green *g, const struct gr_kernel_action *act, int sig,
                          siginfo_t *info, void *uc)
{
    if ((act->flags & SA_ONSTACK) && has_altstack(g) && !gr_sig_on_altstack(g)) {
        gr_arch_call_on((char *)g->sig_altstack.ss_sp + g->sig_altstack.ss_size, act->handler, sig,
                        info, uc);
        return;
    }
    call(act->handler, sig, info, uc);
}

static int install(int sig);

/* The process is ended, stopped or continued by the kernel. */
static void act_by_default(int sig)
{
    struct gr_kernel_action dfl = {.handler = DFL};
    uint64_t old = gr_mask_block_all();
    (void)GR_SYS(SYS_rt_sigaction, sig, &dfl, NULL, GR_SIG_SET_BYTES);
    (void)GR_SYS(SYS_tgkill, getpid(), GR_SYS(SYS_gettid), sig);
    gr_mask_unblock(~gr_sigbit(sig)); /* here it happens */
    gr_mask_unblock(old);
    (void)install(sig);
}

static void put_mask(ucontext_t *uc, uint64_t mask)
{
    memcpy(&uc->uc_sigmask, &mask, GR_SIG_SET_BYTES);
}

static uint64_t get_mask(const ucontext_t *uc)
{
    uint64_t mask;
    memcpy(&mask, &uc->uc_sigmask, GR_SIG_SET_BYTES);
    return mask;
}

/* For those who look where they were interrupted. */
static GR_NOINLINE void read_context(ucontext_t *uc)
{
    (void)getcontext(uc);
}

/*
 * Do what the program wants done about @s on the calling green. @uc is the interrupted context, or
 * NULL when the signal was held back. Returns whether a handler was called.
 *
 * As in the kernel, what else has become deliverable is handled first: it interrupts the handler
 * before its first instruction.
 */
static bool act(struct green *g, struct gr_signal *s, ucontext_t *uc)
{
    struct gr_kernel_action act = actions[s->sig];
    if (!is_handler(&act)) {
        if (act.handler == DFL) {
            act_by_default(s->sig);
        }
        return false;
    }
    if (act.flags & SA_RESETHAND) {
        actions[s->sig].handler = DFL;
    }
    ucontext_t own;
    ucontext_t *seen = uc;
    if (!uc) {
        read_context(&own);
        seen = &own;
    }
    put_mask(seen, g->sig_mask);
    g->sig_ran++;
    change_mask(g, g->sig_mask | act.mask | (act.flags & SA_NODEFER ? 0 : gr_sigbit(s->sig)));
    (void)gr_sig_check();
    uint64_t modes = gr_arch_fp_begin();
    call_on_green(g, &act, s->sig, &s->info, seen);
    gr_arch_fp_end(modes);
    change_mask(g, get_mask(seen));
    route_now(g);
    return true;
}

int gr_sig_check_slow(void)
{
    struct green *g = gr_self;
    struct gr_signal s;
    int rc = 0;
    while (gr_sigqueue_take(&g->pending, ~g->sig_mask, &s)) {
        bool restart = actions[s.sig].flags & SA_RESTART;
        int saved = errno;
        if (s.handled || act(g, &s, NULL)) {
            rc = restart && rc != -EINTR ? -GR_ERESTART : -EINTR;
        }
        errno = saved;
    }
    return rc;
}

void gr_sig_leave_slow(struct green *g)
{
    (void)g;
    (void)gr_sig_check();
}

/* --- arrival --- */

static int give(struct green *g, const struct gr_signal *s)
{
    int rc = gr_sigqueue_add(&g->pending, s);
    gr_hub_remote(g->hub, g);
    return rc;
}

/* One that waits for signals gets one at a time. */
static bool wants(const struct green *g, int sig)
{
    uint64_t bit = gr_sigbit(sig);
    return g->state != GR_DONE && g->state != GR_FREE &&
           (!(g->sig_mask & bit) || ((g->sig_wait & bit) && !(g->sig_wait & g->pending.set)));
}

static struct green *find_taker(struct gr_hub *h, int sig)
{
    struct green *taker = wants(h->main, sig) ? h->main : NULL;
    for (struct gr_list *n = h->all.next; n != &h->all && !taker; n = n->next) {
        struct green *g = GR_LIST_ENTRY(n, struct green, all);
        taker = wants(g, sig) ? g : NULL;
    }
    return taker;
}

/* Find takers for signals that came when the list of greens could not be walked. In the hub. */
void gr_sig_route(struct gr_hub *h)
{
    if (GR_LIKELY(!atomic_load_explicit(&try_to_route, memory_order_acquire))) {
        return;
    }
    atomic_store(&try_to_route, false);
    uint64_t left = atomic_load(&unrouted.set);
    while (left) {
        int sig = __builtin_ctzll(left) + 1;
        struct green *taker = find_taker(h, sig);
        struct gr_signal s;
        if (taker && gr_sigqueue_take(&unrouted, gr_sigbit(sig), &s)) {
            (void)give(taker, &s);
        } else { /* until somebody unblocks it */
            left &= ~gr_sigbit(sig);
        }
    }
}

bool gr_sig_unrouted(const struct gr_hub *h)
{
    (void)h;
    return atomic_load_explicit(&try_to_route, memory_order_relaxed);
}

/* Raised by the kernel for what the running code did. */
static bool is_fault(int sig, const siginfo_t *info)
{
    return info->si_code > 0 &&
           (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP);
}

static GR_COLD void report_overflow(struct green *g, const siginfo_t *info)
{
    if (g && !g->is_main && gr_stack_guard_hit(&g->stack, info->si_addr)) {
        gr_log("stack overflow in green thread %llu (%s), stack of %zu KiB; see --stack-size",
               (unsigned long long)g->id, g->name[0] ? g->name : "unnamed",
               (g->stack.size - g->stack.guard - GR_HIDDEN_STACK) / 1024);
    }
}

/* Without a handler, or while it is blocked, a fault ends the process: what caused it is done
 * again. */
static void die_of_fault(int sig)
{
    struct gr_kernel_action dfl = {.handler = DFL};
    (void)GR_SYS(SYS_rt_sigaction, sig, &dfl, NULL, GR_SIG_SET_BYTES);
    if (sig == SIGTRAP) { /* the program counter is behind it already */
        act_by_default(sig);
    }
}

/* A kernel thread that runs no hub takes signals as it would natively. */
static void on_foreign(struct gr_signal *s, ucontext_t *uc)
{
    if (is_handler(&actions[s->sig])) {
        gr_mask_unblock(get_mask(uc) | actions[s->sig].mask | gr_sigbit(s->sig));
        call(actions[s->sig].handler, s->sig, &s->info, uc);
    } else {
        act_by_default(s->sig);
    }
}

/* The mask that the kernel puts back is the one that is right by now. */
void gr_sig_finish(void *context)
{
    ucontext_t *uc = context;
    gr_mask_set_kernel(gr_mask_all());
    uint64_t mask = gr_mask_common();
    put_mask(uc, mask);
    (void)gr_mask_is_kernel(mask);
    if (!gr_hub_quiet()) {
        (void)gr_arch_abort(uc); /* it has woken somebody: no call may block the carrier now */
    }
}

static void handle_here(int sig, siginfo_t *info, void *uc)
{
    struct gr_signal s = {.sig = sig, .info = *info};
    int saved = errno;
    (void)gr_mask_is_kernel(gr_mask_all());
    gr_hub_interrupt(gr_self);
    (void)act(gr_self, &s, uc);
    (void)gr_sig_check(); /* what its mask has held back */
    gr_hub_resume(gr_self);
    gr_sig_finish(uc);
    errno = saved;
}

void gr_sig_leave_carriers_stack(gr_arch_handler_fn *fn, int sig, siginfo_t *info, void *uc,
                                 char *top)
{
    const stack_t *left = &gr_hub_here()->sigstack;
    gr_arch_move_handler(fn, sig, info, uc, (char *)left->ss_sp + left->ss_size, top);
}

/* The carrier's signal stack belongs to no green: the handler, during which others may run, gets a
 * stack as if there were none. */
static void handle(const struct green *g, int sig, siginfo_t *info, void *uc)
{
    if (!gr_sig_on_carriers_stack(g->hub)) {
        handle_here(sig, info, uc);
        return;
    }
    char *top = gr_arch_free_stack(uc);
    if ((actions[sig].flags & SA_ONSTACK) && has_altstack(g) && !is_on(&g->sig_altstack, top)) {
        top = (char *)g->sig_altstack.ss_sp + g->sig_altstack.ss_size;
    }
    gr_sig_leave_carriers_stack(handle_here, sig, info, uc, top);
}

static void on_fault(struct green *g, struct gr_signal *s, siginfo_t *info, ucontext_t *uc)
{
    if (s->sig == SIGSEGV) {
        report_overflow(g, info);
    }
    if (!is_handler(&actions[s->sig]) || (g && (g->sig_mask & gr_sigbit(s->sig)))) {
        die_of_fault(s->sig);
    } else if (!g) {
        on_foreign(s, uc);
    } else {
        handle(g, s->sig, info, uc);
    }
}

/* The green that a signal was sent to, if it was sent to a thread. */
static struct green *addressee(struct green *g, int sig, const siginfo_t *info)
{
    bool by_tkill = info->si_code == SI_TKILL;
    bool by_call = info->si_code == SI_USER && (SENT_BY_CALLS & gr_sigbit(sig));
    return (by_tkill || by_call) && info->si_pid == getpid() ? g : NULL;
}

/* Is @g outside of the runtime, and does it not block @sig? */
static bool may_run(const struct green *g, int sig)
{
    return g && g->crit == 0 && !(g->sig_mask & gr_sigbit(sig));
}

/* On a carrier. Programs count on Linux' preference for the main thread. */
static void on_carrier(struct gr_hub *h, struct green *g, struct gr_signal *s, siginfo_t *info,
                       ucontext_t *uc)
{
    struct green *to = addressee(g, s->sig, &s->info);
    int tid;
    if (s->info.si_code == SI_TIMER && gr_sigtimer_find(s->info.si_timerid, &tid)) {
        to = gr_tid_green(tid);
        if (!to) {
            return; /* it has ended */
        }
    }
    s->process = !to;
    if (!to) {
        to = wants(h->main, s->sig) ? h->main : g && wants(g, s->sig) ? g : NULL;
    }
    if (to == g && may_run(g, s->sig)) {
        handle(g, s->sig, info, uc);
        return;
    }
    uint64_t kernel_mask = gr_mask_is_kernel(gr_mask_all());
    if (to) {
        (void)give(to, s);
    } else {
        leave_to_hub(h, s);
    }
    if (to && to != g && s->process && may_run(g, s->sig)) {
        gr_nudge_later(h); /* it may compute for ever, and could run the handler as well */
    }
    (void)gr_mask_is_kernel(kernel_mask);
    (void)gr_arch_abort(uc);
}

/* --- signals that wait for a green which does not come to run --- */

/* Take one that was sent to the process and lies with another green than @g, which does not run. */
static struct green *take_overdue(const struct green *g, struct gr_signal *s)
{
    const struct gr_list *all = &g->hub->all;
    for (struct gr_list *n = all->next; n != all; n = n->next) {
        struct green *owner = GR_LIST_ENTRY(n, struct green, all);
        uint64_t set = owner->pending.set & ~owner->sig_mask & ~g->sig_mask;
        if (set && owner != g && gr_sigqueue_take_process(&owner->pending, set, s)) {
            return owner;
        }
    }
    return NULL;
}

/* Run their handlers here, if they have one; the waits of those they were given to end all the
 * same. */
static void run_overdue(struct green *g, ucontext_t *uc)
{
    struct gr_signal s;
    struct green *owner;
    while ((owner = take_overdue(g, &s))) {
        g->crit++;
        s.handled = true;
        (void)give(owner, &s);
        g->crit--;
        (void)act(g, &s, uc);
    }
}

void gr_sig_look(void *context)
{
    struct green *g = gr_self;
    if (!gr_sigqueue_any()) {
        return;
    }
    if (!g || g->crit) {
        gr_nudge_later(gr_hub_here());
        return;
    }
    int saved = errno;
    gr_hub_interrupt(g);
    (void)gr_sig_check();
    run_overdue(g, context);
    gr_hub_resume(g);
    errno = saved;
}

static GR_NOINLINE void take_signal(int sig, siginfo_t *info, ucontext_t *uc)
{
    struct green *g = gr_self;
    struct gr_hub *h = gr_hub_here();
    struct gr_signal s = {.sig = sig, .info = *info};
    int saved = errno;
    if (is_fault(sig, info)) {
        on_fault(g, &s, info, uc);
    } else if (h) {
        on_carrier(h, g, &s, info, uc);
    } else {
        on_foreign(&s, uc);
    }
    errno = saved;
}

static void on_signal(int sig, siginfo_t *info, void *uc)
{
    bool lost = gr_tp_mend();
    if (sig == SIGSEGV && info->si_code > 0 && gr_tp_trapped(info->si_addr, uc, lost)) {
        return;
    }
    take_signal(sig, info, uc);
}

/* --- dispositions --- */

/* Signals that do nothing unless they are handled. */
#define IGNORED_BY_DEFAULT                                                                         \
    (gr_sigbit(SIGCHLD) | gr_sigbit(SIGCONT) | gr_sigbit(SIGURG) | gr_sigbit(SIGWINCH))

static bool is_ignored(int sig)
{
    return actions[sig].handler == IGN ||
           (actions[sig].handler == DFL && (IGNORED_BY_DEFAULT & gr_sigbit(sig)));
}

/* valgrind lets the main thread's stack grow only where its stack pointer is. */
unsigned long gr_sig_onstack(void)
{
    return RUNNING_ON_VALGRIND ? 0 : SA_ONSTACK;
}

struct gr_kernel_action gr_kernel_handler(void (*fn)(int, siginfo_t *, void *))
{
    struct gr_kernel_action a = {
        .handler = (uintptr_t)fn, .flags = SA_SIGINFO, .mask = gr_mask_all()};
#if defined(__x86_64__)
    a.flags |= SA_RESTORER;
    a.restorer = gr_arch_sigreturn;
#endif
    return a;
}

static int install(int sig)
{
    struct gr_kernel_action ours = actions[sig];
    bool seen = ours.handler == DFL && ((SENT_BY_CALLS | gr_sigbit(SIGSEGV)) & gr_sigbit(sig));
    seen |= gr_tp_traps() && sig == SIGSEGV;
    if (is_handler(&ours) || seen) {
        unsigned long kept =
            ours.flags & (SA_RESTART | SA_NOCLDSTOP | SA_NOCLDWAIT | gr_sig_onstack());
        ours = gr_kernel_handler(on_signal);
        ours.flags |= kept | (sig == SIGSEGV || sig == SIGBUS ? SA_ONSTACK : 0);
        if (gr_tp_traps() && sig == SIGSEGV) { /* nudged, we would switch on the signal stack */
            ours.flags |= SA_NODEFER;
            ours.mask |= GR_SIG_LIBC;
        }
    }
    return (int)GR_SYS(SYS_rt_sigaction, sig, &ours, NULL, GR_SIG_SET_BYTES);
}

/* What is ignored is not kept until it is blocked no more. */
static void drop_pending(struct gr_hub *h, uint64_t set)
{
    if (!gr_sigqueue_any()) {
        return;
    }
    gr_sigqueue_drop(&unrouted, set);
    for (struct gr_list *n = h->all.next; n != &h->all; n = n->next) {
        gr_sigqueue_drop(&GR_LIST_ENTRY(n, struct green, all)->pending, set);
    }
}

/* Does the kernel send @sig to whoever makes a call, and do we see it? */
static void choose_open(void)
{
    uint64_t open = gr_tp_traps() ? gr_sigbit(SIGSEGV) : 0;
    for (int sig = 1; sig < N_SIG; sig++) {
        open |= actions[sig].handler != IGN ? SENT_BY_CALLS & gr_sigbit(sig) : 0;
    }
    gr_mask_keep_open(open);
    gr_mask_set_kernel(gr_mask_common());
}

static void start_altstack(struct gr_hub *h)
{
    stack_t old;
    if (GR_SYS(SYS_sigaltstack, NULL, &old) == 0) {
        h->main->sig_altstack = old;
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < MAIN_STACK_MAX) {
        main_stack_size = limit.rlim_cur;
    }
    void *p = mmap(NULL, ALT_STACK, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p != MAP_FAILED) {
        h->sigstack = (stack_t){.ss_sp = p, .ss_size = ALT_STACK};
        (void)GR_SYS(SYS_sigaltstack, &h->sigstack, NULL);
    }
}

void gr_sig_init(struct green *main)
{
    uint64_t mask = 0;
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, GR_SIG_SET_BYTES);
    main->sig_mask = mask;
    gr_mask_only(mask);
}

/* All are blocked. What the kernel keeps for the carrier would belong to every green. */
static void take_over_pending(struct green *main)
{
    struct timespec none = {0};
    uint64_t set = 0;
    (void)GR_SYS(SYS_rt_sigpending, &set, GR_SIG_SET_BYTES);
    /* "SigPnd" are those of the thread, not of the process. */
    while (GR_UNLIKELY(set) && (set = gr_status_read("SigPnd", 16, 0) & ~GR_SIG_ALWAYS_OPEN)) {
        struct gr_signal s = {0};
        s.sig = (int)GR_SYS(SYS_rt_sigtimedwait, &set, &s.info, &none, GR_SIG_SET_BYTES);
        if (s.sig < 0) {
            return;
        }
        (void)gr_sigqueue_add(&main->pending, &s);
    }
}

void gr_sig_start(void)
{
    take_over_pending(gr_self);
    start_altstack(gr_self->hub);
    for (int sig = 1; sig < N_SIG; sig++) {
        if (sig != SIGKILL && sig != SIGSTOP && !(GR_SIG_LIBC & gr_sigbit(sig)) &&
            GR_SYS(SYS_rt_sigaction, sig, NULL, &actions[sig], GR_SIG_SET_BYTES) == 0) {
            (void)install(sig);
        }
    }
    choose_open();
}

int gr_sig_action(int sig, const struct sigaction *act, struct sigaction *old)
{
    if (sig < 1 || sig >= N_SIG || sig == 32 || sig == 33 ||
        (act && (sig == SIGKILL || sig == SIGSTOP))) {
        return -EINVAL;
    }
    struct gr_kernel_action before = actions[sig];
    if (sig == SIGKILL || sig == SIGSTOP) {
        before = (struct gr_kernel_action){0};
    }
    if (act) {
        struct gr_kernel_action a = {.flags = (unsigned long)(unsigned)act->sa_flags};
        memcpy(&a.handler, &act->sa_handler, sizeof(a.handler));
        memcpy(&a.mask, &act->sa_mask, sizeof(a.mask));
        a.mask &= ~GR_SIG_ALWAYS_OPEN;
        gr_enter(gr_self);
        actions[sig] = a;
        (void)install(sig);
        if (is_ignored(sig)) {
            drop_pending(gr_self->hub, gr_sigbit(sig));
        }
        if (SENT_BY_CALLS & gr_sigbit(sig)) {
            choose_open();
        }
        gr_leave(gr_self);
    }
    if (old) {
        memset(old, 0, sizeof(*old));
        memcpy(&old->sa_handler, &before.handler, sizeof(before.handler));
        memcpy(&old->sa_mask, &before.mask, sizeof(before.mask));
        old->sa_flags = (int)(before.flags & ~SA_RESTORER);
    }
    return 0;
}

/* --- masks, as the program sees them --- */

static void mask_opened(struct green *g)
{
    route_now(g);
    (void)gr_sig_check();
}

int gr_sig_mask(int how, const uint64_t *set, uint64_t *old)
{
    struct green *g = gr_self;
    uint64_t before = g->sig_mask;
    if (set) {
        uint64_t mask;
        switch (how) {
        case SIG_BLOCK:
            mask = before | *set;
            break;
        case SIG_UNBLOCK:
            mask = before & ~*set;
            break;
        case SIG_SETMASK:
            mask = *set;
            break;
        default:
            return -EINVAL;
        }
        change_mask(g, mask);
    }
    if (old) {
        *old = before;
    }
    if (set && (before & ~g->sig_mask)) {
        mask_opened(g);
    }
    return 0;
}

uint64_t gr_sig_mask_swap(uint64_t mask)
{
    struct green *g = gr_self;
    uint64_t old = g->sig_mask;
    change_mask(g, mask);
    route_now(g);
    return old;
}

void gr_sig_mask_restore(uint64_t old)
{
    (void)gr_sig_check();
    change_mask(gr_self, old);
    mask_opened(gr_self);
}

void gr_sig_expose(void)
{
    struct green *g = gr_self;
    gr_tp_pin();
    g->crit++;
    gr_mask_set_kernel(g->sig_mask);
    g->crit--;
}

void gr_sig_conceal(void)
{
    struct green *g = gr_self;
    g->crit++;
    gr_mask_set_kernel(gr_mask_common());
    g->crit--;
    gr_tp_unpin();
}

/* Into the kernel's hands: pending for the carrier, or for the process. */
static void raise_in_kernel(struct gr_signal *s)
{
    long pid = getpid();
    if (s->handled) {
        return;
    }
    if (s->process) {
        (void)GR_SYS(SYS_rt_sigqueueinfo, pid, s->sig, &s->info);
    } else {
        (void)GR_SYS(SYS_rt_tgsigqueueinfo, pid, gr_self->hub->tid, s->sig, &s->info);
    }
}

/* Signals handed over to the kernel for an exec: sent to the process, sent to the caller. */
static uint64_t handed[2];

void gr_sig_before_exec(void)
{
    struct green *g = gr_self;
    struct gr_signal s;
    gr_sig_expose();
    while (gr_sigqueue_take(&g->pending, g->sig_mask, &s) ||
           gr_sigqueue_take(&unrouted, g->sig_mask, &s)) {
        raise_in_kernel(&s);
        handed[s.process] |= gr_sigbit(s.sig);
    }
}

/* The kernel gives the caller's first. */
static void take_back(struct gr_sigqueue *q, bool process)
{
    struct timespec none = {0};
    struct gr_signal s = {.process = process};
    while (handed[process] && (s.sig = (int)GR_SYS(SYS_rt_sigtimedwait, &handed[process], &s.info,
                                                   &none, GR_SIG_SET_BYTES)) > 0) {
        (void)gr_sigqueue_add(q, &s);
    }
    handed[process] = 0;
}

void gr_sig_after_failed_exec(void)
{
    take_back(&gr_self->pending, false);
    take_back(&unrouted, true);
    gr_sig_conceal();
}

/* --- sending and waiting --- */

/* What the program's signalfds are for. Only the kernel can put a signal into one. */
static uint64_t in_signalfds;

void gr_sig_signalfd(uint64_t set)
{
    in_signalfds |= set;
}

static bool is_for_signalfd(const struct green *g, int sig)
{
    return g->sig_mask & in_signalfds & gr_mask_common() & gr_sigbit(sig);
}

int gr_sig_send(struct green *g, int sig, const siginfo_t *info)
{
    if (sig < 0 || sig >= N_SIG || (sig && (GR_SIG_LIBC & gr_sigbit(sig)))) {
        return -EINVAL;
    }
    if (sig == 0) {
        return 0;
    }
    if (!(g->sig_mask & gr_sigbit(sig)) && !is_handler(&actions[sig])) {
        if (!is_ignored(sig)) { /* the default action concerns the process */
            act_by_default(sig);
        }
        return 0;
    }
    struct gr_signal s = {.sig = sig};
    if (info) {
        s.info = *info;
    } else {
        s.info.si_signo = sig;
        s.info.si_code = SI_TKILL;
        s.info.si_pid = getpid();
        s.info.si_uid = getuid();
    }
    gr_enter(gr_self);
    int rc = 0;
    if (g == gr_self && is_for_signalfd(g, sig)) {
        raise_in_kernel(&s);
    } else {
        rc = give(g, &s);
    }
    gr_leave(gr_self);
    if (g == gr_self) {
        (void)gr_sig_check();
    } else if (!gr_hub_here()) {
        gr_nudge(g->hub->tid); /* @g may be computing */
    }
    return rc;
}

uint64_t gr_sig_pending_set(void)
{
    struct green *g = gr_self;
    uint64_t kernel = 0;
    (void)GR_SYS(SYS_rt_sigpending, &kernel, GR_SIG_SET_BYTES);
    return (kernel | atomic_load(&g->pending.set) | atomic_load(&unrouted.set)) & g->sig_mask;
}

/* Signals the kernel holds because every green blocks them. */
static int take_from_kernel(uint64_t set, siginfo_t *info)
{
    struct timespec none = {0};
    return (int)GR_SYS(SYS_rt_sigtimedwait, &set, info, &none, GR_SIG_SET_BYTES);
}

static int take_any(struct green *g, uint64_t set, siginfo_t *info)
{
    struct gr_signal s;
    if (!gr_sigqueue_take(&g->pending, set, &s) && !gr_sigqueue_take(&unrouted, set, &s)) {
        return take_from_kernel(set, info);
    }
    if (s.handled) {
        return -EINTR;
    }
    *info = s.info;
    return s.sig;
}

/* The kernel's own, all of which are blocked, are noticed by a signalfd. */
static int wait_for_any(struct green *g, uint64_t set, int sfd, int64_t deadline)
{
    struct gr_waiter w;
    struct gr_fdlink l;
    gr_waiter_init(&w, NULL);
    g->sig_wait = set;
    if (sfd >= 0) {
        gr_fd_link(&l, sfd, GR_IN, &w);
    }
    int rc = gr_park(&w, deadline, GR_INTR, GR_WHY_SIGNAL);
    g->crit++;
    if (sfd >= 0) {
        gr_fd_unlink(&l);
    }
    g->crit--;
    g->sig_wait = 0;
    return rc;
}

int gr_sig_wait(uint64_t set, siginfo_t *info, int64_t deadline)
{
    struct green *g = gr_self;
    siginfo_t own;
    if (!info) {
        info = &own;
    }
    set &= ~GR_SIG_ALWAYS_OPEN;
    int sfd = -1;
    int rc = take_any(g, set, info);
    while (rc == -EAGAIN && deadline > gr_now()) {
        if (sfd < 0) {
            sfd = gr_fd_out_of_the_way(
                (int)GR_SYS(SYS_signalfd4, -1, &set, GR_SIG_SET_BYTES, SFD_CLOEXEC | SFD_NONBLOCK));
        }
        rc = wait_for_any(g, set, sfd, deadline);
        if (rc == -ECANCELED) {
            break;
        }
        int sig = take_any(g, set, info);
        rc = sig == -EAGAIN && gr_sig_check() ? -EINTR : sig;
    }
    if (sfd >= 0) {
        gr_fd_forget(gr_fd_get(sfd));
        (void)GR_SYS(SYS_close, sfd);
    }
    if (GR_UNLIKELY(atomic_load(&g->pending.set) & set & g->sig_mask)) {
        g->crit++;
        hand_back(g, set & g->sig_mask);
        g->crit--;
    }
    return rc;
}

/* --- fork, native calls --- */

void gr_sig_fork_child(void)
{
    struct green *g = gr_self;
    gr_sigqueue_fork_child();
    gr_sigtimer_fork_child();
    gr_sigqueue_drop(&unrouted, ~0ULL); /* a child starts with no pending signals */
    gr_sigqueue_drop(&g->pending, ~0ULL);
    atomic_store(&try_to_route, false);
    gr_mask_only(g->sig_mask);
}

bool gr_native(long *ret, long nr, long a, long b, long c, long d, long e, long f)
{
    struct green *g = gr_self;
    if (!gr_hub_quiet() || gr_cancelled(g, GR_CANCEL)) {
        return false;
    }
    if (GR_UNLIKELY(g->hub->ticking)) {
        gr_tick_stop(g->hub); /* it could end the call */
    }
    uint64_t ran = g->sig_ran;
    unsigned nudges = g->hub->nudges;
    g->hub->native_calls++;
    long rc = gr_arch_syscall(nr, a, b, c, d, e, f);
    if (rc == GR_ABORTED ||
        (rc == -EINTR && g->sig_ran == ran && (!gr_hub_quiet() || g->hub->nudges != nudges))) {
        return false;
    }
    *ret = rc;
    return true;
}
