/* Opening a FIFO waits for the other side; O_NONBLOCK forms do not. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/stat.h>

static void *open_later(void *arg)
{
    settle();
    return (void *)SYS(open("fifo", (int)(intptr_t)arg));
}

int test_main(void)
{
    char text[8] = "";

    SYS(mkfifo("fifo", 0600));
    CHECK_ERRNO(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    pthread_t thread = start(open_later, (void *)O_WRONLY);
    int in = -1, out;
    TAKES(30, in = (int)SYS(open("fifo", O_RDONLY)));
    out = (int)(intptr_t)finish(thread);
    write_all(out, "abc", 3);
    CHECK_EQ(read(in, text, sizeof(text)), 3);
    SYS(close(out));
    CHECK_EQ(read(in, text, sizeof(text)), 0);
    SYS(close(in));

    thread = start(open_later, (void *)O_RDONLY);
    TAKES(30, out = (int)SYS(open("fifo", O_WRONLY)));
    in = (int)(intptr_t)finish(thread);
    write_all(out, "def", 3);
    CHECK_EQ(read(in, text, sizeof(text)), 3);
    SYS(close(out));
    SYS(close(in));
    in = (int)SYS(open("fifo", O_RDONLY | O_NONBLOCK));
    CHECK_EQ(read(in, text, 1), 0);
    out = (int)SYS(open("fifo", O_WRONLY | O_NONBLOCK));
    CHECK_ERRNO(read(in, text, 1), EAGAIN);

    close(in);
    close(out);
    return 0;
}
