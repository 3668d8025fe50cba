/*
 * A program for the tests of --check-blocking. Arguments are done one after the other by a thread
 * named "worker" while another one wants to tick: a number is that many reads from standard input,
 * made by instructions of the program's own; other words see below.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int over;
static volatile double sink;
static char **todo;

static __attribute__((noinline)) long raw_read(int fd, void *buf, size_t n)
{
    long ret;
    __asm__ volatile("syscall" /* LINE raw_read */
                     : "=a"(ret)
                     : "a"(SYS_read), "D"(fd), "S"(buf), "d"(n)
                     : "rcx", "r11", "memory");
    return ret;
}

static __attribute__((noinline)) void wait_by_instruction(int times)
{
    char c;
    for (int i = 0; i < times; i++)
        raw_read(0, &c, 1);
    sink++;
}

static __attribute__((noinline)) void crunch(void)
{
    struct timespec a, b;
    syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &a);
    do {
        for (int i = 0; i < 1000000; i++)
            sink += i * 0.5;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    } while ((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < 300);
}

/* Waits that hold up nobody. */
static void wait_properly(void)
{
    int s[2];
    char c = 'x';
    struct timespec nap = {.tv_nsec = 300000000};
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    nanosleep(&nap, NULL);
    if (fork() == 0) {
        nanosleep(&nap, NULL);
        _exit(write(s[1], &c, 1) != 1);
    }
    if (read(s[0], &c, 1) != 1 || wait(NULL) < 0)
        abort();
    close(s[0]);
    close(s[1]);
}

static void show_children(void)
{
    int rc = wait(NULL);
    printf("wait %d %d\n", rc, rc < 0 && errno == ECHILD);
}

static void with_ticks(void);

/* A child does what is left to do. */
static void in_child(void)
{
    if (fork() == 0) {
        printf("child %d\n", getpid());
        todo++;
        with_ticks();
        exit(0);
    }
    wait(NULL);
    while (todo[1])
        todo++;
}

static void *tick(void *arg)
{
    struct timespec ms = {.tv_nsec = 1000000};
    while (!over)
        nanosleep(&ms, NULL);
    return arg;
}

static void *worker(void *arg)
{
    pthread_setname_np(pthread_self(), "worker");
    for (; *todo; todo++) {
        if (strcmp(*todo, "compute") == 0)
            crunch();
        else if (strcmp(*todo, "wait") == 0)
            wait_properly();
        else if (strcmp(*todo, "fork") == 0)
            in_child();
        else if (strcmp(*todo, "_exit") == 0)
            _exit(0);
        else if (strcmp(*todo, "kill") == 0)
            kill(getpid(), SIGKILL);
        else if (strcmp(*todo, "children") == 0)
            show_children();
        else if (strcmp(*todo, "setuid") == 0)
            printf("setuid %d\n", setresuid(65534, 65534, 65534));
        else
            wait_by_instruction(atoi(*todo));
    }
    over = 1;
    return arg;
}

static void with_ticks(void)
{
    pthread_t t, w;
    over = 0;
    pthread_create(&t, NULL, tick, NULL);
    pthread_create(&w, NULL, worker, NULL);
    pthread_join(w, NULL);
    pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
    (void)argc;
    todo = argv + 1;
    with_ticks();
    for (int fd = 0; fd < 2000; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            printf("fd %d\n", fd);
    return 7;
}
