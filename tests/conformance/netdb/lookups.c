/* getaddrinfo, getnameinfo, gethostbyname: localhost, numbers, services, bad names; also from
   twenty threads at once. */
#include "testlib.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

static void numeric(const char *name, const char *service, int family, int port)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *list = NULL;
    char host[100], serv[100];

    CHECK_EQ(getaddrinfo(name, service, &hints, &list), 0);
    CHECK_EQ(list->ai_family, family);
    CHECK(list->ai_next == NULL);
    CHECK_EQ(getnameinfo(list->ai_addr, list->ai_addrlen, host, sizeof(host), serv, sizeof(serv),
                         NI_NUMERICHOST | NI_NUMERICSERV),
             0);
    CHECK_STR(host, name);
    CHECK_EQ(atoi(serv), port);
    CHECK_EQ(getnameinfo(list->ai_addr, list->ai_addrlen, host, 2, NULL, 0, NI_NUMERICHOST),
             EAI_OVERFLOW);
    freeaddrinfo(list);
}

static void localhost(void)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
    struct sockaddr_in *addr;
    struct hostent *host, entry;
    char buffer[2000];
    int error;

    CHECK_EQ(getaddrinfo("localhost", "80", &hints, &list), 0);
    addr = (struct sockaddr_in *)list->ai_addr;
    CHECK_EQ(ntohl(addr->sin_addr.s_addr), INADDR_LOOPBACK);
    CHECK_EQ(ntohs(addr->sin_port), 80);
    freeaddrinfo(list);
    CHECK_EQ(gethostbyname_r("localhost", &entry, buffer, sizeof(buffer), &host, &error), 0);
    CHECK(host == &entry);
    CHECK_EQ(host->h_addrtype, AF_INET);
    CHECK_EQ(*(in_addr_t *)host->h_addr_list[0], htonl(INADDR_LOOPBACK));
    CHECK_EQ(gethostbyname_r("localhost", &entry, buffer, 10, &host, &error), ERANGE);
}

static void *body(void *arg)
{
    char name[64];

    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "127.%d.%d.1", (int)(intptr_t)arg, i);
        numeric(name, "443", AF_INET, 443);
        numeric("::1", "25", AF_INET6, 25);
        localhost();
    }
    return NULL;
}

int test_main(void)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *list = NULL;
    pthread_t threads[20];

    body((void *)0);
    for (intptr_t i = 0; i < 20; i++)
        threads[i] = start(body, (void *)i);
    for (int i = 0; i < 20; i++)
        finish(threads[i]);

    CHECK_EQ(getaddrinfo("not a number", NULL, &hints, &list), EAI_NONAME);
    CHECK_EQ(getaddrinfo(NULL, NULL, NULL, &list), EAI_NONAME);
    hints = (struct addrinfo){.ai_family = 99};
    CHECK_EQ(getaddrinfo("127.0.0.1", NULL, &hints, &list), EAI_FAMILY);
    hints =
        (struct addrinfo){.ai_flags = AI_PASSIVE, .ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    CHECK_EQ(getaddrinfo(NULL, "http", &hints, &list), 0);
    CHECK_EQ(((struct sockaddr_in *)list->ai_addr)->sin_addr.s_addr, INADDR_ANY);
    freeaddrinfo(list);
    hints.ai_flags = AI_NUMERICSERV;
    CHECK_EQ(getaddrinfo("127.0.0.1", "http", &hints, &list), EAI_NONAME);
    CHECK(strlen(gai_strerror(EAI_NONAME)) > 0);

    struct hostent *host = gethostbyname("127.0.0.5");
    CHECK(host && host->h_length == 4);
    CHECK(gethostbyname("localhost") != NULL);
    struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
    host = gethostbyaddr(&loopback, sizeof(loopback), AF_INET);
    if (host)
        printf("%s\n", host->h_name);
    struct servent *service = getservbyname("http", "tcp");
    if (service)
        CHECK_EQ(ntohs((uint16_t)service->s_port), 80);
    struct protoent *protocol = getprotobyname("tcp");
    if (protocol)
        CHECK_EQ(protocol->p_proto, IPPROTO_TCP);
    return 0;
}
