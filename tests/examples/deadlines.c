/* A timeout ends whatever the greenlet waits for, calls of libc included, and tells whose it is. */
#include <errno.h>
#include <green/event.h>
#include <green/green.h>
#include <green/timeout.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int pipes[2], sockets[2];
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static char byte;

static int fail(long rc)
{
    return rc < 0 ? errno : 0;
}

static int by_read(void)
{
    return fail(read(pipes[0], &byte, 1));
}

static int by_recv(void)
{
    return fail(recv(sockets[0], &byte, 1, 0));
}

static int by_poll(void)
{
    struct pollfd p = {.fd = pipes[0], .events = POLLIN};
    return fail(poll(&p, 1, -1));
}

static int by_sem_wait(void)
{
    return fail(sem_wait(&sem));
}

static int by_cond_wait(void)
{
    pthread_mutex_lock(&mutex);
    int rc = pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
    return rc;
}

static int by_usleep(void)
{
    return fail(usleep(30000000));
}

static int by_green_sleep(void)
{
    return -green_sleep(GREEN_S(30));
}

static const struct {
    const char *name;
    int (*wait)(void);
} waits[] = {
    {"read", by_read},
    {"recv", by_recv},
    {"poll", by_poll},
    {"sem_wait", by_sem_wait},
    {"pthread_cond_wait", by_cond_wait},
    {"usleep", by_usleep},
    {"green_sleep", by_green_sleep},
};

static void *others(void *arg)
{
    while (green_sleep(GREEN_MS(1)) == 0)
        ;
    return arg;
}

int main(void)
{
    struct greenlet *busy;

    if (pipe(pipes) || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) || sem_init(&sem, 0, 0))
        return 1;
    for (int alone = 1; alone >= 0; alone--) {
        if (!alone)
            green_spawn(others, NULL, &busy);
        for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
            GREEN_TIMEOUT(outer, GREEN_S(30))
            {
                GREEN_TIMEOUT(t, GREEN_MS(5))
                {
                    int err = waits[i].wait();
                    printf("%s: %s, ours %d, outer's %d\n", waits[i].name, strerror(err),
                           green_timeout_fired(t), green_timeout_fired(outer));
                }
            }
        }
    }
    green_kill(busy, 0, GREEN_FOREVER);
    green_unref(busy);
    return 0;
}
