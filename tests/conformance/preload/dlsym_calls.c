/* Blocking calls reached through dlsym'ed pointers, saved function pointers, a libc handle and a
   library opened with RTLD_DEEPBIND give the right results. */
#include "testlib.h"

#include <dlfcn.h>

static int fds[2];
static ssize_t (*saved_read)(int, void *, size_t) = read;

static void *writer(void *arg)
{
    settle();
    write_all(fds[1], "abcdefghij", (size_t)(intptr_t)arg);
    return NULL;
}

static void *mark(void *arg)
{
    usleep(1000);
    *(int *)arg = 5;
    return NULL;
}

static void check_read(ssize_t (*fn)(int, void *, size_t))
{
    char data[16];
    pthread_t thread = start(writer, (void *)3);

    CHECK_EQ(fn(fds[0], data, sizeof(data)), 3);
    finish(thread);
}

int test_main(void)
{
    ssize_t (*fn)(int, void *, size_t);
    int (*hooks_poll)(int, int);
    int (*hooks_thread)(void *(*)(void *), void *);
    char path[4096];
    int value = 0;

    unix_pair(fds);
    check_read(read);
    check_read(saved_read);
    *(void **)&fn = dlsym(RTLD_DEFAULT, "read");
    check_read(fn);
    *(void **)&fn = dlsym(RTLD_DEFAULT, "__read");
    check_read(fn);
    *(void **)&fn = dlsym(RTLD_NEXT, "read");
    check_read(fn);
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    CHECK(libc);
    int (*libc_usleep)(useconds_t);
    *(void **)&libc_usleep = dlsym(libc, "usleep");
    TAKES(0, CHECK_EQ(libc_usleep(20000), 0));

    ssize_t n = SYS(readlink("/proc/self/exe", path, sizeof(path) - 1));
    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, "lib_hooks.so");
    void *hooks = dlopen(path, RTLD_NOW | RTLD_DEEPBIND);
    if (!hooks)
        test_fail(__FILE__, __LINE__, "%s", dlerror());
    *(void **)&hooks_poll = dlsym(hooks, "hooks_poll");
    *(void **)&hooks_thread = dlsym(hooks, "hooks_thread");
    CHECK_EQ(hooks_poll(fds[0], 20), 0);
    write_all(fds[1], "x", 1);
    CHECK_EQ(hooks_poll(fds[0], 5000), 1);
    read_all(fds[0], &(char){0}, 1);
    CHECK_RC(hooks_thread(mark, &value), 0);
    CHECK_EQ(value, 5);
    return 0;
}
