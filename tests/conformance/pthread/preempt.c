/* Threads that compute do not keep others from running, and lose nothing by it. */
/* BUILD: -lm */
#include "testlib.h"

#include <fenv.h>
#include <signal.h>
#include <time.h>

static volatile int flag;

static void *set_flag(void *arg)
{
    usleep(1000);
    flag = 1;
    return arg;
}

static void *spin(void *arg)
{
    while (!flag)
        ;
    return arg;
}

static void *spin_in_libc(void *arg)
{
    static char text[4096];

    memset(text, 'x', sizeof(text) - 1);
    while (!flag)
        CHECK_EQ(strlen(text), sizeof(text) - 1);
    return arg;
}

static void *spin_on_clock(void *arg)
{
    struct timespec ts;

    while (!flag)
        clock_gettime(CLOCK_MONOTONIC, &ts);
    return arg;
}

static void *spin_on_calls(void *arg)
{
    sigset_t set;

    while (!flag) {
        CHECK_RC(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
        CHECK_RC(pthread_kill(pthread_self(), 0), 0);
    }
    return arg;
}

static void *spin_in_malloc(void *arg)
{
    while (!flag) {
        char *p = malloc(100);
        CHECK(p != NULL);
        memset(p, 1, 100);
        free(p);
    }
    return arg;
}

/* Main sets the flag only after it has slept among them. */
static void spinners(void *(*fn)(void *))
{
    pthread_t threads[4], setter;

    flag = 0;
    for (int i = 0; i < 4; i++)
        threads[i] = start(fn, NULL);
    setter = start(set_flag, NULL);
    for (int i = 0; i < 4; i++)
        finish(threads[i]);
    finish(setter);
}

/* A result that depends on every register and flag being as it was left. */
static double crunch(double x, unsigned long *bits)
{
    long double y = x;

    for (int i = 0; i < 3000000; i++) {
        x = x * 1.0000001 + 1e-9;
        y = y / 1.0000001L + 1e-9L;
        *bits = *bits * 6364136223846793005UL + 1442695040888963407UL + (*bits >> 60);
    }
    return x + (double)y;
}

static double expected[2];
static unsigned long expected_bits;
static int rounds_done;

static void *compute(void *arg)
{
    int upwards = (int)(size_t)arg & 1;

    CHECK_EQ(fesetround(upwards ? FE_UPWARD : FE_TONEAREST), 0);
    for (int i = 0; i < 8; i++) {
        unsigned long bits = 1;
        errno = 100 + upwards;
        double x = crunch(1.5, &bits);
        CHECK_EQ(errno, 100 + upwards);
        CHECK(x == expected[upwards]);
        CHECK_EQ(bits, expected_bits);
        CHECK_EQ(fegetround(), upwards ? FE_UPWARD : FE_TONEAREST);
        flag_add(&rounds_done, 1);
    }
    return NULL;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counted, plain;

static void *count(void *arg)
{
    for (int i = 0; i < 300000; i++) {
        CHECK_RC(pthread_mutex_lock(&mutex), 0);
        long n = counted;
        plain += (n & 1) + 1;
        counted = n + 1;
        CHECK_RC(pthread_mutex_unlock(&mutex), 0);
    }
    return arg;
}

/* Blocks of many sizes, handed to others, with what is in them. */
static char *volatile exchange[16];

static void *churn(void *arg)
{
    unsigned n = (unsigned)(size_t)arg;

    for (int i = 0; i < 200000; i++) {
        n = n * 1103515245 + 12345;
        size_t size = 16 + (n >> 16) % (n & 64 ? 3000 : 60);
        char *p = malloc(size);
        CHECK(p != NULL);
        memset(p, (int)(size & 127), size);
        memcpy(p, &size, sizeof(size));
        p = __atomic_exchange_n(&exchange[(n >> 8) & 15], p, __ATOMIC_ACQ_REL);
        if (p) {
            memcpy(&size, p, sizeof(size));
            CHECK_EQ(p[size - 1], size > sizeof(size) ? (char)(size & 127) : p[size - 1]);
            free(p);
        }
    }
    return NULL;
}

static void all(void *(*fn)(void *))
{
    pthread_t threads[6];

    for (size_t i = 0; i < 6; i++)
        threads[i] = start(fn, (void *)i);
    for (int i = 0; i < 6; i++)
        finish(threads[i]);
}

int test_main(void)
{
    spinners(spin);
    spinners(spin_in_libc);
    spinners(spin_on_clock);
    spinners(spin_on_calls);
    spinners(spin_in_malloc);

    for (int upwards = 0; upwards < 2; upwards++) {
        expected_bits = 1;
        fesetround(upwards ? FE_UPWARD : FE_TONEAREST);
        expected[upwards] = crunch(1.5, &expected_bits);
    }
    fesetround(FE_TONEAREST);
    all(compute);
    CHECK_EQ(rounds_done, 6 * 8);
    all(count);
    CHECK_EQ(counted, 6 * 300000);
    CHECK_EQ(plain, 6 * 300000 + 6 * 300000 / 2);
    all(churn);
    return 0;
}
