#include "nameserver.h"

#include "testlib.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define MAX_WAITING 4096

/* A question that is still to be answered. */
struct question {
    int64_t due_ms; /* INT64_MAX: when enough of them wait */
    int enough;     /* that many */
    int tcp;        /* the connection, or -1 */
    struct sockaddr_in from;
    unsigned char answer[512];
    size_t size;
};

static struct question waiting[MAX_WAITING];
static int waiting_count;

static void put(struct question *q, const void *data, size_t size)
{
    memcpy(q->answer + q->size, data, size);
    q->size += size;
}

/* One resource record for the name of the question, which is at offset 12. */
static void put_record(struct question *q, int type, const void *data, size_t size)
{
    const unsigned char head[] = {0xc0, 12, 0, (unsigned char)type, 0, 1, 0, 0,
                                  0,    60, 0, (unsigned char)size};

    q->answer[7] = 1;
    put(q, head, sizeof(head));
    put(q, data, size);
}

static void put_ptr(struct question *q, int ms, int number)
{
    char label[32];
    unsigned char name[64];
    size_t n = (size_t)snprintf(label, sizeof(label), "d%dn%d", ms, number);

    name[0] = (unsigned char)n;
    memcpy(name + 1, label, n);
    memcpy(name + 1 + n, "\4test", 6);
    put_record(q, ns_t_ptr, name, n + 7);
}

/* Makes the answer and decides when; 0: there is none. */
static int decide(struct question *q, const unsigned char *query, size_t size, int net)
{
    char name[256], kind = 0;
    int ms = 0, number = 0, a, b, c, d;
    int used = size > 12 ? dn_expand(query, query + size, query + 12, name, sizeof(name)) : -1;

    if (used < 0 || 12 + (size_t)used + 4 > size)
        return 0;
    int type = query[12 + used] << 8 | query[13 + used];
    size_t asked = 12 + (size_t)used + 4;
    static const unsigned char counts[] = {0, 1, 0, 0, 0, 0, 0, 0};
    put(q, query, 4);
    put(q, counts, 8);
    put(q, query + 12, asked - 12);
    q->answer[2] |= 0x84; /* a response, authoritative */
    q->answer[3] = 0x80;  /* recursion available, no error */
    if (type == ns_t_ptr && sscanf(name, "%d.%d.%d.%d.in-addr.arpa", &d, &c, &b, &a) == 4) {
        ms = b * 10;
        put_ptr(q, ms, c * 256 + d);
    } else if (sscanf(name, "%c%dn%d.test", &kind, &ms, &number) == 3 && strchr("dtxr", kind)) {
        const unsigned char v4[4] = {(unsigned char)net, 0, (unsigned char)(number >> 8),
                                     (unsigned char)number};
        const unsigned char v6[16] = {0xfd, [14] = (unsigned char)(number >> 8),
                                      (unsigned char)number};
        if (kind == 'x')
            q->answer[3] |= ns_r_nxdomain;
        else if (kind == 't' && q->tcp == -1)
            q->answer[2] |= 2;
        else if (type == ns_t_a)
            put_record(q, ns_t_a, v4, 4);
        else if (type == ns_t_aaaa)
            put_record(q, ns_t_aaaa, v6, 16);
    } else {
        return 0;
    }
    if (kind == 't' && q->tcp == -1)
        ms = 0;
    q->enough = kind == 'r' ? ms : 0;
    q->due_ms = kind == 'r' ? INT64_MAX : now_ms() + ms;
    return 1;
}

static void answer(int udp, struct question *q)
{
    if (q->tcp == -1) {
        sendto(udp, q->answer, q->size, 0, (struct sockaddr *)&q->from, sizeof(q->from));
        return;
    }
    unsigned char framed[520] = {(unsigned char)(q->size >> 8), (unsigned char)q->size};
    memcpy(framed + 2, q->answer, q->size);
    send(q->tcp, framed, q->size + 2, MSG_NOSIGNAL); /* the client may have gone */
}

/* Answers what is due; milliseconds until the next, -1: none. */
static int answer_due(int udp)
{
    int64_t next = INT64_MAX;
    int together = 0;

    for (int i = 0; i < waiting_count; i++)
        together += waiting[i].enough > 0;
    for (int i = 0; i < waiting_count; i++) {
        struct question *q = &waiting[i];

        if (q->enough ? together >= q->enough : q->due_ms <= now_ms()) {
            answer(udp, q);
            waiting[i--] = waiting[--waiting_count];
        } else if (q->due_ms < next) {
            next = q->due_ms;
        }
    }
    if (next == INT64_MAX)
        return -1;
    next -= now_ms();
    return next > 0 ? (int)next : 0;
}

/* A repeated question replaces the first. */
static struct question *place(const struct sockaddr_in *from, const unsigned char *query)
{
    for (int i = 0; i < waiting_count; i++)
        if (waiting[i].tcp == -1 && waiting[i].from.sin_port == from->sin_port &&
            memcmp(waiting[i].answer, query, 2) == 0)
            return NULL;
    if (waiting_count == MAX_WAITING)
        return NULL;
    waiting[waiting_count].size = 0;
    waiting[waiting_count].tcp = -1;
    waiting[waiting_count].from = *from;
    return &waiting[waiting_count];
}

static void take_udp(int udp, int net)
{
    unsigned char query[512];
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    long size = recvfrom(udp, query, sizeof(query), 0, (struct sockaddr *)&from, &len);
    struct question *q = size > 12 ? place(&from, query) : NULL;

    if (q && decide(q, query, (size_t)size, net))
        waiting_count++;
}

static void drop(int connection)
{
    for (int i = 0; i < waiting_count; i++)
        if (waiting[i].tcp == connection)
            waiting[i--] = waiting[--waiting_count];
    close(connection);
}

static int receive(int connection, unsigned char *data, size_t size)
{
    return recv(connection, data, size, MSG_WAITALL) == (long)size;
}

/* One question from a connection; 0: it has ended. */
static int take_tcp(int connection, int net)
{
    static const struct sockaddr_in nobody;
    unsigned char length[2], query[512];

    if (!receive(connection, length, 2))
        return 0;
    size_t size = (size_t)(length[0] << 8 | length[1]);
    if (size > sizeof(query) || !receive(connection, query, size))
        return 0;
    struct question *q = size > 12 ? place(&nobody, query) : NULL;
    if (q) {
        q->tcp = connection;
        waiting_count += decide(q, query, size, net);
    }
    return 1;
}

static void serve(int udp, int listener, int net)
{
    static struct pollfd fds[2 + MAX_WAITING];
    nfds_t count = 2;

    fds[0].fd = udp;
    fds[1].fd = listener;
    fds[0].events = fds[1].events = POLLIN;
    for (;;) {
        poll(fds, count, answer_due(udp));
        if (fds[0].revents)
            take_udp(udp, net);
        for (nfds_t i = count - 1; i >= 2; i--)
            if (fds[i].revents && !take_tcp(fds[i].fd, net)) {
                drop(fds[i].fd);
                fds[i] = fds[--count];
            }
        if (fds[1].revents && count < 2 + MAX_WAITING) {
            int fd = accept(listener, NULL, NULL);

            if (fd != -1)
                fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        }
    }
}

struct nameserver nameserver_start(int net)
{
    struct nameserver server;
    struct sockaddr_in addr = {.sin_family = AF_INET};
    pid_t parent = getpid();
    int udp, listener;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (;;) {
        listener = tcp_listen(128, &server.port);
        udp = (int)SYS(socket(AF_INET, SOCK_DGRAM, 0));
        addr.sin_port = htons(server.port);
        if (bind(udp, (struct sockaddr *)&addr, sizeof(addr)) == 0)
            break;
        CHECK_EQ(errno, EADDRINUSE);
        close(udp);
        close(listener);
    }
    int room = 4 << 20;
    if (setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) == -1)
        SYS(setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)));
    server.pid = (pid_t)SYS(fork());
    if (server.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        serve(udp, listener, net);
    }
    SYS(close(udp));
    SYS(close(listener));
    return server;
}

void nameserver_stop(struct nameserver *server)
{
    int status;

    SYS(kill(server->pid, SIGKILL));
    CHECK_EQ(SYS(waitpid(server->pid, &status, 0)), server->pid);
}

void nameserver_use(const struct nameserver *server, int retrans_s, int tries)
{
    CHECK_EQ(res_init(), 0);
    _res.nscount = 1;
    _res.nsaddr_list[0] = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(server->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    _res.retrans = retrans_s;
    _res.retry = tries;
    _res.options &= ~(unsigned long)(RES_DNSRCH | RES_DEFNAMES);
}
