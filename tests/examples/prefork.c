/*
 * A server of several processes: the listener is made first, then each forked worker serves from
 * it. Only the green that forked goes on in a worker; the parent is told when one ends.
 */
#include <green/event.h>
#include <green/green.h>
#include <green/os.h>
#include <green/server.h>
#include <green/signal.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 3

static struct green_server *server;
static struct green_event *done;
static int ended;
static int ended_well;

/* In the parent, in a green of its own. */
static void on_end(pid_t pid, int status, void *arg)
{
    (void)pid;
    (void)arg;
    ended_well += WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (++ended == WORKERS)
        green_event_set(done);
}

static void answer(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
    char c;
    (void)peer;
    (void)len;
    (void)arg;
    dprintf(fd, "%d\n", (int)getpid());
    (void)!read(fd, &c, 1); /* until the client has gone */
}

static void *stop_worker(void *arg)
{
    (void)arg;
    green_server_stop(server, GREEN_S(10));
    return NULL;
}

/* A worker serves one connection at a time, until SIGTERM. */
static void work(void)
{
    struct green_signal *s;
    if (green_signal_handler(SIGTERM, stop_worker, NULL, &s))
        _exit(1);
    int rc = green_server_serve_forever(server, GREEN_S(10));
    green_signal_cancel(s);
    green_server_free(server);
    _exit(rc ? 1 : 0);
}

static pid_t ask(int fd, uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char buf[32] = "";
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) || read(fd, buf, sizeof(buf) - 1) <= 0)
        return -1;
    return (pid_t)strtol(buf, NULL, 10);
}

static void *tick(void *arg)
{
    while (green_sleep(GREEN_MS(1)) == 0)
        ++*(int *)arg;
    return NULL;
}

int main(void)
{
    struct green_server_options options = {.listen = "127.0.0.1:0", .handle = answer, .max = 1};
    struct greenlet *ticker;
    pid_t pid[WORKERS];
    pid_t by[WORKERS];
    int fd[WORKERS];
    int ticks = 0;
    if (green_server_new(&options, &server) || green_server_listen(server) ||
        green_spawn(tick, &ticks, &ticker))
        return 1;
    done = green_event_new();
    green_sleep(GREEN_MS(5));
    for (int i = 0; i < WORKERS; i++) {
        pid[i] = green_fork_and_watch(on_end, NULL);
        if (pid[i] < 0)
            return 1;
        if (pid[i] == 0) {
            int before = ticks;
            green_sleep(GREEN_MS(20));
            if (ticks != before)
                _exit(2); /* the parent's green runs here as well */
            work();
        }
    }
    /* Each worker takes one connection, so the connections get to different ones. */
    int different = 0;
    for (int i = 0; i < WORKERS; i++) {
        fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        by[i] = ask(fd[i], (uint16_t)green_server_port(server));
        int known = 0;
        for (int j = 0; j < WORKERS; j++)
            known += by[i] == pid[j] && by[i] != (i > 0 ? by[i - 1] : 0);
        different += known;
    }
    printf("answers from %d different workers\n", different);
    for (int i = 0; i < WORKERS; i++) {
        close(fd[i]);
        kill(pid[i], SIGTERM);
    }
    green_event_wait(done, GREEN_FOREVER);
    printf("%d workers have ended, %d of them well\n", ended, ended_well);
    printf("the parent's green ticks: %s\n", ticks > 5 ? "yes" : "no");
    green_kill(ticker, 0, GREEN_FOREVER);
    green_unref(ticker);
    green_server_free(server);
    green_event_free(done);
    return 0;
}
