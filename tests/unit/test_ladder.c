/* What thread-local storage falls back to when the first way fails its checks. */
#include "sync.h"

#include "runtime/core/tls_layout.h"

#include <dlfcn.h>

TestSuite(ladder, .timeout = 60);

static int spoil; /* so many calls of pthread_exit() lose their value */

/* In front of libc's: the trial's last step. */
void pthread_exit(void *value)
{
    void (*real)(void *);
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_exit");
    if (spoil > 0) {
        spoil--;
        gr_self->retval = NULL;
    }
    real(value);
    abort();
}

static int refuse(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    (void)thread;
    (void)attr;
    (void)fn;
    (void)arg;
    return EAGAIN;
}

static int n_made;

static int count(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    n_made++;
    return pthread_create(thread, attr, fn, arg);
}

static unsigned n_listed(void)
{
    unsigned n = 0;
    const struct gr_list_node *first = list_node(desc_of(gr_tp_get()));
    for (const struct gr_list_node *at = first->next; at != first; at = at->next) {
        cr_assert_eq(at->next->prev, at);
        n++;
    }
    return n;
}

static __thread int variable = 5;
static pthread_key_t key;

static void *use(void *arg)
{
    bool fresh = variable == 5 && errno == 0 && !pthread_getspecific(key);
    variable = 6;
    pthread_setspecific(key, arg);
    gr_yield();
    bool kept = variable == 6 && pthread_getspecific(key) == arg;
    errno = EDOM;
    gr_tls_clear_keys(gr_tp_get(), key + 1);
    return fresh && kept ? arg : NULL;
}

static void greens_work(void)
{
    struct green *g[20];
    pthread_key_create(&key, NULL);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20; i++) {
            g[i] = spawn(use, &g[i]);
        }
        for (int i = 0; i < 20; i++) {
            cr_assert_eq(join(g[i]), &g[i]);
        }
    }
    cr_assert_eq(variable, 5);
}

static void start_by(enum gr_config_tls way)
{
    const char *why = "";
    gr_config_load(environ);
    gr_config.tls = way;
    gr_kernel_thread_create = count;
    cr_assert_eq(gr_runtime_start(&why), 0, "the runtime does not start: %s", why);
    cr_assert_eq(gr_hub_here()->n_greens, 1);
    cr_assert_eq(gr_hub_here()->created, 1, "the trials do not count");
}

Test(ladder, cloning_makes_no_kernel_thread)
{
    gr_tls_snapshot();
    start_by(GR_TLS_CLONE);
    greens_work();
    cr_assert_eq(n_made, 0);
}

Test(ladder, harvest_can_be_asked_for)
{
    gr_tls_snapshot();
    start_by(GR_TLS_HARVEST);
    greens_work();
    cr_assert_geq(n_made, 20);
    int before = n_made;
    greens_work();
    cr_assert_eq(n_made, before, "blocks are used again");
}

Test(ladder, harvest_follows_when_nothing_can_be_cloned)
{
    start_by(GR_TLS_CLONE);
    cr_assert_gt(n_made, 0);
    greens_work();
}

Test(ladder, harvest_follows_when_a_clone_fails_the_trial)
{
    gr_tls_snapshot();
    spoil = 1;
    start_by(GR_TLS_CLONE);
    cr_assert_eq(spoil, 0);
    cr_assert_gt(n_made, 0);
    greens_work();
}

Test(ladder, failed_trial_leaves_no_descriptor_behind)
{
    const char *why;
    gr_tls_snapshot();
    spoil = 1;
    gr_kernel_thread_create = refuse;
    cr_assert_eq(gr_runtime_start(&why), -ENOTSUP);
    cr_assert_eq(n_listed(), 1, "only main's node and the head of its list");
}

Test(ladder, kernel_threads_are_the_last_step_with_both_reasons)
{
    const char *why = NULL;
    gr_kernel_thread_create = refuse;
    errno = EDOM;
    cr_assert_eq(gr_runtime_start(&why), -ENOTSUP);
    cr_assert_eq(errno, EDOM);
    cr_assert_not_null(strstr(why, "clone: "), "%s", why);
    cr_assert_not_null(strstr(why, "harvest: "), "%s", why);
    cr_assert(!gr_active);
    cr_assert_null(gr_self);
    cr_assert_null(gr_hub_here());
}
