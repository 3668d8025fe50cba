/* Starting greenshim-report, and talking to it. */
#include "runtime/svc/reporter.h"

#include "runtime/base/compiler.h"
#include "runtime/base/rawsys.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define SPAWN_STACK (16UL << 10)

static char our_dir[PATH_MAX]; /* where this library is */
alignas(16) static char outer_stack[SPAWN_STACK];
alignas(16) static char inner_stack[SPAWN_STACK];

void gr_reporter_find(void)
{
    Dl_info info;
    if (dladdr(our_dir, &info)) {
        const char *slash = strrchr(info.dli_fname, '/');
        (void)snprintf(our_dir, sizeof(our_dir), "%.*s", slash ? (int)(slash - info.dli_fname) : 1,
                       slash ? info.dli_fname : ".");
    }
}

struct spawn {
    int fds[4]; /* stalls, maps, mem, call */
    int pid;    /* of this process */
    int reporter;
    int err;
};

/* In the child-to-be: descriptors in their places, then exec. Shares our memory, not our table. */
static int become_reporter(void *arg)
{
    static const int places[] = {GR_REPORT_STALLS, GR_REPORT_MAPS, GR_REPORT_MEM, GR_REPORT_CALL};
    static const char *const dirs[] = {"", "/../bin", "/../../bin"};
    struct spawn *s = arg;
    long high[GR_ARRAY_SIZE(places)];
    char pid[16];
    char path[PATH_MAX + 64];
    char *env[] = {NULL};
    (void)GR_SYS(SYS_setsid); /* what the terminal sends to the program's group is not for us */
    for (size_t i = 0; i < GR_ARRAY_SIZE(places); i++) {
        high[i] = GR_SYS(SYS_fcntl, s->fds[i], F_DUPFD_CLOEXEC, GR_REPORT_CALL + 1);
    }
    for (size_t i = 0; i < GR_ARRAY_SIZE(places); i++) {
        (void)GR_SYS(SYS_dup3, high[i], places[i], 0);
    }
    (void)snprintf(pid, sizeof(pid), "%d", s->pid);
    for (size_t i = 0; i < GR_ARRAY_SIZE(dirs); i++) {
        char *argv[] = {path, pid, NULL};
        (void)snprintf(path, sizeof(path), "%s%s/greenshim-report", our_dir, dirs[i]);
        s->err = 0; /* what stays, if this succeeds */
        s->err = (int)-GR_SYS(SYS_execve, path, argv, env);
        if (s->err != ENOENT) {
            break;
        }
    }
    (void)GR_SYS(SYS_exit_group, 1);
    return 0;
}

/* The child in between ends at once, so the reporter is nobody's child here. */
static int between(void *arg)
{
    struct spawn *s = arg;
    int pid = clone(become_reporter, inner_stack + SPAWN_STACK, CLONE_VM | CLONE_VFORK, s);
    if (pid < 0) {
        s->err = errno;
    }
    s->reporter = pid;
    (void)GR_SYS(SYS_exit_group, 0);
    return 0;
}

static int open_proc(const char *name)
{
    return (int)GR_SYS(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
}

/*
 * The program sees nothing of its making: a child without an exit signal is no child for wait() and
 * raises no SIGCHLD, and it does not live long enough to get one by its exec.
 */
int gr_reporter_start(int call_fd)
{
    int ends[2];
    struct spawn s = {.pid = (int)GR_SYS(SYS_getpid)};
    long rc = GR_SYS(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
    if (rc) {
        return (int)rc;
    }
    s.fds[0] = ends[1];
    s.fds[1] = open_proc("/proc/self/maps");
    s.fds[2] = open_proc("/proc/self/mem");
    s.fds[3] = call_fd;
    int pid = clone(between, outer_stack + SPAWN_STACK, CLONE_VM | CLONE_VFORK, &s);
    if (pid < 0) {
        s.err = errno;
    } else {
        while (GR_SYS(SYS_wait4, pid, NULL, __WCLONE, NULL) == -EINTR) {
        }
    }
    (void)GR_SYS(SYS_close, ends[1]);
    (void)GR_SYS(SYS_close, s.fds[1]);
    (void)GR_SYS(SYS_close, s.fds[2]);
    if (s.err) {
        (void)GR_SYS(SYS_close, ends[0]);
        return -s.err;
    }
    /* Where the system restricts ptrace(2): the reporter may look at a thread that computes. */
    (void)GR_SYS(SYS_prctl, PR_SET_PTRACER, s.reporter, 0, 0, 0);
    return ends[0];
}

void gr_reporter_send(int fd, const struct gr_stall *s, size_t stack)
{
    (void)GR_SYS(SYS_sendto, fd, s, offsetof(struct gr_stall, stack) + stack, MSG_NOSIGNAL, NULL,
                 0);
}

void gr_reporter_finish(int fd, int seconds)
{
    char none;
    struct timeval patience = {.tv_sec = seconds};
    (void)GR_SYS(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)GR_SYS(SYS_shutdown, fd, SHUT_WR);
    while (GR_SYS(SYS_read, fd, &none, 1) == -EINTR) {
    }
}
