/* Pipe writes of at most PIPE_BUF bytes by many threads are not mixed, though the pipe is full. */
#include "testlib.h"

#include <limits.h>

enum { WRITERS = 8, RECORDS = 60 };
static int fds[2];

static void *writer(void *arg)
{
    char record[PIPE_BUF];

    for (int i = 0; i < RECORDS; i++) {
        memset(record, 'a' + (int)(intptr_t)arg, sizeof(record));
        CHECK_EQ(write(fds[1], record, sizeof(record)), sizeof(record));
    }
    return NULL;
}

int test_main(void)
{
    pthread_t threads[WRITERS];
    int counts[WRITERS] = {0};
    char record[PIPE_BUF];

    pipe_pair(fds);
    for (intptr_t i = 0; i < WRITERS; i++)
        threads[i] = start(writer, (void *)i);
    settle();
    for (int i = 0; i < WRITERS * RECORDS; i++) {
        read_all(fds[0], record, sizeof(record));
        for (size_t j = 1; j < sizeof(record); j++)
            CHECK_EQ(record[j], record[0]);
        counts[record[0] - 'a']++;
        if (i % 10 == 0)
            usleep(200);
    }
    for (int i = 0; i < WRITERS; i++) {
        finish(threads[i]);
        CHECK_EQ(counts[i], RECORDS);
    }
    return 0;
}
