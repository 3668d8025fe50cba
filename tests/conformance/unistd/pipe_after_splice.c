/* A pipe goes on working after splice() has been used on it, also for a write that has begun. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/uio.h>

enum { MUCH = 1 << 20 };
static int fds[2];
static char data[MUCH];
static char got[MUCH];

static void *write_much(void *arg)
{
    struct iovec v[] = {{data, MUCH / 2}, {data + MUCH / 2, MUCH / 2}};
    if (arg)
        CHECK_EQ(writev(fds[1], v, 2), MUCH);
    else
        CHECK_EQ(write(fds[1], data, MUCH), MUCH);
    return NULL;
}

static void *read_few(void *arg)
{
    char text[8] = "";
    struct iovec v[] = {{text, 2}, {text + 2, 4}};
    CHECK_EQ(arg ? readv(fds[0], v, 2) : read(fds[0], text, 6), 6);
    CHECK_STR(text, "spoken");
    return NULL;
}

static void much_goes_through(void *vector, int file)
{
    off_t from = 0;
    pthread_t t = start(write_much, vector);
    settle();
    if (file >= 0)
        CHECK_ERRNO(splice(file, &from, fds[1], NULL, 100, SPLICE_F_NONBLOCK), EAGAIN);
    memset(got, 0, sizeof(got));
    read_all(fds[0], got, MUCH);
    CHECK(memcmp(got, data, MUCH) == 0);
    finish(t);
}

static void little_is_waited_for(void *vector)
{
    pthread_t t = start(read_few, vector);
    settle();
    CHECK_EQ(write(fds[1], "spoken", 6), 6);
    finish(t);
}

int test_main(void)
{
    int file = open("/dev/zero", O_RDONLY);
    int null = open("/dev/null", O_WRONLY);
    CHECK(file >= 0 && null >= 0);
    for (int i = 0; i < MUCH; i++)
        data[i] = (char)(i * 7 + i / 256);
    for (int round = 0; round < 2; round++) {
        void *vector = round ? data : NULL;
        pipe_pair(fds);
        much_goes_through(vector, file);
        much_goes_through(vector, -1);
        CHECK_EQ(splice(file, NULL, fds[1], NULL, 100, 0), 100);
        CHECK_EQ(splice(fds[0], NULL, null, NULL, 100, 0), 100);
        little_is_waited_for(vector);
        much_goes_through(vector, -1);
        close(fds[0]);
        close(fds[1]);
    }
    close(file);
    close(null);
    return 0;
}
