/*
 * Thread-local storage of a green: its own glibc thread descriptor and static TLS block, so that
 * errno, __thread, thread_local, locale, pthread keys and everything else that hangs off the thread
 * pointer belong to the green.
 *
 * There are two ways to make one: to copy a snapshot of the main thread's descriptor and relocate
 * the words that point into it (clone), and to take over a kernel thread's (harvest). What must be
 * known of glibc's private layout is found at run time and cross-checked; nothing is assumed.
 */
#ifndef GR_CORE_TLS_H
#define GR_CORE_TLS_H

#include "runtime/base/compiler.h"
#include "runtime/base/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* gr_tls_snapshot - remember the main thread's descriptor; as early as possible, while it is clean.
 */
void gr_tls_snapshot(void);

/*
 * gr_tls_init - discover and cross-check the layout; blocks are made in @way from now on. Returns
 * 0, or -ENOTSUP with the reason in *@why. gr_tls_fini() undoes it, when no block is left, for
 * another way to be tried.
 */
int gr_tls_init(enum gr_config_tls way, const char **why);
void gr_tls_fini(void);

/* gr_tls_size - bytes a block needs at the top of a stack (descriptor, static TLS, alignment). */
size_t gr_tls_size(void);

/*
 * gr_tls_make - make a block whose storage is the gr_tls_size() bytes below @top, which is the
 * upper end of a stack.
 * @stack, @stack_size, @guard: what pthread_getattr_np() shall report.
 * Returns the thread pointer, or NULL without memory, or a kernel thread if one is needed.
 */
void *gr_tls_make(void *top, void *stack, size_t stack_size, size_t guard);

/* gr_tls_floor - lowest byte used by the block of @tp: the stack begins below. */
void *gr_tls_floor(void *tp);

/* gr_tls_reset - make the block of an ended green as new. Called on the green that ends or by
 * whoever reuses it. */
void gr_tls_reset(void *tp);

/* gr_tls_destroy - release what the block owns outside its storage. */
void gr_tls_destroy(void *tp);

/* gr_tls_enter - first steps on a new thread of control, on the green itself. */
void gr_tls_enter(void);

/*
 * gr_tls_release_robust - the owner of some of the robust mutexes in the list of @tp has ended:
 * mark those that @is_due picks as the kernel does with those of a thread (EOWNERDEAD), and wake a
 * waiter.
 */
void gr_tls_release_robust(void *tp, bool (*is_due)(const void *mutex, void *arg), void *arg);

/*
 * Where in a thread's descriptor its resolver state lies, as seen in a kernel thread; set before
 * the first block is made. 0: not known, then all share main's.
 */
extern ptrdiff_t gr_tls_resolver __attribute__((visibility("hidden")));

/* gr_tls_find - offset, from the thread pointer, of the only word of libc's static TLS that holds
 * @value in the calling thread; 0 if there is none or more than one. */
ptrdiff_t gr_tls_find(const void *value);

/* gr_tls_exit_dtors - run the C++ thread_local destructors of the calling green. */
void gr_tls_exit_dtors(void);

/* gr_tls_clear_keys - forget all pthread_setspecific() values of the block. @n_keys: keys ever
 * created in the process. */
void gr_tls_clear_keys(void *tp, unsigned n_keys);

/* pthread_t and thread pointer of a block. */
uintptr_t gr_tls_pthread(const void *tp);
void *gr_tls_of_pthread(uintptr_t t);

/* Words of malloc's that belong to the carrier: copied from the block switched out to the one
 * switched in. */
#define GR_N_MALLOC_WORDS 2
extern ptrdiff_t gr_tls_malloc_words[GR_N_MALLOC_WORDS] __attribute__((visibility("hidden")));
extern int gr_tls_n_malloc_words __attribute__((visibility("hidden")));
int gr_tls_probe_malloc(void *tp); /* on a fresh block that is current: find those words */

extern ptrdiff_t gr_tls_self_off
    __attribute__((visibility("hidden"))); /* of gr_self from the thread pointer */

/* gr_tls_fork_child - the carrier of the child is the calling green: forget the others. */
void gr_tls_fork_child(void);

#endif
