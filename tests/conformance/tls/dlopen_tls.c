/* TLS of dlopen'ed libraries, initial-exec and general dynamic: threads started before and after
   the dlopen see the initial values and keep their own. */
#include "testlib.h"

#include <dlfcn.h>

static int opened;
static int *(*dl_value)(void);
static char *(*dl_text)(void);

static void *body(void *arg)
{
    int id = (int)(intptr_t)arg;

    flag_wait(&opened, 1);
    CHECK_EQ(*dl_value(), 321);
    CHECK_STR(dl_text(), "ie initial");
    for (int i = 0; i < 20; i++) {
        *dl_value() = id * 100 + i;
        snprintf(dl_text(), 24, "%d", id + i);
        usleep(500);
        CHECK_EQ(*dl_value(), id * 100 + i);
        CHECK_EQ(atoi(dl_text()), id + i);
    }
    return NULL;
}

static void *open_in_thread(void *arg)
{
    void *handle = dlopen(arg, RTLD_NOW);

    if (!handle)
        test_fail(__FILE__, __LINE__, "%s", dlerror());
    return handle;
}

static void round_of(const char *library, int in_thread)
{
    char path[4096];
    ssize_t n = SYS(readlink("/proc/self/exe", path, sizeof(path) - 1));
    pthread_t threads[20], after[20];

    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, library);
    opened = 0;
    for (intptr_t i = 0; i < 20; i++)
        threads[i] = start(body, (void *)(i + 1));
    settle();

    void *handle = in_thread ? finish(start(open_in_thread, path)) : open_in_thread(path);

    *(void **)&dl_value = dlsym(handle, "dl_value");
    *(void **)&dl_text = dlsym(handle, "dl_text");
    CHECK(dl_value && dl_text);
    flag_set(&opened, 1);
    for (intptr_t i = 0; i < 20; i++)
        after[i] = start(body, (void *)(i + 50));
    CHECK_EQ(*dl_value(), 321);
    for (int i = 0; i < 20; i++) {
        finish(threads[i]);
        finish(after[i]);
    }
    for (intptr_t i = 0; i < 20; i++)
        after[i] = start(body, (void *)(i + 100)); /* perhaps where others have ended */
    for (int i = 0; i < 20; i++)
        finish(after[i]);
    CHECK_EQ(*dl_value(), 321);
    CHECK_STR(dl_text(), "ie initial");
    CHECK_EQ(dlclose(handle), 0);
}

int test_main(void)
{
    for (int i = 0; i < 3; i++) {
        round_of("lib_dl_ie.so", i % 2);
        round_of("lib_dl_gd.so", i % 2);
    }
    return 0;
}
