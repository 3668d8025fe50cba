/*
 * Signatures and calls: a string such as "i(sd)" as libffi wants it, arguments taken from a
 * va_list, and the call itself. <green/call.h> tells what the letters mean.
 */
#ifndef GR_API_SIGNATURE_H
#define GR_API_SIGNATURE_H

#include <ffi.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* A signature, looked at once for each text and kept for ever: there are as many as the program
 * has. It serves calls (gr_call) and closures (ffi_prep_closure_loc() with @cif) alike. */
struct gr_signature {
    struct gr_signature *next; /* in its bucket */
    ffi_cif cif;               /* not const: libffi takes it so, and leaves it alone */
    size_t room;               /* for the values of all arguments */
    bool has_strings;
    char result; /* letter of the type; '{' for a struct */
    char *kinds; /* the same for each argument */
    char *text;
};

/*
 * gr_signature_get - what @text says. Any thread, also kernel threads; does not switch.
 * Returns 0, -EINVAL (@text may be NULL; green_signature_error() tells the reason), -ENOMEM.
 */
int gr_signature_get(const char *text, struct gr_signature **out);

/* A function with its arguments, and its result once it has been called. One block. */
struct gr_call {
    struct gr_signature *sig;
    void (*fn)(void);
    bool done;     /* it has returned */
    void *result;  /* as libffi leaves it; room for any type of the signature */
    char *strings; /* copies of those among the arguments, or NULL */
    void *args[];  /* where the value of each is; values and result lie behind */
};

/*
 * gr_call_new - a call of @fn with arguments from @ap, as green_spawn_call() takes them: structs by
 * their address. Strings and structs are copied.
 * Returns 0, -EINVAL (signature; @fn or the address of a struct is NULL), -ENOMEM.
 */
int gr_call_new(void (*fn)(void), const char *signature, va_list ap, struct gr_call **out);

/* gr_call_run - call it, once; a function for green_spawn(). Switches if the function does. Returns
 * the value as green_value() gives it: see green_spawn_call(). */
void *gr_call_run(void *call);

/* gr_call_copy_result - into *@out, of @size bytes, in its own type, after gr_call_run(). Returns
 * 0, or -EINVAL: @size is not that of the type. */
int gr_call_copy_result(const struct gr_call *c, void *out, size_t size);

/* gr_call_free - with what its value points to. NULL is allowed. */
void gr_call_free(struct gr_call *c);

#endif
