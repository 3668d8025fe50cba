/* fork and exec, vfork and exec, from threads: descriptors, signal mask and dispositions,
   environment and output of the child are as natively. */
#include "testlib.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

extern char **environ;
static pthread_mutex_t print = PTHREAD_MUTEX_INITIALIZER;

static void show_child(void)
{
    sigset_t set;
    struct sigaction action;

    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            printf("fd %d%s\n", fd, fcntl(fd, F_GETFL) & O_NONBLOCK ? " nonblock" : "");
    sigprocmask(SIG_BLOCK, NULL, &set);
    for (int sig = 1; sig < 32; sig++) {
        sigaction(sig, NULL, &action);
        if (action.sa_handler != SIG_DFL || sigismember(&set, sig))
            printf("signal %d%s%s\n", sig, sigismember(&set, sig) ? " blocked" : "",
                   action.sa_handler == SIG_IGN   ? " ignored"
                   : action.sa_handler == SIG_DFL ? ""
                                                  : " caught");
    }
    for (char **env = environ; *env; env++)
        if (strncmp(*env, "CONF_", 5) == 0)
            printf("env %s\n", *env);
}

static void on_signal(int sig)
{
    (void)sig;
}

static void *forks(void *arg)
{
    int use_vfork = (intptr_t)arg & 1, fds[2], status;
    char text[4096] = "";
    volatile size_t used = 0;
    volatile long n;

    pthread_mutex_lock(&print);
    SYS(pipe2(fds, O_CLOEXEC));
    pid_t pid = (pid_t)SYS(use_vfork ? vfork() : fork());
    if (pid == 0) {
        dup2(fds[1], 1);
        execl("/proc/self/exe", test_argv[0], "show", (char *)NULL);
        _exit(99);
    }
    close(fds[1]);
    while ((n = SYS(read(fds[0], text + used, sizeof(text) - 1 - used))) > 0)
        used += (size_t)n;
    text[used] = '\0';
    close(fds[0]);
    CHECK_EQ(SYS(waitpid(pid, &status, 0)), pid);
    CHECK_EQ(status, 0);
    printf("%s:\n%s", use_vfork ? "vfork" : "fork", text);
    fflush(stdout);
    pthread_mutex_unlock(&print);
    return NULL;
}

static void *fails(void *arg)
{
    int status;
    pid_t pid = (pid_t)SYS(vfork());

    if (pid == 0) {
        execl("/nonexistent/program", "x", (char *)NULL);
        _exit(errno == ENOENT ? 44 : 45);
    }
    CHECK_EQ(SYS(waitpid(pid, &status, 0)), pid);
    CHECK_EQ(WEXITSTATUS(status), 44);
    return arg;
}

static void *replace(void *arg)
{
    execl("/bin/sh", "sh", "-c", "exit 33", (char *)NULL);
    return arg;
}

int test_main(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    pthread_t threads[8];
    sigset_t set;
    int keep[2];

    if (test_argc > 1) {
        show_child();
        return 0;
    }
    signal(SIGUSR1, SIG_IGN);
    SYS(sigaction(SIGUSR2, &action, NULL));
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    setenv("CONF_VALUE", "from the parent", 1);
    pipe_pair(keep);
    SYS(open("/dev/null", O_RDONLY | O_CLOEXEC));
    set_nonblock(keep[1], 1);
    for (intptr_t i = 0; i < 4; i++)
        finish(start(forks, (void *)i));
    for (int i = 0; i < 8; i++)
        threads[i] = start(fails, NULL);
    for (int i = 0; i < 8; i++)
        finish(threads[i]);
    forks((void *)0);
    forks((void *)1);
    /* exec from a thread replaces the whole process */
    pid_t pid = (pid_t)SYS(fork());
    if (pid == 0) {
        start(replace, NULL);
        for (;;)
            sleep(1);
    }
    int status;
    CHECK_EQ(SYS(waitpid(pid, &status, 0)), pid);
    CHECK_EQ(WEXITSTATUS(status), 33);
    return 0;
}
