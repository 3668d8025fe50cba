/* Signatures and calls of functions of any type: parsing, arguments, results. */
#include "runtime/api/signature.h"

#include <green/call.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

TestSuite(signature, .timeout = 60);

static struct gr_call *call_of(void (*fn)(void), const char *signature, ...)
{
    struct gr_call *c = NULL;
    va_list ap;
    va_start(ap, signature);
    cr_assert_eq(gr_call_new(fn, signature, ap, &c), 0, "%s", signature);
    va_end(ap);
    return c;
}

#define FN(f) ((void (*)(void))(f))

/* Calls @fn, and its result must be equal to @want, which has its type. */
#define CALL(want, fn, ...)                                                                        \
    do {                                                                                           \
        struct gr_call *c_ = call_of(FN(fn), __VA_ARGS__);                                         \
        __typeof__(want) result_;                                                                  \
        (void)gr_call_run(c_);                                                                     \
        cr_assert_eq(gr_call_copy_result(c_, &result_, sizeof(result_)), 0);                       \
        cr_assert_eq(result_, (want));                                                             \
        gr_call_free(c_);                                                                          \
    } while (0)

/* --- what is right and what is wrong --- */

Test(signature, right_ones_have_no_error)
{
    static const char *const right[] = {
        "v()",    "i(sd)",     "v(?cbBhHiIlLqQnNfdgps)", "p(p)",       "{if}()",
        "v({d})", "{i4c}(pp)", "{{ii}{3{b}}f}({d}{d})",  "i(ps...)",   "i(s...idps)",
        "?()",    "g(g)",      "v({{{{{{{{i}}}}}}}})",   "v({1000i})", "i(p...{f})",
    };
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        size_t at = 99;
        cr_assert_null(green_signature_error(right[i], &at), "%s", right[i]);
        cr_assert_eq(at, 99);
    }
}

Test(signature, wrong_ones_are_told_where_and_why)
{
    static const struct {
        const char *text;
        size_t at;
        const char *why;
    } wrong[] = {
        {NULL, 0, "no signature"},
        {"", 0, "a type is missing"},
        {"(i)", 0, "no such type"},
        {"i", 1, "'(' is missing"},
        {"x(i)", 0, "no such type"},
        {"i[i]", 1, "'(' is missing"},
        {"i(sx)", 3, "no such type"},
        {"i(s d)", 3, "no such type"},
        {"i(i", 3, "')' is missing"},
        {"i(", 2, "')' is missing"},
        {"i(i)i", 4, "left behind"},
        {"i(v)", 2, "void"},
        {"v({v})", 3, "void"},
        {"i(2i)", 2, "count is for members"},
        {"2i(i)", 0, "count is for members"},
        {"i({0i})", 3, "at least 1"},
        {"i({i3})", 5, "type is missing"},
        {"i({3", 4, "'}' is missing"},
        {"i({})", 3, "at least one member"},
        {"i({i)", 4, "'}' is missing"},
        {"i({i", 4, "'}' is missing"},
        {"i(})", 2, "type is missing"},
        {"{i", 2, "'}' is missing"},
        {"v({{{{{{{{{i}}}}}}}}})", 10, "too deep"},
        {"v({99999999999999999999999i})", 0, "too many types"},
        {"v({2000{i}}{2000{i}})", 0, "too many types"},
        {"i(...)", 2, "comes once"},
        {"i(s......)", 6, "comes once"},
        {"i(s..d)", 3, "no such type"},
        {"i(s...f)", 6, "becomes int or double"},
        {"i(s...ic)", 7, "becomes int or double"},
        {"\xff(\xff)", 0, "no such type"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        size_t at = 99;
        const char *why = green_signature_error(wrong[i].text, &at);
        cr_assert_not_null(why, "%s", wrong[i].text);
        cr_assert_not_null(strstr(why, wrong[i].why), "%s: %s", wrong[i].text, why);
        cr_assert_eq(at, wrong[i].at, "%s: at %zu", wrong[i].text, at);
        cr_assert_not_null(green_signature_error(wrong[i].text, NULL));
        struct gr_signature *sig = NULL;
        cr_assert_eq(gr_signature_get(wrong[i].text, &sig), -EINVAL);
        cr_assert_null(sig);
    }
}

Test(signature, has_at_most_127_arguments)
{
    char text[256] = "v(";
    memset(text + 2, 'i', 128);
    text[129] = ')';
    cr_assert_null(green_signature_error(text, NULL));
    memcpy(text + 129, "i)", 3);
    size_t at;
    cr_assert_not_null(strstr(green_signature_error(text, &at), "too many arguments"));
    cr_assert_eq(at, 129);
}

/* Random text never does harm; what is accepted can be looked up. */
Test(signature, random_text_is_harmless)
{
    static const char letters[] = "()()....{{}}}v?cbBhHiIlLqQnNfdgpsx0123456789 ";
    unsigned seed = 1;
    for (int i = 0; i < 200000; i++) {
        char text[24];
        int n = rand_r(&seed) % (int)sizeof(text);
        for (int k = 0; k < n; k++) {
            text[k] = letters[rand_r(&seed) % (sizeof(letters) - 1)];
        }
        text[n] = '\0';
        size_t at = 0;
        if (green_signature_error(text, &at)) {
            cr_assert_leq(at, (size_t)n);
        }
    }
}

Test(signature, the_same_text_is_looked_at_once)
{
    char text[] = "d(dd)";
    struct gr_signature *a;
    struct gr_signature *b;
    struct gr_signature *c;
    cr_assert_eq(gr_signature_get(text, &a), 0);
    cr_assert_eq(gr_signature_get("d(dd)", &b), 0);
    cr_assert_eq(a, b);
    text[0] = 'f';
    cr_assert_eq(gr_signature_get(text, &c), 0);
    cr_assert_neq(a, c);
    cr_assert_str_eq(a->text, "d(dd)");
    cr_assert_eq(a->cif.nargs, 2);
}

static void *look_up_many(void *arg)
{
    static const char letters[] = "bBhHiIlLqQnNfdgps";
    struct gr_signature **found = arg;
    for (int i = 0; i < 17 * 17; i++) {
        char text[] = {letters[i % 17], '(', letters[i / 17], ')', 0};
        cr_assert_eq(gr_signature_get(text, &found[i]), 0);
    }
    return NULL;
}

Test(signature, kernel_threads_look_up_at_once)
{
    static struct gr_signature *found[4][17 * 17];
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(pthread_create(&t[i], NULL, look_up_many, found[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
    }
    for (int i = 0; i < 17 * 17; i++) {
        cr_assert_str_eq(found[0][i]->text, found[3][i]->text);
    }
}

/* --- arguments and results --- */

#define ECHO(type, name)                                                                           \
    static type name(type x)                                                                       \
    {                                                                                              \
        return x;                                                                                  \
    }
ECHO(bool, echo_bool)
ECHO(char, echo_char)
ECHO(signed char, echo_schar)
ECHO(unsigned char, echo_uchar)
ECHO(short, echo_short)
ECHO(unsigned short, echo_ushort)
ECHO(int, echo_int)
ECHO(unsigned, echo_uint)
ECHO(long, echo_long)
ECHO(unsigned long, echo_ulong)
ECHO(long long, echo_llong)
ECHO(unsigned long long, echo_ullong)
ECHO(ssize_t, echo_ssize)
ECHO(size_t, echo_size)
ECHO(float, echo_float)
ECHO(double, echo_double)
ECHO(long double, echo_ldouble)
ECHO(void *, echo_pointer)

Test(signature, each_type_passes_through_at_its_limits)
{
    CALL((bool)true, echo_bool, "?(?)", 7);
    CALL((bool)false, echo_bool, "?(?)", 0);
    CALL((char)'x', echo_char, "c(c)", 'x');
    CALL((char)CHAR_MIN, echo_char, "c(c)", CHAR_MIN);
    CALL((signed char)SCHAR_MIN, echo_schar, "b(b)", SCHAR_MIN);
    CALL((unsigned char)UCHAR_MAX, echo_uchar, "B(B)", UCHAR_MAX);
    CALL((short)SHRT_MIN, echo_short, "h(h)", SHRT_MIN);
    CALL((unsigned short)USHRT_MAX, echo_ushort, "H(H)", USHRT_MAX);
    CALL(INT_MIN, echo_int, "i(i)", INT_MIN);
    CALL(UINT_MAX, echo_uint, "I(I)", UINT_MAX);
    CALL(LONG_MIN, echo_long, "l(l)", LONG_MIN);
    CALL(ULONG_MAX, echo_ulong, "L(L)", ULONG_MAX);
    CALL(LLONG_MIN, echo_llong, "q(q)", LLONG_MIN);
    CALL(ULLONG_MAX, echo_ullong, "Q(Q)", ULLONG_MAX);
    CALL((ssize_t)-5, echo_ssize, "n(n)", (ssize_t)-5);
    CALL(SIZE_MAX, echo_size, "N(N)", SIZE_MAX);
    CALL(-1.5F, echo_float, "f(f)", -1.5);
    CALL(1e300, echo_double, "d(d)", 1e300);
    CALL(1e4000L, echo_ldouble, "g(g)", 1e4000L);
    CALL((void *)&errno, echo_pointer, "p(p)", &errno);
    CALL((void *)NULL, echo_pointer, "s(s)", NULL);
}

static void *value_of(struct gr_call *c)
{
    return gr_call_run(c);
}

Test(signature, a_value_is_the_integer_or_pointer_or_the_address_of_the_result)
{
    struct gr_call *c = call_of(FN(echo_int), "i(i)", -3);
    cr_assert_eq((intptr_t)value_of(c), -3);
    gr_call_free(c);
    c = call_of(FN(echo_uchar), "B(B)", 200);
    cr_assert_eq((intptr_t)value_of(c), 200);
    gr_call_free(c);
    c = call_of(FN(echo_double), "d(d)", 2.5);
    cr_assert_eq(*(double *)value_of(c), 2.5);
    gr_call_free(c);
    c = call_of(FN(srand), "v(I)", 1U);
    cr_assert_null(value_of(c));
    int untouched = 5;
    cr_assert_eq(gr_call_copy_result(c, &untouched, sizeof(untouched)), 0);
    cr_assert_eq(untouched, 5);
    gr_call_free(c);
}

static void note_ten(int *out, char a, double b, long c, float d, const char *e, unsigned short f,
                     long double g, long long h, bool i)
{
    *out = a == 'a' && b == 2 && c == -3 && d == 4.5F && strcmp(e, "five") == 0 && f == 6 &&
           g == 7.25L && h == -8 && i;
}

Test(signature, arguments_of_all_kinds_side_by_side)
{
    int right = 0;
    struct gr_call *c = call_of(FN(note_ten), "v(pcdlfsHgq?)", &right, 'a', 2.0, -3L, 4.5, "five",
                                6, 7.25L, -8LL, 1);
    (void)value_of(c);
    cr_assert(right);
    gr_call_free(c);
}

static long sum_of_many(int a, int b, int c, int d, int e, int f, int g, int h, double i, double j,
                        double k, double l, double m, double n, double o, double p, double q)
{
    return a + b + c + d + e + f + g + h + (long)(i + j + k + l + m + n + o + p + q);
}

Test(signature, arguments_beyond_the_registers)
{
    CALL(17L * 18 / 2, sum_of_many, "l(iiiiiiiiddddddddd)", 1, 2, 3, 4, 5, 6, 7, 8, 9.0, 10.0, 11.0,
         12.0, 13.0, 14.0, 15.0, 16.0, 17.0);
}

Test(signature, a_string_is_copied_a_pointer_is_not)
{
    char text[] = "before";
    struct gr_call *s = call_of(FN(echo_pointer), "s(s)", text);
    struct gr_call *p = call_of(FN(echo_pointer), "p(p)", text);
    memcpy(text, "after!", sizeof(text));
    cr_assert_str_eq(value_of(s), "before");
    cr_assert_eq(value_of(p), (void *)text);
    gr_call_free(s);
    gr_call_free(p);
}

static int lengths(const char *a, const char *b, const char *c)
{
    return (int)(100 * strlen(a) + 10 * strlen(b) + strlen(c));
}

Test(signature, several_strings_the_empty_one_too)
{
    CALL(203, lengths, "i(sss)", "ab", "", "abc");
}

Test(signature, variable_arguments)
{
    char out[64];
    CALL(16, snprintf, "i(pNs...sid)", out, sizeof(out), "%s %d %.2f", "pi is not", 3, 3.14);
    cr_assert_str_eq(out, "pi is not 3 3.14");
}

/* --- structs --- */

struct pair {
    int i;
    float f;
};

static struct pair swap(struct pair p)
{
    return (struct pair){.i = (int)p.f, .f = (float)p.i};
}

struct line {
    struct {
        double x, y;
    } from, to;
    char name[4];
};

static struct line turn(struct line l, int times)
{
    struct line r = {.from = {l.to.x * times, l.to.y}, .to = {l.from.x, l.from.y}, .name = "new"};
    return strcmp(l.name, "old") == 0 ? r : l;
}

Test(signature, structs_by_value)
{
    struct pair p = {3, 4.0F};
    struct gr_call *c = call_of(FN(swap), "{if}({if})", &p);
    p.i = 99; /* it has been copied */
    struct pair back = *(struct pair *)value_of(c);
    cr_assert(back.i == 4 && back.f == 3.0F);
    struct pair copy;
    cr_assert_eq(gr_call_copy_result(c, &copy, sizeof(copy)), 0);
    cr_assert_eq(copy.i, 4);
    cr_assert_eq(gr_call_copy_result(c, &copy, 4), -EINVAL);
    gr_call_free(c);

    struct line l = {.from = {1, 2}, .to = {3, 4}, .name = "old"};
    c = call_of(FN(turn), "{{dd}{dd}4c}({2{dd}4c}i)", &l, 10);
    struct line *turned = value_of(c);
    cr_assert(turned->from.x == 30 && turned->from.y == 4 && turned->to.x == 1);
    cr_assert_str_eq(turned->name, "new");
    gr_call_free(c);
}

struct odd {
    char c;
    long double g;
    short h;
};

static struct odd echo_odd(char before, struct odd o, char behind)
{
    o.h = (short)(o.h + before + behind);
    return o;
}

Test(signature, structs_are_laid_out_as_by_the_compiler)
{
    struct odd o = {'o', 2.5L, 7};
    struct gr_call *c = call_of(FN(echo_odd), "{cgh}(c{cgh}c)", 1, &o, 2);
    cr_assert_eq(c->sig->cif.rtype->size, sizeof(struct odd));
    struct odd *back = value_of(c);
    cr_assert(back->c == 'o' && back->g == 2.5L && back->h == 10);
    gr_call_free(c);
}

/* --- misuse --- */

static int try_call(void (*fn)(void), const char *signature, ...)
{
    struct gr_call *c;
    va_list ap;
    va_start(ap, signature);
    int rc = gr_call_new(fn, signature, ap, &c);
    va_end(ap);
    return rc;
}

Test(signature, no_call_without_function_signature_or_struct)
{
    cr_assert_eq(try_call(NULL, "v()"), -EINVAL);
    cr_assert_eq(try_call(FN(abs), NULL), -EINVAL);
    cr_assert_eq(try_call(FN(abs), "i(y)", 1), -EINVAL);
    cr_assert_eq(try_call(FN(swap), "{if}({if})", NULL), -EINVAL);
}

/* --- closures --- */

static void answer(ffi_cif *cif, void *result, void **args, void *user)
{
    (void)cif;
    *(ffi_sarg *)result = *(int *)args[0] + *(int *)user;
}

Test(signature, serves_closures)
{
    struct gr_signature *sig;
    int plus = 5;
    void *code;
    cr_assert_eq(gr_signature_get("i(i)", &sig), 0);
    ffi_closure *closure = ffi_closure_alloc(sizeof(ffi_closure), &code);
    cr_assert_not_null(closure);
    cr_assert_eq(ffi_prep_closure_loc(closure, &sig->cif, answer, &plus, code), FFI_OK);
    cr_assert_eq(((int (*)(int))code)(37), 42);
    ffi_closure_free(closure);
}
