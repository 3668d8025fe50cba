/* Settings. */
#include "runtime/base/config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

TestSuite(config, .timeout = 60);

/* Value of @text within the whole range of a long, or -1000 if it is refused. */
static long parse(enum gr_config_type type, const char *text)
{
    long out = -1;
    int rc = gr_config_parse(type, text, LONG_MIN, LONG_MAX, &out);
    cr_assert(rc == 0 || (rc == -1 && out == -1), "a refused value was stored");
    return rc ? -1000 : out;
}

#define REFUSED(type, text) cr_assert_eq(parse(type, text), -1000, "%s", text)

Test(config, switches_are_0_1_off_on)
{
    long out;
    cr_assert_eq(parse(GR_CONFIG_BOOL, "0"), 0);
    cr_assert_eq(parse(GR_CONFIG_BOOL, "1"), 1);
    cr_assert_eq(parse(GR_CONFIG_BOOL, "off"), 0);
    cr_assert_eq(parse(GR_CONFIG_BOOL, "on"), 1);
    REFUSED(GR_CONFIG_BOOL, "yes");
    REFUSED(GR_CONFIG_BOOL, "On");
    REFUSED(GR_CONFIG_BOOL, "1K");
    REFUSED(GR_CONFIG_BOOL, "onn");
    cr_assert_eq(gr_config_parse(GR_CONFIG_BOOL, "2", 0, 1, &out), -1);
}

Test(config, sizes_take_suffixes)
{
    cr_assert_eq(parse(GR_CONFIG_SIZE, "0"), 0);
    cr_assert_eq(parse(GR_CONFIG_SIZE, "65536"), 65536);
    cr_assert_eq(parse(GR_CONFIG_SIZE, "64k"), 64L << 10);
    cr_assert_eq(parse(GR_CONFIG_SIZE, "64K"), 64L << 10);
    cr_assert_eq(parse(GR_CONFIG_SIZE, "2m"), 2L << 20);
    cr_assert_eq(parse(GR_CONFIG_SIZE, "2M"), 2L << 20);
    cr_assert_eq(parse(GR_CONFIG_SIZE, "1g"), 1L << 30);
    cr_assert_eq(parse(GR_CONFIG_SIZE, "1G"), 1L << 30);
}

Test(config, bad_sizes_are_refused)
{
    static const char *const bad[] = {"",   "K",   "-1",  "+1",    " 1",  "1 ",
                                      "1T", "1KB", "1.5", "0x100", "64KK"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        REFUSED(GR_CONFIG_SIZE, bad[i]);
    }
}

Test(config, sizes_that_overflow_are_refused)
{
    REFUSED(GR_CONFIG_SIZE, "9223372036854775808");
    REFUSED(GR_CONFIG_SIZE, "9223372036854775807K");
    REFUSED(GR_CONFIG_SIZE, "8589934592G");
    REFUSED(GR_CONFIG_SIZE, "99999999999999999999999999");
    cr_assert_eq(parse(GR_CONFIG_SIZE, "9223372036854775807"), LONG_MAX);
}

Test(config, numbers_take_no_suffix)
{
    cr_assert_eq(parse(GR_CONFIG_INT, "12"), 12);
    cr_assert_eq(parse(GR_CONFIG_INT, "007"), 7);
    REFUSED(GR_CONFIG_INT, "12K");
    REFUSED(GR_CONFIG_INT, "-3");
    REFUSED(GR_CONFIG_INT, "twelve");
    REFUSED(GR_CONFIG_INT, "");
}

Test(config, milliseconds_may_be_on_or_off)
{
    cr_assert_eq(parse(GR_CONFIG_MS, "25"), 25);
    cr_assert_eq(parse(GR_CONFIG_MS, "on"), GR_CONFIG_MS_ON);
    cr_assert_eq(parse(GR_CONFIG_MS, "off"), 0);
    REFUSED(GR_CONFIG_MS, "5ms");
    REFUSED(GR_CONFIG_MS, "-3");
    REFUSED(GR_CONFIG_MS, "");
}

Test(config, tls_is_one_of_its_words)
{
    cr_assert_eq(parse(GR_CONFIG_TLS, "clone"), GR_TLS_CLONE);
    cr_assert_eq(parse(GR_CONFIG_TLS, "harvest"), GR_TLS_HARVEST);
    cr_assert_eq(parse(GR_CONFIG_TLS, "off"), GR_TLS_OFF);
    REFUSED(GR_CONFIG_TLS, "clon");
    REFUSED(GR_CONFIG_TLS, "0");
    REFUSED(GR_CONFIG_TLS, "");
}

Test(config, values_out_of_range_are_refused)
{
    long out = -1;
    cr_assert_eq(gr_config_parse(GR_CONFIG_INT, "4", 5, 10, &out), -1);
    cr_assert_eq(gr_config_parse(GR_CONFIG_INT, "11", 5, 10, &out), -1);
    cr_assert_eq(out, -1);
    cr_assert_eq(gr_config_parse(GR_CONFIG_INT, "5", 5, 10, &out), 0);
    cr_assert_eq(out, 5);
    cr_assert_eq(gr_config_parse(GR_CONFIG_INT, "10", 5, 10, &out), 0);
    cr_assert_eq(out, 10);
}

Test(config, parsing_leaves_errno_alone)
{
    errno = EDOM;
    REFUSED(GR_CONFIG_SIZE, "99999999999999999999999999");
    cr_assert_eq(errno, EDOM);
}

/* Load @vars and return what was said about them on standard error. */
static const char *load(char *const *vars)
{
    static char said[1024];
    int saved = dup(2);
    int pipes[2];
    cr_assert_eq(pipe2(pipes, O_NONBLOCK), 0);
    dup2(pipes[1], 2);
    gr_config_load((char **)vars);
    dup2(saved, 2);
    close(saved);
    ssize_t n = read(pipes[0], said, sizeof(said) - 1);
    said[n > 0 ? n : 0] = '\0';
    close(pipes[0]);
    close(pipes[1]);
    return said;
}

Test(config, variables_set_their_settings)
{
    char *vars[] = {"GREENSHIM_STACK_SIZE=1M",     "GREENSHIM_DEEP=0",
                    "GREENSHIM_FOLLOW=off",        "GREENSHIM_STATS=1",
                    "GREENSHIM_VERBOSE=2",         "GREENSHIM=off",
                    "GREENSHIM_TLS=off",           "GREENSHIM_MAX_GREENS=7",
                    "GREENSHIM_CHECK_BLOCKING=20", NULL};
    cr_assert_str_eq(load(vars), "");
    cr_assert_eq(gr_config.check_blocking, 20);
    cr_assert_eq(gr_config.stack_size, 1L << 20);
    cr_assert_eq(gr_config.deep, 0);
    cr_assert_eq(gr_config.follow, 0);
    cr_assert_eq(gr_config.stats, 1);
    cr_assert_eq(gr_config.verbose, 2);
    cr_assert_eq(gr_config.enabled, 0);
    cr_assert_eq(gr_config.tls, GR_TLS_OFF);
    cr_assert_eq(gr_config.max_greens, 7);
}

Test(config, defaults_lie_within_their_ranges)
{
#define GR_CONFIG(field, var, type, def, min, max, opt, help)                                      \
    cr_assert(gr_config.field == (def) && ((def) == 0 || (def) >= (min)) && (def) <= (max), #field);
#include "runtime/base/config.def"
#undef GR_CONFIG
}

Test(config, empty_variable_is_as_none)
{
    struct gr_config before = gr_config;
    char *vars[] = {"GREENSHIM=", "GREENSHIM_STACK_SIZE=", "GREENSHIM_TLS=", NULL};
    cr_assert_str_eq(load(vars), "");
    cr_assert_arr_eq(&gr_config, &before, sizeof(before));
}

Test(config, names_that_only_begin_alike_are_not_ours)
{
    struct gr_config before = gr_config;
    char *vars[] = {"GREENSHIM_STATSX=1",
                    "XGREENSHIM_STATS=1",
                    "GREENSHIM_STAT=1",
                    "GREENSHIM_STATS",
                    "STATS=1",
                    NULL};
    cr_assert_str_eq(load(vars), "");
    cr_assert_arr_eq(&gr_config, &before, sizeof(before));
}

Test(config, bad_value_keeps_the_default_and_is_named_in_one_line)
{
    struct gr_config before = gr_config;
    char *vars[] = {"GREENSHIM_STACK_SIZE=lots", "GREENSHIM_STATS=1", NULL};
    const char *said = load(vars);
    cr_assert_not_null(strstr(said, "GREENSHIM_STACK_SIZE=lots"), "%s", said);
    cr_assert_eq(strchr(said, '\n'), said + strlen(said) - 1, "more than one line: %s", said);
    cr_assert_eq(gr_config.stack_size, before.stack_size);
    cr_assert_eq(gr_config.stats, 1, "the others count");
}

Test(config, very_long_value_is_refused_and_cut_in_the_message)
{
    static char var[4000] = "GREENSHIM_VERBOSE=";
    memset(var + strlen(var), 'x', sizeof(var) - strlen(var) - 1);
    char *vars[] = {var, NULL};
    const char *said = load(vars);
    cr_assert_leq(strlen(said), 512);
    cr_assert_eq(said[strlen(said) - 1], '\n');
    cr_assert_eq(gr_config.verbose, 0);
}
