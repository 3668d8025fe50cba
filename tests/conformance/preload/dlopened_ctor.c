/* A dlopen'ed library with such a constructor: opened in main, then in a thread of a child. */
#include "testlib.h"

#include <dlfcn.h>
#include <sys/wait.h>

static void *opens(void *arg)
{
    void *handle = dlopen(arg, RTLD_NOW | RTLD_LOCAL);

    if (!handle)
        test_fail(__FILE__, __LINE__, "%s", dlerror());
    int *result = dlsym(handle, "ctor_result");
    CHECK(result);
    CHECK_EQ(*result, 77);
    return result;
}

int test_main(void)
{
    char path[4096];
    ssize_t n = SYS(readlink("/proc/self/exe", path, sizeof(path) - 1));

    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, "lib_ctor.so");
    if (test_argc > 1) {
        finish(start(opens, path));
        return 0;
    }
    CHECK(opens(path) == opens(path));
    CHECK_EQ(run_self("thread", NULL, 0), 0);
    return 0;
}
