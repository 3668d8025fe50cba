/* Timers whose signals go to one thread. */
#ifndef GR_SHIM_TIMER_H
#define GR_SHIM_TIMER_H

#include <signal.h>
#include <stdbool.h>
#include <time.h>

static inline bool gr_timer_is_for_thread(const struct sigevent *event)
{
    return event && event->sigev_notify == SIGEV_THREAD_ID;
}

/* gr_timer_create - timer_create(2) for a timer of that kind. 0 or -errno. */
long gr_timer_create(clockid_t clock, const struct sigevent *event, int *id);

#endif
