/*
 * spawn.h, stdlib.h, stdio.h, wordexp.h: posix_spawn, system, popen, pclose, wordexp.
 *
 * system, popen and pclose wait for their child inside libc, where a green cannot be parked, so
 * they are made here of posix_spawn and our own waits.
 */
#include "runtime/svc/child.h"
#include "shim/body.h"
#include "shim/fdtable.h"
#include "shim/io.h"
#include "shim/process.h"
#include "shim/shim.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>

#define SHELL "/bin/sh"

extern char **environ;

/* --- posix_spawn --- */

/*
 * posix_spawn - <spawn.h>; POSIX.1-2024 posix_spawn(), posix_spawnp()
 * Class:    TRACK. The whole process stands still until the child has begun to run its program.
 */
GR_SHIM int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
    if (!gr_on_green()) {
        return real.posix_spawn(pid, path, actions, attr, argv, envp);
    }
    GR_COUNT(posix_spawn);
    gr_spawn_begin();
    return gr_spawn_end(real.posix_spawn(pid, path, actions, attr, argv, envp));
}

GR_SHIM int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                         const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
    if (!gr_on_green()) {
        return real.posix_spawnp(pid, file, actions, attr, argv, envp);
    }
    GR_COUNT(posix_spawnp);
    gr_spawn_begin();
    return gr_spawn_end(real.posix_spawnp(pid, file, actions, attr, argv, envp));
}

static int spawn_shell(pid_t *pid, const char *command, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attr)
{
    char *argv[] = {"sh", "-c", (char *)command, NULL};
    gr_spawn_begin();
    return gr_spawn_end(real.posix_spawn(pid, SHELL, actions, attr, argv, environ));
}

/* Wait for the end of @pid, whatever handlers run. */
static long wait_end(pid_t pid, int *status)
{
    long rc;
    do {
        rc = gr_wait4(pid, status, 0, NULL);
    } while (rc == -EINTR);
    return rc;
}

/* --- system --- */

/* While any system() runs, SIGINT and SIGQUIT are for the commands. */
static unsigned n_systems;
static struct sigaction old_int;
static struct sigaction old_quit;

static void ignore_keys(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (n_systems++ == 0) {
        (void)gr_sig_action(SIGINT, &ignore, &old_int);
        (void)gr_sig_action(SIGQUIT, &ignore, &old_quit);
    }
}

static void heed_keys(void)
{
    if (--n_systems == 0) {
        (void)gr_sig_action(SIGINT, &old_int, NULL);
        (void)gr_sig_action(SIGQUIT, &old_quit, NULL);
    }
}

static int spawn_command(pid_t *pid, const char *command, uint64_t mask)
{
    posix_spawnattr_t attr;
    sigset_t set;
    sigset_t reset;
    (void)sigemptyset(&set);
    memcpy(&set, &mask, sizeof(mask));
    (void)sigemptyset(&reset);
    if (old_int.sa_handler != SIG_IGN) {
        (void)sigaddset(&reset, SIGINT);
    }
    if (old_quit.sa_handler != SIG_IGN) {
        (void)sigaddset(&reset, SIGQUIT);
    }
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawnattr_setsigmask(&attr, &set);
    (void)posix_spawnattr_setsigdefault(&attr, &reset);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    int rc = spawn_shell(pid, command, NULL, &attr);
    (void)posix_spawnattr_destroy(&attr);
    return rc;
}

struct command {
    pid_t pid; /* 0: none, or ended */
    uint64_t old_mask;
};

/* Also when the thread is cancelled: the command must not outlive the call then. */
static void end_command(struct command *c)
{
    int saved = errno;
    int status;
    if (c->pid) {
        (void)kill(c->pid, SIGKILL);
        (void)wait_end(c->pid, &status);
    }
    heed_keys();
    (void)gr_sig_mask(SIG_SETMASK, &c->old_mask, NULL);
    errno = saved;
}

static int run_command(const char *command)
{
    uint64_t child = gr_sigbit(SIGCHLD);
    struct command c __attribute__((cleanup(end_command))) = {.pid = 0};
    ignore_keys();
    (void)gr_sig_mask(SIG_BLOCK, &child, &c.old_mask);
    pid_t pid;
    int status = 0;
    int rc = spawn_command(&pid, command, c.old_mask);
    if (rc) {
        errno = rc;
        return W_EXITCODE(127, 0);
    }
    c.pid = pid;
    gr_look_for_cancel();
    long ended = gr_ret(wait_end(pid, &status));
    c.pid = 0;
    return ended == pid ? status : -1;
}

/*
 * system - <stdlib.h>; POSIX.1-2024 system()
 * Class:    YIELD.
 * Waits:    for the command. SIGINT and SIGQUIT are ignored and SIGCHLD is blocked in the calling
 * thread meanwhile.
 */
GR_SHIM int system(const char *command)
{
    if (!gr_on_green()) {
        return real.system(command);
    }
    GR_COUNT(system);
    return command ? run_command(command) : run_command("exit 0") == 0;
}

/*
 * wordexp - <wordexp.h>; POSIX.1-2024 wordexp()
 * Class:    TRACK; its parts YIELD by their body hooks. Without those the process stands still
 * until the commands in @words have ended.
 */
GR_SHIM int wordexp(const char *words, wordexp_t *out, int flags)
{
    if (!gr_on_green() || gr_body_hooked(GR_BASE)) {
        return real.wordexp(words, out, flags);
    }
    GR_COUNT(wordexp);
    gr_spawn_begin();
    return gr_spawn_end(real.wordexp(words, out, flags));
}

/* --- popen, pclose --- */

struct stream {
    struct gr_list link;
    FILE *file;
    pid_t pid;
};

static struct gr_list streams = {&streams, &streams};

/* Read or write, and close on exec: the modes of popen(). */
struct popen_mode {
    bool read;
    bool write;
    bool cloexec;
};

static bool parse_mode(const char *text, struct popen_mode *m)
{
    *m = (struct popen_mode){0};
    for (; *text; text++) {
        m->read |= *text == 'r';
        m->write |= *text == 'w';
        m->cloexec |= *text == 'e';
        if (*text != 'r' && *text != 'w' && *text != 'e') {
            return false;
        }
    }
    return m->read != m->write;
}

/* Start @command on its end of the pipe, without the ends of earlier streams. */
static int spawn_piped(pid_t *pid, const char *command, int end, int std)
{
    posix_spawn_file_actions_t actions;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc) {
        return rc;
    }
    GR_LIST_EACH(&streams, n, tmp)
    {
        int fd = fileno(GR_LIST_ENTRY(n, struct stream, link)->file);
        if (!rc && fd >= 0 && fd != std) {
            rc = posix_spawn_file_actions_addclose(&actions, fd);
        }
    }
    rc = rc ? rc : posix_spawn_file_actions_adddup2(&actions, end, std);
    rc = rc ? rc : spawn_shell(pid, command, &actions, NULL);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static int open_stream(struct stream *s, const char *command, const struct popen_mode *m)
{
    int p[2];
    int rc = (int)GR_SYS(SYS_pipe2, p, O_CLOEXEC);
    if (rc) {
        return -rc;
    }
    int ours = m->read ? p[0] : p[1];
    int theirs = m->read ? p[1] : p[0];
    (void)gr_fdtable_opened(p[0], GR_KIND_PIPE);
    (void)gr_fdtable_opened(p[1], GR_KIND_PIPE);
    s->file = fdopen(ours, m->read ? "r" : "w");
    rc = s->file ? spawn_piped(&s->pid, command, theirs, m->read ? STDOUT_FILENO : STDIN_FILENO)
                 : errno;
    (void)gr_close_on(theirs);
    if (rc) {
        (void)(s->file ? fclose(s->file) : gr_close_on(ours));
        return rc;
    }
    if (!m->cloexec) {
        (void)GR_SYS(SYS_fcntl, ours, F_SETFD, 0);
    }
    return 0;
}

/*
 * popen - <stdio.h>; POSIX.1-2024 popen(), pclose()
 * Class:    TRACK; pclose YIELD.
 * Waits:    pclose: for the command, whatever handlers run.
 * Differs:  none known; fclose() on such a stream is pclose(), as in libc.
 */
GR_SHIM FILE *popen(const char *command, const char *mode)
{
    struct popen_mode m;
    if (!gr_on_green()) {
        return real.popen(command, mode);
    }
    GR_COUNT(popen);
    if (!parse_mode(mode, &m)) {
        errno = EINVAL;
        return NULL;
    }
    struct stream *s = calloc(1, sizeof(*s));
    if (!s) {
        return NULL;
    }
    int rc = open_stream(s, command, &m);
    if (rc) {
        free(s);
        errno = rc;
        return NULL;
    }
    gr_list_push_front(&streams, &s->link);
    return s->file;
}

/* Not a cancellation point. */
static int reap_stream(pid_t pid)
{
    int status = 0;
    struct green *g = gr_self;
    bool disabled = g->cancel_disabled;
    g->cancel_disabled = true;
    long rc = gr_ret(wait_end(pid, &status));
    g->cancel_disabled = disabled;
    return rc == pid ? status : -1;
}

static struct stream *find_stream(const FILE *file)
{
    GR_LIST_EACH(&streams, n, tmp)
    {
        struct stream *s = GR_LIST_ENTRY(n, struct stream, link);
        if (s->file == file) {
            return s;
        }
    }
    return NULL;
}

bool gr_popen_owns(const FILE *file)
{
    return find_stream(file) != NULL;
}

GR_SHIM int pclose(FILE *file)
{
    if (!gr_on_green()) {
        return real.pclose(file);
    }
    GR_COUNT(pclose);
    struct stream *s = find_stream(file);
    if (!s) {
        return real.pclose(file); /* opened before the first thread was started */
    }
    pid_t pid = s->pid;
    gr_list_remove(&s->link);
    free(s);
    (void)fclose(file);
    return reap_stream(pid);
}
