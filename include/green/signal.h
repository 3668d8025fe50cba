/* Signals handled by greens. Like: gevent.signal_handler */
#ifndef GREEN_SIGNAL_H
#define GREEN_SIGNAL_H

#include <green/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct green_signal;

/*
 * green_signal_handler - have @fn(@arg) run in a new green, where it may do anything, each time
 * that the process gets @signal. Of several for one signal every one runs, in the order they were
 * made, with the signal mask of who made them. They keep no process alive, stay in force in a
 * forked child, and a wait that only they could end is no deadlock.
 * @out: receives what green_signal_cancel() takes
 *
 * Returns 0, -EINVAL (a signal that cannot be handled, or @fn is NULL), -ENOMEM, -ENOTSUP (not on a
 * green thread).
 * What was in force for @signal before is so again after the last of them has been cancelled.
 * System calls that the signal interrupts are restarted. Does not switch.
 */
GREEN_API int green_signal_handler(int signal, void *(*fn)(void *), void *arg,
                                   struct green_signal **out);

/* green_signal_cancel - no more calls, also for signals that have arrived and led to none yet.
 * NULL is allowed. Does not switch. */
GREEN_API void green_signal_cancel(struct green_signal *s);

#ifdef __cplusplus
}
#endif

#endif
