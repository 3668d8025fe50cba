/* A TCP echo server, a green for each connection, and its clients in the same program. */
#include <green/event.h>
#include <green/green.h>
#include <green/server.h>

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENTS 3

static struct green_event *everybody_is_here;
static int connected;

/* Plain blocking code; each line comes back. */
static void echo(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
    char buf[100];
    (void)peer;
    (void)len;
    (void)arg;
    if (++connected == CLIENTS)
        green_event_set(everybody_is_here);
    for (ssize_t n; (n = read(fd, buf, sizeof(buf))) > 0;)
        if (write(fd, buf, (size_t)n) != n)
            break;
}

static int port;
static char answers[CLIENTS + 1][100];

static void *client(void *arg)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int me = (int)(intptr_t)arg;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
        exit(1);
    FILE *f = fdopen(fd, "r+");
    /* Nobody goes on before all are connected: they are served at the same time. */
    green_event_wait(everybody_is_here, GREEN_FOREVER);
    for (int i = 1; i <= 100; i++) {
        fprintf(f, "message %d of client %d\n", i, me);
        fflush(f);
        if (!fgets(answers[me], sizeof(answers[me]), f))
            break;
    }
    fclose(f);
    return NULL;
}

int main(void)
{
    struct green_server_options options = {.listen = "127.0.0.1:0", .handle = echo, .max = CLIENTS};
    struct green_server *server;
    struct greenlet *g;
    everybody_is_here = green_event_new();
    if (green_server_new(&options, &server) || green_server_start(server))
        return 1;
    port = green_server_port(server);
    struct greenlet *all[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        green_spawn(client, (void *)(intptr_t)(i + 1), &all[i]);
    }
    green_joinall(all, CLIENTS, NULL, 0, 0, GREEN_FOREVER);
    for (int i = 0; i < CLIENTS; i++) {
        printf("echo: %s", answers[i + 1]);
        green_unref(all[i]);
    }
    while (green_server_count(server) > 0)
        green_sleep(GREEN_MS(1));

    /* Somebody who stays is given some time, and then killed. */
    connected = 0;
    green_event_clear(everybody_is_here);
    green_spawn(client, (void *)0, &g);
    while (green_server_count(server) == 0)
        green_sleep(GREEN_MS(1));
    printf("stop: %s\n", strerror(-green_server_stop(server, GREEN_MS(10))));
    green_kill(g, 0, 0);
    green_unref(g);
    printf("connections left: %u\n", green_server_count(server));
    green_server_free(server);
    return 0;
}
