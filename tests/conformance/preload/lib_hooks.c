/* A library opened with RTLD_DEEPBIND and called by pointers from dlsym. */
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

long hooks_read(int fd, void *data, size_t size);
int hooks_poll(int fd, int ms);
int hooks_thread(void *(*fn)(void *), void *arg);

long hooks_read(int fd, void *data, size_t size)
{
    return read(fd, data, size);
}

int hooks_poll(int fd, int ms)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    return poll(&pfd, 1, ms);
}

int hooks_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, fn, arg);

    return rc ? rc : pthread_join(thread, NULL);
}
