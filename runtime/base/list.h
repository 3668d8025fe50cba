/* Intrusive circular doubly linked list. */
#ifndef GR_BASE_LIST_H
#define GR_BASE_LIST_H

#include "runtime/base/compiler.h"

#include <stdbool.h>

struct gr_list {
    struct gr_list *next;
    struct gr_list *prev;
};

#define GR_LIST_ENTRY(node, type, member) GR_CONTAINER_OF(node, type, member)

/* Walk a list; the current entry may be removed while walking. */
#define GR_LIST_EACH(head, node, tmp)                                                              \
    for (struct gr_list *node = (head)->next, *tmp = node->next; node != (head);                   \
         node = tmp, tmp = node->next)

static inline void gr_list_init(struct gr_list *l)
{
    l->next = l;
    l->prev = l;
}

static inline bool gr_list_empty(const struct gr_list *l)
{
    return l->next == l;
}

static inline void gr_list_push_back(struct gr_list *head, struct gr_list *n)
{
    n->next = head;
    n->prev = head->prev;
    head->prev->next = n;
    head->prev = n;
}

static inline void gr_list_push_front(struct gr_list *head, struct gr_list *n)
{
    gr_list_push_back(head->next, n);
}

/* Leaves @n self-linked, so removing twice is harmless. */
static inline void gr_list_remove(struct gr_list *n)
{
    n->next->prev = n->prev;
    n->prev->next = n->next;
    gr_list_init(n);
}

static inline struct gr_list *gr_list_pop_front(struct gr_list *head)
{
    struct gr_list *n = head->next;
    gr_list_remove(n);
    return n;
}

/* Move every node of @from to the tail of @to. */
static inline void gr_list_splice_back(struct gr_list *to, struct gr_list *from)
{
    if (gr_list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    gr_list_init(from);
}

#endif
