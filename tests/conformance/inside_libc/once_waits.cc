/* pthread_once, call_once and the guard of a local static, whose initialisers wait for a line: one
   runs it, the second waits, the others go on. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <mutex>
#include <threads.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static once_flag c_once = ONCE_FLAG_INIT;
static std::once_flag cxx_once;
static FILE *file;
static int fds[2], runs, arrived;

static void init()
{
    char line[16];

    CHECK(fgets(line, sizeof(line), file));
    CHECK_STR(line, "go\n");
    sleep_ms(10);
    flag_add(&runs, 1);
}

static int init_value()
{
    init();
    return 3;
}

static void enter(int what)
{
    switch (what) {
    case 0:
        CHECK_RC(pthread_once(&once, init), 0);
        break;
    case 1:
        call_once(&c_once, init);
        break;
    case 2:
        std::call_once(cxx_once, init);
        break;
    default:
        static int value = init_value();
        CHECK_EQ(value, 3);
    }
}

static void *body(void *arg)
{
    flag_add(&arrived, 1);
    enter((int)(intptr_t)arg);
    CHECK_EQ(flag_get(&runs), (intptr_t)arg + 1);
    return nullptr;
}

int test_main(void)
{
    pipe_pair(fds);
    file = fdopen(fds[0], "r");
    for (intptr_t what = 0; what < 4; what++) {
        pthread_t threads[3], writer;

        flag_set(&arrived, 0);
        OTHERS_RUN(150, {
            for (int i = 0; i < 3; i++)
                threads[i] = start(body, (void *)what);
            flag_wait(&arrived, 3);
            writer = write_after(fds[1], "go\n", 150);
            for (int i = 0; i < 3; i++)
                finish(threads[i]);
        });
        finish(writer);
        CHECK_EQ(flag_get(&runs), what + 1);
    }
    fclose(file);
    return 0;
}
