/* System V message queues and semaphores between threads. */
#include "testlib.h"

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

static int queue, sems;

struct message {
    long type;
    int value;
};

static void *receiver(void *arg)
{
    struct message message;

    for (int i = 0; i < 20; i++) {
        CHECK_EQ(msgrcv(queue, &message, sizeof(int), 5, 0), sizeof(int));
        CHECK_EQ(message.value, i);
    }
    return arg;
}

static void *taker(void *arg)
{
    struct sembuf down = {.sem_num = 0, .sem_op = -1};

    for (int i = 0; i < 10; i++)
        SYS(semop(sems, &down, 1));
    return arg;
}

int test_main(void)
{
    struct message message = {.type = 5};
    struct sembuf up = {.sem_num = 0, .sem_op = 1}, down = {.sem_num = 0, .sem_op = -1};
    struct timespec ts = ts_of_ms(50);

    queue = (int)SYS(msgget(IPC_PRIVATE, 0600));
    sems = (int)SYS(semget(IPC_PRIVATE, 1, 0600));
    pthread_t thread = start(receiver, NULL);
    for (int i = 0; i < 20; i++) {
        usleep(500);
        message.value = i;
        SYS(msgsnd(queue, &message, sizeof(int), 0));
    }
    finish(thread);
    CHECK_ERRNO(msgrcv(queue, &message, sizeof(int), 0, IPC_NOWAIT), ENOMSG);
    thread = start(taker, NULL);
    for (int i = 0; i < 10; i++) {
        usleep(500);
        SYS(semop(sems, &up, 1));
    }
    finish(thread);
    TAKES(50, CHECK_ERRNO(semtimedop(sems, &down, 1, &ts), EAGAIN));
    SYS(msgctl(queue, IPC_RMID, NULL));
    SYS(semctl(sems, 0, IPC_RMID));
    return 0;
}
