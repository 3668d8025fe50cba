/* pthread_getattr_np: the bounds contain the caller's locals; asked-for sizes are given, and the
   size of the guard is told. */
#include "testlib.h"

#include <sys/mman.h>

static char *own_stack;

static size_t expected_guard;

static void check_bounds(size_t want, int exact)
{
    pthread_attr_t attr;
    size_t size, guard;
    void *addr;
    char local;

    CHECK_RC(pthread_getattr_np(pthread_self(), &attr), 0);
    CHECK_RC(pthread_attr_getstack(&attr, &addr, &size), 0);
    CHECK_RC(pthread_attr_getguardsize(&attr, &guard), 0);
    CHECK(&local > (char *)addr);
    CHECK(&local < (char *)addr + size);
    CHECK_GE(size, want);
    if (exact) {
        CHECK(addr == own_stack);
        CHECK_EQ(size, want);
        CHECK_EQ(guard, 0);
    } else if (expected_guard) {
        CHECK_EQ(guard, expected_guard);
    }
    pthread_attr_destroy(&attr);
}

static void *body(void *arg)
{
    check_bounds((size_t)arg, 0);
    usleep(1000);
    check_bounds((size_t)arg, 0);
    return NULL;
}

static void *on_own(void *arg)
{
    check_bounds((size_t)arg, 1);
    usleep(1000);
    memset(own_stack, 0x5a, 4096); /* all of it is ours to use */
    check_bounds((size_t)arg, 1);
    return NULL;
}

static void *wait_flag(void *arg)
{
    flag_wait(arg, 1);
    return NULL;
}

int test_main(void)
{
    static const size_t sizes[] = {16384 * 2, 65536, 1 << 20, 64 << 20, 100000};
    pthread_attr_t attr;
    pthread_t thread;

    check_bounds(4096, 0);
    expected_guard = (size_t)SYS(sysconf(_SC_PAGESIZE));
    finish(start(body, (void *)(64 << 10)));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        CHECK_RC(pthread_attr_init(&attr), 0);
        CHECK_RC(pthread_attr_setstacksize(&attr, sizes[i]), 0);
        if (i == 1) {
            expected_guard *= 3;
            CHECK_RC(pthread_attr_setguardsize(&attr, expected_guard), 0);
        }
        CHECK_RC(pthread_create(&thread, &attr, body, (void *)(sizes[i] & ~4095ul)), 0);
        finish(thread);
        expected_guard = (size_t)SYS(sysconf(_SC_PAGESIZE));
        pthread_attr_destroy(&attr);
    }

    size_t size = 256 << 10;
    own_stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(own_stack != MAP_FAILED);
    CHECK_RC(pthread_attr_init(&attr), 0);
    CHECK_RC(pthread_attr_setstack(&attr, own_stack, size), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_RC(pthread_create(&thread, &attr, on_own, (void *)size), 0);
        finish(thread);
    }
    CHECK_EQ(own_stack[100], 0x5a);
    /* after the join the memory is the program's again */
    SYS(munmap(own_stack, size));
    pthread_attr_destroy(&attr);

    /* of another thread */
    int flag = 0;
    void *addr;
    thread = start(wait_flag, &flag);
    CHECK_RC(pthread_getattr_np(thread, &attr), 0);
    CHECK_RC(pthread_attr_getstack(&attr, &addr, &size), 0);
    CHECK((char *)&flag < (char *)addr || (char *)&flag > (char *)addr + size);
    pthread_attr_destroy(&attr);
    flag_set(&flag, 1);
    finish(thread);
    return 0;
}
