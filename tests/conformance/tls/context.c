/* setjmp/longjmp and swapcontext inside threads, across sleeps. */
#include "testlib.h"

#include <setjmp.h>
#include <ucontext.h>

static void *jumper(void *arg)
{
    jmp_buf at;
    volatile int turn = 0;
    volatile intptr_t id = (intptr_t)arg;

    if (setjmp(at) < 20) {
        usleep(500);
        turn++;
        CHECK_EQ(id, (intptr_t)arg);
        longjmp(at, turn);
    }
    CHECK_EQ(turn, 20);
    return arg;
}

struct coroutine {
    ucontext_t outside, inside;
    int sum;
};

static __thread struct coroutine *current;

static void generator(void)
{
    struct coroutine *self = current;

    for (int i = 1; i <= 20; i++) {
        self->sum += i;
        usleep(300);
        swapcontext(&self->inside, &self->outside);
    }
}

static void *coroutines(void *arg)
{
    struct coroutine self = {.sum = 0};
    char *stack = malloc(65536);

    getcontext(&self.inside);
    self.inside.uc_stack.ss_sp = stack;
    self.inside.uc_stack.ss_size = 65536;
    self.inside.uc_link = &self.outside;
    makecontext(&self.inside, generator, 0);
    current = &self;
    for (int i = 0; i < 20; i++) {
        swapcontext(&self.outside, &self.inside);
        usleep(300);
        CHECK(current == &self);
    }
    CHECK_EQ(self.sum, 210);
    free(stack);
    return arg;
}

int test_main(void)
{
    pthread_t threads[10];

    for (intptr_t i = 0; i < 10; i++)
        threads[i] = start(i % 2 ? jumper : coroutines, (void *)i);
    for (intptr_t i = 0; i < 10; i++)
        CHECK_EQ(finish(threads[i]), i);
    return 0;
}
