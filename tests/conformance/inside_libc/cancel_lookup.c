/* A lookup that is cancelled leaves nothing to the threads that come later: neither its resolver
   state nor its sockets. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "nameserver.h"
#include "testlib.h"

#include <netdb.h>
#include <resolv.h>

#define ROUNDS 8

static struct nameserver server;
static int ready;

static void by_getaddrinfo(void)
{
    struct addrinfo hints = {.ai_family = AF_INET}, *list;

    getaddrinfo("dead.test", NULL, &hints, &list);
}

static void by_res_query(void)
{
    unsigned char answer[512];

    res_query("dead.test", 1, 1, answer, sizeof(answer));
}

static void close_state(void *state)
{
    res_nclose(state);
}

/* With a state of its own instead of the thread's. */
static void by_res_nquery(void)
{
    unsigned char answer[512];
    struct __res_state state = {.options = 0};

    CHECK_EQ(res_ninit(&state), 0);
    state.nscount = 1;
    state.nsaddr_list[0] = _res.nsaddr_list[0];
    state.retrans = _res.retrans;
    pthread_cleanup_push(close_state, &state);
    res_nquery(&state, "dead.test", 1, 1, answer, sizeof(answer));
    pthread_cleanup_pop(1);
}

static void *asks(void *arg)
{
    nameserver_use(&server, 20, 1);
    flag_set(&ready, 1);
    (*(void (**)(void))arg)();
    test_fail(__FILE__, __LINE__, "the lookup has ended");
}

/* As any new thread: the first lookup reads resolv.conf, even if it then asks no server. */
static void *comes_later(void *arg)
{
    struct hostent host, *found;
    char data[1024];
    int error;

    CHECK_EQ(_res.options, 0);
    CHECK_RC(gethostbyname_r("localhost", &host, data, sizeof(data), &found, &error), 0);
    CHECK(found);
    CHECK(_res.options & RES_INIT);
    CHECK_GE(_res.nscount, 1);

    nameserver_use(&server, 20, 1);
    CHECK_RC(gethostbyname_r("d0n1.test", &host, data, sizeof(data), &found, &error), 0);
    CHECK(found);
    return arg;
}

int test_main(void)
{
    void (*ways[])(void) = {by_getaddrinfo, by_res_query, by_res_nquery};
    int descriptors = 0;

    server = nameserver_start(10);
    for (int i = 0; i < ROUNDS * 3; i++) {
        flag_set(&ready, 0);
        pthread_t thread = start(asks, &ways[i % 3]);
        flag_wait(&ready, 1);
        if (i % 2)
            settle();
        CHECK_RC(pthread_cancel(thread), 0);
        CHECK(finish(thread) == PTHREAD_CANCELED);
        finish(start(comes_later, NULL));
        if (i == 0)
            descriptors = open_descriptors();
        CHECK_EQ(open_descriptors(), descriptors);
    }
    nameserver_stop(&server);
    return 0;
}
