/* A slow name server: each function of the resolver waits for it while other threads run, and gives
   what it answered, over UDP and, when that is truncated, over TCP. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "nameserver.h"
#include "testlib.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <resolv.h>
#include <sys/socket.h>

static struct nameserver server;

static void check_address(const void *addr, int number)
{
    char text[32], want[32];

    CHECK(inet_ntop(AF_INET, addr, text, sizeof(text)));
    snprintf(want, sizeof(want), "10.0.%d.%d", number / 256, number % 256);
    CHECK_STR(text, want);
}

static void check_answer(const unsigned char *answer, int size, int number)
{
    CHECK_GE(size, 28);
    CHECK_EQ(answer[7], 1);
    check_address(answer + size - 4, number);
}

static void use_getaddrinfo(const char *name, int number)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;

    CHECK_EQ(getaddrinfo(name, "80", &hints, &list), 0);
    CHECK(list && !list->ai_next);
    check_address(&((struct sockaddr_in *)list->ai_addr)->sin_addr, number);
    freeaddrinfo(list);
}

static void use_getaddrinfo_both(const char *name, int number)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    int seen4 = 0, seen6 = 0;

    CHECK_EQ(getaddrinfo(name, "80", &hints, &list), 0);
    for (struct addrinfo *at = list; at; at = at->ai_next) {
        if (at->ai_family == AF_INET) {
            check_address(&((struct sockaddr_in *)at->ai_addr)->sin_addr, number);
            seen4++;
        } else {
            CHECK_EQ(((struct sockaddr_in6 *)at->ai_addr)->sin6_addr.s6_addr[0], 0xfd);
            CHECK_EQ(((struct sockaddr_in6 *)at->ai_addr)->sin6_addr.s6_addr[15], number % 256);
            seen6++;
        }
    }
    CHECK_EQ(seen4 * 10 + seen6, 11);
    freeaddrinfo(list);
}

static void use_gethostbyname(const char *name, int number)
{
    struct hostent *host = gethostbyname(name);

    CHECK(host);
    check_address(host->h_addr_list[0], number);
}

static void use_gethostbyname2(const char *name, int number)
{
    struct hostent *host = gethostbyname2(name, AF_INET6);

    CHECK(host);
    CHECK_EQ(host->h_length, 16);
    CHECK_EQ((unsigned char)host->h_addr_list[0][15], number % 256);
}

static void use_gethostbyname_r(const char *name, int number)
{
    struct hostent entry, *host;
    char buffer[1024];
    int error;

    CHECK_EQ(gethostbyname_r(name, &entry, buffer, sizeof(buffer), &host, &error), 0);
    CHECK(host == &entry);
    check_address(host->h_addr_list[0], number);
}

static void use_res_query(const char *name, int number)
{
    unsigned char answer[512];
    int size = res_query(name, 1, 1, answer, sizeof(answer));

    check_answer(answer, size, number);
}

static void use_res_search(const char *name, int number)
{
    unsigned char answer[512];
    int size = res_search(name, 1, 1, answer, sizeof(answer));

    check_answer(answer, size, number);
}

static void use_res_nquery(const char *name, int number)
{
    unsigned char answer[512];
    struct __res_state state = {0};

    CHECK_EQ(res_ninit(&state), 0);
    state.nscount = 1;
    state.nsaddr_list[0] = _res.nsaddr_list[0];
    state.retrans = 10;
    int size = res_nquery(&state, name, 1, 1, answer, sizeof(answer));
    check_answer(answer, size, number);
    res_nclose(&state);
}

static void reverse(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(80)};
    char host[64];

    addr.sin_addr.s_addr = inet_addr("10.20.1.44");
    OTHERS_RUN(200, CHECK_EQ(getnameinfo((struct sockaddr *)&addr, sizeof(addr), host, sizeof(host),
                                         NULL, 0, NI_NAMEREQD),
                             0));
    CHECK_STR(host, "d200n300.test");
    addr.sin_addr.s_addr = inet_addr("10.5.0.9");
    struct hostent *entry = NULL;
    TAKES(50, entry = gethostbyaddr(&addr.sin_addr, 4, AF_INET));
    CHECK(entry);
    CHECK_STR(entry->h_name, "d50n9.test");
}

int test_main(void)
{
    static void (*const uses[])(const char *, int) = {
        use_getaddrinfo,     use_getaddrinfo_both, use_gethostbyname, use_gethostbyname2,
        use_gethostbyname_r, use_res_query,        use_res_search,    use_res_nquery,
    };
    struct addrinfo *list;
    char name[32];

    server = nameserver_start(10);
    nameserver_use(&server, 10, 2);
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "d%dn%d.test", 150, 300 + i);
        OTHERS_RUN(150, uses[i](name, 300 + i));
        snprintf(name, sizeof(name), "t%dn%d.test", 60, 400 + i);
        TAKES(60, uses[i](name, 400 + i));
    }
    reverse();
    TAKES(50, CHECK_EQ(getaddrinfo("x50n1.test", NULL, NULL, &list), EAI_NONAME));
    nameserver_stop(&server);
    return 0;
}
