/* Many threads in accept on one listener: each connection is taken once, all threads can be
   served at the same time. */
#include "testlib.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { THREADS = 10, CONNECTIONS = 200 };
static int listener, served[THREADS];
static uint16_t port;

static void *server(void *arg)
{
    int self = (int)(intptr_t)arg;

    for (;;) {
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);
        char byte;
        int fd = (int)SYS(accept(listener, (struct sockaddr *)&peer, &len));

        CHECK_EQ(len, sizeof(peer));
        CHECK_EQ(peer.sin_family, AF_INET);
        CHECK_EQ(ntohl(peer.sin_addr.s_addr), INADDR_LOOPBACK);
        CHECK(!is_nonblock(fd));
        read_all(fd, &byte, 1);
        if (byte == 'q') {
            close(fd);
            return NULL;
        }
        usleep(500);
        write_all(fd, &byte, 1);
        served[self]++;
        CHECK_EQ(read(fd, &byte, 1), 0);
        SYS(close(fd));
    }
}

static void *client(void *arg)
{
    for (int i = 0; i < CONNECTIONS / 10; i++) {
        char byte = 'a';
        int fd = tcp_connect(port);

        write_all(fd, &byte, 1);
        byte = 0;
        read_all(fd, &byte, 1);
        CHECK_EQ(byte, 'a');
        SYS(close(fd));
    }
    return arg;
}

int test_main(void)
{
    pthread_t servers[THREADS], clients[10];
    int total = 0;

    listener = tcp_listen(128, &port);
    for (intptr_t i = 0; i < THREADS; i++)
        servers[i] = start(server, (void *)i);
    settle();
    for (int i = 0; i < 10; i++)
        clients[i] = start(client, NULL);
    for (int i = 0; i < 10; i++)
        finish(clients[i]);
    for (int i = 0; i < THREADS; i++) {
        int fd = tcp_connect(port);
        write_all(fd, "q", 1);
        CHECK_EQ(read(fd, &(char){0}, 1), 0);
        close(fd);
    }
    for (int i = 0; i < THREADS; i++) {
        finish(servers[i]);
        total += served[i];
    }
    CHECK_EQ(total, CONNECTIONS);
    CHECK(!is_nonblock(listener));
    return 0;
}
