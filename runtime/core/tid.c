/* The table of slots grows by chunks that never move, so that other threads may look things up. */
#include "runtime/core/tid.h"

#include "runtime/base/compiler.h"
#include "runtime/core/hub.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#define CHUNK_BITS 12
#define CHUNK_SIZE (1 << CHUNK_BITS)
#define N_CHUNKS   (1 << (GR_TID_SLOT_BITS - CHUNK_BITS))
#define SLOT_MASK  (GR_TID_FIRST - 1)

/* A block, or while the slot is free twice the number of the next free one plus one. */
typedef _Atomic uintptr_t slot_t;

static slot_t *_Atomic chunks[N_CHUNKS];
static int n_slots;
static int first_free = -1;

static slot_t *slot_at(int n)
{
    slot_t *chunk = atomic_load_explicit(&chunks[n >> CHUNK_BITS], memory_order_acquire);
    return chunk ? &chunk[n & (CHUNK_SIZE - 1)] : NULL;
}

static int take_slot(void)
{
    if (first_free >= 0) {
        int n = first_free;
        first_free = (int)((intptr_t)*slot_at(n) >> 1);
        return n;
    }
    if (n_slots == GR_TID_FIRST) {
        return -1;
    }
    if (!slot_at(n_slots)) {
        slot_t *chunk = calloc(CHUNK_SIZE, sizeof(*chunk));
        if (!chunk) {
            return -1;
        }
        atomic_store_explicit(&chunks[n_slots >> CHUNK_BITS], chunk, memory_order_release);
    }
    return n_slots++;
}

int gr_tid_new(struct green *g)
{
    int n = take_slot();
    if (n < 0) {
        return 0;
    }
    atomic_store(slot_at(n), (uintptr_t)g);
    return GR_TID_FIRST | n;
}

void gr_tid_free(int tid)
{
    int n = tid & SLOT_MASK;
    atomic_store(slot_at(n), (uintptr_t)(intptr_t)first_free << 1 | 1);
    first_free = n;
}

struct green *gr_tid_green(int tid)
{
    if (!gr_tid_is_ours(tid)) {
        struct gr_hub *h = gr_hub_here();
        return h && h->main->tid == tid && h->main->state != GR_DONE ? h->main : NULL;
    }
    const slot_t *slot = slot_at(tid & SLOT_MASK);
    uintptr_t value = slot ? atomic_load(slot) : 1;
    struct green *g = value & 1 ? NULL : (struct green *)value;
    return g && g->tid == tid && g->state != GR_FREE && g->state != GR_DONE ? g : NULL;
}

void gr_tid_fork_child(void)
{
    for (int n = 0; n < n_slots; n++) {
        atomic_store(slot_at(n), 0);
    }
    n_slots = 0;
    first_free = -1;
}
