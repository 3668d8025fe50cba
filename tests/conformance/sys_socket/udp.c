/* UDP: a connected socket gets an ICMP error as ECONNREFUSED and still works afterwards;
   blocked receivers; addresses. */
#include "testlib.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static struct sockaddr_in addr_of(int fd)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);

    SYS(getsockname(fd, (struct sockaddr *)&addr, &len));
    return addr;
}

static int bound(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    int fd = (int)SYS(socket(AF_INET, SOCK_DGRAM, 0));

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    SYS(bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
    return fd;
}

static int client;

static void *blocked(void *arg)
{
    char data[20];

    CHECK_ERRNO(recv(client, data, sizeof(data), 0), ECONNREFUSED);
    CHECK_EQ(recv(client, data, sizeof(data), 0), 5);
    CHECK(memcmp(data, "alive", 5) == 0);
    return arg;
}

static void *server(void *arg)
{
    int fd = *(int *)arg;
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    char data[20];
    long n;

    while ((n = SYS(recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len))) > 0)
        CHECK_EQ(sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, len), n);
    return NULL;
}

int test_main(void)
{
    int peer = bound();
    struct sockaddr_in addr = addr_of(peer);
    char data[20];

    for (int round = 0; round < 3; round++) {
        client = bound();
        struct sockaddr_in self = addr_of(client);
        SYS(connect(client, (struct sockaddr *)&addr, sizeof(addr)));
        close(peer);
        pthread_t thread = start(blocked, NULL);
        settle();
        CHECK_EQ(send(client, "x", 1, 0), 1); /* nobody there: comes back as an error */
        settle();
        peer = (int)SYS(socket(AF_INET, SOCK_DGRAM, 0));
        SYS(bind(peer, (struct sockaddr *)&addr, sizeof(addr)));
        CHECK_EQ(sendto(peer, "alive", 5, 0, (struct sockaddr *)&self, sizeof(self)), 5);
        finish(thread);
        CHECK_EQ(send(client, "back", 4, 0), 4);
        CHECK_EQ(recv(peer, data, sizeof(data), 0), 4);
        close(client);
    }

    /* through poll: POLLERR, and SO_ERROR clears it */
    client = bound();
    SYS(connect(client, (struct sockaddr *)&addr, sizeof(addr)));
    close(peer);
    CHECK_EQ(send(client, "x", 1, 0), 1);
    struct pollfd pfd = {.fd = client, .events = POLLIN};
    CHECK_EQ(poll(&pfd, 1, 10000), 1);
    CHECK(pfd.revents & POLLERR);
    int error = 0;
    socklen_t len = sizeof(error);
    SYS(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &len));
    CHECK_EQ(error, ECONNREFUSED);
    close(client);

    peer = bound();
    addr = addr_of(peer);
    pthread_t thread = start(server, &peer);
    client = bound();
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(sendto(client, &i, sizeof(i), 0, (struct sockaddr *)&addr, sizeof(addr)), 4);
        int back = -1;
        struct sockaddr_in from;
        len = sizeof(from);
        CHECK_EQ(recvfrom(client, &back, sizeof(back), 0, (struct sockaddr *)&from, &len), 4);
        CHECK_EQ(back, i);
        CHECK_EQ(from.sin_port, addr.sin_port);
    }
    CHECK_EQ(sendto(client, "", 0, 0, (struct sockaddr *)&addr, sizeof(addr)), 0);
    finish(thread);
    return 0;
}
