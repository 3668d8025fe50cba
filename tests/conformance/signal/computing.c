/* A signal for the process is handled although the threads compute and never make a call; the
   main thread, which waits, is interrupted all the same. */
#include "testlib.h"

#include <signal.h>

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static void *compute(void *arg)
{
    while (!stop) {
    }
    return arg;
}

static void *reader(void *arg)
{
    char c;

    CHECK_EQ(read(*(int *)arg, &c, 1), 1);
    return NULL;
}

int test_main(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    pthread_t threads[3];
    int fds[2];

    pipe_pair(fds);
    SYS(sigaction(SIGALRM, &action, NULL));
    for (int round = 0; round < 3; round++) {
        stop = 0;
        for (int i = 0; i < 3; i++)
            threads[i] = start(compute, NULL);
        ualarm(100000, 0);
        switch (round) {
        case 0:
            break;
        case 1:
            CHECK_ERRNO(pause(), EINTR);
            break;
        default:
            CHECK_ERRNO(read(fds[0], &(char){0}, 1), EINTR);
        }
        for (int i = 0; i < 3; i++)
            finish(threads[i]);
    }
    action.sa_flags = SA_RESTART;
    SYS(sigaction(SIGALRM, &action, NULL));
    stop = 0;
    threads[0] = start(compute, NULL);
    threads[1] = start(reader, fds);
    ualarm(100000, 0);
    finish(threads[0]);
    write_all(fds[1], "x", 1);
    finish(threads[1]);
    return 0;
}
