/*
 * netdb.h: looking up hosts.
 *
 * With body hooks libc's functions are cooperative as they are. Without, a lookup that may talk to
 * a server runs on a worker thread while the green waits, with the green's resolver state.
 */
#include "runtime/arch/arch.h"
#include "runtime/core/tls.h"
#include "shim/body.h"
#include "shim/shim.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/*
 * Does libc do the lookup in place? Where its bodies are hooked it waits as any other call does;
 * the only green may block, since whoever else might become runnable does not exist.
 */
static bool in_place(const struct green *g)
{
    return !g || (gr_body_hooked(GREEN_SOCKET | GREEN_SELECT) && gr_tls_resolver) ||
           (g->hub->n_greens == 1 && gr_hub_quiet());
}

static bool is_address(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char buf[INET6_ADDRSTRLEN];
    if (inet_aton(host, &v4)) {
        return true;
    }
    size_t n = strcspn(host, "%"); /* a scope may follow */
    if (n >= sizeof(buf)) {
        return false;
    }
    memcpy(buf, host, n);
    buf[n] = '\0';
    return inet_pton(AF_INET6, buf, &v6) == 1;
}

static bool is_number(const char *service)
{
    return service[strspn(service, "0123456789")] == '\0';
}

/* Each thread has a list of the lookups that it is making. */
struct resolv_context;
extern struct resolv_context *__resolv_context_get_override(struct __res_state *) GR_WEAK;
extern void __resolv_context_put(struct resolv_context *) GR_WEAK;
static ptrdiff_t lookups; /* the head of it, from the thread pointer; 0: not known */

static ptrdiff_t find_lookups(void)
{
    struct __res_state state = {.options = 0};
    if (!__resolv_context_get_override || !__resolv_context_put) {
        return 0;
    }
    struct resolv_context *c = __resolv_context_get_override(&state);
    ptrdiff_t at = c ? gr_tls_find(c) : 0;
    __resolv_context_put(c);
    return at;
}

static void *find_state(void *out)
{
    *(ptrdiff_t *)out = (char *)&_res - (char *)pthread_self();
    return NULL;
}

/*
 * libc keeps the state in the thread's descriptor, and tells where only in a thread that it made
 * itself. That one has to be gone before anybody counts the threads.
 */
void gr_resolver_start(void)
{
    pthread_t t;
    struct stat st;
    ptrdiff_t at = 0;
    lookups = find_lookups();
    if (!lookups || real.pthread_create(&t, NULL, find_state, &at)) {
        return;
    }
    (void)real.pthread_join(t, NULL);
    for (int i = 0; i < 1000 && stat("/proc/self/task", &st) == 0 && st.st_nlink > 3; i++) {
        (void)GR_SYS(SYS_sched_yield);
    }
    gr_tls_resolver = at;
}

extern GR_TLS struct __res_state *__resp GR_WEAK; /* what libc takes for the thread's */

/* A lookup that was cancelled is on the list still, as often as it was taken. */
static GR_NOINLINE void end_lookups(void)
{
    struct resolv_context *const *head = (const void *)(gr_tp_get() + lookups);
    while (*head) {
        __resolv_context_put(*head);
    }
}

/* Lookups, sockets and memory; what is left would be the settings of the next thread on this
 * storage. */
void gr_resolver_end(void)
{
    struct __res_state *r = &__resp ? __resp : &_res;
    if (lookups) {
        end_lookups();
    }
    if (GR_UNLIKELY(r->nscount || r->options)) {
        res_nclose(r);
        memset(r, 0, sizeof(*r));
    }
}

/* --- on a worker --- */

struct errand {
    void (*fn)(void *);
    void *arg;
    struct __res_state *state; /* NULL: the worker's own */
};

static void run_errand(void *arg)
{
    struct errand *e = arg;
    if (!e->state) {
        e->fn(e->arg);
        return;
    }
    struct __res_state *own = __resp;
    __resp = e->state;
    e->fn(e->arg);
    __resp = own;
}

static void offload(void (*fn)(void *), void *arg)
{
    struct errand e = {fn, arg, gr_tls_resolver ? &_res : NULL};
    gr_offload(run_errand, &e);
}

/* --- getaddrinfo, getnameinfo --- */

struct addr_query {
    const char *node;
    const char *service;
    const struct addrinfo *hints;
    struct addrinfo **out;
    int rc;
};

static void run_addr(void *arg)
{
    struct addr_query *q = arg;
    q->rc = real.getaddrinfo(q->node, q->service, q->hints, q->out);
}

static bool needs_no_server(const char *node, const char *service, const struct addrinfo *hints)
{
    int flags = hints ? hints->ai_flags : 0;
    bool host = !node || (flags & AI_NUMERICHOST) || is_address(node);
    return host && (!service || (flags & AI_NUMERICSERV) || is_number(service));
}

/*
 * getaddrinfo - <netdb.h>; POSIX.1-2024 getaddrinfo(), getnameinfo()
 * Class:    OFFLOAD.
 * Waits:    for name servers. Signals do not cut it short; handlers run.
 */
GR_SHIM int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                        struct addrinfo **out)
{
    struct green *g = gr_on_green();
    if (in_place(g) || needs_no_server(node, service, hints)) {
        return real.getaddrinfo(node, service, hints, out);
    }
    GR_COUNT(getaddrinfo);
    struct addr_query q = {.node = node, .service = service, .hints = hints, .out = out};
    offload(run_addr, &q);
    return q.rc;
}

struct name_query {
    const struct sockaddr *addr;
    socklen_t len;
    char *host;
    socklen_t host_size;
    char *service;
    socklen_t service_size;
    int flags;
    int rc;
};

static void run_name(void *arg)
{
    struct name_query *q = arg;
    q->rc = real.getnameinfo(q->addr, q->len, q->host, q->host_size, q->service, q->service_size,
                             q->flags);
}

GR_SHIM int getnameinfo(const struct sockaddr *addr, socklen_t len, char *host, socklen_t host_size,
                        char *service, socklen_t service_size, int flags)
{
    struct green *g = gr_on_green();
    bool local = (!host || !host_size || (flags & NI_NUMERICHOST)) &&
                 (!service || !service_size || (flags & NI_NUMERICSERV));
    if (in_place(g) || local) {
        return real.getnameinfo(addr, len, host, host_size, service, service_size, flags);
    }
    GR_COUNT(getnameinfo);
    struct name_query q = {addr, len, host, host_size, service, service_size, flags, 0};
    offload(run_name, &q);
    return q.rc;
}

/* --- gethostby --- */

/* One lookup by libc's reentrant functions. Which one: @addr, else @family, else by name alone. */
struct host_query {
    const char *name;
    const void *addr;
    socklen_t len;
    int family;
    struct hostent *host; /* where the answer goes, with @buf for its strings */
    char *buf;
    size_t size;
    struct hostent own;
    struct hostent *found;
    int herr;
    int rc;
};

static void ask(struct host_query *q)
{
    if (q->addr) {
        q->rc = real.gethostbyaddr_r(q->addr, q->len, q->family, q->host, q->buf, q->size,
                                     &q->found, &q->herr);
    } else if (q->family) {
        q->rc = real.gethostbyname2_r(q->name, q->family, q->host, q->buf, q->size, &q->found,
                                      &q->herr);
    } else {
        q->rc = real.gethostbyname_r(q->name, q->host, q->buf, q->size, &q->found, &q->herr);
    }
}

static void run_host_r(void *arg)
{
    ask(arg);
}

/* With memory of our own, as large as needed. */
static void run_host(void *arg)
{
    struct host_query *q = arg;
    q->rc = ERANGE;
    for (size_t size = 1024; q->rc == ERANGE; size *= 2) {
        char *buf = realloc(q->buf, size);
        if (!buf) {
            q->rc = ENOMEM;
            q->herr = NETDB_INTERNAL;
            errno = ENOMEM;
            break;
        }
        q->buf = buf;
        q->size = size;
        ask(q);
    }
    if (!q->found || q->rc) {
        h_errno = q->herr;
    }
}

/* What a function without _r hands out: valid until its next call, by whatever thread, as libc's
 * own. */
struct host_static {
    struct hostent host;
    char *buf;
};

static struct hostent *lookup(struct host_query *q, struct host_static *keep)
{
    q->host = &q->own;
    offload(run_host, q);
    if (q->rc || !q->found) {
        free(q->buf);
        return NULL;
    }
    free(keep->buf);
    keep->buf = q->buf;
    keep->host = q->own;
    return &keep->host;
}

/*
 * gethostbyname - <netdb.h>; gethostbyname(3), and its relatives
 * Class:    OFFLOAD. As getaddrinfo.
 */
GR_SHIM struct hostent *gethostbyname(const char *name)
{
    static struct host_static keep;
    struct green *g = gr_on_green();
    if (in_place(g) || is_address(name)) {
        return real.gethostbyname(name);
    }
    GR_COUNT(gethostbyname);
    struct host_query q = {.name = name};
    return lookup(&q, &keep);
}

GR_SHIM struct hostent *gethostbyname2(const char *name, int family)
{
    static struct host_static keep;
    struct green *g = gr_on_green();
    if (in_place(g) || is_address(name)) {
        return real.gethostbyname2(name, family);
    }
    GR_COUNT(gethostbyname2);
    struct host_query q = {.name = name, .family = family};
    return lookup(&q, &keep);
}

GR_SHIM struct hostent *gethostbyaddr(const void *addr, socklen_t len, int family)
{
    static struct host_static keep;
    struct green *g = gr_on_green();
    if (in_place(g)) {
        return real.gethostbyaddr(addr, len, family);
    }
    GR_COUNT(gethostbyaddr);
    struct host_query q = {.addr = addr, .len = len, .family = family};
    return lookup(&q, &keep);
}

static int lookup_r(struct host_query *q, struct hostent **out, int *herr)
{
    offload(run_host_r, q);
    *out = q->found;
    *herr = q->herr;
    return q->rc;
}

GR_SHIM int gethostbyname_r(const char *name, struct hostent *host, char *buf, size_t size,
                            struct hostent **out, int *herr)
{
    struct green *g = gr_on_green();
    if (in_place(g) || is_address(name)) {
        return real.gethostbyname_r(name, host, buf, size, out, herr);
    }
    GR_COUNT(gethostbyname_r);
    struct host_query q = {.name = name, .host = host, .buf = buf, .size = size, .herr = *herr};
    return lookup_r(&q, out, herr);
}

GR_SHIM int gethostbyname2_r(const char *name, int family, struct hostent *host, char *buf,
                             size_t size, struct hostent **out, int *herr)
{
    struct green *g = gr_on_green();
    if (in_place(g) || is_address(name)) {
        return real.gethostbyname2_r(name, family, host, buf, size, out, herr);
    }
    GR_COUNT(gethostbyname2_r);
    struct host_query q = {
        .name = name, .family = family, .host = host, .buf = buf, .size = size, .herr = *herr};
    return lookup_r(&q, out, herr);
}

GR_SHIM int gethostbyaddr_r(const void *addr, socklen_t len, int family, struct hostent *host,
                            char *buf, size_t size, struct hostent **out, int *herr)
{
    struct green *g = gr_on_green();
    if (in_place(g)) {
        return real.gethostbyaddr_r(addr, len, family, host, buf, size, out, herr);
    }
    GR_COUNT(gethostbyaddr_r);
    struct host_query q = {.addr = addr,
                           .len = len,
                           .family = family,
                           .host = host,
                           .buf = buf,
                           .size = size,
                           .herr = *herr};
    return lookup_r(&q, out, herr);
}
