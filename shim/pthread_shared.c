#include "shim/pthread_shared.h"

#include "runtime/core/standin.h"
#include "runtime/core/tls.h"
#include "runtime/sync/mutex.h"
#include "runtime/sync/rwlock.h"
#include "shim/shim.h"

#include <linux/futex.h>

#define YIELDS   4       /* tries before the first sleep */
#define SLEEP_NS 50000   /* first sleep */
#define LIMIT_NS 1000000 /* longest */

GR_TLS unsigned gr_sync_ops;

void gr_sync_turn(void)
{
    struct green *g = gr_on_green();
    gr_sync_ops = 0;
    if (g) {
        gr_yield();
        gr_look_for_async_cancel(g);
    }
}

int gr_pace_wait(struct gr_pace *p, int64_t deadline, unsigned flags)
{
    if (deadline != GR_FOREVER && gr_now() >= deadline) {
        return -ETIMEDOUT;
    }
    if (p->n < YIELDS) {
        p->n++;
        gr_yield();
        return 0;
    }
    p->ns = p->ns == 0 ? SLEEP_NS : p->ns * 2 < LIMIT_NS ? p->ns * 2 : LIMIT_NS;
    int64_t until = gr_deadline_in(p->ns);
    return gr_sleep_until(until < deadline ? until : deadline, flags);
}

/* gr_pace_wait() on the program's clock. */
static int pace_until(struct gr_pace *p, clockid_t clock, const struct timespec *abs,
                      unsigned flags)
{
    return gr_pace_wait(p, gr_until(clock, abs), flags);
}

/* --- which green holds what --- */

#define N_HOLDS 1024

/* Objects held by greens right now; entries beyond the high-water mark were never used. */
static struct hold {
    const void *object; /* NULL: free */
    int owner;
} holds[N_HOLDS];
static unsigned n_holds;
static long holds_pid; /* whose greens: a forked child starts with none */
static _Atomic bool holds_locked;

static void lock_holds(void)
{
    gr_enter(gr_self);
    while (atomic_exchange_explicit(&holds_locked, true, memory_order_acquire)) {
    }
    long pid = GR_SYS(SYS_getpid);
    if (GR_UNLIKELY(holds_pid != pid)) {
        holds_pid = pid;
        n_holds = 0;
    }
}

static void unlock_holds(void)
{
    atomic_store_explicit(&holds_locked, false, memory_order_release);
    gr_leave(gr_self);
}

static struct hold *find_hold(const void *object)
{
    for (unsigned i = 0; i < n_holds; i++) {
        if (holds[i].object == object) {
            return &holds[i];
        }
    }
    return NULL;
}

/* The green that holds @object, 0: none of this process, as far as recorded. */
static int holder_of(const void *object)
{
    lock_holds();
    struct hold *h = find_hold(object);
    int owner = h ? h->owner : 0;
    unlock_holds();
    return owner;
}

/* The caller, which holds nothing of the kind yet, is about to try for @object. False: no room, or
 * another was faster. */
static bool record_hold(const void *object)
{
    lock_holds();
    bool done = false;
    if (!find_hold(object)) {
        struct hold *h = find_hold(NULL);
        if (!h && n_holds < N_HOLDS) {
            h = &holds[n_holds++];
        }
        if (h) {
            *h = (struct hold){.object = object, .owner = gr_owner_self()};
            done = true;
        }
    }
    unlock_holds();
    return done;
}

static void drop_hold(const void *object)
{
    lock_holds();
    struct hold *h = find_hold(object);
    if (h) {
        h->object = NULL;
    }
    unlock_holds();
}

/* --- mutexes --- */

static bool is_robust(const pthread_mutex_t *m)
{
    return m->__data.__kind >= 0 && (m->__data.__kind & GR_MUTEX_ROBUST);
}

/* Does libc ask who wants to lock @m once more? */
static bool has_owner(const pthread_mutex_t *m)
{
    int type = m->__data.__kind & GR_MUTEX_TYPE;
    return m->__data.__kind >= 0 &&
           (type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK);
}

/* Does libc ask who unlocks @m? */
static bool is_recorded(const pthread_mutex_t *m)
{
    return has_owner(m) || is_robust(m);
}

/*
 * The green that owns @m, 0: none. What is held by this kernel thread without a record was taken by
 * the main thread before there were greens; its number is the kernel's.
 */
static int owner_of(const pthread_mutex_t *m)
{
    int owner = holder_of(m);
    if (is_robust(m) && (__atomic_load_n(&m->__data.__lock, __ATOMIC_RELAXED) & FUTEX_OWNER_DIED)) {
        if (owner) {
            drop_hold(m);
        }
        return 0;
    }
    if (!owner && __atomic_load_n(&m->__data.__owner, __ATOMIC_RELAXED) == gr_self->hub->tid) {
        owner = gr_self->hub->tid;
    }
    return owner;
}

/*
 * A call of libc's for @m. The kernel knows one list of robust mutexes for each of its threads, the
 * carrier's: so they are all kept there, and other processes hear of it if this one dies.
 */
static int call_libc(int (*fn)(pthread_mutex_t *), pthread_mutex_t *m)
{
    return is_robust(m) ? gr_run_as_carrier((int (*)(long, long, long))(void *)fn, (long)m, 0, 0)
                        : fn(m);
}

static bool is_held_by(const void *mutex, void *green)
{
    return owner_of(mutex) == ((const struct green *)green)->tid;
}

void gr_shared_mutexes_end(struct green *g)
{
    gr_tls_release_robust(g->hub->main->ctx.tp, is_held_by, g);
}

int gr_shared_mutex_trylock(pthread_mutex_t *m)
{
    if (!is_recorded(m)) {
        return call_libc(real.pthread_mutex_trylock, m);
    }
    int owner = owner_of(m);
    if (owner) {
        return owner == gr_owner_self() ? call_libc(real.pthread_mutex_trylock, m) : EBUSY;
    }
    if (!record_hold(m)) {
        return EBUSY;
    }
    int rc = call_libc(real.pthread_mutex_trylock, m);
    if (rc && rc != EOWNERDEAD) {
        drop_hold(m);
    }
    return rc;
}

int gr_shared_mutex_lock(pthread_mutex_t *m, clockid_t clock, const struct timespec *abs)
{
    struct gr_pace pace = {0};
    if (has_owner(m) && owner_of(m) == gr_owner_self()) {
        return call_libc(real.pthread_mutex_lock, m); /* recursion or an error: does not block */
    }
    for (;;) {
        int rc = gr_shared_mutex_trylock(m);
        if (rc != EBUSY) {
            return rc;
        }
        if (abs && !gr_timespec_ok(abs)) {
            return abs->tv_sec < 0 ? ETIMEDOUT : EINVAL;
        }
        rc = pace_until(&pace, clock, abs, 0);
        if (rc) {
            return -rc;
        }
    }
}

int gr_shared_mutex_unlock(pthread_mutex_t *m)
{
    if (is_recorded(m)) {
        if (owner_of(m) != gr_owner_self()) {
            return EPERM;
        }
        if ((m->__data.__kind & GR_MUTEX_TYPE) != PTHREAD_MUTEX_RECURSIVE ||
            m->__data.__count <= 1) {
            drop_hold(m); /* first: once unlocked, the object may be gone, or another's */
        }
    }
    int rc = call_libc(real.pthread_mutex_unlock, m);
    gr_count_ops(1);
    return rc;
}

/* --- read-write locks, semaphores --- */

int gr_shared_rwlock_lock(pthread_rwlock_t *rw, int (*try)(pthread_rwlock_t *), clockid_t clock,
                          const struct timespec *abs)
{
    struct gr_pace pace = {0};
    for (;;) {
        int rc = try(rw);
        if (rc != EBUSY) {
            return rc;
        }
        if (holder_of(rw) == gr_owner_self()) {
            return EDEADLK;
        }
        rc = pace_until(&pace, clock, abs, 0);
        if (rc) {
            return -rc;
        }
    }
}

int gr_shared_rwlock_trywrite(pthread_rwlock_t *rw)
{
    int rc = real.pthread_rwlock_trywrlock(rw);
    if (rc == 0) {
        (void)record_hold(rw); /* without room: only EDEADLK is missed */
    }
    return rc;
}

int gr_shared_rwlock_unlock(pthread_rwlock_t *rw)
{
    if (holder_of(rw) == gr_owner_self()) {
        drop_hold(rw);
    }
    int rc = real.pthread_rwlock_unlock(rw);
    gr_count_ops(1);
    return rc;
}

/* Beyond so many kernel threads waits are polled, however long they are. */
#define MOST_STANDINS 64

struct sem_wait {
    sem_t *sem;
    clockid_t clock;
    const struct timespec *abs;
    int rc;
};

/* On a stand-in. A semaphore has no owner: whoever waits takes it for anybody. */
static bool wait_by_libc(void *arg)
{
    struct sem_wait *w = arg;
    int rc = w->abs ? real.sem_clockwait(w->sem, w->clock, w->abs) : real.sem_wait(w->sem);
    w->rc = rc ? -errno : 0;
    return w->rc != -EINTR;
}

int gr_shared_sem_wait(sem_t *sem, clockid_t clock, const struct timespec *abs)
{
    struct sem_wait w = {.sem = sem, .clock = clock, .abs = abs};
    struct gr_pace pace = {0};
    int saved = errno;
    while (real.sem_trywait(sem)) {
        int rc = -errno;
        errno = saved;
        if (rc == -EAGAIN && (pace.ns < LIMIT_NS || gr_self->hub->n_standins >= MOST_STANDINS)) {
            rc = pace_until(&pace, clock, abs, GR_INTR);
        } else if (rc == -EAGAIN) {
            rc = gr_standin_run(wait_by_libc, &w, gr_until(clock, abs), GR_INTR);
            if (rc == 0) {
                return w.rc;
            }
        }
        if (rc == -GR_ERESTART) {
            rc = abs ? -EINTR : 0;
        }
        if (rc) {
            return rc;
        }
    }
    return 0;
}
