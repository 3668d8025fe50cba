/*
 * uv_echo - an echo server on libuv's streams, as its documentation would write it: read_start,
 * try_write, and a queued write for what the socket did not take.
 */

#define _GNU_SOURCE
#include "benchlib.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define CHUNK 4096

struct conn {
    uv_tcp_t tcp;
    char buf[CHUNK];
};

/* A write that is under way; owns the bytes. */
struct pending {
    uv_write_t req;
    char bytes[];
};

static void check(int rc, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "uv_echo: %s: %s\n", what, uv_strerror(rc));
        exit(1);
    }
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

static void close_conn(struct conn *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct conn *c = h->data;

    (void)suggested;
    *out = uv_buf_init(c->buf, sizeof c->buf);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf);

static void on_written(uv_write_t *req, int status)
{
    struct conn *c = req->handle->data;

    free(req->data);
    if (status < 0)
        close_conn(c);
    else if (!uv_is_closing((uv_handle_t *)&c->tcp))
        check(uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read), "uv_read_start");
}

/* The socket is full: keep the bytes and stop reading until they are gone. */
static void write_later(struct conn *c, const char *bytes, size_t n)
{
    struct pending *w = malloc(sizeof *w + n);

    if (!w)
        die("write", ENOMEM);
    memcpy(w->bytes, bytes, n);
    w->req.data = w;
    uv_read_stop((uv_stream_t *)&c->tcp);
    uv_buf_t buf = uv_buf_init(w->bytes, (unsigned)n);
    if (uv_write(&w->req, (uv_stream_t *)&c->tcp, &buf, 1, on_written) < 0) {
        free(w);
        close_conn(c);
    }
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = s->data;

    if (n < 0) {
        close_conn(c);
        return;
    }
    if (n == 0)
        return;
    uv_buf_t out = uv_buf_init(buf->base, (unsigned)n);
    int sent = uv_try_write(s, &out, 1);
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent < 0)
        close_conn(c);
    else if (sent < n)
        write_later(c, buf->base + sent, (size_t)(n - sent));
}

static void on_connection(uv_stream_t *listener, int status)
{
    check(status, "listen");
    struct conn *c = malloc(sizeof *c);
    if (!c)
        die("connection", ENOMEM);
    check(uv_tcp_init(listener->loop, &c->tcp), "uv_tcp_init");
    c->tcp.data = c;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) < 0) {
        close_conn(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    check(uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read), "uv_read_start");
}

static void on_stop(uv_signal_t *h, int sig)
{
    (void)sig;
    uv_stop(h->loop);
}

int main(int argc, char **argv)
{
    uv_tcp_t listener;
    uv_signal_t term;
    int port = 0;
    int c;

    while ((c = getopt(argc, argv, "p:")) != -1) {
        if (c != 'p') {
            fputs("usage: uv_echo [-p port]\n", stderr);
            return 2;
        }
        port = (int)parse_number(optarg, 0, 65535, "port");
    }
    raise_descriptor_limit();
    signal(SIGPIPE, SIG_IGN);

    uv_loop_t *loop = uv_default_loop();
    check(uv_signal_init(loop, &term), "uv_signal_init");
    check(uv_signal_start(&term, on_stop, SIGTERM), "uv_signal_start");
    check(uv_tcp_init(loop, &listener), "uv_tcp_init");
    check(uv_tcp_open(&listener, listen_loopback(port)), "uv_tcp_open");
    check(uv_listen((uv_stream_t *)&listener, 4096, on_connection), "uv_listen");
    uv_run(loop, UV_RUN_DEFAULT);
    return 0;
}
