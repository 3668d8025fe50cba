/*
 * Locals: variables with a value of its own for each green thread (greenlet, pthread, main) and
 * each kernel thread. Any of them may make every call. Like: gevent.local
 *
 * For a variable whose number and type are known when the program is compiled, __thread and
 * thread_local do the same; locals have initialisers, can be inherited and made at any time.
 */
#ifndef GREEN_LOCAL_H
#define GREEN_LOCAL_H

#include <green/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct green_local;

/*
 * green_local_new - make a local, which has no value anywhere yet.
 * @init:    makes the value of a thread that asks for it the first time, from @arg; NULL: it is
 * NULL
 * @destroy: called with each value that is not NULL, at the end of its thread, on that thread,
 * where it may wait; before anybody learns of the end. NULL: nothing is done
 *
 * Returns NULL when out of memory. Does not switch. Like: local, and __init__ of its subclasses
 */
GREEN_API struct green_local *green_local_new(void *(*init)(void *arg), void *arg,
                                              void (*destroy)(void *value));

/*
 * green_inheritable_local_new - make a local whose value a new green thread gets from who makes it.
 * @inherit: called with the maker's value, if that is not NULL, when the green thread is made; must
 *           not wait. What it returns is the new one's value; NULL: it begins without
 *
 * Returns NULL when out of memory. Does not switch. Otherwise as green_local_new(). Like:
 * contextvars
 */
GREEN_API struct green_local *green_inheritable_local_new(void *(*inherit)(void *value),
                                                          void *(*init)(void *arg), void *arg,
                                                          void (*destroy)(void *value));

/*
 * green_local_free - end a local: the values of all threads are destroyed, by the caller. Nobody
 * may use it meanwhile. NULL is allowed. Switches only if its destructor does.
 */
GREEN_API void green_local_free(struct green_local *l);

/*
 * green_local_get - the caller's value.
 *
 * Returns NULL if it has none and @init gives none, or when out of memory: the next call tries
 * again. Switches only if its initialiser does.
 */
GREEN_API void *green_local_get(struct green_local *l);

/*
 * green_local_set - change the caller's value; NULL: it has none any more. The one before is not
 * destroyed: it is the caller's again.
 *
 * Returns 0 or -ENOMEM. Does not switch.
 */
GREEN_API int green_local_set(struct green_local *l, void *value);

#ifdef __cplusplus
}
#endif

#endif
