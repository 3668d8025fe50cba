/* Servers: addresses, connections, limits, stop, errors of accept. */
#include <green/event.h>
#include <green/green.h>
#include <green/server.h>
#include <green/timeout.h>

#include "runtime/api/api.h"
#include "runtime/api/io.h"
#include "runtime/api/listener.h"

#include "child.h"
#include "resources.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

TestSuite(server, .init = start, .fini = finish, .timeout = 60);

/* Here read() would stop everybody. */
static ssize_t get(int fd, char *buf, size_t n)
{
    int rc = gr_api_result(gr_api_poll_one(fd, POLLIN, GR_FOREVER));
    return rc ? rc : read(fd, buf, n);
}

static int started, ended, interrupted;

static void echo(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
    char buf[100];
    ssize_t n;
    cr_assert_eq(peer->sa_family, (intptr_t)arg);
    cr_assert_geq(len, sizeof(sa_family_t));
    started++;
    while ((n = get(fd, buf, sizeof(buf))) > 0) {
        cr_assert_eq(write(fd, buf, (size_t)n), n);
    }
    interrupted += n == -ECANCELED;
    ended++;
}

static struct green_server *make(const struct green_server_options *o)
{
    struct green_server *s = NULL;
    cr_assert_eq(green_server_new(o, &s), 0);
    return s;
}

#define SERVER(...) make(&(struct green_server_options){__VA_ARGS__})
#define LOCAL       .listen = "127.0.0.1:0"
#define ECHO(af)    .handle = echo, .arg = (void *)(af)

static int connect_to(const struct green_server *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)green_server_port(s)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void says(int fd, const char *text)
{
    char buf[100] = "";
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(get(fd, buf, sizeof(buf)), (ssize_t)strlen(text));
    cr_assert_str_eq(buf, text);
}

static void is_over(int fd)
{
    char c;
    cr_assert_leq(get(fd, &c, 1), 0);
    gr_api_close(fd); /* close() would not tell the runtime here */
}

Test(server, serves_many_at_once_and_closes_their_sockets)
{
    struct green_server *s = SERVER(LOCAL, ECHO(AF_INET));
    int fd[20];
    make_loop();
    cr_assert(!green_server_started(s));
    cr_assert_eq(green_server_port(s), 0);
    cr_assert_eq(green_server_start(s), 0);
    cr_assert_eq(green_server_start(s), 0, "once more");
    cr_assert(green_server_started(s));
    int before = n_descriptors();
    for (int i = 0; i < 20; i++) {
        fd[i] = connect_to(s);
        says(fd[i], "hello");
    }
    cr_assert_eq(green_server_count(s), 20);
    cr_assert(!green_server_full(s));
    for (int i = 0; i < 20; i++) {
        says(fd[i], "again");
        cr_assert_eq(shutdown(fd[i], SHUT_WR), 0);
        is_over(fd[i]);
    }
    settle();
    cr_assert_eq(green_server_count(s), 0);
    cr_assert_eq(n_descriptors(), before);
    cr_assert_eq(green_server_stop(s, 0), 0);
    cr_assert_eq(green_server_stop(s, 0), 0, "once more");
    cr_assert(!green_server_started(s));
    green_server_free(s);
    green_server_free(NULL);
}

Test(server, address_is_told_and_can_be_had_again)
{
    char text[64];
    char small[5];
    struct green_server *s = SERVER(LOCAL, ECHO(AF_INET));
    cr_assert_eq(green_server_address(s, text, sizeof(text)), -ENOTCONN);
    cr_assert_eq(green_server_start(s), 0);
    int port = green_server_port(s);
    char expected[64];
    snprintf(expected, sizeof(expected), "127.0.0.1:%d", port);
    cr_assert_eq(green_server_address(s, text, sizeof(text)), 0);
    cr_assert_str_eq(text, expected);
    cr_assert_eq(green_server_address(s, small, sizeof(small)), -ENOSPC);
    int fd = connect_to(s);
    says(fd, "x");
    cr_assert_eq(green_server_stop(s, 0), 0);
    struct green_server *other = SERVER(.listen = text, ECHO(AF_INET));
    cr_assert_eq(green_server_start(other), 0, "the port is free, though a connection lives on");
    struct green_server *third = SERVER(.listen = text, ECHO(AF_INET));
    int before = n_descriptors();
    cr_assert_eq(green_server_start(third), -EADDRINUSE);
    cr_assert_eq(n_descriptors(), before);
    cr_assert(!green_server_started(third));
    green_server_free(third);
    green_server_free(other);
    says(fd, "y");
    shutdown(fd, SHUT_WR);
    is_over(fd);
    green_server_free(s);
}

Test(server, may_be_started_again)
{
    struct green_server *s = SERVER(LOCAL, ECHO(AF_INET));
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(green_server_start(s), 0);
        int fd = connect_to(s);
        says(fd, "x");
        shutdown(fd, SHUT_WR);
        is_over(fd);
        cr_assert_eq(green_server_stop(s, GREEN_S(1)), 0);
    }
    green_server_free(s);
}

Test(server, bad_addresses_are_refused)
{
    static const char *const bad[] = {"", ":", "host:", "::1:80", "fe80::1", NULL};
    struct green_server *s = NULL;
    struct green_server_options o = {.handle = echo};
    for (int i = 0; bad[i]; i++) {
        o.listen = bad[i];
        cr_assert_eq(green_server_new(&o, &s), -EINVAL, "%s", bad[i]);
    }
    char path[300];
    memset(path, '/', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    o.listen = path;
    cr_assert_eq(green_server_new(&o, &s), -EINVAL);
    o = (struct green_server_options){.listen = ":0"};
    cr_assert_eq(green_server_new(&o, &s), -EINVAL, "no handler");
    o = (struct green_server_options){.handle = echo, .fd = -1};
    cr_assert_eq(green_server_new(&o, &s), -EINVAL);
    cr_assert_null(s);
    s = SERVER(.listen = "no.such.host.invalid:80", ECHO(AF_INET));
    int rc = green_server_start(s);
    cr_assert(rc == -EADDRNOTAVAIL || rc == -EAGAIN, "%d", rc);
    green_server_free(s);
    s = SERVER(.listen = "127.0.0.1:nosuchservice", ECHO(AF_INET));
    cr_assert_eq(green_server_start(s), -EINVAL);
    green_server_free(s);
    s = SERVER(.listen = "/nowhere/socket", ECHO(AF_INET));
    cr_assert_eq(green_server_start(s), -ENOENT);
    green_server_free(s);
}

Test(server, addresses_are_taken_to_pieces)
{
    struct gr_address a;
    cr_assert_eq(gr_address_parse("[::1]:80", &a), 0);
    cr_assert_str_eq(a.host, "::1");
    cr_assert_str_eq(a.port, "80");
    cr_assert_eq(gr_address_parse("80", &a), 0);
    cr_assert_str_eq(a.host, "");
    cr_assert_str_eq(a.port, "80");
    cr_assert_eq(gr_address_parse(":http", &a), 0);
    cr_assert_str_eq(a.host, "");
    cr_assert_str_eq(a.port, "http");
    cr_assert_eq(gr_address_parse("./socket:1", &a), 0);
    cr_assert_str_eq(a.path, "./socket:1");
    struct green_server *s = SERVER(.listen = "0", ECHO(AF_INET));
    cr_assert_eq(green_server_start(s), 0);
    char text[64];
    cr_assert_eq(green_server_address(s, text, sizeof(text)), 0);
    cr_assert_eq(strncmp(text, "0.0.0.0:", 8), 0, "%s", text);
    green_server_free(s);
    s = SERVER(.listen = "[::1]:0", ECHO(AF_INET6));
    int rc = green_server_start(s);
    if (rc == 0) {
        cr_assert_eq(green_server_address(s, text, sizeof(text)), 0);
        cr_assert_eq(strncmp(text, "[::1]:", 6), 0, "%s", text);
    }
    green_server_free(s);
}

static int connect_unix(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strcpy(to.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

Test(server, unix_socket_is_replaced_when_stale_and_removed_at_the_end)
{
    char dir[] = "/tmp/green-server-XXXXXX";
    char path[64];
    struct stat st;
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/socket", dir);
    struct sockaddr_un stale = {.sun_family = AF_UNIX};
    strcpy(stale.sun_path, path);
    int old = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(old, (struct sockaddr *)&stale, sizeof(stale)), 0);
    close(old);
    struct green_server *s = SERVER(.listen = path, ECHO(AF_UNIX));
    cr_assert_eq(green_server_start(s), 0);
    cr_assert_eq(green_server_port(s), 0);
    char text[64];
    cr_assert_eq(green_server_address(s, text, sizeof(text)), 0);
    cr_assert_str_eq(text, path);
    int fd = connect_unix(path);
    says(fd, "x");
    struct green_server *other = SERVER(.listen = path, ECHO(AF_UNIX));
    cr_assert_eq(green_server_start(other), -EADDRINUSE, "somebody listens");
    says(fd, "y");
    cr_assert_eq(green_server_stop(s, 0), 0);
    cr_assert_eq(stat(path, &st), -1);
    cr_assert_eq(green_server_start(other), 0);
    /* Not ours: it stays. */
    cr_assert_eq(unlink(path), 0);
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(file);
    green_server_free(other);
    cr_assert_eq(stat(path, &st), 0);
    struct green_server *third = SERVER(.listen = path, ECHO(AF_UNIX));
    cr_assert_eq(green_server_start(third), -EADDRINUSE, "a file is not a stale socket");
    green_server_free(third);
    green_server_free(s);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(rmdir(dir), 0);
    shutdown(fd, SHUT_WR);
    is_over(fd);
}

Test(server, listener_of_the_caller_stays_his)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct green_server *s = SERVER(ECHO(AF_INET), .fd = listener);
    cr_assert_eq(bind(listener, (struct sockaddr *)&any, sizeof(any)), 0);
    cr_assert_eq(green_server_start(s), -EINVAL, "does not listen");
    cr_assert_eq(listen(listener, 5), 0);
    cr_assert_eq(green_server_start(s), 0);
    cr_assert_eq(green_server_fd(s), listener);
    int fd = connect_to(s);
    says(fd, "x");
    cr_assert_eq(fcntl(listener, F_GETFL) & O_NONBLOCK, 0);
    cr_assert_eq(green_server_stop(s, 0), 0);
    cr_assert_geq(fcntl(listener, F_GETFD), 0);
    close(listener);
    cr_assert_eq(green_server_start(s), -EBADF);
    green_server_free(s);
    shutdown(fd, SHUT_WR);
    is_over(fd);
}

/* --- limits --- */

Test(server, connections_above_the_limit_wait_in_the_kernel)
{
    struct green_server *s = SERVER(LOCAL, ECHO(AF_INET), .max = 2);
    int fd[4];
    cr_assert_eq(green_server_start(s), 0);
    for (int i = 0; i < 4; i++) {
        fd[i] = connect_to(s);
    }
    says(fd[0], "a");
    says(fd[1], "b");
    cr_assert(green_server_full(s));
    cr_assert_eq(write(fd[2], "c", 1), 1);
    green_sleep(MS(5));
    cr_assert_eq(green_server_count(s), 2);
    cr_assert_eq(started, 2);
    shutdown(fd[0], SHUT_WR);
    is_over(fd[0]);
    char c;
    cr_assert_eq(get(fd[2], &c, 1), 1);
    cr_assert_eq(started, 3);
    shutdown(fd[1], SHUT_WR);
    is_over(fd[1]);
    says(fd[3], "d");
    cr_assert_eq(green_server_stop(s, MS(5)), -ETIMEDOUT);
    cr_assert_eq(green_server_count(s), 0);
    cr_assert_eq(interrupted, 2, "they were killed");
    is_over(fd[2]);
    is_over(fd[3]);
    green_server_free(s);
}

Test(server, stop_waits_for_connections_that_end_in_time)
{
    struct green_server *s = SERVER(LOCAL, ECHO(AF_INET), .max = 5);
    cr_assert_eq(green_server_start(s), 0);
    int fd = connect_to(s);
    says(fd, "a");
    shutdown(fd, SHUT_WR);
    cr_assert_eq(green_server_stop(s, GREEN_S(20)), 0);
    cr_assert_eq(ended, 1);
    cr_assert_eq(interrupted, 0);
    is_over(fd);
    green_server_free(s);
}

Test(server, without_a_limit_stop_leaves_connections_alone)
{
    struct green_server *s = SERVER(LOCAL, ECHO(AF_INET));
    cr_assert_eq(green_server_start(s), 0);
    int fd = connect_to(s);
    says(fd, "a");
    cr_assert_eq(green_server_stop(s, 0), 0);
    says(fd, "b");
    green_server_free(s);
    says(fd, "c");
    shutdown(fd, SHUT_WR);
    is_over(fd);
    settle();
    cr_assert_eq(ended, 1);
}

static struct green_server *the_server;

static void stop_it(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
    (void)peer;
    (void)len;
    (void)arg;
    cr_assert_eq(green_server_stop(the_server, GREEN_S(20)), 0);
    cr_assert_eq(write(fd, "stopped", 7), 7);
}

static void *serve_for_ever(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)green_server_serve_forever(the_server, GREEN_S(20));
}

/* A Unix listener that is shut down still has those who came before. */
Test(server, stopped_before_handlers_ran_leaves_nothing_behind)
{
    char path[] = "/tmp/green-server-XXXXXX";
    int fd[2];
    cr_assert_not_null(mkdtemp(path));
    cr_assert_eq(rmdir(path), 0);
    struct green_server *s = SERVER(.listen = path, ECHO(AF_UNIX), .max = 5);
    cr_assert_eq(green_server_start(s), 0);
    cr_assert_eq(green_server_stop(s, 0), 0, "nobody has accepted yet");
    make_loop();
    int before = n_descriptors();
    cr_assert_eq(green_server_start(s), 0);
    green_sleep(MS(1));
    fd[0] = connect_unix(path);
    fd[1] = connect_unix(path);
    cr_assert_eq(shutdown(green_server_fd(s), SHUT_RDWR), 0);
    while (green_server_started(s)) {
        gr_yield();
    }
    cr_assert_eq(green_server_count(s), 2);
    cr_assert_eq(started, 0);
    cr_assert_eq(green_server_stop(s, 0), -ETIMEDOUT);
    cr_assert_eq(green_server_count(s), 0);
    is_over(fd[0]);
    is_over(fd[1]);
    cr_assert_eq(started, 0);
    cr_assert_eq(n_descriptors(), before);
    green_server_free(s);
}

Test(server, serve_forever_ends_when_a_handler_stops_it)
{
    struct greenlet *g;
    void *value;
    char buf[10];
    the_server = SERVER(LOCAL, .handle = stop_it, .max = 3);
    cr_assert_eq(green_spawn(serve_for_ever, NULL, &g), 0);
    settle();
    int fd = connect_to(the_server);
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq((intptr_t)value, 0);
    cr_assert_eq(get(fd, buf, sizeof(buf)), 7);
    is_over(fd);
    green_unref(g);
    green_server_free(the_server);
}

Test(server, serve_forever_stops_when_it_is_killed_and_says_when_it_cannot_start)
{
    struct greenlet *g;
    void *value;
    the_server = SERVER(LOCAL, ECHO(AF_INET), .max = 3);
    cr_assert_eq(green_spawn(serve_for_ever, NULL, &g), 0);
    settle();
    int fd = connect_to(the_server);
    says(fd, "x");
    cr_assert_eq(green_kill(g, -EPROTO, GREEN_FOREVER), 0);
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq((intptr_t)value, -EPROTO);
    cr_assert(!green_server_started(the_server));
    cr_assert_eq(green_server_count(the_server), 0);
    is_over(fd);
    green_unref(g);
    green_server_free(the_server);
    the_server = SERVER(.listen = "/nowhere/x", ECHO(AF_INET));
    cr_assert_eq(green_server_serve_forever(the_server, 0), -ENOENT);
    green_server_free(the_server);
}

/* --- trouble --- */

static int reported;

static void count_report(struct greenlet *g, const struct green_error *e)
{
    (void)g;
    reported += e->code == -EIO;
}

static void fail_at_once(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
    char c;
    (void)peer;
    (void)len;
    (void)arg;
    if (get(fd, &c, 1) == 1 && c == 'f') {
        green_fail(-EIO, "on purpose", NULL);
    }
    cr_assert_eq(write(fd, &c, 1), 1);
    green_exit(NULL);
}

Test(server, handler_that_fails_is_reported_and_hurts_nobody_else)
{
    char c;
    struct green_server *s = SERVER(LOCAL, .handle = fail_at_once, .max = 2);
    green_set_error_handler(count_report);
    cr_assert_eq(green_server_start(s), 0);
    int one = connect_to(s);
    int two = connect_to(s);
    settle();
    cr_assert_eq(write(one, "f", 1), 1);
    is_over(one);
    cr_assert_eq(reported, 1);
    cr_assert_eq(write(two, "g", 1), 1);
    cr_assert_eq(get(two, &c, 1), 1);
    is_over(two);
    settle();
    cr_assert_eq(green_server_count(s), 0);
    green_server_free(s);
}

Test(server, waits_a_little_when_there_are_no_descriptors_and_goes_on)
{
    struct rlimit old;
    struct green_server *s = SERVER(LOCAL, ECHO(AF_INET), .min_delay = MS(1), .max_delay = MS(4));
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    cr_assert_eq(green_server_start(s), 0);
    make_loop();
    int fd = connect_to(s);
    int next = dup(0);
    close(next);
    struct rlimit few = {.rlim_cur = (rlim_t)next, .rlim_max = old.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    green_sleep(MS(30));
    cr_assert_eq(started, 0);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    says(fd, "x");
    cr_assert(green_server_started(s));
    shutdown(fd, SHUT_WR);
    is_over(fd);
    green_server_free(s);
}

Test(server, closes_when_the_listener_is_no_more)
{
    struct greenlet *g;
    void *value;
    the_server = SERVER(LOCAL, ECHO(AF_INET));
    cr_assert_eq(green_spawn(serve_for_ever, NULL, &g), 0);
    settle();
    cr_assert_eq(shutdown(green_server_fd(the_server), SHUT_RDWR), 0);
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq((intptr_t)value, 0);
    cr_assert(!green_server_started(the_server));
    green_unref(g);
    cr_assert_eq(green_server_start(the_server), 0, "and can be started again");
    green_server_free(the_server);
}

Test(server, pause_leaves_newcomers_in_the_kernel)
{
    struct green_server *s = SERVER(LOCAL, ECHO(AF_INET), .max = 3);
    cr_assert_eq(green_server_resume(s), 0, "not listening: nothing to do");
    cr_assert_eq(green_server_start(s), 0);
    int one = connect_to(s);
    says(one, "a");
    cr_assert_eq(green_server_pause(s), 0);
    cr_assert_eq(green_server_pause(s), 0);
    int two = connect_to(s);
    cr_assert_eq(write(two, "b", 1), 1);
    says(one, "c");
    green_sleep(MS(5));
    cr_assert_eq(started, 1);
    cr_assert(green_server_started(s));
    cr_assert_eq(green_server_resume(s), 0);
    char c;
    cr_assert_eq(get(two, &c, 1), 1);
    cr_assert_eq(green_server_stop(s, 0), -ETIMEDOUT);
    is_over(one);
    is_over(two);
    green_server_free(s);
}

static void *stop_later(void *arg)
{
    return (void *)(intptr_t)green_server_stop(arg, GREEN_FOREVER);
}

Test(server, killed_in_stop_it_is_closed_all_the_same)
{
    struct greenlet *g;
    void *value;
    struct green_server *s = SERVER(LOCAL, ECHO(AF_INET), .max = 3);
    cr_assert_eq(green_server_start(s), 0);
    int fd = connect_to(s);
    says(fd, "a");
    cr_assert_eq(green_spawn(stop_later, s, &g), 0);
    settle();
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq((intptr_t)value, -ECANCELED);
    cr_assert_eq(green_server_count(s), 0);
    cr_assert(!green_server_started(s));
    is_over(fd);
    green_unref(g);
    green_server_free(s);
}

/* --- kernel threads --- */

static atomic_int n_stopped;
static struct green_server *served;

static void *talk(void *arg)
{
    char c = 'x';
    int fd = connect_to(served);
    cr_assert_eq(write(fd, &c, 1), 1);
    cr_assert_eq(read(fd, &c, 1), 1);
    close(fd);
    return arg;
}

static void *run_a_server(void *arg)
{
    for (int i = 0; i < 5; i++) {
        served = SERVER(LOCAL, ECHO(AF_INET), .max = 4);
        cr_assert_eq(green_server_listen(served), 0);
        cr_assert_eq(green_server_start(served), 0);
        (void)talk(NULL);
        cr_assert_eq(green_server_pause(served), 0);
        cr_assert_eq(green_server_resume(served), 0);
        (void)talk(NULL);
        int fd = connect_to(served);
        char c = 'y';
        cr_assert_eq(write(fd, &c, 1), 1);
        cr_assert_eq(read(fd, &c, 1), 1);
        cr_assert_eq(green_server_stop(served, MS(1)), -ETIMEDOUT, "one has to be killed");
        cr_assert_eq(green_server_count(served), 0);
        cr_assert_eq(read(fd, &c, 1), 0);
        close(fd);
        green_server_free(served);
    }
    green_server_free(SERVER(LOCAL, ECHO(AF_INET)));
    served = SERVER(.listen = "127.0.0.1", ECHO(AF_INET));
    cr_assert_lt(green_server_start(served), 0);
    green_server_free(served);
    atomic_store(&n_stopped, 1);
    return arg;
}

Test(server, run_by_a_kernel_thread)
{
    join_foreign(foreign(run_a_server, NULL));
    cr_assert_eq(n_stopped, 1);
    cr_assert_eq(started, 15);
    cr_assert_eq(ended, 15);
}

static void *serve_until_stopped(void *arg)
{
    cr_assert_eq(green_server_serve_forever(arg, MS(1)), 0);
    n_stopped++;
    return arg;
}

Test(server, a_kernel_thread_serves_and_another_stops_it)
{
    served = SERVER(LOCAL, ECHO(AF_INET));
    pthread_t t = foreign(serve_until_stopped, served);
    while (!green_server_started(served)) {
        green_sleep(MS(1));
    }
    join_foreign(foreign(talk, NULL));
    cr_assert_eq(green_server_stop(served, 0), 0);
    join_foreign(t);
    cr_assert_eq(n_stopped, 1);
    green_server_free(served);
}
