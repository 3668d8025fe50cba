/*
 * Thread-specific data: values are libc's, in the green's own thread descriptor. Destructors are
 * remembered here, because greens do not end in libc.
 */
#include "runtime/core/green.h"
#include "runtime/core/tls.h"
#include "shim/shim.h"

#include <limits.h>

typedef void (*destructor_fn)(void *);

/* By key; NULL also for keys that do not exist. */
static _Atomic(destructor_fn) destructors[PTHREAD_KEYS_MAX];
static _Atomic unsigned n_keys; /* one above the highest key ever made */

/* One round over the keys of the caller. True if a destructor ran: it may have set values again. */
static bool run_round(unsigned n)
{
    bool ran = false;
    for (pthread_key_t key = 0; key < n; key++) {
        void *value = pthread_getspecific(key);
        if (!value) {
            continue;
        }
        (void)pthread_setspecific(key, NULL);
        destructor_fn destroy = atomic_load(&destructors[key]);
        if (destroy) {
            destroy(value);
            ran = true;
        }
    }
    return ran;
}

static GR_NOINLINE void end_keys(struct green *g)
{
    for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS; round++) {
        if (!run_round(atomic_load(&n_keys))) {
            break;
        }
    }
    gr_tls_clear_keys(g->ctx.tp, atomic_load(&n_keys));
}

void gr_keys_end(struct green *g)
{
    if (atomic_load(&n_keys)) {
        end_keys(g);
    }
}

/*
 * pthread_key_create, pthread_key_delete - <pthread.h>
 * Class:    TRACK.
 */
GR_SHIM int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    int rc = real.pthread_key_create(key, destructor);
    if (rc || *key >= PTHREAD_KEYS_MAX) {
        return rc;
    }
    atomic_store(&destructors[*key], destructor);
    unsigned n = atomic_load(&n_keys);
    while (n <= *key && !atomic_compare_exchange_weak(&n_keys, &n, *key + 1)) {
    }
    return 0;
}

GR_SHIM int pthread_key_delete(pthread_key_t key)
{
    if (key < PTHREAD_KEYS_MAX) {
        atomic_store(&destructors[key], NULL); /* first: once deleted, the key may be another's */
    }
    return real.pthread_key_delete(key);
}
