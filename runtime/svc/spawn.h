/*
 * Starting a program in a child process. The child shares our memory up to its exec, as that of
 * vfork(), so its cost does not grow with the number of stacks; the carrier stands still meanwhile.
 */
#ifndef GR_SVC_SPAWN_H
#define GR_SVC_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the child does, in this order; told when it fails. */
enum gr_spawn_step {
    GR_SPAWN_FORK,
    GR_SPAWN_FD, /* a descriptor of @fd or @keep */
    GR_SPAWN_DIR,
    GR_SPAWN_SESSION,
    GR_SPAWN_GROUP,
    GR_SPAWN_IDS,
    GR_SPAWN_EXEC
};

struct gr_spawn {
    char *const *paths; /* tried in turn, as execvp(3) does with those of PATH; ends with NULL */
    char *const *argv;
    char *const *envp;
    int fd[3];       /* what becomes descriptor 0, 1, 2; -1: as it is */
    const int *keep; /* others that stay open, close-on-exec or not */
    size_t n_keep;
    bool close_others;
    uint64_t heed; /* signals that are not to stay ignored */
    const char *dir;
    bool new_session;
    const pid_t *process_group; /* these: NULL: the caller's */
    const mode_t *umask;
    const gid_t *groups;
    size_t n_groups;
    const gid_t *group;
    const uid_t *user;
};

/*
 * gr_spawn - start a child that runs a program, with the signal mask of the caller.
 *
 * Returns 0 and its process id in *@pid, or -errno and in *@failed what could not be done; then
 * there is no child. Does not switch.
 */
int gr_spawn(const struct gr_spawn *s, pid_t *pid, enum gr_spawn_step *failed);

/* Set by the shim: the child gets the caller's descriptor @fd; -1: all that are not close-on-exec.
 */
extern void (*gr_spawn_shares)(int fd);

#endif
