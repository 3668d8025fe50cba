/* getaddrinfo_a and gai_suspend with other threads about. One request for each gai_suspend: that of
   glibc 2.36 is not safe with more, natively either. */
#include "testlib.h"

#include <netdb.h>

static void *looks_up(void *arg)
{
    struct gaicb request[2] = {{.ar_name = "localhost"}, {.ar_name = "127.0.0.1"}};
    struct gaicb *list[] = {&request[0], NULL, &request[1]};

    CHECK_EQ(getaddrinfo_a(GAI_WAIT, list, 3, NULL), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(gai_error(&request[i]), 0);
        freeaddrinfo(request[i].ar_result);
    }
    CHECK_EQ(getaddrinfo_a(GAI_NOWAIT, list, 3, NULL), 0);
    for (int i = 0; i < 2; i++) {
        const struct gaicb *one[] = {&request[i]};
        int rc = gai_suspend(one, 1, NULL);

        CHECK(rc == 0 || rc == EAI_ALLDONE);
        CHECK_EQ(gai_error(&request[i]), 0);
        freeaddrinfo(request[i].ar_result);
    }
    return arg;
}

int test_main(void)
{
    pthread_t threads[6];

    looks_up(NULL);
    for (int i = 0; i < 6; i++)
        threads[i] = start(looks_up, NULL);
    for (int i = 0; i < 6; i++)
        finish(threads[i]);
    return 0;
}
