/* Input from standard input: a prompt on a line-buffered standard output is flushed before the
   program waits for an unbuffered or line-buffered one, also when that flush has to wait. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

static int in[2], out[2];

static void *answers(void *arg)
{
    char prompt[16] = "";

    read_all(out[0], prompt, 6);
    CHECK_STR(prompt, "name: ");
    sleep_ms(50);
    write_all(in[1], "green\n", 6);
    return arg;
}

static void *drains_and_answers(void *arg)
{
    char byte;

    sleep_ms(100);
    for (size_t i = 0; i < *(size_t *)arg; i++)
        read_all(out[0], &byte, 1);
    return answers(NULL);
}

int test_main(void)
{
    int saved[2] = {(int)SYS(dup(0)), (int)SYS(dup(1))};
    char word[16];
    pthread_t thread;

    pipe_pair(in);
    pipe_pair(out);
    SYS(dup2(in[0], 0));
    SYS(dup2(out[1], 1));
    setvbuf(stdin, NULL, _IONBF, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);

    TAKES(50, {
        thread = start(answers, NULL);
        printf("name: ");
        CHECK_EQ(scanf("%15s", word), 1);
    });
    finish(thread);
    CHECK_STR(word, "green");
    CHECK_EQ(getchar(), '\n');

    size_t size = fill_fd(1);
    OTHERS_RUN(150, {
        thread = start(drains_and_answers, &size);
        printf("name: ");
        CHECK(fgets(word, sizeof(word), stdin));
    });
    finish(thread);
    CHECK_STR(word, "green\n");

    fflush(stdout);
    SYS(dup2(saved[0], 0));
    SYS(dup2(saved[1], 1));
    return 0;
}
