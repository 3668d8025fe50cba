/* A request comes while the thread waits: cancellation points end, with everything in order; other
   calls go on waiting, and the thread ends at its next cancellation point. */
/* TIMEOUT: 60 */
#include "testlib.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>

static int empty[2], full[2], listener, event, epoll, queue, sems, lock_file, lock_file2;
static sem_t sem;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t checked;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_t sleeper;
static mqd_t mq;
static struct timespec late;
static sigset_t usr1;
static int child_pid;
static int returned;

struct wait {
    const char *name;
    void (*call)();
    int is_point;
    void (*unblock)();
};

static char buf[70000];
static struct iovec iov = {buf, sizeof(buf)};

#define POINT(name, ...)                                                                           \
    {                                                                                              \
        name, [] { (void)(__VA_ARGS__); }, 1, NULL                                                 \
    }
#define NONE(name, unblock, ...)                                                                   \
    {                                                                                              \
        name, [] { (void)(__VA_ARGS__); }, 0, [] { (void)(unblock); }                              \
    }

static int lock_all(int fd, int cmd, int type)
{
    struct flock l = {};
    l.l_type = (short)type;
    return fcntl(fd, cmd, &l);
}

static int wait_for_message()
{
    struct {
        long type;
        char text[8];
    } m;
    return (int)msgrcv(queue, &m, 8, 0, 0);
}

static int down(int by)
{
    struct sembuf b = {0, (short)by, 0};
    return semop(sems, &b, 1);
}

static const struct wait waits[] = {
    POINT("read", read(empty[0], buf, 1)),
    POINT("readv", readv(empty[0], &iov, 1)),
    POINT("write", write(full[1], buf, sizeof(buf))),
    POINT("writev", writev(full[1], &iov, 1)),
    POINT("recv", recv(event, buf, 1, 0)),
    POINT("recvfrom", recvfrom(event, buf, 1, 0, NULL, NULL)),
    POINT("accept", accept(listener, NULL, NULL)),
    POINT("poll",
          [] {
              struct pollfd p = {empty[0], POLLIN, 0};
              return poll(&p, 1, -1);
          }()),
    POINT("ppoll", [] { return ppoll(NULL, 0, &late, NULL); }()),
    POINT("select", select(0, NULL, NULL, NULL, NULL)),
    POINT("pselect", pselect(0, NULL, NULL, NULL, &late, NULL)),
    POINT("epoll_wait",
          [] {
              struct epoll_event e;
              return epoll_wait(epoll, &e, 1, -1);
          }()),
    POINT("nanosleep", nanosleep(&late, NULL)),
    POINT("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &late, NULL)),
    POINT("sleep", sleep(1000)),
    POINT("usleep", usleep(1000000000)),
    POINT("thrd_sleep", thrd_sleep(&late, NULL)),
    POINT("pause", pause()),
    POINT("sigsuspend",
          [] {
              sigset_t s;
              sigemptyset(&s);
              return sigsuspend(&s);
          }()),
    POINT("sigwait",
          [] {
              int sig;
              return sigwait(&usr1, &sig);
          }()),
    POINT("sigwaitinfo", sigwaitinfo(&usr1, NULL)),
    POINT("sigtimedwait", sigtimedwait(&usr1, NULL, &late)),
    POINT("sem_wait", sem_wait(&sem)),
    POINT("sem_timedwait",
          [] {
              struct timespec t = ts_after(CLOCK_REALTIME, 1000000);
              return sem_timedwait(&sem, &t);
          }()),
    POINT("join", pthread_join(sleeper, NULL)),
    POINT("timedjoin",
          [] {
              struct timespec t = ts_after(CLOCK_REALTIME, 1000000);
              return pthread_timedjoin_np(sleeper, NULL, &t);
          }()),
    POINT("waitpid", waitpid(child_pid, NULL, 0)),
    POINT("waitid",
          [] {
              siginfo_t i;
              return waitid(P_PID, child_pid, &i, WEXITED);
          }()),
    POINT("wait", wait(NULL)),
    POINT("system", system("exec sleep 1000")),
    POINT("open fifo", open("fifo", O_RDONLY)),
    POINT("fcntl F_SETLKW", lock_all(lock_file2, F_OFD_SETLKW, F_WRLCK)),
    POINT("msgrcv", wait_for_message()),
    POINT("mq_receive", mq_receive(mq, buf, 8, NULL)),
    NONE("mutex_lock", pthread_mutex_unlock(&held), pthread_mutex_lock(&held)),
    NONE("rwlock_rdlock", pthread_rwlock_unlock(&rwlock), pthread_rwlock_rdlock(&rwlock)),
    NONE("rwlock_wrlock", pthread_rwlock_unlock(&rwlock), pthread_rwlock_wrlock(&rwlock)),
    NONE("barrier_wait", pthread_barrier_wait(&barrier), pthread_barrier_wait(&barrier)),
    NONE("flock", flock(lock_file, LOCK_UN), flock(lock_file2, LOCK_EX)),
    NONE("semop", down(1), down(-1)),
};

static int cleaned;

static void clean(void *arg)
{
    CHECK(arg == &cleaned);
    cleaned++;
}

static void *body(void *arg)
{
    const struct wait *w = (const struct wait *)arg;

    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    pthread_cleanup_push(clean, &cleaned);
    w->call();
    returned = 1;
    pthread_testcancel();
    pthread_cleanup_pop(0);
    return NULL;
}

static void *sleeps(void *arg)
{
    char byte;

    read_all(*(int *)arg, &byte, 1);
    return &cleaned;
}

/* The mutex is the waiter's again when its handler runs. */
static void give_back(void *arg)
{
    CHECK_RC(pthread_mutex_unlock((pthread_mutex_t *)arg), 0);
    cleaned++;
}

static void *in_cond(void *arg)
{
    struct timespec t = ts_after(CLOCK_REALTIME, 1000000);

    CHECK_RC(pthread_mutex_lock(&checked), 0);
    pthread_cleanup_push(give_back, &checked);
    if (arg)
        pthread_cond_timedwait(&cond, &checked, &t);
    else
        pthread_cond_wait(&cond, &checked);
    returned = 1;
    pthread_cleanup_pop(1);
    return NULL;
}

static void cancel_and_join(const char *name, pthread_t t, int is_point, void (*unblock)())
{
    cleaned = returned = 0;
    sleep_ms(20);
    CHECK_RC(pthread_cancel(t), 0);
    sleep_ms(5);
    if (unblock)
        unblock();
    if (finish(t) != PTHREAD_CANCELED || cleaned != 1 || returned == is_point)
        test_fail(__FILE__, __LINE__, "%s: cleaned %d, returned %d", name, cleaned, returned);
}

/* Posts and requests at the same time: no permit is lost, whoever gets it. */
static int taken;

static void *takes(void *arg)
{
    while (sem_wait((sem_t *)arg))
        ;
    flag_add(&taken, 1);
    return NULL;
}

static void no_permit_is_lost()
{
    for (int round = 0; round < 200; round++) {
        sem_t s;
        pthread_t t[3];
        int value, cancelled = 0;

        SYS(sem_init(&s, 0, 0));
        taken = 0;
        for (pthread_t &thread : t)
            thread = start(takes, &s);
        if (round % 2)
            settle();
        pthread_cancel(t[0]);
        SYS(sem_post(&s));
        pthread_cancel(t[1]);
        SYS(sem_post(&s));
        SYS(sem_post(&s));
        for (pthread_t &thread : t)
            cancelled += finish(thread) == PTHREAD_CANCELED;
        SYS(sem_getvalue(&s, &value));
        CHECK_EQ(taken + cancelled, 3);
        CHECK_EQ(taken + value, 3);
    }
}

static int turn, woken;

static void *waits_turn(void *arg)
{
    pthread_mutex_lock(&checked);
    pthread_cleanup_push(give_back, &checked);
    while (!turn)
        pthread_cond_wait(&cond, &checked);
    turn--;
    woken++;
    pthread_cleanup_pop(1);
    return arg;
}

/* A signal that a cancelled waiter does not use goes to another. */
static void no_signal_is_lost()
{
    for (int round = 0; round < 100; round++) {
        turn = woken = 0;
        pthread_t a = start(waits_turn, NULL), b = start(waits_turn, NULL);
        if (round % 2)
            settle();
        else
            sched_yield();
        pthread_cancel(a);
        pthread_mutex_lock(&checked);
        turn = 1;
        pthread_cond_signal(&cond);
        pthread_mutex_unlock(&checked);
        int ended = finish(a) == PTHREAD_CANCELED;
        if (!ended) {
            pthread_mutex_lock(&checked);
            turn = 1;
            pthread_cond_signal(&cond);
            pthread_mutex_unlock(&checked);
        }
        finish(b);
        CHECK_EQ(woken, 2 - ended);
    }
}

int test_main(void)
{
    pthread_mutexattr_t attr;
    struct mq_attr mattr = {};
    uint16_t port;
    char name[40];
    int sv[2], go[2];

    late.tv_sec = 1000;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pipe_pair(empty);
    pipe_pair(full);
    pipe_pair(go);
    fill_fd(full[1]);
    set_nonblock(full[1], 0);
    unix_pair(sv);
    event = sv[0];
    listener = tcp_listen(4, &port);
    epoll = (int)SYS(epoll_create1(0));
    queue = (int)SYS(msgget(IPC_PRIVATE, 0600));
    sems = (int)SYS(semget(IPC_PRIVATE, 1, 0600));
    SYS(mkfifo("fifo", 0600));
    lock_file = (int)SYS(open("lock", O_RDWR | O_CREAT, 0600));
    lock_file2 = (int)SYS(open("lock", O_RDWR | O_CREAT, 0600));
    SYS(lock_all(lock_file, F_OFD_SETLK, F_WRLCK));
    SYS(flock(lock_file, LOCK_EX));
    mattr.mq_maxmsg = 1;
    mattr.mq_msgsize = 8;
    snprintf(name, sizeof(name), "/cancel_blocked%d", getpid());
    mq = (mqd_t)SYS(mq_open(name, O_RDWR | O_CREAT, 0600, &mattr));
    mq_unlink(name);
    SYS(sem_init(&sem, 0, 0));
    CHECK_RC(pthread_barrier_init(&barrier, NULL, 2), 0);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    CHECK_RC(pthread_mutex_init(&checked, &attr), 0);
    sleeper = start(sleeps, &go[0]);
    child_pid = (int)SYS(fork());
    if (child_pid == 0) {
        alarm(60);
        pause();
        _exit(0);
    }

    for (const struct wait &w : waits) {
        pthread_mutex_trylock(&held);
        pthread_rwlock_trywrlock(&rwlock);
        cancel_and_join(w.name, start(body, (void *)&w), w.is_point, w.unblock);
        if (!w.is_point) { /* the ended thread has kept what it got */
            held = PTHREAD_MUTEX_INITIALIZER;
            rwlock = PTHREAD_RWLOCK_INITIALIZER;
        }
    }
    cancel_and_join("cond_wait", start(in_cond, NULL), 1, NULL);
    cancel_and_join("cond_timedwait", start(in_cond, &cond), 1, NULL);
    CHECK_RC(pthread_mutex_trylock(&checked), 0);
    CHECK_RC(pthread_mutex_unlock(&checked), 0);

    no_permit_is_lost();
    no_signal_is_lost();

    write_all(go[1], "x", 1); /* a cancelled join leaves the thread to be joined */
    void *value;
    CHECK_RC(pthread_join(sleeper, &value), 0);
    CHECK(value == &cleaned);
    kill(child_pid, SIGKILL);
    CHECK_EQ(waitpid(child_pid, NULL, 0), child_pid);
    CHECK_ERRNO(wait(NULL), ECHILD); /* system() has ended its command */
    msgctl(queue, IPC_RMID, NULL);
    semctl(sems, 0, IPC_RMID);
    return 0;
}
