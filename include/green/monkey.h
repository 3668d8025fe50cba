/*
 * Making libc's own calls cooperative, and one's own blocking functions. Like: gevent.monkey
 *
 * Whoever preloads the library or links with -lgreenshim has everything patched before main()
 * runs, and needs none of this. A program that opens the library late, by dlopen(), is left alone
 * until it asks: green_patch_all(0) then writes jumps over the entries of libc's functions, so that
 * every caller is reached, also libc itself, pointers taken before and libraries loaded later.
 *
 * Threads that exist by then stay kernel threads, and for them libc does what it did. Threads that
 * main or a green thread makes later are green. Patch before the first of them, and before the
 * first green_spawn(). There is no way back, and dlclose() leaves the library in place.
 *
 * Late patching is for x86-64. gevent's ssl, queue, sys, builtins and contextvars have no
 * counterpart in C: OpenSSL calls read() and recv() like anybody else.
 */
#ifndef GREEN_MONKEY_H
#define GREEN_MONKEY_H

#include <green/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The parts. Whatever keeps the books of descriptors, forks and libc's own locks goes with each of
 * them; a function may belong to several.
 */
enum {
    GREEN_OS = 1 << 0,         /* wait, waitpid, ... */
    GREEN_IO = 1 << 1,         /* read, write, streams, fsync, locks on files, terminals, queues */
    GREEN_THREAD = 1 << 2,     /* pthread_..., sem_..., thrd_..., mtx_..., cnd_..., sched_... */
    GREEN_TIME = 1 << 3,       /* sleep, usleep, nanosleep, clock_nanosleep */
    GREEN_SOCKET = 1 << 4,     /* accept, connect, recv, send, read, write, ... */
    GREEN_DNS = 1 << 5,        /* getaddrinfo, getnameinfo, gethostbyname, ... */
    GREEN_SELECT = 1 << 6,     /* poll, select, epoll_wait, ... */
    GREEN_SUBPROCESS = 1 << 7, /* system, popen, pclose, waitpid, ... */
    GREEN_SIGNAL = 1 << 8,     /* sigaction, sigwait, pause, signal masks, ... */
};

/*
 * green_patch_all - make libc's calls cooperative.
 * @without: parts to leave out, GREEN_DNS | GREEN_SIGNAL or so; 0: none, all is patched
 *
 * All or nothing. What is patched already stays so, and a second call only adds: nothing is done if
 * the library was there from the start. Other kernel threads are stopped meanwhile for less than a
 * millisecond, by ptrace(2): like a debugger this ends an epoll_wait() or sigtimedwait() of theirs
 * with EINTR.
 *
 * Returns 0; -EINVAL (@without has unknown bits, or nothing is left); -EBUSY (there are other
 * threads and they cannot be stopped); -ENOTSUP (libc's functions cannot be changed here: another
 * machine, a breakpoint in the way; or GREENSHIM=off or GREENSHIM_DEEP=0). On failure one line on
 * standard error says why, but for GREENSHIM=off, and nothing has changed. Does not switch. Like:
 * patch_all
 */
GREEN_API int green_patch_all(unsigned without);

/* The parts one by one; returns as green_patch_all(). Do not switch. Like: patch_os, ... */
GREEN_API int green_patch_os(void);
GREEN_API int green_patch_io(void);
GREEN_API int green_patch_thread(void);
GREEN_API int green_patch_time(void);
GREEN_API int green_patch_dns(void);
GREEN_API int green_patch_select(void);
GREEN_API int green_patch_subprocess(void);
GREEN_API int green_patch_signal(void);

/* green_patch_socket - @without: GREEN_DNS: leave the lookups of names alone; else 0. Returns as
 * green_patch_all(). Does not switch. Like: patch_socket(dns=...) */
GREEN_API int green_patch_socket(unsigned without);

/*
 * green_is_patched - is @name cooperative: a part ("os", "io", "thread", "time", "socket", "dns",
 * "select", "subprocess", "signal"), else a function of libc ("recv")?
 *
 * Returns 1 or 0. Does not switch. Like: is_module_patched, is_object_patched
 */
GREEN_API int green_is_patched(const char *name);

/*
 * green_get_original - the function @name as it is without us: libc's, or another library's that
 * stands between us and libc. It blocks the carrier, that is all green threads.
 *
 * Returns it, to be cast to its type; NULL: there is none. Does not switch. Like: get_original
 */
GREEN_API void (*green_get_original(const char *name))(void);

/*
 * green_offload - have a function of any library run on a kernel thread of its own, while the green
 * thread that calls it waits and others run. For functions that block or compute for long and know
 * nothing of green threads; the way there and back takes some 10 us. greenrun --offload does it for
 * unmodified programs.
 * @library:   as it is loaded: "libsqlite3.so.0", or a path. If it is not loaded yet, this takes
 *             effect as soon as it is
 * @symbol:    a function that it exports
 * @signature: its type, as for green_spawn_call(): "i(p)"
 *
 * Every caller is reached, by a jump over the function's entry. Where its first instructions do not
 * allow that, it is reached by name only: not by calls within its own library, nor by pointers to
 * it that were copied before. Kernel threads call it as ever, and so does the only green thread
 * while nothing else could run.
 *
 * The function has the errno of the caller, and the caller gets that which it leaves. Otherwise it
 * runs under the identity of another thread: variables of threads, pthread_self(), recursive locks
 * that the caller holds are not the caller's. What it calls back runs there, too, as on any kernel
 * thread. It cannot be interrupted: handlers of signals that the caller is to run, a timeout and
 * green_kill() wait for its end.
 *
 * Returns 0; -EINVAL (@signature, as green_signature_error() tells; an empty name); -ENOENT (the
 * library has no such function); -EEXIST (it has been given another signature before); -EBUSY
 * (there are other threads and they cannot be stopped); -ENOTSUP (the function cannot be reached,
 * or GREENSHIM=off); -ENOMEM. A line on standard error says why it cannot be reached, also if that
 * shows only when the library is loaded. Does not switch. Like: gevent.threadpool.ThreadPool.apply
 */
GREEN_API int green_offload(const char *library, const char *symbol, const char *signature);

#ifdef __cplusplus
}
#endif

#endif
