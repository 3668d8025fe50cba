/*
 * Thread pools: functions that block, or compute, called on kernel threads while the green that
 * wants the result waits and the others go on. Any green and any kernel thread may make every call.
 * Like: gevent.threadpool
 *
 * A function in a pool runs as on any kernel thread: libc's calls block it alone, green_fail() ends
 * it with an error, and it may use events, queues and the like to talk to greens. It cannot be
 * killed. The threads are the pool's own, made when there is something to do, with all signals
 * blocked. In a forked child a pool begins without threads, and what was in it ends with
 * -ECANCELED.
 */
#ifndef GREEN_THREADPOOL_H
#define GREEN_THREADPOOL_H

#include <green/base.h>
#include <green/call.h>
#include <green/event.h>
#include <green/green.h>
#include <green/map.h>

#ifdef __cplusplus
extern "C" {
#endif

struct green_threadpool;

/*
 * green_threadpool_new - a pool of at most @max threads.
 * @max:          0: none is made, until green_threadpool_set_max()
 * @idle_timeout: how long a thread that has nothing to do stays, in ns; GREEN_FOREVER
 *
 * Returns NULL with errno ENOMEM, or EINVAL for a negative @max. Does not switch. Like: ThreadPool
 */
GREEN_API struct green_threadpool *green_threadpool_new(int max, int64_t idle_timeout);

/* green_threadpool_free - what is in it is still done, then its threads end. Nobody may wait at it
 * any more, except for results. NULL is allowed. Does not switch. */
GREEN_API void green_threadpool_free(struct green_threadpool *p);

/*
 * green_threadpool_spawn - have a thread call @fn(@arg). One call more than threads may be in the
 * pool; then this waits, and who has waited longest gets in next.
 * @out:     receives where the result will be, to be given to green_result_free(), at any time;
 *           NULL: it is not wanted
 * @timeout: how long to wait for room: ns, GREEN_FOREVER, or 0
 *
 * Returns 0, -EINVAL (@fn is NULL), -ETIMEDOUT (-EAGAIN if @timeout is 0: it is full), -ENOMEM (or
 * no thread could be made), or what interrupted the wait: then nothing was begun. Switches if it
 * waits. Like: ThreadPool.spawn
 */
GREEN_API int green_threadpool_spawn(struct green_threadpool *p, void *(*fn)(void *), void *arg,
                                     struct green_result **out, int64_t timeout);

/*
 * green_threadpool_call - have a thread call any function, when there is room.
 * @out:       receives where the result will be, to be given to green_result_free(); NULL: it is
 * not wanted. Its value is as that of green_spawn_call().
 * @fn:        any function; the macro below converts it
 * @signature: its type; <green/call.h> tells the letters. Then come the arguments, as for
 *             green_spawn_call()
 *
 * Returns 0, -EINVAL (@signature is wrong; @fn or the address of a struct is NULL), or as
 * green_threadpool_spawn(). Switches if it waits. Like: ThreadPool.spawn(function, *args)
 */
GREEN_API int green_threadpool_call(struct green_threadpool *p, struct green_result **out,
                                    green_function *fn, const char *signature, ...);

/* The same for a function of any type. Returns what the function does. Switches if it waits. */
#define green_threadpool_call(p, out, fn, ...)                                                     \
    (green_threadpool_call)((p), (out), (green_function *)(fn), __VA_ARGS__)

/*
 * green_threadpool_call_get - wait for the result of green_threadpool_call().
 * @out:     receives it in its own type; may be NULL; untouched on failure
 * @size:    of *@out; with void nothing is written, whatever it is
 * @timeout: ns, GREEN_FOREVER, or 0 to only look
 *
 * Returns 0, -EINVAL (@size is not that of the result, or @r is of something else), or as
 * green_result_get(). Switches unless the call has ended.
 */
GREEN_API int green_threadpool_call_get(struct green_result *r, void *out, size_t size,
                                        int64_t timeout);

/*
 * green_threadpool_apply - have a thread call @fn(@arg), and wait for the value. Called by a thread
 * of @p it calls @fn itself.
 * @value_out: receives it; may be NULL; untouched on failure
 * @timeout:   for room and for the value; the call goes on without the caller
 *
 * Returns 0, the code of the error that ended the call, or as green_threadpool_spawn(). Switches.
 * Like: ThreadPool.apply
 */
GREEN_API int green_threadpool_apply(struct green_threadpool *p, void *(*fn)(void *), void *arg,
                                     void **value_out, int64_t timeout);

/*
 * green_threadpool_apply_async - green_threadpool_apply() in a greenlet of its own.
 * @callback: called with the value and @callback_arg, in a green of its own; not after an error.
 *            NULL: none
 * @out:      receives a handle of the greenlet; may be NULL
 *
 * Returns 0, -ENOMEM, -ENOTSUP (no green threads here). Does not switch. Like:
 * ThreadPool.apply_async
 */
GREEN_API int green_threadpool_apply_async(struct green_threadpool *p, void *(*fn)(void *),
                                           void *arg, void (*callback)(void *value, void *arg),
                                           void *callback_arg, struct greenlet **out);

/* green_threadpool_map - as green_pool_map(), by the threads of @p. Like: ThreadPool.map
 */
GREEN_API int green_threadpool_map(struct green_threadpool *p, void *(*fn)(void *),
                                   struct green_input in, struct green_values **out,
                                   int64_t timeout);

/* green_threadpool_map_async - as green_pool_map_async(), by the threads of @p.
 * Like: ThreadPool.map_async */
GREEN_API int green_threadpool_map_async(struct green_threadpool *p, void *(*fn)(void *),
                                         struct green_input in,
                                         void (*callback)(void *value, void *arg),
                                         void *callback_arg, struct greenlet **out);

/* green_threadpool_imap, green_threadpool_imap_unordered - as green_pool_imap() and
 * green_pool_imap_unordered(), by the threads of @p. Like: ThreadPool.imap, imap_unordered */
GREEN_API struct green_imap *green_threadpool_imap(struct green_threadpool *p, void *(*fn)(void *),
                                                   struct green_input in, size_t max);
GREEN_API struct green_imap *green_threadpool_imap_unordered(struct green_threadpool *p,
                                                             void *(*fn)(void *),
                                                             struct green_input in, size_t max);

/*
 * green_threadpool_join - wait until nothing is in the pool.
 *
 * Returns 0, -ETIMEDOUT, or what interrupted the wait. Switches if it waits. Like: ThreadPool.join
 */
GREEN_API int green_threadpool_join(struct green_threadpool *p, int64_t timeout);

/*
 * green_threadpool_kill - wait until everything in the pool has been done and all threads have
 * ended. It can be used again.
 *
 * Returns 0, -ETIMEDOUT (they end all the same, later), or what interrupted the wait. Switches if
 * it waits. Like: ThreadPool.kill
 */
GREEN_API int green_threadpool_kill(struct green_threadpool *p, int64_t timeout);

/* green_threadpool_count - calls in it that have not ended. green_threadpool_size - its threads.
 * green_threadpool_max - how many it may have. Do not switch. Like: len, size, maxsize */
GREEN_API size_t green_threadpool_count(const struct green_threadpool *p);
GREEN_API int green_threadpool_size(const struct green_threadpool *p);
GREEN_API int green_threadpool_max(const struct green_threadpool *p);

/*
 * green_threadpool_set_max - change how many threads it may have. Of those too many each ends after
 * the call it is making.
 *
 * Returns 0, or -EINVAL for a negative @max. Does not switch. Like: maxsize
 */
GREEN_API int green_threadpool_set_max(struct green_threadpool *p, int max);

/*
 * green_threadpool_set_size - make threads beforehand, or let those end that have nothing to do,
 * until there are @size.
 *
 * Returns 0, -EINVAL (negative, or more than it may have), -ENOMEM (no thread could be made). Does
 * not switch. Like: size, adjust
 */
GREEN_API int green_threadpool_set_size(struct green_threadpool *p, int size);

#ifdef __cplusplus
}
#endif

#endif
