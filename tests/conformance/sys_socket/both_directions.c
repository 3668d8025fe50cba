/* One thread reads and another writes the same socket at once, 1 MiB each way. */
#include "testlib.h"

enum { SIZE = 1 << 20 };

static void *reader(void *arg)
{
    unsigned char *data = malloc(SIZE);

    read_all(*(int *)arg, data, SIZE);
    CHECK(pattern_ok(data, SIZE, 0));
    free(data);
    return NULL;
}

static void *writer(void *arg)
{
    unsigned char *data = malloc(SIZE);

    fill_pattern(data, SIZE, 0);
    for (size_t at = 0; at < SIZE; at += 1 << 16)
        write_all(*(int *)arg, data + at, 1 << 16);
    free(data);
    return NULL;
}

int test_main(void)
{
    enum { PAIRS = 5 };
    int fds[PAIRS][2];
    pthread_t threads[PAIRS][4];

    for (int i = 0; i < PAIRS; i++) {
        (i % 2 ? unix_pair : tcp_pair)(fds[i]);
        for (int side = 0; side < 2; side++) {
            threads[i][side] = start(reader, &fds[i][side]);
            threads[i][side + 2] = start(writer, &fds[i][side]);
        }
    }
    for (int i = 0; i < PAIRS; i++)
        for (int j = 0; j < 4; j++)
            finish(threads[i][j]);
    return 0;
}
