/*
 * What a hub does when none of its greens is ready: idle ones have their turn, and waits of main
 * end that nothing could end any more.
 */
#ifndef GR_CORE_REST_H
#define GR_CORE_REST_H

#include "runtime/core/hub.h"

/*
 * gr_rest_idle - wait until no other green is ready, nor anything in the loop; of several that wait
 * so, those of the highest @priority go first. Returns 0, or -ECANCELED. Foreign threads only give
 * way. Switches.
 */
int gr_rest_idle(int priority);

/*
 * gr_rest_join - on main: wait until nothing is left that will make a green run. A deadline of
 * main's own does not count, nor do handlers of the program and foreign threads, which might.
 * @deadline: 0 lets every ready green run once, and looks
 *
 * Returns 0, -ETIMEDOUT, or -ECANCELED. Switches.
 */
int gr_rest_join(int64_t deadline);

/*
 * gr_rest_hold - something has begun on a kernel thread that will wake a green; gr_rest_release -
 * it has. Any thread; do not switch.
 */
void gr_rest_hold(void);
void gr_rest_release(void);
void gr_rest_fork_child(void);

/* gr_rest_on_stuck - called by the hub when main is to get -EDEADLK from a wait with GR_STUCK, to
 * report it; or NULL. */
extern void (*gr_rest_on_stuck)(const struct gr_hub *h);

/* For the hub, when nobody is ready. gr_rest_is_idle - do idle greens wait? gr_rest_wake_idle - the
 * loop had nothing either: make the first of them ready. gr_rest_end - if nothing can wake anybody,
 * end main's wait; true if that has made it ready. */
static inline bool gr_rest_is_idle(const struct gr_hub *h)
{
    return !gr_list_empty(&h->idle);
}
void gr_rest_wake_idle(struct gr_hub *h);
bool gr_rest_end(struct gr_hub *h);

#endif
