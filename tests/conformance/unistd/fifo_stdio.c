/* fopen of a FIFO waits for the writer, fgets for its line. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <fcntl.h>
#include <sys/stat.h>

static void *writer(void *arg)
{
    settle();
    int fd = (int)SYS(open("fifo", O_WRONLY));
    settle();
    write_all(fd, "line\n", 5);
    SYS(close(fd));
    return arg;
}

int test_main(void)
{
    char line[16] = "";
    FILE *file = NULL;

    SYS(mkfifo("fifo", 0600));
    pthread_t thread = start(writer, NULL);
    TAKES(30, file = fopen("fifo", "r"));
    CHECK(file);
    TAKES(30, CHECK(fgets(line, sizeof(line), file)));
    CHECK_STR(line, "line\n");
    CHECK(!fgets(line, sizeof(line), file));
    fclose(file);
    finish(thread);
    return 0;
}
