/* Child processes: start, end, signals. */
#include "runtime/api/popen.h"

#include "runtime/api/api.h"
#include "runtime/api/io.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/signal.h"
#include "runtime/svc/child.h"
#include "runtime/svc/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHELL        "/bin/sh"
#define DEFAULT_PATH "/bin:/usr/bin"

/* --- where the program is --- */

static const char *find_path(char *const *env)
{
    for (; *env; env++) {
        if (strncmp(*env, "PATH=", 5) == 0) {
            return *env + 5;
        }
    }
    return DEFAULT_PATH;
}

/* Every file that @name may be, in one block: NULL-terminated. An empty directory is the present
 * one. */
static char **candidates(const char *name, const char *path)
{
    size_t n = 1;
    for (const char *c = path; *c; c++) {
        n += *c == ':';
    }
    char **list = malloc((n + 1) * sizeof(*list) + strlen(path) + n * (strlen(name) + 2));
    if (!list) {
        return NULL;
    }
    char *at = (char *)(list + n + 1);
    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(path, ":");
        list[i] = at;
        at = mempcpy(at, path, len);
        if (len > 0) {
            *at++ = '/';
        }
        at = stpcpy(at, name) + 1;
        path += len + (path[len] == ':');
    }
    list[n] = NULL;
    return list;
}

/* --- its descriptors --- */

/* Our ends and the child's, of each standard descriptor; -1: none. */
struct ends {
    int ours[3];
    int theirs[3];
    bool made[3]; /* @theirs is ours to close */
};

static int open_pipe(struct ends *e, int i)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC)) {
        return -errno;
    }
    e->ours[i] = i == 0 ? p[1] : p[0];
    e->theirs[i] = i == 0 ? p[0] : p[1];
    e->made[i] = true;
    return 0;
}

static int open_end(struct ends *e, int i, int what)
{
    switch (what) {
    case GREEN_INHERIT:
        return 0;
    case GREEN_PIPE:
        return open_pipe(e, i);
    case GREEN_DEVNULL:
        e->theirs[i] = (int)GR_SYS(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
        e->made[i] = e->theirs[i] >= 0;
        return e->made[i] ? 0 : e->theirs[i];
    case GREEN_STDOUT:
        if (i != 2) {
            return -EINVAL;
        }
        e->theirs[2] = e->theirs[1] >= 0 ? e->theirs[1] : 1;
        return 0;
    default:
        e->theirs[i] = what;
        return what < 0 ? -EINVAL : (int)GR_SYS(SYS_fcntl, what, F_GETFD) < 0 ? -EBADF : 0;
    }
}

static void close_theirs(struct ends *e)
{
    for (int i = 0; i < 3; i++) {
        if (e->made[i]) {
            gr_api_close(e->theirs[i]);
        }
    }
}

static void close_ours(int fd[3])
{
    for (int i = 0; i < 3; i++) {
        if (fd[i] >= 0) {
            gr_api_close(fd[i]);
            fd[i] = -1;
        }
    }
}

static int open_ends(struct ends *e, const struct green_command *c)
{
    static const char *const names[] = {"in", "out", "err"};
    const int what[] = {c->in, c->out, c->err};
    *e = (struct ends){.ours = {-1, -1, -1}, .theirs = {-1, -1, -1}};
    for (int i = 0; i < 3; i++) {
        int rc = open_end(e, i, what[i]);
        if (rc) {
            close_theirs(e);
            close_ours(e->ours);
            if (c->blame) {
                *c->blame = names[i];
            }
            return rc;
        }
    }
    return 0;
}

/* --- start --- */

static const char *blame(const struct green_command *c, const char *program,
                         enum gr_spawn_step step)
{
    switch (step) {
    case GR_SPAWN_FORK:
        return "fork";
    case GR_SPAWN_FD:
        return "pass_fds";
    case GR_SPAWN_DIR:
        return c->cwd;
    case GR_SPAWN_SESSION:
        return "new_session";
    case GR_SPAWN_GROUP:
        return "process_group";
    case GR_SPAWN_IDS:
        return "user";
    case GR_SPAWN_EXEC:
        return program;
    }
    return NULL;
}

static int spawn(const struct green_command *c, const int theirs[3], pid_t *pid)
{
    char *shell[] = {SHELL, "-c", (char *)c->shell, NULL};
    char *const *argv = c->shell ? shell : c->argv;
    char *const *env = c->env ? c->env : environ;
    const char *program = c->executable ? c->executable : argv[0];
    char *alone[] = {(char *)program, NULL};
    bool search = *program && !strchr(program, '/');
    char **found = search ? candidates(program, find_path(env)) : NULL;
    if (search && !found) {
        return -ENOMEM;
    }
    struct gr_spawn s = {
        .paths = found ? found : alone,
        .argv = argv,
        .envp = env,
        .fd = {theirs[0], theirs[1], theirs[2]},
        .keep = c->pass_fds,
        .n_keep = c->n_pass_fds,
        .close_others = !c->keep_fds,
        .heed = c->keep_signals ? 0 : gr_sigbit(SIGPIPE) | gr_sigbit(SIGXFSZ),
        .dir = c->cwd,
        .new_session = c->new_session,
        .process_group = c->process_group,
        .umask = c->umask,
        .groups = c->groups,
        .n_groups = c->n_groups,
        .group = c->group,
        .user = c->user,
    };
    enum gr_spawn_step step;
    int rc = gr_spawn(&s, pid, &step);
    free(found);
    if (rc && c->blame) {
        *c->blame = blame(c, program, step);
    }
    return rc;
}

static void unref(struct green_popen *p)
{
    if (atomic_fetch_sub(&p->refs, 1) == 1) {
        free(p->own_input);
        free(p->output[0].data);
        free(p->output[1].data);
        free(p);
    }
}

static bool popen_ready(const struct green_object *o)
{
    return GR_CONTAINER_OF(o, struct green_popen, object)->returncode != GREEN_RUNNING;
}

/* Has the child ended? If it just has, it is reaped and everybody is told. */
static bool look(struct green_popen *p)
{
    int status = 0;
    struct gr_bucket *b = gr_lot_lock(&p->object);
    if (p->returncode != GREEN_RUNNING) {
        gr_lot_unlock(b);
        return true;
    }
    long rc = GR_SYS(SYS_wait4, p->pid, &status, WNOHANG, NULL);
    if (rc == 0 || rc == -EINTR) {
        gr_lot_unlock(b);
        return false;
    }
    /* An error: somebody else has taken the status. */
    p->returncode = rc < 0 ? 0 : WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    gr_api_wake_all(b, &p->object);
    gr_object_notify(b, &p->object);
    return true;
}

static void *watch(void *arg)
{
    struct green_popen *p = arg;
    struct gr_child_wait cw = {.type = P_PID, .id = (id_t)p->pid, .exits = true};
    while (!look(p)) {
        (void)gr_child_park(&cw);
    }
    unref(p);
    return NULL;
}

/* The green that reaps the child runs no handlers of signals. */
static int new_watcher(struct green_popen *p, struct green **out)
{
    static const struct gr_green_attr attr = {
        .guard_size = 4096, .detached = true, .has_mask = true, .mask = ~0ULL};
    return gr_green_new(&attr, watch, p, out);
}

/* On the hub, for a kernel thread that has started a child. */
static bool begin_to_watch(struct gr_request *r)
{
    struct green *g;
    if (new_watcher(GR_CONTAINER_OF(r, struct green_popen, request), &g)) {
        return false;
    }
    gr_green_start(g);
    return true;
}

/* *@watcher: NULL on a kernel thread, whose request the hub is to have. */
static int new_popen(struct green_popen **out, struct green **watcher)
{
    if (gr_api_start()) {
        return -ENOTSUP;
    }
    struct green_popen *p = calloc(1, sizeof(*p));
    if (!p) {
        return -ENOMEM;
    }
    *watcher = NULL;
    if (gr_hub_here() && new_watcher(p, watcher)) {
        free(p);
        return -EAGAIN;
    }
    gr_object_init(&p->object, popen_ready, false);
    atomic_init(&p->refs, 2);
    p->returncode = GREEN_RUNNING;
    p->request.fn = begin_to_watch;
    *out = p;
    return 0;
}

int green_popen(const struct green_command *c, struct green_popen **out)
{
    struct green_popen *p;
    struct green *watcher;
    struct ends e;
    if (!c->argv == !c->shell || (c->argv && !c->argv[0])) {
        if (c->blame) {
            *c->blame = "argv";
        }
        return -EINVAL;
    }
    int rc = open_ends(&e, c);
    if (rc) {
        return rc;
    }
    rc = new_popen(&p, &watcher);
    if (rc == 0) {
        rc = spawn(c, e.theirs, &p->pid);
        if (rc) {
            if (watcher) {
                gr_green_abandon(watcher);
            }
            free(p);
        }
    }
    close_theirs(&e);
    if (rc) {
        close_ours(e.ours);
        return rc;
    }
    for (int i = 0; i < 3; i++) {
        p->fd[i] = e.ours[i];
        p->piped[i] = e.ours[i] >= 0;
    }
    if (watcher) {
        gr_green_start(watcher);
    } else {
        gr_request(gr_hub_first(), &p->request);
    }
    *out = p;
    return 0;
}

void green_popen_free(struct green_popen *p)
{
    if (p) {
        close_ours(p->fd);
        unref(p);
    }
}

/* --- what it is --- */

pid_t green_popen_pid(const struct green_popen *p)
{
    return p->pid;
}

int green_popen_fd(const struct green_popen *p, int which)
{
    return which >= 0 && which <= 2 ? p->fd[which] : -1;
}

int green_popen_take(struct green_popen *p, int which)
{
    int fd = green_popen_fd(p, which);
    if (fd >= 0) {
        p->fd[which] = -1;
    }
    return fd;
}

void green_popen_close(struct green_popen *p, int which)
{
    int fd = green_popen_take(p, which);
    if (fd >= 0) {
        gr_api_close(fd);
    }
}

int32_t green_popen_returncode(const struct green_popen *p)
{
    return __atomic_load_n(&p->returncode, __ATOMIC_ACQUIRE);
}

struct green_object *green_popen_object(struct green_popen *p)
{
    return &p->object;
}

/* --- its end --- */

int gr_popen_await(struct green_popen *p, int64_t deadline, unsigned flags)
{
    if (look(p)) {
        return 0;
    }
    if (deadline == 0) {
        return -ETIMEDOUT;
    }
    struct gr_bucket *b = gr_lot_lock(&p->object);
    if (p->returncode != GREEN_RUNNING) {
        gr_lot_unlock(b);
        return 0;
    }
    struct gr_waiter w;
    gr_waiter_init(&w, &p->object);
    return gr_lot_wait(b, &w, deadline, flags, GR_WHY_POPEN);
}

int green_popen_wait(struct green_popen *p, int64_t timeout)
{
    return gr_api_result(gr_popen_await(p, gr_api_deadline_or_now(timeout), GR_CANCEL));
}

int green_popen_poll(struct green_popen *p)
{
    if (look(p)) {
        return 1;
    }
    gr_yield();
    return look(p);
}

/* Not to whoever has the number after the child: it is reaped with the same lock held. */
int green_popen_send_signal(struct green_popen *p, int signal)
{
    if (look(p)) {
        return 0;
    }
    struct gr_bucket *b = gr_lot_lock(&p->object);
    long rc = p->returncode == GREEN_RUNNING ? GR_SYS(SYS_kill, p->pid, signal) : 0;
    gr_lot_unlock(b);
    return (int)rc;
}

int green_popen_terminate(struct green_popen *p)
{
    return green_popen_send_signal(p, SIGTERM);
}

int green_popen_kill(struct green_popen *p)
{
    return green_popen_send_signal(p, SIGKILL);
}
