/* A hash table by the timer's id. It is changed with all signals blocked, for the handler's sake.
 */
#include "runtime/core/sigtimer.h"

#include "runtime/core/sigmask.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define N_BUCKETS 64

struct timer {
    struct timer *next;
    int id;
    int tid;
};

static struct timer *buckets[N_BUCKETS];

static struct timer **bucket_of(int id)
{
    return &buckets[(unsigned)id % N_BUCKETS];
}

int gr_sigtimer_add(int id, int tid)
{
    struct timer *t = malloc(sizeof(*t));
    struct timer **b = bucket_of(id);
    if (!t) {
        return -ENOMEM;
    }
    uint64_t old = gr_mask_block_all();
    *t = (struct timer){.next = *b, .id = id, .tid = tid};
    *b = t;
    gr_mask_unblock(old);
    return 0;
}

void gr_sigtimer_remove(int id)
{
    struct timer **p = bucket_of(id);
    while (*p && (*p)->id != id) {
        p = &(*p)->next;
    }
    struct timer *t = *p;
    if (t) {
        uint64_t old = gr_mask_block_all();
        *p = t->next;
        gr_mask_unblock(old);
        free(t);
    }
}

bool gr_sigtimer_find(int id, int *tid)
{
    for (const struct timer *t = *bucket_of(id); t; t = t->next) {
        if (t->id == id) {
            *tid = t->tid;
            return true;
        }
    }
    return false;
}

void gr_sigtimer_fork_child(void)
{
    for (int i = 0; i < N_BUCKETS; i++) {
        while (buckets[i]) {
            gr_sigtimer_remove(buckets[i]->id);
        }
    }
}
