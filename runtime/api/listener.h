/* Listening sockets by their names. */
#ifndef GR_API_LISTENER_H
#define GR_API_LISTENER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

/* An address, taken to pieces. */
struct gr_address {
    char host[256]; /* "": every one */
    char port[32];
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of a Unix socket, else "" */
};

/* gr_address_parse - take @text to pieces. Returns 0 or -EINVAL. */
int gr_address_parse(const char *text, struct gr_address *a);

/*
 * gr_listener_open - a socket that listens on @a, non-blocking and close-on-exec. Returns it or
 * -errno. May switch to look up a name.
 */
int gr_listener_open(const struct gr_address *a, int backlog);

/* gr_listener_check - returns @fd if it is a listening socket, else -EBADF, -ENOTSOCK, -EINVAL. */
int gr_listener_check(int fd);

/* gr_listener_text - the address of @fd in words. Returns 0, -ENOTCONN, -ENOSPC. */
int gr_listener_text(int fd, char *buf, size_t size);

/* gr_listener_port - 0: it has none. */
int gr_listener_port(int fd);

#endif
