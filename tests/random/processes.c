/* Child processes: forked ones that run a plan of their own, commands, waits for them. */
#include "run.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

/* Forked now, waited for later, mostly by another thread. */
struct child {
    pid_t pid;
    int fds[2];
};

/* The child: gives up the descriptors of its parent, whose ends others may wait for, and runs the
   plan of another seed. */
static void child_main(struct self *me, struct step *step, int out)
{
    struct options options = {
        .steps = MAX_STEPS, .shallow = me->world->options.shallow, .inside = true};
    uint64_t hash = 14695981039346656037u;
    stack_t none = {.ss_flags = SS_DISABLE};

    SYS(sigaltstack(&none, NULL));
    for (int fd = 3; fd < 1000; fd++)
        if (fd != out)
            close(fd);
    char *log = world_run(step->seed, &options);
    for (char *c = log; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    free(log);
    CHECK_EQ(AGAIN(write(out, &hash, sizeof(hash))), sizeof(hash));
    _exit(step->number % 100);
}

static void forked(struct self *me, struct step *step, int role, void *state)
{
    struct child *child = state;
    struct random random = step_random(step, role);
    uint64_t hash = 0;
    int status;

    if (role == 0) {
        sigset_t none, old;

        /* The child has no handlers' counts to answer for, and no pending signals. */
        sigemptyset(&none);
        CHECK_RC(pthread_sigmask(SIG_SETMASK, &none, &old), 0);
        SYS(pipe2(child->fds, O_CLOEXEC));
        child->pid = (pid_t)SYS(fork());
        if (child->pid == 0)
            child_main(me, step, child->fds[1]);
        SYS(close(child->fds[1]));
        CHECK_RC(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
        return;
    }
    switch (below(&random, 3)) {
    case 0:
        CHECK_EQ(AGAIN(waitpid(child->pid, &status, 0)), child->pid);
        break;
    case 1:
        CHECK_EQ(AGAIN(wait4(child->pid, &status, 0, NULL)), child->pid);
        break;
    default:
        while (SYS(waitpid(child->pid, &status, WNOHANG)) == 0)
            usleep(300);
    }
    CHECK_EQ(AGAIN(read(child->fds[0], &hash, sizeof(hash))), WIFEXITED(status) ? 8 : 0);
    SYS(close(child->fds[0]));
    note(me, "status %x hash %llx", status, (unsigned long long)hash);
}

static void command(struct self *me, struct step *step, int role, void *state)
{
    struct random random = step_random(step, role);
    int status = (int)below(&random, 100);
    char shell[64], line[64] = "";
    sigset_t old;

    (void)state;
    quiet_begin(&old);
    if (below(&random, 2)) {
        snprintf(shell, sizeof(shell), "exit %d", status);
        note(me, "system %x", (unsigned)system(shell));
    } else {
        snprintf(shell, sizeof(shell), "echo step %d; exit %d", step->number, status);
        FILE *file = popen(shell, "re");

        CHECK(file);
        CHECK(fgets(line, sizeof(line), file));
        CHECK(!fgets(shell, sizeof(shell), file) && feof(file));
        note(me, "popen %s %x", strtok(line, "\n"), (unsigned)pclose(file));
    }
    quiet_end(&old);
}

static void spawned(struct self *me, struct step *step, int role, void *state)
{
    struct child *child = state;
    char *argv[] = {"false", NULL}, *env[] = {NULL};
    siginfo_t info;

    (void)step;
    if (role == 0) {
        CHECK_RC(posix_spawn(&child->pid, "/bin/false", NULL, NULL, argv, env), 0);
    } else {
        AGAIN(waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT));
        AGAIN(waitid(P_PID, (id_t)child->pid, &info, WEXITED));
        note(me, "code %d status %d", info.si_code, info.si_status);
    }
}

const struct kind process_kinds[] = {
    {"fork", 3, LATER, HEAVY | AFTER, 0, 0, sizeof(struct child), NULL, NULL, forked},
    {"command", 2, ALONE, HEAVY | DEEP, 0, 0, 0, NULL, NULL, command},
    {"spawn", 1, LATER, HEAVY | AFTER, 0, 0, sizeof(struct child), NULL, NULL, spawned},
    {0},
};
