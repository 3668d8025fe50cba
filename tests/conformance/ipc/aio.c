/* POSIX aio: reads and writes on a file and a pipe, aio_suspend, notification by a thread. */
#include "testlib.h"

#include <aio.h>
#include <signal.h>

static int notified;

static void on_done(union sigval value)
{
    flag_add(&notified, value.sival_int);
}

static void *write_later(void *arg)
{
    settle();
    write_all(*(int *)arg, "later", 5);
    return NULL;
}

int test_main(void)
{
    char name[] = "file-XXXXXX", data[16] = "";
    int fds[2], fd = (int)SYS(mkstemp(name));
    struct aiocb cb = {.aio_fildes = fd, .aio_buf = "hello", .aio_nbytes = 5};
    const struct aiocb *list[] = {&cb};

    cb.aio_sigevent.sigev_notify = SIGEV_NONE;
    SYS(aio_write(&cb));
    while (aio_error(&cb) == EINPROGRESS)
        SYS(aio_suspend(list, 1, NULL));
    CHECK_EQ(aio_return(&cb), 5);
    cb.aio_buf = data;
    cb.aio_sigevent = (struct sigevent){
        .sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_done, .sigev_value.sival_int = 1};
    SYS(aio_read(&cb));
    flag_wait(&notified, 1);
    CHECK_EQ(aio_return(&cb), 5);
    CHECK_STR(data, "hello");

    pipe_pair(fds);
    cb = (struct aiocb){.aio_fildes = fds[0], .aio_buf = data, .aio_nbytes = sizeof(data)};
    cb.aio_sigevent.sigev_notify = SIGEV_NONE;
    SYS(aio_read(&cb));
    pthread_t thread = start(write_later, &fds[1]);
    while (aio_error(&cb) == EINPROGRESS)
        SYS(aio_suspend(list, 1, NULL));
    CHECK_EQ(aio_return(&cb), 5);
    finish(thread);
    unlink(name);
    return 0;
}
