/* Sixty lookups at once: the server answers only when it has been asked for all; then to a slow
   one. Each thread gets its own answer, and no descriptor is left. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "nameserver.h"
#include "testlib.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <resolv.h>

#define THREADS 60

static struct nameserver server;
static int done;

static void look_up(const char *how, int number)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    char name[32], text[32], want[32];

    snprintf(name, sizeof(name), "%sn%d.test", how, number);
    snprintf(want, sizeof(want), "10.0.%d.%d", number / 256, number % 256);
    CHECK_EQ(getaddrinfo(name, NULL, &hints, &list), 0);
    CHECK(inet_ntop(AF_INET, &((struct sockaddr_in *)list->ai_addr)->sin_addr, text, sizeof(text)));
    CHECK_STR(text, want);
    CHECK(!list->ai_next);
    freeaddrinfo(list);
}

static void *body(void *arg)
{
    char how[16];
    int id = (int)(intptr_t)arg;

    nameserver_use(&server, 20, 2);
    snprintf(how, sizeof(how), "r%d", THREADS);
    look_up(how, id);
    flag_add(&done, 1);
    flag_wait(&done, THREADS);
    for (int i = 0; i < 4; i++) {
        look_up("d20", id * 5 + i);
        look_up(i % 2 ? "t10" : "d5", id * 5 + i + 1000);
    }
    return NULL;
}

int test_main(void)
{
    pthread_t threads[THREADS];

    server = nameserver_start(10);
    nameserver_use(&server, 20, 2);
    OTHERS_RUN(50, look_up("d50", 1));
    int descriptors = open_descriptors();
    for (intptr_t i = 0; i < THREADS; i++)
        threads[i] = start(body, (void *)i);
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
    CHECK_EQ(open_descriptors(), descriptors);
    nameserver_stop(&server);
    return 0;
}
