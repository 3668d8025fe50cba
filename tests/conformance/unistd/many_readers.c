/* Many readers on one pipe and one socketpair: each byte goes to exactly one, none starves. */
#include "testlib.h"

#include <sys/socket.h>

enum { READERS = 10, ROUNDS = 500 };
static int fds[2], seen[ROUNDS], got[READERS];

static void *reader(void *arg)
{
    int self = (int)(intptr_t)arg;
    int item;

    while (SYS(read(fds[0], &item, sizeof(item))) == sizeof(item)) {
        CHECK_EQ(flag_add(&seen[item], 1), 1);
        got[self]++;
        usleep(200);
    }
    return NULL;
}

static void deal(int pace)
{
    pthread_t threads[READERS];
    int total = 0;

    memset(seen, 0, sizeof(seen));
    memset(got, 0, sizeof(got));
    for (intptr_t i = 0; i < READERS; i++)
        threads[i] = start(reader, (void *)i);
    settle();
    for (int i = 0; i < ROUNDS; i++) {
        write_all(fds[1], &i, sizeof(i));
        if (pace && i % 20 == 0)
            usleep(500);
    }
    SYS(close(fds[1]));
    for (int i = 0; i < READERS; i++) {
        finish(threads[i]);
        CHECK_GE(got[i], 1);
        total += got[i];
    }
    CHECK_EQ(total, ROUNDS);
    SYS(close(fds[0]));
}

int test_main(void)
{
    for (int pace = 0; pace < 2; pace++) {
        pipe_pair(fds);
        deal(pace);
        SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
        SYS(close(fds[1]));
        SYS(close(fds[0]));
        SYS(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds));
        deal(pace);
    }
    return 0;
}
