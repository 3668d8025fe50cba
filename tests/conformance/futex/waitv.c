/* futex_waitv(2): waits for one of several futexes, private and shared. */
#include "testlib.h"

#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

enum { WORDS = 3, THREADS = 8, TURNS = 50 };

/* As the kernel has it since 5.16. */
struct waitv {
    uint64_t val, uaddr;
    uint32_t flags, reserved;
};
enum { SIZE_U32 = 2, PRIVATE = 128 };

static uint32_t *words;
static int private_flag;

static struct waitv *waiters(uint32_t value)
{
    static __thread struct waitv w[WORDS];

    for (int i = 0; i < WORDS; i++)
        w[i] = (struct waitv){.val = value,
                              .uaddr = (uintptr_t)&words[i],
                              .flags = SIZE_U32 | (private_flag ? PRIVATE : 0)};
    return w;
}

static long wait_any(struct waitv *w, struct timespec *until, clockid_t clock)
{
    return syscall(SYS_futex_waitv, w, WORDS, 0, until, clock);
}

static int wake(int at, int n)
{
    return (int)SYS(syscall(SYS_futex, &words[at], FUTEX_WAKE | (private_flag ? PRIVATE : 0), n));
}

static void *waits(void *arg)
{
    flag_add(arg, 1);
    return (void *)SYS(wait_any(waiters(0), NULL, 0));
}

static void woken(void)
{
    for (int at = 0; at < WORDS; at++) {
        pthread_t thread[THREADS];
        int ready = 0, n = 0;
        for (int i = 0; i < THREADS; i++)
            thread[i] = start(waits, &ready);
        flag_wait(&ready, THREADS);
        while (n < THREADS / 2) {
            n += wake(at, THREADS / 2 - n);
            sleep_ms(1);
        }
        while (n < THREADS) {
            n += wake(at, THREADS);
            sleep_ms(1);
        }
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ((intptr_t)finish(thread[i]), at);
        CHECK_EQ(wake(at, THREADS), 0);
    }
}

/* One thread counts up any of the words; the other waits for a change of any. */
static void *counts(void *arg)
{
    for (int i = 0; i < TURNS; i++) {
        int at = i % WORDS;
        __atomic_add_fetch(&words[at], 1, __ATOMIC_SEQ_CST);
        wake(at, 1);
        flag_wait(arg, i + 1);
    }
    return NULL;
}

static void counted(void)
{
    int seen = 0;
    uint32_t sum = 0;
    pthread_t thread = start(counts, &seen);

    while (sum < TURNS) {
        struct waitv *w = waiters(0);
        uint32_t now = 0;
        for (int i = 0; i < WORDS; i++) {
            w[i].val = __atomic_load_n(&words[i], __ATOMIC_SEQ_CST);
            now += (uint32_t)w[i].val;
        }
        if (now == sum) {
            long rc = wait_any(w, NULL, 0);
            CHECK(rc >= 0 || errno == EAGAIN);
        }
        sum = now;
        flag_set(&seen, (int)sum);
    }
    finish(thread);
    memset(words, 0, WORDS * sizeof(*words));
}

static void time_limit(void)
{
    struct timespec until;

    until = ts_after(CLOCK_MONOTONIC, 30);
    TAKES(30, CHECK_ERRNO(wait_any(waiters(0), &until, CLOCK_MONOTONIC), ETIMEDOUT));
    until = ts_after(CLOCK_REALTIME, 30);
    TAKES(29, CHECK_ERRNO(wait_any(waiters(0), &until, CLOCK_REALTIME), ETIMEDOUT));
    CHECK_ERRNO(wait_any(waiters(0), &until, CLOCK_REALTIME), ETIMEDOUT);
}

static void refused(void)
{
    struct timespec bad = {0, -1};
    struct waitv *w = waiters(1);

    CHECK_ERRNO(wait_any(w, NULL, 0), EAGAIN);
    CHECK_ERRNO(wait_any(waiters(0), &bad, CLOCK_MONOTONIC), EINVAL);
    CHECK_ERRNO(wait_any(waiters(0), &(struct timespec){0}, CLOCK_PROCESS_CPUTIME_ID), EINVAL);
    CHECK_ERRNO(syscall(SYS_futex_waitv, w, 0, 0, NULL, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_futex_waitv, w, WORDS, 1, NULL, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_futex_waitv, (void *)16, WORDS, 0, NULL, 0), EFAULT);
    w = waiters(0);
    w[1].reserved = 1;
    CHECK_ERRNO(wait_any(w, NULL, 0), EINVAL);
}

static void handler(int sig)
{
    (void)sig;
}

static void *interrupted(void *arg)
{
    flag_set(arg, 1);
    CHECK_ERRNO(wait_any(waiters(0), NULL, 0), EINTR);
    flag_set(arg, 2);
    return NULL;
}

static void signals(void)
{
    struct sigaction act = {.sa_handler = handler};
    int state = 0;

    SYS(sigaction(SIGUSR1, &act, NULL));
    pthread_t thread = start(interrupted, &state);
    flag_wait(&state, 1);
    while (flag_get(&state) < 2) {
        pthread_kill(thread, SIGUSR1);
        sleep_ms(1);
    }
    finish(thread);
}

static void *all(void *arg)
{
    for (private_flag = 0; private_flag < 2; private_flag++) {
        woken();
        counted();
        time_limit();
        refused();
        signals();
    }
    return arg;
}

int test_main(void)
{
    words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(words != MAP_FAILED);
    if (wait_any(waiters(1), NULL, 0) == -1 && errno == ENOSYS)
        test_skip("the kernel has no futex_waitv");
    all(NULL);
    finish(start(all, NULL));
    return 0;
}
