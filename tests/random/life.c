/* Threads of the plan from creation to join, the ways they end, and cancellation. */
#include "run.h"

#include <fcntl.h>
#include <fenv.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>

/* What a wait for ever needs, and what must be true when it is cancelled. */
struct trap {
    int fds[2], epfd;
    sem_t sem;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool locks;
    int *cleanups;
};

static void trap_clean(void *arg)
{
    struct trap *trap = arg;

    if (trap->locks) {
        CHECK_RC(pthread_mutex_trylock(&trap->mutex), EBUSY);
        CHECK_RC(pthread_mutex_unlock(&trap->mutex), 0);
    }
    CHECK_RC(pthread_cond_destroy(&trap->cond), 0);
    CHECK_RC(pthread_mutex_destroy(&trap->mutex), 0);
    SYS(sem_destroy(&trap->sem));
    SYS(close(trap->epfd));
    SYS(close(trap->fds[0]));
    SYS(close(trap->fds[1]));
    flag_add(trap->cleanups, 1);
}

/* Waits, at one of the cancellation points, until it is cancelled. */
static void wait_for_ever(struct random *random, int *cleanups)
{
    struct trap trap = {
        .mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER, .cleanups = cleanups};
    struct timespec time = {600, 0}, end = ts_after(CLOCK_REALTIME, 600000);
    struct epoll_event event = {.events = EPOLLIN};
    unsigned how = below(random, 20);
    struct pollfd p = {.events = POLLIN};
    struct iovec part = {&event, 1};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
    sigset_t set;
    fd_set fds;

    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    SYS(sem_init(&trap.sem, 0, 0));
    SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, trap.fds));
    p.fd = trap.fds[0];
    trap.epfd = (int)SYS(epoll_create1(EPOLL_CLOEXEC));
    SYS(epoll_ctl(trap.epfd, EPOLL_CTL_ADD, trap.fds[0], &event));
    trap.locks = how < 3;
    pthread_cleanup_push(trap_clean, &trap);
    if (trap.locks)
        CHECK_RC(pthread_mutex_lock(&trap.mutex), 0);
    for (;;) {
        switch (how) {
        case 0:
            CHECK_RC(pthread_cond_wait(&trap.cond, &trap.mutex), 0);
            break;
        case 1:
            CHECK_RC(pthread_cond_timedwait(&trap.cond, &trap.mutex, &end), 0);
            break;
        case 2: /* a cancellation point that holds the mutex */
        case 3:
            read(trap.fds[0], &event, 1);
            break;
        case 4:
            pause();
            break;
        case 5:
            poll(&p, 1, -1);
            break;
        case 6:
            FD_ZERO(&fds);
            FD_SET(p.fd, &fds);
            select(p.fd + 1, &fds, NULL, NULL, NULL);
            break;
        case 7:
            nanosleep(&time, NULL);
            break;
        case 8:
            clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &end, NULL);
            break;
        case 9:
            sem_wait(&trap.sem);
            break;
        case 10:
            sem_timedwait(&trap.sem, &end);
            break;
        case 11:
            sigwaitinfo(&set, NULL);
            break;
        case 12:
            recv(trap.fds[0], &event, 1, 0);
            break;
        case 13:
            recvmsg(trap.fds[0], &msg, 0);
            break;
        case 14:
            epoll_wait(trap.epfd, &event, 1, -1);
            break;
        case 15:
            pthread_sigmask(SIG_BLOCK, NULL, &set);
            sigsuspend(&set);
            break;
        case 16:
            readv(trap.fds[0], &part, 1);
            break;
        case 17:
            sleep(600);
            break;
        case 18:
            pthread_testcancel();
            sched_yield();
            usleep(100);
            break;
        default:
            ppoll(&p, 1, &time, NULL);
        }
    }
    pthread_cleanup_pop(0);
}

enum ending { RETURNS, EXITS, CANCELLED, CANCELS_ITSELF, DETACHED, DETACHED_LATE, C11, ENDINGS };

struct life {
    sem_t waiting; /* it may be cancelled */
    int cleanups;
};

static void life_setup(struct step *step, void *state)
{
    struct life *life = state;

    (void)step;
    SYS(sem_init(&life->waiting, 0, 0));
}

static void life_teardown(struct step *step, void *state)
{
    struct life *life = state;

    (void)step;
    SYS(sem_destroy(&life->waiting));
}

static enum ending ending_of(const struct step *step)
{
    struct random random = step_random(step, -1);

    return (enum ending)below(&random, ENDINGS);
}

static void *value_of(struct self *me)
{
    return (void *)(intptr_t)(me->number + 1000);
}

static void count_cleanup(void *arg)
{
    flag_add(arg, 1);
}

static void exit_nested(struct self *me, struct random *random, struct life *life, unsigned depth)
{
    pthread_cleanup_push(count_cleanup, &life->cleanups);
    if (depth == 0) {
        if (ending_of(me->step) == EXITS)
            pthread_exit(value_of(me));
        SYS(sem_post(&life->waiting));
        CHECK_RC(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL), 0);
        if (ending_of(me->step) == CANCELS_ITSELF) {
            CHECK_RC(pthread_cancel(pthread_self()), 0);
            pthread_testcancel();
            CHECK(!"cancelled");
        }
        wait_for_ever(random, &life->cleanups);
    }
    exit_nested(me, random, life, depth - 1);
    pthread_cleanup_pop(0);
}

/* The thread, with its parts. The last one is its end, which comes back here if it returns. */
static void *thread_main(void *arg)
{
    struct self *me = arg;

    CHECK(!self);
    self = me;
    for (int i = 0; i < 3; i++) {
        CHECK(!pthread_getspecific(me->world->keys[i]));
        CHECK_RC(pthread_setspecific(me->world->keys[i], me), 0);
    }
    flag_add(&me->world->keys_set, 2); /* the last one counts for itself */
    me->id = pthread_self();
    gate_add(&me->started, 1);
    run_parts(me);
    return value_of(me);
}

static int thread_main_c11(void *arg)
{
    return (int)(intptr_t)thread_main(arg);
}

static void create(struct self *me, struct step *step)
{
    struct random random = step_random(step, 0);
    struct self *other = &me->world->selves[step->thread[1]];
    enum ending ending = ending_of(step);
    pthread_attr_t attr;
    pthread_t id;
    thrd_t c11;

    other->masked = me->masked;
    if (ending == C11) {
        CHECK_EQ(thrd_create(&c11, thread_main_c11, other), thrd_success);
        return;
    }
    CHECK_RC(pthread_attr_init(&attr), 0);
    if (below(&random, 2))
        CHECK_RC(pthread_attr_setstacksize(&attr, 65536 + 4096 * below(&random, 100)), 0);
    if (below(&random, 3) == 0)
        CHECK_RC(pthread_attr_setguardsize(&attr, 0), 0);
    if (ending == DETACHED)
        CHECK_RC(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
    CHECK_RC(pthread_create(&id, &attr, thread_main, other), 0);
    CHECK_RC(pthread_attr_destroy(&attr), 0);
}

/* Does not return but for the endings that do: then run_parts() returns to thread_main(). */
static void end(struct self *me, struct step *step, struct life *life)
{
    struct random random = step_random(step, 1);
    enum ending ending = ending_of(step);

    note(me, "ends in way %d, rounding %d", ending, fegetround());
    if (ending == EXITS || ending == CANCELLED || ending == CANCELS_ITSELF)
        exit_nested(me, &random, life, below(&random, 4));
}

static void join(struct self *me, struct step *step, struct life *life)
{
    struct random random = step_random(step, 2);
    struct self *other = &me->world->selves[step->thread[1]];
    struct timespec time = ts_after(CLOCK_REALTIME, 600000);
    enum ending ending = ending_of(step);
    void *value = NULL;
    int result = 0;

    gate_wait(&other->started, 1);
    switch (ending) {
    case DETACHED_LATE:
        CHECK_RC(pthread_detach(other->id), 0);
        /* fall through */
    case DETACHED:
        gate_wait(&other->ended, 1);
        break;
    case C11:
        CHECK_EQ(thrd_join(other->id, &result), thrd_success);
        value = (void *)(intptr_t)result;
        break;
    case CANCELLED:
        AGAIN(sem_wait(&life->waiting));
        CHECK_RC(pthread_cancel(other->id), 0);
        /* fall through */
    default:
        CHECK_RC(below(&random, 2) ? pthread_join(other->id, &value)
                                   : pthread_timedjoin_np(other->id, &value, &time),
                 0);
    }
    gate_wait(&other->ended, 1);
    CHECK_EQ(other->ended.value, 1);
    if (value == PTHREAD_CANCELED)
        note(me, "cancelled, %d cleanups", life->cleanups);
    else
        note(me, "value %ld, %d cleanups", (long)(intptr_t)value, life->cleanups);
}

static void life(struct self *me, struct step *step, int role, void *state)
{
    if (role == 0)
        create(me, step);
    else if (role == 1)
        end(me, step, state);
    else
        join(me, step, state);
}

const struct kind thread_kind = {"life",        0,   LIFE, 0, 0, 0, sizeof(struct life), life_setup,
                                 life_teardown, life};

/* Threads of its own, cancelled anywhere on the way to a wait or in it, by turns. */
struct victim {
    struct random random;
    int cleanups;
};

static void *victim_main(void *arg)
{
    struct victim *victim = arg;

    pthread_cleanup_push(count_cleanup, &victim->cleanups);
    if (below(&victim->random, 3) == 0) {
        CHECK_RC(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
        wander(&victim->random);
        wander(&victim->random);
        CHECK_RC(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL), 0);
    }
    wait_for_ever(&victim->random, &victim->cleanups);
    pthread_cleanup_pop(0);
    return NULL;
}

static void cancel(struct self *me, struct step *step, int role, void *state)
{
    struct random random = step_random(step, role);
    int count = 1 + (int)below(&random, 4);
    struct victim victims[4];
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < count; i++) {
        victims[i] = (struct victim){{step->seed + (uint64_t)i}, 0};
        threads[i] = start_without_signals(victim_main, &victims[i]);
        if (below(&random, 2))
            wander(&random);
    }
    for (int i = 0; i < count; i++) {
        CHECK_RC(pthread_cancel(threads[i]), 0);
        wander(&random);
    }
    for (int i = 0; i < count; i++) {
        CHECK(finish(threads[i]) == PTHREAD_CANCELED);
        note(me, "%d cleanups", victims[i].cleanups);
    }
}

/* Role 0 cancels role 1, which has forbidden it and goes on; it will end some steps later. */
struct doom {
    sem_t ready, done;
};

static void doom_setup(struct step *step, void *state)
{
    struct doom *doom = state;

    (void)step;
    SYS(sem_init(&doom->ready, 0, 0));
    SYS(sem_init(&doom->done, 0, 0));
}

static void doom_teardown(struct step *step, void *state)
{
    struct doom *doom = state;

    (void)step;
    SYS(sem_destroy(&doom->ready));
    SYS(sem_destroy(&doom->done));
}

static void doom(struct self *me, struct step *step, int role, void *state)
{
    struct doom *doom = state;
    int old;

    if (role == 1) {
        CHECK_RC(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
        CHECK_EQ(old, PTHREAD_CANCEL_ENABLE);
        SYS(sem_post(&doom->ready));
        AGAIN(sem_wait(&doom->done));
        note(me, "doomed");
    } else if (role == 0) {
        AGAIN(sem_wait(&doom->ready));
        CHECK_RC(pthread_cancel(me->world->selves[step->thread[1]].id), 0);
        SYS(sem_post(&doom->done));
    }
}

const struct kind cancel_kinds[] = {
    {"cancel", 6, ALONE, 0, 0, 0, 0, NULL, NULL, cancel},
    {"doom", 4, TOGETHER, DOOMS, 2, 2, sizeof(struct doom), doom_setup, doom_teardown, doom},
    {0},
};
