/* Waits in the kernel with a time limit, or that must not wait at all; errors. */
#include "testlib.h"

#include <aio.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/sem.h>

struct message {
    long type;
    char text[64];
};

static int sems;

static void check_sems(void)
{
    struct sembuf down = {.sem_op = -1},
                  both[] = {{.sem_op = -1, .sem_flg = IPC_NOWAIT}, {.sem_num = 1, .sem_op = -1}};
    struct timespec ts = ts_of_ms(50), none = {0}, bad = {.tv_nsec = -1}, past = {.tv_sec = -1};
    static struct sembuf lots[600];

    TAKES(50, CHECK_ERRNO(semtimedop(sems, &down, 1, &ts), EAGAIN));
    CHECK_ERRNO(semtimedop(sems, &down, 1, &none), EAGAIN);
    CHECK_ERRNO(semtimedop(sems, &down, 1, &bad), EINVAL);
    CHECK_ERRNO(semtimedop(sems, &down, 1, &past), EINVAL);
    CHECK_ERRNO(semop(sems, both, 2), EAGAIN); /* the first of them does not want to wait */
    down.sem_flg = IPC_NOWAIT;
    CHECK_ERRNO(semop(sems, &down, 1), EAGAIN);
    CHECK_ERRNO(semop(sems, lots, 600), E2BIG);
    CHECK_ERRNO(semop(sems, &down, 0), EINVAL);
    CHECK_ERRNO(semop(-1, &down, 1), EINVAL);
}

static void *removes(void *arg)
{
    while (SYS(semctl(*(int *)arg, 0, GETNCNT)) == 0)
        usleep(500);
    SYS(semctl(*(int *)arg, 0, IPC_RMID));
    return NULL;
}

static void *undoes(void *arg)
{
    struct sembuf down = {.sem_op = -1, .sem_flg = SEM_UNDO};

    SYS(semop(sems, &down, 1));
    return arg;
}

/* What a thread that waited took is given back when the process ends. */
static int child(void *arg)
{
    struct sembuf up = {.sem_op = 1};
    pthread_t thread = start(undoes, arg);

    settle();
    SYS(semop(sems, &up, 1));
    finish(thread);
    CHECK_EQ(semctl(sems, 0, GETVAL), 0);
    return 0;
}

static void check_messages(void)
{
    struct message m = {.type = 1};
    int queue = (int)SYS(msgget(IPC_PRIVATE, 0600));

    CHECK_ERRNO(msgrcv(queue, &m, sizeof(m.text), 0, IPC_NOWAIT), ENOMSG);
    SYS(msgsnd(queue, &m, 8, 0));
    CHECK_ERRNO(msgrcv(queue, &m, 4, 0, 0), E2BIG);
    CHECK_EQ(msgrcv(queue, &m, 4, 0, MSG_NOERROR), 4);
    m.type = 0;
    CHECK_ERRNO(msgsnd(queue, &m, 4, 0), EINVAL);
    SYS(msgctl(queue, IPC_RMID, NULL));
    CHECK_ERRNO(msgrcv(queue, &m, sizeof(m.text), 0, 0), EINVAL);
}

static void check_mq(void)
{
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 64}, old;
    struct timespec ts, passed = {0}, bad = {.tv_nsec = -1};
    char name[64], text[64];

    snprintf(name, sizeof(name), "/conformance-%d", (int)getpid());
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    if (queue == (mqd_t)-1)
        test_skip("no message queues");
    SYS(mq_unlink(name));
    TAKES(49, ts = ts_after(CLOCK_REALTIME, 50);
          CHECK_ERRNO(mq_timedreceive(queue, text, 64, NULL, &ts), ETIMEDOUT));
    CHECK_ERRNO(mq_timedreceive(queue, text, 64, NULL, &passed), ETIMEDOUT);
    CHECK_ERRNO(mq_timedreceive(queue, text, 64, NULL, &bad), EINVAL);
    SYS(mq_send(queue, "a", 1, 1));
    CHECK_ERRNO(mq_timedsend(queue, "a", 1, 1, &bad), EINVAL);
    TAKES(49, ts = ts_after(CLOCK_REALTIME, 50);
          CHECK_ERRNO(mq_timedsend(queue, "a", 1, 1, &ts), ETIMEDOUT));
    attr.mq_flags = O_NONBLOCK;
    SYS(mq_setattr(queue, &attr, &old));
    CHECK_EQ(old.mq_flags, 0);
    CHECK_ERRNO(mq_send(queue, "a", 1, 1), EAGAIN);
    CHECK_EQ(mq_timedreceive(queue, text, 64, NULL, &passed), 1); /* it need not wait */
    CHECK_ERRNO(mq_receive(queue, text, 64, NULL), EAGAIN);
    SYS(mq_close(queue));
    CHECK_ERRNO(mq_receive(queue, text, 64, NULL), EBADF);
    CHECK_ERRNO(mq_close(queue), EBADF);
    CHECK_ERRNO(mq_open(name, O_RDWR), ENOENT);
}

static void check_locks(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = 77};
    int a = (int)SYS(open("lock", O_RDWR | O_CREAT, 0600));
    int b = (int)SYS(open("lock", O_RDONLY));

    SYS(flock(a, LOCK_EX));
    CHECK_ERRNO(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    CHECK_ERRNO(flock(b, 77), EINVAL);
    CHECK_ERRNO(flock(-1, LOCK_EX), EBADF);
    SYS(flock(a, LOCK_SH));
    SYS(flock(b, LOCK_SH));
    CHECK_ERRNO(fcntl(a, F_SETLKW, &lock), EINVAL);
    lock.l_whence = SEEK_SET;
    CHECK_ERRNO(fcntl(b, F_SETLKW, &lock), EBADF); /* not open for writing */
    CHECK_ERRNO(lockf(b, F_LOCK, 0), EBADF);
    CHECK_ERRNO(lockf(a, 77, 0), EINVAL);
    CHECK_EQ(lockf(a, F_TEST, 0), 0);
    close(a);
    close(b);
}

static void check_aio(void)
{
    struct timespec ts = ts_of_ms(50), none = {0};
    char data[3][8] = {"", "", ""};
    struct aiocb cb[3] = {{.aio_lio_opcode = LIO_NOP}};
    const struct aiocb *list[] = {NULL, &cb[1]};
    struct aiocb *all[] = {&cb[0], NULL, &cb[1], &cb[2]};
    int fds[2], fd = (int)SYS(open("file", O_RDWR | O_CREAT, 0600));

    pipe_pair(fds);
    cb[1] = (struct aiocb){.aio_fildes = fds[0], .aio_buf = data[1], .aio_nbytes = 8};
    cb[1].aio_sigevent.sigev_notify = SIGEV_NONE;
    SYS(aio_read(&cb[1]));
    TAKES(50, CHECK_ERRNO(aio_suspend(list, 2, &ts), EAGAIN));
    CHECK_ERRNO(aio_suspend(list, 2, &none), EAGAIN);
    CHECK_EQ(aio_suspend(list, 1, NULL), 0); /* nothing to wait for */
    write_all(fds[1], "x", 1);
    while (aio_error(&cb[1]) == EINPROGRESS)
        CHECK_EQ(aio_suspend(list, 2, NULL), 0);
    CHECK_EQ(aio_return(&cb[1]), 1);

    for (int i = 1; i < 3; i++) {
        cb[i] = (struct aiocb){.aio_fildes = fd, .aio_buf = "text", .aio_nbytes = 4};
        cb[i].aio_sigevent.sigev_notify = SIGEV_NONE;
        cb[i].aio_lio_opcode = LIO_WRITE;
        cb[i].aio_offset = i * 4;
    }
    SYS(lio_listio(LIO_WAIT, all, 4, NULL));
    CHECK_EQ(aio_return(&cb[1]) + aio_return(&cb[2]), 8);
    cb[1].aio_fildes = 999;
    CHECK_ERRNO(lio_listio(LIO_WAIT, all, 4, NULL), EIO);
    CHECK_EQ(aio_error(&cb[1]), EBADF);
    CHECK_EQ(aio_return(&cb[2]), 4);
    CHECK_ERRNO(lio_listio(77, all, 4, NULL), EINVAL);
}

static void *check(void *arg)
{
    struct sembuf down = {.sem_op = -1};

    sems = (int)SYS(semget(IPC_PRIVATE, 2, 0600));
    check_sems();
    CHECK_EQ(run_child(child, NULL), 0);
    CHECK_EQ(semctl(sems, 0, GETVAL), 1);
    SYS(semop(sems, &down, 1));
    pthread_t thread = start(removes, &sems);
    CHECK_ERRNO(semop(sems, &down, 1), EIDRM);
    finish(thread);
    check_messages();
    check_locks();
    check_aio();
    check_mq();
    return arg;
}

int test_main(void)
{
    check(NULL);
    finish(start(check, NULL));
    return 0;
}
