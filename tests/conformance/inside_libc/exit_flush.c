/* Standard output is a full pipe at exit: exit waits to flush it, the other threads go on, and
   nothing is lost. The reader starts when one of them says so. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <sys/wait.h>

static void last_words(void)
{
    for (int i = 0; i < 500; i++)
        printf("%07d\n", i);
}

static int child(const char *how)
{
    fill_and_say_go(1);
    atexit(last_words); /* flushed by exit itself */
    if (strcmp(how, "return") == 0)
        return 5;
    if (strcmp(how, "exit") == 0)
        exit(5);
    pthread_exit(NULL); /* the last thread to end calls exit(0) */
}

static void run(const char *how, int want_status)
{
    struct sink sink;
    int status = run_with_full_pipe(how, 1, 20, &sink);

    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), want_status);
    CHECK_GE(sink.size, 4000);
    const char *words = sink.data + sink.size - 4000;
    for (int i = 0; i < 500; i++)
        CHECK_EQ(atoi(words + (size_t)i * 8), i);
    for (const char *at = sink.data; at < words; at++)
        CHECK_EQ(*at, 'x');
    free(sink.data);
}

int test_main(void)
{
    if (test_argc > 1)
        return child(test_argv[1]);
    run("return", 5);
    run("exit", 5);
    run("last thread", 0);
    return 0;
}
