/* Listening sockets by their names. */
#include "runtime/api/listener.h"

#include "runtime/api/io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TYPE (SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)

/* --- names --- */

static int copy(char *to, size_t room, const char *from, size_t n)
{
    if (n >= room) {
        return -EINVAL;
    }
    memcpy(to, from, n);
    to[n] = '\0';
    return 0;
}

int gr_address_parse(const char *text, struct gr_address *a)
{
    *a = (struct gr_address){.path = ""};
    size_t n = strlen(text);
    if (strchr(text, '/')) {
        return copy(a->path, sizeof(a->path), text, n);
    }
    const char *host = text;
    const char *colon = strrchr(text, ':');
    const char *port = colon ? colon + 1 : text;
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    } else if (memchr(host, ':', len)) {
        return -EINVAL; /* an IPv6 address without brackets: which part is the port? */
    }
    int rc = *port ? copy(a->host, sizeof(a->host), host, len) : -EINVAL;
    return rc ? rc : copy(a->port, sizeof(a->port), port, strlen(port));
}

static int error_of(int gai)
{
    switch (gai) {
    case EAI_SYSTEM:
        return -errno;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_SERVICE:
        return -EINVAL;
    default:
        return -EADDRNOTAVAIL;
    }
}

/* --- opening --- */

static int listen_on(const struct sockaddr *addr, socklen_t len, int backlog)
{
    int on = 1;
    int fd = socket(addr->sa_family, TYPE, 0);
    if (fd < 0) {
        return -errno;
    }
    if ((addr->sa_family != AF_UNIX && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on))) ||
        bind(fd, addr, len) || listen(fd, backlog)) {
        int rc = -errno;
        gr_api_close(fd);
        return rc;
    }
    return fd;
}

static int open_tcp(const struct gr_address *a, int backlog)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    hints.ai_family = strchr(a->host, ':') ? AF_INET6 : AF_INET;
    const char *host = a->host[0] ? a->host : NULL;
    int rc = getaddrinfo(host, a->port, &hints, &found);
    if (rc == EAI_NONAME || rc == EAI_ADDRFAMILY || rc == EAI_NODATA) {
        hints.ai_family = AF_UNSPEC;
        rc = getaddrinfo(host, a->port, &hints, &found);
    }
    if (rc) {
        return error_of(rc);
    }
    int fd = -EADDRNOTAVAIL;
    for (struct addrinfo *ai = found; ai && fd < 0; ai = ai->ai_next) {
        fd = listen_on(ai->ai_addr, ai->ai_addrlen, backlog);
    }
    freeaddrinfo(found);
    return fd;
}

/* Is there a socket of that name that nobody listens on? */
static bool is_stale(const struct sockaddr_un *addr)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) || !S_ISSOCK(st.st_mode)) {
        return false;
    }
    int fd = socket(AF_UNIX, TYPE, 0);
    bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) &&
                 errno == ECONNREFUSED;
    if (fd >= 0) {
        gr_api_close(fd);
    }
    return stale;
}

static int open_unix(const struct gr_address *a, int backlog)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, a->path, sizeof(addr.sun_path));
    const struct sockaddr *sa = (const struct sockaddr *)&addr;
    int fd = listen_on(sa, sizeof(addr), backlog);
    if (fd == -EADDRINUSE && is_stale(&addr) && unlink(a->path) == 0) {
        fd = listen_on(sa, sizeof(addr), backlog);
    }
    return fd;
}

int gr_listener_open(const struct gr_address *a, int backlog)
{
    int saved = errno;
    int fd = a->path[0] ? open_unix(a, backlog) : open_tcp(a, backlog);
    errno = saved;
    return fd;
}

/* --- what it has --- */

int gr_listener_check(int fd)
{
    int listens = 0;
    socklen_t len = sizeof(listens);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len)) {
        return -errno;
    }
    return listens ? fd : -EINVAL;
}

union any_address {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
};

static bool look(int fd, union any_address *a)
{
    socklen_t len = sizeof(*a);
    memset(a, 0, sizeof(*a));
    return fd >= 0 && getsockname(fd, &a->sa, &len) == 0;
}

int gr_listener_port(int fd)
{
    union any_address a;
    if (!look(fd, &a)) {
        return 0;
    }
    return a.sa.sa_family == AF_INET    ? ntohs(a.in.sin_port)
           : a.sa.sa_family == AF_INET6 ? ntohs(a.in6.sin6_port)
                                        : 0;
}

int gr_listener_text(int fd, char *buf, size_t size)
{
    union any_address a;
    char host[INET6_ADDRSTRLEN];
    int n;
    if (!look(fd, &a)) {
        return -ENOTCONN;
    }
    if (a.sa.sa_family == AF_UNIX) {
        n = snprintf(buf, size, "%.*s", (int)sizeof(a.un.sun_path), a.un.sun_path);
    } else if (a.sa.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof(host));
        n = snprintf(buf, size, "[%s]:%d", host, ntohs(a.in6.sin6_port));
    } else {
        (void)inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host));
        n = snprintf(buf, size, "%s:%d", host, ntohs(a.in.sin_port));
    }
    return n < 0 || (size_t)n >= size ? -ENOSPC : 0;
}
