/* Stacks: carved from slabs, guarded, cached up to a high-water mark. */
#ifndef GR_CORE_STACK_H
#define GR_CORE_STACK_H

#include <stdbool.h>
#include <stddef.h>

/* No stack or guard is larger: more than an address space holds, and sums do not overflow. */
#define GR_STACK_LIMIT (1UL << 46)

struct gr_stack {
    char *base;   /* lowest address, guard included */
    size_t size;  /* bytes from base to top, guard included */
    size_t guard; /* bytes of guard at the low end, 0: none */
};

/*
 * gr_stack_alloc - a stack of at least @size usable bytes (guard not counted), page aligned. Of a
 * new one the uppermost @used bytes are made present at once, which costs less than a page fault
 * for each page. Returns 0 or -EAGAIN. Contents are zero or left over from an earlier use.
 */
int gr_stack_alloc(size_t size, size_t guard, size_t used, struct gr_stack *out);

/* gr_stack_announce - tell tools that watch memory that @base is a stack of @size bytes. Those of
 * gr_stack_alloc() are announced. */
void gr_stack_announce(char *base, size_t size);

/* gr_stack_free - give back for reuse by stacks of the same size. */
void gr_stack_free(const struct gr_stack *s);

/* gr_stack_guard_hit - does @addr lie in the guard of @s? */
bool gr_stack_guard_hit(const struct gr_stack *s, const void *addr);

#endif
