/*
 * Pools: sets of greenlets, with a limit or without. A greenlet is a member until it ends. Any
 * green and any kernel thread may make every call. Like: gevent.pool
 */
#ifndef GREEN_POOL_H
#define GREEN_POOL_H

#include <green/base.h>
#include <green/green.h>
#include <green/map.h>
#include <green/object.h>

#include <limits.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Pool, Group --- */

struct green_pool;

#define GREEN_UNLIMITED INT_MAX

/*
 * green_pool_new - a pool of at most @size greenlets.
 * @size: GREEN_UNLIMITED: any number; 0: there is never room
 *
 * Returns it, or NULL with errno ENOMEM, or EINVAL for a negative @size. Does not switch. Like:
 * Pool
 */
GREEN_API struct green_pool *green_pool_new(int size);

/* green_group_new - a pool without a limit: nothing ever waits for room; NULL when out of memory.
 * Does not switch. Like: Group */
GREEN_API struct green_pool *green_group_new(void);

/* green_pool_free - its members go on, and are nobody's. Nobody may wait at it any more. NULL is
 * allowed. Does not switch. */
GREEN_API void green_pool_free(struct green_pool *p);

/*
 * green_pool_spawn - green_spawn() as a member, when there is room.
 * @out:     receives a handle, to be given back by green_unref(); NULL: none is wanted
 * @timeout: how long to wait for room: ns, GREEN_FOREVER, or 0
 *
 * Returns 0, -ETIMEDOUT (-EAGAIN if @timeout is 0: it is full), -ENOMEM (or too many green
 * threads), -EINVAL and -ENOTSUP as green_spawn(), or what interrupted the wait: then nothing was
 * spawned. Who has waited longest gets the next place. Switches if it waits. Like: Pool.spawn
 */
GREEN_API int green_pool_spawn(struct green_pool *p, void *(*fn)(void *), void *arg,
                               struct greenlet **out, int64_t timeout);

/*
 * green_pool_add - make @g a member, when there is room. Nothing happens if it is one, or has
 * ended.
 *
 * Returns 0, -ETIMEDOUT (-EAGAIN if @timeout is 0: it is full), -ENOMEM, or what interrupted the
 * wait; the code of green_pool_kill(), if that is at work and @g is the caller. Switches if it
 * waits. Like: Pool.add
 */
GREEN_API int green_pool_add(struct green_pool *p, struct greenlet *g, int64_t timeout);

/* green_pool_discard - @g goes on, and is no member any more. Returns 1 if it was one, else 0. Does
 * not switch. Like: Group.discard */
GREEN_API int green_pool_discard(struct green_pool *p, struct greenlet *g);

/* green_pool_contains - is @g a member? green_pool_count - how many there are. Do not switch.
 * Like: in, len */
GREEN_API int green_pool_contains(const struct green_pool *p, struct greenlet *g);
GREEN_API size_t green_pool_count(const struct green_pool *p);

/*
 * green_pool_members - the members, in the order in which they came, into @out.
 * @room: at most so many
 *
 * Returns how many were put there; each is a handle to be given back. Does not switch. Like: iter
 */
GREEN_API size_t green_pool_members(struct green_pool *p, struct greenlet *out[], size_t room);

/* green_pool_full - is there no room? green_pool_free_count - how much there is; GREEN_UNLIMITED
 * without a limit. Do not switch. */
GREEN_API int green_pool_full(const struct green_pool *p);
GREEN_API int green_pool_free_count(const struct green_pool *p);

/*
 * green_pool_wait_available - wait until there is room, and take none.
 *
 * Returns how much; it may be 0, when others were faster. -ETIMEDOUT, or what interrupted the wait.
 * Switches if it waits. Like: Pool.wait_available
 */
GREEN_API int green_pool_wait_available(struct green_pool *p, int64_t timeout);

/*
 * green_pool_join - wait until there is no member. There may be others by the time it returns.
 * @raise_error: then return the code of an error with which a member of now has ended, if there is
 *               one, also after @timeout
 *
 * Returns 0, -ETIMEDOUT, -EDEADLK (the caller is a member), -ENOMEM (with @raise_error), or what
 * interrupted the wait. Switches if there are members. Like: Group.join
 */
GREEN_API int green_pool_join(struct green_pool *p, int raise_error, int64_t timeout);

/*
 * green_pool_kill - green_kill() for every member, once for each, also for those who come while it
 * waits.
 * @code:    negative; 0: -ECANCELED
 * @timeout: how long to wait until there is no member; 0: not at all
 *
 * Returns 0 if there is no member (or @timeout is 0), -ETIMEDOUT, -EINVAL (@code is positive),
 * -ENOMEM, or what interrupted the wait. Called by a member: @code, thrown in place, when all
 * others have been hit. Switches unless @timeout is 0. Like: Group.kill
 */
GREEN_API int green_pool_kill(struct green_pool *p, int code, int64_t timeout);

/*
 * green_pool_killone - green_kill(@g), if it is a member and has not been killed by its pool
 * before; then wait for its end, if it was a member.
 *
 * Returns 0 also for those who are no members; else as green_kill(). Switches unless @timeout is 0.
 * Like: Group.killone
 */
GREEN_API int green_pool_killone(struct green_pool *p, struct greenlet *g, int code,
                                 int64_t timeout);

/* green_pool_object - the pool, for green_wait() and links: ready when there is no member. Does not
 * switch. */
GREEN_API struct green_object *green_pool_object(struct green_pool *p);

/* --- calls by members --- */

/*
 * green_pool_apply - have a member call @fn(@arg) and wait for the value. Called by a member of @p
 * it calls @fn itself.
 * @value_out: receives it; may be NULL; untouched on failure
 * @timeout:   for room and for the value; the call goes on without the caller
 *
 * Returns 0, the code of the error that ended the call, or as green_pool_spawn(). Switches.
 * Like: Pool.apply
 */
GREEN_API int green_pool_apply(struct green_pool *p, void *(*fn)(void *), void *arg,
                               void **value_out, int64_t timeout);

/* What is called with a value, and what to give it. */
typedef void green_callback_fn(void *value, void *arg);

/*
 * green_pool_apply_async - have @fn(@arg) called by a new greenlet, which becomes a member before,
 * when there is room.
 * @callback: called with the value and @callback_arg, in a green of its own, where it may wait; not
 *            after an error. NULL: none
 * @out:      receives a handle of the greenlet; may be NULL
 *
 * Returns 0, -EINVAL, -ENOMEM, -ENOTSUP. Does not switch. Like: Pool.apply_async
 */
GREEN_API int green_pool_apply_async(struct green_pool *p, void *(*fn)(void *), void *arg,
                                     green_callback_fn *callback, void *callback_arg,
                                     struct greenlet **out);

/*
 * green_pool_map - have members call @fn for each item of @in, as there is room, and wait for all
 * values.
 * @out: receives them, in the order of the items, to be given to free(3); after a failure those of
 *       the items before, or NULL. May be NULL.
 *
 * Returns 0; the code of the error of the first item, by position, whose call ended with one; that
 * of the items themselves; -ENOMEM, -ENOTSUP, -ETIMEDOUT, or what interrupted the wait. On failure
 * no further calls are begun, and those that have begun go on. Switches. Like: Pool.map
 */
GREEN_API int green_pool_map(struct green_pool *p, void *(*fn)(void *), struct green_input in,
                             struct green_values **out, int64_t timeout);

/*
 * green_pool_map_async - green_pool_map() in a greenlet of its own, which is no member. Its value
 * is a struct green_values *, which belongs to @callback, or to who gets it from the greenlet; it
 * ends with the error of the map.
 *
 * Otherwise as green_pool_apply_async(). Like: Pool.map_async
 */
GREEN_API int green_pool_map_async(struct green_pool *p, void *(*fn)(void *), struct green_input in,
                                   green_callback_fn *callback, void *callback_arg,
                                   struct greenlet **out);

/*
 * green_pool_imap - have members call @fn for each item of @in, as there is room, and give the
 * values one after the other, by green_imap_next(), in the order of the items.
 * green_pool_imap_unordered - in the order in which the calls end.
 * @max: no more than so many values, finished or in the making, wait to be fetched: then no further
 *       call is begun; 0: any number
 *
 * Return NULL with errno EINVAL, ENOMEM or ENOTSUP. The pool has to stay until green_imap_free().
 * Do not switch. Like: Pool.imap, Pool.imap_unordered
 */
GREEN_API struct green_imap *green_pool_imap(struct green_pool *p, void *(*fn)(void *),
                                             struct green_input in, size_t max);
GREEN_API struct green_imap *green_pool_imap_unordered(struct green_pool *p, void *(*fn)(void *),
                                                       struct green_input in, size_t max);

#ifdef __cplusplus
}
#endif

#endif
