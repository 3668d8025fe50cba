/* Children made by fork. */
#include <green/os.h>

#include "runtime/api/api.h"
#include "runtime/base/rawsys.h"
#include "runtime/svc/child.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct watched {
    pid_t pid;
    green_child_fn *fn;
    void *arg;
};

static void *watch(void *arg)
{
    struct watched w = *(struct watched *)arg;
    struct gr_child_wait cw = {.type = P_PID, .id = (id_t)w.pid, .exits = true};
    int status = -1;
    free(arg);
    for (long rc; (rc = GR_SYS(SYS_wait4, w.pid, &status, WNOHANG, NULL)) == 0 || rc == -EINTR;) {
        (void)gr_child_park(&cw);
    }
    if (w.fn) {
        w.fn(w.pid, status, w.arg);
    }
    return NULL;
}

static int new_watch(green_child_fn *fn, void *arg, struct watched **w, struct green **g)
{
    static const struct gr_green_attr attr = {.guard_size = 4096, .detached = true};
    if (gr_api_start() || !gr_hub_here()) {
        return -ENOTSUP;
    }
    *w = malloc(sizeof(**w));
    if (!*w) {
        return -EAGAIN;
    }
    **w = (struct watched){.fn = fn, .arg = arg};
    if (gr_green_new(&attr, watch, *w, g)) {
        free(*w);
        return -EAGAIN;
    }
    return 0;
}

int green_watch_child(pid_t pid, green_child_fn *fn, void *arg)
{
    struct watched *w;
    struct green *g;
    int rc = new_watch(fn, arg, &w, &g);
    if (rc == 0) {
        w->pid = pid;
        gr_green_start(g);
    }
    return rc;
}

pid_t green_fork_and_watch(green_child_fn *fn, void *arg)
{
    struct watched *w;
    struct green *g;
    int rc = new_watch(fn, arg, &w, &g);
    if (rc) {
        return rc;
    }
    pid_t pid = fork();
    if (pid > 0) {
        w->pid = pid;
        gr_green_start(g);
        return pid;
    }
    rc = pid < 0 ? -errno : 0;
    if (pid < 0) {
        gr_green_abandon(g);
    }
    free(w);
    return rc;
}
