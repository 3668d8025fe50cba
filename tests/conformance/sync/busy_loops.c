/* Threads that poll without ever waiting do not keep the others from running. */
#include "testlib.h"

#include <poll.h>
#include <semaphore.h>
#include <sys/socket.h>

static int done, fds[2];
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void *let_go(void *arg)
{
    for (int i = 0; i < 20; i++)
        sched_yield();
    flag_set(&done, 1);
    return arg;
}

static void spin(int how)
{
    struct pollfd p = {.fd = fds[1], .events = POLLOUT};
    char c;
    while (!flag_get(&done)) {
        switch (how) {
        case 0:
            CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY);
            break;
        case 1:
            CHECK_ERRNO(sem_trywait(&sem), EAGAIN);
            break;
        case 2:
            CHECK_EQ(pthread_rwlock_trywrlock(&rwlock), EBUSY);
            break;
        case 3:
            CHECK_ERRNO(recv(fds[0], &c, 1, MSG_DONTWAIT), EAGAIN);
            break;
        case 4:
            CHECK_EQ(poll(&p, 1, -1), 1);
            break;
        default:
            CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
            CHECK_EQ(pthread_mutex_lock(&mutex), 0);
            break;
        }
    }
}

int test_main(void)
{
    unix_pair(fds);
    CHECK_EQ(sem_init(&sem, 0, 0), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_rwlock_rdlock(&rwlock), 0);
    for (int how = 0; how < 6; how++) {
        flag_set(&done, 0);
        pthread_t thread = start(let_go, NULL);
        spin(how);
        finish(thread);
    }
    return 0;
}
