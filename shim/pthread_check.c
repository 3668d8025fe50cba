/*
 * Does libc lay out its synchronisation objects as runtime/sync expects? Asked once, before the
 * first thread: objects made and used by libc are looked at.
 */
#include "runtime/sync/barrier.h"
#include "runtime/sync/cond.h"
#include "runtime/sync/once.h"
#include "runtime/sync/rwlock.h"
#include "runtime/sync/sem.h"
#include "shim/pthread_shared.h"

#include <string.h>

static bool mutex_right(void)
{
    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                                PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP};
    pthread_mutexattr_t attr;
    pthread_mutex_t m;
    (void)pthread_mutexattr_init(&attr);
    for (size_t i = 0; i < GR_ARRAY_SIZE(types); i++) {
        (void)pthread_mutexattr_settype(&attr, types[i]);
        (void)pthread_mutex_init(&m, &attr);
        if ((m.__data.__kind & GR_MUTEX_TYPE) != types[i] || gr_mutex_foreign(&m)) {
            return false;
        }
        (void)real.pthread_mutex_lock(&m);
        bool held = m.__data.__lock == 1 && m.__data.__nusers == 1 &&
                    m.__data.__owner == (int)GR_SYS(SYS_gettid) &&
                    (types[i] != PTHREAD_MUTEX_RECURSIVE || m.__data.__count == 1);
        (void)real.pthread_mutex_unlock(&m);
        if (!held || m.__data.__lock || m.__data.__nusers || m.__data.__owner) {
            return false;
        }
    }
    (void)pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    (void)pthread_mutex_init(&m, &attr);
    return gr_mutex_foreign(&m);
}

static bool cond_right(void)
{
    pthread_condattr_t attr;
    pthread_cond_t c;
    (void)pthread_condattr_init(&attr);
    (void)pthread_cond_init(&c, &attr);
    if (c.__data.__wrefs != 0) {
        return false;
    }
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&c, &attr);
    if (c.__data.__wrefs != GR_COND_MONOTONIC) {
        return false;
    }
    (void)pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    (void)pthread_cond_init(&c, &attr);
    return c.__data.__wrefs == (GR_COND_MONOTONIC | GR_COND_SHARED);
}

static bool rwlock_right(void)
{
    pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
    (void)real.pthread_rwlock_rdlock(&rw);
    bool right = rw.__data.__readers == GR_RW_READER;
    (void)real.pthread_rwlock_unlock(&rw);
    (void)real.pthread_rwlock_wrlock(&rw);
    right = right && rw.__data.__readers == (GR_RW_WRITER | GR_RW_IDLE_WRITE) &&
            rw.__data.__cur_writer == (int)GR_SYS(SYS_gettid);
    (void)real.pthread_rwlock_unlock(&rw);
    right = right && (rw.__data.__readers & ~GR_RW_IDLE_WRITE) == 0 && rw.__data.__cur_writer == 0;
    pthread_rwlockattr_t attr;
    (void)pthread_rwlockattr_init(&attr);
    (void)pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    (void)pthread_rwlock_init(&rw, &attr);
    return right && gr_rwlock_shared(&rw) &&
           rw.__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
}

static bool sem_right(void)
{
    sem_t sem;
    struct gr_sem s;
    (void)sem_init(&sem, 1, 3);
    memcpy(&s, &sem, sizeof(s));
    if (s.word != 3 || !s.shared) {
        return false;
    }
    (void)sem_init(&sem, 0, 2);
    (void)real.sem_post(&sem);
    memcpy(&s, &sem, sizeof(s));
    return s.word == 3 && !s.shared;
}

static bool barrier_right(void)
{
    pthread_barrierattr_t attr;
    pthread_barrier_t barrier;
    struct gr_barrier b;
    (void)pthread_barrierattr_init(&attr);
    (void)pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    (void)pthread_barrier_init(&barrier, &attr, 5);
    memcpy(&b, &barrier, sizeof(b));
    if (b.count != 5 || !b.shared) {
        return false;
    }
    (void)pthread_barrier_init(&barrier, NULL, 1);
    (void)real.pthread_barrier_wait(&barrier);
    memcpy(&b, &barrier, sizeof(b));
    return b.count == 1 && !b.shared && b.in == 1 && b.round == 1 && b.out == 1;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool was_busy;

static void look_at_once(void)
{
    was_busy = (once & GR_ONCE_BUSY) && !(once & GR_ONCE_DONE);
}

static bool once_right(void)
{
    once = PTHREAD_ONCE_INIT;
    was_busy = false;
    (void)real.pthread_once(&once, look_at_once);
    return was_busy && (once & GR_ONCE_DONE);
}

const char *gr_sync_check(void)
{
    if (!mutex_right() || !cond_right() || !rwlock_right()) {
        return "libc's locks are laid out in an unknown way";
    }
    if (!sem_right() || !barrier_right() || !once_right()) {
        return "libc's semaphores or barriers are laid out in an unknown way";
    }
    return NULL;
}
