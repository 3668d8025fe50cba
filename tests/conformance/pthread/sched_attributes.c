/* Scheduling attributes of each thread: kept, inherited and reported; what may not be set is
   refused, when setting them and when creating a thread. */
#include "testlib.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static int ready, go;
static pid_t id;

struct shown {
    int policy, priority, nice, n_cpus, policy_by_id, nice_by_id;
};

static struct shown look(pthread_t thread, pid_t tid)
{
    struct sched_param param = {-1};
    struct shown s;
    cpu_set_t set;

    CHECK_RC(pthread_getschedparam(thread, &s.policy, &param), 0);
    s.priority = param.sched_priority;
    s.policy_by_id = sched_getscheduler(tid);
    SYS(sched_getparam(tid, &param));
    CHECK_EQ(param.sched_priority, s.priority);
    errno = 0;
    s.nice = getpriority(PRIO_PROCESS, tid);
    CHECK_EQ(errno, 0);
    s.nice_by_id = 20 - (int)syscall(SYS_getpriority, PRIO_PROCESS, tid);
    CHECK_RC(pthread_getaffinity_np(thread, sizeof(set), &set), 0);
    s.n_cpus = CPU_COUNT(&set);
    SYS(sched_getaffinity(tid, sizeof(set), &set));
    CHECK_EQ(CPU_COUNT(&set), s.n_cpus);
    return s;
}

static void say(const char *what, pthread_t thread, pid_t tid)
{
    struct shown s = look(thread, tid);

    printf("%-34s policy %d %d priority %d nice %d %d cpus %d\n", what, s.policy, s.policy_by_id,
           s.priority, s.nice, s.nice_by_id, s.n_cpus);
}

static void *waits(void *arg)
{
    flag_set(&id, gettid());
    say(arg, pthread_self(), 0);
    flag_set(&ready, 1);
    flag_wait(&go, 1);
    return NULL;
}

static void *sets_own(void *arg)
{
    struct sched_param param = {0};
    cpu_set_t set;

    say("before", pthread_self(), 0);
    printf("setpriority 5: %d\n", setpriority(PRIO_PROCESS, 0, 5));
    printf("SCHED_BATCH: %d\n", pthread_setschedparam(pthread_self(), SCHED_BATCH, &param));
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    printf("one cpu: %d\n", sched_setaffinity(0, sizeof(set), &set));
    say("own settings", pthread_self(), 0);
    flag_set(&ready, 0);
    pthread_t child = start(waits, "inherited");
    flag_wait(&ready, 1);
    say("child seen from outside", child, flag_get(&id));
    flag_set(&go, 1);
    finish(child);
    errno = 0;
    CHECK_EQ(nice(2), 7);
    say("nice 2", pthread_self(), gettid());
    CPU_ZERO(&set);
    CHECK_RC(pthread_setaffinity_np(pthread_self(), sizeof(set), &set), EINVAL);
    CHECK_RC(pthread_setschedprio(pthread_self(), 50), EINVAL);
    CHECK_RC(pthread_setschedparam(pthread_self(), 77, &param), EINVAL);
    param.sched_priority = 1;
    CHECK_RC(pthread_setschedparam(pthread_self(), SCHED_OTHER, &param), EINVAL);
    CHECK_RC(pthread_setschedparam(pthread_self(), SCHED_FIFO, &(struct sched_param){0}), EINVAL);
    return arg;
}

static void *reports(void *arg)
{
    say(arg, pthread_self(), 0);
    return NULL;
}

static void real_time(void)
{
    struct sched_param param = {.sched_priority = 7};
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    CHECK_RC(pthread_attr_init(&attr), 0);
    CHECK_RC(pthread_attr_setschedpolicy(&attr, SCHED_RR), 0);
    CHECK_RC(pthread_attr_setschedparam(&attr, &param), 0);
    CHECK_RC(pthread_create(&thread, &attr, reports, "inherits in spite of attributes"), 0);
    finish(thread);
    CHECK_RC(pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED), 0);
    rc = pthread_create(&thread, &attr, reports, "real-time by attributes");
    if (rc == 0)
        finish(thread);
    printf("create with SCHED_RR: %s\n", strerror(rc));
    CHECK_RC(pthread_attr_destroy(&attr), 0);

    flag_set(&ready, 0);
    flag_set(&go, 0);
    thread = start(waits, "to become real-time");
    flag_wait(&ready, 1);
    printf("SCHED_FIFO: %s\n", strerror(pthread_setschedparam(thread, SCHED_FIFO, &param)));
    say("after", thread, flag_get(&id));
    printf("setschedprio: %s\n", strerror(pthread_setschedprio(thread, 3)));
    say("after", thread, flag_get(&id));
    CHECK_ERRNO(sched_setscheduler(flag_get(&id), SCHED_RR, &(struct sched_param){200}), EINVAL);
    flag_set(&go, 1);
    finish(thread);
}

static void affinity(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    cpu_set_t set, none;

    CPU_ZERO(&none);
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    CHECK_RC(pthread_attr_init(&attr), 0);
    CHECK_RC(pthread_attr_setaffinity_np(&attr, sizeof(set), &set), 0);
    CHECK_RC(pthread_create(&thread, &attr, reports, "one cpu by attributes"), 0);
    finish(thread);
    CHECK_RC(pthread_attr_setaffinity_np(&attr, sizeof(none), &none), 0);
    CHECK_RC(pthread_create(&thread, &attr, reports, "no cpu"), EINVAL);
    CHECK_RC(pthread_attr_destroy(&attr), 0);
}

static int unprivileged(void *arg)
{
    if (geteuid() == 0)
        SYS(setuid(65534));
    real_time();
    fflush(stdout);
    return arg != NULL;
}

/* The child's only thread has what the thread that forked had. */
static int inherits_by_fork(void *arg)
{
    say("forked", pthread_self(), 0);
    fflush(stdout);
    return arg != NULL;
}

static void *sets_and_forks(void *arg)
{
    SYS(setpriority(PRIO_PROCESS, 0, 4));
    fflush(stdout);
    CHECK_EQ(run_child(inherits_by_fork, NULL), 0);
    return arg;
}

int test_main(void)
{
    finish(start(sets_own, NULL));
    say("main thread untouched", pthread_self(), 0);
    real_time();
    affinity();
    finish(start(sets_and_forks, NULL));
    fflush(stdout);
    CHECK_EQ(run_child(unprivileged, NULL), 0);
    say("main thread untouched", pthread_self(), getpid());
    CHECK_EQ(pthread_setconcurrency(3), 0);
    CHECK_EQ(pthread_getconcurrency(), 3);
    return 0;
}
