/*
 * greenshim - green threads for C.
 *
 * Linking with -lgreenshim turns the pthreads of the program into green threads, and its blocking
 * libc calls into calls that let other green threads run. The functions here are for code that
 * knows of them.
 */
#ifndef GREEN_GREEN_H
#define GREEN_GREEN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GREEN_VERSION "0.1.0"

#define GREEN_API __attribute__((visibility("default")))

/* Durations are int64_t nanoseconds. */
#define GREEN_MS(n)   ((int64_t)(n)*1000000)
#define GREEN_S(n)    ((int64_t)(n)*1000000000)
#define GREEN_FOREVER INT64_MAX

struct green;

/*
 * green_version - version of the library that is loaded, as GREEN_VERSION.
 *
 * Returns a string that lives for ever. Does not switch.
 */
GREEN_API const char *green_version(void);

/*
 * green_spawn - start @fn(@arg) as a green thread.
 * @fn:  runs on a stack of its own; what it returns is kept for green_join()
 * @out: receives a handle that must be given to green_join(), once; untouched on error
 *
 * Returns 0, -EAGAIN (out of memory, or too many green threads), -ENOTSUP (green threads do not
 * work in this process; a line on standard error says why). Does not switch: it runs when the
 * caller waits or yields. Like: gevent.spawn
 */
GREEN_API int green_spawn(void *(*fn)(void *), void *arg, struct green **out);

/*
 * green_join - wait until @g has ended, and release it.
 * @value_out: receives what its function returned; may be NULL
 * @timeout:   ns, GREEN_FOREVER, or 0 to only look
 *
 * Returns 0, -ETIMEDOUT (then @g is still to be joined), -EDEADLK (a green cannot join itself).
 * Switches if @g still runs. Like: gevent.Greenlet.join
 */
GREEN_API int green_join(struct green *g, void **value_out, int64_t timeout);

/*
 * green_sleep - let other greens run for at least @duration ns; 0 lets every ready one run once.
 *
 * Returns 0, or -EINTR when a signal handler ran. Switches.
 * Like: gevent.sleep
 */
GREEN_API int green_sleep(int64_t duration);

/*
 * green_current - the calling green; NULL in a process without green threads and on foreign
 * threads. Does not switch. Like: gevent.getcurrent
 */
GREEN_API struct green *green_current(void);

/* green_id - number of @g: dense, from 1 (the main thread), never used again. Does not switch. */
GREEN_API uint64_t green_id(const struct green *g);

#ifdef __cplusplus
}
#endif

#endif
