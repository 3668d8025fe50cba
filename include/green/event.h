/*
 * Events and results: one greenlet tells others. Any green and any kernel thread may make every
 * call. Like: gevent.event
 */
#ifndef GREEN_EVENT_H
#define GREEN_EVENT_H

#include <green/base.h>
#include <green/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Event: a flag that can be waited for --- */

struct green_event;

/* green_event_new - an event that is not set; NULL when out of memory. Does not switch. */
GREEN_API struct green_event *green_event_new(void);

/* green_event_free - nobody may wait for it any more. NULL is allowed. Does not switch. */
GREEN_API void green_event_free(struct green_event *e);

/*
 * green_event_set - raise the flag and make everybody runnable who waits now, first come first
 * served; a green_event_clear() right behind it does not take that back. Does not switch.
 * Like: Event.set
 */
GREEN_API void green_event_set(struct green_event *e);

/* green_event_clear - lower the flag. Does not switch. Like: Event.clear */
GREEN_API void green_event_clear(struct green_event *e);

/* green_event_is_set - 1 if it is set, else 0. Does not switch. Like: Event.is_set */
GREEN_API int green_event_is_set(const struct green_event *e);

/*
 * green_event_wait - wait until the flag is raised.
 * @timeout: ns, GREEN_FOREVER, or 0 to only look
 *
 * Returns 0 if it was set at any time meanwhile, -ETIMEDOUT, or what interrupted the wait. Switches
 * unless it is set. Like: Event.wait
 */
GREEN_API int green_event_wait(struct green_event *e, int64_t timeout);

/* green_event_object - the event, for green_wait() and links. Does not switch. */
GREEN_API struct green_object *green_event_object(struct green_event *e);

/* --- AsyncResult: a cell for one value or error --- */

struct green_result;

/* green_result_new - an empty cell; NULL when out of memory. Does not switch. */
GREEN_API struct green_result *green_result_new(void);

/* green_result_free - nobody may wait for it any more. NULL is allowed. Does not switch. */
GREEN_API void green_result_free(struct green_result *r);

/*
 * green_result_set - store @value and wake everybody who waits. What was stored before is replaced.
 * Does not switch. Like: AsyncResult.set
 */
GREEN_API void green_result_set(struct green_result *r, void *value);

/*
 * green_result_set_error - store a failure.
 * @code:    negative
 * @message: copied; may be NULL
 * @payload: kept as it is; may be NULL
 *
 * Returns 0, -EINVAL (@code is not negative: nothing is stored), -ENOMEM. Does not switch.
 * Like: AsyncResult.set_exception
 */
GREEN_API int green_result_set_error(struct green_result *r, int code, const char *message,
                                     void *payload);

/*
 * green_result_get - wait for the value.
 * @value_out: receives it; may be NULL; untouched on failure
 * @timeout:   ns, GREEN_FOREVER, or 0 to only look
 *
 * Returns 0, the code of the failure stored, -ETIMEDOUT (nothing is stored yet:
 * green_result_ready() tells it from a failure of that code), or what interrupted the wait.
 * Switches unless something is stored. Like: AsyncResult.get
 */
GREEN_API int green_result_get(struct green_result *r, void **value_out, int64_t timeout);

/* green_result_wait - as green_result_get(), but 0 also for a failure. Like: AsyncResult.wait */
GREEN_API int green_result_wait(struct green_result *r, int64_t timeout);

/* green_result_ready - 1 if something is stored, else 0. green_result_successful - 1 if that is a
 * value, else 0. Do not switch. */
GREEN_API int green_result_ready(const struct green_result *r);
GREEN_API int green_result_successful(const struct green_result *r);

/* green_result_value - the value; NULL while empty and after a failure. Does not switch. */
GREEN_API void *green_result_value(const struct green_result *r);

/* green_result_error - the failure, until something else is stored; NULL: none. Does not switch. */
GREEN_API const struct green_error *green_result_error(const struct green_result *r);

/* green_result_object - the result, for green_wait() and links. Does not switch. */
GREEN_API struct green_object *green_result_object(struct green_result *r);

#ifdef __cplusplus
}
#endif

#endif
