/* Intrusive lists. */
#include "runtime/base/list.h"

#include <criterion/criterion.h>

struct item {
    int value;
    struct gr_list link;
};

static struct gr_list head;
static struct item items[8];

static void setup(void)
{
    gr_list_init(&head);
    for (int i = 0; i < 8; i++) {
        items[i].value = i;
        gr_list_init(&items[i].link);
    }
}

TestSuite(list, .init = setup, .timeout = 60);

static void push(struct gr_list *l, int from, int to)
{
    for (int i = from; i < to; i++) {
        gr_list_push_back(l, &items[i].link);
    }
}

static int value_of(struct gr_list *n)
{
    return GR_LIST_ENTRY(n, struct item, link)->value;
}

/* Assert that @l holds the @n values, read in both directions. */
static void expect(struct gr_list *l, int n, const int *values)
{
    struct gr_list *at = l->next;
    for (int i = 0; i < n; i++, at = at->next) {
        cr_assert_neq(at, l, "%d entries instead of %d", i, n);
        cr_assert_eq(value_of(at), values[i]);
        cr_assert_eq(at->prev->next, at);
        cr_assert_eq(at->next->prev, at);
    }
    cr_assert_eq(at, l, "more than %d entries", n);
}

Test(list, push_back_keeps_order)
{
    push(&head, 0, 4);
    expect(&head, 4, (const int[]){0, 1, 2, 3});
}

Test(list, push_front_reverses_order)
{
    for (int i = 0; i < 4; i++) {
        gr_list_push_front(&head, &items[i].link);
    }
    expect(&head, 4, (const int[]){3, 2, 1, 0});
}

Test(list, pop_front_empties_it_from_the_oldest_on)
{
    push(&head, 0, 3);
    for (int i = 0; i < 3; i++) {
        cr_assert(!gr_list_empty(&head));
        cr_assert_eq(value_of(gr_list_pop_front(&head)), i);
    }
    cr_assert(gr_list_empty(&head));
}

Test(list, remove_leaves_the_neighbours_linked)
{
    push(&head, 0, 5);
    gr_list_remove(&items[0].link);
    gr_list_remove(&items[2].link);
    gr_list_remove(&items[4].link);
    expect(&head, 2, (const int[]){1, 3});
}

Test(list, removed_twice_is_harmless)
{
    push(&head, 0, 3);
    gr_list_remove(&items[1].link);
    gr_list_remove(&items[1].link);
    cr_assert(gr_list_empty(&items[1].link), "a removed entry is linked to itself");
    expect(&head, 2, (const int[]){0, 2});
}

Test(list, entries_may_be_removed_during_a_walk)
{
    int seen = 0;
    push(&head, 0, 6);
    GR_LIST_EACH(&head, n, tmp)
    {
        cr_assert_eq(value_of(n), seen++);
        if (seen % 2) {
            gr_list_remove(n);
        }
    }
    cr_assert_eq(seen, 6);
    expect(&head, 3, (const int[]){1, 3, 5});
}

Test(list, splice_appends_and_empties_the_other)
{
    struct gr_list other;
    gr_list_init(&other);
    push(&head, 0, 2);
    push(&other, 2, 5);
    gr_list_splice_back(&head, &other);
    cr_assert(gr_list_empty(&other));
    expect(&head, 5, (const int[]){0, 1, 2, 3, 4});
}

Test(list, splice_with_an_empty_list_changes_nothing)
{
    struct gr_list other;
    gr_list_init(&other);
    push(&head, 0, 2);
    gr_list_splice_back(&head, &other);
    expect(&head, 2, (const int[]){0, 1});
    gr_list_splice_back(&other, &head);
    cr_assert(gr_list_empty(&head));
    expect(&other, 2, (const int[]){0, 1});
}
