/* Stacks. */
#include "runtime/core/stack.h"

#include "child.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

TestSuite(stack, .timeout = 60);

static struct gr_stack alloc(size_t size, size_t guard)
{
    struct gr_stack s;
    cr_assert_eq(gr_stack_alloc(size, guard, 0, &s), 0);
    return s;
}

static char *low(const struct gr_stack *s)
{
    return s->base + s->guard;
}

static char *top(const struct gr_stack *s)
{
    return s->base + s->size;
}

Test(stack, holds_what_was_asked_for_beside_its_guard)
{
    static const size_t sizes[] = {1, 4095, 4096, 4097, 16384, 100000, 262144, 8 << 20};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct gr_stack s = alloc(sizes[i], 4096);
        cr_assert_geq(top(&s), low(&s) + sizes[i]);
        cr_assert_lt(top(&s), low(&s) + sizes[i] + 4096, "much more than was asked for");
        cr_assert_eq((uintptr_t)s.base % 4096, 0);
        cr_assert_eq(s.size % 4096, 0);
        memset(low(&s), 0x5a, (size_t)(top(&s) - low(&s)));
    }
}

Test(stack, fresh_one_is_zero)
{
    struct gr_stack s;
    cr_assert_eq(gr_stack_alloc(65536, 4096, 0, &s), 0);
    for (char *p = low(&s); p < top(&s); p++) {
        cr_assert_eq(*p, 0);
    }
}

static bool is_present(char *page)
{
    unsigned char in;
    cr_assert_eq(mincore(page, 4096, &in), 0);
    return in & 1;
}

Test(stack, what_is_used_at_once_is_present)
{
    struct gr_stack s;
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (madvise(page, 4096, MADV_POPULATE_WRITE) || !is_present(page)) {
        cr_skip_test("this kernel, or emulator, makes nothing present");
    }
    cr_assert_eq(gr_stack_alloc(65536, 4096, 4097, &s), 0);
    cr_assert(is_present(top(&s) - 4096));
    cr_assert(is_present(top(&s) - 8192));
    cr_assert(!is_present(top(&s) - 12288));
}

Test(stack, write_into_the_guard_faults)
{
    struct gr_stack s = alloc(65536, 8192);
    cr_assert_eq(s.guard, 8192);
    cr_assert(faults_at(s.base));
    cr_assert(faults_at(low(&s) - 1));
    cr_assert(!faults_at(low(&s)));
    cr_assert(!faults_at(top(&s) - 1));
}

Test(stack, guard_is_still_there_after_reuse)
{
    struct gr_stack s = alloc(65536, 4096);
    gr_stack_free(&s);
    s = alloc(65536, 4096);
    cr_assert(faults_at(s.base));
    cr_assert(faults_at(low(&s) - 1));
}

Test(stack, neighbours_are_kept_apart_by_guards)
{
    struct gr_stack s[20];
    for (int i = 0; i < 20; i++) {
        s[i] = alloc(16384, 4096);
    }
    for (int i = 0; i < 20; i++) {
        cr_assert(faults_at(low(&s[i]) - 1));
    }
}

Test(stack, guard_size_is_rounded_up_to_pages)
{
    struct gr_stack s = alloc(65536, 1);
    cr_assert_eq(s.guard, 4096);
    cr_assert(faults_at(low(&s) - 1));
}

Test(stack, without_guard_is_usable_to_the_last_byte)
{
    struct gr_stack s = alloc(65536, 0);
    cr_assert_eq(s.guard, 0);
    memset(s.base, 1, s.size);
    cr_assert(!gr_stack_guard_hit(&s, s.base));
}

Test(stack, guard_hit_knows_the_bounds_of_the_guard)
{
    struct gr_stack s = alloc(65536, 8192);
    cr_assert(gr_stack_guard_hit(&s, s.base));
    cr_assert(gr_stack_guard_hit(&s, s.base + 8191));
    cr_assert(!gr_stack_guard_hit(&s, s.base + 8192));
    cr_assert(!gr_stack_guard_hit(&s, s.base - 1));
    cr_assert(!gr_stack_guard_hit(&s, NULL));
    struct gr_stack none = {0};
    cr_assert(!gr_stack_guard_hit(&none, NULL));
}

Test(stack, freed_one_is_used_again)
{
    struct gr_stack a = alloc(65536, 4096);
    struct gr_stack b;
    gr_stack_free(&a);
    cr_assert_eq(gr_stack_alloc(65536, 4096, 0, &b), 0);
    cr_assert_eq(a.base, b.base);
    cr_assert_eq(a.size, b.size);
}

Test(stack, freed_one_is_not_given_to_another_size_or_guard)
{
    struct gr_stack a = alloc(65536, 4096);
    gr_stack_free(&a);
    struct gr_stack b = alloc(32768, 4096);
    struct gr_stack c = alloc(65536 + 4096, 0);
    struct gr_stack d = alloc(65536 - 4096, 8192);
    cr_assert_neq(b.base, a.base);
    cr_assert_neq(c.base, a.base);
    cr_assert_neq(d.base, a.base);
    cr_assert_eq(d.guard, 8192);
    cr_assert(!faults_at(c.base), "it has no guard");
}

/* As a program does whose threads of two kinds come and go in turn. */
Test(stack, two_kinds_of_one_total_size_do_not_grow_without_end)
{
    char *first[2] = {NULL, NULL};
    for (int i = 0; i < 100; i++) {
        struct gr_stack s = alloc(i % 2 ? 65536 : 65536 + 4096, i % 2 ? 4096 : 0);
        cr_assert(!first[i % 2] || s.base == first[i % 2], "made instead of used again");
        first[i % 2] = s.base;
        gr_stack_free(&s);
    }
}

static int by_address(const void *a, const void *b)
{
    const struct gr_stack *x = a;
    const struct gr_stack *y = b;
    return x->base < y->base ? -1 : x->base > y->base;
}

Test(stack, many_do_not_overlap)
{
    enum { MANY = 20000 };
    struct gr_stack *s = calloc(MANY, sizeof(*s));
    for (int i = 0; i < MANY; i++) {
        s[i] = alloc(16384, i % 3 ? 4096 : 0);
        *(int *)(top(&s[i]) - 64) = i;
    }
    for (int i = 0; i < MANY; i++) {
        cr_assert_eq(*(int *)(top(&s[i]) - 64), i);
    }
    qsort(s, MANY, sizeof(*s), by_address);
    for (int i = 1; i < MANY; i++) {
        cr_assert_geq(s[i].base, top(&s[i - 1]));
    }
    for (int i = 0; i < MANY; i++) {
        gr_stack_free(&s[i]);
    }
    free(s);
}

Test(stack, more_sizes_than_any_table_has_room_for_work)
{
    struct gr_stack s[200];
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 200; i++) {
            s[i] = alloc((i + 1) * 4096, 4096);
            memset(low(&s[i]), (int)i, (i + 1) * 4096);
        }
        for (size_t i = 0; i < 200; i++) {
            cr_assert_eq(*(unsigned char *)low(&s[i]), i);
            cr_assert_eq(((unsigned char *)top(&s[i]))[-1], i);
            gr_stack_free(&s[i]);
        }
    }
}

Test(stack, impossible_size_is_eagain_and_leaves_errno_alone)
{
    static const size_t sizes[] = {SIZE_MAX,         SIZE_MAX - 4096, SIZE_MAX / 2,
                                   SIZE_MAX / 4 + 1, (size_t)1 << 60, (size_t)1 << 48};
    struct gr_stack s;
    errno = EDOM;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        cr_assert_eq(gr_stack_alloc(sizes[i], 4096, 0, &s), -EAGAIN, "%zx", sizes[i]);
        cr_assert_eq(gr_stack_alloc(65536, sizes[i], 0, &s), -EAGAIN, "%zx", sizes[i]);
    }
    cr_assert_eq(errno, EDOM);
    struct gr_stack good = alloc(65536, 4096);
    memset(low(&good), 1, 65536);
}

/* The record that describes a stack may lie on it. */
Test(stack, record_on_the_stack_itself_may_be_freed)
{
    struct gr_stack s = alloc(65536, 4096);
    struct gr_stack *inside = (struct gr_stack *)top(&s) - 1;
    *inside = s;
    gr_stack_free(inside);
    struct gr_stack again = alloc(65536, 4096);
    cr_assert_eq(again.base, s.base);
    cr_assert_eq(again.size, s.size);
}
