/*
 * Readiness of descriptors: state per descriptor number, edge-triggered in the hub's loop.
 *
 * A number is registered with the loop at the first wait on it and stays registered until it is
 * closed. Readiness bits say what is known: GR_IN set means "reading may succeed", clear means "it
 * would block, an edge will come". Bits are hints that may be set too often, never too rarely:
 * whoever finds EAGAIN clears the bit with gr_fd_drained() and waits.
 */
#ifndef GR_CORE_FDWAIT_H
#define GR_CORE_FDWAIT_H

#include "runtime/core/park.h"
#include "runtime/loop/loop.h"

#include <stdint.h>

#define GR_IN  1u
#define GR_OUT 2u
#define GR_HUP 4u /* error, hang-up or half-close seen: short reads no longer mean drained */

struct gr_fd {
    /* Touched by every call on the descriptor: the first cache line. */
    struct gr_list waiters; /* gr_fdlink, FIFO */
    uint32_t life;          /* entries of another life (before a fork) are reset on first use */
    int32_t fd;
    uint8_t ready; /* GR_IN | GR_OUT | GR_HUP */
    bool has_watch;
    bool armed;       /* registered with the loop */
    bool arm_queued;  /* on the hub's list of descriptors to register */
    bool private_dup; /* made by gr_fd_wait() for a waiter whose number was closed */

    /* What the shim knows about the file behind the number; kind 0: nothing yet. Owned by
     * shim/fdtable.c. */
    uint8_t kind;
    uint8_t flags;
    uint32_t birth;      /* in which life of the process it was made; 0: it came from elsewhere */
    uint32_t epoch;      /* flags and timeouts are right while this equals the table's epoch */
    int64_t rcv_timeout; /* SO_RCVTIMEO, SO_SNDTIMEO in ns, 0: none */

    int64_t snd_timeout;
    struct gr_hub *hub; /* whose loop watches it */
    struct gr_fd *arm_next;
    struct gr_loop_fd watch; /* the loop's handle, valid with @has_watch */
} __attribute__((aligned(64)));

/* Private duplicates of descriptors get numbers from here on. */
#define GR_PRIVATE_FD 1024

/* One green's interest in one descriptor; lives on the waiting green's stack (or in its poll
 * array). */
struct gr_fdlink {
    struct gr_list link;
    struct gr_fd *f;
    struct gr_waiter *w;
    unsigned events; /* GR_IN, GR_OUT */
    bool exclusive;  /* one of these is woken per edge; the others always */
    bool single;     /* its wait is for this descriptor alone, as that of all exclusive ones is */
    bool gone;       /* the number was closed or replaced while waiting; or gr_fd_cancel() */
    uint8_t moved_kind;
    unsigned revents; /* what woke it: GR_IN, GR_OUT, GR_HUP */
    int moved_fd;     /* private number of the file that was waited on, after @gone; -1: none */
};

/* gr_fd_get - state of @fd, created on demand. NULL when @fd is negative, too large, or memory is
 * short. */
struct gr_fd *gr_fd_get(int fd);

/* gr_fd_peek - the same, but NULL for a number that nothing is known of. */
struct gr_fd *gr_fd_peek(int fd);

/*
 * gr_fd_wait - park until *@f may be ready for @events (GR_IN or GR_OUT), as an exclusive waiter.
 *
 * Returns 0 when it may be ready (try again, on (*@f)->fd), -ETIMEDOUT, -EINTR, -GR_ERESTART,
 * -EBADF. Returns 0 at once when the bit is set, or the file cannot be watched (it never blocks).
 * When the number was closed or replaced meanwhile, *@f becomes a private duplicate of the file
 * waited on, as the kernel would have kept it; gr_fd_done() releases it.
 */
int gr_fd_wait(struct gr_fd **f, unsigned events, int64_t deadline, unsigned flags);

/* gr_fd_done - the operation on @f is over; must follow the last use of an @f that went through
 * gr_fd_wait(). */
void gr_fd_done(struct gr_fd *f);

/* gr_fd_drained - the caller found nothing to do for @event: wait for the next edge. Call before
 * gr_fd_wait(). */
static inline void gr_fd_drained(struct gr_fd *f, unsigned event)
{
    f->ready &= (uint8_t)~event;
}

/* gr_fd_pass_on - after a success with the bit still set: let the next exclusive waiter try as
 * well. */
void gr_fd_pass_on(struct gr_fd *f, unsigned event);

/*
 * gr_fd_link / gr_fd_unlink - register interest for a wait on many descriptors (poll, select,
 * epoll): arms @l->f if needed. Unlike gr_fd_wait() these do not look at readiness bits: ask the
 * kernel first, with a zero timeout, then link, then park, then unlink, then ask the kernel again.
 * An edge after the question wakes @w. If the number was not armed yet, arming reports its present
 * state as an edge. Order required: link all, then ask the kernel, then park if nothing is ready.
 */
void gr_fd_link(struct gr_fdlink *l, int fd, unsigned events, struct gr_waiter *w);
void gr_fd_unlink(struct gr_fdlink *l);

/* gr_fd_cancel - end the waits for @f alone, with @gone. Returns how many. On the hub. */
unsigned gr_fd_cancel(struct gr_fd *f);

/* gr_fd_kick - let everybody who waits on @f look again: something happened that the loop does not
 * report. */
void gr_fd_kick(struct gr_fd *f);

/*
 * gr_fd_forget - the number is about to be closed or replaced by another file: unregister it, wake
 * its waiters with @gone. Must be called before the kernel call that closes it.
 */
void gr_fd_forget(struct gr_fd *f);

/* gr_fd_out_of_the_way - give a descriptor of ours, just made, a number that programs do not count
 * on. Returns it, or @fd if that is an error or there is none. */
int gr_fd_out_of_the_way(int fd);

/*
 * gr_fd_held_up - descriptors that are ready for the green that waits on them; of several waiters
 * the first counts. Exact while the carrier stands still, else a guess. Any thread that shares the
 * carrier's descriptors; never switches.
 */
unsigned gr_fd_held_up(void);

/* Used by the hub. */
void gr_fd_on_event(struct gr_loop_fd *w, unsigned got);
void gr_fd_arm_queued(struct gr_hub *h);
void gr_fd_fork_child(void);

#endif
