/*
 * threadserver - a thread-per-connection TCP server, as every textbook has it.
 *
 * main() accepts; each connection gets a detached thread that blocks in recv() and send(). Two
 * protocols: echo (every byte comes back) and http (GET and HEAD with keep-alive and pipelining).
 * SIGTERM and SIGINT end it with status 0.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#define REQUEST_MAX  4096
#define ECHO_CHUNK   4096
#define TARGET_MAX   1024
#define BODY_MAX     (TARGET_MAX + 64)
#define RESPONSE_MAX (BODY_MAX + 256)
#define LINGER_BYTES 65536

struct options {
    int port;
    int backlog;
    size_t stack_size; /* 0: the system's default */
    void (*serve)(int fd);
};

/* What one request asks for; filled by parse_request(). */
struct request {
    int status;              /* 200, or the error to answer */
    int head_only;           /* HEAD: headers without the body */
    int keep_alive;          /* the connection stays open after the answer */
    size_t body_len;         /* bytes of request body to skip */
    char target[TARGET_MAX]; /* as it stood in the request line */
};

static int listener = -1;
static volatile sig_atomic_t stopping;

/* ---- bytes ------------------------------------------------------------------------------- */

/* Send everything; 0, or -1 when the peer is gone. */
static int send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t r = send(fd, p, n, MSG_NOSIGNAL);
        if (r < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

/* Receive something: bytes read, 0 at the end of the stream, -1 on error. */
static ssize_t receive(int fd, char *buf, size_t n)
{
    ssize_t r;

    do {
        r = recv(fd, buf, n, 0);
    } while (r < 0 && errno == EINTR);
    return r;
}

/* ---- echo -------------------------------------------------------------------------------- */

static void serve_echo(int fd)
{
    char buf[ECHO_CHUNK];
    ssize_t n;

    while ((n = receive(fd, buf, sizeof buf)) > 0) {
        if (send_all(fd, buf, (size_t)n) < 0)
            break;
    }
}

/* ---- http -------------------------------------------------------------------------------- */

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 413:
        return "Content Too Large";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 505:
        return "HTTP Version Not Supported";
    }
    return "Error";
}

static void refuse(struct request *req, int status)
{
    req->status = status;
    req->keep_alive = 0;
}

/* "METHOD target HTTP/1.x"; @line is modified. */
static void parse_request_line(char *line, struct request *req)
{
    char *rest = line;
    const char *method = strsep(&rest, " ");
    const char *target = strsep(&rest, " ");
    const char *version = rest;

    if (!target || !version || strchr(version, ' ') || *target != '/') {
        refuse(req, 400);
        return;
    }
    if (strcmp(version, "HTTP/1.1") == 0) {
        req->keep_alive = 1;
    } else if (strcmp(version, "HTTP/1.0") != 0) {
        refuse(req, 505);
        return;
    }
    if (strcmp(method, "HEAD") == 0) {
        req->head_only = 1;
    } else if (strcmp(method, "GET") != 0) {
        refuse(req, 501);
        return;
    }
    if (strlen(target) >= sizeof req->target) {
        refuse(req, 431);
        return;
    }
    memcpy(req->target, target, strlen(target) + 1);
}

/* "Name: value"; only the fields that decide where the next request begins matter here. */
static void parse_field(char *line, struct request *req)
{
    char *value = strchr(line, ':');

    if (!value || value == line) {
        refuse(req, 400);
        return;
    }
    *value++ = '\0';
    value += strspn(value, " \t");

    if (strcasecmp(line, "Connection") == 0) {
        if (strcasestr(value, "close"))
            req->keep_alive = 0;
        else if (strcasestr(value, "keep-alive"))
            req->keep_alive = 1;
    } else if (strcasecmp(line, "Content-Length") == 0) {
        char *end;

        errno = 0;
        unsigned long long len = strtoull(value, &end, 10);
        end += strspn(end, " \t");
        if (*value < '0' || *value > '9' || *end != '\0' || errno == ERANGE)
            refuse(req, 400);
        else if (len > INT_MAX)
            refuse(req, 413);
        else
            req->body_len = (size_t)len;
    } else if (strcasecmp(line, "Transfer-Encoding") == 0) {
        refuse(req, 501);
    }
}

/* Parse the header block of @len bytes at @head, which ends in an empty line; it is modified. */
static void parse_request(char *head, size_t len, struct request *req)
{
    memset(req, 0, sizeof *req);
    req->status = 200;
    if (memchr(head, '\0', len)) {
        refuse(req, 400);
        return;
    }

    head[len - 4] = '\0';
    char *next = head;
    for (int first = 1; next && req->status == 200; first = 0) {
        char *line = next;
        char *end = strstr(line, "\r\n");

        next = end ? end + 2 : NULL;
        if (end)
            *end = '\0';
        if (first)
            parse_request_line(line, req);
        else
            parse_field(line, req);
    }
}

static int answer(int fd, const struct request *req)
{
    char body[BODY_MAX];
    char out[RESPONSE_MAX];
    int body_len;
    int n;

    if (req->status == 200)
        body_len = snprintf(body, sizeof body, "You asked for %s\n", req->target);
    else
        body_len = snprintf(body, sizeof body, "%d %s\n", req->status, reason_of(req->status));

    n = snprintf(out, sizeof out,
                 "HTTP/1.1 %d %s\r\n"
                 "Content-Type: text/plain\r\n"
                 "Content-Length: %d\r\n"
                 "Connection: %s\r\n"
                 "\r\n"
                 "%s",
                 req->status, reason_of(req->status), body_len,
                 req->keep_alive ? "keep-alive" : "close", req->head_only ? "" : body);
    return send_all(fd, out, (size_t)n);
}

/* Read until @buf holds a whole header block; its length, 0 when the peer left, -1 if too long. */
static ssize_t read_header(int fd, char *buf, size_t *have)
{
    size_t scanned = 0;

    for (;;) {
        char *end = memmem(buf + scanned, *have - scanned, "\r\n\r\n", 4);
        if (end)
            return end + 4 - buf;
        if (*have == REQUEST_MAX)
            return -1;
        scanned = *have > 3 ? *have - 3 : 0;

        ssize_t n = receive(fd, buf + *have, REQUEST_MAX - *have);
        if (n <= 0)
            return 0;
        *have += (size_t)n;
    }
}

/* Drop @n bytes of request body, first from @buf, then from the socket; -1 when the peer left. */
static int skip_body(int fd, char *buf, size_t *have, size_t n)
{
    while (n > *have) {
        n -= *have;
        *have = 0;
        ssize_t r = receive(fd, buf, REQUEST_MAX);
        if (r <= 0)
            return -1;
        *have = (size_t)r;
    }
    *have -= n;
    memmove(buf, buf + n, *have);
    return 0;
}

/*
 * After an error answer the client may still be sending. Closing on unread bytes resets the
 * connection, which can destroy the answer on its way, so take what comes for a short while.
 */
static void linger(int fd, char *buf)
{
    struct timeval second = {.tv_sec = 1};
    size_t left = LINGER_BYTES;
    ssize_t n;

    shutdown(fd, SHUT_WR);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    while (left > 0 && (n = receive(fd, buf, REQUEST_MAX)) > 0)
        left -= (size_t)n < left ? (size_t)n : left;
}

static void serve_http(int fd)
{
    char buf[REQUEST_MAX];
    size_t have = 0;
    struct request req;

    do {
        ssize_t len = read_header(fd, buf, &have);
        if (len == 0)
            return;
        if (len < 0) {
            memset(&req, 0, sizeof req);
            refuse(&req, 431);
        } else {
            parse_request(buf, (size_t)len, &req);
            have -= (size_t)len;
            memmove(buf, buf + len, have);
            if (req.status == 200 && skip_body(fd, buf, &have, req.body_len) < 0)
                return;
        }
        if (answer(fd, &req) < 0)
            return;
    } while (req.keep_alive);

    if (req.status != 200)
        linger(fd, buf);
}

/* ---- connections ------------------------------------------------------------------------- */

static const struct options *opts;

static void *connection_main(void *arg)
{
    int fd = (int)(intptr_t)arg;

    opts->serve(fd);
    close(fd);
    return NULL;
}

/* Say once per second at most that something is short; the server goes on. */
static void complain(const char *what, int err)
{
    static time_t last;
    time_t now = time(NULL);

    if (now != last)
        fprintf(stderr, "threadserver: %s: %s\n", what, strerror(err));
    last = now;
}

static void start_connection(int fd, const pthread_attr_t *attr)
{
    pthread_t thread;
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int rc = pthread_create(&thread, attr, connection_main, (void *)(intptr_t)fd);
    if (rc != 0) {
        complain("pthread_create", rc);
        close(fd);
    }
}

static int accept_loop(const pthread_attr_t *attr)
{
    while (!stopping) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0) {
            start_connection(fd, attr);
            continue;
        }
        if (stopping)
            break;
        switch (errno) {
        case EINTR:
        case ECONNABORTED:
            break;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            complain("accept", errno);
            usleep(10000);
            break;
        default:
            perror("threadserver: accept");
            return 1;
        }
    }
    return 0;
}

/* shutdown() on the listener makes accept() return whichever thread the signal reached. */
static void on_stop(int sig)
{
    int saved = errno;

    (void)sig;
    stopping = 1;
    shutdown(listener, SHUT_RDWR);
    errno = saved;
}

static void install_handlers(void)
{
    struct sigaction sa = {.sa_handler = on_stop};

    sigemptyset(&sa.sa_mask);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- start ------------------------------------------------------------------------------- */

static int open_listener(int *port, int backlog)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)*port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof sa;
    int one = 1;

    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(fd, backlog) < 0 ||
        getsockname(fd, (struct sockaddr *)&sa, &len) < 0) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    *port = ntohs(sa.sin_port);
    return fd;
}

/* One descriptor per client: ask for as many as we may have. */
static void raise_descriptor_limit(void)
{
    struct rlimit rl;

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
        rl.rlim_cur = rl.rlim_max;
        setrlimit(RLIMIT_NOFILE, &rl);
    }
}

static void usage(FILE *out)
{
    fputs("usage: threadserver [-p port] [-m echo|http] [-s stack-size] [-l backlog]\n"
          "  -p port   TCP port on 127.0.0.1 (default 8080; 0 picks a free one)\n"
          "  -m mode   echo or http (default http)\n"
          "  -s size   stack of a connection's thread in bytes, K and M allowed\n"
          "  -l n      listen backlog (default 4096)\n",
          out);
}

/* A number with an optional K or M, within [lo, hi]; exits with status 2 when it is not. */
static long number(const char *text, long lo, long hi, const char *what)
{
    char *end;

    errno = 0;
    long n = strtol(text, &end, 10);
    if (end != text && (*end == 'K' || *end == 'k') && n <= LONG_MAX >> 10) {
        n <<= 10;
        end++;
    } else if (end != text && (*end == 'M' || *end == 'm') && n <= LONG_MAX >> 20) {
        n <<= 20;
        end++;
    }
    if (end == text || *end != '\0' || errno == ERANGE || n < lo || n > hi) {
        fprintf(stderr, "threadserver: bad %s: %s\n", what, text);
        exit(2);
    }
    return n;
}

static void parse_options(int argc, char **argv, struct options *o)
{
    int c;

    while ((c = getopt(argc, argv, "p:m:s:l:h")) != -1) {
        switch (c) {
        case 'p':
            o->port = (int)number(optarg, 0, 65535, "port");
            break;
        case 'm':
            if (strcmp(optarg, "echo") == 0) {
                o->serve = serve_echo;
            } else if (strcmp(optarg, "http") == 0) {
                o->serve = serve_http;
            } else {
                fprintf(stderr, "threadserver: bad mode: %s\n", optarg);
                exit(2);
            }
            break;
        case 's':
            o->stack_size = (size_t)number(optarg, PTHREAD_STACK_MIN, LONG_MAX, "stack size");
            break;
        case 'l':
            o->backlog = (int)number(optarg, 1, INT_MAX, "backlog");
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(2);
        }
    }
    if (optind != argc) {
        usage(stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct options o = {.port = 8080, .backlog = 4096, .serve = serve_http};
    pthread_attr_t attr;

    parse_options(argc, argv, &o);
    opts = &o;
    raise_descriptor_limit();

    listener = open_listener(&o.port, o.backlog);
    if (listener < 0) {
        fprintf(stderr, "threadserver: 127.0.0.1:%d: %s\n", o.port, strerror(errno));
        return 1;
    }
    install_handlers();

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (o.stack_size != 0) {
        int rc = pthread_attr_setstacksize(&attr, o.stack_size);
        if (rc != 0) {
            fprintf(stderr, "threadserver: stack size %zu: %s\n", o.stack_size, strerror(rc));
            return 1;
        }
    }

    printf("listening on 127.0.0.1:%d\n", o.port);
    fflush(stdout);
    int status = accept_loop(&attr);
    close(listener);
    return status;
}
