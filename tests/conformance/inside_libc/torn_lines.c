/* Threads print to one FILE, each a line at a time, into a pipe that is full most of the time: no
   line is torn or lost, each thread's are in order. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#define THREADS 5
#define LINES   1500

static FILE *file;

static void *prints(void *arg)
{
    int id = (int)(intptr_t)arg;

    for (int i = 0; i < LINES; i++) {
        if (i % 3 == 0) {
            CHECK_EQ(fprintf(file, "%d %d %s\n", id, i, "the quick brown fox"), i < 10     ? 24
                                                                                : i < 100  ? 25
                                                                                : i < 1000 ? 26
                                                                                           : 27);
        } else if (i % 3 == 1) {
            char line[64];
            snprintf(line, sizeof(line), "%d %d the quick brown fox\n", id, i);
            CHECK_GE(fputs(line, file), 0);
        } else {
            flockfile(file);
            fprintf(file, "%d %d", id, i);
            fputs_unlocked(" the quick brown fox", file);
            putc_unlocked('\n', file);
            funlockfile(file);
        }
        if (i % 100 == 0)
            CHECK_EQ(fflush(file), 0);
    }
    CHECK_EQ(fflush(file), 0);
    return NULL;
}

static void run(int mode)
{
    int fds[2], next[THREADS] = {0};
    pthread_t threads[THREADS];
    char line[100], rest[32];

    pipe_pair(fds);
    file = fdopen(fds[1], "w");
    FILE *in = fdopen(fds[0], "r");
    setvbuf(file, NULL, mode, mode == _IOLBF ? 0 : 1000);
    size_t before = fill_fd(fds[1]);
    for (intptr_t i = 0; i < THREADS; i++)
        threads[i] = start(prints, (void *)i);
    settle();
    while (before-- > 0)
        CHECK_EQ(getc(in), 'x');
    for (int i = 0; i < THREADS * LINES; i++) {
        int id, number;

        CHECK(fgets(line, sizeof(line), in));
        CHECK_EQ(sscanf(line, "%d %d %31[^\n]", &id, &number, rest), 3);
        CHECK(id >= 0 && id < THREADS);
        CHECK_EQ(number, next[id]++);
        CHECK_STR(rest, "the quick brown fox");
    }
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
    fclose(file);
    CHECK(!fgets(line, sizeof(line), in));
    fclose(in);
}

int test_main(void)
{
    run(_IOFBF);
    run(_IOLBF);
    return 0;
}
