/* Names that cannot be looked up (no name server is asked): the same errors as natively in every
   thread, h_errno per thread. */
#include "testlib.h"

#include <netdb.h>
#include <resolv.h>
#include <sys/socket.h>

/* a label of more than 63 bytes */
static const char bad_name[] =
    "a123456789b123456789c123456789d123456789e123456789f123456789g1234.x";
static int expect, expect_h;

static void *body(void *arg)
{
    struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};

    (void)arg;
    CHECK_EQ(getaddrinfo(bad_name, "80", &hints, &list), expect);
    h_errno = 0;
    CHECK(gethostbyname2(bad_name, AF_INET) == NULL);
    CHECK_EQ(h_errno, expect_h);
    return NULL;
}

static void *setup(void *arg)
{
    struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};

    expect = getaddrinfo(bad_name, "80", &hints, &list);
    h_errno = 0;
    CHECK(gethostbyname2(bad_name, AF_INET) == NULL);
    expect_h = h_errno;
    CHECK(expect != 0);
    return arg;
}

int test_main(void)
{
    pthread_t threads[5];

    finish(start(setup, NULL));
    printf("%d %d\n", expect, expect_h);
    for (int i = 0; i < 5; i++)
        threads[i] = start(body, NULL);
    for (int i = 0; i < 5; i++)
        finish(threads[i]);
    return 0;
}
