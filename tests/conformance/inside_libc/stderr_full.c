/* Standard error is a full pipe: perror, warn, error, psignal and err wait for its reader, and
   others run meanwhile; every message arrives. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <err.h>
#include <error.h>
#include <signal.h>
#include <sys/wait.h>

#define GO 9 /* the descriptor on which a child tells its parent to read */

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

static void *says_go(void *arg)
{
    sleep_ms(50);
    write_all(GO, "g", 1);
    return arg;
}

static int child(const char *how)
{
    program_invocation_name = program_invocation_short_name = "me";
    fill_fd(2);
    start(says_go, NULL);
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
    int out[2], go[2], status;
    struct sink sink;
    char byte;

    pipe_pair(out);
    pipe_pair(go);
    pid_t pid = (pid_t)SYS(fork());
    if (pid == 0) {
        dup2(out[1], 2);
        dup2(go[1], GO);
        close(out[0]);
        close(out[1]);
        close(go[0]);
        if (go[1] != GO)
            close(go[1]);
        execl("/proc/self/exe", test_argv[0], how, (char *)NULL);
        _exit(121);
    }
    SYS(close(out[1]));
    SYS(close(go[1]));
    read_all(go[0], &byte, 1);
    SYS(close(go[0]));
    sink_start(&sink, out[0], 0);
    sink_finish(&sink);
    SYS(waitpid(pid, &status, 0));
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
