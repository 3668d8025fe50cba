/*
 * unistd.h: exec. The new program inherits the signal mask of the calling green and what is pending
 * for it, and nothing of ours.
 *
 * Memory: these are called between fork and exec, so a long list of arguments is put into pages of
 * its own.
 */
#include "shim/fdtable.h"
#include "shim/shim.h"

#include <stdarg.h>
#include <sys/mman.h>

#define N_ARGS 64 /* of execl() and its kind that fit on the stack */

static void before_exec(void)
{
    if (gr_on_green()) {
        gr_sig_before_exec();
        gr_fdtable_before_exec();
    }
}

static int exec_failed(int rc)
{
    if (gr_on_green()) {
        int saved = errno;
        gr_fdtable_after_failed_exec();
        gr_sig_after_failed_exec();
        errno = saved;
    }
    return rc;
}

/* execve - <unistd.h>; POSIX.1-2024 exec. Class: TRACK. Differs: none known. */
GR_SHIM int execve(const char *path, char *const argv[], char *const envp[])
{
    before_exec();
    return exec_failed(real.execve(path, argv, envp));
}

GR_SHIM int execv(const char *path, char *const argv[])
{
    before_exec();
    return exec_failed(real.execv(path, argv));
}

GR_SHIM int execvp(const char *file, char *const argv[])
{
    before_exec();
    return exec_failed(real.execvp(file, argv));
}

GR_SHIM int execvpe(const char *file, char *const argv[], char *const envp[])
{
    before_exec();
    return exec_failed(real.execvpe(file, argv, envp));
}

GR_SHIM int fexecve(int fd, char *const argv[], char *const envp[])
{
    before_exec();
    return exec_failed(real.fexecve(fd, argv, envp));
}

GR_SHIM int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    before_exec();
    return exec_failed(real.execveat(dir, path, argv, envp, flags));
}

/* --- lists of arguments --- */

struct args {
    char **v; /* NULL: out of memory */
    size_t n; /* with the NULL at the end */
    char *small[N_ARGS];
};

/* Collect @first and what follows up to NULL; @ap is left behind it. */
static void gather(struct args *a, const char *first, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    a->n = 1;
    for (const char *s = first; s; s = va_arg(ap, const char *)) {
        a->n++;
    }
    a->v = a->small;
    if (a->n > N_ARGS) {
        void *p = mmap(NULL, a->n * sizeof(char *), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        a->v = p == MAP_FAILED ? NULL : p;
    }
    const char *s = first;
    for (size_t i = 0; a->v && i < a->n; i++) {
        a->v[i] = (char *)s;
        s = s ? va_arg(again, const char *) : NULL;
    }
    va_end(again);
}

static int list_failed(struct args *a, int rc)
{
    int saved = errno;
    if (a->v && a->v != a->small) {
        (void)munmap(a->v, a->n * sizeof(char *));
    }
    errno = saved;
    return rc;
}

GR_SHIM int execl(const char *path, const char *arg, ...)
{
    struct args a;
    va_list ap;
    va_start(ap, arg);
    gather(&a, arg, ap);
    va_end(ap);
    return list_failed(&a, a.v ? execv(path, a.v) : (int)gr_ret(-ENOMEM));
}

GR_SHIM int execlp(const char *file, const char *arg, ...)
{
    struct args a;
    va_list ap;
    va_start(ap, arg);
    gather(&a, arg, ap);
    va_end(ap);
    return list_failed(&a, a.v ? execvp(file, a.v) : (int)gr_ret(-ENOMEM));
}

GR_SHIM int execle(const char *path, const char *arg, ...)
{
    struct args a;
    va_list ap;
    va_start(ap, arg);
    gather(&a, arg, ap);
    char *const *envp = va_arg(ap, char *const *);
    va_end(ap);
    return list_failed(&a, a.v ? execve(path, a.v, envp) : (int)gr_ret(-ENOMEM));
}
