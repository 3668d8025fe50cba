/*
 * Timeouts: a code thrown into a green thread after some time, wherever it waits then: in calls of
 * this library and in libc calls alike, which fail with ETIMEDOUT. So code that knows nothing of
 * it gets a deadline. Like: gevent.Timeout
 */
#ifndef GREEN_TIMEOUT_H
#define GREEN_TIMEOUT_H

#include <green/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct green_timeout;

/*
 * green_timeout_new - a timeout that has not been started.
 * @duration: ns; 0 or less fires when the green thread next waits; GREEN_FOREVER never fires, and
 *            the object can be used like any other
 * @code:     what is thrown, negative; 0: -ETIMEDOUT
 *
 * Returns it, or NULL with errno ENOMEM, or EINVAL for a positive @code. Does not switch.
 */
GREEN_API struct green_timeout *green_timeout_new(int64_t duration, int code);

/* green_timeout_start_new - a timeout as of green_timeout_new() that has been started; NULL and
 * errno on failure of either. Does not switch. Like: Timeout.start_new */
GREEN_API struct green_timeout *green_timeout_start_new(int64_t duration, int code);

/*
 * green_timeout_start - from now on it runs, for the calling green thread.
 *
 * Returns 0, -EBUSY (it is running), -ENOMEM, -ENOTSUP (not on a green thread). Does not switch.
 * Like: Timeout.start
 */
GREEN_API int green_timeout_start(struct green_timeout *t);

/* green_timeout_unref - its time does not count as something that is left to happen, for
 * green_hub_join() and for the end of waits that nothing can end: see <green/green.h>. Does not
 * switch. Like: Timeout(ref=False) */
GREEN_API void green_timeout_unref(struct green_timeout *t);

/* green_timeout_pending - 1 if it is running and has not fired, else 0. Does not switch.
 * Like: Timeout.pending */
GREEN_API int green_timeout_pending(const struct green_timeout *t);

/*
 * green_timeout_fired - 1 if its code has been delivered since it was last started, else 0. So a
 * caller who gets -ETIMEDOUT knows whose it is. NULL is allowed. Does not switch.
 */
GREEN_API int green_timeout_fired(const struct green_timeout *t);

/* green_timeout_cancel - stop it; it may be started again. What was thrown and not delivered is
 * taken back. Harmless if it does not run. Does not switch. Like: Timeout.cancel */
GREEN_API void green_timeout_cancel(struct green_timeout *t);

/* green_timeout_free - cancel and free. NULL is allowed. Does not switch. Like: Timeout.close */
GREEN_API void green_timeout_free(struct green_timeout *t);

/*
 * green_with_timeout - call @fn(@arg) and give it @duration ns.
 * @value_out: receives what it returned; may be NULL
 *
 * Returns 0; -ETIMEDOUT if the time was over: then a wait in @fn returned that, and what @fn made
 * of it is dropped; or -ENOMEM, -ENOTSUP, and @fn was not called. An outer timeout is left to its
 * owner. Switches only if @fn does. Like: gevent.with_timeout
 */
GREEN_API int green_with_timeout(int64_t duration, void *(*fn)(void *), void *arg,
                                 void **value_out);

static inline void green_timeout_cleanup(struct green_timeout **t)
{
    green_timeout_free(*t);
}

/*
 * GREEN_TIMEOUT(t, duration) - a statement that runs under a timeout named @t.
 *
 *     GREEN_TIMEOUT(t, GREEN_S(2)) {
 *         n = read(fd, buf, sizeof(buf));
 *         if (n < 0 && green_timeout_fired(t))
 *             ...
 *     }
 *
 * The timeout ends with the statement, also by break or return. Without memory it runs without.
 */
#define GREEN_TIMEOUT(t, duration)                                                                 \
    for (struct green_timeout * t __attribute__((cleanup(green_timeout_cleanup))) =                \
             green_timeout_start_new((duration), 0),                                               \
                                  **green_once_##t = &t;                                           \
         green_once_##t; green_once_##t = 0)

#ifdef __cplusplus
}
#endif

#endif
