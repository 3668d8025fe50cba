/*
 * <sched.h>, <pthread.h>, <sys/resource.h>: scheduling attributes of threads.
 *
 * The main thread's are the carrier's. What another green sets for itself must not touch the rest,
 * so it is kept, inherited and reported, and has no other effect. Whether it may be set the kernel
 * decides: the call is made by a kernel thread that exists only for that and has the attributes
 * that the green had.
 */
#include "shim/sched.h"

#include "runtime/core/tid.h"
#include "shim/syscall.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PROBE_STACK 16384
#define MASK_BYTES  1024 /* of a set of processors, at most: 8192 of them */
#define OWN_IOPRIO  1    /* IOPRIO_WHO_PROCESS */
#define NICE_BASE   20   /* getpriority() by number gives this minus the nice value */
#define PROBE_SHARES                                                                               \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_VFORK)

struct gr_sched {
    int policy;
    struct sched_param param;
    int nice;
    int ioprio;
    long mask_bytes;
    uint64_t mask[MASK_BYTES / 8];
};

/* --- on a kernel thread of its own, under the thread pointer of the green that waits for it --- */

struct probe {
    const struct gr_sched *before; /* NULL: as the carrier */
    const struct gr_syscall *calls;
    int n_calls;
    struct gr_sched after;
    long rc;
};

static void apply(const struct gr_sched *s)
{
    (void)GR_SYS(SYS_setpriority, PRIO_PROCESS, 0, s->nice);
    (void)GR_SYS(SYS_sched_setscheduler, 0, s->policy, &s->param);
    (void)GR_SYS(SYS_sched_setaffinity, 0, s->mask_bytes, s->mask);
    (void)GR_SYS(SYS_ioprio_set, OWN_IOPRIO, 0, s->ioprio);
}

static void read_own(struct gr_sched *s)
{
    s->policy = (int)GR_SYS(SYS_sched_getscheduler, 0);
    (void)GR_SYS(SYS_sched_getparam, 0, &s->param);
    s->nice = NICE_BASE - (int)GR_SYS(SYS_getpriority, PRIO_PROCESS, 0);
    s->ioprio = (int)GR_SYS(SYS_ioprio_get, OWN_IOPRIO, 0);
    s->mask_bytes = GR_SYS(SYS_sched_getaffinity, 0, sizeof(s->mask), s->mask);
}

static int probe_main(void *arg)
{
    struct probe *p = arg;
    if (p->before) {
        apply(p->before);
    }
    for (int i = 0; i < p->n_calls && p->rc >= 0; i++) {
        p->rc = gr_syscall_make(&p->calls[i]);
    }
    read_own(&p->after);
    return 0;
}

/* The caller stands still meanwhile, as the two share one thread pointer. */
static void run_probe(struct probe *p)
{
    uint64_t all = ~0ULL;
    uint64_t old;
    char *stack = malloc(PROBE_STACK);
    if (!stack) {
        p->rc = -ENOMEM;
        return;
    }
    gr_enter(gr_self);
    gr_tp_pin();
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
    int saved = errno;
    if (clone(probe_main, stack + PROBE_STACK, PROBE_SHARES, p) < 0) {
        p->rc = -errno;
    }
    errno = saved;
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
    gr_tp_unpin();
    gr_leave(gr_self);
    free(stack);
}

/* --- attributes of a green --- */

/* Make @calls for a green with *@own, and keep there what they have set. */
static long set_for(struct gr_sched **own, const struct gr_syscall *calls, int n)
{
    struct probe p = {.before = *own, .calls = calls, .n_calls = n};
    run_probe(&p);
    if (p.rc < 0) {
        return p.rc;
    }
    if (!*own) {
        *own = malloc(sizeof(**own));
    }
    if (!*own) {
        return -ENOMEM;
    }
    **own = p.after;
    return p.rc;
}

long gr_sched_call(struct green *g, const struct gr_syscall *c, bool sets)
{
    if (g->is_main || (!g->sched && !sets)) {
        return gr_syscall_make(c); /* one carrier: the calling thread is the one */
    }
    if (sets) {
        return set_for(&g->sched, c, 1);
    }
    struct probe p = {.before = g->sched, .calls = c, .n_calls = 1};
    run_probe(&p);
    return p.rc;
}

static bool is_full(const cpu_set_t *set)
{
    cpu_set_t full;
    memset(&full, 0xff, sizeof(full));
    return CPU_EQUAL(set, &full);
}

int gr_sched_for_new(const pthread_attr_t *attr, struct gr_sched **out)
{
    struct gr_syscall calls[2];
    struct sched_param param;
    cpu_set_t set;
    int n = 0;
    int how;
    int policy;
    *out = NULL;
    if (gr_self->sched) {
        *out = malloc(sizeof(**out));
        if (!*out) {
            return -EAGAIN;
        }
        **out = *gr_self->sched;
    }
    if (!attr) {
        return 0;
    }
    if (pthread_attr_getinheritsched(attr, &how) == 0 && how == PTHREAD_EXPLICIT_SCHED) {
        (void)pthread_attr_getschedpolicy(attr, &policy);
        (void)pthread_attr_getschedparam(attr, &param);
        calls[n++] = (struct gr_syscall){SYS_sched_setscheduler, {0, policy, (long)&param}};
    }
    if (pthread_attr_getaffinity_np(attr, sizeof(set), &set) == 0 && !is_full(&set)) {
        calls[n++] = (struct gr_syscall){SYS_sched_setaffinity, {0, sizeof(set), (long)&set}};
    }
    long rc = n ? set_for(out, calls, n) : 0;
    if (rc < 0) {
        free(*out);
        return (int)rc;
    }
    return 0;
}

void gr_sched_fork_child(void)
{
    struct green *g = gr_self;
    if (g && g->sched) {
        apply(g->sched);
        free(g->sched);
        g->sched = NULL;
    }
}

/* --- by thread id --- */

/* The green whose id the program gave, 0 being the caller's; NULL: the kernel is to be asked. */
static struct green *green_with(pid_t tid)
{
    struct green *g = gr_on_green();
    return g && tid ? gr_tid_green(tid) : g;
}

/*
 * sched_*, getpriority, setpriority, nice - <sched.h>, <sys/resource.h>, <unistd.h>
 * Class:    EMULATE for green threads other than main.
 * Differs:  what such a thread sets is reported and inherited, and changes nothing else.
 */
#define BY_ID(tid, sets, otherwise, ...)                                                           \
    do {                                                                                           \
        struct green *by_id_ = green_with(tid);                                                    \
        if (!by_id_) {                                                                             \
            return otherwise;                                                                      \
        }                                                                                          \
        const struct gr_syscall by_id_call_ = {__VA_ARGS__};                                       \
        return (int)gr_ret(gr_sched_call(by_id_, &by_id_call_, sets));                             \
    } while (0)

GR_SHIM int sched_setaffinity(pid_t tid, size_t n, const cpu_set_t *set)
{
    BY_ID(tid, true, real.sched_setaffinity(tid, n, set), SYS_sched_setaffinity,
          {0, (long)n, (long)set});
}

/* The kernel fills as much as it knows, and tells how much. */
static long get_affinity(struct green *g, size_t n, cpu_set_t *set)
{
    const struct gr_syscall c = {SYS_sched_getaffinity, {0, (long)n, (long)set}};
    long rc = gr_sched_call(g, &c, false);
    if (rc < 0) {
        return rc;
    }
    memset((char *)set + rc, 0, n - (size_t)rc);
    return 0;
}

GR_SHIM int sched_getaffinity(pid_t tid, size_t n, cpu_set_t *set)
{
    struct green *g = green_with(tid);
    return g ? (int)gr_ret(get_affinity(g, n, set)) : real.sched_getaffinity(tid, n, set);
}

GR_SHIM int sched_setscheduler(pid_t tid, int policy, const struct sched_param *param)
{
    BY_ID(tid, true, real.sched_setscheduler(tid, policy, param), SYS_sched_setscheduler,
          {0, policy, (long)param});
}

GR_SHIM int sched_getscheduler(pid_t tid)
{
    BY_ID(tid, false, real.sched_getscheduler(tid), SYS_sched_getscheduler, {0});
}

GR_SHIM int sched_setparam(pid_t tid, const struct sched_param *param)
{
    BY_ID(tid, true, real.sched_setparam(tid, param), SYS_sched_setparam, {0, (long)param});
}

GR_SHIM int sched_getparam(pid_t tid, struct sched_param *param)
{
    BY_ID(tid, false, real.sched_getparam(tid, param), SYS_sched_getparam, {0, (long)param});
}

GR_SHIM int sched_rr_get_interval(pid_t tid, struct timespec *interval)
{
    BY_ID(tid, false, real.sched_rr_get_interval(tid, interval), SYS_sched_rr_get_interval,
          {0, (long)interval});
}

GR_SHIM int setpriority(__priority_which_t which, id_t who, int nice)
{
    if (which != PRIO_PROCESS) {
        return real.setpriority(which, who, nice);
    }
    BY_ID((pid_t)who, true, real.setpriority(which, who, nice), SYS_setpriority,
          {PRIO_PROCESS, 0, nice});
}

GR_SHIM int getpriority(__priority_which_t which, id_t who)
{
    struct green *g = which == PRIO_PROCESS ? green_with((pid_t)who) : NULL;
    if (!g) {
        return real.getpriority(which, who);
    }
    const struct gr_syscall c = {SYS_getpriority, {PRIO_PROCESS, 0}};
    long rc = gr_ret(gr_sched_call(g, &c, false));
    return rc < 0 ? (int)rc : NICE_BASE - (int)rc;
}

GR_SHIM int nice(int by)
{
    if (!gr_on_green()) {
        return real.nice(by);
    }
    int before = getpriority(PRIO_PROCESS, 0);
    if (setpriority(PRIO_PROCESS, 0, before + by)) {
        errno = errno == EACCES ? EPERM : errno;
        return -1;
    }
    return getpriority(PRIO_PROCESS, 0);
}

/* --- by pthread_t --- */

/* As BY_ID; 0 or an error number. */
#define BY_THREAD(t, sets, otherwise, ...)                                                         \
    do {                                                                                           \
        struct green *by_thread_ = gr_on_green() ? gr_thread_green(t) : NULL;                      \
        if (!by_thread_ || by_thread_->is_main) {                                                  \
            return otherwise;                                                                      \
        }                                                                                          \
        if (by_thread_->state == GR_DONE || by_thread_->state == GR_FREE) {                        \
            return ESRCH;                                                                          \
        }                                                                                          \
        const struct gr_syscall by_thread_call_ = {__VA_ARGS__};                                   \
        return gr_ret_pos((int)gr_sched_call(by_thread_, &by_thread_call_, sets));                 \
    } while (0)

/* pthread_getschedparam and the like - <pthread.h>. As above. */
GR_SHIM int pthread_setschedparam(pthread_t t, int policy, const struct sched_param *param)
{
    BY_THREAD(t, true, real.pthread_setschedparam(t, policy, param), SYS_sched_setscheduler,
              {0, policy, (long)param});
}

GR_SHIM int pthread_getschedparam(pthread_t t, int *policy, struct sched_param *param)
{
    struct green *g = gr_on_green() ? gr_thread_green(t) : NULL;
    if (!g || g->is_main) {
        return real.pthread_getschedparam(t, policy, param);
    }
    if (g->state == GR_DONE || g->state == GR_FREE) {
        return ESRCH;
    }
    const struct gr_syscall get_policy = {SYS_sched_getscheduler, {0}};
    const struct gr_syscall get_param = {SYS_sched_getparam, {0, (long)param}};
    *policy = (int)gr_sched_call(g, &get_policy, false);
    return gr_ret_pos((int)gr_sched_call(g, &get_param, false));
}

GR_SHIM int pthread_setschedprio(pthread_t t, int priority)
{
    struct sched_param param = {.sched_priority = priority};
    BY_THREAD(t, true, real.pthread_setschedprio(t, priority), SYS_sched_setparam,
              {0, (long)&param});
}

GR_SHIM int pthread_setaffinity_np(pthread_t t, size_t n, const cpu_set_t *set)
{
    BY_THREAD(t, true, real.pthread_setaffinity_np(t, n, set), SYS_sched_setaffinity,
              {0, (long)n, (long)set});
}

GR_SHIM int pthread_getaffinity_np(pthread_t t, size_t n, cpu_set_t *set)
{
    struct green *g = gr_on_green() ? gr_thread_green(t) : NULL;
    if (!g || g->is_main) {
        return real.pthread_getaffinity_np(t, n, set);
    }
    return g->state == GR_DONE || g->state == GR_FREE ? ESRCH
                                                      : gr_ret_pos((int)get_affinity(g, n, set));
}

/* --- by number --- */

/* Which argument of @s is the id of a thread? -1: it is none of these calls. */
static int id_argument(const struct gr_call *s, bool *sets)
{
    switch (s->nr) {
    case SYS_sched_setattr:
    case SYS_sched_setaffinity:
    case SYS_sched_setscheduler:
    case SYS_sched_setparam:
        *sets = true;
        return 0;
    case SYS_sched_getattr:
    case SYS_sched_getaffinity:
    case SYS_sched_getscheduler:
    case SYS_sched_getparam:
    case SYS_sched_rr_get_interval:
        return 0;
    case SYS_setpriority:
    case SYS_ioprio_set:
        *sets = true;
        return s->a == (s->nr == SYS_setpriority ? (long)PRIO_PROCESS : OWN_IOPRIO) ? 1 : -1;
    case SYS_getpriority:
    case SYS_ioprio_get:
        return s->a == (s->nr == SYS_getpriority ? (long)PRIO_PROCESS : OWN_IOPRIO) ? 1 : -1;
    default:
        return -1;
    }
}

bool gr_call_sched(const struct gr_call *s, long *ret)
{
    struct gr_syscall c = {s->nr, {s->a, s->b, s->c, s->d}};
    bool sets = false;
    int at = id_argument(s, &sets);
    struct green *g = at >= 0 ? green_with((pid_t)c.arg[at]) : NULL;
    if (!g) {
        return false;
    }
    c.arg[at] = 0;
    *ret = gr_ret(gr_sched_call(g, &c, sets));
    return true;
}
