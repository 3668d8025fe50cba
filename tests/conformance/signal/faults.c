/* Faults are the faulting thread's: siginfo, its alternate stack, recovery by a jump hundreds of
   times in several threads; a handler that repairs the context, the mask in it included. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

enum { ALT = 65536, ROUNDS = 200 };

static _Thread_local sigjmp_buf again;
static _Thread_local char *alt;
static _Thread_local int hits;
static _Thread_local const void *address;
static char *unmapped, *beyond_file;

static void recover(int sig, siginfo_t *info, void *context)
{
    char here;

    (void)context;
    CHECK(&here > alt && &here < alt + ALT);
    CHECK_EQ(info->si_signo, sig);
    CHECK_GE(info->si_code, 1);
    CHECK(info->si_addr == address);
    hits++;
    siglongjmp(again, sig);
}

static void fault(int which)
{
    switch (which) {
    case 0:
        address = unmapped;
        *(volatile char *)unmapped = 1;
        break;
    case 1:
        address = beyond_file;
        (void)*(volatile char *)beyond_file;
        break;
    default:
        address = unmapped + 8;
        *(volatile char *)(unmapped + 8) = 1;
    }
}

static void *faulty(void *arg)
{
    stack_t stack = {.ss_sp = alt = malloc(ALT), .ss_size = ALT}, now;
    sigset_t mask, other;

    SYS(sigaltstack(&stack, NULL));
    sigemptyset(&other);
    sigaddset(&other, SIGUSR1 + (arg ? 2 : 0));
    CHECK_RC(pthread_sigmask(SIG_SETMASK, &other, NULL), 0);
    for (volatile int i = 0; i < ROUNDS; i++) {
        int sig = sigsetjmp(again, 1);
        if (sig == 0) {
            fault(i % 3);
        } else {
            CHECK_EQ(sig, i % 3 == 1 ? SIGBUS : SIGSEGV);
            CHECK_EQ(hits, i + 1);
            CHECK_RC(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
            for (int s = 1; s < 32; s++)
                CHECK_EQ(sigismember(&mask, s), sigismember(&other, s));
        }
        if (i % 7 == 0)
            sleep_ms(1);
        else
            sched_yield();
    }
    CHECK_EQ(hits, ROUNDS);
    SYS(sigaltstack(NULL, &now));
    CHECK(now.ss_sp == alt);
    CHECK_EQ(now.ss_flags, 0);
    return NULL;
}

/* The handler makes the page writable, waits, and lets the instruction be tried again. */
static char *pages[4];

static void repair(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    char *page = (char *)((uintptr_t)info->si_addr & ~4095UL);

    CHECK_EQ(sig, SIGSEGV);
    CHECK_EQ(info->si_code, SEGV_ACCERR);
    CHECK_EQ(sigismember(&uc->uc_sigmask, SIGUSR1), 1);
    sleep_ms(2);
    SYS(mprotect(page, 4096, PROT_READ | PROT_WRITE));
    sleep_ms(2);
    sigdelset(&uc->uc_sigmask, SIGUSR1);
    sigaddset(&uc->uc_sigmask, SIGUSR2);
}

static void *writer(void *arg)
{
    volatile char *page = arg;
    sigset_t mask;

    for (int i = 0; i < 20; i++) {
        sigemptyset(&mask);
        sigaddset(&mask, SIGUSR1);
        CHECK_RC(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
        double x = i; /* lives in a register of the interrupted context */
        page[i] = (char)i;
        CHECK_EQ(page[i], i);
        CHECK(x == i);
        CHECK_RC(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
        CHECK_EQ(sigismember(&mask, SIGUSR1), 0);
        CHECK_EQ(sigismember(&mask, SIGUSR2), 1);
        CHECK_EQ(sigismember(&mask, SIGSEGV), 0);
        SYS(mprotect(arg, 4096, PROT_READ));
    }
    return NULL;
}

static void *blocked_fault(void *arg)
{
    sigset_t all;

    sigfillset(&all);
    CHECK_RC(pthread_sigmask(SIG_BLOCK, &all, NULL), 0);
    fault(0);
    return arg;
}

static void fault_again(int sig)
{
    (void)sig;
    fault(2);
}

static int child(const char *what)
{
    stay_quiet();
    signal(SIGSEGV, fault_again);
    finish(start(!strcmp(what, "blocked") ? blocked_fault : faulty, NULL));
    return 0;
}

int test_main(void)
{
    static const char *const ends[] = {"blocked", "again"};
    struct sigaction action = {.sa_sigaction = recover, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    pthread_t threads[4];
    FILE *file = tmpfile();

    unmapped = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SYS(ftruncate(fileno(file), 100));
    beyond_file = (char *)mmap(NULL, 8192, PROT_READ, MAP_SHARED, fileno(file), 0) + 5000;
    if (test_argc > 1)
        return child(test_argv[1]);
    SYS(sigaction(SIGSEGV, &action, NULL));
    SYS(sigaction(SIGBUS, &action, NULL));
    for (int i = 0; i < 4; i++)
        threads[i] = start(faulty, i & 1 ? &threads : NULL);
    faulty(NULL);
    for (int i = 0; i < 4; i++)
        finish(threads[i]);

    action = (struct sigaction){.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
    SYS(sigaction(SIGSEGV, &action, NULL));
    for (int i = 0; i < 4; i++) {
        pages[i] = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        threads[i] = start(writer, pages[i]);
    }
    for (int i = 0; i < 4; i++)
        finish(threads[i]);

    for (size_t i = 0; i < 2; i++) {
        int status = run_self(ends[i], NULL, 0);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), SIGSEGV);
    }
    return 0;
}
