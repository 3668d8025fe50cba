/* POSIX message queues between threads: blocking both ways, timeouts, O_NONBLOCK. */
#include "testlib.h"

#include <fcntl.h>
#include <mqueue.h>

static mqd_t queue;

static void *receiver(void *arg)
{
    char text[64];
    unsigned priority;

    for (int i = 0; i < 40; i++) {
        CHECK_EQ(mq_receive(queue, text, sizeof(text), &priority), 4);
        CHECK_EQ(priority, 3);
        if (i % 8 == 0)
            usleep(500);
    }
    return arg;
}

int test_main(void)
{
    char name[64], text[64];
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 64};

    snprintf(name, sizeof(name), "/conformance-%d", (int)getpid());
    queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    if (queue == (mqd_t)-1)
        test_skip("no message queues");
    SYS(mq_unlink(name));
    pthread_t thread = start(receiver, NULL);
    settle(); /* it waits for the first message */
    for (int i = 0; i < 40; i++)
        SYS(mq_send(queue, "abcd", 4, 3)); /* waits for room */
    finish(thread);
    struct timespec ts;
    TAKES(49, ts = ts_after(CLOCK_REALTIME, 50);
          CHECK_ERRNO(mq_timedreceive(queue, text, sizeof(text), NULL, &ts), ETIMEDOUT));
    attr.mq_flags = O_NONBLOCK;
    SYS(mq_setattr(queue, &attr, NULL));
    CHECK_ERRNO(mq_receive(queue, text, sizeof(text), NULL), EAGAIN);
    CHECK_ERRNO(mq_receive(queue, text, 3, NULL), EMSGSIZE);
    return 0;
}
