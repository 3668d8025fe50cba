/* libc's functions called through pointers from dlsym on its own handle, and through pointers that
   libc itself was given or gives out: each waits while others run. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <dlfcn.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void *libc;
static int fds[2];
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int holding;

static void *pointer(const char *name)
{
    void *fn = dlsym(libc, name);

    if (!fn)
        test_fail(__FILE__, __LINE__, "%s: %s", name, dlerror());
    return fn;
}

#define LIBC(name) (__extension__(__typeof__(&(name))) pointer(#name))

static void *posts(void *arg)
{
    sleep_ms(60);
    SYS(sem_post(&sem));
    return arg;
}

static void *holds(void *arg)
{
    pthread_mutex_lock(&mutex);
    flag_set(&holding, 1);
    sleep_ms(60);
    pthread_mutex_unlock(&mutex);
    return arg;
}

static void *sleeps(void *arg)
{
    sleep_ms(60);
    return arg;
}

int test_main(void)
{
    struct timespec ts = ts_of_ms(50);
    struct pollfd pfd;
    pthread_t thread;
    char data[16];
    int status;

    libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    CHECK(libc);
    unix_pair(fds);
    SYS(sem_init(&sem, 0, 0));
    pfd = (struct pollfd){.fd = fds[0], .events = POLLIN};

    struct {
        const char *name;
        ssize_t (*fn)(int, void *, size_t);
    } reads[] = {{"read", 0}, {"__read", 0}};
    for (int i = 0; i < 2; i++) {
        *(void **)&reads[i].fn = pointer(reads[i].name);
        OTHERS_RUN(60, {
            thread = write_after(fds[1], "abc", 60);
            CHECK_EQ(reads[i].fn(fds[0], data, sizeof(data)), 3);
        });
        finish(thread);
    }
    OTHERS_RUN(60, {
        thread = write_after(fds[1], "abc", 60);
        CHECK_EQ(LIBC(poll)(&pfd, 1, -1), 1);
        CHECK_EQ(LIBC(recv)(fds[0], data, sizeof(data), 0), 3);
    });
    finish(thread);
    OTHERS_RUN(50, CHECK_EQ(LIBC(usleep)(50000), 0));
    OTHERS_RUN(50, CHECK_EQ(LIBC(nanosleep)(&ts, NULL), 0));
    OTHERS_RUN(50, CHECK_EQ(LIBC(clock_nanosleep)(CLOCK_MONOTONIC, 0, &ts, NULL), 0));
    OTHERS_RUN(60, {
        thread = start(posts, NULL);
        CHECK_EQ(LIBC(sem_wait)(&sem), 0);
    });
    finish(thread);
    OTHERS_RUN(50, {
        thread = start(holds, NULL);
        flag_wait(&holding, 1);
        CHECK_RC(LIBC(pthread_mutex_lock)(&mutex), 0);
        CHECK_RC(LIBC(pthread_mutex_unlock)(&mutex), 0);
        finish(thread);
    });
    OTHERS_RUN(60, {
        CHECK_RC(LIBC(pthread_create)(&thread, NULL, sleeps, &sem), 0);
        CHECK_RC(LIBC(pthread_join)(thread, NULL), 0);
    });
    OTHERS_RUN(100, {
        pid_t pid = (pid_t)SYS(LIBC(fork)());
        if (pid == 0) {
            LIBC(usleep)(100000);
            _exit(3);
        }
        CHECK_EQ(LIBC(waitpid)(pid, &status, 0), pid);
    });
    CHECK_EQ(status, 3 << 8);
    /* the versioned name */
    int (*versioned)(useconds_t);
    *(void **)&versioned = dlvsym(libc, "usleep", "GLIBC_2.2.5");
    if (versioned)
        OTHERS_RUN(50, CHECK_EQ(versioned(50000), 0));
    return 0;
}
