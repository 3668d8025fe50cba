/* Two system() at once, each of which needs the other's command to run; statuses, other threads,
   SIGCHLD handlers, nothing left behind. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int children;

static void on_child(int sig)
{
    (void)sig;
    flag_add(&children, 1);
}

static void *runs(void *arg)
{
    return (void *)(intptr_t)system(arg);
}

static void *runs_many(void *arg)
{
    char command[64];

    for (int i = 0; i < 5; i++) {
        int want = ((int)(intptr_t)arg * 7 + i) % 50, status;

        snprintf(command, sizeof(command), "exit %d", want);
        status = system(command);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), want);
    }
    return NULL;
}

int test_main(void)
{
    pthread_t threads[20];
    struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_RESTART};

    SYS(mkfifo("a", 0600));
    SYS(mkfifo("b", 0600));
    OTHERS_RUN(300, CHECK_EQ(system("sleep 0.3; exit 3"), 3 << 8));
    int descriptors = open_descriptors();

    for (int i = 0; i < 10; i++) {
        threads[0] = start(runs, "echo x >a; read y <b; exit 4");
        threads[1] = start(runs, "read y <a; echo x >b; kill -USR2 $$");
        CHECK_EQ((intptr_t)finish(threads[0]), 4 << 8);
        CHECK_EQ((intptr_t)finish(threads[1]), SIGUSR2);
    }
    for (intptr_t i = 0; i < 20; i++)
        threads[i] = start(runs_many, (void *)i);
    for (int i = 0; i < 20; i++)
        finish(threads[i]);

    /* it is blocked meanwhile, and the child that system itself waited for counts */
    SYS(sigaction(SIGCHLD, &action, NULL));
    CHECK_EQ(system("exit 1"), 1 << 8);
    CHECK_LE(flag_get(&children), 1);
    printf("SIGCHLD after system: %d\n", flag_get(&children));
    CHECK_EQ(system("kill -KILL $$"), SIGKILL);
    threads[0] = start(runs, "sleep 0.05; exit 2");
    threads[1] = start(runs, "sleep 0.05; exit 2");
    CHECK_EQ((intptr_t)finish(threads[0]), 2 << 8);
    CHECK_EQ((intptr_t)finish(threads[1]), 2 << 8);
    CHECK_LE(flag_get(&children), 4);
    signal(SIGCHLD, SIG_DFL);

    CHECK_ERRNO(wait(NULL), ECHILD);
    CHECK_EQ(open_descriptors(), descriptors);
    return 0;
}
