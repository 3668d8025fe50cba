/* Blocking inside stdio: fgets, getline, fread and fscanf on pipes and sockets. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <sys/socket.h>

static int fds[2];

static void *talker(void *arg)
{
    static const char text[] = "first line\nsecond line\n42 43\nrest";

    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        usleep(2000);
        write_all(fds[1], text + i, 1);
    }
    SYS(close(fds[1]));
    return arg;
}

static void *drain(void *arg)
{
    char block[4096];
    long n, total = 0;

    (void)arg;
    settle();
    while ((n = SYS(read(fds[0], block, sizeof(block)))) > 0)
        total += n;
    return (void *)total;
}

int test_main(void)
{
    void (*pairs[])(int *) = {pipe_pair, unix_pair, tcp_pair};

    for (int i = 0; i < 3; i++) {
        char line[64], *got = NULL;
        size_t size = 0;
        int a = 0, b = 0;

        pairs[i](fds);
        pthread_t thread = start(talker, NULL);
        FILE *file = fdopen(fds[0], "r");
        CHECK(file);
        TAKES(20, CHECK(fgets(line, sizeof(line), file)));
        CHECK_STR(line, "first line\n");
        CHECK_EQ(getline(&got, &size, file), 12);
        CHECK_STR(got, "second line\n");
        CHECK_EQ(fscanf(file, "%d %d", &a, &b), 2);
        CHECK_EQ(a * 100 + b, 4243);
        memset(line, 0, sizeof(line));
        CHECK_EQ(fread(line, 1, sizeof(line) - 1, file), 5);
        CHECK_STR(line, "\nrest");
        CHECK(feof(file) && !ferror(file));
        fclose(file);
        finish(thread);
        free(got);
    }

    /* a full pipe blocks fflush until somebody reads */
    pipe_pair(fds);
    pthread_t reader = start(drain, NULL);
    FILE *file = fdopen(fds[1], "w");
    for (int i = 0; i < 20000; i++)
        CHECK_EQ(fprintf(file, "%09d\n", i), 10);
    CHECK_EQ(fclose(file), 0);
    CHECK_EQ(finish(reader), 200000);
    return 0;
}
