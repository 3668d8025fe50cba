/* Shows the clocks a thousand hours in the future, and turns the times that a program gives back
   into the kernel's, as libfaketime does. */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#define AHEAD (1000L * 3600)

int clock_gettime(clockid_t clock, struct timespec *ts)
{
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(clock, ts);

    if (rc == 0)
        ts->tv_sec += AHEAD;
    return rc;
}

static struct timespec *kernel_time(const struct timespec *abs, struct timespec *out)
{
    *out = *abs;
    out->tv_sec -= AHEAD;
    return out;
}

int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *abs)
{
    struct timespec at;
    int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *) =
        dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");

    return real(c, m, kernel_time(abs, &at));
}

int sem_timedwait(sem_t *s, const struct timespec *abs)
{
    struct timespec at;
    int (*real)(sem_t *, const struct timespec *) = dlsym(RTLD_NEXT, "sem_timedwait");

    return real(s, kernel_time(abs, &at));
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *ts, struct timespec *left)
{
    struct timespec at;
    int (*real)(clockid_t, int, const struct timespec *, struct timespec *) =
        dlsym(RTLD_NEXT, "clock_nanosleep");

    return real(clock, flags, flags & TIMER_ABSTIME ? kernel_time(ts, &at) : ts, left);
}
