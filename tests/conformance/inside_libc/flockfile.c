/* The lock of a FILE is held over a sleep, a wait for input, a wait for another thread: who wants
   it waits, the others run. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

static FILE *file;
static int fds[2], holding, done;

static void *holds(void *arg)
{
    flockfile(file);
    flag_set(&holding, 1);
    sleep_ms((int)(intptr_t)arg);
    CHECK(!flag_get(&done));
    fputs("held ", file);
    flag_set(&holding, 0);
    funlockfile(file);
    return NULL;
}

static void *prints(void *arg)
{
    fputs(arg, file);
    flag_add(&done, 1);
    return arg;
}

static void *reads(void *arg)
{
    char line[16];

    CHECK(fgets(line, sizeof(line), file));
    CHECK_STR(line, arg);
    return NULL;
}

int test_main(void)
{
    pthread_t holder, others[3];
    char text[64] = "";

    file = fmemopen(text, sizeof(text), "w");
    CHECK(file);
    OTHERS_RUN(200, {
        holder = start(holds, (void *)200);
        flag_wait(&holding, 1);
        CHECK(ftrylockfile(file) != 0);
        for (int i = 0; i < 3; i++)
            others[i] = start(prints, "a ");
        finish(holder);
        for (int i = 0; i < 3; i++)
            finish(others[i]);
    });
    CHECK_EQ(ftrylockfile(file), 0);
    flockfile(file); /* it counts */
    funlockfile(file);
    funlockfile(file);
    fclose(file);
    CHECK_STR(text, "held a a a ");

    /* a blocked reader holds it, too */
    pipe_pair(fds);
    file = fdopen(fds[0], "r");
    holder = start(reads, "first\n");
    settle();
    CHECK(ftrylockfile(file) != 0);
    others[0] = start(reads, "second\n");
    settle();
    CHECK(ftrylockfile(file) != 0);
    write_all(fds[1], "first\nsecond\n", 13);
    finish(holder);
    finish(others[0]);
    CHECK_EQ(ftrylockfile(file), 0);
    funlockfile(file);
    fclose(file);
    return 0;
}
