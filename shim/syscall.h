/* System calls by number; shared by the files that serve syscall(2). */
#ifndef GR_SHIM_SYSCALL_H
#define GR_SHIM_SYSCALL_H

#include <stdbool.h>
#include <sys/syscall.h>

/* Calls that some machines or headers do not have. */
#ifndef SYS_poll
#define SYS_poll       (-101)
#define SYS_select     (-102)
#define SYS_epoll_wait (-103)
#define SYS_pause      (-104)
#define SYS_dup2       (-105)
#define SYS_open       (-106)
#define SYS_fork       (-107)
#define SYS_vfork      (-108)
#define SYS_stat       (-109)
#define SYS_lstat      (-110)
#define SYS_access     (-111)
#define SYS_readlink   (-112)
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

/* Number and arguments. */
struct gr_call {
    long nr;
    long a;
    long b;
    long c;
    long d;
    long e;
    long f;
};

/*
 * gr_call_io - serve @s if it concerns descriptors. True: it does, *@ret is what libc would return.
 * Switches: as the function of the same name.
 */
bool gr_call_io(const struct gr_call *s, long *ret);

/* gr_call_thread_id - the same if it takes or gives the id of a thread. */
bool gr_call_thread_id(const struct gr_call *s, long *ret);

/* gr_call_sched - the same if it is about the scheduling of a thread. */
bool gr_call_sched(const struct gr_call *s, long *ret);

/* gr_call_proc_path - the same if it is about a file by its path. */
bool gr_call_proc_path(const struct gr_call *s, long *ret);

/*
 * gr_call_getevents - io_getevents(2) and io_pgetevents(2) on a green. Returns the number of
 * events, or -errno: -EINTR after any handler, unless there are events. Switches.
 */
long gr_call_getevents(const struct gr_call *s);

#endif
