/* Each thread has its own _res and h_errno, also across waits in lookups: two servers with
   different answers, and threads that changed nothing. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "nameserver.h"
#include "testlib.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <resolv.h>

static struct nameserver servers[2];

static void *body(void *arg)
{
    int id = (int)(intptr_t)arg, net = 20 + id % 2;
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    char name[32], text[32], want[32];
    unsigned char answer[512];

    nameserver_use(&servers[id % 2], 10 + id, 1 + id % 3);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "d%dn%d.test", 3 * (id % 7), id * 10 + i);
        snprintf(want, sizeof(want), "%d.0.0.%d", net, id * 10 + i);
        CHECK_EQ(getaddrinfo(name, NULL, &hints, &list), 0);
        CHECK(inet_ntop(AF_INET, &((struct sockaddr_in *)list->ai_addr)->sin_addr, text,
                        sizeof(text)));
        CHECK_STR(text, want);
        freeaddrinfo(list);
        CHECK_EQ(_res.retrans, 10 + id);
        CHECK_EQ(_res.retry, 1 + id % 3);
        CHECK_EQ(ntohs(_res.nsaddr_list[0].sin_port), servers[id % 2].port);

        snprintf(name, sizeof(name), "%c5n1.test", id % 2 ? 'x' : 'd');
        h_errno = 99;
        int size = res_query(name, 1, 1, answer, sizeof(answer));
        CHECK_EQ(size > 0, id % 2 == 0);
        CHECK_EQ(h_errno, id % 2 ? HOST_NOT_FOUND : 99);
    }
    return NULL;
}

static void *changes_nothing(void *arg)
{
    struct addrinfo *list;
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};

    CHECK_EQ(getaddrinfo("127.0.0.1", "80", &hints, &list), 0);
    freeaddrinfo(list);
    sleep_ms(30);
    CHECK_EQ(res_init(), 0);
    CHECK_EQ(_res.retrans, ((struct __res_state *)arg)->retrans);
    CHECK_EQ(_res.nscount, ((struct __res_state *)arg)->nscount);
    return NULL;
}

int test_main(void)
{
    pthread_t threads[24];
    struct __res_state before;

    servers[0] = nameserver_start(20);
    servers[1] = nameserver_start(21);
    CHECK_EQ(res_init(), 0);
    before = _res;
    for (intptr_t i = 0; i < 24; i++)
        threads[i] = i % 4 == 3 ? start(changes_nothing, &before) : start(body, (void *)i);
    for (int i = 0; i < 24; i++)
        finish(threads[i]);
    CHECK_EQ(_res.retrans, before.retrans);
    CHECK_EQ(_res.nscount, before.nscount);
    CHECK_EQ(_res.nsaddr_list[0].sin_port, before.nsaddr_list[0].sin_port);
    nameserver_stop(&servers[0]);
    nameserver_stop(&servers[1]);
    return 0;
}
