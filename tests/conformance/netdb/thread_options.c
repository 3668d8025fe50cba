/* Lookups ask the name server, and in the way, that the calling thread has set in its _res. */
#include "nameserver.h"
#include "testlib.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <resolv.h>

#define THREADS 12

static struct nameserver servers[2];

static void check_address(const void *addr, int net)
{
    char text[32], want[32];

    CHECK(inet_ntop(AF_INET, addr, text, sizeof(text)));
    snprintf(want, sizeof(want), "%d.0.0.7", net);
    CHECK_STR(text, want);
}

static void look_up(int net)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct hostent host, *found;
    char data[1024];
    int error;

    CHECK_EQ(getaddrinfo("d5n7.test", NULL, &hints, &list), 0);
    check_address(&((struct sockaddr_in *)list->ai_addr)->sin_addr, net);
    freeaddrinfo(list);
    CHECK_RC(gethostbyname_r("d0n7.test", &host, data, sizeof(data), &found, &error), 0);
    CHECK(found);
    check_address(host.h_addr_list[0], net);
    CHECK_EQ(inet_pton(AF_INET, "10.0.0.7", &from.sin_addr), 1);
    CHECK_EQ(getnameinfo((struct sockaddr *)&from, sizeof(from), data, sizeof(data), NULL, 0, 0),
             0);
    CHECK_STR(data, "d0n7.test");
}

static void *body(void *arg)
{
    int id = (int)(intptr_t)arg;
    struct addrinfo hints = {.ai_family = AF_INET}, *list;

    nameserver_use(&servers[id % 2], 10 + id, 1 + id % 3);
    for (int i = 0; i < 3; i++)
        look_up(20 + id % 2);
    CHECK_EQ(_res.retrans, 10 + id);
    CHECK_EQ(_res.retry, 1 + id % 3);
    nameserver_use(&servers[1 - id % 2], 20, 2);
    look_up(20 + 1 - id % 2);
    _res.retrans = 1;
    _res.retry = 1;
    CHECK_EQ(getaddrinfo("x0n1.test", NULL, &hints, &list), EAI_NONAME);
    return NULL;
}

int test_main(void)
{
    pthread_t threads[THREADS];
    struct __res_state before;

    CHECK_EQ(res_init(), 0);
    before = _res;
    for (int i = 0; i < 2; i++)
        servers[i] = nameserver_start(20 + i);
    for (int round = 0; round < 3; round++) {
        for (intptr_t i = 0; i < THREADS; i++)
            threads[i] = start(body, (void *)i);
        for (int i = 0; i < THREADS; i++)
            finish(threads[i]);
    }
    CHECK_EQ(_res.retrans, before.retrans);
    CHECK_EQ(_res.nsaddr_list[0].sin_port, before.nsaddr_list[0].sin_port);
    body((void *)1);
    for (int i = 0; i < 2; i++)
        nameserver_stop(&servers[i]);
    return 0;
}
