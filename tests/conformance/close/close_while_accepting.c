/* close of a listener while a thread is in accept: that accept still takes one connection, or is
   ended by shutdown; a new listener at the same number is not confused with it. */
#include "testlib.h"

#include <sys/socket.h>

static int listener;

static void *acceptor(void *arg)
{
    int fd = accept(listener, NULL, NULL);

    if (arg) {
        CHECK_EQ(fd, -1);
        CHECK_EQ(errno, EINVAL);
        return NULL;
    }
    SYS(fd);
    write_all(fd, "old", 3);
    SYS(close(fd));
    return NULL;
}

int test_main(void)
{
    uint16_t port, new_port;
    char data[8] = "";

    listener = tcp_listen(5, &port);
    pthread_t thread = start(acceptor, NULL);
    settle();
    int number = listener;
    SYS(close(listener));
    int replacement = tcp_listen(5, &new_port);
    CHECK_EQ(replacement, number);
    int client = tcp_connect(port);
    read_all(client, data, 3);
    CHECK_STR(data, "old");
    finish(thread);
    close(client);

    /* the replacement serves its own clients */
    client = tcp_connect(new_port);
    int fd = (int)SYS(accept(replacement, NULL, NULL));
    write_all(fd, "new", 3);
    read_all(client, data, 3);
    CHECK_STR(data, "new");
    close(fd);
    close(client);

    listener = replacement;
    thread = start(acceptor, &listener);
    settle();
    SYS(shutdown(listener, SHUT_RDWR));
    finish(thread);
    SYS(close(listener));
    return 0;
}
