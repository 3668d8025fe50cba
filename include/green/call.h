/*
 * Functions of any type as greenlets: a signature string tells what the function takes and returns.
 * Like: gevent.spawn(function, *args)
 *
 *     struct greenlet *g;
 *     double y;
 *
 *     green_spawn_call(&g, pow, "d(dd)", 2.0, 10.0);
 *     green_call_get(g, &y, sizeof(y), GREEN_FOREVER);
 *
 * A signature is the type of the result, then those of the arguments in parentheses:
 *
 *     v   void, of a result        ?   bool
 *     c   char                     b B signed char, unsigned char (int8_t, uint8_t)
 *     h H short, unsigned          i I int, unsigned
 *     l L long, unsigned           q Q long long, unsigned
 *     n N ssize_t, size_t          f   float     d double     g long double
 *     p   any pointer              s   string: const char *
 *     {...} a struct by value, with the types of its members. They may be structs, and have a count
 *           in front: {i4c} is struct { int a; char b[4]; }.
 *     ...   behind at least one argument: those that follow belong to the "..." of the function.
 *           As in C, float and what is smaller than int are not passed there.
 *
 * So "i(sd)" is int f(const char *, double), and "v()" is void f(void). The letters are those of
 * Python's struct and ctypes modules. Unions, bit-fields, packed structs, complex numbers and
 * vectors have none.
 */
#ifndef GREEN_CALL_H
#define GREEN_CALL_H

#include <green/base.h>
#include <green/green.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A function whose type a signature tells. */
typedef void green_function(void);

/*
 * green_signature_error - what is wrong with a signature.
 * @at_out: receives how many characters of it are right; may be NULL; untouched if all are
 *
 * Returns NULL if nothing is, else a sentence that lives for ever. Does not switch. Any thread.
 */
GREEN_API const char *green_signature_error(const char *signature, size_t *at_out);

/*
 * green_spawn_call - start @fn(arguments...) as a greenlet; as green_spawn() otherwise.
 * @out:       receives a handle, to be given back by green_unref(); NULL: none is wanted
 * @fn:        any function; the macro below converts it
 * @signature: its type. As with printf(3), arguments of other types are the caller's fault.
 *
 * The arguments are those of the function, but for a struct give its address. Structs and strings
 * are copied, the latter including what "s" points to; they live as long as the handle. What "p"
 * points to must live as long as @fn uses it.
 *
 * The value of the greenlet is the result: an integer, converted by (void *)(intptr_t), or a
 * pointer itself; of any other type its address, which lives as long as the handle.
 * green_call_get() gives it as it is.
 *
 * Returns 0, -EINVAL (@signature is wrong: green_signature_error() says how; @fn or the address of
 * a struct is NULL), or an error of green_spawn(). Does not switch. Like: gevent.spawn
 */
GREEN_API int green_spawn_call(struct greenlet **out, green_function *fn, const char *signature,
                               ...);

/* green_spawn_call_later - the same, not before @delay ns have passed. Like: gevent.spawn_later */
GREEN_API int green_spawn_call_later(int64_t delay, struct greenlet **out, green_function *fn,
                                     const char *signature, ...);

/*
 * green_call_get - wait for the result of a greenlet that green_spawn_call() started.
 * @out:     receives it in its own type; may be NULL; untouched on failure
 * @size:    of *@out; with void nothing is written, whatever it is
 * @timeout: ns, GREEN_FOREVER, or 0 to only look
 *
 * Returns 0, -EINVAL (@size is not that of the result, or @g is no such greenlet), -ENODATA (it has
 * ended without a result: killed before it ran, or by green_exit()), or what green_get() returns
 * else. Switches if @g has not ended. Like: Greenlet.get
 */
GREEN_API int green_call_get(struct greenlet *g, void *out, size_t size, int64_t timeout);

/* The same for a function of any type. Return what the function does. Do not switch. */
#define green_spawn_call(out, fn, ...)                                                             \
    (green_spawn_call)((out), (green_function *)(fn), __VA_ARGS__)
#define green_spawn_call_later(delay, out, fn, ...)                                                \
    (green_spawn_call_later)((delay), (out), (green_function *)(fn), __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif
