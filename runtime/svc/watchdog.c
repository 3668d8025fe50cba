/*
 * The watchdog and its helpers.
 *
 * The watchdog must not change what it watches. It takes no lock, allocates nothing, and does not
 * stop the carrier: what that one does is read from /proc and from memory. It has a table of
 * descriptors of its own, so the program meets none of its descriptors and may close what it likes.
 * Because of that, one thing is done for it by a second thread, the prober: to poll the program's
 * descriptors.
 */
#include "runtime/svc/watchdog.h"

#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"
#include "runtime/core/signal.h"
#include "runtime/svc/reporter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#define THREAD_STACK (128UL << 10)
#define PAGE         4096UL
#define TABLE_SIZE   4096    /* descriptors */
#define SAY_AFTER    GR_NSEC /* a stall that goes on is reported before it ends */
#define LOST_TRACK   GR_NSEC /* the watchdog itself stood still: the process was stopped */
#define PATIENCE     5       /* seconds at exit, for the reporter */

static long owner; /* process that is watched; a forked child is not */
static const struct gr_hub *hub;
static int64_t threshold;
static int64_t period;

static _Atomic uint32_t stop; /* futex: the process ends */
static _Atomic uint32_t done; /* futex: the watchdog has nothing more to say */

static int call_fd;   /* /proc/self/task/TID/syscall of the carrier */
static int sched_fd;  /* .../schedstat; -1: this kernel has none */
static int report_fd; /* socket to greenshim-report */

static void futex_wait(_Atomic uint32_t *word, uint32_t value, int64_t ns)
{
    struct timespec ts = gr_ns_timespec(ns);
    (void)GR_SYS(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, ns == GR_FOREVER ? NULL : &ts);
}

static void futex_wake(_Atomic uint32_t *word)
{
    (void)GR_SYS(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

/* --- the prober --- */

static _Atomic uint32_t questions; /* futex */
static _Atomic uint32_t answers;   /* futex */
static unsigned answer;

static void *prober(void *arg)
{
    for (uint32_t n = 0;; n++) {
        while (atomic_load(&questions) == n) {
            futex_wait(&questions, n, GR_FOREVER);
        }
        answer = gr_fd_held_up();
        atomic_store(&answers, n + 1);
        futex_wake(&answers);
    }
    return arg;
}

static unsigned ask_prober(void)
{
    uint32_t n = atomic_fetch_add(&questions, 1) + 1;
    futex_wake(&questions);
    for (uint32_t seen = atomic_load(&answers); seen != n; seen = atomic_load(&answers)) {
        futex_wait(&answers, seen, GR_FOREVER);
    }
    return answer;
}

/* --- what the carrier does --- */

struct clocks {
    int64_t now;
    int64_t cpu;   /* used by the carrier */
    int64_t delay; /* time it could have run but other processes did */
    uint64_t runs; /* times it got the processor */
};

/* What tells one run of a green from another. */
struct run {
    uint64_t switches;
    struct green *green;
};

static int64_t carrier_cpu(void)
{
    struct timespec ts = {0};
    clockid_t clock = (int)(~(unsigned)hub->tid << 3 | 6); /* pthread_getcpuclockid() */
    (void)GR_SYS(SYS_clock_gettime, clock, &ts);
    return gr_timespec_ns(&ts);
}

/* Read one of the files in /proc that are kept open. Length, or -errno. */
static long read_proc(int fd, char *buf, size_t size)
{
    long n = GR_SYS(SYS_pread64, fd, buf, size - 1, 0);
    buf[n > 0 ? n : 0] = '\0';
    return n;
}

static struct clocks clocks(void)
{
    char text[100];
    char *end = text;
    struct clocks c = {.now = gr_now(), .cpu = carrier_cpu()};
    if (read_proc(sched_fd, text, sizeof(text)) > 0) {
        (void)strtoull(text, &end, 10);
        c.delay = (int64_t)strtoull(end, &end, 10);
        c.runs = strtoull(end, NULL, 10);
    }
    return c;
}

static struct run run_of_hub(void)
{
    return (struct run){.switches = __atomic_load_n(&hub->switches, __ATOMIC_RELAXED),
                        .green = __atomic_load_n(&hub->current, __ATOMIC_RELAXED)};
}

/* Does the run go on? Not if the loop sleeps, as it may. */
static bool same_run(const struct run *r)
{
    struct run now = run_of_hub();
    return now.switches == r->switches && now.green == r->green && !atomic_load(&hub->sleeping);
}

/* What the kernel says of the carrier goes into @s: kind, call, registers. false: not known. */
static bool read_call(struct gr_stall *s)
{
    char text[200];
    char *p = text;
    if (read_proc(call_fd, text, sizeof(text)) <= 0) {
        return false;
    }
    s->sp = s->pc = 0;
    s->nr = -1;
    if (strncmp(text, "running", 7) == 0) {
        s->kind = GR_STALL_CPU;
        return true;
    }
    s->nr = strtoll(p, &p, 10);
    s->kind = s->nr < 0 ? GR_STALL_FAULT : GR_STALL_CALL;
    for (size_t i = 0; s->kind == GR_STALL_CALL && i < GR_ARRAY_SIZE(s->args); i++) {
        s->args[i] = strtoull(p, &p, 16);
    }
    s->sp = strtoull(p, &p, 16);
    s->pc = strtoull(p, &p, 16);
    return true;
}

/* --- stalls --- */

static struct {
    struct run run;
    unsigned held_up;
    struct clocks began; /* since then somebody has been held up */
    bool reported;
    bool said;     /* that it goes on */
    uint64_t runs; /* of the carrier, when it was noticed */
    int64_t last_seen;
} stall;

static struct gr_stall packet;

/* The stack as far as it is there. Its length. */
static size_t copy_stack(unsigned char *to, uint64_t sp)
{
    size_t n = 0;
    while (n < GR_STALL_STACK) {
        size_t some = PAGE - (sp + n) % PAGE;
        some = some < GR_STALL_STACK - n ? some : GR_STALL_STACK - n;
        if (gr_peek(to + n, (const char *)sp + n, some)) { /* NOLINT(performance-no-int-to-ptr) */
            break;
        }
        n += some;
    }
    return n;
}

static void send_packet(enum gr_stall_event event, size_t stack)
{
    packet.event = event;
    gr_reporter_send(report_fd, &packet, stack);
}

static void describe_green(const struct green *g)
{
    packet.green = 0;
    packet.name[0] = '\0';
    if (g && gr_peek(&packet.green, &g->id, sizeof(packet.green)) == 0) {
        (void)gr_peek(packet.name, g->name, sizeof(packet.name));
        packet.name[sizeof(packet.name) - 1] = '\0';
    }
}

/* Has it lasted long enough, by the clock that counts for its kind? On a busy machine, time in
 * which the carrier waited for a processor is neither blocked nor computing. */
static bool long_enough(const struct clocks *c)
{
    int64_t cpu = c->cpu - stall.began.cpu;
    int64_t blocked = c->now - stall.began.now - cpu - (c->delay - stall.began.delay);
    return (packet.kind == GR_STALL_CPU ? cpu : blocked) >= threshold;
}

/* Is the carrier still in the wait, or still computing, that was noticed? */
static bool same_doing(void)
{
    static struct gr_stall again; /* large */
    return read_call(&again) && again.kind == packet.kind && again.sp == packet.sp &&
           again.pc == packet.pc && again.nr == packet.nr;
}

static void notice_stall(const struct clocks *c)
{
    if (!read_call(&packet) || !long_enough(c)) {
        return;
    }
    describe_green(stall.run.green);
    size_t n = packet.kind == GR_STALL_CPU ? 0 : copy_stack(packet.stack, packet.sp);
    if (!same_doing() || !same_run(&stall.run)) {
        return; /* just over, or in the next call already */
    }
    packet.tid = hub->tid;
    packet.held_up = stall.held_up;
    packet.ns = c->now - stall.began.now;
    packet.switches = stall.run.switches;
    packet.switches_at = (uintptr_t)&hub->switches;
    send_packet(GR_STALL_BEGAN, n);
    stall.reported = true;
    stall.said = false;
    stall.runs = c->runs;
}

static void follow_stall(const struct clocks *c)
{
    packet.ns = c->now - stall.began.now;
    packet.held_up = stall.held_up > packet.held_up ? stall.held_up : packet.held_up;
    if (packet.ns >= SAY_AFTER && !stall.said) {
        send_packet(GR_STALL_GOES_ON, 0);
        stall.said = true;
    }
}

/* It ended somewhere between two looks; and it began between two. */
static void end_stall(void)
{
    if (stall.reported) {
        packet.ns = stall.last_seen - stall.began.now + period;
        send_packet(GR_STALL_ENDED, 0);
        stall.reported = false;
    }
}

static bool stall_goes_on(const struct clocks *c)
{
    return same_run(&stall.run) &&
           (!stall.reported ||
            (same_doing() && (packet.kind == GR_STALL_CPU || c->runs == stall.runs)));
}

static unsigned count_held_up(void)
{
    bool waits = __atomic_load_n(&hub->n_fd_waits, __ATOMIC_RELAXED);
    return gr_hub_held_up(hub) + (waits ? ask_prober() : 0);
}

static void look(void)
{
    struct clocks c = clocks();
    unsigned before = stall.held_up;
    if (!stall_goes_on(&c)) {
        end_stall();
        stall.run = run_of_hub();
        stall.held_up = 0;
        stall.began = c;
    } else {
        stall.held_up = count_held_up();
        if (stall.reported) {
            follow_stall(&c);
        } else if (!before || !stall.held_up || c.now - stall.last_seen > LOST_TRACK) {
            stall.began = c;
        } else if (c.now - stall.began.now >= threshold) {
            notice_stall(&c);
        }
    }
    stall.last_seen = c.now;
}

/* --- the watchdog --- */

/*
 * The kernel enlarges a table of descriptors at once if one thread has it, else it waits for all
 * processors, which takes as long as the stalls we look for. So that is done before the prober is
 * there, once and for most programs.
 */
static void enlarge_table(void)
{
    long fd = GR_SYS(SYS_eventfd2, 0, EFD_CLOEXEC);
    struct rlimit limit = {.rlim_cur = TABLE_SIZE};
    (void)GR_SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
    long top = limit.rlim_cur < TABLE_SIZE ? (long)limit.rlim_cur : TABLE_SIZE;
    (void)GR_SYS(SYS_close, GR_SYS(SYS_fcntl, fd, F_DUPFD_CLOEXEC, top - 1));
    (void)GR_SYS(SYS_close, fd);
}

/* A table of descriptors of our own, with nothing of the program's in it but standard error. */
static int leave_table(void)
{
    long rc = GR_SYS(SYS_close_range, 3, ~0U, CLOSE_RANGE_UNSHARE);
    if (rc) {
        return (int)-rc;
    }
    (void)GR_SYS(SYS_close, 0);
    (void)GR_SYS(SYS_close, 1);
    long fd;
    do {
        fd = GR_SYS(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= 2);
    (void)GR_SYS(SYS_close, fd);
    return fd < 0 ? (int)-fd : 0;
}

static int open_proc(const char *name)
{
    return (int)GR_SYS(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
}

static int open_carrier(void)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "/proc/self/task/%d/schedstat", hub->tid);
    sched_fd = open_proc(name);
    (void)snprintf(name, sizeof(name), "/proc/self/task/%d/syscall", hub->tid);
    call_fd = open_proc(name);
    return call_fd < 0 ? -call_fd : 0;
}

/*
 * The files in /proc of a process that has changed its user belong to root, until it says that it
 * may be looked at; only the opening counts.
 */
static const char *open_files(int *err)
{
    bool closed = GR_SYS(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0) != 1;
    if (closed) {
        (void)GR_SYS(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
    }
    const char *what = NULL;
    if ((*err = open_carrier())) {
        what = "/proc/self/task/TID/syscall";
    } else if ((report_fd = gr_reporter_start(call_fd)) < 0) {
        *err = -report_fd;
        what = "greenshim-report";
    }
    if (closed) {
        (void)GR_SYS(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
    return what;
}

/* What went wrong, and its error number. */
static const char *set_up(int *err)
{
    char probe;
    if ((*err = -gr_peek(&probe, "", 1))) {
        return "process_vm_readv";
    }
    if ((*err = -gr_kernel_thread_start(prober, NULL, THREAD_STACK))) {
        return "pthread_create";
    }
    if ((*err = leave_table())) {
        return "close_range";
    }
    return open_files(err);
}

static void *watchdog(void *arg)
{
    int err;
    const char *what = set_up(&err);
    if (what) {
        gr_log("blocking calls are not reported: %s: %s", what, strerror(err));
    } else {
        while (!atomic_load(&stop)) {
            look();
            futex_wait(&stop, 0, period);
        }
        end_stall();
        gr_reporter_finish(report_fd, PATIENCE);
    }
    atomic_store(&done, 1);
    futex_wake(&done);
    return arg;
}

void gr_watchdog_start(void)
{
    if (!gr_config.check_blocking || owner == GR_SYS(SYS_getpid)) {
        return;
    }
    int saved = errno;
    owner = GR_SYS(SYS_getpid);
    atomic_store(&stop, 0);
    atomic_store(&done, 0);
    atomic_store(&questions, 0);
    atomic_store(&answers, 0);
    memset(&stall, 0, sizeof(stall));
    hub = gr_hub_here();
    threshold = gr_config.check_blocking * 1000000;
    period = threshold / 4 > 1000000 ? threshold / 4 : 1000000;
    gr_reporter_find();
    enlarge_table();
    int err = -gr_kernel_thread_start(watchdog, NULL, THREAD_STACK);
    if (err) {
        gr_log("blocking calls are not reported: pthread_create: %s", strerror(err));
        atomic_store(&done, 1);
    }
    errno = saved;
}

void gr_watchdog_stop(void)
{
    if (owner != GR_SYS(SYS_getpid)) {
        return;
    }
    atomic_store(&stop, 1);
    futex_wake(&stop);
    if (!atomic_load(&done)) {
        futex_wait(&done, 0, PATIENCE * GR_NSEC);
    }
}
