/* freopen of a FIFO waits for the other side, while other threads run. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <fcntl.h>
#include <sys/stat.h>

static void *opens_other_side(void *arg)
{
    sleep_ms(100);
    FILE *file = fopen("fifo", arg);
    CHECK(file);
    if (*(char *)arg == 'w') {
        fputs("over\n", file);
    } else {
        char line[16];
        CHECK(fgets(line, sizeof(line), file));
        CHECK_STR(line, "here\n");
    }
    fclose(file);
    return NULL;
}

int test_main(void)
{
    char line[16] = "";
    pthread_t thread;

    SYS(mkfifo("fifo", 0600));
    FILE *file = fopen("/dev/null", "r");
    OTHERS_RUN(100, {
        thread = start(opens_other_side, "w");
        CHECK(freopen("fifo", "r", file) == file);
    });
    CHECK(fgets(line, sizeof(line), file));
    CHECK_STR(line, "over\n");
    finish(thread);
    CHECK(freopen("/dev/null", "r", file) == file);
    OTHERS_RUN(100, {
        thread = start(opens_other_side, "r");
        CHECK(freopen("fifo", "w", file) == file);
    });
    fputs("here\n", file);
    fclose(file);
    finish(thread);
    return 0;
}
