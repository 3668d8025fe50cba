/*
 * What is known of glibc's layout of thread descriptors and static TLS. Shared by tls.c, which has
 * the blocks, and the two ways to make one: tls_clone.c, tls_harvest.c.
 *
 * x86-64:   [static TLS ............][descriptor .....]
 *                                     ^ thread pointer
 * aarch64:  [descriptor .....][dtv, private][static TLS ....]
 *                              ^ thread pointer
 */
#ifndef GR_CORE_TLS_LAYOUT_H
#define GR_CORE_TLS_LAYOUT_H

#include "runtime/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#define DESC_BELOW_TP 0
#elif defined(__aarch64__)
#define DESC_BELOW_TP 1
#endif

#define TSD_BLOCK_SLOTS 32   /* pthread keys in the block inside the descriptor */
#define TSD_SLOT_SIZE   16   /* {sequence, value} */
#define EXITING_BIT     0x10 /* in cancelhandling: makes set*id() broadcasts skip the descriptor */

/* glibc's table for debuggers: {size in bits, number of elements, offset in bytes}. */
struct db_field {
    uint32_t bits;
    uint32_t count;
    uint32_t offset;
};

struct gr_list_node { /* glibc's list_t */
    struct gr_list_node *next;
    struct gr_list_node *prev;
};

struct gr_tls_layout {
    size_t pthread_size; /* of the descriptor */
    size_t static_size;  /* of static TLS, the part of it that the loader counts */
    size_t align;
    size_t frames; /* bytes of libc's own frames at the top of a stack, below the block */
    size_t total;  /* bytes of a whole block, frames and alignment slack included */
    ptrdiff_t tid, list, specific, cancel, first_tsd, robust; /* offsets in the descriptor */
    unsigned n_tsd_blocks; /* pointers at @specific; the first one points into the descriptor */
    ptrdiff_t libc_tls;    /* libc's own static TLS, from the thread pointer */
    size_t libc_tls_size;
    char *anchor;       /* descriptor in libc's list that those follow which we link ourselves */
    const size_t *used; /* the loader's count of bytes of static TLS that modules have, or NULL */
};

extern struct gr_tls_layout gr_tls __attribute__((visibility("hidden")));

/* A way to make blocks. */
struct gr_tls_way {
    /* discover - find and cross-check robust and first_tsd, and whatever else it needs; the rest of
     * gr_tls is known. NULL, or what is not as expected. */
    const char *(*discover)(void);
    void *(*make)(void *top, void *stack, size_t stack_size, size_t guard); /* gr_tls_make() */
};

extern const struct gr_tls_way gr_tls_clone __attribute__((visibility("hidden")));
extern const struct gr_tls_way gr_tls_harvest __attribute__((visibility("hidden")));

/* gr_tls_adopt - the block of @tp belongs to the calling carrier, as far as libc can see. */
void gr_tls_adopt(char *tp);

/* gr_tls_link - put a descriptor into libc's list, behind the anchor. */
void gr_tls_link(char *desc);

/* gr_tls_find_robust - offset of the head of the robust list in @bytes, a descriptor or its copy,
 * which lies or lay at @desc; -1: there is none. */
ptrdiff_t gr_tls_find_robust(const void *bytes, uintptr_t desc);

/* gr_tls_tsd_ok - are there 32 slots at gr_tls.first_tsd in the descriptor? */
bool gr_tls_tsd_ok(void);

static inline char *desc_of(const void *tp)
{
    return (char *)tp - (DESC_BELOW_TP ? gr_tls.pthread_size : 0);
}

static inline void **dtv_slot(void *tp)
{
    return (void **)((char *)tp + (DESC_BELOW_TP ? 0 : sizeof(void *)));
}

static inline struct gr_list_node *list_node(char *desc)
{
    return (struct gr_list_node *)(desc + gr_tls.list);
}

static inline void **tsd_block(char *desc, unsigned i)
{
    return (void **)(desc + gr_tls.specific) + i;
}

static inline uintptr_t *word_at(const void *base, ptrdiff_t offset)
{
    return (uintptr_t *)((char *)base + offset);
}

/* Lowest and highest byte of the static TLS of @tp (the descriptor not included). */
static inline char *static_tls_low(void *tp)
{
    return DESC_BELOW_TP ? (char *)tp : (char *)tp - (gr_tls.static_size - gr_tls.pthread_size);
}

static inline char *static_tls_high(void *tp)
{
    return DESC_BELOW_TP ? (char *)tp + gr_tls.static_size : (char *)tp;
}

#endif
