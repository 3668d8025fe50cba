/* A handler that interrupted malloc or free may wait, and other threads use malloc meanwhile. */
#include "testlib.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#define HANDLERS 200
#define BLOCKS   16

static timer_t timer;
static int handlers;

static void arm(void)
{
    struct itimerspec soon = {.it_value = {.tv_nsec = 200 * 1000}};

    SYS(timer_settime(timer, 0, &soon, NULL));
}

static void on_alarm(int sig)
{
    int saved = errno;

    (void)sig;
    poll(NULL, 0, 1);
    if (flag_add(&handlers, 1) < HANDLERS)
        arm();
    errno = saved;
}

/* Nobody else writes to a block between malloc and free. */
static void use_blocks(int byte, int pause)
{
    unsigned char *blocks[BLOCKS] = {0};

    for (int i = 0; flag_get(&handlers) < HANDLERS; i++) {
        unsigned char **block = &blocks[i % BLOCKS];

        for (int k = 0; *block && k < 24; k++)
            CHECK_EQ((*block)[k], byte);
        free(*block);
        *block = malloc(24 + (size_t)(i % 3) * 16);
        CHECK(*block);
        memset(*block, byte, 24);
        if (pause && i % 64 == 0)
            usleep(10);
    }
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

static void *worker(void *arg)
{
    use_blocks(*(int *)arg, 1);
    return arg;
}

int test_main(void)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    static int bytes[] = {1, 2, 3};
    pthread_t threads[3];

    SYS(sigaction(SIGALRM, &action, NULL));
    SYS(timer_create(CLOCK_MONOTONIC, NULL, &timer));
    for (int i = 0; i < 3; i++)
        threads[i] = start_without_signals(worker, &bytes[i]);
    arm();
    use_blocks(4, 0);
    for (int i = 0; i < 3; i++)
        finish(threads[i]);
    return 0;
}
