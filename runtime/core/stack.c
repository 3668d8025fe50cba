/*
 * Stacks carved from slabs: large mappings that hold many stacks of one size side by side, so that
 * a million stacks are a few mappings. Guards are MADV_GUARD_INSTALL where the kernel has it:
 * page-table marks, which do not split the mapping. Elsewhere they are PROT_NONE pages, two
 * mappings each, as many as the kernel's limit on mappings allows.
 */
#include "runtime/core/stack.h"

#include "runtime/base/compiler.h"
#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "runtime/base/rawsys.h"
#include "runtime/base/valgrind.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define N_CLASSES      32
#define SLAB_MIN       (4UL << 20)
#define SLAB_MAX       (256UL << 20)
#define GUARDS_BY_PROT 16000 /* leaves half of vm.max_map_count's default to the program */

/* Stacks of one size and guard. */
struct class
{
    size_t size;
    size_t guard;
    char *next; /* carve here, downwards from nothing: next unused stack of the current slab */
    char *end;
    size_t slab_size; /* of the next slab; grows */
    struct free_stack *free;
};

/* A free stack is linked through its highest words: those pages have been used. */
struct free_stack {
    struct free_stack *next;
    struct gr_stack stack;
};

static struct class classes[N_CLASSES];
static enum { GUARD_UNKNOWN, GUARD_MADVISE, GUARD_PROTECT, GUARD_GONE } guard_kind;
static unsigned n_guards;

static struct class *class_of(size_t size, size_t guard)
{
    for (size_t i = 0; i < N_CLASSES; i++) {
        if (classes[i].size == size && classes[i].guard == guard) {
            return &classes[i];
        }
        if (!classes[i].size) {
            classes[i].size = size;
            classes[i].guard = guard;
            return &classes[i];
        }
    }
    return NULL;
}

static char *map(size_t size)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    (void)madvise(p, size, MADV_NOHUGEPAGE);
    return p;
}

/* Emulators may accept any advice and do nothing. Only the kernel may look at the page: valgrind
 * reads what it believes to be an argument. */
static bool is_guarded(const char *base, size_t size)
{
    return GR_SYS(SYS_madvise, base, size, MADV_POPULATE_READ) == -EFAULT;
}

static void install_guard(char *base, size_t size)
{
    if (guard_kind == GUARD_UNKNOWN || guard_kind == GUARD_MADVISE) {
        if (madvise(base, size, MADV_GUARD_INSTALL) == 0 &&
            (guard_kind == GUARD_MADVISE || is_guarded(base, size))) {
            guard_kind = GUARD_MADVISE;
            return;
        }
        if (guard_kind == GUARD_MADVISE) {
            return;
        }
        guard_kind = GUARD_PROTECT;
    }
    if (guard_kind == GUARD_PROTECT) {
        if (n_guards < GUARDS_BY_PROT && mprotect(base, size, PROT_NONE) == 0) {
            n_guards++;
            return;
        }
        guard_kind = GUARD_GONE;
        gr_log("this kernel allows no more stack guards; further threads have none");
    }
}

/* valgrind takes a change of stacks for a deep call or return, unless it knows the stacks. */
void gr_stack_announce(char *base, size_t size)
{
    if (RUNNING_ON_VALGRIND) {
        (void)VALGRIND_STACK_REGISTER(base, base + size);
    }
}

static int carve(struct class *c, char **base)
{
    if (c->next == c->end) {
        size_t slab = c->slab_size ? c->slab_size : SLAB_MIN;
        if (slab < c->size * 4) {
            slab = c->size * 4;
        }
        slab -= slab % c->size;
        char *p = map(slab);
        if (!p) {
            slab = c->size; /* little address space is left: one at a time */
            p = map(slab);
        }
        if (!p) {
            return -EAGAIN;
        }
        c->next = p;
        c->end = p + slab;
        c->slab_size = slab * 2 < SLAB_MAX ? slab * 2 : SLAB_MAX;
    }
    *base = c->next;
    c->next += c->size;
    return 0;
}

int gr_stack_alloc(size_t size, size_t guard, size_t used, struct gr_stack *out)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size > GR_STACK_LIMIT || guard > GR_STACK_LIMIT) {
        return -EAGAIN;
    }
    guard = gr_align_up(guard, page);
    size = gr_align_up(size, page) + guard;
    struct class *c = class_of(size, guard);
    if (c && c->free) {
        *out = c->free->stack;
        c->free = c->free->next;
        return 0;
    }
    char *base;
    int saved = errno;
    if (c ? carve(c, &base) : !(base = map(size))) {
        errno = saved;
        return -EAGAIN;
    }
    if (guard) {
        install_guard(base, guard);
    }
    used = gr_align_up(used, page);
    if (used) {
        (void)madvise(base + size - used, used, MADV_POPULATE_WRITE); /* else at first access */
    }
    errno = saved;
    gr_stack_announce(base + guard, size - guard);
    *out = (struct gr_stack){.base = base, .size = size, .guard = guard};
    return 0;
}

void gr_stack_free(const struct gr_stack *s)
{
    struct gr_stack stack = *s; /* the caller's record may lie on the stack itself */
    struct class *c = class_of(stack.size, stack.guard);
    if (!c) {
        (void)munmap(stack.base, stack.size);
        return;
    }
    struct free_stack *f = (struct free_stack *)(stack.base + stack.size) - 1;
    f->stack = stack;
    f->next = c->free;
    c->free = f;
}

bool gr_stack_guard_hit(const struct gr_stack *s, const void *addr)
{
    return s->base && (const char *)addr >= s->base && (const char *)addr < s->base + s->guard;
}
