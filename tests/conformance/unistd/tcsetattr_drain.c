/* Settings of a terminal that change after its output: behind another process that is still
   writing, while threads of this one read what it writes. */
#include "testlib.h"

#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#define SIZE 100000

static int master, slave, begun;
static struct termios modes;

static void *reads(void *arg)
{
    static char data[SIZE];

    flag_wait(&begun, 1);
    settle();
    read_all(master, data, SIZE);
    CHECK_EQ(data[SIZE - 1], 'x');
    return arg;
}

static void set(int how)
{
    unsigned char raw[256]; /* as the kernel has them, in any form */

    switch (how) {
    case 0:
        SYS(tcsetattr(slave, TCSADRAIN, &modes));
        break;
    case 1:
        SYS(tcsetattr(slave, TCSAFLUSH, &modes));
        break;
    case 2:
        SYS(ioctl(slave, TCGETS, raw));
        SYS(ioctl(slave, TCSETSW, raw));
        break;
    default:
        SYS(ioctl(slave, TCGETA, raw));
        SYS(ioctl(slave, TCSETAF, raw));
    }
}

/* A process of its own holds the terminal until all it writes is read. */
static pid_t write_much(void)
{
    static char data[SIZE];
    pid_t pid = (pid_t)SYS(fork());

    if (pid == 0) {
        memset(data, 'x', SIZE);
        write_all(slave, data, SIZE);
        _exit(0);
    }
    return pid;
}

int test_main(void)
{
    int ends[2], status, waiting;

    SYS(openpty(&ends[0], &ends[1], NULL, NULL, NULL));
    master = ends[0];
    slave = ends[1];
    SYS(tcgetattr(slave, &modes));
    cfmakeraw(&modes);
    SYS(tcsetattr(slave, TCSANOW, &modes));
    for (int how = 0; how < 4; how++) {
        pthread_t thread = start(reads, NULL);
        pid_t pid = write_much();

        do {
            sleep_ms(5);
            SYS(ioctl(master, FIONREAD, &waiting));
        } while (waiting == 0);
        settle();
        flag_set(&begun, 1);
        set(how);
        finish(thread);
        flag_set(&begun, 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }

    SYS(tcgetattr(slave, &modes));
    modes.c_lflag |= ICANON;
    pthread_t thread = start(reads, NULL);
    SYS(tcsetattr(slave, TCSADRAIN, &modes));
    SYS(tcgetattr(slave, &modes));
    CHECK(modes.c_lflag & ICANON);
    pid_t pid = write_much();
    flag_set(&begun, 1);
    finish(thread);
    CHECK_EQ(waitpid(pid, &status, 0), pid);

    CHECK_ERRNO(tcsetattr(slave, 99, &modes), EINVAL);
    CHECK_ERRNO(tcsetattr(-1, TCSADRAIN, &modes), EBADF);
    pipe_pair(ends);
    CHECK_ERRNO(tcsetattr(ends[0], TCSAFLUSH, &modes), ENOTTY);
    CHECK_ERRNO(ioctl(ends[0], TCSBRK, 1), ENOTTY);
    return 0;
}
