/* pthread_exit from main: the process goes on, and ends with status 0 after the last thread;
   return from main and exit() end it while threads run. */
#include "testlib.h"

#include <sys/wait.h>

static void say(const char *text)
{
    write_all(1, text, strlen(text));
}

static void at_exit_1(void)
{
    say("atexit1\n");
}

static void at_exit_2(void)
{
    say("atexit2\n");
}

static void *late(void *arg)
{
    usleep(50000);
    say(arg);
    return NULL;
}

static void *forever(void *arg)
{
    for (;;)
        sleep(1);
    return arg;
}

static void *exit_from_thread(void *arg)
{
    usleep(10000);
    exit((int)(intptr_t)arg);
}

static void *join_main(void *arg)
{
    void *value;

    CHECK_RC(pthread_join(*(pthread_t *)arg, &value), 0);
    CHECK_EQ(value, 99);
    say("joined main\n");
    return NULL;
}

static int child(const char *what)
{
    static pthread_t self;

    self = pthread_self();
    atexit(at_exit_1);
    atexit(at_exit_2);
    if (!strcmp(what, "pthread_exit")) {
        start(late, "late\n");
        pthread_exit(NULL);
    }
    if (!strcmp(what, "pthread_exit_joined")) {
        start(join_main, &self);
        pthread_exit((void *)99);
    }
    if (!strcmp(what, "alone"))
        pthread_exit((void *)5);
    start(forever, NULL);
    settle();
    if (!strcmp(what, "return"))
        return 7;
    if (!strcmp(what, "exit"))
        exit(8);
    if (!strcmp(what, "_exit"))
        _exit(9);
    if (!strcmp(what, "quick_exit"))
        quick_exit(11);
    start(exit_from_thread, (void *)10);
    if (!strcmp(what, "thread_exit_main_gone"))
        pthread_exit(NULL);
    sleep(20);
    return 1;
}

static void expect(const char *what, int status, const char *output)
{
    char text[200];
    int got = run_self(what, text, sizeof(text));

    printf("%s: %d\n%s", what, got, text);
    fflush(stdout);
    CHECK(WIFEXITED(got));
    CHECK_EQ(WEXITSTATUS(got), status);
    CHECK_STR(text, output);
}

int test_main(void)
{
    if (test_argc > 1)
        return child(test_argv[1]);
    expect("pthread_exit", 0, "late\natexit2\natexit1\n");
    expect("pthread_exit_joined", 0, "joined main\natexit2\natexit1\n");
    expect("alone", 0, "atexit2\natexit1\n");
    expect("return", 7, "atexit2\natexit1\n");
    expect("exit", 8, "atexit2\natexit1\n");
    expect("_exit", 9, "");
    expect("quick_exit", 11, "");
    expect("thread_exit", 10, "atexit2\natexit1\n");
    expect("thread_exit_main_gone", 10, "atexit2\natexit1\n");
    return 0;
}
