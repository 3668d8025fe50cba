#include "runtime/core/rest.h"

#include "runtime/core/signal.h"

#include <errno.h>

void (*gr_rest_on_stuck)(const struct gr_hub *h);

/* --- idle greens --- */

/* On the stack of a green that waits for its turn. */
struct idler {
    struct gr_list node; /* by priority, then first come first served */
    int priority;
    struct gr_waiter w;
};

static void leave(struct idler *i)
{
    gr_enter(gr_self);
    gr_list_remove(&i->node);
    gr_leave(gr_self);
}

int gr_rest_idle(int priority)
{
    struct green *g = gr_self;
    if (!g) {
        gr_yield();
        return 0;
    }
    struct idler i __attribute__((cleanup(leave))) = {.priority = priority};
    gr_waiter_init(&i.w, NULL);
    gr_enter(g);
    struct gr_list *before = g->hub->idle.prev;
    while (before != &g->hub->idle &&
           GR_LIST_ENTRY(before, struct idler, node)->priority < priority) {
        before = before->prev;
    }
    gr_list_push_front(before, &i.node);
    gr_leave(g);
    return gr_park(&i.w, GR_FOREVER, GR_CANCEL, GR_WHY_IDLE);
}

void gr_rest_wake_idle(struct gr_hub *h)
{
    int priority = GR_LIST_ENTRY(h->idle.next, struct idler, node)->priority;
    while (!gr_list_empty(&h->idle)) {
        struct idler *i = GR_LIST_ENTRY(h->idle.next, struct idler, node);
        if (i->priority != priority) {
            break;
        }
        gr_list_remove(&i->node);
        gr_wake(&i->w);
    }
}

/* --- the end of all waiting --- */

static bool has_timers(const struct gr_hub *h)
{
    for (size_t i = 0; i < h->timers.n; i++) {
        if (!(((const struct green *)h->timers.nodes[i].item)->park_flags & GR_UNREF)) {
            return true;
        }
    }
    for (size_t i = 0; i < h->alarms.n; i++) {
        if (!((const struct gr_alarm *)h->alarms.nodes[i].item)->unref) {
            return true;
        }
    }
    return false;
}

/* Does a green wait for something that comes from outside? */
static bool waits_for_kernel(const struct green *g)
{
    switch ((enum gr_why)g->why) {
    case GR_WHY_FD:
    case GR_WHY_POLL:
    case GR_WHY_CHILD:
    case GR_WHY_POPEN:
    case GR_WHY_WORKER:
    case GR_WHY_SIGNAL:
        return true;
    default:
        return false;
    }
}

static atomic_uint held;

void gr_rest_hold(void)
{
    atomic_fetch_add(&held, 1);
}

void gr_rest_release(void)
{
    struct gr_hub *h = gr_hub_first();
    if (atomic_fetch_sub(&held, 1) == 1 && h) {
        gr_hub_poke(h);
    }
}

void gr_rest_fork_child(void)
{
    atomic_store(&held, 0);
}

/* Nobody is ready, and everybody waits. Will something that they have begun wake one of them? */
static bool anything_left(const struct gr_hub *h)
{
    if (h->n_fd_waits || h->n_jobs || h->lacking || has_timers(h) || atomic_load(&held) ||
        gr_hub_asked(h) /* after the look at @held: who lets go has woken before */) {
        return true;
    }
    GR_LIST_EACH(&h->all, node, tmp)
    {
        const struct green *g = GR_LIST_ENTRY(node, struct green, all);
        if (g->state == GR_PARKED && waits_for_kernel(g)) {
            return true;
        }
    }
    return false;
}

/* Might handlers of the program do that, or threads that we know nothing of? */
static bool any_stranger(const struct gr_hub *h)
{
    return h->no_native || gr_sig_has_handlers();
}

bool gr_rest_end(struct gr_hub *h)
{
    struct green *main = h->main;
    if (main->state != GR_PARKED || !(main->park_flags & GR_STUCK) || anything_left(h)) {
        return false;
    }
    if (main->why != GR_WHY_REST) {
        if (any_stranger(h)) {
            return false;
        }
        if (gr_rest_on_stuck) {
            gr_rest_on_stuck(h);
        }
    }
    main->ended = EDEADLK;
    gr_hub_ready(h, main);
    return true;
}

int gr_rest_join(int64_t deadline)
{
    struct gr_waiter w;
    gr_waiter_init(&w, NULL);
    if (deadline == 0) {
        gr_hub_give_way();
        /* A deadline of now would be over before the hub has looked. */
        return gr_hub_any_ready(gr_self->hub) || anything_left(gr_self->hub) ? -ETIMEDOUT : 0;
    }
    int rc = gr_park(&w, deadline, GR_CANCEL | GR_STUCK | GR_UNREF, GR_WHY_REST);
    return rc == -EDEADLK ? 0 : rc;
}
