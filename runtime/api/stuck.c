/* The report of a deadlock: who waits for what. */
#include "runtime/api/stuck.h"

#include "runtime/api/greenlet.h"
#include "runtime/api/lock.h"
#include "runtime/base/log.h"
#include "runtime/core/tid.h"

#include <pthread.h>
#include <stdio.h>

#define MAX_LINES 100

#define WHO_SIZE  64
#define WHAT_SIZE 128

static void who(const struct green *g, char out[WHO_SIZE])
{
    const char *name = g->name;
    (void)snprintf(out, WHO_SIZE, g->is_main ? "main" : "green thread %llu%s%s",
                   (unsigned long long)g->id, name[0] ? " " : "", name);
}

static void held(const char *what, int owner, char out[WHAT_SIZE])
{
    const struct green *g = gr_tid_green(owner);
    char by[WHO_SIZE] = "a kernel thread";
    if (g) {
        who(g, by);
    }
    (void)snprintf(out, WHAT_SIZE, "%s held by %s", what, by);
}

static void end_of(const struct green *g, char out[WHAT_SIZE])
{
    char name[WHO_SIZE] = "a green thread";
    if (g) {
        who(g, name);
    }
    (void)snprintf(out, WHAT_SIZE, "the end of %s", name);
}

static void what(const struct green *g, char out[WHAT_SIZE])
{
    const void *key = g->why_arg;
    switch ((enum gr_why)g->why) {
    case GR_WHY_GREENLET:
        end_of(GR_CONTAINER_OF(key, struct greenlet, object)->green, out);
        break;
    case GR_WHY_JOIN:
        end_of(key, out);
        break;
    case GR_WHY_RLOCK:
        held("a lock", gr_rlock_owner(key), out);
        break;
    case GR_WHY_MUTEX:
        held("a mutex", ((const pthread_mutex_t *)key)->__data.__owner, out);
        break;
    case GR_WHY_OBJECT:
        (void)snprintf(out, WHAT_SIZE, "one of several objects");
        break;
    case GR_WHY_SLEEP:
        (void)snprintf(out, WHAT_SIZE, "the end of a sleep");
        break;
    default:
        (void)snprintf(out, WHAT_SIZE, "%s %p", gr_why_names[g->why], key);
    }
}

void gr_report_stuck(const struct gr_hub *h)
{
    unsigned lines = 0;
    gr_log("deadlock: nothing is left that could wake any of %u green threads", h->n_greens);
    GR_LIST_EACH(&h->all, node, tmp)
    {
        const struct green *g = GR_LIST_ENTRY(node, struct green, all);
        char name[WHO_SIZE];
        char reason[WHAT_SIZE];
        if (lines++ == MAX_LINES) {
            gr_log("  and %u more", h->n_greens - MAX_LINES);
            break;
        }
        who(g, name);
        what(g, reason);
        gr_log("  %s waits for %s", name, reason);
    }
}
