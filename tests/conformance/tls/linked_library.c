/* TLS of a linked library, and of the program's use of the library's variables. */
/* BUILD: -l:lib_linked.so */
#include "testlib.h"

extern __thread int linked_gd, linked_ie;
int *linked_gd_address(void);
int *linked_ie_address(void);
char *linked_text_address(void);

static void *body(void *arg)
{
    int id = (int)(intptr_t)arg;

    CHECK_EQ(linked_gd, 11);
    CHECK_EQ(linked_ie, 22);
    CHECK_STR(linked_text_address(), "linked");
    CHECK(linked_gd_address() == &linked_gd);
    for (int i = 0; i < 20; i++) {
        linked_gd = id + i;
        *linked_ie_address() = id - i;
        snprintf(linked_text_address(), 40, "%d", id * i);
        usleep(500);
        CHECK_EQ(*linked_gd_address(), id + i);
        CHECK_EQ(linked_ie, id - i);
        CHECK_EQ(atoi(linked_text_address()), id * i);
    }
    return NULL;
}

int test_main(void)
{
    pthread_t threads[20];

    for (int round = 0; round < 3; round++) {
        for (intptr_t i = 0; i < 20; i++)
            threads[i] = start(body, (void *)(i * 100));
        for (int i = 0; i < 20; i++)
            finish(threads[i]);
    }
    CHECK_EQ(linked_gd, 11);
    CHECK_EQ(linked_ie, 22);
    return 0;
}
