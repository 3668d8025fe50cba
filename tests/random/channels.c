/* Bytes through descriptors: pipes, sockets, epoll, eventfd, timers, streams. */
#include "run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

void random_pair(struct random *random, int fds[2], bool small)
{
    int size = 4096;

    switch (below(random, 4)) {
    case 0:
    case 1:
        SYS(pipe2(fds, O_CLOEXEC));
        if (small)
            SYS(fcntl(fds[1], F_SETPIPE_SZ, size));
        return;
    case 2:
        SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
        break;
    default: {
        sigset_t old;

        quiet_begin(&old);
        tcp_pair(fds);
        quiet_end(&old);
        SYS(fcntl(fds[0], F_SETFD, FD_CLOEXEC));
        SYS(fcntl(fds[1], F_SETFD, FD_CLOEXEC));
    }
    }
    if (small)
        SYS(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
}

static bool is_socket(int fd)
{
    int type;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

/* Waits until the descriptor is ready, in one of many ways. */
static void wait_ready(struct random *random, int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    struct timespec time = {600, 0};
    struct epoll_event event = {.events = (uint32_t)events}, got;
    fd_set set;
    int epfd;

    switch (below(random, 5)) {
    case 0:
        CHECK_EQ(AGAIN(poll(&p, 1, -1)), 1);
        CHECK(p.revents & (events | POLLHUP));
        break;
    case 1:
        while (AGAIN(poll(&p, 1, 1)) == 0)
            ;
        break;
    case 2:
        CHECK_EQ(AGAIN(ppoll(&p, 1, &time, NULL)), 1);
        break;
    case 3:
        do {
            FD_ZERO(&set);
            FD_SET(fd, &set);
        } while (select(fd + 1, events == POLLIN ? &set : NULL, events == POLLOUT ? &set : NULL,
                        NULL, NULL) != 1);
        break;
    default:
        epfd = (int)SYS(epoll_create1(EPOLL_CLOEXEC));
        SYS(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event));
        CHECK_EQ(AGAIN(epoll_wait(epfd, &got, 1, -1)), 1);
        SYS(close(epfd));
    }
}

void send_all(struct random *random, int fd, const void *data, size_t size)
{
    const char *at = data;
    bool socket = is_socket(fd);

    while (size > 0) {
        size_t n = below(random, 2) ? size : 1 + below(random, (unsigned)size);
        struct iovec parts[2] = {{(char *)at, n / 3}, {(char *)at + n / 3, n - n / 3}};
        struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent;

        switch (below(random, socket ? 6 : 4)) {
        case 0:
            wait_ready(random, fd, POLLOUT);
            /* fall through */
        case 1:
            sent = AGAIN(write(fd, at, n));
            break;
        case 2:
            sent = AGAIN(writev(fd, parts, 2));
            break;
        case 3:
            set_nonblock(fd, 1);
            while ((sent = write(fd, at, n)) == -1 && (errno == EAGAIN || errno == EINTR))
                if (errno == EAGAIN)
                    wait_ready(random, fd, POLLOUT);
            CHECK(sent > 0);
            set_nonblock(fd, 0);
            break;
        case 4:
            sent = AGAIN(send(fd, at, n, MSG_NOSIGNAL));
            break;
        default:
            sent = AGAIN(sendmsg(fd, &msg, 0));
        }
        at += sent;
        size -= (size_t)sent;
    }
}

void receive_all(struct random *random, int fd, void *data, size_t size)
{
    char *at = data;
    bool socket = is_socket(fd);

    while (size > 0) {
        size_t n = below(random, 2) ? size : 1 + below(random, (unsigned)size);
        struct iovec parts[2] = {{at, n / 3}, {at + n / 3, n - n / 3}};
        struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};
        int available;
        ssize_t got;

        switch (below(random, socket ? 8 : 5)) {
        case 0:
            wait_ready(random, fd, POLLIN);
            /* fall through */
        case 1:
            got = AGAIN(read(fd, at, n));
            break;
        case 2:
            got = AGAIN(readv(fd, parts, 2));
            break;
        case 3:
            set_nonblock(fd, 1);
            while ((got = read(fd, at, n)) == -1 && (errno == EAGAIN || errno == EINTR))
                if (errno == EAGAIN)
                    wait_ready(random, fd, POLLIN);
            CHECK(got >= 0);
            set_nonblock(fd, 0);
            break;
        case 4:
            wait_ready(random, fd, POLLIN);
            SYS(ioctl(fd, FIONREAD, &available));
            CHECK(available > 0);
            got = SYS(read(fd, at, n < (size_t)available ? n : (size_t)available));
            break;
        case 5:
            got = AGAIN(recv(fd, at, n, 0));
            break;
        case 6:
            got = AGAIN(recv(fd, at, n, MSG_WAITALL));
            break;
        default:
            got = AGAIN(recvmsg(fd, &msg, 0));
        }
        CHECK(got > 0);
        at += got;
        size -= (size_t)got;
    }
}

/* The first of two roles sends much, the second receives it and its end. */
struct transfer {
    int fds[2];
};

static void transfer_setup(struct step *step, void *state)
{
    struct transfer *transfer = state;
    struct random random = step_random(step, -1);

    random_pair(&random, transfer->fds, below(&random, 2));
}

static void transfer(struct self *me, struct step *step, int role, void *state)
{
    struct transfer *transfer = state;
    struct random shared = step_random(step, -2), random = step_random(step, role);
    size_t size = 1 + below(&shared, 60000);
    unsigned char *data = malloc(size);
    char byte;

    CHECK(data);
    if (role == 0) {
        fill_pattern(data, size, step->seed);
        send_all(&random, transfer->fds[1], data, size);
        SYS(close(transfer->fds[1]));
    } else {
        receive_all(&random, transfer->fds[0], data, size);
        CHECK(pattern_ok(data, size, step->seed));
        wait_ready(&random, transfer->fds[0], POLLIN);
        CHECK_EQ(AGAIN(read(transfer->fds[0], &byte, 1)), 0);
        SYS(close(transfer->fds[0]));
    }
    free(data);
    note(me, "%zu bytes", size);
}

/* Small messages left in a channel, found later. */
struct letters {
    int fds[2];
};

static void letters_setup(struct step *step, void *state)
{
    struct letters *letters = state;
    struct random random = step_random(step, -1);

    random_pair(&random, letters->fds, false);
}

static void letters(struct self *me, struct step *step, int role, void *state)
{
    struct letters *letters = state;
    struct random shared = step_random(step, -2), random = step_random(step, role);
    unsigned char data[600];

    for (int n = 1 + (int)below(&shared, 4); n > 0; n--) {
        size_t size = 1 + below(&shared, sizeof(data));

        if (role == 0) {
            fill_pattern(data, size, step->seed + (uint64_t)n);
            send_all(&random, letters->fds[1], data, size);
        } else {
            receive_all(&random, letters->fds[0], data, size);
            CHECK(pattern_ok(data, size, step->seed + (uint64_t)n));
            note(me, "%zu", size);
        }
    }
    if (role == 0) {
        SYS(close(letters->fds[1]));
    } else {
        CHECK_EQ(AGAIN(read(letters->fds[0], data, 1)), 0);
        SYS(close(letters->fds[0]));
    }
}

/* The roles above 0 are clients of role 0, which serves them at once, each with an echo. */
struct server {
    struct gate gate;
    int listener;
    uint16_t port;
};

static void server_setup(struct step *step, void *state)
{
    struct server *server = state;

    (void)step;
    server->listener = tcp_listen(16, &server->port);
    SYS(fcntl(server->listener, F_SETFD, FD_CLOEXEC));
}

static void server_teardown(struct step *step, void *state)
{
    struct server *server = state;

    (void)step;
    SYS(close(server->listener));
}

static void client(struct random *random, uint16_t port)
{
    unsigned char data[1000], back[1000];
    sigset_t old;

    quiet_begin(&old);
    int fd = tcp_connect(port);
    quiet_end(&old);
    for (int n = 1 + (int)below(random, 5); n > 0; n--) {
        size_t size = 1 + below(random, sizeof(data));

        fill_pattern(data, size, (uint64_t)size);
        send_all(random, fd, data, size);
        receive_all(random, fd, back, size);
        CHECK(memcmp(data, back, size) == 0);
        wander(random);
    }
    SYS(shutdown(fd, SHUT_WR));
    CHECK_EQ(AGAIN(read(fd, back, 1)), 0);
    SYS(close(fd));
}

static void serve(struct step *step, struct random *random, int listener)
{
    struct epoll_event event = {.events = EPOLLIN}, got[8];
    int epfd = (int)SYS(epoll_create1(EPOLL_CLOEXEC)), left = step->roles - 1;
    bool edge = below(random, 2);
    char data[300];

    event.data.fd = listener;
    SYS(epoll_ctl(epfd, EPOLL_CTL_ADD, listener, &event));
    while (left > 0) {
        int ready = (int)AGAIN(epoll_wait(epfd, got, 8, below(random, 2) ? -1 : 1));

        for (int i = 0; i < ready; i++) {
            int fd = got[i].data.fd;
            ssize_t n;

            if (fd == listener) {
                event.data.fd = (int)AGAIN(accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
                event.events = EPOLLIN | (edge ? EPOLLET : 0u);
                SYS(epoll_ctl(epfd, EPOLL_CTL_ADD, event.data.fd, &event));
                continue;
            }
            do {
                n = AGAIN(recv(fd, data, sizeof(data), MSG_PEEK));
                if (n > 0) {
                    n = AGAIN(recv(fd, data, sizeof(data), 0));
                    for (ssize_t at = 0; at < n;)
                        at += AGAIN(send(fd, data + at, (size_t)(n - at), MSG_NOSIGNAL));
                    n = edge ? recv(fd, data, 1, MSG_PEEK) : -1;
                }
            } while (n > 0);
            if (n == 0) {
                SYS(epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL));
                SYS(close(fd));
                left--;
            }
        }
    }
    SYS(close(epfd));
}

static void server(struct self *me, struct step *step, int role, void *state)
{
    struct server *server = state;
    struct random random = step_random(step, role);

    if (role == 0)
        serve(step, &random, server->listener);
    else
        client(&random, server->port);
    note(me, "done");
}

/* The roles above 0 write, each its own channel; role 0 reads all of them as they come. */
struct many {
    int fds[MAX_ROLES][2];
};

static void many_setup(struct step *step, void *state)
{
    struct many *many = state;
    struct random random = step_random(step, -1);

    for (int i = 1; i < step->roles; i++)
        random_pair(&random, many->fds[i], below(&random, 2));
}

static void many_write(struct step *step, int role, int fd)
{
    struct random sizes = step_random(step, role), random = sizes;
    unsigned char data[3000];
    uint64_t offset = (uint64_t)role;

    for (int n = (int)below(&sizes, 8); n > 0; n--) {
        size_t size = 1 + below(&sizes, sizeof(data));

        fill_pattern(data, size, offset);
        send_all(&random, fd, data, size);
        offset += size;
        wander(&random);
    }
    SYS(close(fd));
}

static void many_read(struct self *me, struct step *step, struct many *many)
{
    struct random random = step_random(step, 0);
    struct pollfd polls[MAX_ROLES];
    uint64_t offset[MAX_ROLES];
    unsigned char data[2000];
    int open = step->roles - 1;

    for (int i = 1; i < step->roles; i++) {
        polls[i] = (struct pollfd){.fd = many->fds[i][0], .events = POLLIN};
        offset[i] = (uint64_t)i;
    }
    while (open > 0) {
        fd_set set;
        struct timespec time = {0, 1000000};
        int max = 0, ready;

        FD_ZERO(&set);
        for (int i = 1; i < step->roles; i++)
            if (polls[i].fd >= 0) {
                FD_SET(polls[i].fd, &set);
                max = polls[i].fd > max ? polls[i].fd : max;
            }
        switch (below(&random, 3)) {
        case 0:
            ready = select(max + 1, &set, NULL, NULL, NULL);
            break;
        case 1:
            ready = pselect(max + 1, &set, NULL, NULL, &time, NULL);
            break;
        default:
            ready = poll(polls + 1, (nfds_t)step->roles - 1, below(&random, 2) ? -1 : 2);
            FD_ZERO(&set);
            for (int i = 1; i < step->roles && ready > 0; i++)
                if (polls[i].fd >= 0 && polls[i].revents)
                    FD_SET(polls[i].fd, &set);
        }
        CHECK(ready >= 0 || errno == EINTR);
        for (int i = 1; i < step->roles && ready > 0; i++) {
            if (polls[i].fd < 0 || !FD_ISSET(polls[i].fd, &set))
                continue;
            ssize_t n = SYS(read(polls[i].fd, data, sizeof(data)));

            CHECK(pattern_ok(data, (size_t)n, offset[i]));
            offset[i] += (uint64_t)n;
            if (n == 0) {
                SYS(close(polls[i].fd));
                polls[i].fd = -1;
                open--;
            }
        }
    }
    for (int i = 1; i < step->roles; i++)
        note(me, "%llu", (unsigned long long)offset[i]);
}

static void many(struct self *me, struct step *step, int role, void *state)
{
    struct many *many = state;

    if (role == 0)
        many_read(me, step, many);
    else
        many_write(step, role, many->fds[role][1]);
}

/* Role 0 gives out tokens through several descriptors; the others take them from one epoll set,
   until one of them has had the last. */
struct pool {
    int epfd, channels[4], stop;
    int left;
};

static int pool_tokens(struct step *step)
{
    struct random random = step_random(step, -2);

    return 1 + (int)below(&random, 40);
}

static void pool_setup(struct step *step, void *state)
{
    struct pool *pool = state;
    struct random random = step_random(step, -1);
    struct epoll_event event = {.events = EPOLLIN};

    pool->left = pool_tokens(step);
    pool->epfd = (int)SYS(epoll_create1(EPOLL_CLOEXEC));
    pool->stop = (int)SYS(eventfd(0, EFD_CLOEXEC));
    event.data.fd = pool->stop;
    SYS(epoll_ctl(pool->epfd, EPOLL_CTL_ADD, pool->stop, &event));
    for (int i = 0; i < 4; i++) {
        pool->channels[i] = (int)SYS(
            eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | (below(&random, 2) ? EFD_SEMAPHORE : 0)));
        event.data.fd = pool->channels[i];
        event.events = EPOLLIN | (below(&random, 2) ? EPOLLONESHOT : 0u);
        SYS(epoll_ctl(pool->epfd, EPOLL_CTL_ADD, pool->channels[i], &event));
    }
}

static void pool_teardown(struct step *step, void *state)
{
    struct pool *pool = state;

    (void)step;
    CHECK_EQ(pool->left, 0);
    for (int i = 0; i < 4; i++)
        SYS(close(pool->channels[i]));
    SYS(close(pool->stop));
    SYS(close(pool->epfd));
}

static void pool(struct self *me, struct step *step, int role, void *state)
{
    struct pool *pool = state;
    struct random random = step_random(step, role);
    uint64_t one = 1, got;

    if (role == 0) {
        for (int n = pool_tokens(step); n > 0; n--) {
            CHECK_EQ(AGAIN(write(pool->channels[below(&random, 4)], &one, 8)), 8);
            wander(&random);
        }
        note(me, "%d tokens", pool_tokens(step));
        return;
    }
    for (;;) {
        struct epoll_event event;

        if (AGAIN(epoll_wait(pool->epfd, &event, 1, below(&random, 2) ? -1 : 2)) == 0)
            continue;
        if (event.data.fd == pool->stop)
            break;
        ssize_t n = read(event.data.fd, &got, 8);
        CHECK(n == 8 || errno == EAGAIN); /* another one was faster */
        if (n == 8 && flag_add(&pool->left, -(int)got) == 0)
            CHECK_EQ(AGAIN(write(pool->stop, &one, 8)), 8);
        /* Those of a kind that is not one-shot do not mind. */
        event.events = EPOLLIN | (event.data.fd % 2 ? EPOLLONESHOT : 0u);
        SYS(epoll_ctl(pool->epfd, EPOLL_CTL_MOD, event.data.fd, &event));
    }
    note(me, "stopped");
}

/* A timer set, its expirations read later. */
struct timer {
    int fd;
    int64_t due_ns;
};

static void timer(struct self *me, struct step *step, int role, void *state)
{
    struct timer *timer = state;
    struct random random = step_random(step, -1);
    long ns = 1 + (long)below(&random, 3000000);
    bool repeated = below(&random, 2);
    struct itimerspec spec = {.it_value = {0, ns}};
    uint64_t count, sum = 0;

    if (role == 0) {
        timer->fd = (int)SYS(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
        if (repeated)
            spec.it_interval.tv_nsec = 100000;
        timer->due_ns = now_ns() + ns;
        SYS(timerfd_settime(timer->fd, 0, &spec, NULL));
        return;
    }
    while (sum < (repeated ? 3 : 1)) {
        if (below(&random, 2))
            wait_ready(&random, timer->fd, POLLIN);
        CHECK_EQ(AGAIN(read(timer->fd, &count, 8)), 8);
        sum += count;
    }
    CHECK_GE(now_ns(), timer->due_ns);
    CHECK(repeated || sum == 1);
    SYS(close(timer->fd));
    note(me, "expired");
}

/* One stream, shared by all roles but the last, which reads whole lines. */
struct lines {
    FILE *out, *in;
    int writers;
};

static void lines_setup(struct step *step, void *state)
{
    struct lines *lines = state;
    struct random random = step_random(step, -1);
    int fds[2];

    random_pair(&random, fds, below(&random, 2));
    lines->in = fdopen(fds[0], "r");
    lines->out = fdopen(fds[1], "w");
    CHECK(lines->in && lines->out);
    if (below(&random, 2))
        CHECK_EQ(setvbuf(lines->out, NULL, below(&random, 2) ? _IOLBF : _IONBF, BUFSIZ), 0);
    lines->writers = step->roles - 1;
}

static void lines(struct self *me, struct step *step, int role, void *state)
{
    struct lines *lines = state;
    struct random random = step_random(step, role);
    char line[300];
    int next[MAX_ROLES] = {0}, who, number, width, size;
    sigset_t old;

    quiet_begin(&old);
    if (role < step->roles - 1) {
        int count = (int)below(&random, 60);

        for (int i = 0; i < count; i++) {
            width = 1 + (int)below(&random, 150);
            CHECK_GE(fprintf(lines->out, "%d %d %d %0*d\n", role, i, width, width, 0), 8);
            if (below(&random, 10) == 0)
                CHECK_EQ(fflush(lines->out), 0);
            if (below(&random, 20) == 0)
                wander(&random);
        }
        note(me, "%d lines", count);
        if (flag_add(&lines->writers, -1) == 0)
            CHECK_EQ(fclose(lines->out), 0);
    } else {
        while (fgets(line, sizeof(line), lines->in)) {
            CHECK_EQ(sscanf(line, "%d %d %d %n", &who, &number, &width, &size), 3);
            CHECK_EQ(number, next[who]);
            next[who]++;
            CHECK_EQ(strlen(line), size + width + 1);
        }
        CHECK(feof(lines->in) && !ferror(lines->in));
        CHECK_EQ(fclose(lines->in), 0);
        for (int i = 0; i < role; i++)
            note(me, "%d", next[i]);
    }
    quiet_end(&old);
}

/* A descriptor sent through a socket, and used by who gets it. */
static void rights(struct self *me, struct step *step, int role, void *state)
{
    struct letters *letters = state; /* a pair of sockets */
    struct random random = step_random(step, role);
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char byte = 'x', back = 0;
    struct iovec part = {&byte, 1};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
    int fds[2];

    if (role == 0) {
        random_pair(&random, fds, below(&random, 2));
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fds[1], sizeof(int));
        CHECK_EQ(AGAIN(sendmsg(letters->fds[0], &msg, 0)), 1);
        SYS(close(fds[1]));
        receive_all(&random, fds[0], &byte, 1);
        CHECK_EQ(AGAIN(read(fds[0], &back, 1)), 0);
        SYS(close(fds[0]));
        SYS(close(letters->fds[0]));
    } else {
        CHECK_EQ(AGAIN(recvmsg(letters->fds[1], &msg, MSG_CMSG_CLOEXEC)), 1);
        CHECK(CMSG_FIRSTHDR(&msg));
        memcpy(&fds[1], CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
        send_all(&random, fds[1], "y", 1);
        SYS(close(fds[1]));
        SYS(close(letters->fds[1]));
    }
    note(me, "byte %c", byte);
}

static void rights_setup(struct step *step, void *state)
{
    struct letters *letters = state;

    (void)step;
    SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, letters->fds));
}

const struct kind channel_kinds[] = {
    {"transfer", 12, TOGETHER, 0, 2, 2, sizeof(struct transfer), transfer_setup, NULL, transfer},
    {"letters", 14, LATER, 0, 0, 0, sizeof(struct letters), letters_setup, NULL, letters},
    {"server", 6, TOGETHER, 0, 2, MAX_ROLES, sizeof(struct server), server_setup, server_teardown,
     server},
    {"many", 6, TOGETHER, 0, 2, MAX_ROLES, sizeof(struct many), many_setup, NULL, many},
    {"pool", 6, TOGETHER, 0, 2, MAX_ROLES, sizeof(struct pool), pool_setup, pool_teardown, pool},
    {"timer", 6, LATER, AFTER, 0, 0, sizeof(struct timer), NULL, NULL, timer},
    {"lines", 6, TOGETHER, DEEP, 2, MAX_ROLES, sizeof(struct lines), lines_setup, NULL, lines},
    {"rights", 4, TOGETHER, 0, 2, 2, sizeof(struct letters), rights_setup, NULL, rights},
    {0},
};
