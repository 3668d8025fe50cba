/*
 * Threads cannot stop each other without signals, whose handlers the program would see. A process
 * can stop them: one that shares our memory and ends before the caller goes on. It traces every
 * thread but the caller's, as a debugger does, and lets them go by detaching.
 */
#include "shim/standstill.h"

#include "runtime/arch/tp.h"
#include "runtime/base/compiler.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#define STACK_SIZE (64UL << 10)
#define MAX_TIDS   32768
#define TRIES      200
#define PAUSE_NS   1000000 /* between tries */

struct stopped {
    int tid;
    int sig; /* that it was about to receive; 0: none */
};

struct job {
    bool (*may_stop)(uintptr_t pc, void *arg);
    void (*fn)(void *arg);
    void *arg;
    char tasks[32]; /* /proc/PID/task */
    int caller;
    const char *why;
    bool done;
    unsigned n;
    struct stopped threads[MAX_TIDS];
    char stack[STACK_SIZE] __attribute__((aligned(16)));
};

static void pause_for(long ns)
{
    struct timespec t = {.tv_nsec = ns};
    (void)GR_SYS(SYS_nanosleep, &t, NULL);
}

static bool is_known(const struct job *j, int tid)
{
    for (unsigned i = 0; i < j->n; i++) {
        if (j->threads[i].tid == tid) {
            return true;
        }
    }
    return false;
}

/* Wait until @t stands. False: it does not, or not in time. */
static bool await_stop(struct job *j, struct stopped *t)
{
    for (int i = 0; i < TRIES; i++) {
        int status = 0;
        long rc = GR_SYS(SYS_wait4, t->tid, &status, WNOHANG | __WALL, NULL);
        if (rc < 0 || (rc > 0 && !WIFSTOPPED(status))) {
            j->n--; /* it has ended */
            return true;
        }
        if (rc > 0) {
            t->sig = status >> 16 == 0 ? WSTOPSIG(status) : 0;
            return true;
        }
        pause_for(i < 10 ? 10000 : PAUSE_NS);
    }
    j->why = "another thread does not stop";
    return false;
}

static bool stop_one(struct job *j, int tid)
{
    if (j->n == MAX_TIDS) {
        j->why = "there are too many other threads";
        return false;
    }
    struct stopped *t = &j->threads[j->n];
    *t = (struct stopped){.tid = tid};
    long rc = GR_SYS(SYS_ptrace, PTRACE_SEIZE, tid, 0, 0);
    if (rc == -ESRCH) {
        return true; /* it has ended */
    }
    if (rc) {
        j->why = "there are other threads and ptrace() is not allowed to stop them";
        return false;
    }
    j->n++;
    (void)GR_SYS(SYS_ptrace, PTRACE_INTERRUPT, tid, 0, 0);
    return await_stop(j, t);
}

static int number(const char *s)
{
    int n = 0;
    for (; *s >= '0' && *s <= '9'; s++) {
        n = n * 10 + (*s - '0');
    }
    return *s ? -1 : n;
}

struct entry { /* struct linux_dirent64 */
    uint64_t ino;
    int64_t off;
    unsigned short size;
    unsigned char type;
    char name[];
};

/* One look at the list of threads: stop those that are new. *@found: there was one. */
static bool stop_listed(struct job *j, bool *found)
{
    _Alignas(struct entry) char buf[4096];
    int dir = (int)GR_SYS(SYS_openat, AT_FDCWD, j->tasks, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (dir < 0) {
        j->why = "there are other threads and no /proc to list them";
        return false;
    }
    long n = 0;
    while (!j->why && (n = GR_SYS(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
        const struct entry *e;
        for (long at = 0; at < n && !j->why; at += e->size) {
            e = (const struct entry *)(const void *)(buf + at);
            int tid = number(e->name);
            if (tid > 0 && tid != j->caller && !is_known(j, tid)) {
                *found = true;
                (void)stop_one(j, tid);
            }
        }
    }
    (void)GR_SYS(SYS_close, dir);
    return !j->why;
}

#if defined(__x86_64__)
static uintptr_t pc_of(const struct user_regs_struct *regs)
{
    return regs->rip;
}
#else
static uintptr_t pc_of(const struct user_regs_struct *regs)
{
    return regs->pc;
}
#endif

static bool stand_well(const struct job *j)
{
    for (unsigned i = 0; i < j->n; i++) {
        struct user_regs_struct regs;
        struct iovec v = {&regs, sizeof(regs)};
        if (GR_SYS(SYS_ptrace, PTRACE_GETREGSET, j->threads[i].tid, NT_PRSTATUS, &v) == 0 &&
            !j->may_stop(pc_of(&regs), j->arg)) {
            return false;
        }
    }
    return true;
}

static void let_go(struct job *j)
{
    for (unsigned i = 0; i < j->n; i++) {
        (void)GR_SYS(SYS_ptrace, PTRACE_DETACH, j->threads[i].tid, 0, j->threads[i].sig);
    }
    j->n = 0;
}

/* In a process of its own. */
static int helper(void *arg)
{
    struct job *j = arg;
    for (int i = 0; i < TRIES && !j->done && !j->why; i++) {
        bool found = true;
        while (found) {
            found = false;
            if (!stop_listed(j, &found)) {
                break;
            }
        }
        if (!j->why && stand_well(j)) {
            j->fn(j->arg);
            j->done = true;
        }
        let_go(j);
        if (!j->done) {
            pause_for(PAUSE_NS);
        }
    }
    if (!j->done && !j->why) {
        j->why = "other threads are in the way again and again";
    }
    GR_SYS(SYS_exit, 0);
    __builtin_unreachable();
}

static const char *run(struct job *j)
{
    (void)snprintf(j->tasks, sizeof(j->tasks), "/proc/%d/task", (int)GR_SYS(SYS_getpid));
    j->caller = (int)GR_SYS(SYS_gettid);
    /* Where only relatives may trace (Yama). */
    (void)GR_SYS(SYS_prctl, PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    int pid = clone(helper, j->stack + STACK_SIZE, CLONE_VM | CLONE_VFORK, j);
    (void)GR_SYS(SYS_prctl, PR_SET_PTRACER, 0, 0, 0, 0);
    if (pid < 0) {
        return "there are other threads and no process to stop them";
    }
    (void)GR_SYS(SYS_wait4, pid, NULL, __WALL, NULL);
    return j->why;
}

const char *gr_standstill(bool (*may_stop)(uintptr_t pc, void *arg), void (*fn)(void *arg),
                          void *arg)
{
    uint64_t all = ~0ULL;
    uint64_t before = 0;
    const char *why = NULL;
    bool others = gr_has_other_threads();
    struct job *j = NULL;
    if (others) {
        j = mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (j == MAP_FAILED) {
            return "out of memory";
        }
        j->may_stop = may_stop;
        j->fn = fn;
        j->arg = arg;
    }
    gr_tp_pin();
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof(before));
    if (others) {
        why = run(j);
    } else {
        fn(arg);
    }
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(before));
    gr_tp_unpin();
    if (others) {
        (void)munmap(j, sizeof(*j));
    }
    return why;
}
