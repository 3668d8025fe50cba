#include "runtime/core/request.h"

#include "runtime/core/hub.h"

void gr_request(struct gr_hub *h, struct gr_request *r)
{
    h->no_native = true; /* the caller may come again */
    struct gr_request *head = atomic_load(&h->requests);
    do {
        r->next = head;
    } while (!atomic_compare_exchange_weak(&h->requests, &head, r));
    gr_hub_poke(h);
}

/* The first of a list, whose order this reverses. */
static struct gr_request *reverse(struct gr_request *r)
{
    struct gr_request *in_order = NULL;
    while (r) {
        struct gr_request *next = r->next;
        r->next = in_order;
        in_order = r;
        r = next;
    }
    return in_order;
}

void gr_request_serve(struct gr_hub *h)
{
    struct gr_request **last = &h->lacking;
    while (*last) {
        last = &(*last)->next;
    }
    *last = reverse(atomic_exchange(&h->requests, NULL));
    struct gr_request *r;
    while ((r = h->lacking)) {
        h->lacking = r->next;
        if (!r->fn(r)) {
            r->next = h->lacking; /* what this one lacks the others lack, too */
            h->lacking = r;
            return;
        }
    }
}
