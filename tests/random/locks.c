/* Locks of the world, one of each type: taken in turn, at once, held over other steps. */
#include "run.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <threads.h>

enum type { NORMAL, RECURSIVE, ERRORCHECK, ROBUST, INHERIT, SHARED, C11, RWLOCK, SEMAPHORE, FLOCK };

struct lock {
    enum type type;
    union {
        pthread_mutex_t mutex;
        mtx_t c11;
        pthread_rwlock_t rwlock;
        sem_t sem;
    };
    int fd; /* FLOCK: of the holder; each opens the file anew */
    char path[32];
    long value; /* changed under the lock only */
    int uses;   /* counted atomically */
};

struct lock *lock_new(int number)
{
    struct lock *lock = calloc(1, sizeof(*lock));
    pthread_mutexattr_t attr;
    pthread_rwlockattr_t rwattr;

    CHECK(lock);
    lock->type = (enum type)number;
    switch (lock->type) {
    case C11:
        CHECK_EQ(mtx_init(&lock->c11, mtx_timed), thrd_success);
        return lock;
    case RWLOCK:
        CHECK_RC(pthread_rwlockattr_init(&rwattr), 0);
        CHECK_RC(
            pthread_rwlockattr_setkind_np(&rwattr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP),
            0);
        CHECK_RC(pthread_rwlock_init(&lock->rwlock, &rwattr), 0);
        CHECK_RC(pthread_rwlockattr_destroy(&rwattr), 0);
        return lock;
    case SEMAPHORE:
        SYS(sem_init(&lock->sem, 0, 1));
        return lock;
    case FLOCK:
        strcpy(lock->path, "/tmp/random-lock-XXXXXX");
        SYS(close((int)SYS(mkostemp(lock->path, O_CLOEXEC))));
        return lock;
    default:
        break;
    }
    CHECK_RC(pthread_mutexattr_init(&attr), 0);
    CHECK_RC(pthread_mutexattr_settype(&attr, lock->type == RECURSIVE    ? PTHREAD_MUTEX_RECURSIVE
                                              : lock->type == ERRORCHECK ? PTHREAD_MUTEX_ERRORCHECK
                                                                         : PTHREAD_MUTEX_NORMAL),
             0);
    if (lock->type == ROBUST)
        CHECK_RC(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), 0);
    if (lock->type == INHERIT)
        CHECK_RC(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT), 0);
    if (lock->type == SHARED)
        CHECK_RC(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
    CHECK_RC(pthread_mutex_init(&lock->mutex, &attr), 0);
    CHECK_RC(pthread_mutexattr_destroy(&attr), 0);
    return lock;
}

void lock_end(struct lock *lock)
{
    CHECK_EQ(lock->value, lock->uses);
    switch (lock->type) {
    case C11:
        mtx_destroy(&lock->c11);
        break;
    case RWLOCK:
        CHECK_RC(pthread_rwlock_destroy(&lock->rwlock), 0);
        break;
    case SEMAPHORE:
        SYS(sem_destroy(&lock->sem));
        break;
    case FLOCK:
        SYS(unlink(lock->path));
        break;
    default:
        CHECK_RC(pthread_mutex_destroy(&lock->mutex), 0);
    }
    free(lock);
}

/* Waits for it, now and then with a deadline that does not come. */
static void take(struct random *random, struct lock *lock)
{
    bool timed = below(random, 3) == 0;
    struct timespec end = ts_after(CLOCK_REALTIME, 600000);
    int fd;

    switch (lock->type) {
    case C11:
        CHECK_EQ(timed ? mtx_timedlock(&lock->c11, &end) : mtx_lock(&lock->c11), thrd_success);
        break;
    case RWLOCK:
        CHECK_RC(timed ? pthread_rwlock_timedwrlock(&lock->rwlock, &end)
                       : pthread_rwlock_wrlock(&lock->rwlock),
                 0);
        break;
    case SEMAPHORE:
        AGAIN(timed ? sem_timedwait(&lock->sem, &end) : sem_wait(&lock->sem));
        break;
    case FLOCK:
        fd = (int)AGAIN(open(lock->path, O_RDWR | O_CLOEXEC));
        AGAIN(flock(fd, LOCK_EX));
        lock->fd = fd;
        break;
    default:
        CHECK_RC(timed ? pthread_mutex_timedlock(&lock->mutex, &end)
                       : pthread_mutex_lock(&lock->mutex),
                 0);
    }
}

static void give(struct lock *lock)
{
    int fd;

    switch (lock->type) {
    case C11:
        CHECK_EQ(mtx_unlock(&lock->c11), thrd_success);
        break;
    case RWLOCK:
        CHECK_RC(pthread_rwlock_unlock(&lock->rwlock), 0);
        break;
    case SEMAPHORE:
        SYS(sem_post(&lock->sem));
        break;
    case FLOCK:
        /* A forked child may still have the description, and the lock with it. */
        fd = lock->fd;
        SYS(flock(fd, LOCK_UN));
        SYS(close(fd));
        break;
    default:
        CHECK_RC(pthread_mutex_unlock(&lock->mutex), 0);
    }
}

static void use(struct random *random, struct lock *lock)
{
    long value = ++lock->value;

    wander(random);
    CHECK_EQ(lock->value, value);
    flag_add(&lock->uses, 1);
}

static struct lock *lock_of(struct self *me, struct step *step)
{
    return me->world->locks[step->lock];
}

/* Several rounds each. As readers too, if it has some. */
static void contend(struct self *me, struct step *step, int role, void *state)
{
    struct random random = step_random(step, role);
    struct lock *lock = lock_of(me, step);

    (void)state;
    for (int n = 1 + (int)below(&random, 6); n > 0; n--) {
        if (lock->type == RWLOCK && below(&random, 2)) {
            CHECK_RC(pthread_rwlock_rdlock(&lock->rwlock), 0);
            long value = lock->value;
            wander(&random);
            CHECK_EQ(lock->value, value);
            CHECK_RC(pthread_rwlock_unlock(&lock->rwlock), 0);
            continue;
        }
        take(&random, lock);
        use(&random, lock);
        give(lock);
        wander(&random);
    }
    note(me, "lock %d", step->lock);
}

/* Parts before this one in the order must not wait for it. */
static void wait_for_former_users(struct self *me, struct step *step)
{
    for (struct step *s = me->world->plan.steps; s < step; s++)
        if (s->lock == step->lock && !s->dropped)
            gate_wait(&s->finished, 1);
}

static void hold(struct self *me, struct step *step, int role, void *state)
{
    struct random random = step_random(step, role);
    struct lock *lock = lock_of(me, step);

    (void)state;
    if (role == 0) {
        wait_for_former_users(me, step);
        take(&random, lock);
    }
    use(&random, lock);
    if (role == 1)
        give(lock);
    note(me, "lock %d", step->lock);
}

/* What the holder gets when it tries again, and what the type promises. */
static void probe_own(struct self *me, struct lock *lock)
{
    struct timespec soon = ts_after(CLOCK_REALTIME, 1);
    pthread_mutex_t *mutex = &lock->mutex;
    int result;

    switch (lock->type) {
    case C11:
        note(me, "own try %d", mtx_trylock(&lock->c11) == thrd_busy);
        break;
    case RWLOCK:
        note(me, "own %d %d %d %d", pthread_rwlock_tryrdlock(&lock->rwlock),
             pthread_rwlock_trywrlock(&lock->rwlock), pthread_rwlock_rdlock(&lock->rwlock),
             pthread_rwlock_timedwrlock(&lock->rwlock, &soon));
        break;
    case SEMAPHORE:
        FAILS(sem_timedwait(&lock->sem, &soon), ETIMEDOUT);
        break;
    case FLOCK:
        break;
    default:
        for (int way = 0; way < 3; way++) {
            if (way == 0 && lock->type != RECURSIVE && lock->type != ERRORCHECK)
                continue;
            result = way == 0   ? pthread_mutex_lock(mutex)
                     : way == 1 ? pthread_mutex_trylock(mutex)
                                : pthread_mutex_timedlock(mutex, &soon);
            if (result == 0)
                CHECK_RC(pthread_mutex_unlock(mutex), 0);
            note(me, "own way %d: %d", way, result);
        }
        if (lock->type != ROBUST) /* whose destruction libc does not refuse */
            note(me, "destroy %d", pthread_mutex_destroy(mutex));
    }
}

/* What others get while it is held. */
static void probe_other(struct self *me, struct lock *lock)
{
    struct timespec soon = ts_after(CLOCK_REALTIME, 1);
    int fd;

    switch (lock->type) {
    case C11:
        note(me, "other %d %d", mtx_trylock(&lock->c11) == thrd_busy,
             mtx_timedlock(&lock->c11, &soon) == thrd_timedout);
        break;
    case RWLOCK:
        note(me, "other %d %d %d %d", pthread_rwlock_tryrdlock(&lock->rwlock),
             pthread_rwlock_trywrlock(&lock->rwlock),
             pthread_rwlock_timedrdlock(&lock->rwlock, &soon),
             pthread_rwlock_clockwrlock(&lock->rwlock, CLOCK_REALTIME, &soon));
        break;
    case SEMAPHORE:
        FAILS(sem_trywait(&lock->sem), EAGAIN);
        FAILS(sem_clockwait(&lock->sem, CLOCK_REALTIME, &soon), ETIMEDOUT);
        break;
    case FLOCK:
        fd = (int)AGAIN(open(lock->path, O_RDWR | O_CLOEXEC));
        FAILS(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
        FAILS(flock(fd, LOCK_SH | LOCK_NB), EWOULDBLOCK);
        SYS(close(fd));
        break;
    default:
        note(me, "other %d %d", pthread_mutex_trylock(&lock->mutex),
             pthread_mutex_clocklock(&lock->mutex, CLOCK_REALTIME, &soon));
        if (lock->type == RECURSIVE || lock->type == ERRORCHECK || lock->type == ROBUST)
            note(me, "unlock of other's %d", pthread_mutex_unlock(&lock->mutex));
    }
}

struct probe {
    pthread_barrier_t barrier;
};

static void probe_setup(struct step *step, void *state)
{
    struct probe *probe = state;

    CHECK_RC(pthread_barrier_init(&probe->barrier, NULL, (unsigned)step->roles), 0);
}

static void probe_teardown(struct step *step, void *state)
{
    struct probe *probe = state;

    (void)step;
    CHECK_RC(pthread_barrier_destroy(&probe->barrier), 0);
}

static void probe(struct self *me, struct step *step, int role, void *state)
{
    struct probe *probe = state;
    struct lock *lock = lock_of(me, step);

    pthread_barrier_wait(&probe->barrier);
    if (role == 0)
        probe_own(me, lock);
    else
        probe_other(me, lock);
    pthread_barrier_wait(&probe->barrier);
}

const struct kind lock_kinds[] = {
    {"contend", 14, TOGETHER, LOCKS, 1, MAX_ROLES, 0, NULL, NULL, contend},
    {"hold", 12, HOLD, LOCKS, 0, 0, 0, NULL, NULL, hold},
    {"probe", 8, PROBE, LOCKS, 2, 4, sizeof(struct probe), probe_setup, probe_teardown, probe},
    {0},
};
