/* Child processes: how they are started, what they get, their end, talking to them. */
#include <green/event.h>
#include <green/green.h>
#include <green/subprocess.h>
#include <green/timeout.h>

#include "child.h"
#include "resources.h"
#include "runtime/core/signal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Those who reap children end, too: what they hold is no leak. */
TestSuite(subprocess, .init = start, .fini = finish, .timeout = 60);

#define SH(line, ...) (&(struct green_command){.shell = (line), __VA_ARGS__})

static struct green_popen *begin(const struct green_command *c)
{
    struct green_popen *p = NULL;
    int rc = green_popen(c, &p);
    cr_assert_eq(rc, 0, "green_popen gave %d", rc);
    return p;
}

/* What a command line prints, in a buffer that the next call uses again. */
static const char *output_of(const struct green_command *c)
{
    static char buf[4096];
    char *text;
    size_t n;
    int rc = green_check_output(c, &text, &n, NULL, GREEN_S(20));
    cr_assert_eq(rc, 0, "green_check_output gave %d", rc);
    cr_assert_lt(n, sizeof(buf));
    memcpy(buf, text, n + 1);
    if (n && buf[n - 1] == '\n') {
        buf[n - 1] = '\0';
    }
    free(text);
    return buf;
}

static int32_t code_of(const struct green_command *c)
{
    int32_t code = -1000;
    cr_assert_eq(green_call(c, &code, GREEN_S(20)), 0);
    return code;
}

/* Lets a child go on after ten ticks, which others must wait for. */
static int ticks;

static void *tick(void *arg)
{
    for (ticks = 0; ticks < 10; ticks++) {
        green_sleep(MS(1));
    }
    green_popen_close(arg, 0);
    return NULL;
}

/* --- the end --- */

Test(subprocess, has_its_exit_status_or_minus_the_signal)
{
    cr_assert_eq(code_of(SH("exit 0")), 0);
    cr_assert_eq(code_of(SH("exit 42")), 42);
    cr_assert_eq(code_of(SH("kill -TERM $$")), -SIGTERM);
    cr_assert_eq(code_of(SH("kill -KILL $$")), -SIGKILL);
}

Test(subprocess, wait_may_be_repeated_and_times_out)
{
    struct green_popen *p = begin(SH("read x; exit 3", .in = GREEN_PIPE));
    cr_assert_eq(green_popen_returncode(p), GREEN_RUNNING);
    cr_assert_eq(green_popen_wait(p, 0), -ETIMEDOUT);
    cr_assert_eq(green_popen_wait(p, MS(5)), -ETIMEDOUT);
    cr_assert_eq(green_popen_poll(p), 0);
    cr_assert_eq(green_popen_returncode(p), GREEN_RUNNING);
    green_popen_close(p, 0);
    cr_assert_eq(green_popen_fd(p, 0), -1);
    cr_assert_eq(green_popen_wait(p, GREEN_FOREVER), 0);
    cr_assert_eq(green_popen_wait(p, 0), 0);
    cr_assert_eq(green_popen_poll(p), 1);
    cr_assert_eq(green_popen_returncode(p), 3);
    green_popen_free(p);
    green_popen_free(NULL);
}

Test(subprocess, others_run_meanwhile)
{
    struct green_popen *p = begin(SH("read x", .in = GREEN_PIPE));
    cr_assert_eq(green_spawn(tick, p, NULL), 0);
    cr_assert_eq(green_popen_wait(p, GREEN_FOREVER), 0);
    cr_assert_eq(ticks, 10);
    green_popen_free(p);
}

Test(subprocess, loop_over_poll_holds_nobody_up)
{
    struct green_popen *p = begin(SH("read x", .in = GREEN_PIPE));
    cr_assert_eq(green_spawn(tick, p, NULL), 0);
    while (!green_popen_poll(p)) {
    }
    cr_assert_eq(ticks, 10);
    green_popen_free(p);
}

static struct green_popen *shared;

static void *wait_for_shared(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)green_popen_wait(shared, GREEN_FOREVER);
}

Test(subprocess, killed_waiter_leaves_the_child_alone_and_others_waiting)
{
    struct greenlet *g[3];
    void *value;
    shared = begin(SH("read x; exit 7", .in = GREEN_PIPE));
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(green_spawn(wait_for_shared, NULL, &g[i]), 0);
    }
    settle();
    cr_assert_eq(green_kill(g[1], 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_get(g[1], &value, GREEN_FOREVER), 0);
    cr_assert_eq((intptr_t)value, -ECANCELED);
    cr_assert_eq(green_popen_poll(shared), 0);
    green_popen_close(shared, 0);
    for (int i = 0; i < 3; i += 2) {
        cr_assert_eq(green_get(g[i], &value, GREEN_FOREVER), 0);
        cr_assert_eq((intptr_t)value, 0);
    }
    cr_assert_eq(green_popen_returncode(shared), 7);
    for (int i = 0; i < 3; i++) {
        green_unref(g[i]);
    }
    green_popen_free(shared);
}

static atomic_int foreign_result;

static void *wait_foreign(void *arg)
{
    (void)arg;
    atomic_store(&foreign_result, green_popen_wait(shared, GREEN_FOREVER) + 1);
    return NULL;
}

Test(subprocess, kernel_thread_may_wait_and_signal)
{
    shared = begin(SH("sleep 60"));
    pthread_t t = foreign(wait_foreign, NULL);
    green_sleep(MS(5));
    cr_assert_eq(green_popen_terminate(shared), 0);
    join_foreign(t);
    cr_assert_eq(atomic_load(&foreign_result), 1);
    cr_assert_eq(green_popen_returncode(shared), -SIGTERM);
    green_popen_free(shared);
}

static void *live_with_children(void *arg)
{
    struct green_popen *p;
    char *text;
    int32_t code = 0;
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(green_run(SH("cat", .out = GREEN_PIPE), "hello", 5, &p, GREEN_S(20)), 0);
        cr_assert_str_eq(green_popen_output(p, 1, NULL), "hello");
        green_popen_free(p);
        cr_assert_eq(green_check_output(SH("exit 3"), &text, NULL, &code, GREEN_S(20)), -EREMOTEIO);
        cr_assert_eq(code, 3);
        free(text);
        cr_assert_eq(green_call(SH("exec sleep 60"), &code, i * MS(1)), -ETIMEDOUT);
        p = begin(SH("exec sleep 60"));
        cr_assert_eq(green_popen_wait(p, MS(1)), -ETIMEDOUT);
        cr_assert_eq(green_popen_kill(p), 0);
        while (!green_popen_poll(p)) {
        }
        cr_assert_eq(green_popen_returncode(p), -SIGKILL);
        green_popen_free(p);
        cr_assert_eq(green_popen(&(struct green_command){.shell = "", .cwd = "/no/such"}, &p),
                     -ENOENT);
    }
    green_popen_free(begin(SH("exit"))); /* is reaped all the same */
    atomic_store(&foreign_result, 1);
    return arg;
}

Test(subprocess, kernel_threads_start_children)
{
    pthread_t t[2] = {foreign(live_with_children, NULL), foreign(live_with_children, NULL)};
    join_foreign(t[0]);
    join_foreign(t[1]);
    cr_assert_eq(atomic_load(&foreign_result), 1);
    finish();
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
    cr_assert_eq(errno, ECHILD);
}

Test(subprocess, signals_reach_the_child_but_nobody_after_its_end)
{
    struct green_popen *p =
        begin(SH("trap 'exit 9' USR1; echo; while :; do sleep 0.01; done", .out = GREEN_PIPE));
    char c;
    cr_assert_eq(read(green_popen_fd(p, 1), &c, 1), 1);
    cr_assert_eq(green_popen_send_signal(p, 1000), -EINVAL);
    cr_assert_eq(green_popen_send_signal(p, SIGUSR1), 0);
    cr_assert_eq(green_popen_wait(p, GREEN_FOREVER), 0);
    cr_assert_eq(green_popen_returncode(p), 9);
    cr_assert_eq(green_popen_kill(p), 0);
    cr_assert_eq(green_popen_returncode(p), 9);
    green_popen_free(p);
    p = begin(SH("exec sleep 60"));
    cr_assert_eq(green_popen_kill(p), 0);
    cr_assert_eq(green_popen_wait(p, GREEN_FOREVER), 0);
    cr_assert_eq(green_popen_returncode(p), -SIGKILL);
    green_popen_free(p);
}

Test(subprocess, status_taken_by_somebody_else_counts_as_zero)
{
    struct green_popen *p = begin(SH("exit 5"));
    int status;
    cr_assert_eq(waitpid(green_popen_pid(p), &status, 0), green_popen_pid(p));
    cr_assert_eq(WEXITSTATUS(status), 5);
    cr_assert_eq(green_popen_wait(p, GREEN_FOREVER), 0);
    cr_assert_eq(green_popen_returncode(p), 0);
    cr_assert_eq(green_popen_terminate(p), 0);
    green_popen_free(p);
}

Test(subprocess, with_sigchld_ignored_the_end_is_seen_all_the_same)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    cr_assert_eq(gr_sig_action(SIGCHLD, &ignore, NULL), 0);
    cr_assert_eq(code_of(SH("sleep 0.02; exit 5")), 0);
}

Test(subprocess, is_reaped_though_nobody_waits)
{
    struct green_popen *p = begin(SH("exit 1"));
    pid_t pid = green_popen_pid(p);
    green_popen_free(p);
    while (kill(pid, 0) == 0) {
        green_sleep(MS(1));
    }
    cr_assert_eq(errno, ESRCH);
}

static struct green_popen *many[50];

Test(subprocess, many_end_in_their_own_order_and_can_be_waited_for_in_company)
{
    struct green_object *objects[3];
    struct green_object *done[3];
    static const int order[] = {1, 2, 0};
    for (int i = 0; i < 3; i++) {
        many[i] = begin(SH("read x", .in = GREEN_PIPE));
        objects[i] = green_popen_object(many[i]);
    }
    cr_assert_eq(green_wait(objects, 3, done, 1, MS(5)), 0);
    for (int i = 0; i < 3; i++) {
        green_popen_close(many[order[i]], 0);
        cr_assert_eq(green_popen_wait(many[order[i]], GREEN_FOREVER), 0);
    }
    cr_assert_eq(green_wait(objects, 3, done, 0, GREEN_FOREVER), 3);
    for (int i = 0; i < 3; i++) {
        green_popen_free(many[i]);
    }
}

static void note(struct green_object *o, void *arg)
{
    (void)o;
    ++*(int *)arg;
}

Test(subprocess, links_are_called_at_the_end)
{
    int n = 0;
    struct green_popen *p = begin(SH("exit 1"));
    cr_assert_eq(green_link(green_popen_object(p), note, &n), 0);
    cr_assert_eq(green_rawlink(green_popen_object(p), note, &n), 0);
    cr_assert_eq(green_popen_wait(p, GREEN_FOREVER), 0);
    settle();
    cr_assert_eq(n, 2);
    cr_assert_eq(green_link(green_popen_object(p), note, &n), 0);
    settle();
    cr_assert_eq(n, 3);
    green_popen_free(p);
}

Test(subprocess, fifty_at_once)
{
    make_loop();
    int before = n_descriptors();
    for (int i = 0; i < 50; i++) {
        many[i] = begin(SH("cat; exit 4", .in = GREEN_PIPE, .out = GREEN_PIPE));
    }
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(green_popen_communicate(many[i], "abc", 3, GREEN_FOREVER), 0);
        cr_assert_str_eq(green_popen_output(many[i], 1, NULL), "abc");
        cr_assert_eq(green_popen_returncode(many[i]), 4);
        green_popen_free(many[i]);
    }
    while (n_descriptors() > before) {
        green_sleep(MS(1)); /* until those who reaped them are gone */
    }
}

/* --- the start --- */

static char *const argv_true[] = {"true", NULL};

Test(subprocess, program_is_searched_in_the_path_of_its_own_environment)
{
    struct green_command c = {.argv = argv_true};
    cr_assert_eq(code_of(&c), 0);
    c.env = (char *[]){"PATH=/nowhere", NULL};
    struct green_popen *p = NULL;
    const char *blame = "";
    c.blame = &blame;
    cr_assert_eq(green_popen(&c, &p), -ENOENT);
    cr_assert_str_eq(blame, "true");
    c.env = (char *[]){"PATH=/etc/passwd:/nowhere:/usr/bin", NULL};
    cr_assert_eq(code_of(&c), 0);
    c.env = (char *[]){"NAME=value", NULL};
    cr_assert_eq(code_of(&c), 0, "the usual places without a PATH");
}

Test(subprocess, empty_directory_of_the_path_is_the_present_one)
{
    struct green_command c = {.argv = argv_true, .cwd = "/usr/bin"};
    c.env = (char *[]){"PATH=/nowhere:", NULL};
    cr_assert_eq(code_of(&c), 0);
}

Test(subprocess, gets_arguments_environment_and_another_file)
{
    struct green_command c = {.argv = (char *[]){"sh", "-c", "echo $0 $1 $GREEN_X", "a", "b", NULL},
                              .env = (char *[]){"GREEN_X=x y", NULL}};
    cr_assert_str_eq(output_of(&c), "a b x y");
    c = (struct green_command){.argv = (char *[]){"myself", "-c", "echo $0", NULL},
                               .executable = "/bin/sh"};
    cr_assert_str_eq(output_of(&c), "myself");
    c = (struct green_command){.shell = "echo $0", .executable = "/bin/dash"};
    if (access(c.executable, X_OK) == 0) {
        cr_assert_str_eq(output_of(&c), "/bin/sh");
    }
    cr_assert_eq(setenv("GREEN_X", "here", 1), 0);
    cr_assert_str_eq(output_of(SH("echo $GREEN_X")), "here");
}

static int start_of(const struct green_command *c, const char **blame)
{
    struct green_command copy = *c;
    struct green_popen *p = (void *)&copy;
    *blame = "";
    copy.blame = blame;
    int rc = green_popen(&copy, &p);
    cr_assert_eq(p, (void *)&copy, "untouched on error");
    return rc;
}

Test(subprocess, what_is_wrong_is_told_by_the_start)
{
    const char *blame;
    char *const bad[] = {"/etc/passwd", NULL};
    char *const none[] = {NULL};
    char *const empty[] = {"", NULL};
    make_loop();
    int before = n_descriptors();
    cr_assert_eq(start_of(&(struct green_command){.argv = bad, .out = GREEN_PIPE}, &blame),
                 -EACCES);
    cr_assert_str_eq(blame, "/etc/passwd");
    cr_assert_eq(start_of(&(struct green_command){.argv = empty}, &blame), -ENOENT);
    cr_assert_eq(start_of(SH("true", .cwd = "/nowhere"), &blame), -ENOENT);
    cr_assert_str_eq(blame, "/nowhere");
    cr_assert_eq(start_of(SH("true", .cwd = "/etc/passwd"), &blame), -ENOTDIR);
    cr_assert_str_eq(blame, "/etc/passwd");
    cr_assert_eq(start_of(&(struct green_command){0}, &blame), -EINVAL);
    cr_assert_eq(start_of(&(struct green_command){.argv = none}, &blame), -EINVAL);
    cr_assert_str_eq(blame, "argv");
    cr_assert_eq(start_of(SH("true", .argv = argv_true), &blame), -EINVAL);
    cr_assert_eq(start_of(SH("true", .in = GREEN_STDOUT), &blame), -EINVAL);
    cr_assert_str_eq(blame, "in");
    cr_assert_eq(start_of(SH("true", .in = GREEN_PIPE, .out = GREEN_STDOUT), &blame), -EINVAL);
    cr_assert_str_eq(blame, "out");
    cr_assert_eq(start_of(SH("true", .out = GREEN_PIPE, .err = -4), &blame), -EINVAL);
    cr_assert_str_eq(blame, "err");
    cr_assert_eq(start_of(SH("true", .out = GREEN_PIPE, .err = 900), &blame), -EBADF);
    cr_assert_eq(start_of(SH("true", .pass_fds = (int[]){901}, .n_pass_fds = 1), &blame), -EBADF);
    cr_assert_str_eq(blame, "pass_fds");
    cr_assert_eq(start_of(SH("true", .process_group = &(pid_t){-7}), &blame), -EINVAL);
    cr_assert_str_eq(blame, "process_group");
    cr_assert_eq(n_descriptors(), before);
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
    cr_assert_eq(errno, ECHILD, "no child is left of the failures");
}

Test(subprocess, without_descriptors_nothing_is_started)
{
    struct rlimit old;
    struct green_popen *p;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    int next = dup(0);
    for (int room = 0; room < 4; room++) {
        struct rlimit few = {.rlim_cur = (rlim_t)(next + room), .rlim_max = old.rlim_max};
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        int rc = green_popen(SH("true", .out = GREEN_PIPE), &p);
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
        cr_assert_eq(rc, -EMFILE, "room for %d: %d", room, rc);
        close(next);
        cr_assert_eq(dup(0), next, "nothing is left open");
    }
}

/* --- what the child gets --- */

Test(subprocess, redirections)
{
    char *text;
    cr_assert_str_eq(output_of(SH("echo x; echo y >&2", .err = GREEN_STDOUT)), "x\ny");
    cr_assert_str_eq(output_of(SH("cat; echo z", .in = GREEN_DEVNULL)), "z");
    struct green_popen *p = begin(SH("echo x; echo y >&2", .out = GREEN_PIPE, .err = GREEN_PIPE));
    cr_assert_eq(green_popen_communicate(p, NULL, 0, GREEN_FOREVER), 0);
    size_t n;
    cr_assert_str_eq(green_popen_output(p, 1, NULL), "x\n");
    cr_assert_str_eq(green_popen_output(p, 2, &n), "y\n");
    cr_assert_eq(n, 2);
    cr_assert_null(green_popen_output(p, 0, NULL));
    cr_assert_null(green_popen_output(p, 3, &n));
    cr_assert_eq(n, 0);
    green_popen_free(p);
    cr_assert_eq(green_check_output(SH("true", .out = GREEN_PIPE), &text, NULL, NULL, 0), -EINVAL);
    cr_assert_null(text);
}

Test(subprocess, descriptors_of_the_caller_become_standard_ones)
{
    int a[2];
    int b[2];
    char buf[16] = "";
    cr_assert_eq(pipe2(a, O_CLOEXEC) + pipe2(b, O_CLOEXEC), 0);
    cr_assert_eq(code_of(SH("echo out; echo err >&2", .out = a[1], .err = b[1])), 0);
    cr_assert_eq(read(a[0], buf, sizeof(buf)), 4);
    cr_assert_eq(memcmp(buf, "out\n", 4), 0);
    cr_assert_eq(read(b[0], buf, sizeof(buf)), 4);
    cr_assert_eq(memcmp(buf, "err\n", 4), 0);
}

Test(subprocess, standard_descriptors_may_change_places)
{
    int p[2];
    char buf[16] = "";
    cr_assert_eq(pipe(p), 0);
    int old = dup(1);
    cr_assert_eq(dup2(p[1], 2), 2);
    int rc = green_call(SH("echo x", .out = 2, .err = 1), NULL, GREEN_S(10));
    cr_assert_eq(dup2(old, 2), 2);
    cr_assert_eq(rc, 0);
    cr_assert_eq(read(p[0], buf, sizeof(buf)), 2);
}

Test(subprocess, pipes_on_standard_numbers_of_ours_are_moved_out_of_the_way)
{
    int kept[3];
    for (int i = 0; i < 3; i++) {
        kept[i] = fcntl(i, F_DUPFD, 10);
        close(i);
    }
    struct green_popen *p = NULL;
    int rc = green_popen(
        SH("cat; echo e >&2", .in = GREEN_PIPE, .out = GREEN_PIPE, .err = GREEN_PIPE), &p);
    int said = rc ? rc : green_popen_communicate(p, "in", 2, GREEN_S(10));
    for (int i = 0; i < 3; i++) {
        dup2(kept[i], i);
    }
    cr_assert_eq(rc, 0);
    cr_assert_eq(said, 0);
    cr_assert_str_eq(green_popen_output(p, 1, NULL), "in");
    cr_assert_str_eq(green_popen_output(p, 2, NULL), "e\n");
    green_popen_free(p);
}

#define HAS(fd) "[ -e /proc/self/fd/" #fd " ] && printf " #fd "' ';"

Test(subprocess, other_descriptors_are_closed_but_those_passed)
{
    int fd = open("/dev/null", O_RDONLY);
    cr_assert_eq(dup2(fd, 20), 20);
    cr_assert_eq(dup2(fd, 21), 21);
    cr_assert_eq(dup3(fd, 22, O_CLOEXEC), 22);
    cr_assert_eq(dup2(fd, 23), 23);
    const int pass[] = {22, 20, 22};
    static const char line[] = HAS(20) HAS(21) HAS(22) HAS(23) ":";
    cr_assert_str_eq(output_of(SH(line)), "");
    cr_assert_str_eq(output_of(SH(line, .pass_fds = pass, .n_pass_fds = 3)), "20 22 ");
    cr_assert_str_eq(output_of(SH(line, .keep_fds = true)), "20 21 23 ");
    cr_assert_str_eq(output_of(SH(line, .keep_fds = true, .pass_fds = pass, .n_pass_fds = 1)),
                     "20 21 22 23 ");
}

Test(subprocess, has_nothing_of_ours_and_no_nonblocking_descriptors)
{
    cr_assert_str_eq(output_of(SH("ls /proc/self/fd | wc -l", .in = GREEN_PIPE)), "4",
                     "three and that of the directory");
    const char *flags = output_of(SH("sed -n 's/flags:[^0-9]*//p' /proc/self/fdinfo/0 "
                                     "/proc/self/fdinfo/1 /proc/self/fdinfo/2",
                                     .in = GREEN_PIPE, .err = GREEN_STDOUT));
    for (const char *line = flags; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        cr_assert_eq(strtol(line, NULL, 8) & O_NONBLOCK, 0, "flags are %s", flags);
    }
}

Test(subprocess, directory_session_group_and_umask)
{
    char expected[64];
    cr_assert_str_eq(output_of(SH("pwd", .cwd = "/usr/lib")), "/usr/lib");
    cr_assert_str_eq(output_of(SH("umask", .umask = &(mode_t){0137})), "0137");
    static const char ids[] = "echo $$; cut -d' ' -f5,6 /proc/$$/stat; :";
    struct green_popen *p = begin(SH(ids, .out = GREEN_PIPE, .new_session = true));
    cr_assert_eq(green_popen_communicate(p, NULL, 0, GREEN_FOREVER), 0);
    int pid = green_popen_pid(p);
    snprintf(expected, sizeof(expected), "%d\n%d %d\n", pid, pid, pid);
    cr_assert_str_eq(green_popen_output(p, 1, NULL), expected);
    green_popen_free(p);
    p = begin(SH(ids, .out = GREEN_PIPE, .process_group = &(pid_t){0}));
    cr_assert_eq(green_popen_communicate(p, NULL, 0, GREEN_FOREVER), 0);
    pid = green_popen_pid(p);
    snprintf(expected, sizeof(expected), "%d\n%d %d\n", pid, pid, (int)getsid(0));
    cr_assert_str_eq(green_popen_output(p, 1, NULL), expected);
    green_popen_free(p);
}

Test(subprocess, user_and_groups)
{
    struct green_command c = {.shell = "id -u; id -g; id -G",
                              .user = &(uid_t){65534},
                              .group = &(gid_t){65534},
                              .groups = (gid_t[]){7, 8},
                              .n_groups = 2};
    if (geteuid() == 0) {
        cr_assert_str_eq(output_of(&c), "65534\n65534\n65534 7 8");
    } else {
        const char *blame;
        cr_assert_eq(start_of(&c, &blame), -EPERM);
        cr_assert_str_eq(blame, "user");
    }
}

static uint64_t signals_of(const char *which, bool keep)
{
    char line[100];
    snprintf(line, sizeof(line), "s/%s:[^0-9]*//p", which);
    char *argv[] = {"sed", "-n", line, "/proc/self/status", NULL}; /* a shell unblocks all */
    return strtoull(output_of(&(struct green_command){.argv = argv, .keep_signals = keep}), NULL,
                    16);
}

static void nothing(int sig)
{
    (void)sig;
}

Test(subprocess, signals_are_as_here_but_for_those_that_libraries_ignore)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction handle = {.sa_handler = nothing};
    uint64_t blocked = gr_sigbit(SIGUSR2);
    cr_assert_eq(gr_sig_action(SIGPIPE, &ignore, NULL), 0);
    cr_assert_eq(gr_sig_action(SIGHUP, &ignore, NULL), 0);
    cr_assert_eq(gr_sig_action(SIGUSR1, &handle, NULL), 0);
    cr_assert_eq(gr_sig_mask(SIG_BLOCK, &blocked, NULL), 0);
    uint64_t ignored = signals_of("SigIgn", false);
    cr_assert_eq(ignored & (gr_sigbit(SIGPIPE) | gr_sigbit(SIGHUP) | gr_sigbit(SIGUSR1)),
                 gr_sigbit(SIGHUP));
    ignored = signals_of("SigIgn", true);
    cr_assert_eq(ignored & (gr_sigbit(SIGPIPE) | gr_sigbit(SIGHUP) | gr_sigbit(SIGUSR1)),
                 gr_sigbit(SIGHUP) | gr_sigbit(SIGPIPE));
    cr_assert_eq(signals_of("SigBlk", false), gr_self->sig_mask);
    cr_assert_eq(signals_of("SigCgt", false) & gr_sigbit(SIGUSR1), 0);
}

/* --- communicate --- */

static char *pattern(size_t n)
{
    char *data = malloc(n);
    for (size_t i = 0; i < n; i++) {
        data[i] = (char)(i * 7 + (i >> 8));
    }
    return data;
}

Test(subprocess, megabytes_in_both_directions)
{
    const size_t n = 3000001;
    char *data = pattern(n);
    size_t out;
    size_t err;
    struct green_popen *p =
        begin(SH("tee /dev/stderr", .in = GREEN_PIPE, .out = GREEN_PIPE, .err = GREEN_PIPE));
    cr_assert_eq(green_popen_communicate(p, data, n, GREEN_FOREVER), 0);
    const char *one = green_popen_output(p, 1, &out);
    const char *two = green_popen_output(p, 2, &err);
    cr_assert(out == n && memcmp(one, data, n) == 0);
    cr_assert(err == n && memcmp(two, data, n) == 0);
    cr_assert_eq(green_popen_returncode(p), 0);
    green_popen_free(p);
    free(data);
}

Test(subprocess, input_that_nobody_reads_is_no_error)
{
    char *data = pattern(1000000);
    struct green_popen *p = begin(SH("exit 6", .in = GREEN_PIPE));
    cr_assert_eq(green_popen_communicate(p, data, 1000000, GREEN_FOREVER), 0);
    cr_assert_eq(green_popen_returncode(p), 6);
    green_popen_free(p);
    free(data);
    p = begin(SH("cat", .in = GREEN_PIPE, .out = GREEN_PIPE));
    cr_assert_eq(green_popen_communicate(p, NULL, 0, GREEN_FOREVER), 0, "no input is an end");
    cr_assert_str_eq(green_popen_output(p, 1, NULL), "");
    green_popen_free(p);
}

/* Until the child has said @text, and then waits. */
static void talk_until(struct green_popen *p, const char *text)
{
    while (strcmp(green_popen_output(p, 1, NULL), text) != 0) {
        cr_assert_eq(green_popen_communicate(p, NULL, 0, MS(5)), -ETIMEDOUT);
    }
}

Test(subprocess, after_a_timeout_communicate_goes_on_and_nothing_is_lost)
{
    const size_t n = 500000;
    char *data = pattern(n);
    char *copy = malloc(n);
    int go[2];
    size_t out;
    memcpy(copy, data, n);
    cr_assert_eq(pipe(go), 0);
    cr_assert_eq(dup2(go[0], 9), 9);
    struct green_popen *p = begin(SH("echo first; read x <&9; exec cat", .in = GREEN_PIPE,
                                     .out = GREEN_PIPE, .pass_fds = (int[]){9}, .n_pass_fds = 1));
    cr_assert_eq(green_popen_communicate(p, copy, n, MS(5)), -ETIMEDOUT);
    memset(copy, 0, n);
    free(copy);
    talk_until(p, "first\n");
    cr_assert_eq(green_popen_communicate(p, "more", 4, MS(1)), -EINVAL, "input comes once");
    cr_assert_eq(green_popen_communicate(p, NULL, 0, 0), -ETIMEDOUT);
    cr_assert_eq(write(go[1], "\n", 1), 1);
    cr_assert_eq(green_popen_communicate(p, NULL, 0, GREEN_FOREVER), 0);
    const char *text = green_popen_output(p, 1, &out);
    cr_assert_eq(out, n + 6);
    cr_assert(memcmp(text + 6, data, n) == 0);
    cr_assert_eq(green_popen_communicate(p, NULL, 0, 0), 0, "again, when all is over");
    green_popen_free(p);
    free(data);
}

static void *talk(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)green_popen_communicate(shared, NULL, 0, GREEN_FOREVER);
}

Test(subprocess, killed_in_communicate_it_goes_on_later)
{
    struct greenlet *g;
    void *value;
    shared = begin(SH("echo x; read y; echo $y", .in = GREEN_PIPE, .out = GREEN_PIPE));
    int in = green_popen_take(shared, 0);
    cr_assert_eq(green_popen_take(shared, 0), -1);
    cr_assert_eq(green_spawn(talk, NULL, &g), 0);
    green_sleep(MS(20));
    cr_assert_eq(green_popen_communicate(shared, NULL, 0, GREEN_FOREVER), -EBUSY);
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq((intptr_t)value, -ECANCELED);
    green_unref(g);
    cr_assert_eq(write(in, "later\n", 6), 6);
    cr_assert_eq(green_popen_communicate(shared, NULL, 0, GREEN_FOREVER), 0);
    cr_assert_str_eq(green_popen_output(shared, 1, NULL), "x\nlater\n");
    green_popen_free(shared);
    close(in);
}

Test(subprocess, child_that_always_talks_does_not_put_off_timeouts_and_kills)
{
    struct greenlet *g;
    void *value;
    shared = begin(SH("while :; do echo x; done", .out = GREEN_PIPE));
    cr_assert_eq(green_popen_communicate(shared, NULL, 0, MS(30)), -ETIMEDOUT);
    struct green_timeout *t = green_timeout_start_new(MS(30), 0);
    cr_assert_eq(green_popen_communicate(shared, NULL, 0, GREEN_FOREVER), -ETIMEDOUT);
    cr_assert(green_timeout_fired(t));
    green_timeout_free(t);
    cr_assert_eq(green_spawn(talk, NULL, &g), 0);
    green_sleep(MS(5));
    cr_assert_eq(green_kill(g, -EPROTO, GREEN_FOREVER), 0);
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq((intptr_t)value, -EPROTO);
    green_unref(g);
    cr_assert_eq(green_popen_kill(shared), 0);
    cr_assert_eq(green_popen_wait(shared, GREEN_FOREVER), 0);
    green_popen_free(shared);
}

Test(subprocess, grandchild_holds_the_pipe_but_not_the_status)
{
    int go[2];
    cr_assert_eq(pipe(go), 0);
    cr_assert_eq(dup2(go[0], 9), 9);
    struct green_popen *p = begin(
        SH("read x <&9 & echo x", .out = GREEN_PIPE, .pass_fds = (int[]){9}, .n_pass_fds = 1));
    talk_until(p, "x\n");
    cr_assert_eq(green_popen_wait(p, GREEN_FOREVER), 0);
    cr_assert_eq(green_popen_communicate(p, NULL, 0, MS(5)), -ETIMEDOUT);
    cr_assert_eq(write(go[1], "\n", 1), 1);
    cr_assert_eq(green_popen_communicate(p, NULL, 0, GREEN_FOREVER), 0);
    green_popen_free(p);
}

/* --- in one call --- */

Test(subprocess, run_gives_input_and_keeps_output)
{
    struct green_popen *p;
    cr_assert_eq(green_run(SH("cat; exit 2", .out = GREEN_PIPE), "text", 4, &p, GREEN_S(10)), 0);
    cr_assert_str_eq(green_popen_output(p, 1, NULL), "text");
    cr_assert_eq(green_popen_returncode(p), 2);
    green_popen_free(p);
    cr_assert_eq(green_run(SH("true", .in = GREEN_DEVNULL), "x", 1, &p, 0), -EINVAL);
    cr_assert_null(p);
    cr_assert_eq(green_run(SH("true", .cwd = "/nowhere"), NULL, 0, &p, 0), -ENOENT);
    cr_assert_null(p);
    cr_assert_eq(green_run(SH("exit 1"), NULL, 0, NULL, GREEN_FOREVER), 0);
}

Test(subprocess, run_kills_and_reaps_after_the_timeout)
{
    struct green_command c = {.shell = "echo part; exec sleep 60", .out = GREEN_PIPE};
    bool spoke = false;
    for (int64_t limit = MS(50); !spoke; limit *= 2) {
        struct green_popen *p;
        cr_assert_eq(green_run(&c, NULL, 0, &p, limit), -ETIMEDOUT);
        cr_assert_eq(green_popen_returncode(p), -SIGKILL);
        cr_assert_eq(kill(green_popen_pid(p), 0), -1);
        spoke = strcmp(green_popen_output(p, 1, NULL), "part\n") == 0;
        green_popen_free(p);
    }
    int32_t code = 77;
    cr_assert_eq(green_call(SH("exec sleep 60"), &code, MS(5)), -ETIMEDOUT);
    cr_assert_eq(code, 77);
}

static void *call_long(void *arg)
{
    return (void *)(intptr_t)green_run(SH("exec sleep 60"), NULL, 0, arg, GREEN_FOREVER);
}

Test(subprocess, run_kills_and_reaps_when_its_green_is_killed)
{
    struct green_popen *p = NULL;
    struct greenlet *g;
    void *value;
    cr_assert_eq(green_spawn(call_long, &p, &g), 0);
    green_sleep(MS(5));
    cr_assert_eq(green_kill(g, 0, GREEN_FOREVER), 0);
    cr_assert_eq(green_get(g, &value, GREEN_FOREVER), 0);
    cr_assert_eq((intptr_t)value, -ECANCELED);
    cr_assert_eq(green_popen_returncode(p), -SIGKILL);
    green_popen_free(p);
    green_unref(g);
}

Test(subprocess, checks)
{
    int32_t code = 0;
    char *text;
    size_t n;
    cr_assert_eq(green_check_call(SH("true"), &code, GREEN_S(10)), 0);
    cr_assert_eq(green_check_call(SH("exit 3"), &code, GREEN_S(10)), -EREMOTEIO);
    cr_assert_eq(code, 3);
    cr_assert_eq(green_check_call(SH("true", .cwd = "/nowhere"), NULL, GREEN_S(10)), -ENOENT);
    cr_assert_eq(green_check_output(SH("printf 'a\\0b'; exit 4"), &text, &n, &code, GREEN_S(10)),
                 -EREMOTEIO);
    cr_assert_eq(code, 4);
    cr_assert(n == 3 && memcmp(text, "a\0b", 4) == 0);
    free(text);
    n = 0;
    for (int64_t limit = MS(50); n == 0; limit *= 2) {
        cr_assert_eq(green_check_output(SH("echo part; exec sleep 60"), &text, &n, &code, limit),
                     -ETIMEDOUT);
        cr_assert(n == 0 || strcmp(text, "part\n") == 0);
        free(text);
    }
    cr_assert_eq(green_check_output(SH("true", .cwd = "/nowhere"), &text, &n, NULL, MS(50)),
                 -ENOENT);
    cr_assert_null(text);
    cr_assert_eq(green_getoutput("echo a; echo b >&2; exit 2", &text, &code, GREEN_S(10)), 0);
    cr_assert_str_eq(text, "a\nb");
    cr_assert_eq(code, 2);
    free(text);
    cr_assert_eq(green_getoutput("true", &text, NULL, GREEN_S(10)), 0);
    cr_assert_str_eq(text, "");
    free(text);
}

/* Whenever it comes, a timeout or kill in run() leaves no child, no descriptor, and is not lost. */
Test(subprocess, interrupted_at_any_moment)
{
    make_loop();
    int before = n_descriptors();
    for (int i = 0; i < 60; i++) {
        struct green_timeout *t = green_timeout_start_new(i * MS(1) / 10, 0);
        char *text;
        int rc = green_check_output(SH("cat; echo x", .in = GREEN_DEVNULL), &text, NULL, NULL,
                                    GREEN_FOREVER);
        cr_assert(rc == 0 || (rc == -ETIMEDOUT && green_timeout_fired(t)), "%d", rc);
        cr_assert(rc || strcmp(text, "x\n") == 0);
        green_timeout_free(t);
        free(text);
    }
    while (n_descriptors() > before) {
        green_sleep(MS(1)); /* until those who reaped them are gone */
    }
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
    cr_assert_eq(errno, ECHILD);
}
