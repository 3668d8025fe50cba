/*
 * What kernel threads ask a hub to do: only its carrier may touch greens, timers and the loop.
 */
#ifndef GR_CORE_REQUEST_H
#define GR_CORE_REQUEST_H

#include <stdbool.h>

struct gr_hub;

struct gr_request {
    struct gr_request *next;
    /* On the hub, which does not touch @r any more if it returns true; false: it lacked something,
     * and is called again at a later turn. Must not wait. */
    bool (*fn)(struct gr_request *r);
};

/*
 * gr_request - have @r->fn(@r) called on @h soon, in the order of the requests. @r belongs to the
 * hub until then. Any thread, not from signal handlers. Never switches, never fails.
 */
void gr_request(struct gr_hub *h, struct gr_request *r);

/* For the hub. gr_request_serve - at each turn. */
void gr_request_serve(struct gr_hub *h);

#endif
