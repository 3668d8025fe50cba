/* Ways to end a process with threads: who runs which functions, what is flushed, the status. */
#include "testlib.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

static void say(const char *what)
{
    write_all(1, what, strlen(what));
}

static void at_exit_1(void)
{
    say("[1]");
}

static void at_exit_2(void)
{
    say("[2]");
}

static void at_quick(void)
{
    say("[quick]");
}

static void exits_again(void)
{
    say("[again]");
    exit(33);
}

static void sleeps(void)
{
    say("[sleeps]");
    sleep_ms(10000); /* the other one ends the process meanwhile */
}

static void on_abort(int sig)
{
    (void)sig;
    say("[handler]");
}

static sigjmp_buf out;

static void jumps(int sig)
{
    siglongjmp(out, sig);
}

static void block_abort(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGABRT);
    CHECK_RC(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
}

static void *sleeper(void *arg)
{
    pause();
    return arg;
}

static void *ends(void *arg)
{
    const char *how = arg;

    sleep_ms(20);
    if (!strcmp(how, "exit") || !strcmp(how, "two") || !strcmp(how, "in_exit") ||
        !strcmp(how, "main_gone"))
        exit(11);
    if (!strcmp(how, "_exit"))
        _exit(12);
    if (!strcmp(how, "quick"))
        quick_exit(13);
    if (!strcmp(how, "abort_jump")) {
        signal(SIGABRT, jumps);
        block_abort();
        for (volatile int i = 0; i < 3; i++)
            if (sigsetjmp(out, 1) == 0)
                abort();
        _exit(19);
    }
    if (!strncmp(how, "abort", 5)) {
        if (!strcmp(how, "abort_blocked"))
            block_abort();
        if (!strcmp(how, "abort_ignored"))
            signal(SIGABRT, SIG_IGN);
        else
            signal(SIGABRT, on_abort);
        abort();
    }
    return NULL;
}

static int child(const char *how)
{
    stay_quiet();
    atexit(at_exit_1);
    if (!strcmp(how, "in_exit"))
        atexit(exits_again);
    if (!strcmp(how, "two"))
        atexit(sleeps);
    atexit(at_exit_2);
    at_quick_exit(at_quick);
    if (strcmp(how, "last") != 0)
        start(sleeper, NULL);
    fputs("(flushed)", stdout);
    start(ends, (void *)how);
    if (!strcmp(how, "last") || !strcmp(how, "main_gone"))
        pthread_exit(NULL);
    if (!strcmp(how, "two")) {
        sleep_ms(50);
        exit(16);
    }
    if (!strcmp(how, "return"))
        return 17;
    for (;;)
        pause();
}

int test_main(void)
{
    static const char *const how[] = {"exit",  "_exit",         "quick",         "two",
                                      "last",  "in_exit",       "main_gone",     "return",
                                      "abort", "abort_blocked", "abort_ignored", "abort_jump"};

    if (test_argc > 1)
        return child(test_argv[1]);
    for (size_t i = 0; i < sizeof(how) / sizeof(*how); i++) {
        char text[200];
        int status = run_self(how[i], text, sizeof(text));
        printf("%s: %s status %x\n", how[i], text, status & ~0x80);
        CHECK(WIFEXITED(status) || WIFSIGNALED(status));
    }
    return 0;
}
