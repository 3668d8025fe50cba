/*
 * What greenlets, events, results and semaphores have in common: somebody can wait for several of
 * them at once, and be called when one is ready. Like: gevent.wait, gevent.iwait, rawlink.
 *
 * Every call may be made by any green and any kernel thread.
 */
#ifndef GREEN_OBJECT_H
#define GREEN_OBJECT_H

#include <green/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A view of an object: green_greenlet_object(), green_event_object(), green_result_object(),
 * green_semaphore_object() give it. It lives as long as the object itself. A greenlet is ready when
 * it has ended, an event when it is set, a result when it has a value or an error, a semaphore when
 * it has a permit.
 */
struct green_object;

/* A callback, and what to give it. @o is the object that is ready. */
typedef void green_link_fn(struct green_object *o, void *arg);

/* green_ready - 1 if @o is ready, else 0. Does not switch. */
GREEN_API int green_ready(const struct green_object *o);

/*
 * green_link - call @fn(@o, @arg) once, when @o is ready, in a green of its own, where it may wait.
 * Links are called in the order they were made; if @o is ready already it is called soon, never
 * before green_link() returns. A greenlet or result lives until then, whoever gives it back.
 *
 * Returns 0, -EINVAL (@fn is NULL), -ENOMEM, -ENOTSUP (no green threads here). Does not switch.
 * Like: Greenlet.link
 */
GREEN_API int green_link(struct green_object *o, green_link_fn *fn, void *arg);

/*
 * green_rawlink - as green_link(), but @fn runs at once on whoever makes @o ready, and must not
 * wait. If @o is ready already it runs in a green of its own.
 *
 * Returns 0, or as green_link(). Does not switch. Like: rawlink
 */
GREEN_API int green_rawlink(struct green_object *o, green_link_fn *fn, void *arg);

/*
 * green_unlink - forget the first link of @o with this @fn and @arg that has not been called.
 *
 * Returns 1 if there was one, else 0. Does not switch. Like: unlink
 */
GREEN_API int green_unlink(struct green_object *o, green_link_fn *fn, void *arg);

/* green_link_count - links of @o that wait to be called. Does not switch. */
GREEN_API size_t green_link_count(const struct green_object *o);

/*
 * green_wait - wait until @count of the @n objects are ready.
 * @objects: may hold the same object several times; each time counts
 * @done:    room for min(@n, @count) objects: those that are ready, in the order they became so; or
 *           NULL
 * @count:   0: all of them
 * @timeout: ns, GREEN_FOREVER, or 0 to only look
 *
 * Returns how many are ready, less than asked for after @timeout; or a negative error (-ENOMEM, or
 * what interrupted the wait). Switches. Like: gevent.wait(objects)
 */
GREEN_API int green_wait(struct green_object *const objects[], size_t n,
                         struct green_object *done[], size_t count, int64_t timeout);

/*
 * green_iwait_new - go through objects in the order in which they become ready.
 *
 * Returns what green_iwait_next() takes, NULL when out of memory. Does not switch. Like:
 * gevent.iwait
 */
struct green_iwait;
GREEN_API struct green_iwait *green_iwait_new(struct green_object *const objects[], size_t n);

/*
 * green_iwait_next - the next object that is ready, into *@out.
 *
 * Returns 1; 0 when all have been given; -ETIMEDOUT; or what interrupted the wait. Switches.
 */
GREEN_API int green_iwait_next(struct green_iwait *it, struct green_object **out, int64_t timeout);

/* green_iwait_free - end the walk, early or not; nothing stays behind. Does not switch. */
GREEN_API void green_iwait_free(struct green_iwait *it);

#ifdef __cplusplus
}
#endif

#endif
