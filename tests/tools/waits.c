/*
 * Threads that each wait for something of their own, named for it. Says where things are, then
 * "arranged"; main computes from then on, or crashes if it is asked to: `waits crash`.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define INTO __attribute__((noinline, noclone))

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t of_cond = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_t sleeper;
static sem_t sem;
static int pipes[4][2];
static int peer[2]; /* a connection: both ends */
static int listener;
static int lock_file[2];
static pid_t child;
static volatile int go_on = 1;
static volatile long spins;

INTO static void wait_in_mutex(void)
{
    pthread_mutex_lock(&mutex);
}

INTO static void wait_in_cond(void)
{
    pthread_mutex_lock(&of_cond);
    pthread_cond_wait(&cond, &of_cond);
}

INTO static void wait_in_sem(void)
{
    while (sem_wait(&sem)) {
    }
}

INTO static void wait_in_rwlock(void)
{
    pthread_rwlock_wrlock(&rwlock);
}

INTO static void wait_in_barrier(void)
{
    pthread_barrier_wait(&barrier);
}

INTO static void wait_in_join(void)
{
    pthread_join(sleeper, NULL);
}

INTO static void wait_in_sleep(void)
{
    sleep(1000);
}

INTO static void wait_in_read(void)
{
    char c;
    (void)!read(pipes[0][0], &c, 1);
}

INTO static void wait_in_recv(void)
{
    char c;
    (void)!recv(peer[0], &c, 1, 0);
}

INTO static void wait_in_accept(void)
{
    (void)!accept(listener, NULL, NULL);
}

INTO static void wait_in_poll(void)
{
    struct pollfd p[] = {{.fd = pipes[1][0], .events = POLLIN},
                         {.fd = pipes[2][0], .events = POLLIN}};
    (void)!poll(p, 2, -1);
}

INTO static void wait_in_select(void)
{
    fd_set set;
    struct timeval tv = {.tv_sec = 1000};
    FD_ZERO(&set);
    FD_SET(pipes[3][0], &set);
    (void)!select(pipes[3][0] + 1, &set, NULL, NULL, &tv);
}

INTO static void wait_in_waitpid(void)
{
    (void)!waitpid(child, NULL, 0);
}

INTO static void wait_in_wait(void)
{
    (void)!wait(NULL);
}

INTO static void wait_in_flock(void)
{
    (void)!flock(lock_file[1], LOCK_EX);
}

INTO static void wait_in_sigwait(void)
{
    int sig;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 5);
    sigwait(&set, &sig);
}

static struct {
    const char *name;
    void (*wait)(void);
} waits[] = {
    {"sleep", wait_in_sleep},     {"mutex", wait_in_mutex},   {"cond", wait_in_cond},
    {"sem", wait_in_sem},         {"rwlock", wait_in_rwlock}, {"barrier", wait_in_barrier},
    {"join", wait_in_join},       {"read", wait_in_read},     {"recv", wait_in_recv},
    {"accept", wait_in_accept},   {"poll", wait_in_poll},     {"select", wait_in_select},
    {"waitpid", wait_in_waitpid}, {"wait", wait_in_wait},     {"flock", wait_in_flock},
    {"sigwait", wait_in_sigwait},
};

static void *thread(void *arg)
{
    size_t i = (size_t)arg;
    pthread_setname_np(pthread_self(), waits[i].name);
    waits[i].wait();
    return NULL;
}

INTO static void compute(void)
{
    while (go_on) {
        spins++;
    }
}

static void connect_peers(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(s, (void *)&a, n) || listen(s, 5) || getsockname(s, (void *)&a, &n)) {
        abort();
    }
    peer[1] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(peer[1], (void *)&a, n)) {
        abort();
    }
    peer[0] = accept(s, NULL, NULL);
    if (getsockname(peer[1], (void *)&a, &n)) {
        abort();
    }
    printf("recv descriptor %d\npeer 127.0.0.1:%d\n", peer[0], ntohs(a.sin_port));
    a.sin_port = 0;
    if (bind(listener, (void *)&a, n) || listen(listener, 5)) {
        abort();
    }
    printf("accept descriptor %d\n", listener);
}

int main(int argc, char **argv)
{
    size_t n = sizeof(waits) / sizeof(waits[0]);
    pthread_t t;
    pthread_attr_t attr;
    for (int i = 0; i < 4; i++) {
        if (pipe(pipes[i])) {
            return 1;
        }
    }
    char file[] = "/tmp/waitsXXXXXX";
    lock_file[0] = mkstemp(file);
    lock_file[1] = open(file, O_RDWR);
    unlink(file);
    connect_peers();
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* whoever tests us may kill us */
        for (;;) {
            pause();
        }
    }
    sem_init(&sem, 0, 0);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128 << 10);
    pthread_mutex_lock(&mutex);
    pthread_rwlock_rdlock(&rwlock);
    flock(lock_file[0], LOCK_EX);
    for (size_t i = 0; i < n; i++) {
        if (pthread_create(i ? &t : &sleeper, &attr, thread, (void *)i)) {
            return 1;
        }
    }
    long more = argc > 2 ? atol(argv[2]) : 0;
    for (long i = 0; i < more; i++) {
        pthread_create(&t, &attr, thread, (void *)3); /* "sem" */
    }
    usleep(300000);
    printf("read descriptor %d\npoll descriptors %d %d\nselect descriptor %d\nchild %d\n",
           pipes[0][0], pipes[1][0], pipes[2][0], pipes[3][0], child);
    printf("arranged\n");
    fflush(stdout);
    if (argc > 1 && strcmp(argv[1], "crash") == 0) {
        abort();
    }
    if (argc > 1 && strcmp(argv[1], "pause") == 0) {
        sleep(1000);
    }
    compute();
    return 0;
}
