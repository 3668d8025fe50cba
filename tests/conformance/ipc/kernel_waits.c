/* Waits that the kernel knows of and no descriptor tells: by each call, and by its number for
   syscall(). Handlers with and without SA_RESTART, cancellation, many at once, in a forked child.
 */
/* TIMEOUT: 60 */
#include "testlib.h"

#include <aio.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netdb.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { MANY = 6, ROOM = 64 };

struct message {
    long type;
    char text[ROOM];
};

static int held, sems, in_queue, out_queue, pipe_fds[2], child_fds[2], caught;
static mqd_t in_mq, out_mq;
static pid_t holder;
static struct aiocb request;
static char byte, long_text[ROOM];
static struct sembuf down = {.sem_op = -1};

/* --- locks --- */

static int lock_file(void)
{
    return (int)SYS(open("lock", O_RDWR | O_CREAT, 0600));
}

static struct flock whole(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

/* close() may be a cancellation point, and the calls shall be judged alone. */
static int closing(int fd, long rc)
{
    int saved = errno;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    close(fd);
    errno = saved;
    return (int)rc;
}

static void flock_hold(void)
{
    held = lock_file();
    SYS(flock(held, LOCK_EX | LOCK_NB));
}

static void ofd_hold(void)
{
    struct flock lock = whole();

    held = lock_file();
    SYS(fcntl(held, F_OFD_SETLK, &lock));
}

static void close_held(int n)
{
    (void)n;
    SYS(close(held));
}

static long do_flock(void)
{
    int fd = lock_file();

    return closing(fd, flock(fd, LOCK_EX));
}

static long call_flock(void)
{
    int fd = lock_file();

    return closing(fd, syscall(SYS_flock, fd, LOCK_EX));
}

static long do_ofd(void)
{
    struct flock lock = whole();
    int fd = lock_file();

    return closing(fd, fcntl(fd, F_OFD_SETLKW, &lock));
}

static long call_ofd(void)
{
    struct flock lock = whole();
    int fd = lock_file();

    return closing(fd, syscall(SYS_fcntl, fd, F_OFD_SETLKW, &lock));
}

/* Record locks are between processes. */
static void record_hold(void)
{
    struct flock lock = whole();

    pipe_pair(child_fds);
    holder = (pid_t)SYS(fork());
    if (holder == 0) {
        SYS(fcntl(lock_file(), F_SETLK, &lock));
        write_all(child_fds[1], "l", 1);
        for (;;)
            pause();
    }
    read_all(child_fds[0], &byte, 1);
}

static void record_release(int n)
{
    (void)n;
    SYS(kill(holder, SIGKILL));
    SYS(waitpid(holder, NULL, 0));
    close(child_fds[0]);
    close(child_fds[1]);
}

static long do_record(void)
{
    struct flock lock = whole();
    int fd = lock_file();

    return closing(fd, fcntl(fd, F_SETLKW, &lock));
}

static long do_lockf(void)
{
    int fd = lock_file();

    return closing(fd, lockf(fd, F_LOCK, 0));
}

/* --- System V --- */

static void nothing(void)
{
}

static void sem_release(int n)
{
    struct sembuf up = {.sem_op = (short)n};

    SYS(semop(sems, &up, 1));
}

static long do_semop(void)
{
    return semop(sems, &down, 1);
}

static long do_semtimedop(void)
{
    struct timespec ts = {.tv_sec = 30};

    return semtimedop(sems, &down, 1, &ts);
}

static long call_semop(void)
{
    return syscall(SYS_semtimedop, sems, &down, 1, NULL);
}

static void msg_put(int n)
{
    struct message m = {.type = 1};

    while (n-- > 0)
        SYS(msgsnd(in_queue, &m, 4, 0));
}

static long do_msgrcv(void)
{
    struct message m;

    return msgrcv(in_queue, &m, sizeof(m.text), 0, 0) == -1 ? -1 : 0;
}

static long call_msgrcv(void)
{
    struct message m;

    return syscall(SYS_msgrcv, in_queue, &m, sizeof(m.text), 0, 0) == -1 ? -1 : 0;
}

static void msg_fill(void)
{
    struct message m = {.type = 1};

    while (msgsnd(out_queue, &m, sizeof(m.text), IPC_NOWAIT) == 0)
        ;
    CHECK_EQ(errno, EAGAIN);
}

static void msg_take(int n)
{
    struct message m;

    while (n-- > 0)
        SYS(msgrcv(out_queue, &m, sizeof(m.text), 0, 0));
}

static long do_msgsnd(void)
{
    struct message m = {.type = 1};

    return msgsnd(out_queue, &m, sizeof(m.text), 0);
}

static long call_msgsnd(void)
{
    struct message m = {.type = 1};

    return syscall(SYS_msgsnd, out_queue, &m, sizeof(m.text), 0);
}

/* --- POSIX message queues --- */

static void mq_put(int n)
{
    while (n-- > 0)
        SYS(mq_send(in_mq, "text", 4, 0));
}

static long do_mq_receive(void)
{
    char text[ROOM];

    return mq_receive(in_mq, text, sizeof(text), NULL) == 4 ? 0 : -1;
}

static long do_mq_timedreceive(void)
{
    struct timespec ts = ts_after(CLOCK_REALTIME, 30000);
    char text[ROOM];

    return mq_timedreceive(in_mq, text, sizeof(text), NULL, &ts) == 4 ? 0 : -1;
}

static long call_mq_receive(void)
{
    char text[ROOM];

    return syscall(SYS_mq_timedreceive, in_mq, text, sizeof(text), NULL, NULL) == 4 ? 0 : -1;
}

static void mq_fill(void)
{
    struct timespec passed = {0};

    while (mq_timedsend(out_mq, "text", 4, 0, &passed) == 0)
        ;
    CHECK_EQ(errno, ETIMEDOUT);
}

static void mq_take(int n)
{
    char text[ROOM];

    while (n-- > 0)
        SYS(mq_receive(out_mq, text, sizeof(text), NULL));
}

static long do_mq_send(void)
{
    return mq_send(out_mq, "text", 4, 0);
}

static long call_mq_send(void)
{
    return syscall(SYS_mq_timedsend, out_mq, "text", 4, 0, NULL);
}

/* --- asynchronous input, FIFOs --- */

static void aio_hold(void)
{
    pipe_pair(pipe_fds);
    request = (struct aiocb){.aio_fildes = pipe_fds[0], .aio_buf = long_text, .aio_nbytes = 1};
    request.aio_sigevent.sigev_notify = SIGEV_NONE;
    SYS(aio_read(&request));
}

static void aio_release(int n)
{
    (void)n;
    write_all(pipe_fds[1], "x", 1);
    while (aio_error(&request) == EINPROGRESS)
        usleep(500);
    CHECK_EQ(aio_return(&request), 1);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static const struct aiocb *const requests[] = {&request};

static long do_aio(void)
{
    return aio_suspend(requests, 1, NULL);
}

static long do_aio_timed(void)
{
    struct timespec ts = {.tv_sec = 30};

    return aio_suspend(requests, 1, &ts);
}

static void fifo_release(int n)
{
    (void)n;
    int fd = (int)SYS(open("fifo", O_WRONLY));
    settle();
    SYS(close(fd));
}

static long do_fifo(void)
{
    int fd = open("fifo", O_RDONLY);

    return fd < 0 ? -1 : closing(fd, 0);
}

static long call_fifo(void)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "fifo", O_RDONLY);

    return fd < 0 ? -1 : closing(fd, 0);
}

/* --- what is common to them --- */

/* The calls by number have the same bodies: they are not tried in every way. */
enum { RESTARTS = 1, CANCELS = 2, ALL = 3, NUMBER = 4 };

static const struct kind {
    const char *name;
    void (*hold)(void);
    long (*wait)(void); /* 0, or -1 and errno */
    void (*release)(int n);
    int flags;
} kinds[] = {
    {"flock", flock_hold, do_flock, close_held, RESTARTS},
    {"syscall flock", flock_hold, call_flock, close_held, RESTARTS | NUMBER},
    {"F_OFD_SETLKW", ofd_hold, do_ofd, close_held, ALL},
    {"syscall F_OFD_SETLKW", ofd_hold, call_ofd, close_held, RESTARTS | NUMBER},
    {"F_SETLKW", record_hold, do_record, record_release, ALL},
    {"lockf", record_hold, do_lockf, record_release, ALL},
    {"semop", nothing, do_semop, sem_release, 0},
    {"semtimedop", nothing, do_semtimedop, sem_release, 0},
    {"syscall semtimedop", nothing, call_semop, sem_release, NUMBER},
    {"msgrcv", nothing, do_msgrcv, msg_put, CANCELS},
    {"syscall msgrcv", nothing, call_msgrcv, msg_put, NUMBER},
    {"msgsnd", msg_fill, do_msgsnd, msg_take, CANCELS},
    {"syscall msgsnd", msg_fill, call_msgsnd, msg_take, NUMBER},
    {"mq_receive", nothing, do_mq_receive, mq_put, ALL},
    {"mq_timedreceive", nothing, do_mq_timedreceive, mq_put, ALL},
    {"syscall mq_timedreceive", nothing, call_mq_receive, mq_put, RESTARTS | NUMBER},
    {"mq_send", mq_fill, do_mq_send, mq_take, ALL},
    {"syscall mq_timedsend", mq_fill, call_mq_send, mq_take, RESTARTS | NUMBER},
    {"aio_suspend", aio_hold, do_aio, aio_release, ALL},
    {"aio_suspend timed", aio_hold, do_aio_timed, aio_release, CANCELS},
    {"open a FIFO", nothing, do_fifo, fifo_release, ALL},
    {"syscall openat", nothing, call_fifo, fifo_release, RESTARTS | NUMBER},
};

static void on_signal(int sig)
{
    (void)sig;
    flag_add(&caught, 1);
}

static int n_done;

static void *waiter(void *arg)
{
    const struct kind *kind = arg;
    long rc = kind->wait();
    int err = rc ? errno : 0;

    flag_add(&n_done, 1);
    return (void *)(intptr_t)err;
}

static pthread_t begin(const struct kind *kind)
{
    flag_set(&n_done, 0);
    flag_set(&caught, 0);
    kind->hold();
    pthread_t thread = start(waiter, (void *)kind);
    settle();
    CHECK_EQ(flag_get(&n_done), 0);
    return thread;
}

static void check_err(const struct kind *kind, const char *what, long err, int want)
{
    if (err != want)
        test_fail(__FILE__, __LINE__, "%s, %s: %ld, want %d", kind->name, what, err, want);
}

static void interrupt(const struct kind *kind, int restart)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = restart};
    int goes_on = restart && (kind->flags & RESTARTS);

    SYS(sigaction(SIGUSR1, &action, NULL));
    pthread_t thread = begin(kind);
    CHECK_RC(pthread_kill(thread, SIGUSR1), 0);
    flag_wait(&caught, 1);
    if (goes_on) {
        settle();
        check_err(kind, "ended", flag_get(&n_done), 0);
        kind->release(1);
    }
    check_err(kind, restart ? "SA_RESTART" : "signal", (long)finish(thread), goes_on ? 0 : EINTR);
    if (!goes_on) { /* the thread took nothing with it */
        thread = start(waiter, (void *)kind);
        settle();
        kind->release(1);
        check_err(kind, "afterwards", (long)finish(thread), 0);
    }
    CHECK_EQ(caught, 1);
}

static void cancel(const struct kind *kind)
{
    pthread_t thread = begin(kind);

    CHECK_RC(pthread_cancel(thread), 0);
    if (kind->flags & CANCELS) {
        CHECK(finish(thread) == PTHREAD_CANCELED);
        thread = start(waiter, (void *)kind);
        settle();
    } else {
        settle();
        check_err(kind, "cancelled", flag_get(&n_done), 0);
    }
    kind->release(1);
    check_err(kind, "after a cancellation", (long)finish(thread), 0);
}

static void *release_all(void *arg)
{
    settle();
    ((const struct kind *)arg)->release(MANY);
    return NULL;
}

/* More than any pool of workers has; a lookup, which needs one as well, is not kept waiting. */
static void many(const struct kind *kind)
{
    pthread_t threads[MANY];
    struct addrinfo *found;

    threads[0] = begin(kind);
    for (int i = 1; i < MANY; i++)
        threads[i] = start(waiter, (void *)kind);
    settle();
    CHECK_EQ(getaddrinfo("localhost", NULL, NULL, &found), 0);
    freeaddrinfo(found);
    CHECK_EQ(flag_get(&n_done), 0);
    TAKES(30, finish(start(release_all, (void *)kind)));
    for (int i = 0; i < MANY; i++)
        check_err(kind, "one of many", (long)finish(threads[i]), 0);
    CHECK_EQ(n_done, MANY);
}

static int child(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if ((kinds[i].flags & NUMBER) ||
            kinds[i].hold == aio_hold) /* libc's helpers are not there */
            continue;
        pthread_t thread = begin(&kinds[i]);
        kinds[i].release(1);
        check_err(&kinds[i], "in a child", (long)finish(thread), 0);
    }
    return 0;
}

static mqd_t open_mq(const char *what)
{
    struct mq_attr attr = {.mq_maxmsg = 8, .mq_msgsize = ROOM};
    char name[64];

    snprintf(name, sizeof(name), "/conformance-%s-%d", what, (int)getpid());
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    if (queue == (mqd_t)-1)
        test_skip("no message queues");
    SYS(mq_unlink(name));
    return queue;
}

static void set_up(void)
{
    struct msqid_ds ds;

    in_mq = open_mq("in");
    out_mq = open_mq("out");
    SYS(mkfifo("fifo", 0600));
    sems = (int)SYS(semget(IPC_PRIVATE, 1, 0600));
    in_queue = (int)SYS(msgget(IPC_PRIVATE, 0600));
    out_queue = (int)SYS(msgget(IPC_PRIVATE, 0600));
    SYS(msgctl(out_queue, IPC_STAT, &ds));
    ds.msg_qbytes = 4 * ROOM;
    SYS(msgctl(out_queue, IPC_SET, &ds));
}

int test_main(void)
{
    set_up();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        interrupt(&kinds[i], SA_RESTART);
        cancel(&kinds[i]);
        if (!(kinds[i].flags & NUMBER)) {
            interrupt(&kinds[i], 0);
            many(&kinds[i]);
        }
    }
    CHECK_EQ(run_child(child, NULL), 0);
    SYS(semctl(sems, 0, IPC_RMID));
    SYS(msgctl(in_queue, IPC_RMID, NULL));
    SYS(msgctl(out_queue, IPC_RMID, NULL));
    return 0;
}
