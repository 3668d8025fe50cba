/* A token goes round 500 threads by pipes, socketpairs and eventfds; several rounds. */
#include "testlib.h"

#include <sys/eventfd.h>

enum { THREADS = 500, ROUNDS = 10 };
static int in[THREADS], out[THREADS];

static void *body(void *arg)
{
    int self = (int)(intptr_t)arg;
    uint64_t token;

    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(read(in[self], &token, 8), 8);
        CHECK_EQ(token, i * THREADS + self + 1);
        token++;
        CHECK_EQ(write(out[(self + 1) % THREADS], &token, 8), 8);
    }
    return NULL;
}

int test_main(void)
{
    static pthread_t threads[THREADS];
    uint64_t token = 1;

    for (intptr_t i = 0; i < THREADS; i++) {
        int fds[2];

        if (i % 3 == 0)
            fds[0] = fds[1] = (int)SYS(eventfd(0, 0));
        else
            (i % 3 == 1 ? pipe_pair : unix_pair)(fds);
        in[i] = fds[0];
        out[i] = fds[1];
    }
    for (intptr_t i = 0; i < THREADS; i++)
        threads[i] = start(body, (void *)i);
    CHECK_EQ(write(out[0], &token, 8), 8);
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
    CHECK_EQ(read(in[0], &token, 8), 8);
    CHECK_EQ(token, ROUNDS * THREADS + 1);
    return 0;
}
