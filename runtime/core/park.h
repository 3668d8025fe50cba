/*
 * The one way to block and the one way to make runnable.
 *
 * A waiter is a record on the stack of whoever waits: a green (then @green is set) or a kernel
 * thread that runs no hub ("foreign": it sleeps in a futex on @woken). Whoever ends the wait calls
 * gr_wake(), from any kernel thread. A waiter belongs to the list it is queued on; the lock of that
 * list decides races: a waiter that was taken off its list by a waker is woken, whatever its
 * deadline says, so an item handed to it is never lost.
 */
#ifndef GR_CORE_PARK_H
#define GR_CORE_PARK_H

#include "runtime/base/clock.h"
#include "runtime/base/list.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct green;
struct gr_hub;

/* Results of a wait other than 0 (woken); the first three are errno values. */
#define GR_ERESTART 512 /* handlers ran, all of them with SA_RESTART: restartable calls go on */

/* What a green waits for, for counters and dumps. */
enum gr_why {
    GR_WHY_NONE,
    GR_WHY_FD,
    GR_WHY_POLL,
    GR_WHY_SLEEP,
    GR_WHY_MUTEX,
    GR_WHY_COND,
    GR_WHY_RWLOCK,
    GR_WHY_SEM,
    GR_WHY_BARRIER,
    GR_WHY_ONCE,
    GR_WHY_FUTEX,
    GR_WHY_JOIN,
    GR_WHY_CHILD,
    GR_WHY_WORKER,
    GR_WHY_SIGNAL,
    GR_WHY_EXIT,
    GR_WHY_LIBC,   /* a lock inside libc */
    GR_WHY_OBJECT, /* one of several objects of <green/...>, or one without a name here */
    GR_WHY_GREENLET,
    GR_WHY_EVENT,
    GR_WHY_RESULT,
    GR_WHY_PERMIT, /* of a semaphore of <green/...> */
    GR_WHY_RLOCK,
    GR_WHY_CONDITION, /* of <green/...> */
    GR_WHY_POPEN,
    GR_WHY_QUEUE,
    GR_WHY_CHANNEL,
    GR_WHY_IDLE, /* everybody else */
    GR_WHY_REST, /* the end of everything else */
    GR_WHY_N
};

/* gr_park_ms - the form in which the beginning of a wait is kept: milliseconds of the monotonic
 * clock, which begin again after 49 days. */
static inline uint32_t gr_park_ms(int64_t now)
{
    return (uint32_t)(now / 1000000);
}

/* What the counters and dumps call it. */
extern const char *const gr_why_names[GR_WHY_N];

struct gr_waiter {
    struct gr_list link;    /* on a parking-lot bucket, or unused */
    const void *key;        /* address waited on, for the parking lot */
    struct green *green;    /* who waits; NULL for a foreign thread */
    _Atomic uint32_t woken; /* set once by the waker; futex word of a foreign waiter */
    uint32_t bits;          /* for the waker's choice: FUTEX bitset, reader or writer, ... */
    void *arg;              /* for the object's own use (mutex to hand over to, ...) */
};

/* Park flags. */
#define GR_SIGNAL 1u /* a signal handler that ran ends the wait with -EINTR or -GR_ERESTART */
#define GR_CANCEL 2u /* a cancellation point; interrupts (interrupt.h) are delivered there, too */
#define GR_ASYNC  8u /* cancellation alone, of a green that may be cancelled at any time */
#define GR_INTR   (GR_SIGNAL | GR_CANCEL)
#define GR_HOLD   4u  /* handlers that become due wait for the end of the wait */
#define GR_STUCK  16u /* main's wait ends with -EDEADLK when nothing is left that could end it */
#define GR_UNREF  32u /* the deadline does not count as something that is left: rest.h */

/*
 * gr_waiter_init - prepare @w for one wait of the calling thread or green; @key may be NULL. Never
 * switches.
 */
void gr_waiter_init(struct gr_waiter *w, const void *key);

/*
 * gr_park - wait until gr_wake(@w), the deadline, or with GR_SIGNAL a signal.
 * @w:        initialised by gr_waiter_init(), queued by the caller where its waker finds it
 * @deadline: absolute monotonic ns, GR_FOREVER allowed; never returns -ETIMEDOUT before it
 * @why:      what it waits for
 *
 * Returns 0 when woken, -ETIMEDOUT, at a cancellation point -ECANCELED, with GR_SIGNAL -EINTR when
 * a handler is due, with GR_STUCK -EDEADLK. On a result other than 0 the caller must take @w off
 * its list under that list's lock, and treat the wait as woken if somebody else already did; after
 * -EINTR it then calls gr_sig_interrupted(), whose result is that of the wait. Switches: yes on a
 * green; blocks the kernel thread on a foreign one. errno is preserved.
 */
int gr_park(struct gr_waiter *w, int64_t deadline, unsigned flags, enum gr_why why);

/*
 * gr_wake - end the wait of @w. The caller has taken @w off its list; @w must not be touched
 * afterwards. Any kernel thread, hub included; not from signal handlers. Never switches.
 */
void gr_wake(struct gr_waiter *w);

/*
 * gr_yield - let every other ready green run once, and give the hub its turn now and then. On a
 * foreign thread: sched_yield.
 */
void gr_yield(void);

/* gr_sleep_until - park with no waker. Returns 0 at the deadline, -EINTR or -GR_ERESTART with
 * GR_SIGNAL. */
int gr_sleep_until(int64_t deadline, unsigned flags);

/* gr_owner_id - number that identifies the caller as an owner: a positive int, unique among greens
 * and kernel threads. */
int gr_owner_id(void);

#endif
