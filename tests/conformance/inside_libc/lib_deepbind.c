/* Opened with RTLD_DEEPBIND: its calls go to libc, whatever was preloaded. */
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Waits in one of many ways for something on fd, or for the lock, or for the end of a thread. */
long deepbind_wait(int how, int fd, pthread_mutex_t *mutex, pthread_cond_t *cond, sem_t *sem);
int deepbind_thread(pthread_t *thread, void *(*fn)(void *), void *arg);
int deepbind_join(pthread_t thread, void **value);

long deepbind_wait(int how, int fd, pthread_mutex_t *mutex, pthread_cond_t *cond, sem_t *sem)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    char data[16];
    fd_set set;
    FILE *file;
    long got;

    switch (how) {
    case 0:
        return read(fd, data, sizeof(data));
    case 1:
        return recv(fd, data, sizeof(data), 0);
    case 2:
        return poll(&pfd, 1, -1) == 1 ? read(fd, data, sizeof(data)) : -1;
    case 3:
        FD_ZERO(&set);
        FD_SET(fd, &set);
        return select(fd + 1, &set, NULL, NULL, NULL) == 1 ? read(fd, data, sizeof(data)) : -1;
    case 4:
        file = fdopen(dup(fd), "r");
        got = file && fgets(data, sizeof(data), file) ? 3 : -1;
        fclose(file);
        return got;
    case 5:
        pthread_mutex_lock(mutex);
        pthread_mutex_unlock(mutex);
        return 3;
    case 6:
        pthread_mutex_lock(mutex);
        got = pthread_cond_wait(cond, mutex);
        pthread_mutex_unlock(mutex);
        return got ? -1 : 3;
    case 7:
        return sem_wait(sem) == 0 ? 3 : -1;
    case 8:
        return usleep(100000) == 0 ? 3 : -1;
    default:
        return -2;
    }
}

int deepbind_thread(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    return pthread_create(thread, NULL, fn, arg);
}

int deepbind_join(pthread_t thread, void **value)
{
    return pthread_join(thread, value);
}
