/* Making threads. */
#ifndef GR_SHIM_PTHREAD_THREAD_H
#define GR_SHIM_PTHREAD_THREAD_H

#include <pthread.h>

/*
 * gr_thread_create - pthread_create(), for the code at @caller: its object decides whether a green
 * will do. Starts the runtime with the first green. 0 or an error number.
 */
int gr_thread_create(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *), void *arg,
                     const void *caller);

/*
 * gr_helper_begin, gr_helper_end - around what makes a kernel thread of libc's, or may: it blocks
 * every signal for that, by its own system call.
 */
void gr_helper_begin(void);
void gr_helper_end(void);

/* gr_sanitizer - what in the program must see every thread and every write, or NULL. It may not be
 * ready for calls yet when our constructor runs. */
const char *gr_sanitizer(void);

/* gr_threads_init - by the constructor: how the runtime makes kernel threads, and what it needs of
 * us before the first green. */
void gr_threads_init(void);

#endif
