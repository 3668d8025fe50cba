/* Lookups of names that end when the time is over. */
#include <green/dns.h>

#include <green/green.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * One lookup, made by a green of its own. It belongs to that one and to the caller, who may leave
 * first; so it has copies of all that it is asked.
 */
struct lookup {
    atomic_uint refs;
    atomic_bool begun;
    int rc; /* as the calls return it, and errno */
    int error;
    const char *node; /* getaddrinfo */
    const char *service;
    bool hinted;
    struct addrinfo hints;
    struct addrinfo *found;
    struct sockaddr_storage addr; /* getnameinfo */
    socklen_t len;
    int flags;
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    bool want_host;
    bool want_port;
    char text[]; /* of @node and @service */
};

static struct lookup *new_lookup(const char *node, const char *service)
{
    size_t n = node ? strlen(node) + 1 : 0;
    size_t m = service ? strlen(service) + 1 : 0;
    struct lookup *l = calloc(1, sizeof(*l) + n + m);
    if (l) {
        atomic_init(&l->refs, 1);
        l->node = n ? memcpy(l->text, node, n) : NULL;
        l->service = m ? memcpy(l->text + n, service, m) : NULL;
    }
    return l;
}

static void unref(struct lookup *l)
{
    if (atomic_fetch_sub(&l->refs, 1) == 1) {
        if (l->found) {
            freeaddrinfo(l->found);
        }
        free(l);
    }
}

static void let_go(struct lookup **l)
{
    if (*l) {
        unref(*l);
    }
}

#define LOOKUP(l) struct lookup *l __attribute__((cleanup(let_go)))

static void look_up(struct lookup *l)
{
    if (l->len) {
        l->rc =
            getnameinfo((const struct sockaddr *)&l->addr, l->len, l->want_host ? l->host : NULL,
                        l->want_host ? sizeof(l->host) : 0, l->want_port ? l->port : NULL,
                        l->want_port ? sizeof(l->port) : 0, l->flags);
    } else {
        l->rc = getaddrinfo(l->node, l->service, l->hinted ? &l->hints : NULL, &l->found);
    }
    l->error = errno;
}

static void *run(void *arg)
{
    struct lookup *l = arg;
    atomic_store(&l->begun, true);
    look_up(l);
    unref(l);
    return NULL;
}

/* The green that makes a lookup, as its caller sees it. */
struct helper {
    struct greenlet *g;
    struct lookup *l;
};

/* However the caller leaves. */
static void leave(struct helper *h)
{
    if (!green_ended(h->g) && green_kill(h->g, 0, 0) == 0 && green_ended(h->g) &&
        !atomic_load(&h->l->begun)) {
        atomic_fetch_sub(&h->l->refs, 1); /* it never will */
    }
    green_unref(h->g);
}

static int await(struct lookup *l, struct greenlet *g, int64_t timeout)
{
    struct helper h __attribute__((cleanup(leave))) = {g, l};
    return green_join(h.g, timeout);
}

/* Returns as the calls do. */
static int make(struct lookup *l, int64_t timeout)
{
    struct greenlet *g;
    int saved = errno;
    atomic_fetch_add(&l->refs, 1);
    int rc = green_spawn(run, l, &g);
    if (rc) {
        atomic_fetch_sub(&l->refs, 1);
        if (rc != -ENOTSUP) {
            return EAI_MEMORY;
        }
        look_up(l);
    } else if ((rc = await(l, g, timeout))) {
        errno = -rc;
        return EAI_SYSTEM;
    }
    errno = l->rc == EAI_SYSTEM ? l->error : saved;
    return l->rc;
}

/* What needs no server is answered in place. */
static bool is_numeric(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out, int *rc)
{
    struct addrinfo numeric = {.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG};
    if (hints) {
        numeric = *hints;
    }
    if (node) {
        numeric.ai_flags |= AI_NUMERICHOST;
    }
    struct addrinfo *found = NULL;
    *rc = getaddrinfo(node, service, hints || node ? &numeric : NULL, &found);
    if (*rc == 0) {
        *out = found;
    }
    return *rc == 0 || !node || (hints && (hints->ai_flags & AI_NUMERICHOST)) || *rc != EAI_NONAME;
}

int green_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                      struct addrinfo **out, int64_t timeout)
{
    int rc;
    if (is_numeric(node, service, hints, out, &rc)) {
        return rc;
    }
    LOOKUP(l) = new_lookup(node, service);
    if (!l) {
        return EAI_MEMORY;
    }
    if (hints) {
        l->hinted = true;
        l->hints = *hints;
    }
    rc = make(l, timeout);
    if (rc == 0) {
        *out = l->found;
        l->found = NULL;
    }
    return rc;
}

/* Returns 0 or EAI_OVERFLOW. */
static int hand_out(char *to, socklen_t room, const char *text)
{
    size_t n = strlen(text) + 1;
    if (!to || !room) {
        return 0;
    }
    if (n > room) {
        return EAI_OVERFLOW;
    }
    memcpy(to, text, n);
    return 0;
}

int green_getnameinfo(const struct sockaddr *addr, socklen_t len, char *host, socklen_t host_size,
                      char *service, socklen_t service_size, int flags, int64_t timeout)
{
    LOOKUP(l) = new_lookup(NULL, NULL);
    if (!l) {
        return EAI_MEMORY;
    }
    if (len == 0 || len > sizeof(l->addr)) {
        return EAI_FAMILY;
    }
    memcpy(&l->addr, addr, len);
    l->len = len;
    l->flags = flags;
    l->want_host = host && host_size;
    l->want_port = service && service_size;
    int rc = make(l, timeout);
    if (rc == 0) {
        rc = strlen(l->host) >= host_size && l->want_host
                 ? EAI_OVERFLOW
                 : hand_out(service, service_size, l->port);
    }
    if (rc == 0) {
        rc = hand_out(host, host_size, l->host);
    }
    return rc;
}

int green_gethostbyname(const char *name, char address[INET_ADDRSTRLEN], int64_t timeout)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int rc = green_getaddrinfo(name, NULL, &hints, &found, timeout);
    if (rc == 0) {
        struct sockaddr_in in;
        memcpy(&in, found->ai_addr, sizeof(in));
        (void)inet_ntop(AF_INET, &in.sin_addr, address, INET_ADDRSTRLEN);
        freeaddrinfo(found);
    }
    return rc;
}
