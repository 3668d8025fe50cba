/*
 * Forking: fork, _Fork, vfork (with vfork_*.S), daemon, forkpty.
 *
 * The child has one green, the caller's. Until the runtime has been told so no handler may run
 * there, so all signals are blocked from right before the fork on; they stay pending for the
 * process they were sent to.
 */
#include "shim/process.h"

#include "runtime/svc/child.h"
#include "runtime/svc/spawn.h"
#include "shim/body.h"
#include "shim/fdtable.h"
#include "shim/sched.h"
#include "shim/shim.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <utmp.h>

#define SET_SIZE 8 /* of a kernel signal set */

/* The kernel's mask before gr_fork_prepare(), of the thread that forks, and after: some signals
 * cannot be blocked. */
static GR_TLS uint64_t mask_before;
static GR_TLS uint64_t mask_during;

static uint64_t swap_mask(uint64_t mask)
{
    uint64_t old = 0;
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, SET_SIZE);
    return old;
}

static uint64_t current_mask(void)
{
    uint64_t now = 0;
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &now, SET_SIZE);
    return now;
}

void gr_fork_prepare(void)
{
    gr_fdtable_fork(false);
    gr_tp_pin();
    mask_before = swap_mask(~0ULL);
    mask_during = current_mask();
}

void gr_fork_parent(void)
{
    gr_child_made();
    if (current_mask() == mask_during) { /* else the runtime has set another since */
        (void)swap_mask(mask_before);
    }
    gr_tp_unpin();
}

void gr_fork_child(void)
{
    gr_self->tid_word = NULL; /* the parent's; fork() does not hand it down */
    gr_child_fork_child();
    gr_sched_fork_child();
    gr_runtime_fork_child(); /* sets the mask to the green's own */
}

/* The calling green is in libc's fork(), which calls _Fork(): with body hooks, ours. */
static GR_TLS bool in_fork;

static void at_prepare(void)
{
    if (gr_on_green()) {
        in_fork = true;
        if (!gr_body_hooked(GR_BASE)) {
            gr_fork_prepare();
        }
    } else if (!gr_active) {
        gr_fdtable_fork(false);
    }
}

static void at_parent(void)
{
    if (gr_on_green()) {
        in_fork = false;
        if (!gr_body_hooked(GR_BASE)) {
            gr_fork_parent();
        }
    } else if (gr_active) {
        gr_child_made();
    }
}

static void at_child(void)
{
    if (gr_on_green()) {
        in_fork = false;
        gr_fork_child();
    }
}

void gr_process_init(void)
{
    (void)pthread_atfork(at_prepare, at_parent, at_child);
    gr_spawn_shares = gr_fdtable_passed;
}

/*
 * fork - <unistd.h>; POSIX.1-2024 fork(), _Fork()
 * Class:    TRACK. The child starts with the calling thread alone.
 * Differs:  none known.
 */
GR_SHIM pid_t fork(void)
{
    if (gr_on_green()) {
        GR_COUNT(fork);
    }
    return real.fork();
}

void gr_spawn_begin(void)
{
    gr_fdtable_fork(true);
    gr_sig_expose();
    gr_enter(gr_self);
}

int gr_spawn_end(int rc)
{
    gr_leave(gr_self);
    gr_sig_conceal();
    if (rc == 0) {
        gr_child_made();
    }
    return rc;
}

/*
 * vfork - <unistd.h>; vfork(2). In assembly, vfork_*.S: it returns twice, so no frame of ours may
 * lie between the system call and the caller.
 * Class:    TRACK. All threads stand still until the child has begun its program, or ended.
 * Differs:  fork on aarch64 once the first thread was made: the parent does not see what the child
 *           writes to memory.
 */
pid_t (*gr_vfork_way(void))(void)
{
    if (!gr_active) {
        gr_fdtable_fork(false);
        return real.vfork;
    }
#if defined(__x86_64__)
    if (gr_on_green()) {
        GR_COUNT(vfork);
        gr_spawn_begin();
        gr_self->vforked = true;
        return NULL;
    }
#endif
    return fork;
}

long gr_vfork_end(long rc)
{
    gr_self->vforked = false;
    (void)gr_spawn_end(rc < 0);
    return gr_ret(rc);
}

GR_SHIM pid_t _Fork(void)
{
    if (!gr_on_green()) {
        return real._Fork();
    }
    GR_COUNT(_Fork);
    gr_fork_prepare();
    pid_t pid = real._Fork();
    int saved = errno;
    if (pid == 0) {
        if (!in_fork) { /* else libc has locks to release first: at_child() */
            gr_fork_child();
        }
    } else {
        gr_fork_parent();
    }
    errno = saved;
    return pid;
}

/* --- what libc builds on fork, with our own descriptor functions --- */

static int to_null(void)
{
    struct stat st;
    int fd = open("/dev/null", O_RDWR);
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &st) || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) {
        (void)close(fd);
        errno = ENODEV;
        return -1;
    }
    for (int std = 0; std < 3; std++) {
        (void)dup2(fd, std);
    }
    if (fd > 2) {
        (void)close(fd);
    }
    return 0;
}

/* daemon - <unistd.h>; daemon(3). Class: TRACK. */
GR_SHIM int daemon(int no_chdir, int no_close)
{
    if (!gr_on_green()) {
        return real.daemon(no_chdir, no_close);
    }
    GR_COUNT(daemon);
    pid_t pid = fork();
    if (pid < 0) {
        return -1;
    }
    if (pid > 0) {
        _exit(0);
    }
    if (setsid() < 0 || (!no_chdir && chdir("/"))) {
        return -1;
    }
    return no_close ? 0 : to_null();
}

/* login_tty, forkpty - <utmp.h>, <pty.h>; openpty(3). Class: TRACK. */
GR_SHIM int login_tty(int fd)
{
    if (!gr_on_green()) {
        return real.login_tty(fd);
    }
    GR_COUNT(login_tty);
    (void)setsid();
    if (ioctl(fd, TIOCSCTTY, NULL)) {
        return -1;
    }
    for (int std = 0; std < 3; std++) {
        (void)dup2(fd, std);
    }
    if (fd > 2) {
        (void)close(fd);
    }
    return 0;
}

GR_SHIM int forkpty(int *master, char *name, const struct termios *modes,
                    const struct winsize *size)
{
    int ends[2];
    if (!gr_on_green()) {
        return real.forkpty(master, name, modes, size);
    }
    GR_COUNT(forkpty);
    if (openpty(&ends[0], &ends[1], name, modes, size)) {
        return -1;
    }
    (void)gr_fdtable_opened(ends[0], GR_KIND_UNKNOWN);
    (void)gr_fdtable_opened(ends[1], GR_KIND_UNKNOWN);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        if (login_tty(ends[1])) {
            _exit(1);
        }
        return 0;
    }
    int saved = errno;
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
    } else {
        *master = ends[0];
    }
    errno = saved;
    return pid;
}
