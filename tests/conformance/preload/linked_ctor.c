/* A linked library whose constructor blocks and makes threads before main. */
/* BUILD: -Wl,--no-as-needed -l:lib_ctor.so */
#include "testlib.h"

extern int ctor_result;

static void *body(void *arg)
{
    usleep(1000);
    return arg;
}

int test_main(void)
{
    CHECK_EQ(ctor_result, 77);
    CHECK(finish(start(body, &ctor_result)) == &ctor_result);
    return 0;
}
