/* Processes: forking, waiting for children; for the faces in process.c, wait.c, spawn.c and for
 * syscall(2). */
#ifndef GR_SHIM_PROCESS_H
#define GR_SHIM_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>

/*
 * gr_process_init - register the handlers that carry the runtime over a fork. They must be the
 * first of the process: then they run right before the fork, and in the child before any handler of
 * the program.
 */
void gr_process_init(void);

/*
 * gr_fork_prepare - before a child is made that goes on in this program; then one of
 * gr_fork_parent() and gr_fork_child(). Only for forks that run no such handlers. On a green.
 */
void gr_fork_prepare(void);
void gr_fork_parent(void);
void gr_fork_child(void);

/*
 * gr_spawn_begin - on a green, before a child is made that runs in our memory up to its exec, as if
 * it were this green: what it does there must be libc's plain work, so it is marked as the
 * runtime's. The process stands still meanwhile. gr_spawn_end - after that; @rc: 0 if there is a
 * child. Returns @rc.
 */
void gr_spawn_begin(void);
int gr_spawn_end(int rc);

/* gr_vfork_way - what vfork() is for the caller: libc's, or fork(), or NULL: vfork_*.S makes the
 * system call itself and then, in the parent, gr_vfork_end() with what it gave. */
pid_t (*gr_vfork_way(void))(void) __attribute__((visibility("hidden")));
long gr_vfork_end(long rc) __attribute__((visibility("hidden")));

/* gr_wait4 - wait4(2), gr_waitid - waitid(2), on the calling green. A result or -errno. Switch
 * unless WNOHANG. */
long gr_wait4(pid_t pid, int *status, int options, struct rusage *usage);
long gr_waitid(idtype_t type, id_t id, siginfo_t *info, int options, struct rusage *usage);

/* gr_popen_owns - was @file made by popen() on a green? fclose() on such a stream is pclose(). */
bool gr_popen_owns(const FILE *file);

#endif
