/* Another preloaded library that wraps read, pthread_create and pthread_mutex_lock: both work,
   whichever comes first. */
/* PRELOAD: lib_count.so */
#include "testlib.h"

#include <dlfcn.h>

static int fds[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int done;

static void *body(void *arg)
{
    char data[8];

    CHECK_EQ(read(fds[0], data, 1), 1);
    pthread_mutex_lock(&mutex);
    done++;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
    return arg;
}

int test_main(void)
{
    int *reads = dlsym(RTLD_DEFAULT, "count_read");
    int *creates = dlsym(RTLD_DEFAULT, "count_create");
    pthread_t threads[10];

    pipe_pair(fds);
    for (int i = 0; i < 10; i++)
        threads[i] = start(body, &fds);
    settle();
    pthread_mutex_lock(&mutex);
    write_all(fds[1], "0123456789", 10);
    while (done < 10)
        CHECK_RC(pthread_cond_wait(&cond, &mutex), 0);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 10; i++)
        CHECK(finish(threads[i]) == &fds);
    CHECK(reads && creates);
    return 0;
}
