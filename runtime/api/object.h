/* The common part of what can be waited for in company: who wants to know when it is ready. */
#ifndef GR_API_OBJECT_H
#define GR_API_OBJECT_H

#include "runtime/base/list.h"
#include "runtime/core/lot.h"

#include <green/object.h>

/*
 * Something that wants to know, once. @notify is called off the list: under the object's lock for
 * waits, which only pass it on, and without it for callbacks.
 */
struct gr_link {
    struct gr_list node;
    uint64_t number;
    bool locked;
    void (*notify)(struct gr_link *l);
};

/* Embedded in each object. The lot's lock of its address guards it. */
struct green_object {
    bool (*ready)(const struct green_object *o);
    bool consumed; /* one link may use up what makes it ready: ask again before each */
    void (*hold)(struct green_object *o,
                 bool on); /* a callback will be given it; NULL: not counted */
    uint8_t why;           /* enum gr_why, what somebody waits for here; GR_WHY_OBJECT at first */
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

/*
 * gr_object_link - have @notify(@l) called, once, by whoever makes @o ready, without its lock.
 * Until then @l is on the list of links and may be taken off it under the lot's lock of @o's
 * address. Returns false if @o is ready already: nothing has been linked.
 */
bool gr_object_link(struct green_object *o, struct gr_link *l, void (*notify)(struct gr_link *));

/* gr_object_wait - wait at an object whose waiters are all woken when it is ready. Returns 0,
 * -ETIMEDOUT, or what interrupted the wait. */
int gr_object_wait(struct green_object *o, int64_t timeout);

/* gr_object_await - the same with flags of gr_park(). @deadline 0: only look. -ECANCELED: the
 * caller acts on that. */
int gr_object_await(struct green_object *o, int64_t deadline, unsigned flags);

/*
 * gr_iwait_until - the next object that is ready into *@out. @deadline 0: only look.
 * Returns 1, 0 (none is left), -ETIMEDOUT, -EDEADLK, or -ECANCELED: the caller acts on that.
 */
int gr_iwait_until(struct green_iwait *it, struct green_object **out, int64_t deadline);

#endif
