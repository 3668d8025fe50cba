/* fork in a thread: the child has one thread, keeps the forking thread's TLS and values, makes
   threads, blocks, and ends; the parent is not disturbed. */
#include "testlib.h"

#include <sys/wait.h>

static __thread int mine = 1;
static int stop, ticks, wake[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int answer;

static void *ticker(void *arg)
{
    while (!flag_get(&stop)) {
        usleep(1000);
        flag_add(&ticks, 1);
    }
    return arg;
}

static void *blocked(void *arg)
{
    read_all(wake[0], &(char){0}, 1);
    return arg;
}

static void *answers(void *arg)
{
    CHECK_EQ(mine, 1);
    usleep(2000);
    pthread_mutex_lock(&mutex);
    answer = (int)(intptr_t)arg;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
    return arg;
}

static int child(void *arg)
{
    int fds[2], before = flag_get(&ticks);
    char data[8];

    CHECK_EQ(mine, 42);
    CHECK_EQ(getpid(), gettid());
    sleep_ms(30);
    CHECK_EQ(flag_get(&ticks), before); /* the ticker is not here */
    /* threads, pipes and condition variables work here too */
    pthread_t thread = start(answers, arg);
    pthread_mutex_lock(&mutex);
    while (answer == 0)
        pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
    CHECK(finish(thread) == arg);
    pipe_pair(fds);
    pid_t pid = (pid_t)SYS(fork());
    if (pid == 0) {
        usleep(10000);
        write_all(fds[1], "deep", 4);
        _exit(3);
    }
    CHECK_EQ(read(fds[0], data, sizeof(data)), 4);
    int status;
    CHECK_EQ(SYS(waitpid(pid, &status, 0)), pid);
    CHECK_EQ(WEXITSTATUS(status), 3);
    CHECK_EQ(answer, (intptr_t)arg);
    return 7;
}

static void *forker(void *arg)
{
    mine = 42;
    for (int i = 0; i < 5; i++) {
        int status = run_child(child, arg);

        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 7);
        CHECK_EQ(mine, 42);
    }
    return NULL;
}

int test_main(void)
{
    pthread_t threads[5], tick, block;

    pipe_pair(wake);
    tick = start(ticker, NULL);
    block = start(blocked, NULL);
    settle();
    for (intptr_t i = 0; i < 5; i++)
        threads[i] = start(forker, (void *)(i + 1));
    for (int i = 0; i < 5; i++)
        finish(threads[i]);
    int now = flag_get(&ticks);
    flag_wait(&ticks, now + 5);
    flag_set(&stop, 1);
    finish(tick);
    write_all(wake[1], "x", 1);
    finish(block);
    CHECK_EQ(answer, 0);
    return 0;
}
