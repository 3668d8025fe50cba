/* The scheduler. */
#include "runtime/core/hub.h"

#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "runtime/base/probe.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/inspect.h"
#include "runtime/core/lot.h"
#include "runtime/core/request.h"
#include "runtime/core/rest.h"
#include "runtime/core/signal.h"
#include "runtime/core/standin.h"
#include "runtime/core/tick.h"
#include "runtime/core/tls.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define HUB_STACK   (128UL << 10)
#define POLL_EVERY  61 /* switches after which the loop is turned even though greens are ready */
#define FETCH_LINES 10 /* of a parked stack: the frames of a libc call down to the switch */
#define RETRY_NS    (10 * 1000 * 1000LL) /* pause after a thread or memory was refused */
#define BUDGET      16 /* non-blocking successes in a row before a green lets others run */

GR_TLS struct green *gr_self;

GR_TLS struct gr_hub *gr_hub_self;

/* Every hub of the process, for what concerns all of them. */
static struct gr_hub *hubs;

extern const char gr_ctx_resumed[] __attribute__((visibility("hidden")));

const struct gr_inspect gr_inspect __attribute__((section(GR_INSPECT_SECTION), used)) = {
    .magic = GR_INSPECT_MAGIC,
    .hub_size = sizeof(struct gr_hub),
    .green_size = sizeof(struct green),
    .whys = GR_WHY_N,
    .name_at = offsetof(struct green, name),
    .hubs = &hubs,
    .why_name = gr_why_names,
    .resumed = gr_ctx_resumed,
};

/* --- malloc's words, which belong to the carrier --- */

static inline uintptr_t *malloc_word(void *tp, int i)
{
    return (uintptr_t *)((char *)tp + gr_tls_malloc_words[i]);
}

static struct gr_malloc_words get_words(void *tp)
{
    struct gr_malloc_words w = {0};
    for (int i = 0; i < gr_tls_n_malloc_words; i++) {
        w.word[i] = *malloc_word(tp, i);
    }
    return w;
}

static void put_words(void *tp, const struct gr_malloc_words *w)
{
    for (int i = 0; i < gr_tls_n_malloc_words; i++) {
        *malloc_word(tp, i) = w->word[i];
    }
}

/* Words that malloc has used, or those of a new thread. More than fit are lost, with the few small
 * blocks that malloc keeps behind them. */
static struct gr_malloc_words take_spare(struct gr_hub *h)
{
    return h->n_spares ? h->spares[--h->n_spares] : (struct gr_malloc_words){0};
}

static void keep_spare(struct gr_hub *h, const struct gr_malloc_words *w)
{
    if (h->n_spares < GR_N_SPARES && w->word[0]) {
        h->spares[h->n_spares++] = *w;
    }
}

/*
 * A handler of the program may have interrupted @from in the middle of malloc, and wait. What the
 * words lead to is half changed then, so they stay with @from until the handler returns.
 */
static GR_COLD void carry_apart(struct gr_hub *h, struct green *from, void *from_tp,
                                const struct green *to, void *to_tp)
{
    struct gr_malloc_words w = from && from->own_malloc ? h->malloc_words : get_words(from_tp);
    if (from && from->handlers && !from->own_malloc) {
        from->own_malloc = true;
        w = take_spare(h);
    }
    if (to && to->own_malloc) {
        h->malloc_words = w;
    } else {
        put_words(to_tp, &w);
    }
}

/* @from hands the carrier over to @to; NULL is the hub. */
static inline void carry_malloc_words(struct gr_hub *h, struct green *from, const struct green *to)
{
    void *from_tp = from ? from->ctx.tp : h->ctx.tp;
    void *to_tp = to ? to->ctx.tp : h->ctx.tp;
    if (GR_UNLIKELY((from && from->handlers) || (to && to->own_malloc))) {
        carry_apart(h, from, from_tp, to, to_tp);
        return;
    }
    for (int i = 0; i < gr_tls_n_malloc_words; i++) {
        *malloc_word(to_tp, i) = *malloc_word(from_tp, i);
    }
}

void gr_hub_resume(struct green *g)
{
    if (--g->handlers || !g->own_malloc) {
        return;
    }
    g->crit++;
    atomic_signal_fence(memory_order_seq_cst);
    keep_spare(g->hub, &g->hub->malloc_words);
    g->own_malloc = false; /* its words are the carrier's again */
    atomic_signal_fence(memory_order_seq_cst);
    g->crit--;
}

/* @g ends, perhaps after a jump out of a handler. */
static void settle_malloc_words(struct green *g)
{
    g->handlers = 0;
    if (g->own_malloc) {
        struct gr_malloc_words own = get_words(g->ctx.tp);
        keep_spare(g->hub, &own);
        put_words(g->ctx.tp, &g->hub->malloc_words);
        g->own_malloc = false;
    }
}

/* --- switching --- */

void gr_hub_note_time(struct gr_hub *h)
{
    struct timespec ts;
    (void)gr_clock_kernel(CLOCK_MONOTONIC_COARSE, &ts);
    h->noted = gr_park_ms(gr_timespec_ns(&ts));
}

/*
 * The greens of a generation have mostly gone cold since they last ran. While one runs, the control
 * block of the second and the stack of the first behind it are fetched.
 */
static inline void fetch_ahead(const struct gr_hub *h)
{
    const struct gr_list *n = h->run.next;
    if (n == &h->run) {
        return;
    }
    const struct green *g = GR_LIST_ENTRY(n, struct green, link);
    const char *sp = g->ctx.sp;
#pragma GCC unroll 16
    for (int line = 0; line < FETCH_LINES; line++) {
        GR_FETCH(sp + line * 64);
    }
    GR_FETCH((const char *)g->ctx.tp + gr_tls_self_off);
    const struct green *second = GR_LIST_ENTRY(n->next, struct green, link);
    GR_FETCH(second);
    GR_FETCH((const char *)second + 64);
}

static inline struct green *next_green(struct gr_hub *h)
{
    if (gr_list_empty(&h->run)) {
        if (gr_list_empty(&h->ready) || h->since_poll >= POLL_EVERY) {
            return NULL;
        }
        gr_list_splice_back(&h->run, &h->ready);
    }
    struct green *g = GR_LIST_ENTRY(gr_list_pop_front(&h->run), struct green, link);
    g->state = GR_RUNNING;
    h->current = g;
    h->since_poll++;
    fetch_ahead(h);
    return g;
}

/* Hand over from @from to @g, or to the hub if that is NULL. */
static inline const struct gr_ctx *hand_over(struct gr_hub *h, struct green *from, struct green *g)
{
    const struct gr_ctx *to;
    if (g) {
        to = &g->ctx;
        GR_PROBE2(switch, from->id, g->id);
    } else {
        to = &h->ctx;
        h->current = NULL;
        h->last = from;
        GR_PROBE2(switch, from->id, 0);
    }
    h->switches++;
    from->budget = BUDGET;
    if (GR_UNLIKELY(h->cpu.measures)) {
        gr_cpu_measure(h, from);
    }
    carry_malloc_words(h, from, g);
    return to;
}

GR_HOT void gr_hub_switch(struct green *from)
{
    struct gr_hub *h = from->hub;
    struct green *g = next_green(h);
    if (g != from) {
        gr_ctx_switch(&from->ctx, hand_over(h, from, g));
    }
}

const struct gr_ctx *gr_hub_leave(struct green *from)
{
    settle_malloc_words(from);
    return hand_over(from->hub, from, next_green(from->hub));
}

void gr_hub_ready(struct gr_hub *h, struct green *g)
{
    GR_PROBE1(wake, g->id);
    g->state = GR_READY;
    gr_list_push_back(&h->ready, &g->link);
    if (GR_UNLIKELY(!h->ticking)) {
        gr_hub_note_time(h);
        gr_tick_start(h);
    }
}

void gr_hub_remote(struct gr_hub *h, struct green *g)
{
    if (!atomic_exchange(&g->remote_queued, true)) {
        struct green *head = atomic_load(&h->remote);
        do {
            atomic_store_explicit(&g->remote_next, head, memory_order_relaxed);
        } while (!atomic_compare_exchange_weak(&h->remote, &head, g));
    }
    gr_hub_poke(h);
}

void gr_hub_poke(struct gr_hub *h)
{
    if (atomic_load(&h->sleeping)) {
        gr_loop_wake(h->loop);
    }
}

/* Requests, and greens that were woken from elsewhere, in the order they were. */
static void drain_remote(struct gr_hub *h)
{
    if (GR_UNLIKELY(h->lacking || atomic_load_explicit(&h->requests, memory_order_relaxed))) {
        gr_request_serve(h);
    }
    struct green *g = atomic_exchange(&h->remote, NULL);
    struct green *in_order = NULL;
    while (g) {
        struct green *next = atomic_load_explicit(&g->remote_next, memory_order_relaxed);
        atomic_store_explicit(&g->remote_next, in_order, memory_order_relaxed);
        in_order = g;
        g = next;
    }
    while (in_order) {
        g = in_order;
        in_order = atomic_load_explicit(&g->remote_next, memory_order_relaxed);
        atomic_store(&g->remote_queued, false);
        if (g->state == GR_PARKED) {
            gr_hub_ready(h, g);
        } else if (g->state == GR_DONE && g->join == GR_RELEASED) {
            gr_green_release(g); /* joined by a foreign thread */
        }
    }
}

void gr_hub_timer_add(struct gr_hub *h, struct green *g, int64_t deadline)
{
    gr_heap_add(&h->timers, deadline, &g->heap_index, g);
}

void gr_hub_timer_remove(struct gr_hub *h, struct green *g)
{
    gr_heap_remove(&h->timers, g->heap_index);
}

static void expire_timers(struct gr_hub *h)
{
    const struct gr_heap_node *top = gr_heap_top(&h->timers);
    if (!top) {
        return;
    }
    int64_t now = gr_now();
    for (; top && top->key <= now; top = gr_heap_top(&h->timers)) {
        struct green *g = top->item;
        gr_heap_remove(&h->timers, 0);
        if (g->state == GR_PARKED) {
            g->ended = ETIMEDOUT;
            gr_hub_ready(h, g);
        }
    }
}

/* Room for @n more alarms and for the one that a handler may raise at any time. */
static int reserve_alarms(struct gr_hub *h, size_t n)
{
    return gr_heap_reserve(&h->alarms, h->alarms.n + n + 1);
}

int gr_alarm_reserve(void)
{
    gr_enter(gr_self);
    int rc = reserve_alarms(gr_hub_here(), 0);
    gr_leave(gr_self);
    return rc;
}

int gr_alarm_set(struct gr_alarm *a, int64_t deadline)
{
    struct gr_hub *h = gr_hub_here();
    gr_enter(gr_self);
    int rc = reserve_alarms(h, 1);
    if (rc == 0) {
        gr_heap_add(&h->alarms, deadline, &a->heap_index, a);
    }
    gr_leave(gr_self);
    return rc;
}

void gr_alarm_raise(struct gr_alarm *a)
{
    gr_enter(gr_self);
    if (a->heap_index >= 0) {
        gr_heap_remove(&gr_hub_here()->alarms, a->heap_index);
    }
    gr_heap_add(&gr_hub_here()->alarms, 0, &a->heap_index, a);
    gr_leave(gr_self);
}

void gr_alarm_clear(struct gr_alarm *a)
{
    gr_enter(gr_self);
    if (a->heap_index >= 0) {
        gr_heap_remove(&gr_hub_here()->alarms, a->heap_index);
    }
    gr_leave(gr_self);
}

void gr_alarm_fork_child(struct gr_hub *h, const struct green *survivor)
{
    size_t n = h->alarms.n;
    h->alarms.n = 0;
    for (size_t i = 0; i < n; i++) {
        struct gr_heap_node node = h->alarms.nodes[i]; /* adding overwrites none that is to come */
        *node.index = -1;
        if (((struct gr_alarm *)node.item)->of == survivor) {
            gr_heap_add(&h->alarms, node.key, node.index, node.item);
        }
    }
}

/* After the loop has been turned: what became ready in the same turn comes first. */
static void fire_alarms(struct gr_hub *h)
{
    const struct gr_heap_node *top = gr_heap_top(&h->alarms);
    if (!top) {
        return;
    }
    int64_t now = gr_now();
    for (; top && top->key <= now; top = gr_heap_top(&h->alarms)) {
        struct gr_alarm *a = top->item;
        gr_heap_remove(&h->alarms, 0);
        a->fire(a);
    }
}

/* The next time at which the hub has something to do by itself. */
static int64_t next_deadline(const struct gr_hub *h)
{
    const struct gr_heap_node *timer = gr_heap_top(&h->timers);
    const struct gr_heap_node *alarm = gr_heap_top(&h->alarms);
    int64_t deadline = timer ? timer->key : GR_FOREVER;
    return alarm && alarm->key < deadline ? alarm->key : deadline;
}

static void make_loop(struct gr_hub *h)
{
    int err = 0;
    h->loop = gr_loop_new(gr_fd_on_event, &err);
    if (!h->loop) {
        gr_die("no event loop (%s); raise the limit on open files", strerror(err));
    }
}

/* Jobs go to libuv's workers, calls that may wait for ever to stand-ins. These threads must not
 * take the process's signals; libc's own, which concern every thread, they must. */
static void submit_jobs(struct gr_hub *h)
{
    uint64_t all = ~GR_SIG_LIBC;
    uint64_t old;
    if (!h->to_submit && !h->errands) {
        return;
    }
    gr_runtime_making_threads(true);
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
    gr_standin_start_queued(h);
    while (h->to_submit) {
        struct gr_job *job = h->to_submit;
        h->to_submit = job->next;
        if (gr_loop_submit(h->loop, job)) {
            job->run(job); /* no worker to be had: better late than never */
            job->done(job);
        }
    }
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
    gr_runtime_making_threads(false);
}

/* Where a task switch costs us the thread pointer, libuv does not wait: its next step would be to
 * find that out. */
static void wait_in_loop(struct gr_hub *h, int64_t deadline)
{
    struct pollfd p = {.fd = -1, .events = POLLIN};
    if (gr_tp_traps() && deadline) {
        p.fd = gr_loop_prepare(h->loop, deadline);
    }
    if (p.fd >= 0) {
        (void)gr_arch_syscall(SYS_ppoll, (long)&p, 1, 0, 0, 0, 0);
        deadline = 0;
    }
    gr_loop_run(h->loop, deadline);
}

/* One turn of the loop. */
static void turn(struct gr_hub *h)
{
    if (h->zombie) {
        gr_green_release(h->zombie);
        h->zombie = NULL;
    }
    drain_remote(h);
    gr_sig_route(h);
    expire_timers(h);
    if (gr_hub_any_ready(h) && !h->n_fd_waits && !h->n_jobs && !h->to_arm) {
        fire_alarms(h);
        return; /* nothing in the loop can matter */
    }
    if (!h->loop) {
        make_loop(h);
    }
    gr_fd_arm_queued(h);
    submit_jobs(h);
    int64_t deadline = 0;
    if (!gr_hub_any_ready(h) && !gr_rest_is_idle(h)) {
        deadline = next_deadline(h);
        if ((h->errands || h->lacking) && deadline > gr_deadline_in(RETRY_NS)) {
            deadline = gr_deadline_in(RETRY_NS);
        }
        (void)atomic_exchange(&h->sleeping, true); /* before the look at what else wakes us */
        if (gr_hub_asked(h) || gr_sig_unrouted(h) || (!hubs->next && gr_rest_end(h))) {
            deadline = 0;
        }
    }
    wait_in_loop(h, deadline);
    atomic_store(&h->sleeping, false);
    drain_remote(h);
    gr_sig_route(h);
    expire_timers(h);
    fire_alarms(h);
    if (!gr_hub_any_ready(h) && gr_rest_is_idle(h)) {
        gr_rest_wake_idle(h);
    }
}

/* The hub has its turn, from the top of its stack each time. */
static const struct gr_ctx *hub_main(void *arg)
{
    struct gr_hub *h = arg;
    struct green *g;
    gr_hub_note_time(h);
    if (h->last->state == GR_PARKED) {
        h->last->parked = h->noted; /* it may have been alone for long */
    }
    do {
        turn(h);
        gr_hub_note_time(h);
        h->since_poll = 0;
        g = next_green(h);
    } while (!g);
    carry_malloc_words(h, NULL, g);
    GR_PROBE2(switch, 0, g->id);
    return &g->ctx;
}

struct gr_hub *gr_hub_first(void)
{
    struct gr_hub *h = hubs;
    while (h && h->next) {
        h = h->next;
    }
    return h;
}

void gr_hub_foreign(void)
{
    for (struct gr_hub *h = hubs; h; h = h->next) {
        h->no_native = true;
    }
}

GR_NOINLINE void gr_hub_borrow(struct green *from, struct green *to)
{
    carry_malloc_words(from->hub, from, to);
    gr_tp_set(to->ctx.tp);
}

struct gr_hub *gr_hub_new(const char **why)
{
    struct gr_hub *h = calloc(1, sizeof(*h));
    if (!h || gr_stack_alloc(HUB_STACK + gr_tls_size(), 4096, gr_tls_size(), &h->stack)) {
        *why = "out of memory";
        return NULL;
    }
    gr_list_init(&h->run);
    gr_list_init(&h->ready);
    gr_list_init(&h->idle);
    gr_list_init(&h->all);
    for (int i = 0; i < GR_N_CACHES; i++) {
        gr_list_init(&h->cache[i]);
    }
    h->tid = (int)GR_SYS(SYS_gettid);
    gr_hub_note_time(h);
    char *top = h->stack.base + h->stack.size;
    void *tp = gr_tls_make(top, h->stack.base, h->stack.size, h->stack.guard);
    if (!tp) {
        *why = "out of memory";
        return NULL;
    }
    *(struct gr_hub **)((char *)tp + ((char *)&gr_hub_self - gr_tp_get())) = h;
    gr_ctx_make(&h->ctx, gr_tls_floor(tp), tp, hub_main, h);
    h->next = hubs;
    hubs = h;
    return h;
}

void gr_hub_free(struct gr_hub *h)
{
    hubs = h->next;
    for (int i = 0; i < GR_N_CACHES; i++) {
        while (!gr_list_empty(&h->cache[i])) {
            gr_green_discard(GR_LIST_ENTRY(gr_list_pop_front(&h->cache[i]), struct green, link));
        }
    }
    gr_tls_destroy(h->ctx.tp);
    gr_stack_free(&h->stack);
    free(h->timers.nodes);
    free(h);
}

bool gr_hub_quiet(void)
{
    struct gr_hub *h = gr_self->hub;
    return !gr_hub_any_ready(h) && !gr_rest_is_idle(h) && !h->timers.n && !h->alarms.n &&
           !h->n_fd_waits && !h->n_jobs && !h->no_native && !atomic_load(&h->remote) &&
           !gr_sig_unrouted(h);
}

/* --- seen from another thread, while all this may change: memory is peeked at --- */

#define COUNT_MAX 10000 /* a list that changes while it is walked may have no end */

static unsigned count_list(const struct gr_list *head)
{
    unsigned n = 0;
    struct gr_list seen = {.next = __atomic_load_n(&head->next, __ATOMIC_RELAXED)};
    while (seen.next != head && n < COUNT_MAX && gr_peek(&seen, seen.next, sizeof(seen)) == 0) {
        n++;
    }
    return n;
}

static unsigned count_remote(const struct gr_hub *h)
{
    unsigned n = 0;
    struct green *g = atomic_load(&h->remote);
    while (g && n < COUNT_MAX && gr_peek(&g, &g->remote_next, sizeof(void *)) == 0) {
        n++;
    }
    return n;
}

static unsigned count_due(const struct gr_hub *h)
{
    struct gr_heap_node some[64];
    const struct gr_heap_node *nodes = __atomic_load_n(&h->timers.nodes, __ATOMIC_RELAXED);
    size_t n = __atomic_load_n(&h->timers.n, __ATOMIC_RELAXED);
    int64_t now = gr_now();
    unsigned due = 0;
    for (size_t i = 0; i < n && i < COUNT_MAX; i += GR_ARRAY_SIZE(some)) {
        size_t m = n - i < GR_ARRAY_SIZE(some) ? n - i : GR_ARRAY_SIZE(some);
        if (gr_peek(some, nodes + i, m * sizeof(some[0]))) {
            break;
        }
        for (size_t k = 0; k < m; k++) {
            due += some[k].key <= now;
        }
    }
    return due;
}

unsigned gr_hub_held_up(const struct gr_hub *h)
{
    return count_list(&h->run) + count_list(&h->ready) + count_remote(h) + count_due(h);
}

/* Give up the CPU, but stay ready. */
static void requeue(struct green *g)
{
    g->crit++;
    atomic_signal_fence(memory_order_seq_cst);
    gr_hub_ready(g->hub, g);
    gr_hub_switch(g);
    gr_leave(g);
}

void gr_yield(void)
{
    struct green *g = gr_self;
    if (!g) {
        (void)GR_SYS(SYS_sched_yield);
        return;
    }
    struct gr_hub *h = g->hub;
    if (!gr_hub_any_ready(h)) {
        if (gr_hub_quiet() || (++h->since_poll < POLL_EVERY && !gr_hub_asked(h))) {
            return;
        }
        h->since_poll = POLL_EVERY; /* or the caller would go on without the hub */
    }
    requeue(g);
}

void gr_hub_give_way(void)
{
    gr_self->hub->since_poll = POLL_EVERY;
    requeue(gr_self);
}

void gr_hub_charge(void)
{
    struct green *g = gr_self;
    if (--g->budget <= 0) {
        g->budget = BUDGET;
        gr_yield();
    }
}

/* A blocking function on its way through a worker. */
struct offload {
    struct gr_job job;
    struct gr_waiter waiter;
    struct gr_hub *hub;
    void (*fn)(void *);
    void *arg;
    int saved_errno;
    int saved_h_errno;
};

static void offload_run(struct gr_job *job)
{
    struct offload *o = GR_CONTAINER_OF(job, struct offload, job);
    errno = o->saved_errno;
    o->fn(o->arg);
    o->saved_errno = errno;
    o->saved_h_errno = h_errno;
}

static void offload_done(struct gr_job *job)
{
    struct offload *o = GR_CONTAINER_OF(job, struct offload, job);
    o->hub->n_jobs--;
    gr_wake(&o->waiter);
}

void gr_offload(void (*fn)(void *), void *arg)
{
    struct green *g = gr_self;
    struct offload o = {.fn = fn, .arg = arg, .hub = g->hub, .saved_errno = errno};
    o.job.run = offload_run;
    o.job.done = offload_done;
    gr_waiter_init(&o.waiter, NULL);
    gr_enter(g);
    o.job.next = g->hub->to_submit;
    g->hub->to_submit = &o.job;
    g->hub->n_jobs++;
    gr_leave(g);
    while (gr_park(&o.waiter, GR_FOREVER, 0, GR_WHY_WORKER)) {
    }
    errno = o.saved_errno;
    h_errno = o.saved_h_errno;
}
