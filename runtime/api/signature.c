/* Signature strings, and calls of functions through libffi. */
#include "runtime/api/signature.h"

#include "runtime/base/compiler.h"

#include <green/call.h>

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define MAX_ARGS  127  /* what a C compiler must take */
#define MAX_DEPTH 8    /* of structs in structs; libffi recurses */
#define MAX_TYPES 2048 /* each member of an array by itself; structs lie on the stack in a call */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a widened result begins with its value");
GR_FITS(size_t, unsigned long);

/* Letter, type, what it becomes among variable arguments, libffi's type. */
#define SCALARS(X)                                                                                 \
    X('?', bool, int, &ffi_type_uint8)                                                             \
    X('c', char, int, CHAR_MIN < 0 ? &ffi_type_sint8 : &ffi_type_uint8)                            \
    X('b', signed char, int, &ffi_type_schar)                                                      \
    X('B', unsigned char, int, &ffi_type_uchar)                                                    \
    X('h', short, int, &ffi_type_sshort)                                                           \
    X('H', unsigned short, int, &ffi_type_ushort)                                                  \
    X('i', int, int, &ffi_type_sint)                                                               \
    X('I', unsigned, unsigned, &ffi_type_uint)                                                     \
    X('l', long, long, &ffi_type_slong)                                                            \
    X('L', unsigned long, unsigned long, &ffi_type_ulong)                                          \
    X('q', long long, long long, &ffi_type_sint64)                                                 \
    X('Q', unsigned long long, unsigned long long, &ffi_type_uint64)                               \
    X('n', ssize_t, ssize_t, &ffi_type_slong)                                                      \
    X('N', size_t, size_t, &ffi_type_ulong)                                                        \
    X('f', float, double, &ffi_type_float)                                                         \
    X('d', double, double, &ffi_type_double)                                                       \
    X('g', long double, long double, &ffi_type_longdouble)                                         \
    X('p', void *, void *, &ffi_type_pointer)                                                      \
    X('s', char *, char *, &ffi_type_pointer)

static ffi_type *scalar(unsigned char letter)
{
#define ROW(l, type, promoted, ffi) [l] = ffi,
    static ffi_type *const types[UCHAR_MAX + 1] = {SCALARS(ROW)};
#undef ROW
    return types[letter];
}

/* --- parsing --- */

/*
 * Types that have been read lie on a stack, a letter and libffi's type each. A struct takes its
 * members off again and becomes one type; what remains are the result and the arguments.
 */
struct parser {
    const char *at;
    const char *error;
    ffi_type **types;
    char *kinds;
    size_t n_types;
    ffi_type **elements; /* of all structs, each list ends with NULL */
    ffi_type *structs;
    size_t n_fixed; /* arguments before the "..."; 0: there is none */
    unsigned depth; /* of structs that have begun */
    struct {
        size_t first; /* member, on the stack */
        size_t count; /* of the struct itself */
    } begun[MAX_DEPTH];
};

static bool wrong(struct parser *p, const char *why)
{
    p->error = why;
    return false;
}

static void push(struct parser *p, char kind, ffi_type *type, size_t count)
{
    while (count--) {
        p->types[p->n_types] = type;
        p->kinds[p->n_types++] = kind;
    }
}

static bool begin_struct(struct parser *p, size_t count)
{
    if (p->depth == MAX_DEPTH) {
        return wrong(p, "structs are nested too deep");
    }
    p->begun[p->depth].first = p->n_types;
    p->begun[p->depth++].count = count;
    return true;
}

static bool end_struct(struct parser *p)
{
    size_t first = p->begun[--p->depth].first;
    if (first == p->n_types) {
        return wrong(p, "a struct has at least one member");
    }
    ffi_type *type = p->structs++;
    *type = (ffi_type){.type = FFI_TYPE_STRUCT, .elements = p->elements};
    for (size_t i = first; i < p->n_types; i++) {
        *p->elements++ = p->types[i];
    }
    *p->elements++ = NULL;
    p->n_types = first;
    push(p, '{', type, p->begun[p->depth].count);
    return true;
}

static const char *why_no_type(const struct parser *p)
{
    switch (*p->at) {
    case 'v':
        return "void is for results only";
    case '}':
        return "a type is missing";
    case '\0':
    case ')':
        return p->depth ? "a '}' is missing" : "a type is missing";
    default:
        return "there is no such type";
    }
}

static bool read_scalar(struct parser *p, size_t count)
{
    ffi_type *type = scalar(*p->at);
    if (!type) {
        return wrong(p, why_no_type(p));
    }
    push(p, *p->at, type, count);
    return true;
}

/* One type; a struct with all its members. */
static bool read_type(struct parser *p)
{
    do {
        size_t count = 1;
        bool counted = isdigit((unsigned char)*p->at);
        if (counted) {
            char *end;
            count = strtoul(p->at, &end, 10);
            if (!p->depth || !count) {
                return wrong(p, p->depth ? "a count is at least 1" : "a count is for members only");
            }
            p->at = end;
        }
        bool ok = *p->at == '{'                           ? begin_struct(p, count)
                  : *p->at == '}' && p->depth && !counted ? end_struct(p)
                                                          : read_scalar(p, count);
        if (!ok) {
            return false;
        }
        p->at++;
    } while (p->depth);
    return true;
}

static bool read_argument(struct parser *p)
{
    const char *from = p->at;
    if (strncmp(from, "...", 3) == 0) {
        if (p->n_fixed || p->n_types == 1) {
            return wrong(p, "\"...\" comes once, behind an argument");
        }
        p->n_fixed = p->n_types - 1;
        p->at += 3;
        return true;
    }
    if (!*from) {
        return wrong(p, "a ')' is missing");
    }
    if (p->n_types > MAX_ARGS) {
        return wrong(p, "there are too many arguments");
    }
    if (!read_type(p)) {
        return false;
    }
    if (p->n_fixed && strchr("?cbBhHf", p->kinds[p->n_types - 1])) {
        p->at = from;
        return wrong(p, "behind \"...\" it becomes int or double");
    }
    return true;
}

static bool read_signature(struct parser *p)
{
    if (*p->at == 'v') {
        push(p, 'v', &ffi_type_void, 1);
        p->at++;
    } else if (!read_type(p)) {
        return false;
    }
    if (*p->at != '(') {
        return wrong(p, "a '(' is missing behind the result");
    }
    p->at++;
    while (*p->at != ')') {
        if (!read_argument(p)) {
            return false;
        }
    }
    p->at++;
    return *p->at ? wrong(p, "something is left behind the ')'") : true;
}

/* No fewer types than @text has, and no fewer structs; a wrong text may have any. */
static size_t count_types(const char *text, size_t *n_structs)
{
    size_t n = 0;
    *n_structs = 0;
    while (*text && n <= MAX_TYPES) {
        char *end = (char *)text;
        size_t count = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 1;
        n += count < MAX_TYPES ? count : MAX_TYPES + 1;
        text = end + (*end != '\0');
        *n_structs += text[-1] == '{';
    }
    return n;
}

/* Looks at everything that libffi wants to know. */
static bool prepare(struct gr_signature *sig, struct parser *p)
{
    unsigned n = p->n_types - 1;
    ffi_type **args = p->types + 1;
    ffi_status rc =
        p->n_fixed ? ffi_prep_cif_var(&sig->cif, FFI_DEFAULT_ABI, p->n_fixed, n, *p->types, args)
                   : ffi_prep_cif(&sig->cif, FFI_DEFAULT_ABI, n, *p->types, args);
    if (rc != FFI_OK) {
        return wrong(p, "libffi cannot make such a call");
    }
    sig->result = sig->kinds[0];
    sig->kinds++;
    for (unsigned i = 0; i < n; i++) {
        sig->room = gr_align_up(sig->room, args[i]->alignment) + args[i]->size;
        sig->has_strings |= sig->kinds[i] == 's';
    }
    return true;
}

/* Returns 0 and *@out, to be freed; or -ENOMEM, or -EINVAL and *@error, *@at. */
static int parse(const char *text, struct gr_signature **out, const char **error, size_t *at)
{
    size_t n_structs;
    size_t n = count_types(text, &n_structs);
    if (n > MAX_TYPES) {
        *error = "there are too many types";
        *at = 0;
        return -EINVAL;
    }
    size_t length = strlen(text);
    struct gr_signature *sig =
        calloc(1, sizeof(*sig) + n_structs * sizeof(ffi_type) +
                      (2 * n + n_structs) * sizeof(ffi_type *) + n + length + 2);
    if (!sig) {
        return -ENOMEM;
    }
    struct parser p = {.at = text, .structs = (ffi_type *)(sig + 1)};
    p.types = (ffi_type **)(p.structs + n_structs);
    p.elements = p.types + n;
    p.kinds = sig->kinds = (char *)(p.elements + n + n_structs);
    sig->text = memcpy(p.kinds + n + 1, text, length + 1);
    if (read_signature(&p) && prepare(sig, &p)) {
        *out = sig;
        return 0;
    }
    *error = p.error;
    *at = p.at - text;
    free(sig);
    return -EINVAL;
}

const char *green_signature_error(const char *signature, size_t *at_out)
{
    const char *error = "there is no signature";
    size_t at = 0;
    struct gr_signature *sig;
    int rc = signature ? parse(signature, &sig, &error, &at) : -EINVAL;
    if (rc == 0) {
        free(sig);
    }
    if (rc != -EINVAL) {
        return NULL;
    }
    if (at_out) {
        *at_out = at;
    }
    return error;
}

/* --- signatures that are known --- */

static _Atomic(struct gr_signature *) known[64];

static _Atomic(struct gr_signature *) *bucket_of(const char *text)
{
    uint32_t h = 2166136261U; /* FNV-1a */
    for (; *text; text++) {
        h = (h ^ (unsigned char)*text) * 16777619U;
    }
    return &known[(h ^ h >> 16) % GR_ARRAY_SIZE(known)];
}

int gr_signature_get(const char *text, struct gr_signature **out)
{
    if (!text) {
        return -EINVAL;
    }
    _Atomic(struct gr_signature *) *bucket = bucket_of(text);
    struct gr_signature *first = atomic_load_explicit(bucket, memory_order_acquire);
    for (struct gr_signature *s = first; s; s = s->next) {
        if (strcmp(s->text, text) == 0) {
            *out = s;
            return 0;
        }
    }
    const char *error;
    size_t at;
    int rc = parse(text, out, &error, &at);
    if (rc == 0) {
        /* Two threads may add the same text; that does no harm. */
        (*out)->next = first;
        while (!atomic_compare_exchange_weak(bucket, &(*out)->next, *out)) {
        }
    }
    return rc;
}

/* --- calls --- */

/* Copies what the "s" arguments point to. */
static int copy_strings(struct gr_call *c)
{
    const struct gr_signature *sig = c->sig;
    size_t n = 0;
    for (unsigned i = 0; i < sig->cif.nargs; i++) {
        const char *s = sig->kinds[i] == 's' ? *(char **)c->args[i] : NULL;
        n += s ? strlen(s) + 1 : 0;
    }
    char *to = n ? malloc(n) : NULL;
    if (n && !to) {
        return -ENOMEM;
    }
    c->strings = to;
    for (unsigned i = 0; i < sig->cif.nargs; i++) {
        char **s = sig->kinds[i] == 's' ? c->args[i] : NULL;
        if (s && *s) {
            char *copy = to;
            to = stpcpy(to, *s) + 1;
            *s = copy;
        }
    }
    return 0;
}

/* Values, one behind the other from @to. */
static int take_arguments(struct gr_call *c, void *to, va_list ap)
{
    const struct gr_signature *sig = c->sig;
    for (unsigned i = 0; i < sig->cif.nargs; i++) {
        const ffi_type *type = sig->cif.arg_types[i];
        to = (void *)gr_align_up((uintptr_t)to, type->alignment);
        c->args[i] = to;
        switch (sig->kinds[i]) {
#define TAKE(l, type, promoted, ffi)                                                               \
    case l:                                                                                        \
        *(type *)to = (type)va_arg(ap, promoted);                                                  \
        break;
            SCALARS(TAKE)
#undef TAKE
        default: {
            const void *from = va_arg(ap, const void *);
            if (!from) {
                return -EINVAL;
            }
            memcpy(to, from, type->size);
        }
        }
        to = (char *)to + type->size;
    }
    return 0;
}

int gr_call_new(void (*fn)(void), const char *signature, va_list ap, struct gr_call **out)
{
    struct gr_signature *sig;
    int rc = fn ? gr_signature_get(signature, &sig) : -EINVAL;
    if (rc) {
        return rc;
    }
    size_t values = gr_align_up(sizeof(struct gr_call) + sig->cif.nargs * sizeof(void *), 16);
    size_t result = values + gr_align_up(sig->room, 16);
    size_t size = sig->cif.rtype->size;
    struct gr_call *c = malloc(result + (size > sizeof(ffi_arg) ? size : sizeof(ffi_arg)));
    if (!c) {
        return -ENOMEM;
    }
    c->sig = sig;
    c->fn = fn;
    c->done = false;
    c->result = (char *)c + result;
    c->strings = NULL;
    rc = take_arguments(c, (char *)c + values, ap);
    if (rc == 0 && sig->has_strings) {
        rc = copy_strings(c);
    }
    if (rc) {
        free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void *gr_call_run(void *call)
{
    struct gr_call *c = call;
    ffi_call(&c->sig->cif, c->fn, c->result, c->args);
    c->done = true;
    switch (c->sig->result) {
    case 'v':
        return NULL;
    case 'f':
    case 'd':
    case 'g':
    case '{':
        return c->result;
    default:
        return *(void **)c->result; /* widened */
    }
}

int gr_call_copy_result(const struct gr_call *c, void *out, size_t size)
{
    if (c->sig->result == 'v') {
        return 0;
    }
    if (size != c->sig->cif.rtype->size) {
        return -EINVAL;
    }
    memcpy(out, c->result, size);
    return 0;
}

void gr_call_free(struct gr_call *c)
{
    if (c) {
        free(c->strings);
        free(c);
    }
}
