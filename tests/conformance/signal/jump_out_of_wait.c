/* siglongjmp from a handler out of a blocked poll, read or sleep: the wait leaves nothing behind.
 */
#include "testlib.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf jump;
static int fds[2];
static pthread_t self;

static void on_signal(int sig)
{
    siglongjmp(jump, sig);
}

static void *poke(void *arg)
{
    settle();
    CHECK_EQ(pthread_kill(self, SIGUSR1), 0);
    return arg;
}

static void *writer(void *arg)
{
    write_all(fds[1], "x", 1);
    return arg;
}

static void wait_somehow(int how)
{
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    char c;
    if (how == 0)
        (void)poll(&p, 1, -1);
    else if (how == 1)
        (void)!read(fds[0], &c, 1);
    else
        (void)sleep(100);
}

/* Overwrites the stack that the wait was on, and lets others run meanwhile. */
__attribute__((noinline)) static void reuse_stack(int depth)
{
    volatile char block[4000];
    memset((void *)block, 0x41, sizeof(block));
    sleep_ms(1);
    for (size_t i = 0; i < sizeof(block); i++)
        CHECK_EQ(block[i], 0x41);
    if (depth)
        reuse_stack(depth - 1);
}

int test_main(void)
{
    self = pthread_self();
    signal(SIGUSR1, on_signal);
    for (volatile int i = 0; i < 12; i++) {
        pipe_pair(fds);
        pthread_t poker = start(poke, NULL);
        if (sigsetjmp(jump, 1) == 0)
            wait_somehow(i % 3);
        finish(poker);
        pthread_t thread = start(writer, NULL);
        reuse_stack(4);
        finish(thread);
        SYS(close(fds[0]));
        SYS(close(fds[1]));
    }
    return 0;
}
