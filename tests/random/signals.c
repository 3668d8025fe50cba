/*
 * Signals that come at any time, each waited for later; calls that they interrupt, or do not;
 * masks.
 *
 * The queued signals carry the step as their value. So each one that is sent is counted at its own
 * step, whoever takes it, whether by a handler or by sigwaitinfo(). All waits of all steps must
 * bear them, with SA_RESTART and without. SIGUSR1 (interrupts) and SIGUSR2 (restarts) are sent only
 * to threads that expect them.
 */
#include "run.h"

#include <fcntl.h>
#include <fenv.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define RESTARTS   (SIGRTMIN + 1)
#define INTERRUPTS (SIGRTMIN + 2)
#define ON_STACK   (SIGRTMIN + 3) /* restarts too */
#define ALTSTACK   65536

/* How the thread waits. */
enum way { BY_SEMAPHORE, BY_PIPE, BY_SUSPEND, BY_PPOLL, BY_SIGWAIT, WAYS };

struct letter {
    sem_t sem;
    int fds[2];
    int delivered;
    int sent;
};

static void deliver(struct step *step)
{
    struct letter *letter = step->state;

    CHECK_EQ(write(letter->fds[1], "s", 1), 1);
    flag_add(&letter->delivered, 1);
    SYS(sem_post(&letter->sem)); /* who waits for this may free it all */
}

static void on_queued(int number, siginfo_t *info, void *context)
{
    int error = errno, cancel;
    char *stack = self ? self->altstack : NULL, *here = (char *)&error;

    (void)context;
    CHECK(info->si_code == SI_TIMER || (info->si_code == SI_QUEUE && info->si_pid == getpid()));
    if (number == ON_STACK && stack)
        CHECK(here > stack && here < stack + ALTSTACK);
    /* A signal for the process may take a thread that is being cancelled: it would be lost. */
    CHECK_RC(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel), 0);
    deliver(info->si_value.sival_ptr);
    errno = error;
    CHECK_RC(pthread_setcancelstate(cancel, NULL), 0);
}

static void on_kill(int number)
{
    (void)number;
    CHECK(self);
    self->got++;
    if (self->armed) {
        self->armed = 0;
        siglongjmp(self->jump, 1);
    }
}

static void handle(int number, int flags, void (*queued)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_flags = flags};

    if (queued) {
        action.sa_sigaction = queued;
        action.sa_flags |= SA_SIGINFO;
    } else {
        action.sa_handler = on_kill;
    }
    sigfillset(&action.sa_mask); /* a jump must not leave another handler's work undone */
    SYS(sigaction(number, &action, NULL));
}

void signals_prepare(void)
{
    handle(RESTARTS, SA_RESTART, on_queued);
    handle(INTERRUPTS, 0, on_queued);
    handle(ON_STACK, SA_RESTART | SA_ONSTACK, on_queued);
    handle(SIGUSR1, 0, NULL);
    handle(SIGUSR2, SA_RESTART, NULL);
}

static sigset_t queued_set(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, RESTARTS);
    sigaddset(&set, INTERRUPTS);
    sigaddset(&set, ON_STACK);
    return set;
}

void quiet_begin(sigset_t *old)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, INTERRUPTS);
    CHECK_RC(pthread_sigmask(SIG_BLOCK, &set, old), 0);
}

void quiet_end(const sigset_t *old)
{
    CHECK_RC(pthread_sigmask(SIG_SETMASK, old, NULL), 0);
}

static void letter_setup(struct step *step, void *state)
{
    struct letter *letter = state;

    (void)step;
    SYS(sem_init(&letter->sem, 0, 0));
    SYS(pipe2(letter->fds, O_CLOEXEC));
}

static void letter_teardown(struct step *step, void *state)
{
    struct letter *letter = state;

    (void)step;
    CHECK_EQ(letter->delivered, letter->sent);
    SYS(sem_destroy(&letter->sem));
    SYS(close(letter->fds[0]));
    SYS(close(letter->fds[1]));
}

/* Until the signals of the step have come. In the ways from BY_SUSPEND on they come during the wait
   only. The unmasked ones come now at the latest. */
static void await(struct self *me, struct random *random, struct letter *letter, bool to_process)
{
    enum way way = (enum way)below(random, to_process ? BY_SEMAPHORE + 1 : WAYS);
    sigset_t queued = queued_set(), old, open;
    struct timespec time = {600, 0};
    siginfo_t info;
    char byte;

    if (way >= BY_SUSPEND)
        CHECK_RC(pthread_sigmask(SIG_BLOCK, &queued, &old), 0);
    else
        CHECK_RC(pthread_sigmask(SIG_UNBLOCK, &queued, &old), 0);
    CHECK_EQ(sigismember(&old, RESTARTS), me->masked);
    open = old;
    sigdelset(&open, RESTARTS), sigdelset(&open, INTERRUPTS), sigdelset(&open, ON_STACK);
    for (int i = 0; way <= BY_PIPE && i < letter->sent; i++) {
        if (way == BY_SEMAPHORE)
            AGAIN(sem_wait(&letter->sem));
        else
            CHECK_EQ(AGAIN(read(letter->fds[0], &byte, 1)), 1);
    }
    while (flag_get(&letter->delivered) < letter->sent) {
        switch (way) {
        case BY_SUSPEND:
            CHECK_ERRNO(sigsuspend(&open), EINTR);
            break;
        case BY_PPOLL:
            CHECK_ERRNO(ppoll(NULL, 0, &time, &open), EINTR);
            break;
        default:
            if (sigwaitinfo(&queued, &info) == -1)
                CHECK_EQ(errno, EINTR);
            else
                deliver(info.si_value.sival_ptr);
        }
    }
    CHECK_RC(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}

static int letter_count(struct step *step)
{
    struct random random = step_random(step, -1);

    return 1 + (int)below(&random, 3);
}

/* Role 0 sends to the thread of role 1, or to the process; role 1 waits later. */
static void send_signals(struct self *me, struct step *step, int role, struct letter *letter,
                         bool to_process)
{
    static const int offsets[] = {1, 2, 3};
    struct random random = step_random(step, role);
    union sigval value = {.sival_ptr = step};

    letter->sent = letter_count(step);
    if (role == 1) {
        await(me, &random, letter, to_process);
        note(me, "%d signals", letter->sent);
        return;
    }
    struct self *other = &me->world->selves[step->thread[1]];

    gate_wait(&other->started, step->thread[1] > 0);
    for (int i = 0; i < letter->sent; i++) {
        int number = SIGRTMIN + offsets[below(&random, 3)];

        if (to_process)
            SYS(sigqueue(getpid(), number, value));
        else
            CHECK_RC(pthread_sigqueue(other->id, number, value), 0);
        wander(&random);
    }
}

static void letters(struct self *me, struct step *step, int role, void *state)
{
    send_signals(me, step, role, state, false);
}

static void circulars(struct self *me, struct step *step, int role, void *state)
{
    send_signals(me, step, role, state, true);
}

/* The queued signals wait meanwhile. */
static void mask(struct self *me, struct step *step, int role, void *state)
{
    sigset_t set = queued_set(), old;
    int *outer = state; /* of steps that overlap, the first to begin unmasks */

    (void)step;
    if (role == 0) {
        *outer = !me->masked;
        me->masked = true;
        CHECK_RC(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
    } else if (*outer) {
        me->masked = false;
        CHECK_RC(pthread_sigmask(SIG_UNBLOCK, &set, &old), 0);
        CHECK(sigismember(&old, RESTARTS) && sigismember(&old, INTERRUPTS));
    }
    note(me, "role %d", role);
}

/* A timer of the process sends one. */
struct timed_letter {
    struct letter letter;
    timer_t timer;
};

static void timed_letters(struct self *me, struct step *step, int role, void *state)
{
    struct timed_letter *timed = state;
    struct random random = step_random(step, role);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_value.sival_ptr = step};
    struct itimerspec spec = {.it_value = {0, 1 + below(&random, 2000000)}};

    timed->letter.sent = 1;
    if (role == 0) {
        event.sigev_signo = SIGRTMIN + 1 + (int)below(&random, 3);
        SYS(timer_create(CLOCK_MONOTONIC, &event, &timed->timer));
        SYS(timer_settime(timed->timer, 0, &spec, NULL));
        return;
    }
    await(me, &random, &timed->letter, true);
    SYS(timer_delete(timed->timer));
    note(me, "expired");
}

/* An alternate stack, for the handlers that want one. */
static void altstack(struct self *me, struct step *step, int role, void *state)
{
    bool *mine = state;
    stack_t stack = {.ss_sp = malloc(ALTSTACK), .ss_size = ALTSTACK}, old;

    (void)step;
    if (role == 0 && !me->altstack) {
        *mine = true;
        SYS(sigaltstack(&stack, &old));
        CHECK_EQ(old.ss_flags, SS_DISABLE);
        me->altstack = stack.ss_sp;
        return;
    }
    free(stack.ss_sp);
    if (role == 1 && *mine) {
        char *had = me->altstack;
        stack = (stack_t){.ss_flags = SS_DISABLE};
        me->altstack = NULL; /* a handler that comes just after the call is not on it */
        SYS(sigaltstack(&stack, &old));
        CHECK(old.ss_sp == had && old.ss_size == ALTSTACK);
        free(old.ss_sp);
    }
    note(me, "%s", *mine ? "set" : "set already");
}

/* Role 1 sends SIGUSR1 again and again until role 0's call has given EINTR. */
struct interruption {
    sem_t ready;       /* role 0 can bear it */
    sem_t quiet;       /* role 1 sends no more */
    sem_t never, data; /* never posted; posted in the end */
    int fds[2];
    int done;
};

static void interruption_setup(struct step *step, void *state)
{
    struct interruption *i = state;

    (void)step;
    SYS(sem_init(&i->ready, 0, 0));
    SYS(sem_init(&i->quiet, 0, 0));
    SYS(sem_init(&i->never, 0, 0));
    SYS(sem_init(&i->data, 0, 0));
    SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, i->fds));
}

static void interruption_teardown(struct step *step, void *state)
{
    struct interruption *i = state;

    (void)step;
    SYS(sem_destroy(&i->ready));
    SYS(sem_destroy(&i->quiet));
    SYS(sem_destroy(&i->never));
    SYS(sem_destroy(&i->data));
    SYS(close(i->fds[0]));
    SYS(close(i->fds[1]));
}

/* One wait that does not end by itself. */
static int wait_once(struct random *random, struct interruption *i)
{
    struct timespec time = {600, 0}, left = {0, 0}, end = ts_after(CLOCK_REALTIME, 600000);
    struct pollfd p = {.fd = i->fds[0], .events = POLLIN};
    struct epoll_event event;
    int epfd, result, error;
    fd_set set;
    char byte;

    switch (below(random, 12)) {
    case 0:
        return (int)read(i->fds[0], &byte, 1);
    case 1:
        return (int)recv(i->fds[0], &byte, 1, 0);
    case 2:
        return poll(&p, 1, 600000);
    case 3:
        return sem_wait(&i->never);
    case 4:
        return sem_timedwait(&i->never, &end);
    case 5:
        result = nanosleep(&time, &left);
        CHECK(result == 0 || (left.tv_sec > 0 && left.tv_sec <= 600));
        return result;
    case 6:
        errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &left);
        return errno ? -1 : 0;
    case 7:
        return pause();
    case 8:
        FD_ZERO(&set);
        FD_SET(i->fds[0], &set);
        return select(i->fds[0] + 1, &set, NULL, NULL, NULL);
    case 9:
        epfd = (int)SYS(epoll_create1(EPOLL_CLOEXEC));
        result = epoll_wait(epfd, &event, 1, -1);
        error = errno;
        SYS(close(epfd));
        errno = error;
        return result;
    case 10:
        FD_ZERO(&set);
        return pselect(0, &set, NULL, NULL, &time, NULL);
    default:
        if (sleep(600) == 0)
            return 0;
        errno = EINTR;
        return -1;
    }
}

static void interrupted(struct self *me, struct step *step, int role, void *state)
{
    struct interruption *i = state;
    struct random random = step_random(step, role), same = random;
    struct self *other = &me->world->selves[step->thread[0]];

    if (role == 0) {
        me->got = 0;
        SYS(sem_post(&i->ready));
        do {
            same = random;
            CHECK_EQ(wait_once(&same, i), -1);
            CHECK_EQ(errno, EINTR);
        } while (!me->got);
        flag_set(&i->done, 1);
        AGAIN(sem_wait(&i->quiet));
        note(me, "interrupted");
        return;
    }
    AGAIN(sem_wait(&i->ready));
    while (!flag_get(&i->done)) {
        CHECK_RC(pthread_kill(other->id, SIGUSR1), 0);
        usleep(100 + below(&random, 1000));
    }
    SYS(sem_post(&i->quiet));
}

/* Role 1 sends SIGUSR2 some times and then what role 0 waits for: its call must not notice. */
static void restarted(struct self *me, struct step *step, int role, void *state)
{
    struct interruption *i = state;
    struct random random = step_random(step, role);
    struct self *other = &me->world->selves[step->thread[0]];
    sigset_t old;
    char byte;

    if (role == 0) {
        struct iovec part = {&byte, 1};
        struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};

        quiet_begin(&old);
        switch (below(&random, 5)) {
        case 0:
            CHECK_EQ(SYS(read(i->fds[0], &byte, 1)), 1);
            break;
        case 1:
            CHECK_EQ(SYS(recv(i->fds[0], &byte, 1, 0)), 1);
            break;
        case 2:
            CHECK_EQ(SYS(recvmsg(i->fds[0], &msg, 0)), 1);
            break;
        case 3:
            CHECK_EQ(SYS(readv(i->fds[0], &part, 1)), 1);
            break;
        default:
            SYS(sem_wait(&i->data));
        }
        quiet_end(&old);
        AGAIN(sem_wait(&i->quiet));
        note(me, "went on");
        return;
    }
    gate_wait(&other->started, step->thread[0] > 0);
    for (int n = 1 + (int)below(&random, 4); n > 0; n--) {
        CHECK_RC(pthread_kill(other->id, SIGUSR2), 0);
        wander(&random);
    }
    CHECK_EQ(AGAIN(write(i->fds[1], "x", 1)), 1);
    SYS(sem_post(&i->data));
    SYS(sem_post(&i->quiet));
}

/* As interrupted, but the handler jumps out of the call. */
static void jumped(struct self *me, struct step *step, int role, void *state)
{
    struct interruption *i = state;
    int rounding = fegetround();
    char byte;

    if (role == 1) {
        interrupted(me, step, role, state);
        return;
    }
    if (sigsetjmp(me->jump, 1) == 0) {
        me->armed = 1;
        SYS(sem_post(&i->ready));
        for (;;)
            if (step->seed % 2)
                pause();
            else
                CHECK_ERRNO(read(i->fds[0], &byte, 1), EINTR);
    }
    CHECK(!me->armed);
    CHECK_EQ(fesetround(rounding), 0); /* handlers start with the default, and a jump keeps it */
    /* glibc's waits are asynchronously cancellable, and it does not see that this one was left. */
    CHECK_RC(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL), 0);
    flag_set(&i->done, 1);
    AGAIN(sem_wait(&i->quiet));
    note(me, "jumped");
}

const struct kind signal_kinds[] = {
    {"letter signal", 14, LATER, 0, 0, 0, sizeof(struct letter), letter_setup, letter_teardown,
     letters},
    {"circular signal", 5, LATER, 0, 0, 0, sizeof(struct letter), letter_setup, letter_teardown,
     circulars},
    {"timer signal", 4, LATER, 0, 0, 0, sizeof(struct timed_letter), letter_setup, letter_teardown,
     timed_letters},
    {"altstack", 2, HOLD, 0, 0, 0, sizeof(bool), NULL, NULL, altstack},
    {"mask", 5, HOLD, 0, 0, 0, sizeof(int), NULL, NULL, mask},
    {"interrupted", 6, TOGETHER, 0, 2, 2, sizeof(struct interruption), interruption_setup,
     interruption_teardown, interrupted},
    {"restarted", 5, TOGETHER, 0, 2, 2, sizeof(struct interruption), interruption_setup,
     interruption_teardown, restarted},
    {"jumped", 4, TOGETHER, DEEP, 2, 2, sizeof(struct interruption), interruption_setup,
     interruption_teardown, jumped},
    {0},
};
