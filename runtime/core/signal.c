/*
 * Signals. The kernel sees one thread; programs see many.
 *
 * The kernel's mask of the carrier is kept at the intersection of all greens' masks, so that a
 * signal that any green would take is delivered. Greens mostly share a few masks: those are counted
 * (struct maskset).
 *
 * on_signal() is the kernel-level handler of every signal the program handles. It runs on whatever
 * stack was current, so it touches runtime structures only by lock-free means: it runs the
 * program's handler at once when the green on this stack is the one to take it and is outside the
 * runtime, else it records the signal and asks the hub for a look.
 */
#include "runtime/core/signal.h"

#include "runtime/base/log.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <ucontext.h>
#include <unistd.h>

#define N_SIG     65
#define N_MASKS   64
#define N_QUEUED  256
#define ALT_STACK (64UL << 10)
#define MASK_SIZE 8

#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif

#define DFL 0 /* SIG_DFL and SIG_IGN as numbers */
#define IGN 1

/* The kernel's struct sigaction. */
struct kernel_action {
    uintptr_t handler; /* SIG_DFL, SIG_IGN or a function */
    unsigned long flags;
#if defined(__x86_64__)
    void (*restorer)(void);
#endif
    uint64_t mask;
};

extern void gr_arch_sigreturn(void) __attribute__((visibility("hidden")));

/* What the program asked for. */
static struct kernel_action actions[N_SIG];

/* A signal on its way to a green, or to whichever green takes it (@to NULL). */
struct queued {
    _Atomic int sig; /* 0: free; -1: being filled */
    struct green *to;
    uint64_t order;
    siginfo_t info;
};

static struct queued queue[N_QUEUED];
static _Atomic uint64_t queue_order;
static _Atomic uint64_t unrouted; /* signals queued for nobody in particular */

/* The masks in use and by how many greens. */
static struct {
    uint64_t mask;
    unsigned users;
} masks[N_MASKS];
static int n_masks;
static unsigned
    other_masks; /* greens whose mask found no room: they block nothing as far as the kernel goes */
static uint64_t kernel_mask;

/* Never blocked, or libc's own (SIGCANCEL, SIGSETXID). */
#define ALWAYS_OPEN (gr_sigbit(SIGKILL) | gr_sigbit(SIGSTOP) | GR_SIG_LIBC)

/* --- masks --- */

/* One green more or less (@by) has @mask. Returns whether a mask came into use or went out of it.
 */
static bool count_mask(uint64_t mask, int by)
{
    int room = -1;
    for (int i = 0; i < n_masks; i++) {
        if (masks[i].users && masks[i].mask == mask) {
            masks[i].users += (unsigned)by;
            return masks[i].users == 0;
        }
        if (room < 0 && !masks[i].users) {
            room = i;
        }
    }
    if (room < 0 && n_masks < N_MASKS) {
        room = n_masks++;
    }
    if (by < 0 || room < 0) {
        other_masks += (unsigned)by;
        return true;
    }
    masks[room].mask = mask;
    masks[room].users = 1;
    return true;
}

static uint64_t intersection(void)
{
    uint64_t all = other_masks ? 0 : ~0ULL;
    for (int i = 0; i < n_masks; i++) {
        all &= masks[i].users ? masks[i].mask : ~0ULL;
    }
    return all & ~ALWAYS_OPEN;
}

static void set_kernel_mask(uint64_t mask)
{
    if (mask != kernel_mask) {
        kernel_mask = mask;
        (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, MASK_SIZE);
    }
}

static void change_mask(struct green *g, uint64_t mask)
{
    mask &= ~ALWAYS_OPEN;
    if (mask == g->sig_mask) {
        return;
    }
    g->crit++;
    atomic_signal_fence(memory_order_seq_cst);
    (void)count_mask(g->sig_mask, -1);
    (void)count_mask(mask, 1);
    g->sig_mask = mask;
    set_kernel_mask(intersection());
    atomic_signal_fence(memory_order_seq_cst);
    g->crit--;
}

void gr_sig_green_new(struct green *g)
{
    if (count_mask(g->sig_mask, 1)) {
        set_kernel_mask(intersection());
    }
}

void gr_sig_green_end(struct green *g)
{
    if (count_mask(g->sig_mask, -1)) {
        set_kernel_mask(intersection());
    }
    if (atomic_load(&g->sig_pending)) {
        for (int i = 0; i < N_QUEUED; i++) { /* signals directed at a thread die with it */
            if (queue[i].to == g && atomic_load(&queue[i].sig) > 0) {
                atomic_store(&queue[i].sig, 0);
            }
        }
    }
}

/* --- running handlers --- */

static void call(uintptr_t handler, int sig, siginfo_t *info, void *uc)
{
    ((void (*)(int, siginfo_t *, void *))handler)(sig, info, uc);
}

bool gr_sig_on_altstack(const struct green *g)
{
    const char *sp = __builtin_frame_address(0);
    const char *low = g->sig_altstack.ss_sp;
    return !(g->sig_altstack.ss_flags & SS_DISABLE) && sp >= low &&
           sp < low + g->sig_altstack.ss_size;
}

/* On the green's alternate stack if the handler asks for it; the kernel knows nothing of that
 * stack. */
static void call_on_green(const struct green *g, const struct kernel_action *act, int sig,
                          siginfo_t *info, void *uc)
{
    if ((act->flags & SA_ONSTACK) && !(g->sig_altstack.ss_flags & SS_DISABLE) &&
        !gr_sig_on_altstack(g)) {
        gr_arch_call_on((char *)g->sig_altstack.ss_sp + g->sig_altstack.ss_size, act->handler, sig,
                        info, uc);
        return;
    }
    call(act->handler, sig, info, uc);
}

/*
 * Run the program's handler for @sig on the calling green. @uc is the interrupted context, or NULL
 * when the signal was held back; the mask that is in force afterwards goes into it.
 */
static void run_handler(struct green *g, int sig, siginfo_t *info, ucontext_t *uc)
{
    struct kernel_action act = actions[sig];
    if (act.flags & SA_RESETHAND) {
        actions[sig] = (struct kernel_action){.handler = DFL};
    }
    uint64_t before = g->sig_mask;
    change_mask(g, before | act.mask | (act.flags & SA_NODEFER ? 0 : gr_sigbit(sig)));
    g->sig_ran++;
    ucontext_t own;
    if (!uc && (act.flags & SA_SIGINFO)) {
        (void)getcontext(&own);
    }
    if (act.handler == DFL) {
        (void)GR_SYS(SYS_tgkill, getpid(), g->hub->tid,
                     sig); /* reset meanwhile: the default action */
    } else if (act.handler != IGN) {
        call_on_green(g, &act, sig, info, uc ? uc : &own);
    }
    change_mask(g, before);
}

static struct queued *oldest(const struct green *g, uint64_t set)
{
    struct queued *best = NULL;
    for (int i = 0; i < N_QUEUED; i++) {
        int sig = atomic_load(&queue[i].sig);
        if (sig > 0 && queue[i].to == g && (set & gr_sigbit(sig)) &&
            (!best || queue[i].order < best->order)) {
            best = &queue[i];
        }
    }
    return best;
}

static bool is_queued(const struct green *g, int sig)
{
    return oldest(g, gr_sigbit(sig)) != NULL;
}

/* Take one deliverable signal of the calling green off the queue. 0 when there is none. */
static int take(struct green *g, uint64_t set, siginfo_t *info)
{
    uint64_t ready = atomic_load(&g->sig_pending) & set;
    if (!ready) {
        return 0;
    }
    struct queued *q = oldest(g, ready);
    if (!q) {
        atomic_fetch_and(&g->sig_pending, ~ready);
        return 0;
    }
    int sig = atomic_load(&q->sig);
    *info = q->info;
    atomic_store(&q->sig, 0);
    if (!is_queued(g, sig)) {
        atomic_fetch_and(&g->sig_pending, ~gr_sigbit(sig));
        if (is_queued(g, sig)) { /* it came in between */
            atomic_fetch_or(&g->sig_pending, gr_sigbit(sig));
        }
    }
    return sig;
}

int gr_sig_check_slow(void)
{
    struct green *g = gr_self;
    int rc = 0;
    while (GR_UNLIKELY(gr_sig_deliverable(g))) {
        siginfo_t info;
        int sig = take(g, ~g->sig_mask, &info);
        if (!sig) {
            continue;
        }
        bool restart = actions[sig].flags & SA_RESTART;
        int saved = errno;
        run_handler(g, sig, &info, NULL);
        errno = saved;
        rc = restart && rc != -EINTR ? -GR_ERESTART : -EINTR;
    }
    return rc;
}

void gr_sig_leave_slow(struct green *g)
{
    (void)g;
    (void)gr_sig_check();
}

/* --- arrival --- */

static void enqueue(struct green *to, int sig, const siginfo_t *info)
{
    if (sig < SIGRTMIN && is_queued(to, sig)) {
        return; /* standard signals do not queue */
    }
    for (int i = 0; i < N_QUEUED; i++) {
        int expected = 0;
        if (atomic_compare_exchange_strong(&queue[i].sig, &expected, -1)) {
            queue[i].to = to;
            queue[i].order = atomic_fetch_add(&queue_order, 1);
            queue[i].info = *info;
            atomic_store(&queue[i].sig, sig);
            return;
        }
    }
}

static void give(struct gr_hub *h, struct green *g, int sig, const siginfo_t *info)
{
    enqueue(g, sig, info);
    atomic_fetch_or(&g->sig_pending, gr_sigbit(sig));
    gr_hub_remote(h, g);
}

static bool wants(const struct green *g, int sig)
{
    return g->state != GR_DONE && g->state != GR_FREE &&
           (!(g->sig_mask & gr_sigbit(sig)) || (g->sig_wait & gr_sigbit(sig)));
}

/* Find takers for signals that came when the list of greens could not be walked. In the hub. */
void gr_sig_route(struct gr_hub *h)
{
    uint64_t set = atomic_load_explicit(&unrouted, memory_order_acquire);
    if (GR_LIKELY(!set)) {
        return;
    }
    atomic_store(&unrouted, 0);
    for (int i = 0; i < N_QUEUED; i++) {
        int sig = atomic_load(&queue[i].sig);
        if (sig <= 0 || queue[i].to) {
            continue;
        }
        struct green *taker = wants(h->main, sig) ? h->main : NULL;
        for (struct gr_list *n = h->all.next; n != &h->all && !taker; n = n->next) {
            struct green *g = GR_LIST_ENTRY(n, struct green, all);
            taker = wants(g, sig) ? g : NULL;
        }
        if (!taker) {
            atomic_fetch_or(&unrouted, gr_sigbit(sig)); /* until somebody unblocks it */
            continue;
        }
        queue[i].to = taker;
        atomic_fetch_or(&taker->sig_pending, gr_sigbit(sig));
        gr_hub_remote(h, taker);
    }
}

bool gr_sig_unrouted(const struct gr_hub *h)
{
    (void)h;
    return atomic_load_explicit(&unrouted, memory_order_relaxed) != 0;
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

static void default_action(int sig)
{
    struct kernel_action dfl = {.handler = DFL};
    (void)GR_SYS(SYS_rt_sigaction, sig, &dfl, NULL, MASK_SIZE);
}

static void on_fault(struct green *g, int sig, siginfo_t *info, ucontext_t *uc)
{
    if (sig == SIGSEGV) {
        report_overflow(g, info);
    }
    if (actions[sig].handler <= IGN) {
        default_action(
            sig); /* the instruction is tried again, and the process ends as it would have */
        return;
    }
    if (g) {
        run_handler(g, sig, info, uc);
        *(uint64_t *)&uc->uc_sigmask = kernel_mask;
    } else {
        call(actions[sig].handler, sig, info, uc);
    }
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct green *g = gr_self;
    struct gr_hub *h = gr_hub_here();
    int saved = errno;
    if (is_fault(sig, info)) {
        on_fault(g, sig, info, uc);
        errno = saved;
        return;
    }
    if (!h) { /* a foreign thread takes signals as it would natively */
        if (actions[sig].handler > IGN) {
            call(actions[sig].handler, sig, info, uc);
        }
        errno = saved;
        return;
    }
    /* Programs count on Linux' preference for the main thread. A thread that signals itself gets it
     * itself. */
    bool to_self = info->si_code == SI_TKILL && g;
    struct green *target = to_self               ? g
                           : wants(h->main, sig) ? h->main
                           : g && wants(g, sig)  ? g
                                                 : NULL;
    if (target && target == g && g->crit == 0 && !(g->sig_mask & gr_sigbit(sig))) {
        /* The kernel has blocked the handler's set already; from now on our own books say what is
         * blocked. */
        kernel_mask |= actions[sig].mask | gr_sigbit(sig);
        run_handler(g, sig, info, uc);
        (void)gr_sig_check(); /* what its mask has held back */
        *(uint64_t *)&uc->uc_sigmask = kernel_mask;
        if (!gr_hub_quiet()) {
            (void)gr_arch_abort(uc); /* it has woken somebody: no call may block the carrier now */
        }
    } else if (target) {
        give(h, target, sig, info);
        (void)gr_arch_abort(uc);
    } else {
        enqueue(NULL, sig, info);
        atomic_fetch_or(&unrouted, gr_sigbit(sig));
        gr_hub_poke(h);
        (void)gr_arch_abort(uc);
    }
    errno = saved;
}

/* --- dispositions --- */

static bool is_handler(const struct kernel_action *a)
{
    return a->handler > IGN;
}

static int install(int sig)
{
    struct kernel_action ours = actions[sig];
    bool reports = sig == SIGSEGV && ours.handler != IGN;
    if (is_handler(&ours) || reports) {
        ours.flags = (ours.flags & ~(unsigned long)(SA_RESETHAND | SA_ONSTACK)) | SA_SIGINFO;
        if (sig == SIGSEGV || sig == SIGBUS) {
            ours.flags |= SA_ONSTACK;
        }
        ours.handler = (uintptr_t)on_signal;
#if defined(__x86_64__)
        ours.flags |= SA_RESTORER;
        ours.restorer = gr_arch_sigreturn;
#endif
    }
    return (int)GR_SYS(SYS_rt_sigaction, sig, &ours, NULL, MASK_SIZE);
}

static void start_altstack(struct gr_hub *h)
{
    stack_t old;
    if (GR_SYS(SYS_sigaltstack, NULL, &old) == 0) {
        h->main->sig_altstack = old;
    }
    void *p = mmap(NULL, ALT_STACK, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p != MAP_FAILED) {
        stack_t ours = {.ss_sp = p, .ss_size = ALT_STACK};
        (void)GR_SYS(SYS_sigaltstack, &ours, NULL);
    }
}

void gr_sig_init(struct green *main)
{
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &kernel_mask, MASK_SIZE);
    main->sig_mask = kernel_mask;
    (void)count_mask(main->sig_mask, 1);
}

void gr_sig_start(void)
{
    start_altstack(gr_self->hub);
    for (int sig = 1; sig < N_SIG; sig++) {
        if (sig == SIGKILL || sig == SIGSTOP || sig == 32 || sig == 33) {
            continue;
        }
        if (GR_SYS(SYS_rt_sigaction, sig, NULL, &actions[sig], MASK_SIZE) == 0 &&
            (is_handler(&actions[sig]) || sig == SIGSEGV)) {
            (void)install(sig);
        }
    }
}

int gr_sig_action(int sig, const struct sigaction *act, struct sigaction *old)
{
    if (sig < 1 || sig >= N_SIG || sig == 32 || sig == 33 ||
        (act && (sig == SIGKILL || sig == SIGSTOP))) {
        return -EINVAL;
    }
    struct kernel_action before = actions[sig];
    if (sig == SIGKILL || sig == SIGSTOP) {
        before = (struct kernel_action){0};
    }
    if (act) {
        struct kernel_action a = {.flags = (unsigned long)(unsigned)act->sa_flags};
        memcpy(&a.handler, &act->sa_handler, sizeof(a.handler));
        memcpy(&a.mask, &act->sa_mask, sizeof(a.mask));
        a.mask &= ~ALWAYS_OPEN;
        gr_enter(gr_self);
        actions[sig] = a;
        int rc = install(sig);
        gr_leave(gr_self);
        if (rc) {
            actions[sig] = before;
            return rc;
        }
    }
    if (old) {
        memset(old, 0, sizeof(*old));
        memcpy(&old->sa_handler, &before.handler, sizeof(before.handler));
        memcpy(&old->sa_mask, &before.mask, sizeof(before.mask));
        old->sa_flags = (int)(before.flags & ~(unsigned long)SA_RESTORER);
    }
    return 0;
}

/* --- ending the waits of kernel threads --- */

#define SIG_CANCEL 32

/* libc's own handler of the signal, if it has one by now. For a thread that it did not cancel it
 * does nothing. */
static uintptr_t libc_cancel;

void (*gr_sig_on_tick)(void *uc);

static void on_cancel_signal(int sig, siginfo_t *info, void *uc)
{
    if (info->si_code == SI_TIMER && gr_sig_on_tick) {
        gr_sig_on_tick(uc);
    } else if (libc_cancel) {
        call(libc_cancel, sig, info, uc);
    }
}

int gr_sig_cancel_signal(void)
{
    struct kernel_action ours = {.handler = (uintptr_t)on_cancel_signal,
                                 .flags = SA_SIGINFO | SA_NODEFER};
    struct kernel_action now = {0};
#if defined(__x86_64__)
    ours.flags |= SA_RESTORER;
    ours.restorer = gr_arch_sigreturn;
#endif
    (void)GR_SYS(SYS_rt_sigaction, SIG_CANCEL, NULL, &now, MASK_SIZE);
    if (now.handler != ours.handler) { /* not yet, or libc has set its own, with SA_RESTART */
        libc_cancel = is_handler(&now) ? now.handler : 0;
        (void)GR_SYS(SYS_rt_sigaction, SIG_CANCEL, &ours, NULL, MASK_SIZE);
    }
    return SIG_CANCEL;
}

void gr_sig_cut_off(int tid)
{
    (void)GR_SYS(SYS_tgkill, getpid(), tid, gr_sig_cancel_signal());
}

/* --- masks, as the program sees them --- */

/* Signals that nobody took may be taken now. */
static void mask_opened(struct green *g)
{
    if (gr_sig_unrouted(g->hub)) {
        g->crit++;
        gr_sig_route(g->hub);
        g->crit--;
    }
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
    if (gr_sig_unrouted(g->hub)) {
        g->crit++;
        gr_sig_route(g->hub);
        g->crit--;
    }
    return old;
}

void gr_sig_mask_restore(uint64_t old)
{
    (void)gr_sig_check();
    change_mask(gr_self, old);
    mask_opened(gr_self);
}

uint64_t gr_sig_jump_mask(uint64_t mask)
{
    change_mask(gr_self, mask);
    return kernel_mask;
}

void gr_sig_expose(void)
{
    set_kernel_mask(gr_self->sig_mask);
}

void gr_sig_conceal(void)
{
    set_kernel_mask(intersection());
}

/* --- sending and waiting --- */

int gr_sig_send(struct green *g, int sig, const siginfo_t *info)
{
    if (sig < 0 || sig >= N_SIG || sig == 32 || sig == 33) {
        return -EINVAL;
    }
    if (sig == 0) {
        return 0;
    }
    bool blocked = (g->sig_mask & gr_sigbit(sig)) != 0;
    if (!blocked && !is_handler(&actions[sig])) {
        /* The default action concerns the process; an ignored signal is gone. */
        return (int)GR_SYS(SYS_tgkill, getpid(), g->hub->tid, sig);
    }
    if (blocked && actions[sig].handler == IGN) {
        return 0;
    }
    siginfo_t made = {.si_signo = sig, .si_code = SI_TKILL};
    made.si_pid = getpid();
    made.si_uid = getuid();
    gr_enter(gr_self);
    give(g->hub, g, sig, info ? info : &made);
    gr_leave(gr_self);
    if (g == gr_self) {
        (void)gr_sig_check();
    }
    return 0;
}

uint64_t gr_sig_pending_set(void)
{
    uint64_t kernel = 0;
    (void)GR_SYS(SYS_rt_sigpending, &kernel, MASK_SIZE);
    return (kernel | atomic_load(&gr_self->sig_pending) | atomic_load(&unrouted)) &
           gr_self->sig_mask;
}

/* Signals the kernel holds because every green blocks them. */
static int take_from_kernel(uint64_t set, siginfo_t *info)
{
    struct timespec none = {0};
    return (int)GR_SYS(SYS_rt_sigtimedwait, &set, info, &none, MASK_SIZE);
}

static int take_unrouted(uint64_t set, siginfo_t *info)
{
    struct queued *q = atomic_load(&unrouted) & set ? oldest(NULL, set) : NULL;
    if (!q) {
        return 0;
    }
    int sig = atomic_load(&q->sig);
    *info = q->info;
    atomic_store(&q->sig, 0);
    if (!is_queued(NULL, sig)) {
        atomic_fetch_and(&unrouted, ~gr_sigbit(sig));
    }
    return sig;
}

static int take_any(struct green *g, uint64_t set, siginfo_t *info)
{
    int sig = take(g, set, info);
    if (!sig) {
        sig = take_unrouted(set, info);
    }
    return sig ? sig : take_from_kernel(set, info);
}

int gr_sig_wait(uint64_t set, siginfo_t *info, int64_t deadline)
{
    struct green *g = gr_self;
    siginfo_t own;
    if (!info) {
        info = &own;
    }
    set &= ~ALWAYS_OPEN;
    long sfd = -1;
    int rc = take_any(g, set, info);
    while (rc == -EAGAIN && deadline > gr_now()) {
        if (sfd < 0) {
            sfd = GR_SYS(SYS_signalfd4, -1, &set, MASK_SIZE, SFD_CLOEXEC | SFD_NONBLOCK);
        }
        struct gr_waiter w;
        struct gr_fdlink l;
        gr_waiter_init(&w, NULL);
        g->sig_wait = set;
        gr_fd_link(&l, (int)sfd, GR_IN, &w);
        rc = gr_park(&w, deadline, GR_INTR, GR_WHY_SIGNAL);
        g->crit++;
        gr_fd_unlink(&l);
        g->crit--;
        g->sig_wait = 0;
        if (rc == -ECANCELED) {
            break;
        }
        int sig = take_any(g, set, info);
        rc = sig == -EAGAIN && gr_sig_check() ? -EINTR : sig;
    }
    if (sfd >= 0) {
        gr_fd_forget(gr_fd_get((int)sfd));
        (void)GR_SYS(SYS_close, sfd);
    }
    return rc;
}

/* --- fork, native calls --- */

void gr_sig_fork_child(void)
{
    memset(masks, 0, sizeof(masks));
    n_masks = 0;
    other_masks = 0;
    memset(queue, 0, sizeof(queue));
    atomic_store(&unrouted, 0);
    atomic_store(&gr_self->sig_pending, 0); /* a child starts with no pending signals */
    (void)count_mask(gr_self->sig_mask, 1);
    kernel_mask = ~gr_self->sig_mask;
    set_kernel_mask(gr_self->sig_mask);
}

bool gr_native(long *ret, long nr, long a, long b, long c, long d, long e, long f)
{
    struct green *g = gr_self;
    if (!gr_hub_quiet() || gr_cancelled(g, GR_CANCEL)) {
        return false;
    }
    uint64_t ran = g->sig_ran;
    g->hub->native_calls++;
    long rc = gr_arch_syscall(nr, a, b, c, d, e, f);
    if (rc == GR_ABORTED || (rc == -EINTR && g->sig_ran == ran && !gr_hub_quiet())) {
        return false;
    }
    *ret = rc;
    return true;
}
