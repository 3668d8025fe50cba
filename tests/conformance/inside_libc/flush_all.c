/* fflush(NULL) is stuck on a full pipe: another thread's fopen and fclose of a plain file wait for
   it, as the list of files is locked, and the rest of the program runs. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

static int flushed, opened;

static void *flushes(void *arg)
{
    CHECK_EQ(fflush(NULL), 0);
    flag_set(&flushed, 1);
    return arg;
}

static void *opens(void *arg)
{
    for (int i = 0; i < 20; i++) {
        FILE *file = fopen("plain", "w");

        CHECK(file);
        flag_set(&opened, 1);
        CHECK_EQ(fprintf(file, "%d\n", i), i < 10 ? 2 : 3);
        CHECK_EQ(fclose(file), 0);
    }
    return arg;
}

int test_main(void)
{
    pthread_t flusher, opener;
    struct sink sink;
    int fds[2];

    pipe_pair(fds);
    size_t before = fill_fd(fds[1]);
    FILE *file = fdopen(fds[1], "w");
    fprintf(file, "stuck");
    OTHERS_RUN(200, {
        flusher = start(flushes, NULL);
        settle();
        opener = start(opens, NULL);
        sleep_ms(200);
    });
    CHECK(!flag_get(&flushed));
    CHECK(!flag_get(&opened));
    sink_start(&sink, fds[0], 0);
    finish(flusher);
    finish(opener);
    fclose(file);
    sink_finish(&sink);
    CHECK_EQ(sink.size, before + 5);
    CHECK_STR(sink.data + before, "stuck");
    free(sink.data);
    return 0;
}
