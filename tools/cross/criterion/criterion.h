/*
 * The part of Criterion's interface that the unit tests use, in one header.
 *
 * For unit tests built for another machine and run by qemu-user: Criterion itself starts each test
 * by executing the test program again, which the kernel refuses for a foreign program. Here each
 * test runs in a forked child. A test program has one source file, so everything is defined here,
 * main() included. The report has the format of Criterion's --tap.
 */
#ifndef CROSS_CRITERION_H
#define CROSS_CRITERION_H

#include <fnmatch.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CR_FAILED = 101, CR_SKIPPED = 102, CR_DEFAULT_TIMEOUT = 60 };

struct cr_extra {
    void (*init)(void);
    void (*fini)(void);
    int signal;
    int exit_code;
    double timeout;
    bool disabled;
    const char *description;
};

struct cr_suite {
    const char *name;
    struct cr_extra extra;
    struct cr_suite *next;
};

struct cr_test {
    const char *suite;
    const char *name;
    void (*run)(void);
    struct cr_extra extra;
    struct cr_test *next;
};

static struct cr_test *cr_tests;
static struct cr_suite *cr_suites;
static bool cr_expectation_failed;

#define CR_CONSTRUCTOR __attribute__((constructor)) static void

#define TestSuite(suite_, ...)                                                                     \
    static struct cr_suite suite_##_suite = {.name = #suite_, .extra = {__VA_ARGS__}};             \
    CR_CONSTRUCTOR suite_##_suite_add(void)                                                        \
    {                                                                                              \
        suite_##_suite.next = cr_suites;                                                           \
        cr_suites = &suite_##_suite;                                                               \
    }                                                                                              \
    struct cr_suite

#define Test(suite_, name_, ...)                                                                   \
    static void suite_##_##name_##_run(void);                                                      \
    static struct cr_test suite_##_##name_##_test = {                                              \
        .suite = #suite_, .name = #name_, .run = suite_##_##name_##_run, .extra = {__VA_ARGS__}};  \
    CR_CONSTRUCTOR suite_##_##name_##_add(void)                                                    \
    {                                                                                              \
        suite_##_##name_##_test.next = cr_tests;                                                   \
        cr_tests = &suite_##_##name_##_test;                                                       \
    }                                                                                              \
    static void suite_##_##name_##_run(void)

static inline bool cr_check(bool good, const char *file, int line, const char *what)
{
    if (!good) {
        fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    }
    return good;
}

#define CR_ASSERT_(cond, what, ...)                                                                \
    do {                                                                                           \
        if (!cr_check(cond, __FILE__, __LINE__, what)) {                                           \
            fprintf(stderr, "  " __VA_ARGS__);                                                     \
            fputc('\n', stderr);                                                                   \
            fflush(NULL);                                                                          \
            _exit(CR_FAILED);                                                                      \
        }                                                                                          \
    } while (0)
#define CR_EXPECT_(cond, what, ...)                                                                \
    do {                                                                                           \
        if (!cr_check(cond, __FILE__, __LINE__, what)) {                                           \
            fprintf(stderr, "  " __VA_ARGS__);                                                     \
            fputc('\n', stderr);                                                                   \
            cr_expectation_failed = true;                                                          \
        }                                                                                          \
    } while (0)

#define cr_assert(c, ...)              CR_ASSERT_((c), #c, __VA_ARGS__)
#define cr_assert_not(c, ...)          CR_ASSERT_(!(c), "not " #c, __VA_ARGS__)
#define cr_assert_eq(a, b, ...)        CR_ASSERT_((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...)       CR_ASSERT_((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...)        CR_ASSERT_((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...)       CR_ASSERT_((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...)        CR_ASSERT_((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...)       CR_ASSERT_((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_null(a, ...)         CR_ASSERT_((a) == NULL, #a " is NULL", __VA_ARGS__)
#define cr_assert_not_null(a, ...)     CR_ASSERT_((a) != NULL, #a " is not NULL", __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)    CR_ASSERT_(!strcmp(a, b), #a " is " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)   CR_ASSERT_(strcmp(a, b), #a " is not " #b, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...) CR_ASSERT_(!memcmp(a, b, n), #a " is " #b, __VA_ARGS__)
#define cr_assert_float_eq(a, b, e, ...)                                                           \
    CR_ASSERT_((a) - (b) <= (e) && (b) - (a) <= (e), #a " near " #b, __VA_ARGS__)
#define cr_assert_fail(...) CR_ASSERT_(false, "reached", __VA_ARGS__)
#define cr_fatal(...)       CR_ASSERT_(false, "reached", __VA_ARGS__)

#define cr_expect(c, ...)              CR_EXPECT_((c), #c, __VA_ARGS__)
#define cr_expect_not(c, ...)          CR_EXPECT_(!(c), "not " #c, __VA_ARGS__)
#define cr_expect_eq(a, b, ...)        CR_EXPECT_((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_expect_neq(a, b, ...)       CR_EXPECT_((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_expect_lt(a, b, ...)        CR_EXPECT_((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_expect_leq(a, b, ...)       CR_EXPECT_((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_expect_gt(a, b, ...)        CR_EXPECT_((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...)       CR_EXPECT_((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_expect_null(a, ...)         CR_EXPECT_((a) == NULL, #a " is NULL", __VA_ARGS__)
#define cr_expect_not_null(a, ...)     CR_EXPECT_((a) != NULL, #a " is not NULL", __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...)    CR_EXPECT_(!strcmp(a, b), #a " is " #b, __VA_ARGS__)
#define cr_expect_str_neq(a, b, ...)   CR_EXPECT_(strcmp(a, b), #a " is not " #b, __VA_ARGS__)
#define cr_expect_arr_eq(a, b, n, ...) CR_EXPECT_(!memcmp(a, b, n), #a " is " #b, __VA_ARGS__)
#define cr_expect_fail(...)            CR_EXPECT_(false, "reached", __VA_ARGS__)

#define cr_log_info(...)  (void)(fprintf(stderr, __VA_ARGS__), fputc('\n', stderr))
#define cr_log_warn(...)  cr_log_info(__VA_ARGS__)
#define cr_log_error(...) cr_log_info(__VA_ARGS__)
#define cr_skip_test(...) (cr_log_info("  " __VA_ARGS__), fflush(NULL), _exit(CR_SKIPPED))

static inline struct cr_extra *cr_suite_of(const struct cr_test *t)
{
    static struct cr_extra none;
    for (struct cr_suite *s = cr_suites; s; s = s->next) {
        if (strcmp(s->name, t->suite) == 0) {
            return &s->extra;
        }
    }
    return &none;
}

static inline void cr_call(void (*fn)(void))
{
    if (fn) {
        fn();
    }
}

static inline int cr_run_child(const struct cr_test *t, unsigned seconds)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        const struct cr_extra *suite = cr_suite_of(t);
        alarm(seconds);
        cr_call(suite->init);
        cr_call(t->extra.init);
        t->run();
        cr_call(t->extra.fini);
        cr_call(suite->fini);
        fflush(NULL);
        _exit(cr_expectation_failed ? CR_FAILED : 0);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("criterion: fork or wait");
        exit(1);
    }
    return status;
}

/* Runs one test and reports it. True if it passed or was skipped. */
static inline bool cr_run_test(const struct cr_test *t, unsigned seconds, FILE *tap)
{
    const struct cr_extra *suite = cr_suite_of(t);
    int want_signal = t->extra.signal ? t->extra.signal : suite->signal;
    int want_exit = t->extra.exit_code ? t->extra.exit_code : suite->exit_code;
    double own = t->extra.timeout > 0 ? t->extra.timeout : suite->timeout;
    if (t->extra.disabled || suite->disabled) {
        fprintf(tap, "ok - %s::%s  # SKIP test was skipped\n", t->suite, t->name);
        return true;
    }
    int status = cr_run_child(t, own > 0 ? (unsigned)own + 1 : seconds);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CR_SKIPPED) {
        fprintf(tap, "ok - %s::%s  # SKIP see its output\n", t->suite, t->name);
        return true;
    }
    bool good = want_signal ? WIFSIGNALED(status) && WTERMSIG(status) == want_signal
                            : WIFEXITED(status) && WEXITSTATUS(status) == want_exit;
    fprintf(tap, "%sok - %s::%s", good ? "" : "not ", t->suite, t->name);
    if (!good && WIFSIGNALED(status)) {
        fprintf(tap, " %s", WTERMSIG(status) == SIGALRM ? "timed out" : "unexpected signal");
    }
    fputc('\n', tap);
    return good;
}

/* Options as Criterion's: --tap=FILE, --timeout SECONDS, --filter SUITE/TEST (with * and ?). */
int main(int argc, char **argv)
{
    FILE *tap = stderr;
    unsigned seconds = CR_DEFAULT_TIMEOUT;
    const char *filter = "*";
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--tap=", 6) == 0) {
            tap = fopen(argv[i] + 6, "w");
        } else if (strcmp(argv[i], "--timeout") == 0 && i + 1 < argc) {
            seconds = (unsigned)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc) {
            filter = argv[++i];
        }
    }
    if (!tap) {
        perror("criterion: report");
        return 1;
    }
    bool good = true;
    for (struct cr_test *t = cr_tests; t; t = t->next) {
        char name[256];
        (void)snprintf(name, sizeof(name), "%s/%s", t->suite, t->name);
        if (fnmatch(filter, name, 0) == 0) {
            good = cr_run_test(t, seconds, tap) && good;
        }
    }
    return fclose(tap) == 0 && good ? 0 : 1;
}

#endif
