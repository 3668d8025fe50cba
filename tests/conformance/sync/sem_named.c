/* Named semaphores, between threads and with a child process. */
#include "testlib.h"

#include <fcntl.h>
#include <semaphore.h>

static char name[64];

static int child(void *arg)
{
    sem_t *sem = sem_open(name, 0);

    (void)arg;
    if (sem == SEM_FAILED)
        return 1;
    usleep(20000);
    return sem_post(sem);
}

static void *waiter(void *arg)
{
    SYS(sem_wait(arg));
    return NULL;
}

int test_main(void)
{
    snprintf(name, sizeof(name), "/conformance-%d", (int)getpid());
    sem_t *sem = sem_open(name, O_CREAT | O_EXCL, 0600, 1);

    CHECK(sem != SEM_FAILED);
    CHECK(sem_open(name, O_CREAT | O_EXCL, 0600, 1) == SEM_FAILED && errno == EEXIST);
    SYS(sem_wait(sem));
    pthread_t thread = start(waiter, sem);
    settle();
    SYS(sem_post(sem));
    finish(thread);

    thread = start(waiter, sem);
    CHECK_EQ(run_child(child, NULL), 0);
    finish(thread);
    SYS(sem_unlink(name));
    CHECK_ERRNO(sem_unlink(name), ENOENT);
    SYS(sem_close(sem));
    return 0;
}
