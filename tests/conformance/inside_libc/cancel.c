/* Cancellation of a thread that waits inside stdio, the resolver or system: cleanup handlers run,
   and the lock of the FILE is free afterwards. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "nameserver.h"
#include "testlib.h"

#include <netdb.h>
#include <signal.h>
#include <sys/wait.h>

static struct nameserver server;
static FILE *input, *output;
static int in[2], out[2], cleaned, ready;

static void cleanup(void *arg)
{
    (void)arg;
    flag_add(&cleaned, 1);
}

static void wait_in(int how)
{
    struct addrinfo hints = {.ai_family = AF_INET}, *list;
    char data[16], *line = NULL;
    size_t size = 0;

    switch (how) {
    case 0:
        CHECK(!fgets(data, sizeof(data), input));
        break;
    case 1:
        CHECK_EQ(fread(data, 1, 4, input), 99);
        break;
    case 2:
        CHECK_EQ(fscanf(input, "%15s", data), 99);
        break;
    case 3:
        CHECK_EQ(getc(input), 999);
        break;
    case 4:
        CHECK_EQ(getline(&line, &size, input), 99);
        break;
    case 5:
        CHECK_EQ(fprintf(output, "text"), 4);
        CHECK_EQ(fflush(output), 99);
        break;
    case 6:
        nameserver_use(&server, 20, 1);
        CHECK_EQ(getaddrinfo("dead.test", NULL, &hints, &list), 99);
        break;
    case 7:
        CHECK_EQ(system("exec sleep 20"), 99);
        break;
    default:
        CHECK(0);
    }
}

static void *body(void *arg)
{
    pthread_cleanup_push(cleanup, NULL);
    flag_set(&ready, 1);
    wait_in((int)(intptr_t)arg);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *uses_files(void *arg)
{
    char data[16];

    CHECK_EQ(ftrylockfile(input), 0);
    funlockfile(input);
    CHECK_EQ(ftrylockfile(output), 0);
    funlockfile(output);
    write_all(in[1], "line\n", 5);
    CHECK(fgets(data, sizeof(data), input));
    CHECK_STR(data, "line\n");
    return arg;
}

/* It wants a lock that another thread holds: that is no cancellation point, what follows is one. */
static void *wants_lock(void *arg)
{
    char data[16];

    flag_set(&ready, 1);
    flockfile(input);
    flag_add(&cleaned, 10);
    funlockfile(input);
    CHECK(!fgets(data, sizeof(data), input));
    return arg;
}

int test_main(void)
{
    server = nameserver_start(10);
    for (intptr_t how = 0; how <= 7; how++) {
        pipe_pair(in);
        pipe_pair(out);
        fill_fd(out[1]);
        input = fdopen(in[0], "r");
        output = fdopen(out[1], "w");
        flag_set(&cleaned, 0);
        flag_set(&ready, 0);
        OTHERS_RUN(50, {
            pthread_t thread = start(body, (void *)how);
            flag_wait(&ready, 1);
            sleep_ms(50);
            CHECK_RC(pthread_cancel(thread), 0);
            CHECK(finish(thread) == PTHREAD_CANCELED);
        });
        CHECK_EQ(cleaned, 1);
        finish(start(uses_files, NULL));
        fclose(input);
        close(out[0]);
        close(in[1]);
        signal(SIGPIPE, SIG_IGN);
        fclose(output);
    }

    pipe_pair(in);
    input = fdopen(in[0], "r");
    flag_set(&cleaned, 0);
    flag_set(&ready, 0);
    flockfile(input);
    pthread_t thread = start(wants_lock, NULL);
    flag_wait(&ready, 1);
    settle();
    CHECK_RC(pthread_cancel(thread), 0);
    settle();
    CHECK_EQ(flag_get(&cleaned), 0);
    funlockfile(input);
    CHECK(finish(thread) == PTHREAD_CANCELED);
    CHECK_EQ(cleaned, 10);
    CHECK_EQ(ftrylockfile(input), 0);
    nameserver_stop(&server);
    CHECK_ERRNO(wait(NULL), ECHILD); /* cancelled system has waited for its child */
    return 0;
}
