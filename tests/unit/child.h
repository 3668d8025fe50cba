/* Helpers for tests that end a process: the deed is done in a forked child. */
#ifndef TESTS_UNIT_CHILD_H
#define TESTS_UNIT_CHILD_H

#include "runtime/core/signal.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whatever the test's environment has installed for faults is not wanted in the child. */
static inline void bare_child(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
    struct rlimit none = {0, 0};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (faults[i] == SIGSEGV && gr_tp_traps()) {
            struct sigaction dfl = {.sa_handler = SIG_DFL};
            (void)gr_sig_action(SIGSEGV, &dfl, NULL);
        } else {
            signal(faults[i], SIG_DFL);
        }
    }
    setrlimit(RLIMIT_CORE, &none);
    alarm(50);
}

static inline int status_of(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* Wait status of a child that calls @fn(@arg) and then exits with 0. */
static inline int in_child(void (*fn)(void *), void *arg)
{
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        bare_child();
        fn(arg);
        _exit(0);
    }
    return status_of(pid);
}

static inline void write_to(void *at)
{
    *(volatile char *)at = 1;
}

/* Does a write to @at end the process by a segmentation fault? */
static inline bool faults_at(void *at)
{
    int status = in_child(write_to, at);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

#endif
