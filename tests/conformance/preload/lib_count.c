/* A preloaded library that wraps calls and passes them on with dlsym(RTLD_NEXT). */
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

int count_read, count_create, count_lock;

ssize_t read(int fd, void *data, size_t size)
{
    static ssize_t (*next)(int, void *, size_t);

    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "read");
    __atomic_add_fetch(&count_read, 1, __ATOMIC_SEQ_CST);
    return next(fd, data, size);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    __atomic_add_fetch(&count_create, 1, __ATOMIC_SEQ_CST);
    return next(thread, attr, fn, arg);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*next)(pthread_mutex_t *);

    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    __atomic_add_fetch(&count_lock, 1, __ATOMIC_SEQ_CST);
    return next(mutex);
}
