/* libc's own per-thread state: strerror, dlerror, h_errno, ctype, gethostbyname, random. */
#include "testlib.h"

#include <ctype.h>
#include <dlfcn.h>
#include <fenv.h>
#include <netdb.h>
#include <resolv.h>

static void *body(void *arg)
{
    int id = (int)(intptr_t)arg;
    char name[64], want[64], error[300];

    for (int i = 0; i < 10; i++) {
        const char *text = strerror(5000 + id);

        snprintf(want, sizeof(want), "Unknown error %d", 5000 + id);
        CHECK_STR(text, want);

        CHECK(dlerror() == NULL);
        snprintf(name, sizeof(name), "/nonexistent/lib%d.so", id);
        CHECK(dlopen(name, RTLD_NOW) == NULL);
        h_errno = id;
        usleep(1000);
        CHECK_STR(text, want);
        CHECK_EQ(h_errno, id);
        snprintf(error, sizeof(error), "%s", dlerror());
        CHECK(strstr(error, name) != NULL);
        CHECK(isdigit('0' + id % 10) && !isdigit('a'));
    }
    return NULL;
}

int test_main(void)
{
    pthread_t threads[10];

    h_errno = 77;
    for (intptr_t i = 0; i < 10; i++)
        threads[i] = start(body, (void *)(i + 1));
    for (int i = 0; i < 10; i++)
        finish(threads[i]);
    CHECK_EQ(h_errno, 77);
    CHECK(dlerror() == NULL);
    return 0;
}
