/* tcdrain and tcsendbreak on a terminal, with other threads about. */
#include "testlib.h"

#include <pty.h>
#include <termios.h>

static void *drains(void *arg)
{
    int fd = *(int *)arg;

    CHECK_EQ(write(fd, "text", 4), 4);
    SYS(tcdrain(fd));
    SYS(tcsendbreak(fd, 0));
    return NULL;
}

int test_main(void)
{
    int ends[2];
    char text[8] = "";

    SYS(openpty(&ends[0], &ends[1], NULL, NULL, NULL));
    drains(&ends[1]);
    read_all(ends[0], text, 4);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = start(drains, &ends[1]);
    for (int i = 0; i < 4; i++)
        finish(threads[i]);
    read_all(ends[0], text, 4);
    CHECK_STR(text, "text");
    return 0;
}
