/* Waits that must end by their deadline, not before it, and small things that one thread does. */
#include "run.h"

#include <arpa/inet.h>
#include <fenv.h>
#include <locale.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <threads.h>

/* Condition waits may end early for no reason: until the deadline itself is the reason. */
static void cond_times_out(struct random *random, int64_t ms)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    clockid_t clock = below(random, 2) ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    struct timespec end = ts_after(clock, ms);
    int result;

    CHECK_RC(pthread_mutex_lock(&mutex), 0);
    do
        result = pthread_cond_clockwait(&cond, &mutex, clock, &end);
    while (result == 0);
    CHECK_EQ(result, ETIMEDOUT);
    CHECK_RC(pthread_mutex_unlock(&mutex), 0);
    CHECK_RC(pthread_cond_destroy(&cond), 0);
    CHECK_RC(pthread_mutex_destroy(&mutex), 0);
}

/* A thread that owns a mutex cannot have it again, nor can a reader write. */
static void lock_times_out(struct random *random, int64_t ms)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
    struct timespec real = ts_after(CLOCK_REALTIME, ms);
    struct timespec monotonic = ts_after(CLOCK_MONOTONIC, ms);

    if (below(random, 2)) {
        CHECK_RC(pthread_mutex_lock(&mutex), 0);
        CHECK_RC(below(random, 2) ? pthread_mutex_timedlock(&mutex, &real)
                                  : pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &monotonic),
                 ETIMEDOUT);
        CHECK_RC(pthread_mutex_unlock(&mutex), 0);
    } else {
        CHECK_RC(pthread_rwlock_rdlock(&rwlock), 0);
        CHECK_RC(below(random, 2)
                     ? pthread_rwlock_timedwrlock(&rwlock, &real)
                     : pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &monotonic),
                 ETIMEDOUT);
        CHECK_RC(pthread_rwlock_tryrdlock(&rwlock), 0);
        CHECK_RC(pthread_rwlock_unlock(&rwlock), 0);
        CHECK_RC(pthread_rwlock_unlock(&rwlock), 0);
    }
}

static void descriptor_times_out(struct random *random, int64_t ms)
{
    struct timespec time = ts_of_ms(ms);
    struct timeval tv = {0, (suseconds_t)ms * 1000};
    struct pollfd p = {.events = POLLIN};
    struct epoll_event event = {.events = EPOLLIN};
    unsigned how = below(random, 6);
    int64_t end = now_ns() + ms * 1000000;
    int fds[2], epfd;
    fd_set set;
    char byte;

    if (how == 5)
        unix_pair(fds);
    else
        pipe_pair(fds);
    p.fd = fds[0];
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    /* Interrupted, the wait begins anew: it only gets longer. */
    switch (how) {
    case 0:
        CHECK_EQ(AGAIN(poll(&p, 1, (int)ms)), 0);
        break;
    case 1:
        CHECK_EQ(AGAIN(ppoll(&p, 1, &time, NULL)), 0);
        break;
    case 2:
        while (select(fds[0] + 1, &set, NULL, NULL, &tv) != 0)
            FD_SET(fds[0], &set);
        CHECK(!FD_ISSET(fds[0], &set) && tv.tv_sec == 0 && tv.tv_usec == 0);
        break;
    case 3:
        while (pselect(fds[0] + 1, &set, NULL, NULL, &time, NULL) != 0)
            FD_SET(fds[0], &set);
        break;
    case 4:
        epfd = (int)SYS(epoll_create1(0));
        SYS(epoll_ctl(epfd, EPOLL_CTL_ADD, fds[0], &event));
        CHECK_EQ(AGAIN(epoll_wait(epfd, &event, 1, (int)ms)), 0);
        SYS(close(epfd));
        break;
    default:
        SYS(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
        if (ms > 0) /* 0 is for ever */
            FAILS(recv(fds[0], &byte, 1, 0), EAGAIN);
    }
    SYS(close(fds[0]));
    SYS(close(fds[1]));
    if (how != 2) /* restarts with what was left, in whole microseconds */
        CHECK_GE(now_ns() + (how == 5 ? 4000000 : 0), end);
}

static void sleep_times_out(struct random *random, int64_t ms)
{
    struct timespec time = ts_of_ms(ms), end = ts_after(CLOCK_MONOTONIC, ms);
    sigset_t set;
    sem_t sem;
    int result;

    switch (below(random, 5)) {
    case 0:
        sleep_ms((int)ms);
        break;
    case 1:
        while ((result = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL)) != 0)
            CHECK_EQ(result, EINTR);
        break;
    case 2:
        SYS(sem_init(&sem, 0, 0));
        FAILS(sem_clockwait(&sem, CLOCK_MONOTONIC, &end), ETIMEDOUT);
        SYS(sem_destroy(&sem));
        break;
    case 3:
        sigemptyset(&set);
        sigaddset(&set, SIGURG);
        FAILS(sigtimedwait(&set, NULL, &time), EAGAIN);
        break;
    default:
        while (thrd_sleep(&time, &time) == -1)
            ;
    }
}

static void times_out(struct self *me, struct step *step, int role, void *state)
{
    static void (*const ways[])(struct random *, int64_t) = {cond_times_out, lock_times_out,
                                                             descriptor_times_out, sleep_times_out};
    struct random random = step_random(step, role);
    int64_t ms = below(&random, 4), start = now_ns();
    unsigned way = below(&random, 4);

    (void)state;
    ways[way](&random, ms);
    if (way != 2)
        CHECK_GE(now_ns() - start, ms * 1000000);
    note(me, "after %d ms", (int)ms);
}

/* The rounding of floating point and the locale are the thread's own. */
static void rounding(struct self *me, struct step *step, int role, void *state)
{
    static const int ways[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    struct random random = step_random(step, -1);
    int way = ways[below(&random, 3)], *before = state;
    volatile double one = 1, three = 3;

    if (role == 0) {
        *before = fegetround();
        CHECK_EQ(fesetround(way), 0);
    } else {
        double third = one / three;

        note(me, "%a %d", third, fegetround() == *before);
        CHECK_EQ(fesetround(*before), 0);
    }
}

/* Not a second time over the first. */
static void locale(struct self *me, struct step *step, int role, void *state)
{
    locale_t *mine = state;

    (void)step;
    if (role == 0 && uselocale((locale_t)0) == LC_GLOBAL_LOCALE) {
        *mine = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        CHECK(*mine);
        CHECK(uselocale(*mine) == LC_GLOBAL_LOCALE);
    } else if (role == 1 && *mine) {
        CHECK(uselocale((locale_t)0) == *mine);
        CHECK(uselocale(LC_GLOBAL_LOCALE) == *mine);
        freelocale(*mine);
    }
    note(me, "%s", *mine ? "set" : "set already");
}

static void lookup(struct self *me, struct step *step, int role, void *state)
{
    struct random random = step_random(step, role);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *list;
    char name[64], host[64], port[16];

    (void)state;
    snprintf(name, sizeof(name), below(&random, 2) ? "127.%u.3.4" : "fe80::%x",
             1 + below(&random, 255));
    note(me, "%d", getaddrinfo("no.number", "80", &hints, &list));
    CHECK_EQ(getaddrinfo(name, "80", &hints, &list), 0);
    CHECK_EQ(getnameinfo(list->ai_addr, list->ai_addrlen, host, sizeof(host), port, sizeof(port),
                         NI_NUMERICHOST | NI_NUMERICSERV),
             0);
    CHECK_STR(host, name);
    CHECK_STR(port, "80");
    freeaddrinfo(list);
}

/* Jumps back over calls that let others run. */
static void jumps(struct self *me, struct step *step, int role, void *state)
{
    struct random random = step_random(step, role);
    volatile int count = 0;
    jmp_buf place;

    (void)state;
    int want = 1 + (int)below(&random, 5), got = setjmp(place);
    CHECK_EQ(got, count);
    wander(&random);
    if (++count <= want)
        longjmp(place, count);
    note(me, "%d jumps", got);
}

/* A block of memory goes to another thread. */
static void memory(struct self *me, struct step *step, int role, void *state)
{
    unsigned char **block = state;
    struct random random = step_random(step, -1);
    size_t size = below(&random, 200000), less = below(&random, (unsigned)size + 1);

    if (role == 0) {
        unsigned char *data = malloc(size + 1);

        CHECK(data);
        fill_pattern(data, size, step->seed);
        *block = data;
    } else {
        CHECK(pattern_ok(*block, size, step->seed));
        *block = realloc(*block, less + 1);
        CHECK(*block);
        CHECK(pattern_ok(*block, less, step->seed));
        free(*block);
        note(me, "%zu", size);
    }
}

const struct kind timeout_kinds[] = {
    {"times out", 14, ALONE, 0, 0, 0, 0, NULL, NULL, times_out},
    {"rounding", 3, HOLD, 0, 0, 0, sizeof(int), NULL, NULL, rounding},
    {"locale", 1, HOLD, 0, 0, 0, sizeof(locale_t), NULL, NULL, locale},
    {"lookup", 3, ALONE, 0, 0, 0, 0, NULL, NULL, lookup},
    {"jumps", 3, ALONE, 0, 0, 0, 0, NULL, NULL, jumps},
    {"memory", 6, LATER, AFTER, 0, 0, sizeof(void *), NULL, NULL, memory},
    {0},
};
