/*
 * Signals handled by greens. The handler that the kernel knows of runs on some green, perhaps
 * inside malloc: it only counts, and raises an alarm, at which the hub makes the greens.
 */
#include <green/signal.h>

#include "runtime/api/api.h"
#include "runtime/core/signal.h"

#include <errno.h>
#include <stdlib.h>

#define N_SIG 65

/* When there was no memory for a green. */
#define RETRY_NS (10 * 1000 * 1000LL)

struct green_signal {
    struct gr_list link;
    int sig;
    void *(*fn)(void *);
    void *arg;
    uint64_t mask;
    unsigned due; /* greens to be made */
};

static struct {
    struct gr_list handlers; /* initialised with the first one */
    _Atomic unsigned arrived;
    struct sigaction before;
} signals[N_SIG];

static void call_handlers(struct gr_alarm *a);
static struct gr_alarm alarm_ = {.heap_index = -1, .fire = call_handlers};

static void on_signal(int sig)
{
    int saved = errno;
    atomic_fetch_add(&signals[sig].arrived, 1);
    gr_alarm_raise(&alarm_);
    errno = saved;
}

/* One call of each is due for each time that the signal has come. */
static void share_out(int sig)
{
    unsigned n = atomic_exchange(&signals[sig].arrived, 0);
    if (n) {
        GR_LIST_EACH(&signals[sig].handlers, node, tmp)
        {
            GR_LIST_ENTRY(node, struct green_signal, link)->due += n;
        }
    }
}

static int start_due(struct green_signal *s)
{
    struct gr_green_attr attr = {
        .guard_size = 4096, .detached = true, .has_mask = true, .mask = s->mask};
    while (s->due) {
        struct green *g;
        int rc = gr_green_new(&attr, s->fn, s->arg, &g);
        if (rc) {
            return rc;
        }
        s->due--;
        gr_green_start(g);
    }
    return 0;
}

static void call_handlers(struct gr_alarm *a)
{
    int rc = 0;
    for (int sig = 1; sig < N_SIG; sig++) {
        if (!signals[sig].handlers.next) {
            continue;
        }
        share_out(sig);
        GR_LIST_EACH(&signals[sig].handlers, node, tmp)
        {
            rc = rc ? rc : start_due(GR_LIST_ENTRY(node, struct green_signal, link));
        }
    }
    if (rc && a->heap_index < 0) {
        (void)gr_alarm_set(a, gr_deadline_in(RETRY_NS));
    }
}

static int take_over(int sig)
{
    struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    if (!signals[sig].handlers.next) {
        gr_list_init(&signals[sig].handlers);
    }
    if (!gr_list_empty(&signals[sig].handlers)) {
        return 0;
    }
    int rc = gr_alarm_reserve();
    return rc ? rc : gr_sig_action(sig, &ours, &signals[sig].before);
}

int green_signal_handler(int signal, void *(*fn)(void *), void *arg, struct green_signal **out)
{
    if (signal < 1 || signal >= N_SIG || !fn) {
        return -EINVAL;
    }
    if (gr_api_start() || !gr_self) {
        return -ENOTSUP;
    }
    struct green_signal *s = malloc(sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    int rc = take_over(signal);
    if (rc) {
        free(s);
        return rc;
    }
    *s = (struct green_signal){.sig = signal, .fn = fn, .arg = arg, .mask = gr_self->sig_mask};
    gr_list_push_back(&signals[signal].handlers, &s->link);
    *out = s;
    return 0;
}

void green_signal_cancel(struct green_signal *s)
{
    struct sigaction now;
    if (!s) {
        return;
    }
    gr_list_remove(&s->link);
    if (gr_list_empty(&signals[s->sig].handlers)) {
        (void)gr_sig_action(s->sig, NULL, &now);
        if (now.sa_handler == on_signal) {
            (void)gr_sig_action(s->sig, &signals[s->sig].before, NULL);
        }
        atomic_store(&signals[s->sig].arrived, 0);
    }
    free(s);
}
