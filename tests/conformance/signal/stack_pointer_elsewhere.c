/*
 * Code that uses the stack pointer for something else while every handler has the alternate stack,
 * as the run-time systems of some languages do: what lies below it stays as it was, though signals
 * arrive and others could run.
 */
#include "testlib.h"

#include <signal.h>
#include <sys/time.h>

#define AREA     65536
#define RED_ZONE 128
#define PATTERN  0x5a
#define SIGNALS  20
#define ROUNDS   400000000UL

static volatile int handled, off_stack;
static volatile int over;

static void on_alarm(int sig)
{
    stack_t now;

    (void)sig;
    sigaltstack(NULL, &now);
    if (!(now.ss_flags & SS_ONSTACK))
        off_stack++;
    handled++;
}

/* Count @n down, or until SIGNALS have been handled, with the stack pointer in the middle of an
 * area that nobody else may write to. */
static void run_elsewhere(unsigned long n)
{
    unsigned char *area = malloc(AREA);

    memset(area, PATTERN, AREA);
#if defined(__x86_64__)
    __asm__ volatile("mov %%rsp, %%r12\n\t"
                     "mov %1, %%rsp\n"
                     "1: cmpl %3, (%2)\n\t"
                     "jge 2f\n\t"
                     "dec %0\n\t"
                     "jnz 1b\n"
                     "2: mov %%r12, %%rsp"
                     : "+r"(n)
                     : "r"(area + AREA / 2), "r"(&handled), "i"(SIGNALS)
                     : "r12", "cc", "memory");
#elif defined(__aarch64__)
    __asm__ volatile("mov x19, sp\n\t"
                     "mov sp, %1\n"
                     "1: ldr w20, [%2]\n\t"
                     "cmp w20, %3\n\t"
                     "b.ge 2f\n\t"
                     "subs %0, %0, #1\n\t"
                     "b.ne 1b\n"
                     "2: mov sp, x19"
                     : "+r"(n)
                     : "r"(area + AREA / 2), "r"(&handled), "i"(SIGNALS)
                     : "x19", "x20", "cc", "memory");
#else
    test_skip("unknown machine");
#endif
    for (int i = 0; i < AREA; i++)
        if (area[i] != PATTERN)
            CHECK_EQ(area[i], PATTERN);
    free(area);
}

static void use_altstack(void)
{
    stack_t alt = {.ss_size = 65536};

    alt.ss_sp = malloc(alt.ss_size);
    SYS(sigaltstack(&alt, NULL));
}

static void *runs_elsewhere(void *arg)
{
    use_altstack();
    run_elsewhere(ROUNDS);
    return arg;
}

static void *ticks(void *arg)
{
    while (!over)
        usleep(1000);
    return arg;
}

int test_main(void)
{
    struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_ONSTACK | SA_RESTART};
    struct itimerval every = {{0, 5000}, {0, 5000}}, none = {{0, 0}, {0, 0}};
    pthread_t others[2], computes;

    for (int i = 0; i < 2; i++)
        others[i] = start_without_signals(ticks, NULL); /* they have no such stack */
    computes = start(runs_elsewhere, NULL);
    finish(computes);

    use_altstack();
    SYS(sigaction(SIGALRM, &sa, NULL));
    SYS(setitimer(ITIMER_REAL, &every, NULL));
    while (handled < SIGNALS)
        run_elsewhere(ROUNDS);
    SYS(setitimer(ITIMER_REAL, &none, NULL));
    CHECK_EQ(off_stack, 0);
    over = 1;
    for (int i = 0; i < 2; i++)
        finish(others[i]);
    return 0;
}
