/*
 * The course of a map: a greenlet goes through the items and has a call begun for each; whoever
 * wants the results takes them. Where the calls run is the business of the pool, which gives the
 * functions of struct gr_map_ops.
 */
#ifndef GR_API_MAP_H
#define GR_API_MAP_H

#include "runtime/api/object.h"

#include <green/map.h>
#include <green/pool.h>

struct gr_map_call;

struct gr_map_ops {
    /*
     * Begin call->fn(call->item), when there is room; when it has ended gr_map_call_ended() is
     * called once. Returns 0, or a negative error: then nothing was begun. May switch.
     */
    int (*begin)(void *pool, struct gr_map_call *call);
    void (*release)(struct gr_map_call *call); /* what @begin and the end have put there */
};

/* The call for one item. */
struct gr_map_call {
    struct gr_list node; /* results of the map */
    struct green_imap *map;
    void *(*fn)(void *);
    void *item;
    bool ended;
    /* Set by the pool before gr_map_call_ended(): */
    void *value;
    const struct green_error *error; /* NULL: @value counts */
    struct gr_link link;             /* for the pool's use, as is @made */
    void *made;
};

/* gr_map_call_ended - @call has ended, and its result is there. Any thread; does not switch. */
void gr_map_call_ended(struct gr_map_call *call);

/* gr_imap_new - NULL with errno EINVAL (no @fn), ENOMEM or ENOTSUP. @max: 0: no limit. */
struct green_imap *gr_imap_new(const struct gr_map_ops *ops, void *pool, void *(*fn)(void *),
                               struct green_input in, size_t max, bool ordered);

/* gr_map - as green_pool_map(). */
int gr_map(const struct gr_map_ops *ops, void *pool, void *(*fn)(void *), struct green_input in,
           struct green_values **out, int64_t timeout);

/*
 * Something asynchronous: a greenlet that runs @run, and a callback for its value, if there is one.
 * The first
 * part of a block that @release gives back when all is over.
 */
struct gr_async {
    void *(*run)(void *async);
    void (*release)(void *async);
    green_callback_fn *callback;
    void *callback_arg;
    struct gr_link link;
};

/* gr_async_start - start the greenlet; a handle into *@out. Returns 0, or -ENOMEM or -ENOTSUP;
 * @a is released in every case. */
int gr_async_start(struct gr_async *a, struct greenlet **out);

/* gr_map_async - as green_pool_map_async(). */
int gr_map_async(const struct gr_map_ops *ops, void *pool, void *(*fn)(void *),
                 struct green_input in, green_callback_fn *callback, void *callback_arg,
                 struct greenlet **out);

#endif
