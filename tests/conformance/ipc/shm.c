/* Shared memory, mmap'ed files and memfd between threads and a child. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/mman.h>

static int *counter;

static void *adds(void *arg)
{
    for (int i = 0; i < 1000; i++)
        flag_add(counter, 1);
    return arg;
}

static int child(void *arg)
{
    (void)arg;
    finish(start(adds, NULL));
    return 0;
}

int test_main(void)
{
    int fd = (int)SYS(memfd_create("conformance", MFD_CLOEXEC));
    char data[8];

    SYS(ftruncate(fd, 4096));
    counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(counter != MAP_FAILED);
    pthread_t thread = start(adds, NULL);
    CHECK_EQ(run_child(child, NULL), 0);
    finish(thread);
    CHECK_EQ(*counter, 2000);
    CHECK_EQ(write(fd, "abc", 3), 3);
    CHECK_EQ(pread(fd, data, 3, 0), 3);
    CHECK(memcmp(counter, "abc", 3) == 0);
    return 0;
}
