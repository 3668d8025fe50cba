/*
 * greenshim - green threads for C.
 *
 * Linking with -lgreenshim turns the pthreads of the program into green threads, and its blocking
 * libc calls into calls that let other green threads run. The functions here are for code that
 * knows of them. Like: gevent
 *
 * A greenlet is a green thread made by green_spawn(). It ends with a value or with an error, can be
 * waited for by many, and can be killed. Calls that wait take a timeout as their last parameter, in
 * ns; they return 0 or a value, or a negative errno.
 *
 * Whatever waits can be interrupted: by green_kill() and by a timeout (<green/timeout.h>). The wait
 * then returns the code that was thrown, usually -ECANCELED or -ETIMEDOUT; a libc call such as
 * read() fails with that errno. It comes once; who goes on in spite of it goes on.
 *
 * Deadlock. When main waits in a call of these headers without a timeout, every other green thread
 * waits too, and nothing is left that could wake any of them, main's call returns -EDEADLK. Lines
 * on standard error say who waits for what. Something is left while anybody waits for a descriptor,
 * a time, a signal, a child or a worker, while the program has a handler for a signal that comes
 * from outside, and once it has kernel threads of its own: any of these could wake somebody. A
 * sleep of green_sleep_unref() and a timeout after green_timeout_unref() do not count. Like:
 * LoopExit
 */
#ifndef GREEN_GREEN_H
#define GREEN_GREEN_H

#include <green/base.h>
#include <green/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * green_version - version of the library that is loaded, as GREEN_VERSION.
 *
 * Returns a string that lives for ever. Does not switch.
 */
GREEN_API const char *green_version(void);

/* --- greenlets --- */

struct greenlet;

/*
 * green_spawn - start @fn(@arg) as a greenlet.
 * @fn:  runs on a stack of its own; what it returns is the greenlet's value
 * @out: receives a handle, to be given back by green_unref(); NULL: none is wanted
 *
 * Returns 0, -EINVAL (@fn is NULL), -EAGAIN (out of memory, or too many green threads), -ENOTSUP
 * (green threads do not work in this process; a line on standard error says why; or a kernel thread
 * asks before there are any). Does not switch: it runs when the caller waits, in the order of
 * creation. For a kernel thread it runs on main's carrier, as soon as there is room for one more;
 * its id is 0 until then, and it inherits no locals. Like: gevent.spawn
 */
GREEN_API int green_spawn(void *(*fn)(void *), void *arg, struct greenlet **out);

/* green_spawn_later - as green_spawn(), but it does not start before @delay ns have passed.
 * Like: gevent.spawn_later */
GREEN_API int green_spawn_later(int64_t delay, void *(*fn)(void *), void *arg,
                                struct greenlet **out);

/* green_ref - @g itself, with one more handle. Does not switch. */
GREEN_API struct greenlet *green_ref(struct greenlet *g);

/* green_unref - give a handle back; the greenlet goes on. NULL is allowed. Does not switch. */
GREEN_API void green_unref(struct greenlet *g);

/*
 * green_current - the greenlet that is calling, without a new handle. Other green threads (main and
 * pthreads) are given one at the first call. NULL on kernel threads, before the first green thread,
 * and when out of memory. Does not switch. Like: gevent.getcurrent
 */
GREEN_API struct greenlet *green_current(void);

/*
 * green_started    - 1 if it has been scheduled and has not ended, else 0. Like: Greenlet.started
 * green_ended      - 1 if it has ended, in any way, else 0. Like: Greenlet.ready
 * green_successful - 1 if it has ended with a value, else 0. Like: Greenlet.successful
 * green_value      - its value; NULL before the end and after an error. Like: Greenlet.value
 * green_error      - its error, while the handle lives; NULL: none. Like: Greenlet.exception
 *
 * Do not switch.
 */
GREEN_API int green_started(const struct greenlet *g);
GREEN_API int green_ended(const struct greenlet *g);
GREEN_API int green_successful(const struct greenlet *g);
GREEN_API void *green_value(const struct greenlet *g);
GREEN_API const struct green_error *green_error(const struct greenlet *g);

/*
 * green_join - wait until @g has ended, however.
 * @timeout: ns, GREEN_FOREVER, or 0 to only look
 *
 * Returns 0, -ETIMEDOUT, -EDEADLK (a greenlet cannot join itself), or what interrupted the wait.
 * Switches if @g has not ended. Like: Greenlet.join
 */
GREEN_API int green_join(struct greenlet *g, int64_t timeout);

/*
 * green_get - wait for the value of @g.
 * @value_out: receives it; may be NULL; untouched on failure
 *
 * Returns 0, the code of the error it ended with, -ETIMEDOUT (it has not ended: green_ended() tells
 * it from an error of that code), -EDEADLK, or what interrupted the wait. Switches if @g has not
 * ended. Like: Greenlet.get
 */
GREEN_API int green_get(struct greenlet *g, void **value_out, int64_t timeout);

/*
 * green_joinall - wait until @count of the @n greenlets have ended.
 * @g:           may hold the same greenlet several times; each time counts
 * @done:        room for min(@n, @count) of them, in the order in which they ended; or NULL
 * @count:       0: all
 * @raise_error: stop at the first that ended with an error and return its code
 *
 * Returns how many have ended, less than asked for after @timeout; -ENOMEM; or what interrupted the
 * wait. Switches. Like: gevent.joinall
 */
GREEN_API int green_joinall(struct greenlet *const g[], size_t n, struct greenlet *done[],
                            size_t count, int raise_error, int64_t timeout);

/*
 * green_kill - throw @code into @g. If it has never run it never will: it has ended when this
 * returns, successfully, with NULL. If it waits, or when it next waits, its wait returns @code.
 * @code:    negative; 0: -ECANCELED
 * @timeout: how long to wait for its end; 0: not at all
 *
 * Returns 0 if it has ended (or @timeout is 0), -ETIMEDOUT, -EINVAL (@code is positive), or what
 * interrupted the wait. Called by @g itself: @code, thrown in place. Switches unless @timeout is 0.
 * Any kernel thread may call it; what has never run then ends soon after. Like: Greenlet.kill
 */
GREEN_API int green_kill(struct greenlet *g, int code, int64_t timeout);

/* green_killall - as green_kill(), for @n greenlets; those that have never run are dealt with
 * first. Like: gevent.killall */
GREEN_API int green_killall(struct greenlet *const g[], size_t n, int code, int64_t timeout);

/* green_greenlet_object - the greenlet, for green_wait() and links, as long as a handle lives. Does
 * not switch. */
GREEN_API struct green_object *green_greenlet_object(struct greenlet *g);

/* green_object_greenlet - the greenlet behind @o, without a new handle; NULL if it is something
 * else. Does not switch. */
GREEN_API struct greenlet *green_object_greenlet(struct green_object *o);

/*
 * green_id - number of @g: dense, from 1, never used again. green_set_name - give it a name for
 * dumps and messages; up to 15 bytes are kept. green_name - its name; "" if there is none.
 *
 * Do not switch.
 */
GREEN_API uint64_t green_id(const struct greenlet *g);
GREEN_API void green_set_name(struct greenlet *g, const char *name);
GREEN_API const char *green_name(const struct greenlet *g);

/*
 * green_ident - a small number of @g, for tables and prefixes of lines: the smallest from 1 on that
 * no other handle has. It is given at the first call, and free again with the last handle of @g.
 *
 * Returns it; 0 when out of memory. Does not switch. Like: Greenlet.minimal_ident
 */
GREEN_API unsigned green_ident(struct greenlet *g);

/* --- time --- */

/*
 * green_sleep - let other greens run for at least @duration ns; 0 or less lets every ready one run
 * once.
 *
 * Returns 0, or what interrupted it. Switches. Like: gevent.sleep
 */
GREEN_API int green_sleep(int64_t duration);

/* green_sleep_unref - as green_sleep(), but not something that is left to happen: green_hub_join()
 * does not wait for it. Like: gevent.sleep(ref=False) */
GREEN_API int green_sleep_unref(int64_t duration);

/*
 * green_idle - wait until every other green thread waits, and nothing has happened to wake one.
 * @priority: of several that wait so, the highest go first, and then it is looked again
 *
 * Returns 0, or what interrupted the wait. Switches; a kernel thread only gives way.
 * Like: gevent.idle
 */
GREEN_API int green_idle(int priority);

/*
 * green_hub_join - wait until nothing is left that will make a green thread run: none is ready, and
 * what the others wait for can only come from one of them. A descriptor, a time, a signal, a child
 * or a worker that anybody waits for counts, and so does a call in a threadpool; handlers of
 * signals and the program's own kernel threads do not.
 * @timeout: ns, GREEN_FOREVER, or 0 to let every ready green thread run once and look
 *
 * Returns 0, -ETIMEDOUT, -EPERM (the caller is not main), or what interrupted the wait. Switches.
 * Like: gevent.wait() without objects, Hub.join
 */
GREEN_API int green_hub_join(int64_t timeout);

/* --- ends and errors --- */

/*
 * green_exit - end the calling green thread with @value, from any depth. Cleanup handlers
 * (pthread_cleanup_push, __attribute__((cleanup)) under -fexceptions, C++ destructors) run. Does
 * not return; switches if they do. Like: raise GreenletExit
 */
GREEN_API void green_exit(void *value) __attribute__((noreturn));

/*
 * green_fail - leave everything up to the innermost green_try() with an error; without one the
 * greenlet ends with it, and it is reported once (green_set_error_handler()). Cleanup handlers run
 * as in green_exit(). C++ code must not swallow this in a catch (...).
 * @code:    negative
 * @message: copied; may be NULL
 * @payload: kept as it is; may be NULL
 *
 * Does not return; switches if they do. Like: raise
 */
GREEN_API void green_fail(int code, const char *message, void *payload) __attribute__((noreturn));

/*
 * green_try - call @fn(@arg) and catch what green_fail() throws in it.
 * @value_out: receives what @fn returned; may be NULL
 * @error_out: receives the error, to be freed by green_error_free(); may be NULL
 *
 * Returns 0, or the code of the error. Switches only if @fn does. Any thread. Like: try, except
 */
GREEN_API int green_try(void *(*fn)(void *), void *arg, void **value_out,
                        struct green_error **error_out);

/* green_error_free - free an error that green_try() gave. NULL is allowed. Does not switch. */
GREEN_API void green_error_free(struct green_error *e);

/*
 * green_set_error_handler - have @fn called, on the green thread that ends, for each error that
 * ends one; NULL: a line on standard error, as at the start. It must not wait. Does not switch.
 * Like: Hub.handle_error
 */
GREEN_API void green_set_error_handler(void (*fn)(struct greenlet *g, const struct green_error *e));

#ifdef __cplusplus
}
#endif

#endif
