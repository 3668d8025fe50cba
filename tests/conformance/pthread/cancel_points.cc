/* Which calls act upon a request to cancel that is pending when they begin, though none of them
   would wait: prints one line for each. The native run says what is right. */
/* TIMEOUT: 60 */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <aio.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <termios.h>
#include <threads.h>

/* Made anew for each call. */
static int file, pipes[2], full[2], socks[2], udp, event, epoll;
static char buf[64] = "text";
static struct iovec iov = {buf, 4};
static struct msghdr msg;
static struct mmsghdr mmsg;
static struct sockaddr_in addr;
static socklen_t addr_len;
static int listener;
static sem_t sem;
static pthread_mutex_t lock;
static pthread_cond_t cond;
static pthread_rwlock_t rwlock;
static pthread_barrier_t barrier;
static pthread_spinlock_t spin;
static pthread_once_t once;
static pthread_t other;
static struct timespec zero, past;
static struct timeval no_time;
static int queue_id, sem_id;
static mqd_t mq;
static sigset_t usr1;
static FILE *out, *in;
static int child;
static struct aiocb aio;
static void *page;
static int went_on;

static void nothing()
{
}

static void *ends_at_once(void *arg)
{
    return arg;
}

static void set_up()
{
    static int serial;
    char name[40];
    struct mq_attr attr = {};

    snprintf(name, sizeof(name), "file%d", ++serial);
    file = (int)SYS(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));
    SYS(write(file, "abcdefgh", 8));
    SYS(lseek(file, 0, SEEK_SET));
    pipe_pair(pipes);
    SYS(write(pipes[1], "abcdefgh", 8));
    pipe_pair(full);
    unix_pair(socks);
    SYS(write(socks[1], "abcdefgh", 8));
    uint16_t port;
    listener = tcp_listen(4, &port);
    addr.sin_family = AF_INET;
    addr.sin_port = htons(port);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    addr_len = sizeof(addr);
    udp = (int)SYS(socket(AF_INET, SOCK_STREAM, 0));
    SYS(connect(udp, (struct sockaddr *)&addr, addr_len));
    event = (int)SYS(eventfd(3, 0));
    epoll = (int)SYS(epoll_create1(0));
    msg = {};
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    mmsg.msg_hdr = msg;
    SYS(sem_init(&sem, 0, 1));
    CHECK_RC(pthread_mutex_init(&lock, NULL), 0);
    CHECK_RC(pthread_cond_init(&cond, NULL), 0);
    CHECK_RC(pthread_rwlock_init(&rwlock, NULL), 0);
    CHECK_RC(pthread_barrier_init(&barrier, NULL, 1), 0);
    pthread_spin_init(&spin, 0);
    once = PTHREAD_ONCE_INIT;
    queue_id = (int)SYS(msgget(IPC_PRIVATE, 0600));
    sem_id = (int)SYS(semget(IPC_PRIVATE, 1, 0600));
    attr.mq_maxmsg = 2;
    attr.mq_msgsize = 8;
    snprintf(name, sizeof(name), "/points%d-%d", getpid(), serial);
    mq = (mqd_t)SYS(mq_open(name, O_RDWR | O_CREAT, 0600, &attr));
    mq_unlink(name);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    out = fdopen(dup(full[1]), "w");
    in = fdopen(dup(pipes[0]), "r");
    child = 0;
    aio = {};
    aio.aio_fildes = file;
    aio.aio_buf = buf;
    aio.aio_nbytes = 4;
    went_on = 0;
}

static void tear_down()
{
    msgctl(queue_id, IPC_RMID, NULL);
    semctl(sem_id, 0, IPC_RMID);
    mq_close(mq);
    for (int fd = 3; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            close(fd);
}

struct point {
    const char *name;
    void (*call)();
};

static void *body(void *arg)
{
    const struct point *p = (const struct point *)arg;

    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cancel(pthread_self());
    if (strncmp(p->name, "sigwait", 7) == 0 || strncmp(p->name, "sigtimed", 8) == 0)
        pthread_kill(pthread_self(), SIGUSR1);
    if (strstr(p->name, "wait4") || strstr(p->name, "waitpid") || strstr(p->name, "waitid")) {
        child = fork();
        if (child == 0)
            _exit(0);
    }
    if (strstr(p->name, "join")) {
        other = start(ends_at_once, NULL);
        settle();
    }
    if (strncmp(p->name, "cond", 4) == 0)
        pthread_mutex_lock(&lock);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    p->call();
    went_on = 1;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    return NULL;
}

static char text[1000];
#define P(name, ...)                                                                               \
    {                                                                                              \
        name, [] { (void)(__VA_ARGS__); }                                                          \
    }

static const struct point points[] = {
    P("read", read(pipes[0], buf, 4)),
    P("read file", read(file, buf, 4)),
    P("read of nothing", read(pipes[0], buf, 0)),
    P("read bad", read(-1, buf, 4)),
    P("write", write(pipes[1], buf, 4)),
    P("write file", write(file, buf, 4)),
    P("readv", readv(pipes[0], &iov, 1)),
    P("writev", writev(pipes[1], &iov, 1)),
    P("pread", pread(file, buf, 4, 0)),
    P("pwrite", pwrite(file, buf, 4, 0)),
    P("preadv", preadv(file, &iov, 1, 0)),
    P("pwritev", pwritev(file, &iov, 1, 0)),
    P("preadv2", preadv2(file, &iov, 1, 0, 0)),
    P("preadv2 -1", preadv2(pipes[0], &iov, 1, -1, 0)),
    P("pwritev2", pwritev2(file, &iov, 1, 0, 0)),
    P("open", open("opened", O_RDWR | O_CREAT, 0600)),
    P("open missing", open("missing", O_RDONLY)),
    P("openat", openat(AT_FDCWD, "opened", O_RDWR | O_CREAT, 0600)),
    P("creat", creat("opened", 0600)),
    P("close", close(dup(file))),
    P("close bad", close(-1)),
    P("dup", dup(file)),
    P("fcntl F_GETFL", fcntl(file, F_GETFL)),
    P("fcntl F_SETLK",
      [] {
          struct flock l = {};
          l.l_type = F_WRLCK;
          return fcntl(file, F_SETLK, &l);
      }()),
    P("fcntl F_SETLKW",
      [] {
          struct flock l = {};
          l.l_type = F_WRLCK;
          return fcntl(file, F_SETLKW, &l);
      }()),
    P("fcntl F_OFD_SETLKW",
      [] {
          struct flock l = {};
          l.l_type = F_WRLCK;
          return fcntl(file, F_OFD_SETLKW, &l);
      }()),
    P("lockf", lockf(file, F_LOCK, 0)),
    P("lockf F_TLOCK", lockf(file, F_TLOCK, 0)),
    P("flock", flock(file, LOCK_EX)),
    P("ioctl", ioctl(pipes[0], FIONREAD, buf)),
    P("lseek", lseek(file, 0, SEEK_SET)),
    P("fsync", fsync(file)),
    P("fdatasync", fdatasync(file)),
    P("sync_file_range", sync_file_range(file, 0, 4, SYNC_FILE_RANGE_WRITE)),
    P("msync", msync(page, 4096, MS_SYNC)),
    P("fallocate", fallocate(file, 0, 0, 100)),
    P("posix_fallocate", posix_fallocate(file, 0, 100)),
    P("ftruncate", ftruncate(file, 10)),
    P("copy_file_range",
      [] {
          off64_t a = 0, b = 4;
          return copy_file_range(file, &a, file, &b, 4, 0);
      }()),
    P("sendfile", sendfile(socks[0], file, NULL, 4)),
    P("splice", splice(pipes[0], NULL, full[1], NULL, 4, 0)),
    P("tee", tee(pipes[0], full[1], 4, 0)),
    P("vmsplice", vmsplice(full[1], &iov, 1, 0)),
    P("accept", accept(listener, NULL, NULL)),
    P("accept4", accept4(listener, NULL, NULL, 0)),
    P("connect",
      [] {
          int fd = socket(AF_INET, SOCK_STREAM, 0);
          return connect(fd, (struct sockaddr *)&addr, addr_len);
      }()),
    P("send", send(socks[0], buf, 4, 0)),
    P("sendto", sendto(socks[0], buf, 4, 0, NULL, 0)),
    P("sendmsg", sendmsg(socks[0], &msg, 0)),
    P("sendmmsg", sendmmsg(socks[0], &mmsg, 1, 0)),
    P("recv", recv(socks[0], buf, 4, 0)),
    P("recvfrom", recvfrom(socks[0], buf, 4, 0, NULL, NULL)),
    P("recvmsg", recvmsg(socks[0], &msg, 0)),
    P("recvmmsg", recvmmsg(socks[0], &mmsg, 1, 0, NULL)),
    P("recv MSG_DONTWAIT", recv(socks[1], buf, 4, MSG_DONTWAIT)),
    P("socket", socket(AF_UNIX, SOCK_STREAM, 0)),
    P("shutdown", shutdown(socks[0], SHUT_WR)),
    P("setsockopt",
      [] {
          int one = 1;
          return setsockopt(socks[0], SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
      }()),
    P("poll 0",
      [] {
          struct pollfd p = {pipes[0], POLLIN, 0};
          return poll(&p, 1, 0);
      }()),
    P("poll ready",
      [] {
          struct pollfd p = {pipes[0], POLLIN, 0};
          return poll(&p, 1, -1);
      }()),
    P("ppoll",
      [] {
          struct pollfd p = {pipes[0], POLLIN, 0};
          return ppoll(&p, 1, &zero, NULL);
      }()),
    P("select", select(0, NULL, NULL, NULL, &no_time)),
    P("pselect", pselect(0, NULL, NULL, NULL, &zero, NULL)),
    P("epoll_wait",
      [] {
          struct epoll_event e;
          return epoll_wait(epoll, &e, 1, 0);
      }()),
    P("epoll_pwait",
      [] {
          struct epoll_event e;
          return epoll_pwait(epoll, &e, 1, 0, NULL);
      }()),
    P("epoll_ctl",
      [] {
          struct epoll_event e = {};
          return epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &e);
      }()),
    P("eventfd_read",
      [] {
          eventfd_t v;
          return eventfd_read(event, &v);
      }()),
    P("eventfd_write", eventfd_write(event, 1)),
    P("nanosleep 0", nanosleep(&zero, NULL)),
    P("nanosleep bad",
      [] {
          struct timespec bad = {0, -1};
          return nanosleep(&bad, NULL);
      }()),
    P("clock_nanosleep 0", clock_nanosleep(CLOCK_MONOTONIC, 0, &zero, NULL)),
    P("clock_nanosleep past", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, NULL)),
    P("sleep 0", sleep(0)),
    P("usleep 0", usleep(0)),
    P("thrd_sleep 0", thrd_sleep(&zero, NULL)),
    P("sched_yield", sched_yield()),
    P("thrd_yield", thrd_yield()),
    P("sigwait",
      [] {
          int sig;
          return sigwait(&usr1, &sig);
      }()),
    P("sigwaitinfo", sigwaitinfo(&usr1, NULL)),
    P("sigtimedwait", sigtimedwait(&usr1, NULL, &zero)),
    P("sigpending",
      [] {
          sigset_t s;
          return sigpending(&s);
      }()),
    P("pthread_sigmask", pthread_sigmask(SIG_BLOCK, &usr1, NULL)),
    P("raise", raise(SIGURG)),
    P("kill", kill(getpid(), SIGURG)),
    P("wait4", wait4(child, NULL, 0, NULL)),
    P("waitpid", waitpid(child, NULL, 0)),
    P("waitpid WNOHANG", waitpid(child, NULL, WNOHANG)),
    P("waitid",
      [] {
          siginfo_t i;
          return waitid(P_PID, child, &i, WEXITED);
      }()),
    P("wait of nobody", wait(NULL)),
    P("system", system("true")),
    P("system NULL", system(NULL)),
    P("popen pclose",
      [] {
          FILE *f = popen("true", "r");
          return f ? pclose(f) : -1;
      }()),
    P("join", pthread_join(other, NULL)),
    P("tryjoin", pthread_tryjoin_np(other, NULL)),
    P("timedjoin", pthread_timedjoin_np(other, NULL, &past)),
    P("thrd_join", thrd_join(other, NULL)),
    P("detach", pthread_detach(start(ends_at_once, NULL))),
    P("cond_wait", pthread_cond_wait(&cond, &lock)),
    P("cond_timedwait", pthread_cond_timedwait(&cond, &lock, &past)),
    P("cond_clockwait", pthread_cond_clockwait(&cond, &lock, CLOCK_MONOTONIC, &past)),
    P("cond_timedwait bad",
      [] {
          struct timespec bad = {0, -1};
          return pthread_cond_timedwait(&cond, &lock, &bad);
      }()),
    P("cnd_wait",
      [] {
          pthread_mutex_lock(&lock);
          return cnd_timedwait((cnd_t *)&cond, (mtx_t *)&lock, &past);
      }()),
    P("cond_signal", pthread_cond_signal(&cond)),
    P("mutex_lock", pthread_mutex_lock(&lock)),
    P("mutex_timedlock", pthread_mutex_timedlock(&lock, &past)),
    P("mutex_trylock", pthread_mutex_trylock(&lock)),
    P("rwlock_rdlock", pthread_rwlock_rdlock(&rwlock)),
    P("rwlock_wrlock", pthread_rwlock_wrlock(&rwlock)),
    P("barrier_wait", pthread_barrier_wait(&barrier)),
    P("spin_lock", pthread_spin_lock(&spin)),
    P("once", pthread_once(&once, nothing)),
    P("sem_wait", sem_wait(&sem)),
    P("sem_timedwait", sem_timedwait(&sem, &past)),
    P("sem_timedwait bad",
      [] {
          struct timespec bad = {0, -1};
          return sem_timedwait(&sem, &bad);
      }()),
    P("sem_trywait", sem_trywait(&sem)),
    P("sem_post", sem_post(&sem)),
    P("testcancel", pthread_testcancel()),
    P("setcanceltype deferred", pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL)),
    P("setcanceltype asynchronous", pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL)),
    P("mq_send", mq_send(mq, buf, 4, 0)),
    P("mq_timedsend", mq_timedsend(mq, buf, 4, 0, &past)),
    P("mq_timedreceive", mq_timedreceive(mq, buf, 8, NULL, &past)),
    P("mq_getattr",
      [] {
          struct mq_attr a;
          return mq_getattr(mq, &a);
      }()),
    P("msgsnd",
      [] {
          struct {
              long type;
              char text[4];
          } m = {1, "hi"};
          return msgsnd(queue_id, &m, 4, 0);
      }()),
    P("msgrcv",
      [] {
          struct {
              long type;
              char text[4];
          } m;
          return msgrcv(queue_id, &m, 4, 0, IPC_NOWAIT);
      }()),
    P("semop",
      [] {
          struct sembuf b = {0, 1, 0};
          return semop(sem_id, &b, 1);
      }()),
    P("aio_suspend",
      [] {
          const struct aiocb *l[] = {NULL};
          return aio_suspend(l, 1, &zero);
      }()),
    P("tcdrain", tcdrain(pipes[0])),
    P("getrandom", getrandom(buf, 4, 0)),
    P("getentropy", getentropy(buf, 4)),
    P("fprintf buffered", fprintf(out, "hello")),
    P("fflush empty", fflush(out)),
    P("fprintf fflush",
      [] {
          fprintf(out, "hello");
          return fflush(out);
      }()),
    P("fputs unbuffered",
      [] {
          setvbuf(out, NULL, _IONBF, 0);
          return fputs("hello", out);
      }()),
    P("fgetc", fgetc(in)),
    P("fread", fread(buf, 1, 4, in)),
    P("fgets", fgets(buf, 4, in)),
    P("getline",
      [] {
          char *l = NULL;
          size_t n = 0;
          ungetc('\n', in);
          return getline(&l, &n, in);
      }()),
    P("fopen", fopen("opened", "w")),
    P("fopen missing", fopen("missing", "r")),
    P("fclose", fclose(out)),
    P("fclose written",
      [] {
          fputs("x", out);
          return fclose(out);
      }()),
    P("perror",
      [] {
          fclose(stderr);
          perror("x");
      }()),
    P("opendir",
      [] {
          DIR *d = opendir(".");
          readdir(d);
          return closedir(d);
      }()),
    P("getpwnam", getpwnam("root")),
    P("getpwuid_r",
      [] {
          struct passwd p, *q;
          return getpwuid_r(0, &p, text, sizeof(text), &q);
      }()),
    P("getaddrinfo numeric",
      [] {
          struct addrinfo *a;
          return getaddrinfo("127.0.0.1", "80", NULL, &a);
      }()),
    P("gethostname", gethostname(text, 100)),
    P("stat",
      [] {
          struct stat s;
          return stat(".", &s);
      }()),
    P("access", access(".", R_OK)),
    P("unlink", unlink("missing")),
    P("rename", rename("missing", "other")),
    P("mkstemp",
      [] {
          char t[] = "tmpXXXXXX";
          return mkstemp(t);
      }()),
    P("tmpfile", tmpfile()),
    P("malloc", free(malloc(100000))),
    P("clock_gettime",
      [] {
          struct timespec t;
          return clock_gettime(CLOCK_REALTIME, &t);
      }()),
    P("strftime",
      [] {
          time_t t = 0;
          struct tm tm;
          localtime_r(&t, &tm);
          return strftime(text, 100, "%c", &tm);
      }()),
    P("setlocale", setlocale(LC_ALL, "C")),
    P("syscall read", syscall(SYS_read, pipes[0], buf, 4)),
    P("syscall write", syscall(SYS_write, pipes[1], buf, 4)),
    P("timerfd_settime",
      [] {
          struct itimerspec i = {};
          int fd = timerfd_create(CLOCK_MONOTONIC, 0);
          return timerfd_settime(fd, 0, &i, NULL);
      }()),
    P("fork",
      [] {
          int pid = fork();
          if (pid == 0)
              _exit(0);
          return pid;
      }()),
    P("syslog",
      [] {
          openlog("x", 0, LOG_USER);
          closelog();
      }()),
};

int test_main(void)
{
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    past.tv_sec = 1;
    signal(SIGCHLD, SIG_DFL);
    for (const struct point &p : points) {
        set_up();
        void *result = finish(start(body, (void *)&p));
        CHECK(result == (went_on ? NULL : PTHREAD_CANCELED));
        while (waitpid(-1, NULL, 0) > 0)
            ;
        tear_down();
        printf("%-28s %s\n", p.name, went_on ? "went on" : "acted");
        fflush(stdout);
    }
    return 0;
}
