/* sigaltstack is per thread: SA_ONSTACK handlers run there, SS_ONSTACK is seen. */
#include "testlib.h"

#include <signal.h>

static _Thread_local char *stack_memory;
static _Thread_local volatile int on_it;
enum { SIZE = 65536 };

static void on_signal(int sig)
{
    char local;
    stack_t now;

    (void)sig;
    on_it = &local >= stack_memory && &local < stack_memory + SIZE;
    SYS(sigaltstack(NULL, &now));
    CHECK_EQ(now.ss_flags & SS_ONSTACK, SS_ONSTACK);
    stack_t other = {.ss_sp = stack_memory, .ss_size = SIZE};
    CHECK_ERRNO(sigaltstack(&other, NULL), EPERM);
}

static void *body(void *arg)
{
    stack_t stack, now;

    SYS(sigaltstack(NULL, &now));
    CHECK_EQ(now.ss_flags, SS_DISABLE);
    stack_memory = malloc(SIZE);
    stack = (stack_t){.ss_sp = stack_memory, .ss_size = SIZE};
    SYS(sigaltstack(&stack, NULL));
    for (int i = 0; i < 10; i++) {
        usleep(500);
        SYS(sigaltstack(NULL, &now));
        CHECK(now.ss_sp == stack_memory);
        CHECK_EQ(now.ss_flags, 0);
        on_it = 0;
        SYS(raise(SIGUSR1));
        CHECK_EQ(on_it, 1);
    }
    stack.ss_flags = SS_DISABLE;
    SYS(sigaltstack(&stack, &now));
    CHECK(now.ss_sp == stack_memory);
    free(stack_memory);
    stack = (stack_t){.ss_sp = &stack, .ss_size = 100};
    CHECK_ERRNO(sigaltstack(&stack, NULL), ENOMEM);
    return arg;
}

int test_main(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    pthread_t threads[8];

    SYS(sigaction(SIGUSR1, &action, NULL));
    for (int i = 0; i < 8; i++)
        threads[i] = start(body, NULL);
    body(NULL);
    for (int i = 0; i < 8; i++)
        finish(threads[i]);
    return 0;
}
