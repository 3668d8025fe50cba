/* The form LIBRARY:SYMBOL=SIGNATURE. */
#include "runtime/base/offload.h"

#include <criterion/criterion.h>

static struct gr_offload_spec s;

Test(offload, parts_are_split_from_the_end)
{
    char plain[] = "libx.so.1:f=i(p)";
    char odd[] = "/a:b=c/libx.so:f=i(p)";
    cr_assert_null(gr_offload_split(plain, &s));
    cr_assert_str_eq(s.library, "libx.so.1");
    cr_assert_str_eq(s.symbol, "f");
    cr_assert_str_eq(s.signature, "i(p)");
    cr_assert_null(gr_offload_split(odd, &s));
    cr_assert_str_eq(s.library, "/a:b=c/libx.so");
    cr_assert_str_eq(s.symbol, "f");
}

Test(offload, what_is_wrong_is_left_whole)
{
    static const char *const texts[] = {"", "x", "x:f", "x=i()", ":f=i()", "x:=i()", "=", ":="};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        char text[16];
        strcpy(text, texts[i]); /* NOLINT(clang-analyzer-security.insecureAPI.strcpy) */
        cr_assert_not_null(gr_offload_split(text, &s), "%s", texts[i]);
        cr_assert_str_eq(text, texts[i]);
    }
}
