/* <pthread.h>: threads. Each is a green, once the process has started one. */
#include "shim/pthread_thread.h"
#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "runtime/core/tls.h"
#include "runtime/svc/watchdog.h"
#include "runtime/sync/sync.h"
#include "shim/body.h"
#include "shim/futex.h"
#include "shim/maker.h"
#include "shim/pthread_shared.h"
#include "shim/sched.h"
#include "shim/shim.h"

#include <linux/futex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define FULL_STACKS 32768
#define POLL_NS     1000000 /* between looks at whether others still live */

/* --- creation --- */

static void thread_ends(struct green *g)
{
    g->cancel_async = false;
    gr_keys_end(g);
    gr_resolver_end();
    gr_shared_mutexes_end(g);
    if (g->sched) {
        free(g->sched);
        g->sched = NULL;
    }
    if (g->tid_word) {
        __atomic_store_n(g->tid_word, 0, __ATOMIC_SEQ_CST);
        (void)gr_futex(g->tid_word, FUTEX_WAKE, 1, 0, NULL, 0);
    }
}

extern void __tsan_init(void) GR_WEAK;
extern void __msan_init(void) GR_WEAK;

const char *gr_sanitizer(void)
{
    return &__tsan_init ? "ThreadSanitizer" : &__msan_init ? "MemorySanitizer" : NULL;
}

/* Before the first green. */
static const char *prepare(void)
{
    if (gr_sanitizer()) {
        return gr_sanitizer();
    }
    gr_green_on_exit = thread_ends;
    gr_real_clocks();
    gr_resolver_start();
    gr_natives = !gr_at_start && gr_has_other_threads();
    if (!gr_at_start && !gr_body_hooked(GREEN_THREAD | GREEN_SIGNAL | GREEN_SUBPROCESS)) {
        gr_config.tp_trap = 0; /* libc may block SIGSEGV, or the program take it */
    }
    return gr_sync_check();
}

void gr_threads_init(void)
{
    gr_kernel_thread_create = real.pthread_create;
    gr_runtime_prepare = prepare;
}

/*
 * The first thread starts the runtime. If that is refused the process goes on with kernel threads,
 * for good, and one line says so: thread-local storage is what everything else rests on.
 */
static bool start_runtime(void)
{
    static bool refused;
    if (gr_active || refused || !gr_config.enabled) {
        return gr_active;
    }
    if (!gr_on_main_thread()) {
        return false; /* one that was there before us: its threads are as it is */
    }
    const char *why;
    if (gr_runtime_start(&why)) {
        refused = true;
        gr_log("threads stay kernel threads: %s", why);
        return false;
    }
    if (!gr_body_parts && gr_config.deep) {
        gr_log("calls inside libc block all threads: %s", gr_body_refusal());
    }
    gr_debug(1, "threads are green from here on");
    return true;
}

/* Has the program changed what threads get that ask for nothing? */
static bool has_defaults;

static size_t standard_size; /* 0: not looked at yet */

/* The size libc gives to threads that ask for none. */
static size_t standard_stack_size(void)
{
    pthread_attr_t plain;
    if (!standard_size && pthread_attr_init(&plain) == 0) {
        (void)pthread_attr_getstacksize(&plain, &standard_size);
        (void)pthread_attr_destroy(&plain);
    }
    return standard_size;
}

/* pthread_setattr_default_np - <pthread.h>. Class: TRACK. */
GR_SHIM int pthread_setattr_default_np(const pthread_attr_t *attr)
{
    int rc = real.pthread_setattr_default_np(attr);
    if (rc == 0) {
        has_defaults = true;
        standard_size = 0;
    }
    return rc;
}

/* As many threads as the kernel lets a program have get the stack that libc would give them. Beyond
 * that there is nothing to be the same as, and page tables count: small ones. */
static size_t default_stack_size(const struct gr_hub *h)
{
    bool small = gr_config.stack_size || h->n_greens >= FULL_STACKS;
    return small && !has_defaults ? 0 : standard_stack_size();
}

static void read_attr(const struct gr_hub *h, const pthread_attr_t *attr, struct gr_green_attr *out)
{
    int state;
    size_t size;
    sigset_t mask;
    *out = (struct gr_green_attr){.guard_size = 4096};
    if (!attr) {
        out->stack_size = default_stack_size(h);
        return;
    }
    (void)pthread_attr_getdetachstate(attr, &state);
    out->detached = state == PTHREAD_CREATE_DETACHED;
    (void)pthread_attr_getguardsize(attr, &out->guard_size);
    if (pthread_attr_getsigmask_np(attr, &mask) == 0) {
        out->has_mask = true;
        memcpy(&out->mask, &mask, sizeof(out->mask));
    }
    /* A size that the program did not choose is the process's default. */
    (void)pthread_attr_getstacksize(attr, &size);
    out->stack_size = size == standard_stack_size() ? default_stack_size(h) : size;
    void *addr = NULL;
    if (pthread_attr_getstack(attr, &addr, &size) == 0 && (uintptr_t)addr + size != 0) {
        out->stack_addr = addr;
        out->stack_size = size;
    }
}

static int create(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    struct gr_green_attr a;
    struct gr_sched *sched;
    struct green *g;
    read_attr(gr_hub_here(), attr, &a);
    int rc = gr_sched_for_new(attr, &sched);
    if (rc) {
        return -rc;
    }
    rc = gr_green_new(&a, fn, arg, &g);
    if (rc) {
        free(sched);
        return -rc;
    }
    g->sched = sched;
    gr_watchdog_start();
    *out = gr_green_thread(g); /* before it runs: it may look at it */
    gr_green_start(g);
    return 0;
}

void gr_helper_begin(void)
{
    gr_hub_foreign();
    gr_tp_pin();
}

void gr_helper_end(void)
{
    gr_tp_unpin();
}

int gr_thread_create(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *), void *arg,
                     const void *caller)
{
    struct gr_hub *h = gr_hub_here();
    if (!gr_self && (h || gr_active)) {
        /* libuv's workers, or a thread of a kernel thread that is not ours: it may wake greens
         * whenever it likes. */
        if (!h) {
            gr_hub_foreign();
        }
        return real.pthread_create(out, attr, fn, arg);
    }
    if (GR_UNLIKELY(gr_body_of_libc(caller) ||
                    (gr_config.enabled && gr_maker_needs_kernel_threads(caller)))) {
        /* libc's own helpers, for asynchronous I/O and timers, and the teams of OpenMP wait in ways
         * that only kernel threads can. */
        gr_helper_begin();
        int rc = real.pthread_create(out, attr, fn, arg);
        gr_helper_end();
        return rc;
    }
    if (!start_runtime()) {
        return real.pthread_create(out, attr, fn, arg);
    }
    GR_COUNT(pthread_create);
    pthread_attr_t defaults;
    if (GR_UNLIKELY(!attr && has_defaults) && pthread_getattr_default_np(&defaults) == 0) {
        int rc = create(out, &defaults, fn, arg);
        (void)pthread_attr_destroy(&defaults);
        return rc;
    }
    return create(out, attr, fn, arg);
}

GR_SHIM int pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *),
                           void *arg)
{
    return gr_thread_create(out, attr, fn, arg, __builtin_return_address(0));
}

/* --- end --- */

GR_SHIM int pthread_join(pthread_t t, void **value)
{
    struct green *g = gr_thread_green(t);
    if (!g) {
        return real.pthread_join(t, value);
    }
    return gr_ret_pos(gr_green_join(g, value, GR_FOREVER));
}

GR_SHIM int pthread_tryjoin_np(pthread_t t, void **value)
{
    struct green *g = gr_thread_green(t);
    if (!g) {
        return real.pthread_tryjoin_np(t, value);
    }
    if (g->state != GR_DONE && g->state != GR_FREE) {
        return EBUSY; /* whoever may join it */
    }
    return gr_ret_pos(gr_green_tryjoin(g, value));
}

static int join_until(struct green *g, void **value, clockid_t clock, const struct timespec *abs)
{
    if (!abs) {
        return gr_ret_pos(gr_green_join(g, value, GR_FOREVER));
    }
    if (!gr_timespec_ok(abs)) {
        return EINVAL;
    }
    return gr_ret_pos(gr_green_join(g, value, gr_deadline_at(clock, abs)));
}

GR_SHIM int pthread_timedjoin_np(pthread_t t, void **value, const struct timespec *abs)
{
    struct green *g = gr_thread_green(t);
    return g ? join_until(g, value, CLOCK_REALTIME, abs) : real.pthread_timedjoin_np(t, value, abs);
}

GR_SHIM int pthread_clockjoin_np(pthread_t t, void **value, clockid_t clock,
                                 const struct timespec *abs)
{
    struct green *g = gr_thread_green(t);
    if (!g) {
        return real.pthread_clockjoin_np(t, value, clock, abs);
    }
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) {
        return EINVAL;
    }
    return join_until(g, value, clock, abs);
}

GR_SHIM int pthread_detach(pthread_t t)
{
    struct green *g = gr_thread_green(t);
    return g ? gr_ret_pos(gr_green_detach(g)) : real.pthread_detach(t);
}

/*
 * main() runs on a base of ours: a main thread that calls pthread_exit() ends as a green does,
 * while the others go on, and the process ends with the last of them. Not if we were loaded late.
 */
static int (*program_main)(int, char **, char **);

/* libc unwinds the stack, running cleanup handlers and destructors, down to the base that green.c
 * or start_main() laid. */
GR_SHIM void pthread_exit(void *value)
{
    struct green *g = gr_on_green();
    if (g) {
        while (g->is_main && !program_main && g->hub->n_greens > 1) {
            /* libc's own base ends the process. */
            (void)gr_sleep_until(gr_deadline_in(POLL_NS), 0);
        }
        g->retval = value;
        g->exiting = true;
    }
    real.pthread_exit(value);
    __builtin_unreachable();
}

static int start_main(int argc, char **argv, char **envp)
{
    __pthread_unwind_buf_t buf;
    if (__sigsetjmp_cancel(buf.__cancel_jmp_buf, 0) == 0) {
        __pthread_register_cancel(&buf);
        int status = program_main(argc, argv, envp);
        __pthread_unregister_cancel(&buf);
        return status;
    }
    if (gr_self) {
        gr_green_exit(gr_self->retval);
    }
    /* No thread was ever made, or they are kernel threads: go on to libc's own base. */
    __pthread_unregister_cancel(&buf);
    real.pthread_exit(NULL);
    __builtin_unreachable();
}

GR_SHIM int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv,
                              int (*init)(int, char **, char **), void (*fini)(void),
                              void (*rtld_fini)(void), void *stack_end)
{
    program_main = main;
    return real.__libc_start_main(gr_config.enabled ? start_main : main, argc, argv, init, fini,
                                  rtld_fini, stack_end);
}

/* libc tells a detached thread by a mark of its own, and may know of no guard of ours. */
GR_SHIM int pthread_getattr_np(pthread_t t, pthread_attr_t *attr)
{
    int rc = real.pthread_getattr_np(t, attr);
    struct green *g = gr_thread_green(t);
    if (rc == 0 && g && !g->is_main && g->join == GR_DETACHED) {
        rc = pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED);
    }
    if (rc == 0 && g && g->stack.base && !g->user_stack) {
        rc = pthread_attr_setguardsize(attr, g->stack.guard);
    }
    return rc;
}

/* --- names --- */

GR_SHIM int pthread_setname_np(pthread_t t, const char *name)
{
    struct green *g = gr_thread_green(t);
    if (!g || g->is_main) {
        return real.pthread_setname_np(t, name);
    }
    size_t n = strnlen(name, sizeof(g->name));
    if (n >= sizeof(g->name)) {
        return ERANGE;
    }
    memcpy(g->name, name, n + 1);
    return 0;
}

static const char *inherited_name(char buf[16])
{
    return GR_SYS(SYS_prctl, PR_GET_NAME, buf) ? "" : buf;
}

GR_SHIM int pthread_getname_np(pthread_t t, char *buf, size_t n)
{
    struct green *g = gr_thread_green(t);
    if (!g || g->is_main) {
        return real.pthread_getname_np(t, buf, n);
    }
    if (n < sizeof(g->name)) {
        return ERANGE;
    }
    char comm[16];
    const char *name = g->name[0] ? g->name : inherited_name(comm);
    memcpy(buf, name, strnlen(name, sizeof(comm) - 1) + 1);
    return 0;
}

/* PR_SET_NAME and PR_GET_NAME are about the calling thread. */
GR_SHIM int prctl(int option, ...)
{
    va_list ap;
    unsigned long a[4];
    va_start(ap, option);
    for (int i = 0; i < 4; i++) {
        a[i] = va_arg(ap, unsigned long);
    }
    va_end(ap);
    struct green *g = gr_on_green();
    if (!g || g->is_main || (option != PR_SET_NAME && option != PR_GET_NAME)) {
        return real.prctl(option, a[0], a[1], a[2], a[3]);
    }
    char comm[16];
    if (option == PR_GET_NAME) {
        strncpy((char *)a[0], g->name[0] ? g->name : inherited_name(comm), sizeof(comm));
        return 0;
    }
    size_t n = strnlen((const char *)a[0], sizeof(comm) - 1);
    memcpy(g->name, (const char *)a[0], n);
    g->name[n] = '\0';
    return 0;
}

/* --- signals to threads; libc blocks every signal while it sends one to a thread of its own --- */

static int send_signal(struct green *g, int sig, const siginfo_t *info)
{
    if (g->state == GR_FREE) {
        return ESRCH;
    }
    if (g->state == GR_DONE) {
        return sig < 0 || sig >= NSIG ? EINVAL : 0;
    }
    return gr_ret_pos(gr_sig_send(g, sig, info));
}

GR_SHIM int pthread_kill(pthread_t t, int sig)
{
    struct green *g = gr_thread_green(t);
    if (g) {
        return send_signal(g, sig, NULL);
    }
    gr_tp_pin();
    int rc = real.pthread_kill(t, sig);
    gr_tp_unpin();
    return rc;
}

GR_SHIM int pthread_sigqueue(pthread_t t, int sig, const union sigval val)
{
    struct green *g = gr_thread_green(t);
    if (!g) {
        return real.pthread_sigqueue(t, sig, val);
    }
    siginfo_t info = {.si_signo = sig, .si_code = SI_QUEUE};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value = val;
    return send_signal(g, sig, &info);
}

/* --- cancellation --- */

/* A request is kept in the green and acted upon at its next cancellation point, by
 * gr_interrupt_act(); a wait that is one is ended for it. */
GR_SHIM int pthread_cancel(pthread_t t)
{
    struct green *g = gr_thread_green(t);
    if (!g) {
        gr_tp_pin();
        int rc = real.pthread_cancel(t);
        gr_tp_unpin();
        return rc;
    }
    if (g->state == GR_FREE) {
        return ESRCH;
    }
    if (g->state == GR_DONE) {
        return 0;
    }
    atomic_store(&g->cancel_pending, true);
    if (g != gr_self) {
        gr_hub_remote(g->hub, g);
    } else if (g->cancel_async) {
        gr_look_for_cancel();
    }
    return 0;
}

GR_SHIM int pthread_setcancelstate(int state, int *old)
{
    struct green *g = gr_on_green();
    if (!g) {
        return real.pthread_setcancelstate(state, old);
    }
    if (state != PTHREAD_CANCEL_ENABLE && state != PTHREAD_CANCEL_DISABLE) {
        return EINVAL;
    }
    if (old) {
        *old = g->cancel_disabled ? PTHREAD_CANCEL_DISABLE : PTHREAD_CANCEL_ENABLE;
    }
    g->cancel_disabled = state == PTHREAD_CANCEL_DISABLE;
    if (g->cancel_async) {
        gr_look_for_cancel();
    }
    return 0;
}

GR_SHIM int pthread_setcanceltype(int type, int *old)
{
    struct green *g = gr_on_green();
    if (!g) {
        return real.pthread_setcanceltype(type, old);
    }
    if (type != PTHREAD_CANCEL_DEFERRED && type != PTHREAD_CANCEL_ASYNCHRONOUS) {
        return EINVAL;
    }
    if (old) {
        *old = g->cancel_async ? PTHREAD_CANCEL_ASYNCHRONOUS : PTHREAD_CANCEL_DEFERRED;
    }
    g->cancel_async = type == PTHREAD_CANCEL_ASYNCHRONOUS;
    if (g->cancel_async) {
        gr_look_for_cancel();
    }
    return 0;
}

GR_SHIM void pthread_testcancel(void)
{
    if (!gr_on_green()) {
        real.pthread_testcancel();
        return;
    }
    gr_look_for_cancel();
}
