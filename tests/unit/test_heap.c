/* The timer heap, against a plain array. */
#include "runtime/base/heap.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(heap, .timeout = 60);

#define N 600

struct element {
    int64_t key;
    int32_t index;
};

static struct gr_heap h;
static struct element elements[N];

static void reserve(size_t n)
{
    cr_assert_eq(gr_heap_reserve(&h, n), 0);
}

static void add(struct element *e, int64_t key)
{
    e->key = key;
    gr_heap_add(&h, key, &e->index, e);
}

static struct element *pop(void)
{
    struct element *e = gr_heap_top(&h)->item;
    gr_heap_remove(&h, 0);
    return e;
}

static void clear(void)
{
    for (int i = 0; i < N; i++) {
        elements[i].index = -1;
    }
}

/* Every element knows its place, and the top is the least of them. */
static void check(size_t n)
{
    int64_t least = INT64_MAX;
    size_t in = 0;
    for (int i = 0; i < N; i++) {
        struct element *e = &elements[i];
        if (e->index < 0) {
            continue;
        }
        in++;
        cr_assert_eq(h.nodes[e->index].item, e);
        cr_assert_eq(h.nodes[e->index].key, e->key);
        least = e->key < least ? e->key : least;
    }
    cr_assert_eq(in, n);
    cr_assert_eq(h.n, n);
    if (n) {
        cr_assert_eq(gr_heap_top(&h)->key, least);
    } else {
        cr_assert_null(gr_heap_top(&h));
    }
}

Test(heap, empty_has_no_top)
{
    cr_assert_null(gr_heap_top(&h));
}

Test(heap, gives_keys_in_ascending_order)
{
    clear();
    reserve(N);
    for (int i = 0; i < N; i++) {
        add(&elements[i], (i * 7919) % N);
    }
    for (int i = 0; i < N; i++) {
        cr_assert_eq(pop()->key, i);
    }
    cr_assert_null(gr_heap_top(&h));
}

Test(heap, takes_equal_and_extreme_keys)
{
    static const int64_t keys[] = {5, INT64_MAX, INT64_MIN, 5, 5, 0, -1, INT64_MAX};
    static const int64_t sorted[] = {INT64_MIN, -1, 0, 5, 5, 5, INT64_MAX, INT64_MAX};
    clear();
    reserve(8);
    for (int i = 0; i < 8; i++) {
        add(&elements[i], keys[i]);
    }
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(pop()->key, sorted[i]);
    }
}

Test(heap, matches_a_model_under_random_adds_and_removals)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        size_t n = 0;
        srand(seed);
        clear();
        gr_heap_clear(&h);
        for (int step = 0; step < 2000; step++) {
            struct element *e = &elements[rand() % N];
            if (e->index >= 0) {
                gr_heap_remove(&h, e->index);
                cr_assert_eq(e->index, -1, "a removed element knows that it is out");
                n--;
            } else {
                reserve(n + 1);
                add(e, rand() % 100);
                n++;
            }
            check(n);
        }
    }
}

Test(heap, reserved_room_is_not_moved_by_adding)
{
    clear();
    reserve(N);
    const struct gr_heap_node *before = h.nodes;
    for (int i = 0; i < N; i++) {
        add(&elements[i], N - i);
    }
    cr_assert_eq(h.nodes, before);
}

Test(heap, growing_keeps_what_is_in_it)
{
    clear();
    for (size_t i = 0; i < N; i++) {
        reserve(i + 1);
        add(&elements[i], (int64_t)(N - i));
    }
    check(N);
}

Test(heap, clear_forgets_elements_without_touching_them)
{
    clear();
    reserve(3);
    for (int i = 0; i < 3; i++) {
        add(&elements[i], i);
    }
    struct element before[3];
    memcpy(before, elements, sizeof(before));
    gr_heap_clear(&h);
    cr_assert_null(gr_heap_top(&h));
    cr_assert_arr_eq(elements, before, sizeof(before));
}
