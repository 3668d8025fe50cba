/* A signal every 200 us while threads switch, do I/O and use libc: nothing is upset. */
#include "testlib.h"

#include <signal.h>
#include <sys/time.h>

static int ticks;
static __thread int mine;

static void on_alarm(int sig)
{
    int saved = errno;

    (void)sig;
    errno = 1234;
    flag_add(&ticks, 1);
    errno = saved;
}

static void *echo(void *arg)
{
    int *fds = arg;
    char data[100];
    long n;

    while ((n = SYS(read(fds[0], data, sizeof(data)))) > 0)
        write_all(fds[0], data, (size_t)n);
    return NULL;
}

static void *client(void *arg)
{
    int *fds = arg;

    mine = fds[1];
    for (int i = 0; i < 300; i++) {
        char text[50], back[50];
        int n = snprintf(text, sizeof(text), "%d:%d", fds[1], i);

        errno = i;
        write_all(fds[1], text, (size_t)n);
        read_all(fds[1], back, (size_t)n);
        CHECK(memcmp(text, back, (size_t)n) == 0);
        CHECK_EQ(errno, i);
        CHECK_EQ(mine, fds[1]);
        free(malloc((size_t)i * 10));
    }
    close(fds[1]);
    return NULL;
}

int test_main(void)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 200}, {0, 200}};
    static int fds[10][2];
    pthread_t threads[10][2];

    SYS(sigaction(SIGALRM, &action, NULL));
    SYS(setitimer(ITIMER_REAL, &every, NULL));
    for (int i = 0; i < 10; i++) {
        unix_pair(fds[i]);
        threads[i][0] = start(echo, fds[i]);
        threads[i][1] = start(client, fds[i]);
    }
    for (int i = 0; i < 10; i++)
        for (int j = 0; j < 2; j++)
            finish(threads[i][j]);
    every = (struct itimerval){{0, 0}, {0, 0}};
    SYS(setitimer(ITIMER_REAL, &every, NULL));
    CHECK_GE(ticks, 1);
    return 0;
}
