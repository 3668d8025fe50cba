/* A FILE whose own functions block (fopencookie): on a condition variable, in a sleep, in fgets of
   another FILE. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int ready;
static FILE *inner;

static ssize_t cookie_read(void *cookie, char *data, size_t size)
{
    (void)cookie;
    CHECK_GE(size, 16);
    pthread_mutex_lock(&mutex);
    while (!ready)
        pthread_cond_wait(&cond, &mutex);
    ready = 0;
    pthread_mutex_unlock(&mutex);
    if (!fgets(data, 16, inner))
        return 0;
    return (ssize_t)strlen(data);
}

static ssize_t cookie_write(void *cookie, const char *data, size_t size)
{
    sleep_ms(100);
    *(size_t *)cookie += size;
    (void)data;
    return (ssize_t)size;
}

static int cookie_close(void *cookie)
{
    sleep_ms(20);
    *(size_t *)cookie += 1000;
    return 0;
}

static void *makes_ready(void *arg)
{
    sleep_ms(100);
    pthread_mutex_lock(&mutex);
    ready = 1;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
    sleep_ms(100);
    write_all(*(int *)arg, "inner\n", 6);
    return NULL;
}

int test_main(void)
{
    cookie_io_functions_t io = {cookie_read, cookie_write, NULL, cookie_close};
    size_t written = 0;
    pthread_t thread;
    char line[16];
    int fds[2];

    pipe_pair(fds);
    inner = fdopen(fds[0], "r");
    FILE *file = fopencookie(&written, "r+", io);
    CHECK(file);
    OTHERS_RUN(200, {
        thread = start(makes_ready, &fds[1]);
        CHECK(fgets(line, sizeof(line), file));
    });
    finish(thread);
    CHECK_STR(line, "inner\n");
    fclose(file);
    CHECK_EQ(written, 1000);

    file = fopencookie(&written, "w", io);
    OTHERS_RUN(100, {
        CHECK_EQ(fprintf(file, "hello"), 5);
        CHECK_EQ(fclose(file), 0);
    });
    CHECK_EQ(written, 2005);
    fclose(inner);
    return 0;
}
