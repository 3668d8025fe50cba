/* Names that do not exist: the same error as natively, no thread held up by another's lookup,
   h_errno and errno per thread. */
/* TIMEOUT: 90 */
#include "testlib.h"

#include <netdb.h>
#include <resolv.h>
#include <sys/socket.h>

static int expect, expect_h;

static void *body(void *arg)
{
    struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};

    (void)arg;
    CHECK_EQ(getaddrinfo("no-such-host.invalid", "80", &hints, &list), expect);
    h_errno = 0;
    CHECK(gethostbyname2("no-such-host.invalid", AF_INET) == NULL);
    CHECK_EQ(h_errno, expect_h);
    return NULL;
}

static void *setup(void *arg)
{
    struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};

    expect = getaddrinfo("no-such-host.invalid", "80", &hints, &list);
    h_errno = 0;
    CHECK(gethostbyname2("no-such-host.invalid", AF_INET) == NULL);
    expect_h = h_errno;
    CHECK(expect != 0);
    return arg;
}

int test_main(void)
{
    pthread_t threads[5];

    /* keep resolver time-outs short where a name server does not answer */
    setenv("RES_OPTIONS", "timeout:1 attempts:1", 1);
    finish(start(setup, NULL));
    printf("%d %d\n", expect, expect_h);
    for (int i = 0; i < 5; i++)
        threads[i] = start(body, NULL);
    for (int i = 0; i < 5; i++)
        finish(threads[i]);
    return 0;
}
