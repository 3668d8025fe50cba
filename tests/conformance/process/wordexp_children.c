/* Several threads expand words by commands: each command runs and is waited for. */
#include "testlib.h"

#include <wordexp.h>

static void *expands(void *arg)
{
    for (int i = 0; i < 20; i++) {
        wordexp_t words;

        CHECK_EQ(wordexp("$(echo a) $((1 + 1)) $(exit 3)b", &words, 0), 0);
        CHECK_EQ(words.we_wordc, 3);
        CHECK_STR(words.we_wordv[0], "a");
        CHECK_STR(words.we_wordv[1], "2");
        CHECK_STR(words.we_wordv[2], "b");
        wordfree(&words);
        CHECK_EQ(wordexp("$(echo)", &words, WRDE_NOCMD), WRDE_CMDSUB);
    }
    return arg;
}

int test_main(void)
{
    pthread_t threads[3];

    expands(NULL);
    for (int i = 0; i < 3; i++)
        threads[i] = start(expands, NULL);
    for (int i = 0; i < 3; i++)
        finish(threads[i]);
    return 0;
}
