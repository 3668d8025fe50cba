/* wordexp runs commands: others run meanwhile, from two threads at once each gets its own words. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <wordexp.h>

static void *expands(void *arg)
{
    wordexp_t words;

    CHECK_EQ(wordexp(arg, &words, 0), 0);
    CHECK_EQ(words.we_wordc, 3);
    CHECK_STR(words.we_wordv[0], "got");
    CHECK_STR(words.we_wordv[1], "one");
    CHECK_STR(words.we_wordv[2], "two");
    wordfree(&words);
    return NULL;
}

int test_main(void)
{
    wordexp_t words;
    pthread_t threads[2];

    SYS(mkfifo("a", 0600));
    SYS(mkfifo("b", 0600));
    for (int i = 0; i < 5; i++) {
        threads[0] = start(expands, "got $(echo x >a; read y <b; echo one two)");
        threads[1] = start(expands, "got $(read y <a; echo x >b; echo one two)");
        finish(threads[0]);
        finish(threads[1]);
    }
    OTHERS_RUN(200, expands("got $(sleep 0.2; echo one two)"));
    CHECK_EQ(wordexp("$(echo a", &words, 0), WRDE_SYNTAX);
    CHECK_EQ(wordexp("$(echo a)", &words, WRDE_NOCMD), WRDE_CMDSUB);
    CHECK_ERRNO(wait(NULL), ECHILD);
    return 0;
}
