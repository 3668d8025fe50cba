/* A futex in shared memory: a thread here waits, a child process wakes it. */
#include "testlib.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static int *word;

static int child(void *arg)
{
    (void)arg;
    usleep(30000);
    flag_set(word, 1);
    SYS(syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0));
    return 0;
}

static void *waiter(void *arg)
{
    while (flag_get(word) == 0)
        if (syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0) == -1)
            CHECK_EQ(errno, EAGAIN);
    return arg;
}

int test_main(void)
{
    word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(word != MAP_FAILED);
    for (int i = 0; i < 3; i++) {
        flag_set(word, 0);
        pthread_t thread = start(waiter, NULL);
        CHECK_EQ(run_child(child, NULL), 0);
        finish(thread);
    }
    return 0;
}
