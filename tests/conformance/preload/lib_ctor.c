/* A library whose constructor does blocking I/O and runs threads before main. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int ctor_result;
static int fds[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int ready;

static void *writer(void *arg)
{
    usleep(10000);
    if (write(fds[1], "ctor", 4) != 4)
        abort();
    pthread_mutex_lock(&mutex);
    ready = 1;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
    return arg;
}

static void *left_running(void *arg)
{
    for (;;)
        usleep(1000);
    return arg;
}

__attribute__((constructor)) static void ctor(void)
{
    pthread_t thread, other;
    char data[8];
    void *value = NULL;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
        abort();
    if (pthread_create(&thread, NULL, writer, &ready) != 0 ||
        pthread_create(&other, NULL, left_running, NULL) != 0)
        abort();
    pthread_detach(other);
    if (read(fds[0], data, sizeof(data)) != 4)
        abort();
    pthread_mutex_lock(&mutex);
    while (!ready)
        pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
    if (pthread_join(thread, &value) != 0 || value != &ready)
        abort();
    ctor_result = 77;
}

__attribute__((destructor)) static void dtor(void)
{
    char data[8];

    usleep(1000);
    if (write(fds[1], "dtor", 4) != 4 || read(fds[0], data, 4) != 4)
        abort();
}
