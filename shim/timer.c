/*
 * time.h: POSIX timers. The kernel knows one thread, the carrier: whom a timer is for is noted.
 * libc's timer_t is the kernel's number, unless the timer calls a function (SIGEV_THREAD).
 */
#include "shim/timer.h"

#include "runtime/core/sigtimer.h"
#include "runtime/core/tid.h"
#include "shim/pthread_thread.h"
#include "shim/shim.h"
#include "shim/thread_id.h"
#include "shim/time.h"

long gr_timer_create(clockid_t clock, const struct sigevent *event, int *id)
{
    struct sigevent mapped = *event;
    pid_t tid = event->_sigev_un._tid;
    mapped._sigev_un._tid = gr_kernel_tid(tid);
    long rc = GR_SYS(SYS_timer_create, gr_kernel_clock(clock), &mapped, id);
    if (rc == 0 && gr_tid_green(tid) && gr_sigtimer_add(*id, tid)) {
        (void)GR_SYS(SYS_timer_delete, *id);
        rc = -EAGAIN;
    }
    return rc;
}

/*
 * timer_create, timer_delete - <time.h>; POSIX.1-2024; timer_create(2)
 * Class:    TRACK.
 * Differs:  the functions of SIGEV_THREAD run on kernel threads of libc's.
 */
GR_SHIM int timer_create(clockid_t clock, struct sigevent *event, timer_t *out)
{
    if (event && event->sigev_notify == SIGEV_THREAD) {
        gr_helper_begin();
        int rc = real.timer_create(gr_kernel_clock(clock), event, out);
        gr_helper_end();
        return rc;
    }
    if (!gr_on_green() || !gr_timer_is_for_thread(event)) {
        return real.timer_create(gr_kernel_clock(clock), event, out);
    }
    GR_COUNT(timer_create);
    int id;
    long rc = gr_timer_create(clock, event, &id);
    if (rc == 0) {
        *out = (timer_t)(intptr_t)id;
    }
    return (int)gr_ret(rc);
}

GR_SHIM int timer_delete(timer_t timer)
{
    if (gr_on_green()) {
        GR_COUNT(timer_delete);
        gr_sigtimer_remove((int)(intptr_t)timer); /* libc's, with a function to call, have none */
    }
    return real.timer_delete(timer);
}
