/*
 * From a single-threaded process to one whose threads are greens, and what is left of it in a
 * forked child.
 *
 * Before the runtime is started nothing is changed: the process runs natively. It starts when the
 * first thread is asked for; then a trial green proves, from the inside, that thread-local storage
 * made by us behaves. If anything is not as expected the process stays on kernel threads.
 */
#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"
#include "runtime/core/lot.h"
#include "runtime/core/nudge.h"
#include "runtime/core/rest.h"
#include "runtime/core/signal.h"
#include "runtime/core/standin.h"
#include "runtime/core/tick.h"
#include "runtime/core/tid.h"
#include "runtime/core/tls.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool gr_active;

extern char __libc_single_threaded GR_WEAK;

/* --- the trial green --- */

struct trial {
    int *main_errno;
    uintptr_t main_thread;
    const struct green *green;
    const char *bad; /* first check that failed */
};

static GR_TLS int trial_tls = 42;

static bool stack_bounds_right(const struct trial *t)
{
    pthread_attr_t attr;
    void *low;
    size_t size;
    char here;
    if (pthread_getattr_np(pthread_self(), &attr)) {
        return false;
    }
    bool ok = pthread_attr_getstack(&attr, &low, &size) == 0 && &here >= (char *)low &&
              &here < (char *)low + size &&
              (char *)low + size == t->green->stack.base + t->green->stack.size;
    (void)pthread_attr_destroy(&attr);
    return ok;
}

static bool jumps_work(void)
{
    jmp_buf buf;
    volatile int n = 0;
    if (setjmp(buf) == 0) {
        n = 1;
        longjmp(buf, 1);
    }
    return n == 1;
}

static const char *check_from_inside(const struct trial *t)
{
    if (&errno == t->main_errno) {
        return "errno is not its own";
    }
    if ((uintptr_t)pthread_self() == t->main_thread ||
        (uintptr_t)pthread_self() != gr_tls_pthread(gr_tp_get())) {
        return "its identity is not its own";
    }
    if (errno != 0 || trial_tls != 42) {
        return "its variables are not initialised";
    }
    trial_tls = 7;
    errno = EDOM;
    if (!stack_bounds_right(t)) {
        return "its stack bounds are wrong";
    }
    if (!jumps_work()) {
        return "setjmp fails";
    }
    return NULL;
}

static void *trial_body(void *arg)
{
    struct trial *t = arg;
    if (!gr_tls_n_malloc_words && gr_tls_probe_malloc(gr_tp_get())) {
        t->bad = "malloc's state was not found";
        return NULL;
    }
    t->bad = check_from_inside(t);
    gr_yield();
    if (!t->bad && (errno != EDOM || trial_tls != 7)) {
        t->bad = "its variables did not survive a switch";
    }
    gr_self->retval = t;
    pthread_exit(t); /* no cleanup handler on the way: its unwinding is the business of the
                        program's own runtime */
}

/* Twice: the second time on the same block, which must look new. */
static const char *try_green(void)
{
    for (int round = 0; round < 2; round++) {
        struct trial t = {.main_errno = &errno, .main_thread = (uintptr_t)pthread_self()};
        struct gr_green_attr attr = {.guard_size = 4096};
        struct green *g;
        void *value = NULL;
        if (gr_green_new(&attr, trial_body, &t, &g)) {
            return "out of memory";
        }
        t.green = g;
        gr_green_start(g);
        (void)gr_green_join(g, &value, GR_FOREVER);
        if (t.bad) {
            return t.bad;
        }
        if (value != &t) {
            return "pthread_exit does not unwind it";
        }
    }
    return NULL;
}

/* --- start --- */

bool gr_has_other_threads(void)
{
    struct stat st;
    return stat("/proc/self/task", &st) == 0 && st.st_nlink > 3;
}

static struct green *make_main_green(struct gr_hub *h)
{
    struct green *g = calloc(1, sizeof(*g));
    if (!g || gr_heap_reserve(&h->timers, 64)) {
        free(g);
        return NULL;
    }
    g->ctx.tp = gr_tp_get();
    g->hub = h;
    g->state = GR_RUNNING;
    g->is_main = true;
    g->heap_index = -1;
    g->id = 1;
    g->tid = h->tid;
    g->join = GR_JOINABLE;
    g->sig_altstack = (stack_t){.ss_flags = SS_DISABLE};
    gr_list_init(&g->link);
    gr_list_push_back(&h->all, &g->all);
    h->main = g;
    h->current = g;
    h->created = 1;
    h->n_greens = 1;
    h->n_peak = 1;
    return g;
}

/* libc has been told of threads before it made one. */
static bool libc_deceived;

void gr_runtime_making_threads(bool now)
{
    now ? gr_tp_pin() : gr_tp_unpin();
    if (libc_deceived) {
        __libc_single_threaded = now;
        libc_deceived = now;
    }
}

int (*gr_kernel_thread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                               void *) = pthread_create;

int gr_kernel_thread_start(void *(*fn)(void *), void *arg, size_t stack_size)
{
    uint64_t mask = ~GR_SIG_LIBC;
    uint64_t old;
    pthread_attr_t attr;
    pthread_t thread;
    int rc = pthread_attr_init(&attr);
    if (rc) {
        return -rc;
    }
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (stack_size) {
        (void)pthread_attr_setstacksize(&attr, stack_size);
    }
    gr_runtime_making_threads(true);
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, sizeof(mask));
    rc = gr_kernel_thread_create(&thread, &attr, fn, arg);
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(mask));
    gr_runtime_making_threads(false);
    (void)pthread_attr_destroy(&attr);
    return -rc;
}

/* One way of thread-local storage: all that greens need, and the trial. What is wrong, or NULL. */
static const char *start_with(enum gr_config_tls way, bool others)
{
    const char *why = NULL;
    if (gr_tls_init(way, &why)) {
        return why;
    }
    struct gr_hub *h = gr_hub_new(&why);
    struct green *main = h ? make_main_green(h) : NULL;
    if (main) {
        h->no_native = others;
        gr_self = main;
        gr_sig_init(main);
        why = try_green();
        if (!why) {
            return NULL;
        }
        gr_self = NULL;
        free(main);
    }
    if (h) {
        gr_hub_free(h);
    }
    gr_tls_fini();
    return why ? why : "out of memory";
}

const char *(*gr_runtime_prepare)(void);

bool gr_on_main_thread(void)
{
    return GR_SYS(SYS_gettid) == GR_SYS(SYS_getpid);
}

int gr_runtime_start(const char **why)
{
    static const char *const names[] = {"clone", "harvest"};
    static char reasons[300];
    if (gr_active) {
        return 0;
    }
    if (gr_runtime_prepare && (*why = gr_runtime_prepare())) {
        return -ENOTSUP;
    }
    if (gr_config.tls == GR_TLS_OFF) {
        *why = "GREENSHIM_TLS=off";
        return -ENOTSUP;
    }
    int saved = errno;
    bool others = gr_has_other_threads();
    size_t n = 0;
    gr_tp_init(gr_config.tp_trap);
    for (long way = gr_config.tls;; way++) {
        if (way == GR_TLS_OFF) {
            *why = reasons;
            errno = saved;
            return -ENOTSUP;
        }
        const char *bad = start_with((enum gr_config_tls)way, others);
        gr_debug(1, "thread-local storage by %s: %s", names[way], bad ? bad : "good");
        if (!bad) {
            break;
        }
        n += (size_t)snprintf(reasons + n, sizeof(reasons) - n, "%s%s: %s", n ? "; " : "",
                              names[way], bad);
    }
    struct gr_hub *h = gr_self->hub;
    h->created = 1; /* the trial does not count */
    h->n_peak = 1;
    h->switches = 0;
    gr_cpu_start(h);
    memset(h->parks, 0, sizeof(h->parks));
    gr_sig_start();
    gr_tp_arm();
    if (&__libc_single_threaded && __libc_single_threaded) {
        __libc_single_threaded = 0; /* libstdc++ leaves out its locks otherwise */
        libc_deceived = true;
    }
    gr_active = true;
    errno = saved;
    return 0;
}

void gr_runtime_fork_child(void)
{
    struct green *g = gr_self;
    if (!g) {
        return;
    }
    struct gr_hub *h = g->hub;
    g->crit++;
    if (h->loop) {
        gr_loop_abandon(h->loop);
        h->loop = NULL;
    }
    gr_list_init(&h->run);
    gr_list_init(&h->ready);
    gr_list_init(&h->idle);
    gr_list_init(&h->all);
    for (int i = 0; i < GR_N_CACHES; i++) {
        gr_list_init(&h->cache[i]); /* libc has unlinked them */
    }
    gr_heap_clear(&h->timers);
    gr_alarm_fork_child(h, g);
    h->to_arm = NULL;
    h->to_submit = NULL;
    gr_standin_fork_child(h);
    h->zombie = NULL;
    atomic_store(&h->remote, NULL);
    atomic_store(&h->requests, NULL);
    h->lacking = NULL;
    atomic_store(&h->sleeping, false);
    h->n_fd_waits = 0;
    h->n_jobs = 0;
    h->n_cached = 0;
    h->n_greens = 1;
    h->no_native = false;
    h->tid = (int)GR_SYS(SYS_gettid);
    h->main = g; /* the thread that forked is the child's main thread */
    h->current = g;
    gr_list_push_back(&h->all, &g->all);
    g->is_main = true;
    g->tid = h->tid;
    atomic_store(&g->remote_queued, false);
    gr_tid_fork_child();
    gr_cpu_fork_child(h);
    gr_tls_fork_child();
    gr_fd_fork_child();
    gr_lot_fork_child();
    gr_rest_fork_child();
    gr_sig_fork_child();
    gr_nudge_fork_child(h);
    gr_tick_hub_new(h);
    gr_tp_arm();
    g->crit--;
}
