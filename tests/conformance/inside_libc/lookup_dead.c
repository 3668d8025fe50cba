/* A name server that never answers: lookups give up after their time, all threads together, with
   the right errors, and others run meanwhile. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "nameserver.h"
#include "testlib.h"

#include <netdb.h>
#include <resolv.h>

static struct nameserver server;
static int asking;

static void *by_getaddrinfo(void *arg)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;

    nameserver_use(&server, 1, 1);
    flag_add(&asking, 1);
    flag_wait(&asking, 2);
    TAKES(990, CHECK_EQ(getaddrinfo("dead.test", "80", &hints, &list), EAI_AGAIN));
    CHECK(!list);
    return arg;
}

/* These have one lock for all threads; the second waits. */
static void *by_gethostbyname(void *arg)
{
    nameserver_use(&server, 1, 1);
    h_errno = 0;
    TAKES(990, CHECK(!gethostbyname("dead.test")));
    CHECK_EQ(h_errno, TRY_AGAIN);
    return arg;
}

static void *by_res_query(void *arg)
{
    unsigned char answer[512];

    nameserver_use(&server, 1, 2);
    h_errno = 0;
    TAKES(1990, CHECK_EQ(res_query("dead.test", 1, 1, answer, sizeof(answer)), -1));
    CHECK_EQ(h_errno, TRY_AGAIN);
    return arg;
}

int test_main(void)
{
    void *(*const fns[])(void *) = {by_getaddrinfo, by_getaddrinfo, by_gethostbyname,
                                    by_gethostbyname, by_res_query};
    pthread_t threads[5];

    server = nameserver_start(10);
    OTHERS_RUN(900, {
        for (int i = 0; i < 5; i++)
            threads[i] = start(fns[i], NULL);
        for (int i = 0; i < 5; i++)
            finish(threads[i]);
    });
    nameserver_stop(&server);
    return 0;
}
