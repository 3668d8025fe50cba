/* Thread ids: distinct, usable in every call that takes one, the process's own in the main thread
   and in a forked child. */
#include "testlib.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { COUNT = 40 };

static pid_t ids[COUNT];
static int ready, go;
static pid_t handled_by;
static int handled;

static void *body(void *arg)
{
    int i = (int)(intptr_t)arg;

    ids[i] = gettid();
    flag_add(&ready, 1);
    flag_wait(&go, 1);
    CHECK_EQ(gettid(), ids[i]);
    CHECK_EQ(syscall(SYS_gettid), ids[i]);
    return NULL;
}

static void distinct(void)
{
    pthread_t threads[COUNT];

    for (int i = 0; i < COUNT; i++)
        threads[i] = start(body, (void *)(intptr_t)i);
    flag_wait(&ready, COUNT);
    CHECK_EQ(gettid(), getpid());
    for (int i = 0; i < COUNT; i++) {
        CHECK_GE(ids[i], 1);
        CHECK(ids[i] != getpid());
        for (int j = 0; j < i; j++)
            CHECK(ids[i] != ids[j]);
    }
    flag_set(&go, 1);
    for (int i = 0; i < COUNT; i++)
        finish(threads[i]);
    for (int i = 0; i < COUNT; i++) {
        CHECK_ERRNO(tgkill(getpid(), ids[i], 0), ESRCH);
        CHECK_ERRNO(syscall(SYS_tkill, ids[i], SIGUSR1), ESRCH);
    }
}

static void handler(int sig, siginfo_t *info, void *context)
{
    CHECK_EQ(sig, SIGUSR1);
    CHECK_EQ(info->si_pid, getpid());
    CHECK(context);
    handled_by = gettid();
    flag_add(&handled, 1);
}

static void *target(void *arg)
{
    flag_set(arg, gettid());
    flag_wait(&go, 1);
    return NULL;
}

static int readable(const char *format, pid_t tid)
{
    char path[80], text[400];
    int fd;

    snprintf(path, sizeof(path), format, tid);
    fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    CHECK_GE(read(fd, text, sizeof(text)), 1);
    close(fd);
    return 1;
}

static void from_outside(void)
{
    struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sched_param param;
    struct timespec interval;
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE, .si_pid = getpid()};
    cpu_set_t set;
    FILE *file;
    char path[80];
    int tid = 0;

    flag_set(&go, 0);
    SYS(sigaction(SIGUSR1, &act, NULL));
    pthread_t thread = start(target, &tid);
    flag_wait(&tid, 1);

    SYS(tgkill(getpid(), tid, SIGUSR1));
    flag_wait(&handled, 1);
    CHECK_EQ(handled_by, tid);
    SYS(syscall(SYS_tkill, tid, SIGUSR1));
    flag_wait(&handled, 2);
    CHECK_EQ(handled_by, tid);
    SYS(syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, SIGUSR1, &info));
    flag_wait(&handled, 3);
    CHECK_EQ(handled_by, tid);
    CHECK_RC(pthread_kill(thread, SIGUSR1), 0);
    flag_wait(&handled, 4);
    CHECK_EQ(handled_by, tid);
    SYS(tgkill(getpid(), getpid(), SIGUSR1));
    flag_wait(&handled, 5);
    CHECK_EQ(handled_by, getpid());

    SYS(kill(tid, 0));
    CHECK_ERRNO(tgkill(getpid(), tid, 100), EINVAL);
    CHECK_EQ(getpgid(tid), getpgid(0));
    CHECK_EQ(getsid(tid), getsid(0));
    SYS(sched_getaffinity(tid, sizeof(set), &set));
    CHECK_GE(CPU_COUNT(&set), 1);
    CHECK_EQ(sched_getscheduler(tid), SCHED_OTHER);
    SYS(sched_getparam(tid, &param));
    CHECK_EQ(param.sched_priority, 0);
    SYS(sched_rr_get_interval(tid, &interval));
    errno = 0;
    CHECK_EQ(getpriority(PRIO_PROCESS, tid), getpriority(PRIO_PROCESS, 0));
    CHECK_EQ(errno, 0);
    CHECK(readable("/proc/self/task/%d/stat", tid));
    CHECK(readable("/proc/self/task/%d/status", tid));
    CHECK(readable("/proc/%d/stat", tid));
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    file = fopen(path, "r");
    CHECK(file);
    fclose(file);

    flag_set(&go, 1);
    finish(thread);
}

static int child(void *arg)
{
    CHECK_EQ(gettid(), getpid());
    CHECK_EQ(syscall(SYS_gettid), getpid());
    CHECK(gettid() != (intptr_t)arg);
    pid_t own = 0;
    go = 1;
    finish(start(target, &own));
    CHECK(own != getpid());
    CHECK_GE(own, 1);
    return 0;
}

static void *forks(void *arg)
{
    pid_t own = gettid();

    CHECK_EQ(run_child(child, (void *)(intptr_t)own), 0);
    CHECK_EQ(gettid(), own);
    return arg;
}

static int id_word = 1;

static void *has_id_word(void *arg)
{
    CHECK_EQ(syscall(SYS_set_tid_address, &id_word), gettid());
    return arg;
}

/* At the end of a thread a word of its choice is cleared and woken. */
static void cleared_at_the_end(void)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    CHECK_RC(pthread_create(&thread, &attr, has_id_word, NULL), 0);
    while (flag_get(&id_word))
        syscall(SYS_futex, &id_word, FUTEX_WAIT, 1, NULL);
    pthread_attr_destroy(&attr);
}

/* libc keeps the owner's id in a mutex. */
static void *owns(void *arg)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&lock);
    CHECK_EQ(lock.__data.__owner, gettid());
    pthread_mutex_unlock(&lock);
    return arg;
}

int test_main(void)
{
    distinct();
    from_outside();
    finish(start(forks, NULL));
    finish(start(owns, NULL));
    owns(NULL);
    cleared_at_the_end();
    return 0;
}
