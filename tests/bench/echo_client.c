/*
 * echo_client - load generator on one thread and its own epoll set, for echo and HTTP servers.
 *
 * N connections, one message outstanding on each. Every byte that comes back is verified. First
 * each connection has to get one answer; then warm-up; then the window that is measured; then every
 * outstanding answer must arrive. The server's CPU time over the window is read from its process
 * clock, so CPU per message is exact whatever else the machine does. By default the client never
 * sleeps: a sleeping client would charge the wake-up to the server that sends to it.
 *
 * Prints one JSON object. Exit status 0, or 1 when the server failed in any way.
 */

#define _GNU_SOURCE
#include "benchlib.h"
#include "http_answer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH     1024
#define CHUNK     65536
#define PATHS_MAX 16

enum phase { READY, WARM, MEASURE, DRAIN };
enum state { CLOSED, CONNECTING, IDLE, WAITING };

struct conn {
    int fd;
    enum state state;
    int path; /* index into paths[], HTTP only */
    size_t sent;
    size_t got;        /* echo only */
    uint64_t messages; /* answered within the window */
    uint64_t serial;
    int64_t asked_at;
    char *payload; /* what is sent: the message or the request */
    size_t payload_length;
    struct http_answer *answer; /* HTTP only */
};

struct path {
    const char *name;
    int seen; /* the first answer has been taken as the model of all others */
    int status;
    uint64_t length;
    uint64_t hash;
};

static struct {
    int port;
    int connections;
    size_t size;
    int64_t window;
    int64_t warm_up;
    int64_t patience; /* hang guard for each phase that waits for answers */
    int connecting_max;
    pid_t server;
    int http;
    int reconnect;
    int spin;
} opt = {
    .connections = 64,
    .size = 64,
    .window = NSEC_PER_SEC,
    .warm_up = NSEC_PER_SEC / 4,
    .patience = 60 * NSEC_PER_SEC,
    .connecting_max = 64,
    .spin = 1,
};

static struct path paths[PATHS_MAX];
static int n_paths;

static struct conn *conns;
static struct histogram latencies;
static enum phase phase = READY;
static int epoll_fd;
static int n_connecting;
static int n_outstanding; /* connections that are CONNECTING or WAITING */
static int next_to_open;  /* READY only: connections below have been opened */
static uint64_t n_messages;
static int64_t now;

/* ---- outcome ----------------------------------------------------------------------------- */

/* The server failed: say how, as JSON, and leave. */
static void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void fail(const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
            *p = '\'';
    }
    printf("{\"ok\": false, \"error\": \"%s\"}\n", text);
    exit(1);
}

/* A path stands in JSON and in a request line as it is. */
static void add_path(const char *name)
{
    if (n_paths == PATHS_MAX || name[0] != '/' || strlen(name) > 512 ||
        strpbrk(name, "\" \\\r\n")) {
        fprintf(stderr, "echo_client: bad path: %s\n", name);
        exit(2);
    }
    paths[n_paths++].name = name;
}

static void print_answers(void)
{
    printf(", \"answers\": [");
    for (int i = 0; i < n_paths; i++) {
        const struct path *p = &paths[i];
        printf("%s{\"path\": \"%s\", \"status\": %d, \"length\": %llu, \"fnv1a64\": \"%016llx\"}",
               i > 0 ? ", " : "", p->name, p->status, (unsigned long long)p->length,
               (unsigned long long)p->hash);
    }
    printf("]");
}

static void print_report(int64_t elapsed, int64_t server_cpu, int64_t own_cpu,
                         const struct proc_status *server)
{
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    double n = (double)n_messages;

    for (int i = 0; i < opt.connections; i++) {
        least = conns[i].messages < least ? conns[i].messages : least;
        most = conns[i].messages > most ? conns[i].messages : most;
    }
    printf("{\"ok\": true, \"mode\": \"%s\", \"connections\": %d, \"size\": %zu, "
           "\"seconds\": %.6f, \"messages\": %llu, \"rate\": %.1f, ",
           opt.http ? "http" : "echo", opt.connections, opt.size, (double)elapsed / NSEC_PER_SEC,
           (unsigned long long)n_messages, n * NSEC_PER_SEC / (double)elapsed);
    printf("\"latency_us\": {\"p50\": %.2f, \"p99\": %.2f, \"p99.9\": %.2f}, ",
           hist_quantile(&latencies, 0.5) / 1e3, hist_quantile(&latencies, 0.99) / 1e3,
           hist_quantile(&latencies, 0.999) / 1e3);
    printf("\"least_per_connection\": %llu, \"most_per_connection\": %llu, "
           "\"client_cpu_share\": %.3f",
           (unsigned long long)least, (unsigned long long)most, (double)own_cpu / (double)elapsed);
    if (opt.server != 0) {
        printf(", \"server_cpu_ns\": %lld, \"server_cpu_ns_per_message\": %.1f, "
               "\"server_cpu_share\": %.3f, \"server_threads\": %ld, \"server_rss_kib\": %ld",
               (long long)server_cpu, n > 0 ? (double)server_cpu / n : 0,
               (double)server_cpu / (double)elapsed, server->threads, server->rss_kib);
    }
    if (opt.http)
        print_answers();
    printf("}\n");
}

/* ---- one connection ---------------------------------------------------------------------- */

static int index_of(const struct conn *c)
{
    return (int)(c - conns);
}

/* The connection is reset on close, so that no TIME_WAIT is left of thousands of them. */
static void close_conn(struct conn *c)
{
    struct linger off = {.l_onoff = 1, .l_linger = 0};

    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
    close(c->fd);
    c->fd = -1;
    c->state = CLOSED;
}

static void open_conn(struct conn *c)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)opt.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket", errno);
    set_nodelay(c->fd);
    c->state = CONNECTING;
    c->asked_at = now;
    n_connecting++;
    n_outstanding++;
    if (connect(c->fd, (struct sockaddr *)&sa, sizeof sa) < 0 && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    struct epoll_event ev = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = c,
    };
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
        die("epoll_ctl", errno);
}

static void flush(struct conn *c)
{
    while (c->sent < c->payload_length) {
        ssize_t n = send(c->fd, c->payload + c->sent, c->payload_length - c->sent, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN)
                return;
            fail("connection %d: send: %s", index_of(c), strerror(errno));
        }
        c->sent += (size_t)n;
    }
}

/* No two messages of a connection are the same: their first bytes count. */
static void mark_payload(struct conn *c)
{
    c->serial++;
    memcpy(c->payload, &c->serial, c->payload_length < 8 ? c->payload_length : 8);
}

/* Send the next message over an established connection. */
static void send_message(struct conn *c)
{
    c->sent = 0;
    c->got = 0;
    c->state = WAITING;
    if (opt.http)
        http_answer_reset(c->answer);
    else
        mark_payload(c);
    flush(c);
}

/* Begin the next message: over this connection, or over a new one. */
static void ask(struct conn *c)
{
    if (c->state == CLOSED) {
        open_conn(c);
        return;
    }
    c->asked_at = now;
    n_outstanding++;
    send_message(c);
}

static void check_answer(const struct conn *c)
{
    struct path *p = &paths[c->path];
    const struct http_answer *a = c->answer;

    if (!p->seen) {
        p->seen = 1;
        p->status = a->status;
        p->length = a->body_length;
        p->hash = a->hash;
        return;
    }
    if (a->status != p->status || a->body_length != p->length || a->hash != p->hash)
        fail("connection %d: %s: status %d, %llu bytes, hash %016llx; before: %d, %llu, %016llx",
             index_of(c), p->name, a->status, (unsigned long long)a->body_length,
             (unsigned long long)a->hash, p->status, (unsigned long long)p->length,
             (unsigned long long)p->hash);
}

/* A whole verified answer is here. */
static void complete(struct conn *c)
{
    n_outstanding--;
    c->state = IDLE;
    if (phase == MEASURE) {
        hist_add(&latencies, now - c->asked_at);
        c->messages++;
        n_messages++;
    }
    if (opt.reconnect)
        close_conn(c);
    if (phase == WARM || phase == MEASURE)
        ask(c);
}

/*
 * A server that sends an answer in two writes waits, by Nagle's rule, for the acknowledgement of
 * the first one before it sends the second: give it at once, not after the delayed-ACK time.
 */
static void acknowledge(const struct conn *c)
{
    int one = 1;

    setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
}

/* Bytes came; 1 when they end the answer. */
static int take(struct conn *c, const char *bytes, size_t n)
{
    if (opt.http) {
        int rc = http_answer_feed(c->answer, bytes, n);
        if (rc < 0)
            fail("connection %d: not an HTTP answer, or bytes after its end", index_of(c));
        if (rc == 1)
            check_answer(c);
        else
            acknowledge(c);
        return rc;
    }
    if (n > c->payload_length - c->got || memcmp(bytes, c->payload + c->got, n) != 0)
        fail("connection %d: wrong bytes, or too many, in message %u", index_of(c),
             (unsigned)c->serial);
    c->got += n;
    return c->got == c->payload_length;
}

static void end_of_stream(struct conn *c)
{
    if (c->state == WAITING && opt.http && opt.reconnect && http_answer_end(c->answer) == 1) {
        check_answer(c);
        complete(c);
        return;
    }
    fail("connection %d: closed by the server", index_of(c));
}

static void receive(struct conn *c, int hup)
{
    static char buf[CHUNK];
    int fd = c->fd;

    for (;;) {
        ssize_t n = recv(c->fd, buf, sizeof buf, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN)
                return;
            fail("connection %d: recv: %s", index_of(c), strerror(errno));
        }
        if (n == 0) {
            end_of_stream(c);
            return;
        }
        if (c->state != WAITING)
            fail("connection %d: bytes that nobody asked for", index_of(c));
        if (take(c, buf, (size_t)n))
            complete(c);
        if (c->fd != fd || c->state == CLOSED || (n < (ssize_t)sizeof buf && !hup))
            return;
    }
}

static void established(struct conn *c)
{
    int err = 0;
    socklen_t len = sizeof err;

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
    if (err != 0)
        fail("connection %d: connect: %s", index_of(c), strerror(err));
    n_connecting--;
    send_message(c);
}

static void on_event(struct conn *c, unsigned events)
{
    if (c->state == CLOSED)
        return;
    if (c->state == CONNECTING) {
        if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
            established(c);
        return;
    }
    if (c->state == WAITING && (events & EPOLLOUT))
        flush(c);
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        receive(c, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
}

/* ---- phases ------------------------------------------------------------------------------ */

static void turn(int timeout_ms)
{
    static struct epoll_event events[BATCH];

    int n = epoll_wait(epoll_fd, events, BATCH, timeout_ms);
    if (n < 0 && errno != EINTR)
        die("epoll_wait", errno);
    for (int i = 0; i < n; i++) {
        now = now_ns();
        on_event(events[i].data.ptr, events[i].events);
    }
    now = now_ns();
}

/* Open every connection, few at a time, and get one answer on each. */
static void get_ready(void)
{
    int64_t give_up = now_ns() + opt.patience;

    now = now_ns();
    while (next_to_open < opt.connections || n_outstanding > 0) {
        /* A server with a short backlog drops what it has not accepted: count until the answer. */
        while (next_to_open < opt.connections && n_outstanding < opt.connecting_max)
            open_conn(&conns[next_to_open++]);
        turn(100);
        if (now > give_up)
            fail("%d of %d connections got no first answer",
                 opt.connections - next_to_open + n_outstanding, opt.connections);
    }
}

static void run_for(int64_t ns)
{
    int64_t end = now_ns() + ns;

    while (now < end)
        turn(opt.spin ? 0 : (int)((end - now) / 1000000) + 1);
}

/* Nobody may be left without an answer. */
static void drain(void)
{
    int64_t give_up = now_ns() + opt.patience;

    phase = DRAIN;
    while (n_outstanding > 0) {
        turn(100);
        if (now > give_up)
            fail("%d of %d connections lost their answer", n_outstanding, opt.connections);
    }
}

static void measure(void)
{
    struct proc_status server = {0};
    clockid_t clock = 0;
    int64_t cpu = 0;

    if (opt.server != 0) {
        clock = cpu_clock_of(opt.server);
        cpu = clock_ns(clock);
    }
    int64_t own = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t start = now = now_ns();
    phase = MEASURE;
    run_for(opt.window);
    int64_t end = now_ns();
    own = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own;
    if (opt.server != 0) {
        cpu = clock_ns(clock) - cpu;
        read_proc_status(opt.server, &server);
    }
    drain();
    print_report(end - start, cpu, own, &server);
}

/* ---- start ------------------------------------------------------------------------------- */

static void make_payload(struct conn *c, int index)
{
    if (opt.http) {
        c->path = index % n_paths;
        int n =
            asprintf(&c->payload, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n",
                     paths[c->path].name, opt.port, opt.reconnect ? "Connection: close\r\n" : "");
        if (n < 0)
            die("request", ENOMEM);
        c->payload_length = (size_t)n;
        c->answer = malloc(sizeof *c->answer);
        if (!c->answer)
            die("answer", ENOMEM);
        return;
    }
    c->payload = malloc(opt.size);
    c->payload_length = opt.size;
    if (!c->payload)
        die("message", ENOMEM);
    uint64_t x = (uint64_t)index * 0x9e3779b97f4a7c15ULL + 1;
    for (size_t i = 0; i < opt.size; i++) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        c->payload[i] = (char)(x >> 56);
    }
    c->serial = (uint64_t)index << 32;
}

static void make_conns(void)
{
    conns = calloc((size_t)opt.connections, sizeof *conns);
    if (!conns)
        die("connections", ENOMEM);
    for (int i = 0; i < opt.connections; i++) {
        conns[i].fd = -1;
        make_payload(&conns[i], i);
    }
}

static void usage(FILE *out)
{
    fputs("usage: echo_client -p port [options]\n"
          "  -p port   the server's port on 127.0.0.1\n"
          "  -n n      connections, one message outstanding on each (64)\n"
          "  -s bytes  size of an echo message (64)\n"
          "  -t ms     length of the measured window (1000)\n"
          "  -w ms     warm-up before it (250)\n"
          "  -c n      connections that may be waiting for their first answer (64)\n"
          "  -g s      give up when an answer takes longer (60)\n"
          "  -P pid    the server: its CPU time, threads and memory are read from the kernel\n"
          "  -H path   speak HTTP and ask for path; may be given up to 16 times\n"
          "  -r        HTTP: a new connection for each request\n"
          "  -b        sleep in epoll_wait instead of spinning\n",
          out);
}

static void parse_options(int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "p:n:s:t:w:c:g:P:H:rbh")) != -1) {
        switch (c) {
        case 'p':
            opt.port = (int)parse_number(optarg, 1, 65535, "port");
            break;
        case 'n':
            opt.connections = (int)parse_number(optarg, 1, 1000000, "number of connections");
            break;
        case 's':
            opt.size = (size_t)parse_number(optarg, 1, 1 << 24, "size");
            break;
        case 't':
            opt.window = parse_number(optarg, 1, 3600000, "window") * 1000000;
            break;
        case 'w':
            opt.warm_up = parse_number(optarg, 0, 3600000, "warm-up") * 1000000;
            break;
        case 'c':
            opt.connecting_max = (int)parse_number(optarg, 1, 1000000, "limit");
            break;
        case 'g':
            opt.patience = parse_number(optarg, 1, 3600, "patience") * NSEC_PER_SEC;
            break;
        case 'P':
            opt.server = (pid_t)parse_number(optarg, 1, 1 << 30, "pid");
            break;
        case 'H':
            opt.http = 1;
            add_path(optarg);
            break;
        case 'r':
            opt.reconnect = 1;
            break;
        case 'b':
            opt.spin = 0;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(2);
        }
    }
    if (optind != argc || opt.port == 0 || (opt.reconnect && !opt.http)) {
        usage(stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    raise_descriptor_limit();
    signal(SIGPIPE, SIG_IGN);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1", errno);
    make_conns();
    get_ready();
    phase = WARM;
    for (int i = 0; i < opt.connections; i++)
        ask(&conns[i]);
    run_for(opt.warm_up);
    measure();
    return 0;
}
