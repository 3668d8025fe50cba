/* Waits on many descriptors in the kernel's terms, for the faces of poll, select and epoll, and for
 * syscall(2). */
#ifndef GR_SHIM_POLL_H
#define GR_SHIM_POLL_H

#include "runtime/base/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>

#define GR_NO_WAIT      0 /* a deadline: only look */
#define GR_SIG_SET_SIZE 8 /* of a signal set, for the kernel */

/*
 * gr_poll - poll(2) on the calling green.
 * @deadline: absolute monotonic ns, GR_NO_WAIT or GR_FOREVER
 * @mask:     signal mask for the time of the call, or NULL
 *
 * gr_select and gr_epoll_wait are the same for select(2) and epoll_wait(2), gr_epoll_wait2 for
 * epoll_pwait2(2). Each returns the kernel's result or -errno. Switches: if nothing is ready, and
 * now and then after successes.
 */
long gr_poll(struct pollfd *fds, nfds_t nfds, int64_t deadline, const uint64_t *mask);
long gr_select(int nfds, fd_set *in, fd_set *out, fd_set *except, int64_t deadline,
               const uint64_t *mask);
long gr_epoll_wait(int epfd, struct epoll_event *events, int max, int ms, const uint64_t *mask);
long gr_epoll_wait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
                    const uint64_t *mask);

/* gr_wait_deadline - deadline of a relative @timeout (NULL: forever). 0 with *@out, or -EINVAL. */
int gr_wait_deadline(const struct timespec *timeout, int64_t *out);

/* gr_wait_ms - the same for milliseconds, negative for ever. */
static inline int64_t gr_wait_ms(int ms)
{
    if (ms <= 0) {
        return ms == 0 ? GR_NO_WAIT : GR_FOREVER;
    }
    return gr_deadline_in(ms * 1000000LL);
}

/* gr_wait_left - the time that is left, for a kernel call: @ts, or NULL for no limit. */
struct timespec *gr_wait_left(int64_t deadline, struct timespec *ts);

/* The kernel's part of a libc signal set, or NULL. */
static inline const uint64_t *gr_kernel_set(const sigset_t *set)
{
    return (const uint64_t *)(const void *)set;
}

/* A question to the kernel that can be repeated until it has an answer. */
struct gr_look {
    bool idle;                      /* the first question is known to be in vain */
    long (*ask)(struct gr_look *q); /* without waiting: a result, 0: nothing, -errno */
    int (*park)(struct gr_look *q,
                int64_t at); /* wait for a change, at most until @at: as gr_park(); after ask() */
    bool (*native)(struct gr_look *q, int64_t at,
                   long *ret); /* let the kernel wait, as gr_native() */
};

/*
 * gr_look - repeat the question @q until there is an answer, the deadline has passed, or a handler
 * ran (-EINTR). What is ready counts more than a signal, and a signal more than the deadline, which
 * is never early.
 */
long gr_look(struct gr_look *q, int64_t deadline, const uint64_t *mask);

#endif
