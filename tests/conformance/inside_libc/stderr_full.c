/* Standard error is a full pipe: perror, warn, error, psignal and err wait for its reader, and
   others run meanwhile; every message arrives. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <err.h>
#include <error.h>
#include <signal.h>

static void use_perror(void)
{
    errno = ENOENT;
    perror("text");
}

static void use_warn(void)
{
    errno = ENOENT;
    warn("%s", "text");
}

static void use_warnx(void)
{
    warnx("text %d", 5);
}

static void use_error(void)
{
    fflush(stdout); /* as error itself does */
    error(0, ENOENT, "text");
}

static void use_psignal(void)
{
    psignal(SIGHUP, "text");
}

static void use_fputs(void)
{
    fputs("text 5\n", stderr);
}

static int child(const char *how)
{
    program_invocation_name = program_invocation_short_name = "me";
    fill_and_say_go(2);
    errno = ENOENT;
    if (strcmp(how, "err") == 0)
        err(7, "last %s", "words");
    if (strcmp(how, "errx") == 0)
        errx(8, "last words");
    error(9, ENOENT, "last words");
    return 0;
}

static void run_child_with(const char *how, int want_status, const char *want)
{
    struct sink sink;
    int status = run_with_full_pipe(how, 2, 0, &sink);

    CHECK_EQ(status, want_status << 8);
    CHECK_GE(sink.size, strlen(want));
    const char *end = sink.data + sink.size - strlen(want);
    CHECK_STR(end, want);
    for (const char *at = sink.data; at < end && *at != 'm'; at++)
        CHECK_EQ(*at, 'x');
    free(sink.data);
}

int test_main(void)
{
    static const struct {
        void (*fn)(void);
        const char *want;
    } uses[] = {
        {use_perror, "text: No such file or directory\n"},
        {use_warn, "me: text: No such file or directory\n"},
        {use_warnx, "me: text 5\n"},
        {use_error, "me: text: No such file or directory\n"},
        {use_psignal, "text: Hangup\n"},
        {use_fputs, "text 5\n"},
    };

    if (test_argc > 1)
        return child(test_argv[1]);
    int saved = (int)SYS(dup(2));
    program_invocation_name = program_invocation_short_name = "me";
    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        struct sink sink;
        int fds[2];

        pipe_pair(fds);
        SYS(dup2(fds[1], 2));
        SYS(close(fds[1]));
        size_t before = fill_fd(2);
        OTHERS_RUN(60, {
            sink_start(&sink, fds[0], 60);
            uses[i].fn();
        });
        SYS(dup2(saved, 2));
        sink_finish(&sink);
        CHECK_STR(sink.data + before, uses[i].want);
        free(sink.data);
    }
    run_child_with("err", 7, "last words: No such file or directory\n");
    run_child_with("errx", 8, "last words\n");
    run_child_with("error", 9, "last words: No such file or directory\n");
    return 0;
}
