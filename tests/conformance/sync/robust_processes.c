/* Robust process-shared mutexes held by threads of a process that is killed, or ends: the others
   get EOWNERDEAD. */
#include "testlib.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { COUNT = 6 };

static struct shared {
    pthread_mutex_t mutex[COUNT];
    int ready;
} * shared;

static void *holds(void *arg)
{
    pthread_mutex_t *mutex = arg;

    CHECK_RC(pthread_mutex_lock(mutex), 0);
    flag_add(&shared->ready, 1);
    for (;;)
        sleep(100);
    return arg;
}

/* Locks and unlocks others too, so that the order of holders is mixed. */
static void *comes_and_goes(void *arg)
{
    for (int i = 0; i < COUNT; i += 2) {
        CHECK_RC(pthread_mutex_lock(&shared->mutex[i]), 0);
        sched_yield();
        CHECK_RC(pthread_mutex_unlock(&shared->mutex[i]), 0);
    }
    return arg;
}

static void init(void)
{
    pthread_mutexattr_t attr;

    CHECK_RC(pthread_mutexattr_init(&attr), 0);
    CHECK_RC(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), 0);
    CHECK_RC(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
    for (int i = 0; i < COUNT; i++) {
        CHECK_RC(pthread_mutexattr_settype(&attr, i % 3), 0);
        CHECK_RC(pthread_mutex_init(&shared->mutex[i], &attr), 0);
    }
    shared->ready = 0;
}

static void owned_by_dead(int from, int step)
{
    for (int i = from; i < COUNT; i += step) {
        CHECK_RC(pthread_mutex_lock(&shared->mutex[i]), EOWNERDEAD);
        CHECK_RC(pthread_mutex_consistent(&shared->mutex[i]), 0);
        CHECK_RC(pthread_mutex_unlock(&shared->mutex[i]), 0);
        CHECK_RC(pthread_mutex_lock(&shared->mutex[i]), 0);
        CHECK_RC(pthread_mutex_unlock(&shared->mutex[i]), 0);
    }
}

static void *ends_holding(void *arg)
{
    CHECK_RC(pthread_mutex_lock(arg), 0);
    return NULL;
}

static int child(void *arg)
{
    start(holds, &shared->mutex[1]);
    start(holds, &shared->mutex[3]);
    finish(start(comes_and_goes, NULL));
    start(holds, &shared->mutex[5]);
    finish(start(ends_holding, &shared->mutex[0])); /* this thread ends, the others stay */
    CHECK_RC(pthread_mutex_lock(&shared->mutex[0]), EOWNERDEAD);
    CHECK_RC(pthread_mutex_consistent(&shared->mutex[0]), 0);
    CHECK_RC(pthread_mutex_lock(&shared->mutex[2]), 0);
    flag_wait(&shared->ready, 3);
    flag_set(&shared->ready, 4);
    if (arg)
        _exit(0);
    for (;;)
        pause();
}

/* Waits while the holder is killed. */
static void *waits(void *arg)
{
    CHECK_RC(pthread_mutex_lock(arg), EOWNERDEAD);
    CHECK_RC(pthread_mutex_consistent(arg), 0);
    CHECK_RC(pthread_mutex_unlock(arg), 0);
    return NULL;
}

int test_main(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < 4; round++) {
        init();
        pid_t pid = (pid_t)SYS(fork());
        if (pid == 0)
            _exit(child(round % 2 ? &round : NULL));
        flag_wait(&shared->ready, 4);
        pthread_t waiter = 0;
        if (round % 2 == 0) {
            waiter = start(waits, &shared->mutex[3]);
            settle();
            SYS(kill(pid, SIGKILL));
        }
        SYS(waitpid(pid, NULL, 0));
        if (waiter)
            finish(waiter);
        else
            owned_by_dead(3, COUNT);
        owned_by_dead(1, 4);
        owned_by_dead(0, 2 * COUNT);
        owned_by_dead(2, 2 * COUNT);
        CHECK_RC(pthread_mutex_lock(&shared->mutex[4]), 0);
        CHECK_RC(pthread_mutex_unlock(&shared->mutex[4]), 0);
    }
    return 0;
}
