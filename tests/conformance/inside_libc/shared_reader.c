/* Threads read one FILE by lines: each line is read once, whole, and in order. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#define LINES 3000

static FILE *file;
static int fds[2], seen[LINES];

static void *writes(void *arg)
{
    char text[32];

    for (int i = 0; i < LINES; i++) {
        int n = snprintf(text, sizeof(text), "line %d\n", i);

        if (i % 50 == 0) { /* half a line, and a pause */
            write_all(fds[1], text, 3);
            sleep_ms(1);
            write_all(fds[1], text + 3, (size_t)n - 3);
        } else {
            write_all(fds[1], text, (size_t)n);
        }
    }
    SYS(close(fds[1]));
    return arg;
}

static void *reads(void *arg)
{
    char *line = NULL, space[64];
    size_t size = 0;
    int number, last = -1;

    for (;;) {
        if (arg ? !fgets(space, sizeof(space), file) : getline(&line, &size, file) == -1)
            break;
        CHECK_EQ(sscanf(arg ? space : line, "line %d\n", &number), 1);
        CHECK(number > last && number < LINES);
        CHECK_EQ(flag_add(&seen[number], 1), 1);
        last = number;
    }
    CHECK(feof(file) && !ferror(file));
    free(line);
    return NULL;
}

int test_main(void)
{
    pthread_t threads[4];

    pipe_pair(fds);
    file = fdopen(fds[0], "r");
    for (int i = 0; i < 4; i++)
        threads[i] = start(reads, i % 2 ? file : NULL);
    OTHERS_RUN(100, sleep_ms(100)); /* one waits in read, three for the lock */
    finish(start(writes, NULL));
    for (int i = 0; i < 4; i++)
        finish(threads[i]);
    for (int i = 0; i < LINES; i++)
        CHECK_EQ(seen[i], 1);
    fclose(file);
    return 0;
}
