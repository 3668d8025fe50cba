/* A library opened with RTLD_DEEPBIND blocks in read while another thread is to wake it; the same
   through libc's handle and fopen. Needs calls inside libc to be reached. */
/* These waits block the whole process under greenshim so far (see README.md, limits):
   they need the calls inside libc, or workers for waits without a descriptor. */
/* MODES: native native-bg off */
#include "testlib.h"

#include <dlfcn.h>

static int fds[2];

static void *writer(void *arg)
{
    settle();
    write_all(fds[1], "abc", 3);
    return arg;
}

static void check_read(ssize_t (*fn)(int, void *, size_t))
{
    char data[16];
    pthread_t thread = start(writer, NULL);

    TAKES(30, CHECK_EQ(fn(fds[0], data, sizeof(data)), 3));
    finish(thread);
}

int test_main(void)
{
    ssize_t (*fn)(int, void *, size_t);
    char path[4096];
    ssize_t n = SYS(readlink("/proc/self/exe", path, sizeof(path) - 1));

    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, "lib_hooks.so");
    void *hooks = dlopen(path, RTLD_NOW | RTLD_DEEPBIND);
    if (!hooks)
        test_fail(__FILE__, __LINE__, "%s", dlerror());
    unix_pair(fds);
    *(void **)&fn = dlsym(hooks, "hooks_read");
    check_read(fn);
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    CHECK(libc);
    *(void **)&fn = dlsym(libc, "read");
    check_read(fn);
    int (*libc_usleep)(useconds_t);
    *(void **)&libc_usleep = dlsym(libc, "usleep");
    TAKES(50, CHECK_EQ(libc_usleep(50000), 0));
    return 0;
}
