/* Standard output is a full pipe at exit: exit waits to flush it, the other threads go on, and
   nothing is lost. The reader starts when one of them says so. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <sys/wait.h>

#define GO 9 /* the descriptor on which the child tells its parent to read */

static void *says_go(void *arg)
{
    sleep_ms(50);
    write_all(GO, "g", 1);
    return arg;
}

static void last_words(void)
{
    for (int i = 0; i < 500; i++)
        printf("%07d\n", i);
}

static int child(const char *how)
{
    fill_fd(1);
    start(says_go, NULL);
    atexit(last_words); /* flushed by exit itself */
    if (strcmp(how, "return") == 0)
        return 5;
    if (strcmp(how, "exit") == 0)
        exit(5);
    pthread_exit(NULL); /* the last thread to end calls exit(0) */
}

static void run(const char *how, int want_status)
{
    int out[2], go[2], status;
    struct sink sink;
    char byte;

    pipe_pair(out);
    pipe_pair(go);
    pid_t pid = (pid_t)SYS(fork());
    if (pid == 0) {
        dup2(out[1], 1);
        dup2(go[1], GO);
        close(out[0]);
        close(out[1]);
        close(go[0]);
        if (go[1] != GO)
            close(go[1]);
        execl("/proc/self/exe", test_argv[0], how, (char *)NULL);
        _exit(121);
    }
    SYS(close(out[1]));
    SYS(close(go[1]));
    read_all(go[0], &byte, 1);
    SYS(close(go[0]));
    sink_start(&sink, out[0], 20);
    sink_finish(&sink);
    SYS(waitpid(pid, &status, 0));
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
