/* fork, popen and system while other threads hold the locks of FILEs and wait: the child uses its
   own FILEs, even the same ones, and ends by exit. fork waits for fflush(NULL), others run. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <sys/wait.h>

static FILE *input, *output;
static int in[2], out[2], flushing;

static void *reads(void *arg)
{
    char line[16];

    CHECK(fgets(line, sizeof(line), input));
    CHECK_STR(line, "line\n");
    return arg;
}

static void *holds(void *arg)
{
    flockfile(output);
    flag_set(arg, 1);
    flag_wait(arg, 2);
    funlockfile(output);
    return arg;
}

static void *flushes(void *arg)
{
    flag_set(&flushing, 1);
    CHECK_EQ(fflush(NULL), 0);
    return arg;
}

static int child(void *arg)
{
    FILE *file = fopen("own", "w");
    char line[16];

    (void)arg;
    CHECK(file);
    CHECK_EQ(fprintf(file, "child\n"), 6);
    CHECK_EQ(fclose(file), 0);
    file = fopen("own", "r");
    CHECK(fgets(line, sizeof(line), file));
    CHECK_STR(line, "child\n");
    CHECK_EQ(fclose(file), 0);
    CHECK_EQ(ftrylockfile(input), 0); /* its holder does not exist here */
    funlockfile(input);
    CHECK_EQ(fprintf(output, "from the child\n"), 15);
    CHECK_EQ(fflush(output), 0);
    file = popen("echo grandchild", "r");
    CHECK(fgets(line, sizeof(line), file));
    CHECK_STR(line, "grandchild\n");
    CHECK_EQ(pclose(file), 0);
    exit(5);
}

static void children(int count)
{
    char line[32];

    for (int i = 0; i < count; i++) {
        CHECK_EQ(run_child(child, NULL), 5 << 8);
        FILE *file = popen("echo hello; exit 2", "r");
        CHECK(fgets(line, sizeof(line), file));
        CHECK_STR(line, "hello\n");
        CHECK_EQ(pclose(file), 2 << 8);
        CHECK_EQ(system("exit 4"), 4 << 8);
    }
}

static void *forks(void *arg)
{
    children(1);
    return arg;
}

int test_main(void)
{
    int held = 0;

    pipe_pair(in);
    pipe_pair(out);
    input = fdopen(in[0], "r");
    output = fdopen(out[1], "w");
    pthread_t reader = start(reads, NULL);
    pthread_t holder = start(holds, &held);
    flag_wait(&held, 1);
    settle();
    children(10);
    finish(start(forks, NULL));
    CHECK(ftrylockfile(input) != 0);
    flag_set(&held, 2);
    finish(holder);
    write_all(in[1], "line\n", 5);
    finish(reader);

    size_t before = 11 * 15 + fill_fd(out[1]);
    struct sink sink;
    fputs("end", output);
    OTHERS_RUN(200, {
        pthread_t flusher = start(flushes, NULL);
        flag_wait(&flushing, 1);
        settle();
        sink_start(&sink, out[0], 200);
        children(1); /* its first fork waits for the list of files */
        finish(flusher);
    });
    fclose(output);
    sink_finish(&sink);
    CHECK_EQ(sink.size, before + 18);
    free(sink.data);
    return 0;
}
