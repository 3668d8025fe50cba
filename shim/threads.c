/* <threads.h>: the same objects as those of <pthread.h>, and the same functions with other results.
 */
#include "shim/pthread_thread.h"
#include "shim/shim.h"

#include <sched.h>
#include <stdlib.h>
#include <threads.h>

GR_FITS(pthread_mutex_t, mtx_t);
GR_FITS(pthread_cond_t, cnd_t);
GR_FITS(pthread_once_t, once_flag);
_Static_assert(sizeof(tss_t) == sizeof(pthread_key_t), "the same keys");
_Static_assert(sizeof(thrd_t) == sizeof(pthread_t), "the same threads");

static pthread_mutex_t *mutex_of(mtx_t *m)
{
    return (pthread_mutex_t *)(void *)m;
}

static pthread_cond_t *cond_of(cnd_t *c)
{
    return (pthread_cond_t *)(void *)c;
}

static int result(int error)
{
    switch (error) {
    case 0:
        return thrd_success;
    case ENOMEM:
        return thrd_nomem;
    case ETIMEDOUT:
        return thrd_timedout;
    case EBUSY:
        return thrd_busy;
    default:
        return thrd_error;
    }
}

struct start {
    thrd_start_t fn;
    void *arg;
};

static void *run(void *arg)
{
    struct start s = *(struct start *)arg;
    free(arg);
    return (void *)(intptr_t)s.fn(s.arg);
}

GR_SHIM int thrd_create(thrd_t *thread, thrd_start_t fn, void *arg)
{
    struct start *s = malloc(sizeof(*s));
    if (!s) {
        return thrd_nomem;
    }
    *s = (struct start){.fn = fn, .arg = arg};
    int rc = gr_thread_create(thread, NULL, run, s, __builtin_return_address(0));
    if (rc) {
        free(s);
    }
    return result(rc);
}

GR_SHIM int thrd_join(thrd_t thread, int *res)
{
    void *value;
    int rc = pthread_join(thread, &value);
    if (rc == 0 && res) {
        *res = (int)(intptr_t)value;
    }
    return result(rc);
}

GR_SHIM int thrd_detach(thrd_t thread)
{
    return result(pthread_detach(thread));
}

GR_SHIM void thrd_exit(int res)
{
    pthread_exit((void *)(intptr_t)res);
}

/* 0, -1 when a signal handler ran, another negative number for bad arguments. */
GR_SHIM int thrd_sleep(const struct timespec *duration, struct timespec *remaining)
{
    int rc = clock_nanosleep(CLOCK_REALTIME, 0, duration, remaining);
    return rc == 0 ? 0 : rc == EINTR ? -1 : -2;
}

GR_SHIM void thrd_yield(void)
{
    (void)sched_yield();
}

GR_SHIM int mtx_lock(mtx_t *m)
{
    return result(pthread_mutex_lock(mutex_of(m)));
}

GR_SHIM int mtx_timedlock(mtx_t *m, const struct timespec *abs)
{
    return result(pthread_mutex_timedlock(mutex_of(m), abs));
}

GR_SHIM int mtx_trylock(mtx_t *m)
{
    return result(pthread_mutex_trylock(mutex_of(m)));
}

GR_SHIM int mtx_unlock(mtx_t *m)
{
    return result(pthread_mutex_unlock(mutex_of(m)));
}

GR_SHIM int cnd_wait(cnd_t *c, mtx_t *m)
{
    return result(pthread_cond_wait(cond_of(c), mutex_of(m)));
}

GR_SHIM int cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *abs)
{
    return result(pthread_cond_timedwait(cond_of(c), mutex_of(m), abs));
}

GR_SHIM int cnd_signal(cnd_t *c)
{
    return result(pthread_cond_signal(cond_of(c)));
}

GR_SHIM int cnd_broadcast(cnd_t *c)
{
    return result(pthread_cond_broadcast(cond_of(c)));
}

GR_SHIM void cnd_destroy(cnd_t *c)
{
    (void)pthread_cond_destroy(cond_of(c));
}

GR_SHIM void call_once(once_flag *flag, void (*init)(void))
{
    (void)pthread_once(&flag->__data, init);
}

GR_SHIM int tss_create(tss_t *key, tss_dtor_t destructor)
{
    return result(pthread_key_create(key, destructor));
}

GR_SHIM void tss_delete(tss_t key)
{
    (void)pthread_key_delete(key);
}
