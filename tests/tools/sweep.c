/*
 * libc's calls that wait, interrupted at every switch, as in tests/unit/sweep.h: a victim makes the
 * call, a helper serves it, and a striker ends the victim's wait after n turns by a kill, by a
 * timeout around the call, or by both. Nothing may be lost: no byte, connection, permit, message,
 * lock, signal or child, nor the kill or the timeout, which come once. Prints the names of the
 * calls, and how many strikes there were to standard error if it is asked: `sweep -v`.
 */
#include <errno.h>
#include <fcntl.h>
#include <green/green.h>
#include <green/timeout.h>
#include <mqueue.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <resolv.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CODE = -EPROTO, OUTER_CODE = -EDOM };
#define LIMIT ((int64_t)250 * 1000)

struct call {
    const char *name;
    void (*prepare)(void);
    int (*victim)(void); /* 0 when served, -errno */
    void (*serve)(void);
    bool (*check)(bool ok);
};

static const struct call *call;
static int way, turns, victims_result;
static struct green_timeout *outer; /* around the call */
static int strikes, served;

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s, way %d, after %d turns, victim %d: line %d: %s, errno %d\n",      \
                    call->name, way, turns, victims_result, __LINE__, #cond, errno);               \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static int result(long rc)
{
    return rc < 0 ? -errno : 0;
}

/* --- descriptors --- */

static int ends[2] = {-1, -1};
static int other = -1;
static char byte;

static int waiting_bytes(int fd)
{
    int n = 0;
    CHECK(ioctl(fd, FIONREAD, &n) == 0);
    return n;
}
static void new_pipe(void)
{
    CHECK(pipe(ends) == 0);
}
static void new_sockets(void)
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
}
static void put_byte(void)
{
    CHECK(write(ends[1], "x", 1) == 1);
}
static bool one_byte(bool ok)
{
    return waiting_bytes(ends[0]) == !ok;
}
static bool still_one_byte(bool ok)
{
    (void)ok;
    return waiting_bytes(ends[0]) == 1;
}
static int by_read(void)
{
    return result(read(ends[0], &byte, 1));
}
static int by_recv(void)
{
    return result(recv(ends[0], &byte, 1, 0));
}
static int by_recvmsg(void)
{
    struct iovec v = {&byte, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    return result(recvmsg(ends[0], &m, 0));
}
static int by_poll(void)
{
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    return result(poll(&p, 1, -1));
}
static int by_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return result(select(ends[0] + 1, &set, NULL, NULL, NULL));
}
static void new_epoll(void)
{
    struct epoll_event e = {.events = EPOLLIN};
    new_pipe();
    other = epoll_create1(0);
    CHECK(other >= 0 && epoll_ctl(other, EPOLL_CTL_ADD, ends[0], &e) == 0);
}
static int by_epoll_wait(void)
{
    struct epoll_event e;
    return result(epoll_wait(other, &e, 1, -1));
}
static void new_full_pipe(void)
{
    static char page[4096];
    new_pipe();
    CHECK(fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
    CHECK(write(ends[1], page, sizeof(page)) == 4096);
}
static int by_write(void)
{
    return result(write(ends[1], "y", 1));
}
static void make_room(void)
{
    static char page[4096];
    CHECK(read(ends[0], page, sizeof(page)) == 4096);
}
static bool came_in(bool ok)
{
    return waiting_bytes(ends[0]) == ok;
}
static void new_listener(void)
{
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(ends[0] >= 0 && listen(ends[0], 5) == 0);
}
static int by_accept(void)
{
    other = accept(ends[0], NULL, NULL);
    return result(other);
}
static void connect_to_it(void)
{
    struct sockaddr_in to;
    socklen_t len = sizeof(to);
    CHECK(getsockname(ends[0], (struct sockaddr *)&to, &len) == 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(ends[1], (struct sockaddr *)&to, sizeof(to)) == 0);
}
static bool connection_is_there(bool ok)
{
    if (!ok) {
        CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
        other = accept(ends[0], NULL, NULL);
    }
    return other >= 0;
}

/* --- threads --- */

static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond;
static pthread_t thread;
static bool news;

static void new_sem(void)
{
    CHECK(sem_init(&sem, 0, 0) == 0);
}
static int by_sem_wait(void)
{
    return result(sem_wait(&sem));
}
static int by_sem_timedwait(void)
{
    struct timespec until = {.tv_sec = time(NULL) + 60};
    return result(sem_timedwait(&sem, &until));
}
static void post(void)
{
    CHECK(sem_post(&sem) == 0);
}
static bool one_permit(bool ok)
{
    int n = -1;
    CHECK(sem_getvalue(&sem, &n) == 0);
    return n == !ok;
}
static void new_cond(void)
{
    news = false;
    CHECK(pthread_cond_init(&cond, NULL) == 0);
}
static int by_cond_wait(void)
{
    int rc = 0;
    CHECK(pthread_mutex_lock(&mutex) == 0);
    while (rc == 0 && !news) {
        rc = pthread_cond_wait(&cond, &mutex);
    }
    CHECK(pthread_mutex_trylock(&mutex) == EBUSY);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    return -rc;
}
static void tell(void)
{
    CHECK(pthread_mutex_lock(&mutex) == 0);
    news = true;
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_cond_signal(&cond) == 0);
}
static bool mutex_is_free(bool ok)
{
    (void)ok;
    CHECK(pthread_cond_destroy(&cond) == 0);
    return pthread_mutex_trylock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0;
}
static void *wait_for_permit(void *arg)
{
    while (sem_wait(&sem)) {
    }
    return arg;
}
static void new_thread(void)
{
    new_sem();
    CHECK(pthread_create(&thread, NULL, wait_for_permit, &sem) == 0);
}
static int by_join(void)
{
    void *value = NULL;
    int rc = pthread_join(thread, &value);
    CHECK(rc || value == &sem);
    return -rc;
}
static bool joined_or_to_be_joined(bool ok)
{
    return ok || pthread_join(thread, NULL) == 0;
}

/* --- what only the kernel knows of --- */

static int queue = -1;
static mqd_t mq = (mqd_t)-1;
static struct {
    long type;
    char text[4];
} message;

static void new_msg(void)
{
    queue = msgget(IPC_PRIVATE, 0600);
    CHECK(queue >= 0);
}
static int by_msgrcv(void)
{
    return result(msgrcv(queue, &message, sizeof(message.text), 0, 0));
}
static void send_message(void)
{
    message.type = 1;
    CHECK(msgsnd(queue, &message, 4, 0) == 0);
}
static bool message_is_there(bool ok)
{
    bool rest = msgrcv(queue, &message, sizeof(message.text), 0, IPC_NOWAIT) == 4;
    CHECK(msgctl(queue, IPC_RMID, NULL) == 0);
    return rest == !ok;
}
static void new_semaphores(void)
{
    queue = semget(IPC_PRIVATE, 1, 0600);
    CHECK(queue >= 0);
}
static int by_semop(void)
{
    struct sembuf take = {.sem_op = -1};
    return result(semop(queue, &take, 1));
}
static void give(void)
{
    struct sembuf one = {.sem_op = 1};
    CHECK(semop(queue, &one, 1) == 0);
}
static bool one_is_left(bool ok)
{
    int n = semctl(queue, 0, GETVAL);
    CHECK(semctl(queue, 0, IPC_RMID) == 0);
    return n == !ok;
}
static void new_mq(void)
{
    struct mq_attr a = {.mq_maxmsg = 1, .mq_msgsize = 4};
    (void)mq_unlink("/greenshim-sweep");
    mq = mq_open("/greenshim-sweep", O_RDWR | O_CREAT, 0600, &a);
    CHECK(mq != (mqd_t)-1 && mq_unlink("/greenshim-sweep") == 0);
}
static int by_mq_receive(void)
{
    return result(mq_receive(mq, message.text, 4, NULL));
}
static void mq_put(void)
{
    CHECK(mq_send(mq, "abc", 4, 0) == 0);
}
static bool one_in_mq(bool ok)
{
    struct mq_attr a;
    CHECK(mq_getattr(mq, &a) == 0 && mq_close(mq) == 0);
    return a.mq_curmsgs == !ok;
}
static void new_locked_file(void)
{
    char name[] = "/tmp/greenshim-sweep-XXXXXX";
    ends[0] = mkstemp(name);
    ends[1] = open(name, O_RDWR);
    CHECK(ends[0] >= 0 && ends[1] >= 0 && unlink(name) == 0);
    CHECK(flock(ends[1], LOCK_EX) == 0);
}
static int by_flock(void)
{
    return result(flock(ends[0], LOCK_EX));
}
static void unlock_file(void)
{
    CHECK(flock(ends[1], LOCK_UN) == 0);
}
static bool locked_if_served(bool ok)
{
    return (flock(ends[1], LOCK_EX | LOCK_NB) == 0) == !ok;
}

/* --- processes, signals, time, names --- */

static pid_t child;

static void new_child(void)
{
    new_pipe();
    child = fork();
    if (child == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 7 : 1);
    }
    CHECK(child > 0);
}
static bool has_ended(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == 7;
}
static int by_waitpid(void)
{
    int status = 0;
    int rc = result(waitpid(child, &status, 0));
    CHECK(rc || has_ended(status));
    return rc;
}
static void end_child(void)
{
    CHECK(close(ends[1]) == 0);
    ends[1] = -1;
}
static bool status_is_left(bool ok)
{
    int status = 0;
    pid_t pid = waitpid(child, &status, 0);
    return ok ? pid == -1 && errno == ECHILD : pid == child && has_ended(status);
}
static sigset_t usr1;

static void block_signal(void)
{
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    CHECK(pthread_sigmask(SIG_BLOCK, &usr1, NULL) == 0);
}
static int by_sigwaitinfo(void)
{
    return result(sigwaitinfo(&usr1, NULL));
}
static void signal_process(void)
{
    CHECK(kill(getpid(), SIGUSR1) == 0);
}
static bool signal_is_left(bool ok)
{
    struct timespec none = {0};
    return (sigtimedwait(&usr1, NULL, &none) == SIGUSR1) == !ok;
}
static void nothing(void)
{
}
static bool whatever(bool ok)
{
    (void)ok;
    return true;
}
static int by_nanosleep(void)
{
    struct timespec t = {.tv_nsec = 500000};
    return result(nanosleep(&t, NULL));
}
static int by_pause(void)
{
    return result(pause());
}
/* A name server that never answers. */
static void new_silence(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ends[0] = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(ends[0] >= 0 && bind(ends[0], (struct sockaddr *)&at, sizeof(at)) == 0);
}
static int by_getaddrinfo(void)
{
    struct addrinfo hints = {.ai_family = AF_INET};
    struct addrinfo *found = NULL;
    socklen_t len = sizeof(struct sockaddr_in);
    CHECK(res_init() == 0);
    _res.nscount = 1;
    CHECK(getsockname(ends[0], (struct sockaddr *)&_res.nsaddr_list[0], &len) == 0);
    _res.retrans = 30;
    _res.retry = 1;
    int rc = getaddrinfo("hang.test", NULL, &hints, &found);
    CHECK(rc == EAI_SYSTEM || rc == EAI_AGAIN); /* as libc says when a call of its own has failed */
    return green_timeout_fired(outer) ? OUTER_CODE : CODE;
}

static const struct call calls[] = {
    {"read", new_pipe, by_read, put_byte, one_byte},
    {"recv", new_sockets, by_recv, put_byte, one_byte},
    {"recvmsg", new_sockets, by_recvmsg, put_byte, one_byte},
    {"write", new_full_pipe, by_write, make_room, came_in},
    {"poll", new_pipe, by_poll, put_byte, still_one_byte},
    {"select", new_pipe, by_select, put_byte, still_one_byte},
    {"epoll_wait", new_epoll, by_epoll_wait, put_byte, still_one_byte},
    {"accept", new_listener, by_accept, connect_to_it, connection_is_there},
    {"sem_wait", new_sem, by_sem_wait, post, one_permit},
    {"sem_timedwait", new_sem, by_sem_timedwait, post, one_permit},
    {"pthread_cond_wait", new_cond, by_cond_wait, tell, mutex_is_free},
    {"pthread_join", new_thread, by_join, post, joined_or_to_be_joined},
    {"msgrcv", new_msg, by_msgrcv, send_message, message_is_there},
    {"semop", new_semaphores, by_semop, give, one_is_left},
    {"mq_receive", new_mq, by_mq_receive, mq_put, one_in_mq},
    {"flock", new_locked_file, by_flock, unlock_file, locked_if_served},
    {"waitpid", new_child, by_waitpid, end_child, status_is_left},
    {"sigwaitinfo", block_signal, by_sigwaitinfo, signal_process, signal_is_left},
    {"nanosleep", nothing, by_nanosleep, nothing, whatever},
    {"pause", nothing, by_pause, nothing, whatever},
    {"getaddrinfo", new_silence, by_getaddrinfo, nothing, whatever},
};
enum { N_CALLS = sizeof(calls) / sizeof(calls[0]) };

/* --- the parties --- */

enum { KILL = 1, OUTER = 2 };

static struct greenlet *victim;

static int strike_of(int rc)
{
    return rc == CODE ? KILL : rc == OUTER_CODE ? OUTER : 0;
}

static void *be_victim(void *arg)
{
    outer = way & OUTER ? green_timeout_start_new(LIMIT, OUTER_CODE) : NULL;
    int due = way;
    int rc = call->victim();
    victims_result = rc;
    CHECK(rc == 0 || strike_of(rc) & due);
    due &= ~strike_of(rc);
    while (due) {
        rc = green_sleep(GREEN_S(30));
        CHECK(strike_of(rc) & due);
        due &= ~strike_of(rc);
    }
    CHECK(green_sleep(0) == 0);
    CHECK(!outer || green_timeout_fired(outer));
    green_timeout_free(outer);
    outer = NULL;
    return arg;
}

static void take_turns(int n)
{
    for (int i = 0; i < n; i++) {
        green_sleep(i < 4 ? 0 : ((int64_t)100 * 1000));
    }
}

static void *be_helper(void *arg)
{
    take_turns(2);
    call->serve();
    return arg;
}

static void *be_striker(void *arg)
{
    take_turns(turns);
    if (way & KILL) {
        CHECK(green_kill(victim, CODE, 0) == 0);
    }
    return arg;
}

static struct greenlet *go(void *(*fn)(void *))
{
    struct greenlet *g;
    CHECK(green_spawn(fn, NULL, &g) == 0);
    return g;
}

static void end(struct greenlet *g)
{
    CHECK(green_join(g, GREEN_S(60)) == 0);
    green_unref(g);
}

static void close_all(void)
{
    int *fds[] = {&ends[0], &ends[1], &other};
    for (int i = 0; i < 3; i++) {
        if (*fds[i] >= 0) {
            CHECK(close(*fds[i]) == 0);
            *fds[i] = -1;
        }
    }
}

static void strike(bool striker_first)
{
    victims_result = 1;
    call->prepare();
    victim = go(be_victim);
    struct greenlet *striker = striker_first ? go(be_striker) : NULL;
    struct greenlet *helper = go(be_helper);
    striker = striker ? striker : go(be_striker);
    end(striker);
    end(helper);
    end(victim);
    /* Killed before it ran it has done nothing. */
    CHECK(call->check(victims_result == 0));
    strikes++;
    served += victims_result == 0;
    close_all();
}

int main(int argc, char *argv[])
{
    block_signal();
    for (call = calls; call < calls + N_CALLS; call++) {
        for (way = KILL; way <= (KILL | OUTER); way++) {
            for (turns = 0; turns < 10; turns++) {
                strike(false);
                strike(true);
            }
        }
        printf("%s\n", call->name);
    }
    if (argc > 1 && strcmp(argv[1], "-v") == 0) {
        fprintf(stderr, "%d strikes, %d after the service\n", strikes, served);
    }
    return 0;
}
