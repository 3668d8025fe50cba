/* Lookups of names. */
#include <green/dns.h>
#include <green/green.h>
#include <green/timeout.h>

#include "sync.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <green/event.h>

TestSuite(dns, .init = start, .timeout = 60);

Test(dns, numbers_are_answered_in_place_as_by_libc)
{
    static const char *const nodes[] = {"127.0.0.1", "::1", "10.1", NULL};
    for (size_t i = 0; i < 4; i++) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
        struct addrinfo *want = NULL;
        struct addrinfo *got = NULL;
        cr_assert_eq(getaddrinfo(nodes[i], "80", &hints, &want), 0);
        cr_assert_eq(green_getaddrinfo(nodes[i], "80", &hints, &got, 0), 0, "no time is needed");
        struct addrinfo *a = want;
        struct addrinfo *b = got;
        for (; a && b; a = a->ai_next, b = b->ai_next) {
            cr_assert_eq(a->ai_family, b->ai_family);
            cr_assert_eq(a->ai_addrlen, b->ai_addrlen);
            cr_assert_eq(memcmp(a->ai_addr, b->ai_addr, a->ai_addrlen), 0);
        }
        cr_assert(!a && !b);
        freeaddrinfo(want);
        freeaddrinfo(got);
    }
}

Test(dns, names_and_errors_are_those_of_libc)
{
    struct addrinfo *found = NULL;
    char address[INET_ADDRSTRLEN] = "";
    cr_assert_eq(green_gethostbyname("localhost", address, GREEN_FOREVER), 0);
    cr_assert_str_eq(address, "127.0.0.1");
    cr_assert_eq(green_gethostbyname("192.0.2.7", address, 0), 0);
    cr_assert_str_eq(address, "192.0.2.7");
    struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST};
    cr_assert_eq(green_getaddrinfo("localhost", NULL, &numeric, &found, GREEN_FOREVER),
                 getaddrinfo("localhost", NULL, &numeric, &found));
    cr_assert_eq(green_getaddrinfo(NULL, NULL, NULL, &found, GREEN_FOREVER), EAI_NONAME);
    cr_assert_eq(green_getaddrinfo("localhost", "no-such-service", NULL, &found, GREEN_FOREVER),
                 getaddrinfo("localhost", "no-such-service", NULL, &found));
    struct addrinfo bad = {.ai_family = 1234};
    cr_assert_eq(green_getaddrinfo("localhost", NULL, &bad, &found, GREEN_FOREVER), EAI_FAMILY);
    cr_assert_null(found);
}

Test(dns, addresses_have_names)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr *sa = (const struct sockaddr *)&in;
    char host[100];
    char port[100];
    char want[100];
    cr_assert_eq(getnameinfo(sa, sizeof(in), want, sizeof(want), NULL, 0, 0), 0);
    cr_assert_eq(green_getnameinfo(sa, sizeof(in), host, sizeof(host), port, sizeof(port),
                                   NI_NUMERICSERV, GREEN_FOREVER),
                 0);
    cr_assert_str_eq(host, want);
    cr_assert_str_eq(port, "80");
    cr_assert_eq(green_getnameinfo(sa, sizeof(in), NULL, 0, port, sizeof(port), NI_NUMERICSERV,
                                   GREEN_FOREVER),
                 0);
    cr_assert_eq(green_getnameinfo(sa, sizeof(in), host, 3, NULL, 0, NI_NUMERICHOST, GREEN_FOREVER),
                 EAI_OVERFLOW);
    cr_assert_eq(green_getnameinfo(sa, 0, host, sizeof(host), NULL, 0, 0, 0), EAI_FAMILY);
    cr_assert_eq(green_getnameinfo(sa, 100000, host, sizeof(host), NULL, 0, 0, 0), EAI_FAMILY);
}

Test(dns, returns_when_the_time_is_over_or_it_is_interrupted)
{
    struct addrinfo *found = NULL;
    errno = 0;
    cr_assert_eq(green_getaddrinfo("localhost", NULL, NULL, &found, 0), EAI_SYSTEM);
    cr_assert_eq(errno, ETIMEDOUT);
    struct green_timeout *t = green_timeout_start_new(0, -EPROTO);
    while (green_timeout_pending(t)) {
        gr_yield();
    }
    cr_assert_eq(green_getaddrinfo("localhost", NULL, NULL, &found, GREEN_FOREVER), EAI_SYSTEM);
    cr_assert_eq(errno, EPROTO);
    green_timeout_free(t);
    cr_assert_null(found);
    settle();
    cr_assert_eq(gr_self->hub->n_greens, 1, "the lookups have ended by themselves");
}

/* A resolver whose server never answers for one name; it waits as the shim's does. */
static int n_asked, n_left;

static void leave(int *asked)
{
    (void)asked;
    n_left++;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (node && strcmp(node, "hang.test") == 0 && !(hints && hints->ai_flags & AI_NUMERICHOST)) {
        int asked __attribute__((cleanup(leave))) = ++n_asked;
        struct green_event *never = green_event_new();
        errno = -green_event_wait(never, GREEN_FOREVER);
        green_event_free(never);
        return EAI_SYSTEM;
    }
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    }
    return real(node, service, hints, out);
}

static void *look_up_hanging(void *arg)
{
    struct addrinfo *found = arg;
    int rc = green_getaddrinfo("hang.test", NULL, NULL, &found, GREEN_FOREVER);
    cr_assert(rc == EAI_SYSTEM && found == arg);
    return (void *)(intptr_t)errno;
}

Test(dns, a_server_that_never_answers_can_be_left)
{
    struct addrinfo *found = NULL;
    char address[INET_ADDRSTRLEN];
    errno = 0;
    cr_assert_eq(green_getaddrinfo("hang.test", "80", NULL, &found, MS(2)), EAI_SYSTEM);
    cr_assert(errno == ETIMEDOUT && !found);
    errno = 0;
    cr_assert_eq(green_gethostbyname("hang.test", address, MS(2)), EAI_SYSTEM);
    cr_assert_eq(errno, ETIMEDOUT);
    GREEN_TIMEOUT(t, MS(2))
    {
        cr_assert_eq(green_getaddrinfo("hang.test", NULL, NULL, &found, GREEN_FOREVER), EAI_SYSTEM);
        cr_assert(errno == ETIMEDOUT && green_timeout_fired(t));
    }
    struct greenlet *g;
    void *why = NULL;
    cr_assert_eq(green_spawn(look_up_hanging, NULL, &g), 0);
    settle();
    cr_assert_eq(n_asked, 4);
    cr_assert_eq(green_kill(g, -EPROTO, GREEN_S(30)), 0);
    cr_assert_eq(green_get(g, &why, 0), 0);
    cr_assert_eq((intptr_t)why, EPROTO);
    green_unref(g);
    settle();
    cr_assert_eq(n_left, 4, "the lookups have ended, too");
    cr_assert_eq(gr_self->hub->n_greens, 1);
}

static atomic_int foreign_rc;

static void *look_up(void *arg)
{
    struct addrinfo *found = NULL;
    (void)arg;
    int rc = green_getaddrinfo("localhost", NULL, NULL, &found, GREEN_FOREVER);
    if (rc == 0) {
        freeaddrinfo(found);
    }
    atomic_store(&foreign_rc, rc + 1000);
    for (int i = 0; i < 100; i++) {
        found = NULL;
        rc = green_getaddrinfo("localhost", NULL, NULL, &found, i * MS(1) / 50);
        if (rc == 0) {
            freeaddrinfo(found);
        } else if (rc != EAI_SYSTEM || errno != ETIMEDOUT) {
            atomic_store(&foreign_rc, rc);
        }
    }
    return NULL;
}

Test(dns, kernel_thread_may_look_up_and_leave_at_any_moment)
{
    pthread_t t = foreign(look_up, NULL);
    join_foreign(t);
    cr_assert_eq(atomic_load(&foreign_rc), 1000);
    settle();
    cr_assert_eq(gr_self->hub->n_greens, 1);
}
