#include "runtime/core/cputime.h"

#include "runtime/base/clock.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"

static int64_t carrier_clock(void)
{
    struct timespec ts = {0};
    (void)GR_SYS(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &ts);
    return gr_timespec_ns(&ts);
}

void gr_cpu_start(struct gr_hub *h)
{
    h->cpu.before = carrier_clock();
}

void gr_cpu_measure(struct gr_hub *h, struct green *from)
{
    int64_t now = carrier_clock();
    from->cpu.ns += now - h->cpu.mark;
    h->cpu.mark = now;
}

/* Share out what has been used until now. */
static void start_measuring(struct gr_hub *h)
{
    int64_t now = carrier_clock();
    GR_LIST_EACH(&h->all, n, tmp)
    {
        GR_LIST_ENTRY(n, struct green, all)->cpu.ns = (now - h->cpu.before) / h->n_greens;
    }
    h->main->cpu.ns += h->cpu.before;
    h->cpu.mark = now;
    h->cpu.measures = true;
}

int64_t gr_cpu_ns(struct green *g)
{
    struct gr_hub *h = g->hub;
    if (!h->cpu.measures) {
        start_measuring(h);
    } else if (g == h->current) {
        gr_cpu_measure(h, g);
    }
    return g->cpu.ns;
}

void gr_cpu_split(struct green *g, int64_t *user, int64_t *system)
{
    double carrier = (double)(*user + *system);
    int64_t ns = gr_cpu_ns(g);
    int64_t u = carrier > 0 ? (int64_t)((double)ns * ((double)*user / carrier)) : ns;
    u = u > g->cpu.user ? u : g->cpu.user;
    u = u < ns - g->cpu.system ? u : ns - g->cpu.system;
    g->cpu.user = *user = u;
    g->cpu.system = *system = ns - u;
}

void gr_cpu_fork_child(struct gr_hub *h)
{
    h->current->cpu = (struct gr_cpu){0};
    h->cpu = (struct gr_cpu_hub){.measures = h->cpu.measures};
}
