/*
 * The event loop of one carrier: libuv, and the only place that knows libuv.
 *
 * Plain callbacks, no green threads. Everything here is called by the thread that runs the loop,
 * except gr_loop_wake(). Descriptors are registered edge-triggered, once, in libuv's own epoll set.
 */
#ifndef GR_LOOP_LOOP_H
#define GR_LOOP_LOOP_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

/* Storage for libuv's handle of one descriptor (sizes checked in loop.c). */
#define GR_LOOP_FD_SIZE 168
struct gr_loop_fd {
    alignas(8) unsigned char uv[GR_LOOP_FD_SIZE];
};

/* Readiness reported to the callback. */
#define GR_LOOP_IN  1u
#define GR_LOOP_OUT 2u
#define GR_LOOP_HUP 4u
#define GR_LOOP_ERR 8u /* the loop stopped watching: disarm, and arm again at the next wait */

struct gr_loop;
struct gr_job;

/* One blocking function to run on a libuv worker; embedded in the caller's storage until @done has
 * run. */
struct gr_job {
    void (*run)(struct gr_job *job);  /* on a worker thread */
    void (*done)(struct gr_job *job); /* on the loop's thread, afterwards */
    struct gr_job *next;
    alignas(8) unsigned char uv[136];
};

typedef void (*gr_loop_fd_cb)(struct gr_loop_fd *w, unsigned events);

/*
 * gr_loop_new - make a loop. @on_fd is called for every readiness report.
 * Returns NULL and an error number in *@err. gr_loop_abandon() drops a loop that a forked child
 * inherited, without touching what it shares with the parent.
 */
struct gr_loop *gr_loop_new(gr_loop_fd_cb on_fd, int *err);
void gr_loop_abandon(struct gr_loop *l);

/* gr_loop_fd_init - prepare storage for a descriptor number, once per number and loop. 0 or -errno.
 */
int gr_loop_fd_init(struct gr_loop *l, struct gr_loop_fd *w);

/* gr_loop_arm - watch @fd, edge-triggered, from the next gr_loop_run() on. 0 or -errno (-EPERM: not
 * watchable). */
int gr_loop_arm(struct gr_loop *l, struct gr_loop_fd *w, int fd);

/* gr_loop_disarm - stop watching, now. Must come before the descriptor is closed. */
void gr_loop_disarm(struct gr_loop_fd *w);

/* gr_loop_run - one turn: collect events. @deadline: 0 = do not block, else block until an event, a
 * wake, or that time. */
void gr_loop_run(struct gr_loop *l, int64_t deadline);

/*
 * gr_loop_prepare - for a caller that waits in the loop's place, with the same @deadline, before it
 * turns the loop without blocking. Returns the descriptor to poll for input, or -1: not yet.
 */
int gr_loop_prepare(struct gr_loop *l, int64_t deadline);

/* gr_loop_wake - make a blocked gr_loop_run() return. Any thread, signal handlers included. */
void gr_loop_wake(struct gr_loop *l);

/* gr_loop_owns_fd - is @fd one of the loop's own descriptors, which the program must not close or
 * replace? */
bool gr_loop_owns_fd(int fd);

/* gr_loop_submit - run @job on a worker. 0 or -errno. */
int gr_loop_submit(struct gr_loop *l, struct gr_job *job);

#endif
