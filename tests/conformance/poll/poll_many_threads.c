/* Fifty threads each polling a set with one descriptor in common; level-triggered for all. */
#include "testlib.h"

#include <poll.h>

enum { THREADS = 50 };
static int common[2], own[THREADS][2], woken, total, turns[THREADS];

static void *body(void *arg)
{
    int self = (int)(intptr_t)arg;

    for (;;) {
        struct pollfd set[] = {{.fd = common[0], .events = POLLIN},
                               {.fd = own[self][0], .events = POLLIN}};
        char byte;

        CHECK_GE(poll(set, 2, 20000), 1);
        if (set[0].revents) {
            flag_add(&woken, 1);
            return NULL;
        }
        CHECK_EQ(set[1].revents, POLLIN);
        read_all(own[self][0], &byte, 1);
        turns[self]++;
        flag_add(&total, 1);
    }
}

int test_main(void)
{
    pthread_t threads[THREADS];

    pipe_pair(common);
    for (intptr_t i = 0; i < THREADS; i++) {
        (i % 2 ? unix_pair : pipe_pair)(own[i]);
        threads[i] = start(body, (void *)i);
    }
    for (int i = 0; i < 1000; i++) {
        write_all(own[i * 7 % THREADS][1], "x", 1);
        if (i % 50 == 0)
            usleep(500);
    }
    flag_wait(&total, 1000);
    write_all(common[1], "x", 1); /* stays there: everybody sees it */
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
    CHECK_EQ(woken, THREADS);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(turns[i], 1000 / THREADS);
    return 0;
}
