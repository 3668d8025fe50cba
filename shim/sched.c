/* Scheduling attributes of a thread, by its id: those of the carrier. */
#include "shim/thread_id.h"

#include <sched.h>
#include <sys/resource.h>

/*
 * sched_*, getpriority, setpriority - <sched.h>, <sys/resource.h>
 * Class:    TRACK.
 */
GR_SHIM int sched_setaffinity(pid_t tid, size_t n, const cpu_set_t *set)
{
    return real.sched_setaffinity(gr_kernel_tid(tid), n, set);
}

GR_SHIM int sched_getaffinity(pid_t tid, size_t n, cpu_set_t *set)
{
    return real.sched_getaffinity(gr_kernel_tid(tid), n, set);
}

GR_SHIM int sched_setscheduler(pid_t tid, int policy, const struct sched_param *param)
{
    return real.sched_setscheduler(gr_kernel_tid(tid), policy, param);
}

GR_SHIM int sched_getscheduler(pid_t tid)
{
    return real.sched_getscheduler(gr_kernel_tid(tid));
}

GR_SHIM int sched_setparam(pid_t tid, const struct sched_param *param)
{
    return real.sched_setparam(gr_kernel_tid(tid), param);
}

GR_SHIM int sched_getparam(pid_t tid, struct sched_param *param)
{
    return real.sched_getparam(gr_kernel_tid(tid), param);
}

GR_SHIM int sched_rr_get_interval(pid_t tid, struct timespec *interval)
{
    return real.sched_rr_get_interval(gr_kernel_tid(tid), interval);
}

static id_t who_of(__priority_which_t which, id_t who)
{
    return which == PRIO_PROCESS ? (id_t)gr_kernel_tid((pid_t)who) : who;
}

GR_SHIM int getpriority(__priority_which_t which, id_t who)
{
    return real.getpriority(which, who_of(which, who));
}

GR_SHIM int setpriority(__priority_which_t which, id_t who, int nice)
{
    return real.setpriority(which, who_of(which, who), nice);
}
