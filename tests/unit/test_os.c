/* Children made by fork. What goes on in them is for the tests of the whole library: here fork() is
 * libc's alone. */
#include <green/event.h>
#include <green/green.h>
#include <green/os.h>

#include "child.h"
#include "sync.h"

TestSuite(os, .init = start, .timeout = 60);

static struct green_event *ended;
static pid_t ended_pid;
static int ended_status;

static void on_end(pid_t pid, int status, void *arg)
{
    cr_assert_eq(green_sleep(MS(1)), 0, "it may wait");
    ended_pid = pid;
    ended_status = status;
    green_event_set(arg);
}

Test(os, fork_and_watch_tells_how_the_child_has_ended)
{
    ended = green_event_new();
    pid_t pid = green_fork_and_watch(on_end, ended);
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        usleep(10000);
        _exit(7);
    }
    cr_assert_eq(green_event_wait(ended, GREEN_FOREVER), 0);
    cr_assert_eq(ended_pid, pid);
    cr_assert(WIFEXITED(ended_status) && WEXITSTATUS(ended_status) == 7);
    cr_assert_eq(waitpid(pid, NULL, 0), -1);
    cr_assert_eq(errno, ECHILD);
    green_event_free(ended);
}

Test(os, watch_child_reaps)
{
    ended = green_event_new();
    pid_t pid = fork();
    if (pid == 0) {
        bare_child();
        pause();
        _exit(0);
    }
    cr_assert_eq(green_watch_child(pid, on_end, ended), 0);
    green_sleep(MS(5));
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(green_event_wait(ended, GREEN_FOREVER), 0);
    cr_assert(WIFSIGNALED(ended_status) && WTERMSIG(ended_status) == SIGKILL);
    green_event_clear(ended);
    cr_assert_eq(green_watch_child(pid, on_end, ended), 0, "nobody's child any more");
    cr_assert_eq(green_event_wait(ended, GREEN_FOREVER), 0);
    cr_assert_eq(ended_status, -1);
    pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    cr_assert_eq(green_watch_child(pid, NULL, NULL), 0);
    while (kill(pid, 0) == 0) {
        green_sleep(MS(1));
    }
    green_event_free(ended);
}
