/* Three threads writing __thread and errno across sleeps keep their own. */
#include "testlib.h"

#include <sched.h>

static __thread int counter = 100;
static __thread char text[64] = "initial";
static __thread struct {
    long a;
    double b;
} pair = {7, 2.5};
static __thread int zeroed[100];

static void *body(void *arg)
{
    int id = (int)(intptr_t)arg;

    CHECK_EQ(counter, 100);
    CHECK_STR(text, "initial");
    CHECK_EQ(pair.a, 7);
    CHECK(pair.b == 2.5);
    CHECK_EQ(zeroed[99], 0);
    for (int i = 0; i < 50; i++) {
        int want = id * 1000 + i;

        counter = want;
        snprintf(text, sizeof(text), "thread %d turn %d", id, i);
        pair.a = want;
        pair.b = want + 0.25;
        zeroed[i] = want;
        errno = want;
        switch (i % 3) {
        case 0:
            usleep(1000);
            break;
        case 1:
            sleep_ms(1);
            break;
        default:
            sched_yield();
        }
        CHECK_EQ(errno, want);
        CHECK_EQ(counter, want);
        CHECK_EQ(pair.a, want);
        CHECK(pair.b == want + 0.25);
        CHECK_EQ(zeroed[i], want);

        char again[64];
        snprintf(again, sizeof(again), "thread %d turn %d", id, i);
        CHECK_STR(text, again);
    }
    return &counter;
}

int test_main(void)
{
    pthread_t threads[3];
    void *address[3];

    counter = 5;
    errno = 4321;
    for (intptr_t i = 0; i < 3; i++)
        threads[i] = start(body, (void *)(i + 1));
    for (int i = 0; i < 3; i++) {
        address[i] = finish(threads[i]);
        CHECK(address[i] != &counter);
    }
    CHECK_EQ(counter, 5);
    CHECK_EQ(errno, 4321);
    CHECK_STR(text, "initial");
    return 0;
}
