/* 4-ary min-heap of greens' deadlines; positions are kept in the elements, so removal needs no
 * search. */
#ifndef GR_BASE_HEAP_H
#define GR_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct gr_heap_node {
    int64_t key;
    int32_t *index; /* where the element keeps its position; -1 when not in the heap */
    void *item;
};

struct gr_heap {
    struct gr_heap_node *nodes;
    size_t n;
    size_t capacity;
};

/* gr_heap_reserve - make room for @n elements, so that adding never allocates. 0 or -ENOMEM. */
int gr_heap_reserve(struct gr_heap *h, size_t n);

/* gr_heap_add - room must have been reserved. gr_heap_remove - take out the element at @index. */
void gr_heap_add(struct gr_heap *h, int64_t key, int32_t *index, void *item);
void gr_heap_remove(struct gr_heap *h, int32_t index);

/* gr_heap_clear - forget all elements without touching them. */
void gr_heap_clear(struct gr_heap *h);

static inline const struct gr_heap_node *gr_heap_top(const struct gr_heap *h)
{
    return h->n ? &h->nodes[0] : NULL;
}

#endif
