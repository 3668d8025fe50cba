/* A signal whose handler was installed without SA_RESTART ends a wait inside stdio with EINTR, as
   the call it waits in; with SA_RESTART the wait goes on. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <signal.h>

static int caught;

static void handler(int sig)
{
    (void)sig;
    flag_add(&caught, 1);
}

static void install(int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

    SYS(sigaction(SIGUSR1, &action, NULL));
}

static pthread_t victim;

static void *kills(void *arg)
{
    sleep_ms(50);
    CHECK_RC(pthread_kill(victim, SIGUSR1), 0);
    return arg;
}

/* Signals the calling thread while it waits in the statement. */
#define INTERRUPTED(stmt)                                                                          \
    do {                                                                                           \
        pthread_t killer = start(kills, NULL);                                                     \
        errno = 0;                                                                                 \
        stmt;                                                                                      \
        int error_ = errno;                                                                        \
        finish(killer);                                                                            \
        CHECK_EQ(flag_get(&caught), 1);                                                            \
        flag_set(&caught, 0);                                                                      \
        errno = error_;                                                                            \
    } while (0)

static void input(int fds[2])
{
    char data[16], *line = NULL;
    size_t size = 0;
    FILE *file = fdopen(fds[0], "r");
    pthread_t writer;

    install(0);
    INTERRUPTED(CHECK(fgets(data, sizeof(data), file) == NULL));
    CHECK_EQ(errno, EINTR);
    CHECK(ferror(file) && !feof(file));
    clearerr(file);
    INTERRUPTED(CHECK_EQ(getline(&line, &size, file), -1));
    CHECK_EQ(errno, EINTR);
    CHECK(ferror(file) && !feof(file));
    clearerr(file);
    INTERRUPTED(CHECK_EQ(getc(file), EOF));
    CHECK_EQ(errno, EINTR);
    CHECK(ferror(file) && !feof(file));
    clearerr(file);
    INTERRUPTED(CHECK_EQ(fscanf(file, "%15s", data), EOF));
    CHECK_EQ(errno, EINTR);
    CHECK(ferror(file) && !feof(file));
    clearerr(file);
    write_all(fds[1], "abc", 3);
    INTERRUPTED(CHECK_EQ(fread(data, 1, 5, file), 3)); /* as far as it came */
    CHECK_EQ(errno, EINTR);
    CHECK(ferror(file) && !feof(file));
    clearerr(file);

    install(SA_RESTART);
    INTERRUPTED({
        writer = write_after(fds[1], "after\n", 150);
        CHECK(fgets(data, sizeof(data), file));
    });
    finish(writer);
    CHECK_STR(data, "after\n");
    fclose(file);
    free(line);
    SYS(close(fds[1]));
}

static void output(int fds[2])
{
    size_t before = fill_fd(fds[1]);
    FILE *file = fdopen(fds[1], "w");
    struct sink sink;

    install(0);
    fprintf(file, "dropped");
    INTERRUPTED(CHECK_EQ(fflush(file), EOF));
    CHECK_EQ(errno, EINTR);
    CHECK(ferror(file));
    clearerr(file);
    /* glibc drops what it could not write */
    install(SA_RESTART);
    fprintf(file, "kept");
    INTERRUPTED({
        sink_start(&sink, fds[0], 150);
        CHECK_EQ(fflush(file), 0);
    });
    fprintf(file, " and more");
    fclose(file);
    sink_finish(&sink);
    CHECK_STR(sink.data + before, "kept and more");
    free(sink.data);
}

/* the thread that the signal is sent to */
static void *body(void *arg)
{
    int fds[2];

    victim = pthread_self();
    pipe_pair(fds);
    input(fds);
    unix_pair(fds);
    input(fds);
    pipe_pair(fds);
    output(fds);
    unix_pair(fds);
    output(fds);
    return arg;
}

int test_main(void)
{
    body(NULL);
    finish(start(body, NULL));
    return 0;
}
