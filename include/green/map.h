/*
 * Maps: one function called for many items, by the members of a pool of greenlets (<green/pool.h>)
 * or of kernel threads (<green/threadpool.h>). What goes in, and how results come out.
 * Like: Pool.map, Pool.imap, Pool.imap_unordered
 */
#ifndef GREEN_MAP_H
#define GREEN_MAP_H

#include <green/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- what goes in --- */

/* The items of a map: made by green_items() or green_generator(), passed by value. */
struct green_input {
    int (*next)(void *state, void **item);
    void *state;
    void *const *items;
    size_t n;
};

/* green_items - the @n items of an array, which must stay until the map has ended. */
static inline struct green_input green_items(void *const items[], size_t n)
{
    struct green_input in = {NULL, NULL, items, n};
    return in;
}

/*
 * green_generator - items made one after the other, when there is room for the next.
 * @next: puts an item into *@item and returns 1; returns 0 after the last one, or a negative error,
 *        which ends the map. Called in a green of its own, where it may wait.
 */
static inline struct green_input green_generator(int (*next)(void *state, void **item), void *state)
{
    struct green_input in = {next, state, NULL, 0};
    return in;
}

/* --- how results come out --- */

/* The results of a map, in the order of its items. One block of memory, to be given to free(3). */
struct green_values {
    size_t n;
    void **value;
};

/* Results one after the other: green_pool_imap(), green_threadpool_imap() and their like. */
struct green_imap;

/*
 * green_imap_next - the next result, into *@value_out, which may be NULL.
 * @timeout: ns, GREEN_FOREVER, or 0 to take one only if there is one now
 *
 * Returns 1; 0 when all have been given; the code of the error with which the call for the next
 * item ended: the results of the others still come; after all results, the error with which the
 * items ended, once; -ETIMEDOUT, or what interrupted the wait: then no result is lost. Switches if
 * it waits. Like: next(iterator)
 */
GREEN_API int green_imap_next(struct green_imap *it, void **value_out, int64_t timeout);

/*
 * green_imap_error - the error of the call whose code green_imap_next() has just returned; NULL if
 * it returned anything else. It lives until the next green_imap_next(). green_imap_item - the item
 * of the result, or error, that was given last. Do not switch.
 */
GREEN_API const struct green_error *green_imap_error(const struct green_imap *it);
GREEN_API void *green_imap_item(const struct green_imap *it);

/*
 * green_imap_free - end it, early or not: no further call is begun. Calls that have begun go on,
 * their results are forgotten. NULL is allowed. Switches while the generator is at work, whose wait
 * ends with -ECANCELED.
 */
GREEN_API void green_imap_free(struct green_imap *it);

#ifdef __cplusplus
}
#endif

#endif
