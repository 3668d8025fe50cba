/* Greens: creation, reuse, end, join. */
#include "runtime/core/green.h"

#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"
#include "runtime/core/signal.h"
#include "runtime/core/tid.h"
#include "runtime/core/tls.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CACHE_HIGH                                                                                 \
    4096 /* ended greens kept with their whole stacks; of more only the top stays resident */
#define FIRST_FRAMES 512 /* of its stack, what every green uses */
#define DEEP_SAMPLE  64
#define DEEP_WATCH   4096

void (*gr_green_on_exit)(struct green *g);
void (*gr_green_on_locals_new)(struct green *g);
void (*gr_green_on_locals_end)(struct green *g);
void (*gr_green_on_task_end)(struct green *g, void *value);

pthread_t gr_green_thread(const struct green *g)
{
    return (pthread_t)gr_tls_pthread(g->ctx.tp);
}

struct green *gr_green_of(pthread_t t)
{
    return *(struct green **)((char *)gr_tls_of_pthread((uintptr_t)t) + gr_tls_self_off);
}

/* --- cache --- */

static struct gr_list *cache_of(struct gr_hub *h, size_t key)
{
    for (int i = 0; i < GR_N_CACHES; i++) {
        if (!h->cache_key[i]) {
            h->cache_key[i] = key;
        }
        if (h->cache_key[i] == key) {
            return &h->cache[i];
        }
    }
    return NULL;
}

/* Size and guard in one number; sizes are page multiples, so the low bits are free for the guard's
 * pages. */
static size_t cache_key(size_t size, size_t guard)
{
    return size + (guard / 4096 < 4095 ? guard / 4096 : 4095);
}

/* Gives back what lies deeper than the first @keep bytes of the stack. */
static GR_NOINLINE void drop_stack(const struct green *g, size_t keep)
{
    char *low = g->stack.base + g->stack.guard;
    char *high = (char *)gr_align_down((uintptr_t)g, 4096) - keep;
    if (high > low) {
        (void)madvise(low, (size_t)(high - low), MADV_DONTNEED);
    }
}

static GR_NOINLINE bool used_beyond(const struct green *g, size_t depth)
{
    unsigned char resident = 0;
    char *page = (char *)gr_align_down((uintptr_t)g, 4096) - depth - 4096;
    return page > g->stack.base + g->stack.guard &&
           GR_SYS(SYS_mincore, page, 4096, &resident) == 0 && (resident & 1);
}

/*
 * A stack in the cache may keep what a small stack may have; more is given back. To ask about each
 * one costs as much as a thread, so one in DEEP_SAMPLE is looked at; when it turns out that this
 * program goes deep, each of the next DEEP_WATCH.
 */
static void trim_stack(struct gr_hub *h, const struct green *g)
{
    if (g->stack.size <= GR_SMALL_STACK + GR_HIDDEN_STACK + g->stack.guard ||
        (h->deep_watch == 0 && ++h->deep_sample % DEEP_SAMPLE)) {
        return;
    }
    if (used_beyond(g, GR_SMALL_STACK)) {
        drop_stack(g, GR_SMALL_STACK);
        h->deep_watch = DEEP_WATCH;
    } else if (h->deep_watch > 0) {
        h->deep_watch--;
    }
}

void gr_green_discard(struct green *g)
{
    gr_tid_free(g->tid);
    gr_tls_destroy(g->ctx.tp);
    gr_stack_free(&g->stack);
}

void gr_green_release(struct green *g)
{
    struct gr_hub *h = g->hub;
    g->state = GR_FREE;
    struct gr_list *cache =
        g->user_stack ? NULL : cache_of(h, cache_key(g->stack.size, g->stack.guard));
    if (!cache) {
        gr_green_discard(g);
        return;
    }
    if (++h->n_cached > CACHE_HIGH) {
        drop_stack(g, 4096);
    } else {
        trim_stack(h, g);
    }
    gr_list_push_front(cache, &g->link);
}

/* --- creation --- */

static struct green *place_green(void *tp)
{
    uintptr_t at = (uintptr_t)gr_tls_floor(tp) - sizeof(struct green);
    return (struct green *)gr_align_down(at, 64);
}

static void set_self(void *tp, struct green *g)
{
    *(struct green **)((char *)tp + gr_tls_self_off) = g;
}

/* A new control block at @g for the thread pointer @tp; @stack is given back on failure. */
static int make(struct green *g, const struct gr_stack *stack, void *tp, bool user_stack)
{
    memset(g, 0, sizeof(*g));
    g->tid = gr_tid_new(g);
    if (!g->tid) {
        gr_tls_destroy(tp);
        gr_stack_free(stack);
        return -EAGAIN;
    }
    g->stack = *stack;
    g->user_stack = user_stack;
    g->ctx.tp = tp;
    g->heap_index = -1;
    set_self(tp, g);
    return 0;
}

/* A green on a stack of ours: the block at the top, the control block below, then the stack. */
static GR_NOINLINE int make_on_slab(size_t size, size_t guard, struct green **out)
{
    struct gr_stack stack;
    size_t used = gr_tls_size() + sizeof(struct green) + FIRST_FRAMES;
    int rc = gr_stack_alloc(size + GR_HIDDEN_STACK, guard, used, &stack);
    if (rc) {
        return rc;
    }
    char *top = stack.base + stack.size;
    size_t shown = size + stack.guard;
    void *tp = gr_tls_make(top, top - shown, shown, stack.guard);
    if (!tp) {
        gr_stack_free(&stack);
        return -EAGAIN;
    }
    *out = place_green(tp);
    return make(*out, &stack, tp, false);
}

/* A green on a stack of the program's: the block at its top, as glibc does; the control block
 * elsewhere. */
static GR_NOINLINE int make_on_user_stack(const struct gr_green_attr *attr, struct green **out)
{
    struct gr_stack control;
    int rc = gr_stack_alloc(sizeof(struct green), 0, 0, &control);
    if (rc) {
        return rc;
    }
    char *top = (char *)attr->stack_addr + attr->stack_size;
    memset(top - gr_tls_size(), 0, gr_tls_size());
    void *tp = gr_tls_make(top, attr->stack_addr, attr->stack_size, 0);
    if (!tp) {
        gr_stack_free(&control);
        return -EAGAIN;
    }
    gr_stack_announce(attr->stack_addr, attr->stack_size);
    *out = (struct green *)control.base;
    return make(*out, &control, tp, true);
}

static int obtain(struct gr_hub *h, const struct gr_green_attr *attr, struct green **out)
{
    size_t size = attr->stack_size       ? attr->stack_size
                  : gr_config.stack_size ? (size_t)gr_config.stack_size
                                         : GR_SMALL_STACK;
    size_t least = gr_tls_size() + sizeof(struct green) + 2048;
    if (!attr->stack_size && least > size / 4) {
        size += gr_align_up(least, 4096); /* chosen without knowing of such large variables */
    }
    if (attr->stack_addr) {
        return size < least ? -EINVAL : make_on_user_stack(attr, out);
    }
    if (size < least) {
        return -EINVAL;
    }
    if (size > GR_STACK_LIMIT || attr->guard_size > GR_STACK_LIMIT) {
        return -EAGAIN;
    }
    size = gr_align_up(size, 4096);
    size_t guard = gr_align_up(attr->guard_size, 4096);
    struct gr_list *cache = cache_of(h, cache_key(size + GR_HIDDEN_STACK + guard, guard));
    if (cache && !gr_list_empty(cache)) {
        h->n_cached--;
        struct green *g = GR_LIST_ENTRY(gr_list_pop_front(cache), struct green, link);
        g->tid = gr_tid_next(g->tid);
        *out = g;
        return 0;
    }
    return make_on_slab(size, guard, out);
}

static void *run(struct green *g)
{
    __pthread_unwind_buf_t buf;
    /* The base of the stack: pthread_exit() unwinds to here, as it does to the base of a kernel
     * thread. */
    if (__sigsetjmp_cancel(buf.__cancel_jmp_buf, 0) == 0) {
        __pthread_register_cancel(&buf);
        void *value = g->fn(g->arg);
        __pthread_unregister_cancel(&buf);
        return value;
    }
    return gr_self->retval;
}

static const struct gr_ctx *end(void *value);

static const struct gr_ctx *entry(void *arg)
{
    struct green *g = arg;
    gr_tls_enter();
    gr_leave(g);
    return end(run(g));
}

int gr_green_new(const struct gr_green_attr *attr, void *(*fn)(void *), void *arg,
                 struct green **out)
{
    struct gr_hub *h = gr_hub_here();
    struct green *g;
    if (h->n_greens >= (unsigned long)gr_config.max_greens ||
        gr_heap_reserve(&h->timers, h->n_greens + 1)) {
        return -EAGAIN;
    }
    gr_enter(gr_self);
    int rc = obtain(h, attr, &g);
    if (rc) {
        gr_leave(gr_self);
        return rc;
    }
    g->hub = h;
    g->state = GR_NEW;
    g->why = GR_WHY_NONE;
    g->id = ++h->created;
    g->fn = fn;
    g->arg = arg;
    g->retval = NULL;
    g->join = attr->detached ? GR_DETACHED : GR_JOINABLE;
    g->joiner = NULL;
    g->joining = NULL;
    g->sig_mask = attr->has_mask ? attr->mask : gr_self ? gr_self->sig_mask : 0;
    g->cpu = (struct gr_cpu){0};
    g->sig_altstack = (stack_t){.ss_flags = SS_DISABLE};
    g->cancel_disabled = false;
    g->cancel_async = false;
    g->exiting = false;
    atomic_store_explicit(&g->cancel_pending, false, memory_order_relaxed);
    atomic_store_explicit(&g->interrupts, NULL, memory_order_relaxed);
    g->task = NULL;
    g->tid_word = NULL;
    g->crit = 1; /* entry() leaves */
    if (gr_self) {
        memcpy(g->name, gr_self->name, sizeof(g->name));
    }
    gr_ctx_make(&g->ctx, g->user_stack ? gr_tls_floor(g->ctx.tp) : (void *)g, g->ctx.tp, entry, g);
    gr_list_push_back(&h->all, &g->all);
    if (++h->n_greens > h->n_peak) {
        h->n_peak = h->n_greens;
    }
    gr_sig_green_new(g);
    gr_leave(gr_self);
    if (GR_UNLIKELY(gr_green_on_locals_new)) {
        gr_green_on_locals_new(g);
    }
    *out = g;
    return 0;
}

void gr_green_start(struct green *g)
{
    gr_enter(gr_self);
    gr_hub_ready(g->hub, g);
    gr_leave(gr_self);
}

/* --- end --- */

/* The last green ends the process, as the last thread does. */
static void exit_if_last(struct gr_hub *h)
{
    if (h->n_greens == 1) {
        exit(0);
    }
}

/* The calling green ends; returns who goes on when it has left its stack. */
static const struct gr_ctx *end(void *value)
{
    struct green *g = gr_self;
    struct gr_hub *h = g->hub;
    g->retval = value;
    gr_tls_exit_dtors();
    if (gr_green_on_locals_end) {
        gr_green_on_locals_end(g);
    }
    if (gr_green_on_exit) {
        gr_green_on_exit(g);
    }
    if (g->task) {
        gr_green_on_task_end(g, value);
    }
    exit_if_last(h);
    (void)gr_sig_check(); /* a signal that it took must not die with it */
    g->crit++;
    atomic_signal_fence(memory_order_seq_cst);
    gr_sig_green_end(g);
    gr_list_remove(&g->all);
    h->n_greens--;
    if (!g->is_main) {
        gr_tls_reset(g->ctx.tp);
    }
    g->state = GR_DONE;
    if (g->join == GR_DETACHED) {
        if (g->is_main) {
            /* its stack belongs to the process */
        } else if (g->user_stack) {
            h->zombie = g; /* somebody else must let go of the stack that this runs on */
        } else {
            gr_green_release(g); /* nobody takes it before the switch below is done */
        }
    } else if (g->joiner) {
        gr_wake(g->joiner);
    }
    return gr_hub_leave(g);
}

void gr_green_call_off(struct green *g)
{
    gr_enter(gr_self);
    if (g->state == GR_READY) {
        gr_list_remove(&g->link);
        g->state = GR_NEW;
    }
    gr_leave(gr_self);
}

void gr_green_abandon(struct green *g)
{
    struct gr_hub *h = g->hub;
    if (gr_green_on_locals_end) {
        gr_green_on_locals_end(g);
    }
    gr_enter(gr_self);
    gr_sig_green_end(g);
    gr_list_remove(&g->all);
    h->n_greens--;
    gr_green_release(g);
    gr_leave(gr_self);
}

void gr_green_exit(void *value)
{
    struct green *g = gr_self;
    gr_ctx_switch(&g->ctx, end(value));
    gr_die("an ended green thread ran again");
}

/* --- join --- */

static int collect(struct green *g, void **value_out)
{
    if (value_out) {
        *value_out = g->retval;
    }
    struct green *self = gr_self;
    gr_enter(self);
    if (gr_hub_here() != g->hub) {
        g->join = GR_RELEASED;
        gr_hub_remote(g->hub, g);
    } else if (!g->is_main) {
        gr_green_release(g);
    }
    gr_leave(self);
    return 0;
}

int gr_green_tryjoin(struct green *g, void **value_out)
{
    if (g->state == GR_FREE) {
        return -ESRCH;
    }
    if (g->join != GR_JOINABLE) {
        return -EINVAL;
    }
    return g->state == GR_DONE ? collect(g, value_out) : -EBUSY;
}

static void end_joining(struct green *g)
{
    if (gr_self) {
        gr_self->joining = NULL;
    }
    g->joiner = NULL;
    g->join = GR_JOINABLE;
}

/* A handler that ran during the wait has ended the joiner, which is unwound. */
static void leave_unwound(struct green **g)
{
    if (GR_UNLIKELY(*g)) {
        end_joining(*g);
    }
}

int gr_green_join(struct green *g, void **value_out, int64_t deadline)
{
    struct green *self = gr_self;
    if (g->state != GR_FREE && g->join != GR_DETACHED &&
        (g == self || (self && g->joining == self))) {
        return -EDEADLK;
    }
    int rc = gr_green_tryjoin(g, value_out);
    if (rc != -EBUSY) {
        return rc;
    }
    struct gr_waiter w;
    struct green *joined __attribute__((cleanup(leave_unwound))) = g;
    gr_waiter_init(&w, g);
    g->join = GR_JOINING;
    /* cppcheck-suppress autoVariables ; end_joining() takes it back */
    g->joiner = &w;
    if (self) {
        self->joining = g;
    }
    rc = gr_park(&w, deadline, GR_CANCEL, GR_WHY_JOIN);
    joined = NULL;
    end_joining(g);
    return rc && (g->state != GR_DONE || rc == -ECANCELED) ? rc : collect(g, value_out);
}

int gr_green_detach(struct green *g)
{
    if (g->state == GR_FREE) {
        return -ESRCH;
    }
    if (g->join != GR_JOINABLE) {
        return g->join == GR_DETACHED ? -EINVAL : 0;
    }
    if (g->state == GR_DONE) {
        return collect(g, NULL);
    }
    g->join = GR_DETACHED;
    return 0;
}
