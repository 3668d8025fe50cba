/* The floating point environment is per thread: rounding mode and exception flags. */
/* BUILD: -frounding-math -lm */
#include "testlib.h"

#include <fenv.h>

static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
static volatile double one = 1, three = 3;

static void *body(void *arg)
{
    int mode = modes[(intptr_t)arg % 4];

    CHECK_EQ(fesetround(mode), 0);
    double third = one / three;
    long double long_third = (long double)one / three;
    for (int i = 0; i < 20; i++) {
        if (mode == FE_UPWARD)
            feraiseexcept(FE_DIVBYZERO);
        usleep(500);
        CHECK_EQ(fegetround(), mode);
        CHECK(one / three == third);
        CHECK((long double)one / three == long_third);
        if (mode != FE_UPWARD)
            CHECK_EQ(fetestexcept(FE_DIVBYZERO), 0);
    }
    return NULL;
}

static void *inherits(void *arg)
{
    /* a new thread has its creator's control words */
    CHECK_EQ(fegetround(), (intptr_t)arg);
    return NULL;
}

int test_main(void)
{
    pthread_t threads[16];

    for (intptr_t i = 0; i < 16; i++)
        threads[i] = start(body, (void *)i);
    for (int i = 0; i < 16; i++)
        finish(threads[i]);
    CHECK_EQ(fegetround(), FE_TONEAREST);
    finish(start(inherits, (void *)(intptr_t)FE_TONEAREST));
    CHECK_EQ(fesetround(FE_UPWARD), 0);
    finish(start(inherits, (void *)(intptr_t)FE_UPWARD));
    CHECK_EQ(fesetround(FE_TONEAREST), 0);
    finish(start(inherits, (void *)(intptr_t)FE_TONEAREST));
    return 0;
}
