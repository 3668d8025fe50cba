/*
 * epoll_echo - the physical reference: an echo server on one thread and one edge-triggered epoll
 * set, written by hand. Two system calls per message and one epoll_wait per batch: a read shorter
 * than the buffer means the socket is drained, so the EAGAIN read is saved.
 */

#define _GNU_SOURCE
#include "benchlib.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 4096
#define BATCH 1024

/*
 * One connection. All share one buffer; what send() did not take is copied aside, and until that is
 * gone nothing more is read: the peer has to take its bytes first.
 */
struct conn {
    int fd;
    size_t unsent;
    char *next;  /* first byte of the unsent ones */
    char *aside; /* owned; NULL when nothing is unsent */
};

static char chunk[CHUNK];
static int epoll_fd;

static void on_stop(int sig)
{
    (void)sig;
    _exit(0);
}

static void close_conn(struct conn *c)
{
    close(c->fd); /* also leaves the epoll set: nobody else holds the description */
    free(c->aside);
    free(c);
}

/* Send @n bytes; how many the socket took, or -1 when the peer is gone. */
static ssize_t send_some(int fd, const char *p, size_t n)
{
    size_t sent = 0;

    while (sent < n) {
        ssize_t r = send(fd, p + sent, n - sent, MSG_NOSIGNAL);
        if (r >= 0)
            sent += (size_t)r;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            return -1;
    }
    return (ssize_t)sent;
}

/* Send what is aside; 1 when all is gone, 0 when the socket is full, -1 when the peer is gone. */
static int flush(struct conn *c)
{
    ssize_t sent = send_some(c->fd, c->next, c->unsent);

    if (sent < 0)
        return -1;
    c->next += sent;
    c->unsent -= (size_t)sent;
    if (c->unsent > 0)
        return 0;
    free(c->aside);
    c->aside = NULL;
    return 1;
}

/* Echo @n bytes of the chunk; as flush(). */
static int echo(struct conn *c, size_t n)
{
    ssize_t sent = send_some(c->fd, chunk, n);

    if (sent < 0)
        return -1;
    if ((size_t)sent == n)
        return 1;
    c->unsent = n - (size_t)sent;
    c->aside = malloc(c->unsent);
    if (!c->aside)
        die("connection", ENOMEM);
    memcpy(c->aside, chunk + sent, c->unsent);
    c->next = c->aside;
    return 0;
}

/* Echo until the socket is drained, full or closed. @hup: the peer has shut down its side. */
static void serve(struct conn *c, int hup)
{
    int rc = c->unsent > 0 ? flush(c) : 1;

    while (rc > 0) {
        ssize_t n = recv(c->fd, chunk, sizeof chunk, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            break;
        rc = echo(c, (size_t)n);
        /* A short read has drained the socket: new bytes give a new edge. */
        if (rc > 0 && n < (ssize_t)sizeof chunk && !hup)
            return;
    }
    if (rc != 0)
        close_conn(c);
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if (errno == EAGAIN)
                return;
            die("accept4", errno);
        }
        set_nodelay(fd);
        struct conn *c = calloc(1, sizeof *c);
        if (!c)
            die("connection", ENOMEM);
        c->fd = fd;
        struct epoll_event ev = {
            .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
            .data.ptr = c,
        };
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
            die("epoll_ctl", errno);
    }
}

int main(int argc, char **argv)
{
    static struct epoll_event events[BATCH];
    int port = 0;
    int c;

    while ((c = getopt(argc, argv, "p:")) != -1) {
        if (c != 'p') {
            fputs("usage: epoll_echo [-p port]\n", stderr);
            return 2;
        }
        port = (int)parse_number(optarg, 0, 65535, "port");
    }

    struct sigaction sa = {.sa_handler = on_stop};
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    raise_descriptor_limit();

    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1", errno);
    int listener = listen_loopback(port);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &ev) < 0)
        die("epoll_ctl", errno);

    for (;;) {
        int n = epoll_wait(epoll_fd, events, BATCH, -1);
        if (n < 0 && errno != EINTR)
            die("epoll_wait", errno);
        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr)
                accept_all(listener);
            else
                serve(events[i].data.ptr,
                      (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
        }
    }
}
