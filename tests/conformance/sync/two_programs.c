/* Objects shared by two programs, each with several threads, that were started apart: with and
   without whatever is preloaded here, in all four combinations. */
/* TIMEOUT: 120 */
#include "testlib.h"

#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { THREADS = 3, ALL = 2 * THREADS, MUTEXES = 6 };
enum { LOCKS = 60, TURNS = 20, ROUNDS = 40, WRITES = 40 };

static struct shared {
    pthread_mutex_t mutex[MUTEXES];
    pthread_cond_t cond;
    pthread_mutex_t guard; /* of the condition */
    pthread_rwlock_t rwlock;
    pthread_barrier_t barrier;
    sem_t sem[2];
    char name[2][32]; /* of semaphores */
    int inside[MUTEXES], locked[MUTEXES];
    int turn, items, taken;
    int left, right;
    int serial[ROUNDS], arrived[ROUNDS];
} * shared;

static void make_mutexes(void)
{
    static const int type[MUTEXES] = {PTHREAD_MUTEX_NORMAL,     PTHREAD_MUTEX_RECURSIVE,
                                      PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_NORMAL,
                                      PTHREAD_MUTEX_RECURSIVE,  PTHREAD_MUTEX_NORMAL};
    for (int i = 0; i < MUTEXES; i++) {
        pthread_mutexattr_t attr;
        CHECK_RC(pthread_mutexattr_init(&attr), 0);
        CHECK_RC(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
        CHECK_RC(pthread_mutexattr_settype(&attr, type[i]), 0);
        if (i == 3 || i == 4)
            CHECK_RC(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), 0);
        if (i == 5)
            CHECK_RC(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT), 0);
        CHECK_RC(pthread_mutex_init(&shared->mutex[i], &attr), 0);
        if (i == 0)
            CHECK_RC(pthread_mutex_init(&shared->guard, &attr), 0);
    }
}

static void make(void)
{
    pthread_condattr_t ca;
    pthread_rwlockattr_t ra;
    pthread_barrierattr_t ba;

    memset(shared, 0, sizeof(*shared));
    make_mutexes();
    CHECK_RC(pthread_condattr_init(&ca), 0);
    CHECK_RC(pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED), 0);
    CHECK_RC(pthread_condattr_setclock(&ca, CLOCK_MONOTONIC), 0);
    CHECK_RC(pthread_cond_init(&shared->cond, &ca), 0);
    CHECK_RC(pthread_rwlockattr_init(&ra), 0);
    CHECK_RC(pthread_rwlockattr_setpshared(&ra, PTHREAD_PROCESS_SHARED), 0);
    CHECK_RC(pthread_rwlock_init(&shared->rwlock, &ra), 0);
    CHECK_RC(pthread_barrierattr_init(&ba), 0);
    CHECK_RC(pthread_barrierattr_setpshared(&ba, PTHREAD_PROCESS_SHARED), 0);
    CHECK_RC(pthread_barrier_init(&shared->barrier, &ba, ALL), 0);
    for (int i = 0; i < 2; i++) {
        SYS(sem_init(&shared->sem[i], 1, i == 0 ? 1 : 0));
        snprintf(shared->name[i], sizeof(shared->name[i]), "/two-%d-%d", (int)getpid(), i);
        sem_t *sem = sem_open(shared->name[i], O_CREAT | O_EXCL, 0600, i == 0 ? 1 : 0);
        CHECK(sem != SEM_FAILED);
        SYS(sem_close(sem));
    }
}

static void destroy(void)
{
    for (int i = 0; i < MUTEXES; i++)
        CHECK_RC(pthread_mutex_destroy(&shared->mutex[i]), 0);
    CHECK_RC(pthread_mutex_destroy(&shared->guard), 0);
    CHECK_RC(pthread_cond_destroy(&shared->cond), 0);
    CHECK_RC(pthread_rwlock_destroy(&shared->rwlock), 0);
    CHECK_RC(pthread_barrier_destroy(&shared->barrier), 0);
    for (int i = 0; i < 2; i++) {
        SYS(sem_destroy(&shared->sem[i]));
        SYS(sem_unlink(shared->name[i]));
    }
}

/* --- what each thread does; @self counts the threads of both programs --- */

static void lock(pthread_mutex_t *m, int how)
{
    struct timespec until = ts_after(CLOCK_REALTIME, 100000);

    if (how % 3 == 0)
        CHECK_RC(pthread_mutex_lock(m), 0);
    else if (how % 3 == 1)
        CHECK_RC(pthread_mutex_timedlock(m, &until), 0);
    else
        for (int rc; (rc = pthread_mutex_trylock(m)) != 0; sched_yield())
            CHECK_RC(rc, EBUSY);
}

static void mutexes(int self)
{
    for (int i = 0; i < LOCKS; i++) {
        int n = (self + i) % MUTEXES;
        lock(&shared->mutex[n], i);
        CHECK_EQ(shared->inside[n]++, 0);
        sched_yield();
        shared->locked[n]++;
        shared->inside[n]--;
        CHECK_RC(pthread_mutex_unlock(&shared->mutex[n]), 0);
    }
}

/* A turn goes round; then one program makes items and signals each, the other takes them. */
static void condition(int self)
{
    struct timespec until;

    CHECK_RC(pthread_mutex_lock(&shared->guard), 0);
    for (int i = 0; i < TURNS; i++) {
        while (shared->turn % ALL != self)
            CHECK_RC(pthread_cond_wait(&shared->cond, &shared->guard), 0);
        shared->turn++;
        CHECK_RC(pthread_cond_broadcast(&shared->cond), 0);
    }
    CHECK_RC(pthread_mutex_unlock(&shared->guard), 0);
    for (int i = 0; i < TURNS; i++) {
        CHECK_RC(pthread_mutex_lock(&shared->guard), 0);
        if (self % 2 == 0) {
            shared->items++;
            CHECK_RC(pthread_cond_signal(&shared->cond), 0);
        } else {
            until = ts_after(CLOCK_MONOTONIC, 100000);
            while (shared->items == 0)
                CHECK_RC(pthread_cond_timedwait(&shared->cond, &shared->guard, &until), 0);
            shared->items--;
            shared->taken++;
        }
        CHECK_RC(pthread_mutex_unlock(&shared->guard), 0);
    }
}

static void read_write(int self)
{
    for (int i = 0; i < WRITES; i++) {
        if ((i + self) % 4 == 0) {
            CHECK_RC(pthread_rwlock_wrlock(&shared->rwlock), 0);
            shared->left++;
            sched_yield();
            shared->right++;
        } else {
            struct timespec until = ts_after(CLOCK_REALTIME, 100000);
            CHECK_RC(i % 2 ? pthread_rwlock_rdlock(&shared->rwlock)
                           : pthread_rwlock_timedrdlock(&shared->rwlock, &until),
                     0);
            CHECK_EQ(shared->left, shared->right);
            sched_yield();
            CHECK_EQ(shared->left, shared->right);
        }
        CHECK_RC(pthread_rwlock_unlock(&shared->rwlock), 0);
    }
}

/* One permit goes to and fro between the programs. */
static void semaphores(sem_t *mine, sem_t *theirs)
{
    for (int i = 0; i < TURNS; i++) {
        struct timespec until = ts_after(CLOCK_REALTIME, 100000);
        SYS(i % 2 ? sem_wait(mine) : sem_timedwait(mine, &until));
        SYS(sem_post(theirs));
    }
}

static int meet(void)
{
    int rc = pthread_barrier_wait(&shared->barrier);

    CHECK(rc == 0 || rc == PTHREAD_BARRIER_SERIAL_THREAD);
    return rc == PTHREAD_BARRIER_SERIAL_THREAD;
}

static void barrier(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        flag_add(&shared->arrived[i], 1);
        flag_add(&shared->serial[i], meet());
        CHECK_EQ(flag_get(&shared->arrived[i]), ALL);
    }
}

static sem_t *named[2];

static void *player(void *arg)
{
    int self = (int)(intptr_t)arg;
    int program = self % 2;

    mutexes(self);
    (void)meet();
    condition(self);
    (void)meet();
    read_write(self);
    (void)meet();
    semaphores(&shared->sem[program], &shared->sem[!program]);
    semaphores(named[program], named[!program]);
    barrier();
    return NULL;
}

/* Nobody answers: each wait ends at its time, and leaves things as they were. */
static void *time_limits(void *arg)
{
    struct timespec until = ts_after(CLOCK_MONOTONIC, 30);
    int rc;

    CHECK_RC(pthread_mutex_lock(&shared->guard), 0);
    while ((rc = pthread_cond_timedwait(&shared->cond, &shared->guard, &until)) == 0) {
    }
    CHECK_RC(rc, ETIMEDOUT);
    CHECK_RC(pthread_mutex_unlock(&shared->guard), 0);
    until = ts_after(CLOCK_REALTIME, 30);
    SYS(sem_wait(&shared->sem[0]));
    CHECK_ERRNO(sem_timedwait(&shared->sem[0], &until), ETIMEDOUT);
    SYS(sem_post(&shared->sem[0]));
    return arg;
}

static int program(int self)
{
    pthread_t thread[THREADS];

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, 9, 0);
    CHECK(shared != MAP_FAILED);
    for (int i = 0; i < 2; i++) {
        named[i] = sem_open(shared->name[i], 0);
        CHECK(named[i] != SEM_FAILED);
    }
    for (int i = 0; i < THREADS; i++)
        thread[i] = start(player, (void *)(intptr_t)(2 * i + self));
    for (int i = 0; i < THREADS; i++)
        finish(thread[i]);
    if (self == 0)
        finish(start(time_limits, NULL));
    return 0;
}

/* --- the programs --- */

static pid_t run(int self, int off)
{
    pid_t pid = (pid_t)SYS(fork());

    if (pid == 0) {
        if (off)
            setenv("GREENSHIM", "off", 1);
        execl("/proc/self/exe", test_argv[0], self ? "1" : "0", (char *)NULL);
        _exit(121);
    }
    return pid;
}

static void run_two(int first_off, int second_off)
{
    pid_t pid[2];
    int status;

    make();
    pid[0] = run(0, first_off);
    pid[1] = run(1, second_off);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(SYS(waitpid(pid[i], &status, 0)), pid[i]);
        CHECK_EQ(status, 0);
    }
    for (int i = 0; i < MUTEXES; i++)
        CHECK_EQ(shared->locked[i], ALL * LOCKS / MUTEXES);
    CHECK_EQ(shared->turn, ALL * TURNS);
    CHECK_EQ(shared->items, 0);
    CHECK_EQ(shared->taken, THREADS * TURNS);
    CHECK_EQ(shared->left, ALL * WRITES / 4);
    for (int i = 0; i < ROUNDS; i++)
        CHECK_EQ(shared->serial[i], 1);
    for (int i = 0, value; i < 2; i++) {
        SYS(sem_getvalue(&shared->sem[i], &value));
        CHECK_EQ(value, i == 0);
    }
    destroy();
}

int test_main(void)
{
    if (test_argc > 1)
        return program(test_argv[1][0] - '0');
    int fd = (int)SYS(memfd_create("two_programs", 0));
    SYS(ftruncate(fd, sizeof(*shared)));
    SYS(dup2(fd, 9));
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    for (int i = 0; i < 4; i++)
        run_two(i & 1, i >> 1);
    return 0;
}
