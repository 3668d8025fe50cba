/* 4-ary min-heap. */
#include "runtime/base/heap.h"

#include <errno.h>
#include <stdlib.h>

#define FANOUT 4

int gr_heap_reserve(struct gr_heap *h, size_t n)
{
    if (n <= h->capacity) {
        return 0;
    }
    size_t capacity = h->capacity ? h->capacity : 64;
    while (capacity < n) {
        capacity *= 2;
    }
    struct gr_heap_node *nodes = realloc(h->nodes, capacity * sizeof(*nodes));
    if (!nodes) {
        return -ENOMEM;
    }
    h->nodes = nodes;
    h->capacity = capacity;
    return 0;
}

static void put(struct gr_heap *h, size_t i, struct gr_heap_node node)
{
    h->nodes[i] = node;
    *node.index = (int32_t)i;
}

static void sift_up(struct gr_heap *h, size_t i, struct gr_heap_node node)
{
    while (i > 0) {
        size_t parent = (i - 1) / FANOUT;
        if (h->nodes[parent].key <= node.key) {
            break;
        }
        put(h, i, h->nodes[parent]);
        i = parent;
    }
    put(h, i, node);
}

static void sift_down(struct gr_heap *h, size_t i, struct gr_heap_node node)
{
    for (;;) {
        size_t first = i * FANOUT + 1;
        if (first >= h->n) {
            break;
        }
        size_t end = first + FANOUT < h->n ? first + FANOUT : h->n;
        size_t best = first;
        for (size_t c = first + 1; c < end; c++) {
            if (h->nodes[c].key < h->nodes[best].key) {
                best = c;
            }
        }
        if (h->nodes[best].key >= node.key) {
            break;
        }
        put(h, i, h->nodes[best]);
        i = best;
    }
    put(h, i, node);
}

void gr_heap_add(struct gr_heap *h, int64_t key, int32_t *index, void *item)
{
    sift_up(h, h->n++, (struct gr_heap_node){.key = key, .index = index, .item = item});
}

void gr_heap_remove(struct gr_heap *h, int32_t index)
{
    size_t i = (size_t)index;
    *h->nodes[i].index = -1;
    struct gr_heap_node last = h->nodes[--h->n];
    if (i == h->n) {
        return;
    }
    if (i > 0 && h->nodes[(i - 1) / FANOUT].key > last.key) {
        sift_up(h, i, last);
    } else {
        sift_down(h, i, last);
    }
}

void gr_heap_clear(struct gr_heap *h)
{
    h->n = 0;
}
