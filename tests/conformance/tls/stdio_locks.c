/* A FILE locked by one thread across a sleep, wanted by others: no mixing, no deadlock. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

static FILE *file;
static int holding;

static void *holder(void *arg)
{
    for (int i = 0; i < 10; i++) {
        flockfile(file);
        flag_set(&holding, 1);
        fputs("<", file);
        usleep(2000);
        flockfile(file); /* recursive */
        fputs("mid", file);
        usleep(2000);
        funlockfile(file);
        fputs(">", file);
        funlockfile(file);
        usleep(500);
    }
    return arg;
}

static void *writer(void *arg)
{
    flag_wait(&holding, 1);
    for (int i = 0; i < 30; i++) {
        CHECK_GE(fprintf(file, "[%d]", (int)(intptr_t)arg), 3);
        usleep(300);
    }
    return NULL;
}

int test_main(void)
{
    pthread_t threads[6];
    char *text = NULL;
    size_t size = 0;

    file = open_memstream(&text, &size);
    CHECK(file);
    threads[0] = start(holder, NULL);
    for (intptr_t i = 1; i < 6; i++)
        threads[i] = start(writer, (void *)i);
    for (int i = 0; i < 6; i++)
        finish(threads[i]);
    CHECK_EQ(ftrylockfile(file), 0);
    funlockfile(file);
    fclose(file);

    int holds = 0, writes = 0;
    for (char *at = text; *at;) {
        if (*at == '<') {
            CHECK(strncmp(at, "<mid>", 5) == 0);
            holds++;
            at += 5;
        } else {
            CHECK(at[0] == '[' && at[2] == ']');
            writes++;
            at += 3;
        }
    }
    CHECK_EQ(holds, 10);
    CHECK_EQ(writes, 150);
    free(text);
    return 0;
}
