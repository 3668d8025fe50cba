/* The forked child returns from its thread function, calls exit or pthread_exit: the process ends
   with the right status and runs atexit handlers once. */
#include "testlib.h"

#include <sys/wait.h>

static pid_t pid;
static int out[2];

static void at_exit(void)
{
    write_all(out[1], "E", 1);
}

static void *forks(void *arg)
{
    usleep(1000);
    if ((pid = (pid_t)SYS(fork())) == 0) {
        usleep(1000);
        if (!strcmp(arg, "exit"))
            exit(5);
        if (!strcmp(arg, "pthread_exit"))
            pthread_exit(NULL);
        return NULL; /* the last thread of the child ends: status 0 */
    }
    return NULL;
}

static void *idle(void *arg)
{
    flag_wait(arg, 1);
    return NULL;
}

int test_main(void)
{
    static const char *const how[] = {"exit", "pthread_exit", "return"};
    int status, flag = 0;
    pthread_t thread = start(idle, &flag);

    pipe_pair(out);
    set_nonblock(out[0], 1);
    atexit(at_exit);
    for (int i = 0; i < 3; i++) {
        char text[8] = "";

        finish(start(forks, (void *)how[i]));
        CHECK_EQ(SYS(waitpid(pid, &status, 0)), pid);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), i == 0 ? 5 : 0);
        CHECK_EQ(read(out[0], text, sizeof(text)), 1);
        CHECK_STR(text, "E");
    }
    flag_set(&flag, 1);
    finish(thread);
    return 0;
}
