/* The common part of what can be waited for in company: who wants to know when it is ready. */
#ifndef GR_API_OBJECT_H
#define GR_API_OBJECT_H

#include "runtime/base/list.h"
#include "runtime/core/lot.h"

#include <green/object.h>

/* Embedded in each object. The lot's lock of its address guards it. */
struct green_object {
    bool (*ready)(const struct green_object *o);
    bool consumed; /* one link may use up what makes it ready: ask again before each */
    uint8_t why;   /* enum gr_why, what somebody waits for here; GR_WHY_OBJECT at first */
    struct gr_list links;
    uint64_t n_links; /* made so far */
};

void gr_object_init(struct green_object *o, bool (*ready)(const struct green_object *o),
                    bool consumed);

/*
 * gr_object_notify - @o has become ready: tell everybody linked so far, in order. Called with the
 * lot's lock @b of @o's address, which is released. Callbacks of the program run without it. Does
 * not switch itself.
 */
void gr_object_notify(struct gr_bucket *b, struct green_object *o);

/* gr_object_wait - wait at an object whose waiters are all woken when it is ready. Returns 0,
 * -ETIMEDOUT, or what interrupted the wait. */
int gr_object_wait(struct green_object *o, int64_t timeout);

/*
 * gr_iwait_until - the next object that is ready into *@out. @deadline 0: only look.
 * Returns 1, 0 (none is left), -ETIMEDOUT, -EDEADLK, or -ECANCELED: the caller acts on that.
 */
int gr_iwait_until(struct green_iwait *it, struct green_object **out, int64_t deadline);

#endif
