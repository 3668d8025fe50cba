/* Servers with a green for each connection. */
#include <green/server.h>

#include "runtime/api/api.h"
#include "runtime/api/greenlet.h"
#include "runtime/api/io.h"
#include "runtime/api/listener.h"
#include "runtime/base/log.h"

#include <green/event.h>
#include <green/green.h>
#include <green/lock.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIN_DELAY GREEN_MS(10)
#define MAX_DELAY GREEN_S(1)
#define KILL_TIME GREEN_S(1)

struct green_server {
    atomic_uint refs; /* the handle, the green that accepts, and each connection */
    struct green_server_options o;
    bool own; /* @o.listen names the socket, which is made and closed here */
    struct gr_address address;
    int fd;          /* -1: not listening */
    struct stat sun; /* the Unix socket that was bound */
    bool accepting;
    struct greenlet *accepter;
    pid_t pid;                    /* of the process that its greens are in */
    struct green_semaphore *room; /* for connections; NULL: no limit */
    struct green_event *stopped;
    struct gr_list connections;
    unsigned n;
};

struct connection {
    struct gr_list link;
    struct green_server *s;
    struct greenlet *g;
    bool begun;
    int fd;
    socklen_t len;
    struct sockaddr_storage peer;
};

/* --- life --- */

static void unref(struct green_server *s)
{
    if (atomic_fetch_sub(&s->refs, 1) == 1) {
        green_semaphore_free(s->room);
        green_event_free(s->stopped);
        free(s);
    }
}

int green_server_new(const struct green_server_options *o, struct green_server **out)
{
    struct gr_address address = {.path = ""};
    if (!o->handle || (o->listen ? gr_address_parse(o->listen, &address) : o->fd < 0)) {
        return -EINVAL;
    }
    struct green_server *s = calloc(1, sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    atomic_init(&s->refs, 1);
    s->o = *o;
    s->own = o->listen;
    s->o.listen = NULL;
    s->o.backlog = o->backlog > 0 ? o->backlog : 128;
    s->o.min_delay = o->min_delay > 0 ? o->min_delay : MIN_DELAY;
    s->o.max_delay = o->max_delay > 0 ? o->max_delay : MAX_DELAY;
    s->address = address;
    s->fd = -1;
    gr_list_init(&s->connections);
    s->stopped = green_event_new();
    s->room = o->max ? green_semaphore_new(o->max) : NULL;
    if (!s->stopped || (o->max && !s->room)) {
        unref(s);
        return -ENOMEM;
    }
    *out = s;
    return 0;
}

/* --- connections --- */

static void drop(struct connection *c)
{
    gr_api_close(c->fd);
    gr_list_remove(&c->link);
    green_unref(c->g);
    free(c);
}

/* However it ends. */
static void end_connection(struct connection **p)
{
    struct green_server *s = (*p)->s;
    drop(*p);
    s->n--;
    if (s->room) {
        (void)green_semaphore_release(s->room);
    }
    unref(s);
}

static void *serve(void *arg)
{
    struct connection *c __attribute__((cleanup(end_connection))) = arg;
    c->begun = true;
    c->s->o.handle(c->fd, (const struct sockaddr *)&c->peer, c->len, c->s->o.arg);
    return NULL;
}

/* Takes @c->fd. Returns 0 or -errno. */
static int begin(struct green_server *s, const struct connection *accepted)
{
    struct connection *c = malloc(sizeof(*c));
    int rc = -ENOMEM;
    if (c) {
        *c = *accepted;
        rc = green_spawn(serve, c, &c->g);
    }
    if (rc) {
        free(c);
        gr_api_close(accepted->fd);
        return rc;
    }
    gr_list_push_back(&s->connections, &c->link);
    s->n++;
    atomic_fetch_add(&s->refs, 1);
    return 0;
}

/* --- accepting --- */

/* A listener of ours says EAGAIN when there is nobody; the caller's may block. */
static int accept_one(struct green_server *s, struct connection *c)
{
    bool wait = !s->own;
    for (;; wait = true) {
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        int rc = wait ? gr_api_poll(&p, 1, GR_FOREVER) : 0;
        if (rc < 0) {
            return gr_api_result(rc);
        }
        c->len = sizeof(c->peer);
        c->fd = accept4(s->fd, (struct sockaddr *)&c->peer, &c->len, SOCK_CLOEXEC);
        if (c->fd >= 0) {
            return 0;
        }
        if (errno != EAGAIN) {
            return -errno;
        }
        if (p.revents & (POLLERR | POLLHUP)) {
            return -EINVAL; /* a Unix listener that was shut down never says so itself */
        }
    }
}

static void close_listener(struct green_server *s)
{
    struct stat now;
    if (s->fd < 0) {
        return;
    }
    if (s->own) {
        if (s->address.path[0] && stat(s->address.path, &now) == 0 && now.st_ino == s->sun.st_ino &&
            now.st_dev == s->sun.st_dev) {
            (void)unlink(s->address.path);
        }
        gr_api_close(s->fd);
    }
    s->fd = -1;
}

static void say(const struct green_server *s, const char *what, int rc)
{
    char name[128] = "";
    (void)gr_listener_text(s->fd, name, sizeof(name));
    gr_log("server %s: accept: %s; %s", name, strerror(-rc), what);
}

/* Returns whether to try again, after a while that grows. */
static bool recover(struct green_server *s, int rc, int64_t *delay)
{
    switch (-rc) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO: /* a connection that has failed before it was accepted */
        return true;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP: /* the listener will not come back */
        say(s, "closing", rc);
        close_listener(s);
        green_event_set(s->stopped);
        return false;
    default:
        break;
    }
    if (*delay == s->o.min_delay) {
        say(s, "trying again", rc);
    }
    (void)green_sleep(*delay);
    *delay = 2 * *delay < s->o.max_delay ? 2 * *delay : s->o.max_delay;
    return true;
}

static void *accept_all(void *arg)
{
    struct green_server *s = arg;
    int64_t delay = s->o.min_delay;
    bool has_room = !s->room;
    while (s->accepting) {
        struct connection c = {.s = s};
        if (!has_room) {
            has_room = green_semaphore_acquire(s->room, GREEN_FOREVER) == 0;
            continue;
        }
        int rc = accept_one(s, &c);
        rc = rc ? rc : begin(s, &c);
        if (rc == 0) {
            delay = s->o.min_delay;
            has_room = !s->room;
            gr_hub_charge();
        } else if (s->accepting) {
            s->accepting = recover(s, rc, &delay);
        }
    }
    if (s->room && has_room) {
        (void)green_semaphore_release(s->room);
    }
    unref(s);
    return NULL;
}

/* In a forked child the greens of the parent do not exist, but for the one that forked. */
static void look_for_fork(struct green_server *s)
{
    pid_t pid = getpid();
    if (s->pid && s->pid != pid) {
        const struct greenlet *self = green_current();
        s->n = 0;
        GR_LIST_EACH(&s->connections, node, tmp)
        {
            struct connection *c = GR_LIST_ENTRY(node, struct connection, link);
            if (c->g == self) {
                s->n++;
            } else {
                drop(c);
            }
        }
        green_unref(s->accepter);
        s->accepter = NULL;
        s->accepting = false;
        atomic_store(&s->refs, 1 + s->n);
        green_semaphore_free(s->room);
        s->room = s->o.max ? green_semaphore_new(s->o.max - s->n) : NULL;
    }
    s->pid = pid;
}

static int resume(struct green_server *s)
{
    look_for_fork(s);
    if (s->accepting || s->fd < 0) {
        return 0;
    }
    if (s->o.max && !s->room) {
        return -EAGAIN;
    }
    s->accepting = true;
    green_unref(s->accepter); /* one that has given up */
    s->accepter = NULL;
    atomic_fetch_add(&s->refs, 1);
    int rc = green_spawn(accept_all, s, &s->accepter);
    if (rc) {
        s->accepting = false;
        atomic_fetch_sub(&s->refs, 1); /* the caller has the handle */
    }
    return rc;
}

/* It ends soon, so nothing interrupts this; what is due comes with the next wait. */
static int pause_accepting(struct green_server *s)
{
    look_for_fork(s);
    struct greenlet *g = s->accepter;
    s->accepter = NULL;
    s->accepting = false;
    if (!g) {
        return 0;
    }
    bool unborn = !green_ended(g) && green_kill(g, 0, 0) == 0 && green_ended(g);
    if (unborn) {
        atomic_fetch_sub(&s->refs, 1); /* it never came to do so */
    }
    (void)gr_object_await(&g->object, GR_FOREVER, 0);
    green_unref(g);
    return 0;
}

/* --- start and stop --- */

static int begin_to_listen(struct green_server *s)
{
    if (s->fd >= 0) {
        return 0;
    }
    int fd = s->own ? gr_listener_open(&s->address, s->o.backlog) : gr_listener_check(s->o.fd);
    if (fd < 0) {
        return fd;
    }
    if (s->address.path[0]) {
        (void)stat(s->address.path, &s->sun);
    }
    s->fd = fd;
    green_event_clear(s->stopped);
    return 0;
}

static int start(struct green_server *s)
{
    bool listening = s->fd >= 0;
    int rc = begin_to_listen(s);
    rc = rc ? rc : resume(s);
    if (rc && !listening) {
        close_listener(s);
    }
    return rc;
}

/* Handles. */
struct handlers {
    struct greenlet **g;
    size_t n;
};

static void give_back_all(struct handlers *h)
{
    for (size_t i = 0; i < h->n; i++) {
        green_unref(h->g[i]);
    }
    free(h->g);
}

/* The greenlets of its connections but the caller's. Returns 0 or -ENOMEM. */
static int list_handlers(struct green_server *s, struct handlers *h)
{
    const struct greenlet *self = green_current();
    h->g = malloc((s->n + 1) * sizeof(struct greenlet *));
    if (!h->g) {
        return -ENOMEM;
    }
    GR_LIST_EACH(&s->connections, node, tmp)
    {
        struct greenlet *one = GR_LIST_ENTRY(node, struct connection, link)->g;
        if (one != self) {
            h->g[h->n++] = green_ref(one);
        }
    }
    return 0;
}

/* Those that were killed before they ran. */
static void end_unborn(struct green_server *s)
{
    GR_LIST_EACH(&s->connections, node, tmp)
    {
        struct connection *c = GR_LIST_ENTRY(node, struct connection, link);
        if (!c->begun && green_ended(c->g)) {
            end_connection(&c);
        }
    }
}

/* Nothing interrupts this, either. */
static void kill_all(const struct handlers *h)
{
    int64_t deadline = gr_deadline_in(KILL_TIME);
    (void)green_killall(h->g, h->n, 0, 0);
    for (size_t i = 0; i < h->n; i++) {
        (void)gr_object_await(&h->g[i]->object, deadline, 0);
    }
}

static int end_handlers(struct green_server *s, int64_t timeout)
{
    struct handlers h __attribute__((cleanup(give_back_all))) = {0};
    if (list_handlers(s, &h)) {
        return -ENOMEM;
    }
    int rc = green_joinall(h.g, h.n, NULL, 0, 0, timeout);
    if (rc >= 0) {
        rc = (size_t)rc < h.n ? -ETIMEDOUT : 0;
    }
    if (rc) {
        kill_all(&h);
        end_unborn(s);
    }
    return rc;
}

static int close_down(struct green_server *s, int64_t timeout)
{
    close_listener(s);
    green_event_set(s->stopped);
    return s->room ? end_handlers(s, timeout) : 0;
}

/* The caller has been cancelled. */
static void close_unwound(struct green_server **s)
{
    if (*s) {
        (void)close_down(*s, 0);
    }
}

static int stop(struct green_server *s, int64_t timeout)
{
    struct green_server *left __attribute__((cleanup(close_unwound))) = s;
    (void)pause_accepting(s);
    int rc = close_down(s, timeout);
    left = NULL;
    return rc;
}

/* --- by greens and by kernel threads --- */

/* Servers are dealt with on the hub alone: for a kernel thread a green does it. */
struct order {
    struct green_server *s;
    int (*fn)(struct green_server *s); /* NULL: stop() */
    int64_t timeout;                   /* of that */
};

static int carry_out(const struct order *o)
{
    return o->fn ? o->fn(o->s) : stop(o->s, o->timeout);
}

static void *obey(void *arg)
{
    return (void *)(intptr_t)carry_out(arg);
}

static int give(struct order o)
{
    struct greenlet *g;
    void *rc = NULL;
    if (!gr_active || gr_hub_here()) {
        return carry_out(&o);
    }
    int failed = green_spawn(obey, &o, &g);
    if (failed) {
        return failed;
    }
    failed = green_get(g, &rc, GREEN_FOREVER);
    green_unref(g);
    return failed ? failed : (int)(intptr_t)rc;
}

int green_server_listen(struct green_server *s)
{
    return give((struct order){.s = s, .fn = begin_to_listen});
}

int green_server_start(struct green_server *s)
{
    int rc = gr_api_start();
    return rc ? rc : give((struct order){.s = s, .fn = start});
}

int green_server_pause(struct green_server *s)
{
    return give((struct order){.s = s, .fn = pause_accepting});
}

int green_server_resume(struct green_server *s)
{
    return give((struct order){.s = s, .fn = resume});
}

int green_server_stop(struct green_server *s, int64_t timeout)
{
    return give((struct order){.s = s, .timeout = timeout});
}

static void stop_unwound(struct green_server **s)
{
    if (*s) {
        (void)green_server_stop(*s, 0);
    }
}

int green_server_serve_forever(struct green_server *s, int64_t stop_timeout)
{
    int rc = green_server_start(s);
    if (rc) {
        return rc;
    }
    struct green_server *serving __attribute__((cleanup(stop_unwound))) = s;
    rc = green_event_wait(s->stopped, GREEN_FOREVER);
    serving = NULL;
    int stopped = green_server_stop(s, rc ? 0 : stop_timeout);
    return rc ? rc : stopped == -ETIMEDOUT ? 0 : stopped;
}

static int end(struct green_server *s)
{
    (void)pause_accepting(s);
    close_listener(s);
    return 0;
}

void green_server_free(struct green_server *s)
{
    if (s) {
        (void)give((struct order){.s = s, .fn = end});
        unref(s);
    }
}

/* --- state --- */

int green_server_started(const struct green_server *s)
{
    return s->fd >= 0;
}

int green_server_full(const struct green_server *s)
{
    return s->o.max && s->n >= s->o.max;
}

unsigned green_server_count(const struct green_server *s)
{
    return s->n;
}

int green_server_fd(const struct green_server *s)
{
    return s->fd;
}

int green_server_port(const struct green_server *s)
{
    return gr_listener_port(s->fd);
}

int green_server_address(const struct green_server *s, char *buf, size_t size)
{
    return gr_listener_text(s->fd, buf, size);
}
