/* popen, fgets and pclose at once in several threads, where each command needs the other's; a large
   write to a slow reader; statuses of pclose; many at once; nothing left behind. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void *reads(void *arg)
{
    char line[32];
    FILE *file = popen(arg, "r");

    CHECK(file);
    CHECK(fgets(line, sizeof(line), file));
    CHECK_STR(line, "ready\n");
    CHECK(fgets(line, sizeof(line), file));
    CHECK_STR(line, "met\n");
    CHECK(!fgets(line, sizeof(line), file) && feof(file));
    return (void *)(intptr_t)pclose(file);
}

static void *one_of_many(void *arg)
{
    int id = (int)(intptr_t)arg, status;
    char command[64], line[32], want[32];

    snprintf(command, sizeof(command), "read x; echo $x-%d; exit %d", id, id);
    snprintf(want, sizeof(want), "in-%d\n", id);
    char shell[100];
    snprintf(shell, sizeof(shell), "echo in | { %s; }", command);
    FILE *file = popen(shell, id % 2 ? "r" : "re");
    CHECK(file);
    CHECK(fgets(line, sizeof(line), file));
    CHECK_STR(line, want);
    status = pclose(file);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), id);
    return NULL;
}

static void large_write(void)
{
    static char block[1 << 20];
    char line[32] = "";

    memset(block, 'b', sizeof(block));
    OTHERS_RUN(200, {
        FILE *file = popen("sleep 0.2; wc -c >count; exit 6", "w");
        CHECK(file);
        CHECK_EQ(fwrite(block, 1, sizeof(block), file), sizeof(block));
        CHECK_EQ(pclose(file), 6 << 8);
    });
    FILE *file = fopen("count", "r");
    CHECK(fgets(line, sizeof(line), file));
    CHECK_EQ(atoi(line), sizeof(block));
    fclose(file);
}

int test_main(void)
{
    pthread_t threads[40];

    SYS(mkfifo("a", 0600));
    SYS(mkfifo("b", 0600));
    large_write();
    int descriptors = open_descriptors();

    for (int i = 0; i < 10; i++) {
        threads[0] = start(reads, "echo ready; echo x >a; read y <b; echo met; exit 7");
        threads[1] = start(reads, "echo ready; read y <a; echo x >b; echo met; kill -TERM $$");
        CHECK_EQ((intptr_t)finish(threads[0]), 7 << 8);
        CHECK_EQ((intptr_t)finish(threads[1]), SIGTERM);
    }
    OTHERS_RUN(200, {
        FILE *file = popen("sleep 0.1; echo; sleep 0.1; exit 1", "r");
        CHECK_EQ(getc(file), '\n');
        CHECK_EQ(pclose(file), 1 << 8);
    });
    OTHERS_RUN(200, {
        FILE *file = popen("exec >&-; sleep 0.2; exit 1", "r");
        CHECK_EQ(getc(file), EOF);
        CHECK_EQ(pclose(file), 1 << 8); /* here it waits */
    });
    for (intptr_t i = 0; i < 40; i++)
        threads[i] = start(one_of_many, (void *)i);
    for (int i = 0; i < 40; i++)
        finish(threads[i]);
    errno = 0;
    CHECK(!popen("true", "x"));
    CHECK_EQ(errno, EINVAL);
    FILE *file = popen("nonexistent-command-xyz 2>/dev/null", "r");
    CHECK_EQ(pclose(file), 127 << 8);

    CHECK_ERRNO(wait(NULL), ECHILD);
    CHECK_EQ(open_descriptors(), descriptors);
    return 0;
}
