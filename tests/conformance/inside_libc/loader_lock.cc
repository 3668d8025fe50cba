/* dlopen of a library whose constructor waits: another dlopen waits for the loader's lock,
   exceptions are thrown and other threads run; the same while a callback of dl_iterate_phdr sleeps.
 */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
/* BUILD: -rdynamic */
#include "testlib.h"

#include <dlfcn.h>
#include <link.h>
#include <stdexcept>
#include <string>

extern "C" {
FILE *slow_ctor_input;
int slow_ctor_done;
}

static int stop, in_callback, thrown;

static std::string library(const char *name)
{
    char path[4096];
    ssize_t n = SYS(readlink("/proc/self/exe", path, sizeof(path) - 1));
    std::string text(path, (size_t)n);

    return text.substr(0, text.rfind('/') + 1) + name;
}

static void *load(const char *name)
{
    void *handle = dlopen(library(name).c_str(), RTLD_NOW | RTLD_LOCAL);

    if (!handle)
        test_fail(__FILE__, __LINE__, "%s", dlerror());
    return handle;
}

static void *loads_slow(void *)
{
    void *handle = load("lib_slow_ctor.so");
    int *ran = (int *)dlsym(handle, "slow_ctor_ran");

    CHECK(ran && *ran == 1);
    CHECK_EQ(dlclose(handle), 0);
    return nullptr;
}

static void *loads_quick(void *)
{
    void *handle = load("lib_quick.so");
    int *value = (int *)dlsym(handle, "quick_value");

    CHECK(flag_get(&slow_ctor_done)); /* it waited for the lock */
    CHECK(value && *value == 5);
    CHECK_EQ(dlclose(handle), 0);
    return nullptr;
}

static void *throws(void *)
{
    while (!flag_get(&stop)) {
        try {
            throw std::runtime_error("thrown");
        } catch (const std::runtime_error &error) {
            CHECK_STR(error.what(), "thrown");
            flag_add(&thrown, 1);
        }
        usleep(1000);
    }
    return nullptr;
}

static int sleeps(struct dl_phdr_info *, size_t, void *)
{
    flag_set(&in_callback, 1);
    sleep_ms(100);
    flag_set(&in_callback, 0);
    return 1;
}

static int looks(struct dl_phdr_info *, size_t, void *count)
{
    CHECK(!flag_get(&in_callback));
    ++*(int *)count;
    return 0;
}

static void *iterates(void *)
{
    int count = 0;

    CHECK_EQ(dl_iterate_phdr(looks, &count), 0);
    CHECK_GE(count, 3);
    return nullptr;
}

int test_main(void)
{
    int fds[2];
    pthread_t thrower = start(throws, nullptr);

    pipe_pair(fds);
    slow_ctor_input = fdopen(fds[0], "r");
    for (int i = 0; i < 3; i++) {
        flag_set(&slow_ctor_done, 0);
        OTHERS_RUN(200, {
            pthread_t slow = start(loads_slow, nullptr);
            settle();
            pthread_t quick = start(loads_quick, nullptr);
            int before = flag_get(&thrown);
            flag_wait(&thrown, before + 5);
            CHECK(!flag_get(&slow_ctor_done));
            pthread_t writer = write_after(fds[1], "line\n", 200);
            finish(slow);
            finish(quick);
            finish(writer);
        });
    }
    OTHERS_RUN(100, {
        pthread_t other = 0;
        pthread_t iterator = start(
            [](void *) -> void * {
                CHECK_EQ(dl_iterate_phdr(sleeps, nullptr), 1);
                return nullptr;
            },
            nullptr);
        flag_wait(&in_callback, 1);
        other = start(iterates, nullptr);
        finish(iterator);
        finish(other);
    });
    flag_set(&stop, 1);
    finish(thrower);
    return 0;
}
