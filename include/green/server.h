/*
 * Servers: a green for each connection. Like: gevent.server.StreamServer
 *
 *     static void echo(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
 *     {
 *         char buf[4096];
 *         for (ssize_t n; (n = read(fd, buf, sizeof(buf))) > 0;)
 *             write(fd, buf, n);
 *     }
 *
 *     struct green_server *s;
 *     green_server_new(&(struct green_server_options){.listen = ":7000", .handle = echo}, &s);
 *     green_server_serve_forever(s, GREEN_S(1));
 *
 * Any green and any kernel thread may make every call; for a kernel thread a green does it.
 */
#ifndef GREEN_SERVER_H
#define GREEN_SERVER_H

#include <green/base.h>

#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

struct green_server;

/*
 * A connection, in a green of its own: @fd is the server's, who closes it when this returns or
 * ends in any other way. A handshake (TLS) is best made here, where it holds up nobody else.
 */
typedef void green_serve_fn(int fd, const struct sockaddr *peer, socklen_t len, void *arg);

struct green_server_options {
    const char *listen; /* "host:port", "[::1]:port", ":port" (every IPv4 address), "port"; port 0
                           is any; a name with a '/' is a Unix socket. Copied */
    int fd;             /* without @listen: a listening socket, which stays the caller's */
    green_serve_fn *handle;
    void *arg;
    int backlog;       /* 0: 128 */
    unsigned max;      /* connections at a time; the others wait in the kernel. 0: no limit */
    int64_t min_delay; /* ns to wait after accept() has failed for want of descriptors or memory, */
    int64_t max_delay; /* doubled each time up to this. 0: 10 ms, 1 s */
};

/*
 * green_server_new - a server that does not listen yet.
 *
 * Returns 0 and *@out, to be freed by green_server_free(); -EINVAL (no handler, or an address that
 * cannot be understood), -ENOMEM. Does not switch.
 */
GREEN_API int green_server_new(const struct green_server_options *o, struct green_server **out);

/*
 * green_server_free - stop accepting, close the listener, and free. Connections that are being
 * served go on. NULL is allowed. Switches.
 */
GREEN_API void green_server_free(struct green_server *s);

/*
 * green_server_listen - have the socket made, bound and listening; whoever connects waits. With it
 * a process can make a socket and then fork the processes that green_server_start(). A Unix socket
 * that nobody listens on any more is replaced. Nothing if it listens already.
 *
 * Returns 0 or a negative errno: -EADDRINUSE, -EACCES, -EADDRNOTAVAIL (no such host), ...; nothing
 * is left open. May switch for a name. Like: BaseServer.init_socket
 */
GREEN_API int green_server_listen(struct green_server *s);

/*
 * green_server_start - green_server_listen(), and serve from now on. Nothing if it does already. A
 * server that was stopped may be started again.
 *
 * Returns 0, as green_server_listen(), -EAGAIN, -ENOTSUP (no green threads here). May
 * switch for a name. Like: start
 */
GREEN_API int green_server_start(struct green_server *s);

/*
 * green_server_stop - close the listener. With @max the connections have @timeout ns to end, then
 * they are killed, which they have 1 s for; without, they are left alone. A handler that calls this
 * is left alone, too. Nothing if it is stopped already.
 *
 * Returns 0, -ETIMEDOUT (some had to be killed), or what interrupted it: it is closed all the same.
 * Switches. Like: stop
 */
GREEN_API int green_server_stop(struct green_server *s, int64_t timeout);

/*
 * green_server_serve_forever - start, wait until somebody stops it, and green_server_stop().
 *
 * Returns 0, as green_server_start(), or what interrupted the wait: it is stopped then. Switches.
 */
GREEN_API int green_server_serve_forever(struct green_server *s, int64_t stop_timeout);

/*
 * green_server_pause  - accept no more connections for now; they wait in the kernel. Switches.
 *                       Like: stop_accepting
 * green_server_resume - accept again. Does not switch. Like: start_accepting
 *
 * Return 0; resume also -EAGAIN (@max connections are open, or as green_spawn()) or -ENOTSUP.
 */
GREEN_API int green_server_pause(struct green_server *s);
GREEN_API int green_server_resume(struct green_server *s);

/*
 * State. Do not switch.
 * green_server_started - does it listen? Like: started
 * green_server_full    - are @max connections open? Like: full
 * green_server_count   - connections being served
 * green_server_fd      - the listening socket; -1: none
 * green_server_port    - the port that it has; 0: none
 * green_server_address - "127.0.0.1:7000", or the path, into @buf. 0, -ENOTCONN or -ENOSPC
 */
GREEN_API int green_server_started(const struct green_server *s);
GREEN_API int green_server_full(const struct green_server *s);
GREEN_API unsigned green_server_count(const struct green_server *s);
GREEN_API int green_server_fd(const struct green_server *s);
GREEN_API int green_server_port(const struct green_server *s);
GREEN_API int green_server_address(const struct green_server *s, char *buf, size_t size);

#ifdef __cplusplus
}
#endif

#endif
