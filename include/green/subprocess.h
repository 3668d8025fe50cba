/*
 * Other programs, run as child processes while greens go on. Like: gevent.subprocess
 *
 *     struct green_popen *p;
 *     int rc = green_run(&(struct green_command){.shell = "ls | sort", .out = GREEN_PIPE},
 *                        NULL, 0, &p, GREEN_S(5));
 *     if (rc == 0)
 *         puts(green_popen_output(p, 1, NULL));
 *     green_popen_free(p);
 *
 * A child is reaped when it ends, whether anybody waits for it or not; children that are not made
 * here are left alone. Any green and any kernel thread may make every call.
 */
#ifndef GREEN_SUBPROCESS_H
#define GREEN_SUBPROCESS_H

#include <green/base.h>
#include <green/object.h>

#include <stdbool.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a standard descriptor of the child is, besides a descriptor of the caller's above 0. */
#define GREEN_INHERIT 0    /* what it is here */
#define GREEN_PIPE    (-1) /* one end of a new pipe; green_popen_fd() has the other */
#define GREEN_STDOUT  (-2) /* of @err: wherever @out goes */
#define GREEN_DEVNULL (-3)

/* What to run and how. All zero but @argv or @shell is a good beginning. */
struct green_command {
    char *const *argv; /* ends with NULL; the first is looked for in PATH unless it has a '/' */
    const char *shell; /* instead: a command line for /bin/sh */
    const char *executable; /* run this file, whatever argv[0] says; or another shell */
    char *const *env;       /* "NAME=value", ends with NULL; NULL: the caller's */
    const char *cwd;        /* NULL: the caller's */
    int in;
    int out;
    int err;
    bool keep_fds; /* the child gets every descriptor that is not close-on-exec; else @pass_fds */
    const int *pass_fds;
    size_t n_pass_fds;
    bool keep_signals; /* else SIGPIPE and SIGXFSZ are not ignored in the child, if they are here */
    bool new_session;  /* setsid() */
    const pid_t *process_group; /* of these NULL leaves things as they are. 0: a new group */
    const mode_t *umask;
    const uid_t *user;
    const gid_t *group;
    const gid_t *groups; /* supplementary ones */
    size_t n_groups;
    const char **blame; /* if the program cannot be started this receives what is at fault: the
                           program, @cwd, "user", ...; it lives as long as the command */
};

struct green_popen;

/*
 * green_popen - start a program.
 * @out: receives the process, to be freed by green_popen_free()
 *
 * Returns 0; -ENOENT, -EACCES, ... (what exec says of the program, or the kernel of @cwd, see
 * @blame); -EINVAL (neither or both of @argv and @shell, or no such redirection), -EBADF (a
 * descriptor that is not open), -EMFILE, -EAGAIN, -ENOMEM, -ENOTSUP (no green threads here). Does
 * not switch: the process stands still until the program runs. Like: Popen
 */
GREEN_API int green_popen(const struct green_command *c, struct green_popen **out);

/*
 * green_popen_free - give @p back; closes its pipes. A child that still runs goes on, and is reaped
 * when it ends. NULL is allowed. Does not switch.
 */
GREEN_API void green_popen_free(struct green_popen *p);

/* green_popen_pid - its process id, also after its end. Does not switch. Like: Popen.pid */
GREEN_API pid_t green_popen_pid(const struct green_popen *p);

/*
 * green_popen_fd - our end of the pipe to the child's standard descriptor @which (0, 1, 2); -1 if
 * there is none. It is @p's. green_popen_close - close it now: the child sees the end of its input.
 * green_popen_take - the caller's from now on, for fdopen() and the like. Do not switch.
 */
GREEN_API int green_popen_fd(const struct green_popen *p, int which);
GREEN_API void green_popen_close(struct green_popen *p, int which);
GREEN_API int green_popen_take(struct green_popen *p, int which);

#define GREEN_RUNNING INT32_MIN

/*
 * green_popen_returncode - exit status of the child; the negative number of the signal that ended
 * it; GREEN_RUNNING before its end is known. 0 if somebody else has taken the status (waitpid(), or
 * SIGCHLD is ignored), as in Python. Does not switch. Like: Popen.returncode
 */
GREEN_API int32_t green_popen_returncode(const struct green_popen *p);

/*
 * green_popen_poll - has it ended? 1 or 0. If not, others may run before this returns, so that a
 * loop over it holds nobody up. Switches if it has not ended. Like: Popen.poll
 */
GREEN_API int green_popen_poll(struct green_popen *p);

/*
 * green_popen_wait - wait until the child has ended; it may be called again and by many. With pipes
 * that nobody reads it may never end: green_popen_communicate().
 * @timeout: ns, GREEN_FOREVER, or 0 to only look
 *
 * Returns 0, -ETIMEDOUT, or what interrupted the wait; the child goes on then. Switches unless it
 * has ended. Like: Popen.wait
 */
GREEN_API int green_popen_wait(struct green_popen *p, int64_t timeout);

/*
 * green_popen_communicate - write @input to the child, read from its pipes to their end, and wait
 * for it. What was read is kept for green_popen_output().
 * @input:   for a pipe @in, else NULL. That the child does not want all of it is no error
 * @timeout: ns, GREEN_FOREVER, or 0
 *
 * Returns 0, -ETIMEDOUT, -ENOMEM, or what interrupted the wait. After these it may be called again,
 * with NULL for @input, and goes on; nothing is lost. -EINVAL: @input a second time, or without a
 * pipe; -EBUSY: another green is at it. Switches. A pipe ends when the last process that has it
 * ends or closes it: grandchildren too. Like: Popen.communicate
 */
GREEN_API int green_popen_communicate(struct green_popen *p, const void *input, size_t size,
                                      int64_t timeout);

/*
 * green_popen_output - what green_popen_communicate() has read so far of descriptor @which (1, 2).
 * @size_out: receives how many bytes; may be NULL
 *
 * Returns the bytes, followed by a zero, which live until the next call on @p; NULL if there is no
 * such pipe. Does not switch.
 */
GREEN_API const char *green_popen_output(const struct green_popen *p, int which, size_t *size_out);

/*
 * green_popen_send_signal - send @signal to the child; nothing if it has ended.
 * green_popen_terminate, green_popen_kill - SIGTERM, SIGKILL.
 *
 * Returns 0, -EINVAL, -EPERM. Does not switch. Like: Popen.send_signal, terminate, kill
 */
GREEN_API int green_popen_send_signal(struct green_popen *p, int signal);
GREEN_API int green_popen_terminate(struct green_popen *p);
GREEN_API int green_popen_kill(struct green_popen *p);

/* green_popen_object - the child, for green_wait() and links; ready when it has ended. Does not
 * switch. */
GREEN_API struct green_object *green_popen_object(struct green_popen *p);

/* --- in one call. When the time is over or the wait is interrupted the child is killed and reaped
 * before they return. --- */

/*
 * green_run - start a program and green_popen_communicate() with it.
 * @input: NULL, or what it reads: @c->in must be 0 then
 * @out:   receives the process if it was started, with what was read, also on failure, to be freed;
 *         NULL if it was not. May be NULL
 *
 * Returns 0 however the child ended, -ETIMEDOUT, what interrupted the wait, or as green_popen().
 * Switches. Like: subprocess.run
 */
GREEN_API int green_run(const struct green_command *c, const void *input, size_t size,
                        struct green_popen **out, int64_t timeout);

/*
 * green_call - run a program to its end.
 * @returncode_out: as green_popen_returncode(); may be NULL; untouched on failure
 *
 * Returns as green_run(). Switches. Like: subprocess.call
 */
GREEN_API int green_call(const struct green_command *c, int32_t *returncode_out, int64_t timeout);

/* green_check_call - the same, but -EREMOTEIO unless the child has ended with status 0; then
 * *@returncode_out is set as well. Like: subprocess.check_call */
GREEN_API int green_check_call(const struct green_command *c, int32_t *returncode_out,
                               int64_t timeout);

/*
 * green_check_output - run a program and collect what it prints.
 * @c:          its @out must be 0
 * @output_out: receives the bytes, followed by a zero, to be freed by free(); also with -EREMOTEIO
 *              and -ETIMEDOUT, else NULL
 * @size_out:   receives how many; may be NULL
 *
 * Returns 0, -EREMOTEIO (the child has not ended with status 0), or as green_run(). Switches.
 * Like: subprocess.check_output
 */
GREEN_API int green_check_output(const struct green_command *c, char **output_out, size_t *size_out,
                                 int32_t *returncode_out, int64_t timeout);

/*
 * green_getoutput - what a command line prints on standard output and standard error, without the
 * newline at its end, to be freed by free(). Returns as green_run(). Switches.
 * Like: subprocess.getstatusoutput
 */
GREEN_API int green_getoutput(const char *command, char **output_out, int32_t *returncode_out,
                              int64_t timeout);

#ifdef __cplusplus
}
#endif

#endif
