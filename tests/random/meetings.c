/* Threads that meet at synchronisation objects made for the occasion. */
#include "run.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <threads.h>

/* Barrier: rounds of all, one serial thread in each. */
struct meeting {
    pthread_barrier_t barrier;
    int serials, arrived[8];
};

static void meeting_setup(struct step *step, void *state)
{
    struct meeting *meeting = state;

    CHECK_RC(pthread_barrier_init(&meeting->barrier, NULL, (unsigned)step->roles), 0);
}

static int meeting_rounds(struct step *step)
{
    struct random random = step_random(step, -1);

    return 1 + (int)below(&random, 8);
}

static void meeting_teardown(struct step *step, void *state)
{
    struct meeting *meeting = state;

    CHECK_RC(pthread_barrier_destroy(&meeting->barrier), 0);
    CHECK_EQ(meeting->serials, meeting_rounds(step));
}

static void meeting(struct self *me, struct step *step, int role, void *state)
{
    struct meeting *meeting = state;
    struct random random = step_random(step, role);
    int rounds = meeting_rounds(step);

    for (int i = 0; i < rounds; i++) {
        flag_add(&meeting->arrived[i], 1);
        int result = pthread_barrier_wait(&meeting->barrier);
        CHECK(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
        CHECK_EQ(flag_get(&meeting->arrived[i]), step->roles);
        if (result)
            flag_add(&meeting->serials, 1);
        wander(&random);
    }
    note(me, "%d rounds", rounds);
}

/* Bounded queue: odd roles put, even roles get. The last item of all tells that there is no more;
   each getter keeps the items of one putter in order. */
struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t not_empty, not_full;
    int items[4], size, in, capacity;
    int left; /* items not got */
    bool broadcast;
    int got_sum, put_sum;
};

static int queue_share(struct step *step, int role)
{
    struct random random = step_random(step, role);

    return role % 2 ? 1 + (int)below(&random, 20) : 0;
}

static void queue_setup(struct step *step, void *state)
{
    struct queue *queue = state;
    struct random random = step_random(step, -1);
    pthread_condattr_t attr;

    queue->capacity = 1 + (int)below(&random, 4);
    queue->broadcast = below(&random, 2);
    for (int i = 0; i < step->roles; i++)
        queue->left += queue_share(step, i);
    CHECK_RC(pthread_mutex_init(&queue->mutex, NULL), 0);
    CHECK_RC(pthread_condattr_init(&attr), 0);
    CHECK_RC(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), 0);
    CHECK_RC(pthread_cond_init(&queue->not_empty, &attr), 0);
    CHECK_RC(pthread_cond_init(&queue->not_full, &attr), 0);
    CHECK_RC(pthread_condattr_destroy(&attr), 0);
}

static void queue_teardown(struct step *step, void *state)
{
    struct queue *queue = state;

    (void)step;
    CHECK_EQ(queue->size, 0);
    CHECK_EQ(queue->got_sum, queue->put_sum);
    CHECK_RC(pthread_cond_destroy(&queue->not_empty), 0);
    CHECK_RC(pthread_cond_destroy(&queue->not_full), 0);
    CHECK_RC(pthread_mutex_destroy(&queue->mutex), 0);
}

/* With deadlines that come and others that do not: the predicate decides. */
static void wait_for(struct random *random, pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    unsigned how = below(random, 3);
    struct timespec end = ts_after(CLOCK_MONOTONIC, how == 1 ? 1 : 600000);
    int result =
        how == 0 ? pthread_cond_wait(cond, mutex) : pthread_cond_timedwait(cond, mutex, &end);

    CHECK(result == 0 || (how == 1 && result == ETIMEDOUT));
}

static void tell(struct queue *queue, pthread_cond_t *cond, bool all)
{
    if (queue->broadcast || all)
        CHECK_RC(pthread_cond_broadcast(cond), 0);
    else
        CHECK_RC(pthread_cond_signal(cond), 0);
}

static void queue(struct self *me, struct step *step, int role, void *state)
{
    struct queue *queue = state;
    struct random random = step_random(step, role);
    int share = queue_share(step, role), last[MAX_ROLES] = {0};

    below(&random, 2);
    for (int i = 1; i <= share; i++) {
        CHECK_RC(pthread_mutex_lock(&queue->mutex), 0);
        while (queue->size == queue->capacity)
            wait_for(&random, &queue->not_full, &queue->mutex);
        queue->items[(queue->in + queue->size++) % queue->capacity] = role * 100 + i;
        queue->put_sum += role * 100 + i;
        tell(queue, &queue->not_empty, false);
        CHECK_RC(pthread_mutex_unlock(&queue->mutex), 0);
        wander(&random);
    }
    while (role % 2 == 0) {
        CHECK_RC(pthread_mutex_lock(&queue->mutex), 0);
        while (queue->size == 0 && queue->left > 0)
            wait_for(&random, &queue->not_empty, &queue->mutex);
        if (queue->left == 0) {
            CHECK_RC(pthread_mutex_unlock(&queue->mutex), 0);
            break;
        }
        int item = queue->items[queue->in];

        queue->in = (queue->in + 1) % queue->capacity;
        queue->size--;
        queue->got_sum += item;
        CHECK(item % 100 > last[item / 100]);
        last[item / 100] = item % 100;
        tell(queue, &queue->not_full, false);
        if (--queue->left == 0)
            tell(queue, &queue->not_empty, true);
        CHECK_RC(pthread_mutex_unlock(&queue->mutex), 0);
        wander(&random);
    }
    note(me, "put %d", share);
}

/* A ring of semaphores: a token goes around. */
struct ring {
    sem_t sems[MAX_ROLES];
    int token;
};

static void ring_setup(struct step *step, void *state)
{
    struct ring *ring = state;

    for (int i = 0; i < step->roles; i++)
        SYS(sem_init(&ring->sems[i], 0, i == 0));
}

static void ring_teardown(struct step *step, void *state)
{
    struct ring *ring = state;

    for (int i = 0; i < step->roles; i++) {
        int value;

        SYS(sem_getvalue(&ring->sems[i], &value));
        CHECK_EQ(value, i == 0);
        SYS(sem_destroy(&ring->sems[i]));
    }
}

static void ring(struct self *me, struct step *step, int role, void *state)
{
    struct ring *ring = state;
    int rounds = meeting_rounds(step);
    struct timespec end = ts_after(CLOCK_REALTIME, 600000);

    for (int i = 0; i < rounds; i++) {
        AGAIN(i % 2 ? sem_wait(&ring->sems[role]) : sem_timedwait(&ring->sems[role], &end));
        note(me, "token %d", ring->token++);
        SYS(sem_post(&ring->sems[(role + 1) % step->roles]));
    }
}

/* Role 0 lets the others go; all wait for one condition. */
struct herd {
    mtx_t mutex;
    cnd_t go, all_there;
    int there, gone;
    bool start;
};

static void herd_setup(struct step *step, void *state)
{
    struct herd *herd = state;

    (void)step;
    CHECK_EQ(mtx_init(&herd->mutex, mtx_plain | mtx_recursive), thrd_success);
    CHECK_EQ(cnd_init(&herd->go), thrd_success);
    CHECK_EQ(cnd_init(&herd->all_there), thrd_success);
}

static void herd_teardown(struct step *step, void *state)
{
    struct herd *herd = state;

    CHECK_EQ(herd->gone, step->roles - 1);
    cnd_destroy(&herd->go);
    cnd_destroy(&herd->all_there);
    mtx_destroy(&herd->mutex);
}

static void herd(struct self *me, struct step *step, int role, void *state)
{
    struct herd *herd = state;
    struct random random = step_random(step, -1);
    bool one_by_one = below(&random, 2);

    CHECK_EQ(mtx_lock(&herd->mutex), thrd_success);
    if (role == 0) {
        while (herd->there < step->roles - 1)
            CHECK_EQ(cnd_wait(&herd->all_there, &herd->mutex), thrd_success);
        herd->start = true;
        if (one_by_one)
            for (int i = 1; i < step->roles; i++)
                CHECK_EQ(cnd_signal(&herd->go), thrd_success);
        else
            CHECK_EQ(cnd_broadcast(&herd->go), thrd_success);
    } else {
        if (++herd->there == step->roles - 1)
            CHECK_EQ(cnd_signal(&herd->all_there), thrd_success);
        while (!herd->start)
            CHECK_EQ(cnd_wait(&herd->go, &herd->mutex), thrd_success);
        herd->gone++;
    }
    CHECK_EQ(mtx_unlock(&herd->mutex), thrd_success);
    note(me, "gone");
}

/* The initialiser waits; everybody sees its work. */
struct once {
    pthread_once_t once;
    once_flag flag;
    int count[2];
};

static __thread int *once_count;

static void once_body(void)
{
    ++*once_count;
    usleep(200);
    sched_yield();
    ++*once_count;
}

static void once(struct self *me, struct step *step, int role, void *state)
{
    struct once *once = state;

    (void)role;
    once_count = &once->count[0];
    CHECK_RC(pthread_once(&once->once, once_body), 0);
    once_count = &once->count[1];
    call_once(&once->flag, once_body);
    note(me, "%d %d of step %d", once->count[0], once->count[1], step->number);
}

/* A lock of the program's own, and sleepers by system calls. */
struct futexes {
    int word, gate, held;
    long value, want;
};

static void futex(int *word, int op, int value)
{
    long result = syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);

    CHECK(result >= 0 || errno == EAGAIN || errno == EINTR);
}

static void futexes(struct self *me, struct step *step, int role, void *state)
{
    struct futexes *f = state;
    struct random random = step_random(step, role);
    int rounds = 1 + (int)below(&random, 5);

    for (int i = 0; i < rounds; i++) {
        int was = 0;

        if (!__atomic_compare_exchange_n(&f->word, &was, 1, false, __ATOMIC_SEQ_CST,
                                         __ATOMIC_SEQ_CST))
            while (__atomic_exchange_n(&f->word, 2, __ATOMIC_SEQ_CST) != 0)
                futex(&f->word, FUTEX_WAIT, 2);
        long value = ++f->value;
        wander(&random);
        CHECK_EQ(f->value, value);
        if (__atomic_exchange_n(&f->word, 0, __ATOMIC_SEQ_CST) == 2)
            futex(&f->word, FUTEX_WAKE, 1);
    }
    if (flag_add(&f->gate, 1) == step->roles)
        futex(&f->gate, FUTEX_WAKE, INT32_MAX);
    for (int seen; (seen = flag_get(&f->gate)) < step->roles;)
        futex(&f->gate, FUTEX_WAIT, seen);
    note(me, "%d rounds", rounds);
}

/* Threads of its own die with a robust mutex; the next one to lock it hears of it. */
struct robust {
    pthread_mutex_t mutex;
    int heard, lost;
};

static void robust_setup(struct step *step, void *state)
{
    struct robust *robust = state;
    pthread_mutexattr_t attr;

    (void)step;
    CHECK_RC(pthread_mutexattr_init(&attr), 0);
    CHECK_RC(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), 0);
    CHECK_RC(pthread_mutex_init(&robust->mutex, &attr), 0);
    CHECK_RC(pthread_mutexattr_destroy(&attr), 0);
}

static void heard(struct robust *robust, int result)
{
    CHECK(result == 0 || result == EOWNERDEAD);
    if (result == EOWNERDEAD) {
        robust->heard++;
        CHECK_RC(pthread_mutex_consistent(&robust->mutex), 0);
    }
}

static void *robust_death(void *arg)
{
    struct robust *robust = arg;

    heard(robust, pthread_mutex_lock(&robust->mutex));
    sched_yield();
    robust->lost++;
    return NULL;
}

static void robust_teardown(struct step *step, void *state)
{
    struct robust *robust = state;

    (void)step;
    heard(robust, pthread_mutex_lock(&robust->mutex));
    CHECK_EQ(robust->heard, robust->lost);
    CHECK_RC(pthread_mutex_unlock(&robust->mutex), 0);
    CHECK_RC(pthread_mutex_destroy(&robust->mutex), 0);
}

static void robust(struct self *me, struct step *step, int role, void *state)
{
    struct robust *robust = state;
    struct random random = step_random(step, role);
    bool dies = below(&random, 2);
    pthread_t thread = dies ? start_without_signals(robust_death, robust) : pthread_self();

    for (int i = 0; i < 3; i++) {
        heard(robust, pthread_mutex_lock(&robust->mutex));
        wander(&random);
        CHECK_RC(pthread_mutex_unlock(&robust->mutex), 0);
    }
    if (dies)
        finish(thread);
    note(me, "died %d", dies);
}

/* A crowd of short-lived threads. */
static void *crowd_member(void *arg)
{
    static __thread int mine;
    struct random random = {(uint64_t)(uintptr_t)arg};

    CHECK_EQ(mine++, 0);
    wander(&random);
    CHECK_EQ(mine++, 1);
    return arg;
}

static void crowd(struct self *me, struct step *step, int role, void *state)
{
    struct random random = step_random(step, role);
    int count = 1 + (int)below(&random, 12);
    pthread_t threads[12];

    (void)state;
    for (intptr_t i = 0; i < count; i++)
        threads[i] = start_without_signals(crowd_member, (void *)i);
    for (intptr_t i = count - 1; i >= 0; i--)
        CHECK(finish(threads[i]) == (void *)i);
    note(me, "%d threads", count);
}

const struct kind meeting_kinds[] = {
    {"barrier", 6, TOGETHER, 0, 1, MAX_ROLES, sizeof(struct meeting), meeting_setup,
     meeting_teardown, meeting},
    {"queue", 10, TOGETHER, 0, 2, MAX_ROLES, sizeof(struct queue), queue_setup, queue_teardown,
     queue},
    {"ring", 6, TOGETHER, 0, 1, MAX_ROLES, sizeof(struct ring), ring_setup, ring_teardown, ring},
    {"herd", 6, TOGETHER, 0, 2, MAX_ROLES, sizeof(struct herd), herd_setup, herd_teardown, herd},
    {"once", 3, TOGETHER, 0, 1, MAX_ROLES, sizeof(struct once), NULL, NULL, once},
    {"futex", 5, TOGETHER, 0, 1, MAX_ROLES, sizeof(struct futexes), NULL, NULL, futexes},
    {"robust", 4, TOGETHER, 0, 1, MAX_ROLES, sizeof(struct robust), robust_setup, robust_teardown,
     robust},
    {"crowd", 3, ALONE, 0, 0, 0, 0, NULL, NULL, crowd},
    {0},
};
