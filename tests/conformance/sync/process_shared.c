/* Process-shared mutex, condition variable, semaphore, rwlock and barrier with a forked child,
   while other threads of this process use them too. */
#include "testlib.h"

#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

static struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    pthread_rwlock_t rwlock;
    pthread_barrier_t barrier;
    sem_t sem;
    int turn, count;
} * shared;

static void play(int self, int turns)
{
    CHECK_RC(pthread_mutex_lock(&shared->mutex), 0);
    for (int i = 0; i < turns; i++) {
        while (shared->turn != self)
            CHECK_RC(pthread_cond_wait(&shared->cond, &shared->mutex), 0);
        shared->turn = 1 - self;
        CHECK_RC(pthread_cond_broadcast(&shared->cond), 0);
    }
    CHECK_RC(pthread_mutex_unlock(&shared->mutex), 0);
    for (int i = 0; i < turns; i++) {
        CHECK_RC(pthread_rwlock_wrlock(&shared->rwlock), 0);
        shared->count++;
        CHECK_RC(pthread_rwlock_unlock(&shared->rwlock), 0);
    }
    int rc = pthread_barrier_wait(&shared->barrier);
    CHECK(rc == 0 || rc == PTHREAD_BARRIER_SERIAL_THREAD);
}

static void *player(void *arg)
{
    play((int)(intptr_t)arg, 50);
    SYS(sem_wait(&shared->sem));
    return NULL;
}

int test_main(void)
{
    pthread_mutexattr_t ma;
    pthread_condattr_t ca;
    pthread_rwlockattr_t ra;
    pthread_barrierattr_t ba;
    int status;

    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    CHECK_RC(pthread_mutexattr_init(&ma), 0);
    CHECK_RC(pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED), 0);
    CHECK_RC(pthread_mutex_init(&shared->mutex, &ma), 0);
    CHECK_RC(pthread_condattr_init(&ca), 0);
    CHECK_RC(pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED), 0);
    CHECK_RC(pthread_cond_init(&shared->cond, &ca), 0);
    CHECK_RC(pthread_rwlockattr_init(&ra), 0);
    CHECK_RC(pthread_rwlockattr_setpshared(&ra, PTHREAD_PROCESS_SHARED), 0);
    CHECK_RC(pthread_rwlock_init(&shared->rwlock, &ra), 0);
    CHECK_RC(pthread_barrierattr_init(&ba), 0);
    CHECK_RC(pthread_barrierattr_setpshared(&ba, PTHREAD_PROCESS_SHARED), 0);
    CHECK_RC(pthread_barrier_init(&shared->barrier, &ba, 2), 0);
    SYS(sem_init(&shared->sem, 1, 0));

    pid_t pid = (pid_t)SYS(fork());
    if (pid == 0) {
        play(1, 50);
        usleep(10000);
        SYS(sem_post(&shared->sem));
        _exit(0);
    }
    finish(start(player, (void *)0));
    CHECK_EQ(SYS(waitpid(pid, &status, 0)), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(shared->count, 100);
    return 0;
}
