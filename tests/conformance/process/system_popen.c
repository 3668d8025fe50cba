/* system and popen from several threads: status, output, input. */
#include "testlib.h"

#include <signal.h>
#include <sys/wait.h>

static void *runs(void *arg)
{
    int id = (int)(intptr_t)arg;
    char command[100], line[100];
    FILE *file;

    snprintf(command, sizeof(command), "sleep 0.05; exit %d", id);
    int status = system(command);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), id);

    snprintf(command, sizeof(command), "for i in 1 2 3; do sleep 0.01; echo %d-$i; done; exit 4",
             id);
    file = popen(command, "r");
    CHECK(file);
    for (int i = 1; i <= 3; i++) {
        char want[32];
        CHECK(fgets(line, sizeof(line), file));
        snprintf(want, sizeof(want), "%d-%d\n", id, i);
        CHECK_STR(line, want);
    }
    CHECK(!fgets(line, sizeof(line), file));
    status = pclose(file);
    CHECK_EQ(WEXITSTATUS(status), 4);

    file = popen("read a; read b; test \"$a$b\" = onetwo", "w");
    CHECK(file);
    fprintf(file, "one\n");
    fflush(file);
    usleep(5000);
    fprintf(file, "two\n");
    CHECK_EQ(pclose(file), 0);
    return NULL;
}

int test_main(void)
{
    pthread_t threads[6];
    int status;

    CHECK(system(NULL) != 0);
    for (intptr_t i = 0; i < 6; i++)
        threads[i] = start(runs, (void *)i);
    for (int i = 0; i < 6; i++)
        finish(threads[i]);
    TAKES(90, CHECK_EQ(system("sleep 0.1"), 0));
    status = system("kill -KILL $$");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = system("nonexistent-command-xyz 2>/dev/null");
    CHECK_EQ(WEXITSTATUS(status), 127);
    CHECK_ERRNO(wait(NULL), ECHILD);
    return 0;
}
