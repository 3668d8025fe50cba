/* Whatever asks the kernel for the thread pointer, by arch_prctl(2), is told the thread's own, also
   after other processes have run; an address where nothing can be written is an error. */
#include "testlib.h"

#include <sys/syscall.h>
#include <time.h>

#if defined(__x86_64__)
#include <asm/prctl.h>

static void *compare(void *arg)
{
    for (int i = 0; i < 20; i++) {
        unsigned long kernels = 0;
        unsigned long mine;

        CHECK_RC(syscall(SYS_arch_prctl, ARCH_GET_FS, &kernels), 0);
        __asm__ volatile("mov %%fs:0, %0" : "=r"(mine));
        CHECK_EQ(kernels, mine);
        SYS(usleep(500));
    }
    CHECK_EQ(syscall(SYS_arch_prctl, ARCH_GET_FS, 8), -1);
    CHECK_EQ(errno, EFAULT);
    return arg;
}

int test_main(void)
{
    pthread_t t[3];

    for (int i = 0; i < 3; i++)
        t[i] = start(compare, NULL);
    compare(NULL);
    for (int i = 0; i < 3; i++)
        finish(t[i]);
    return 0;
}
#else
int test_main(void)
{
    return 0;
}
#endif
