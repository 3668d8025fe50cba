/* A thread that overruns its stack dies of SIGSEGV; a handler on an alternate stack may leave. */
#include "testlib.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

static volatile int sink;

static int __attribute__((noinline)) dig(int level)
{
    volatile char block[1024];

    block[level % 1024] = (char)level;
    sink += block[level % 512];
    return level > 1000000 ? level : dig(level + 1) + block[3];
}

static void *overrun(void *arg)
{
    usleep(1000);
    dig(0);
    return arg;
}

static _Thread_local sigjmp_buf jump;

static void on_segv(int sig)
{
    (void)sig;
    siglongjmp(jump, 1);
}

static void *overrun_caught(void *arg)
{
    struct sigaction action = {.sa_handler = on_segv, .sa_flags = SA_ONSTACK};
    char *memory = malloc(65536);
    stack_t stack = {.ss_sp = memory, .ss_size = 65536};

    SYS(sigaltstack(&stack, NULL));
    SYS(sigaction(SIGSEGV, &action, NULL));
    if (sigsetjmp(jump, 1) == 0) {
        dig(0);
        return NULL;
    }
    stack.ss_flags = SS_DISABLE;
    SYS(sigaltstack(&stack, NULL));
    free(memory);
    return arg;
}

static int child(const char *what)
{
    pthread_attr_t attr;
    pthread_t thread;

    stay_quiet();
    CHECK_RC(pthread_attr_init(&attr), 0);
    if (!strcmp(what, "small"))
        CHECK_RC(pthread_attr_setstacksize(&attr, 32 << 10), 0);
    CHECK_RC(
        pthread_create(&thread, &attr, !strcmp(what, "caught") ? overrun_caught : overrun, &attr),
        0);
    CHECK(finish(thread) == &attr);
    return 0;
}

int test_main(void)
{
    int status;

    if (test_argc > 1)
        return child(test_argv[1]);
    status = run_self("default", NULL, 0);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
    status = run_self("small", NULL, 0);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
    CHECK_EQ(run_self("caught", NULL, 0), 0);
    return 0;
}
