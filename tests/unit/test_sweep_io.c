/* Waits for descriptors, child processes, servers and lookups: swept. */
#include <green/dns.h>
#include <green/io.h>
#include <green/server.h>
#include <green/subprocess.h>

#include "runtime/api/io.h"

#include "sweep.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int ends[2] = {-1, -1};
static struct green_popen *child;
static struct green_server *server;
static int client = -1;
static int n_handled; /* connections */

/* --- descriptors --- */

static void new_pipe(void)
{
    cr_assert_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
}
static void new_full_pipe(void)
{
    static char page[4096];
    new_pipe();
    cr_assert_eq(fcntl(ends[1], F_SETPIPE_SZ, sizeof(page)), (int)sizeof(page));
    cr_assert_eq(write(ends[1], page, sizeof(page)), (ssize_t)sizeof(page));
}
static int wait_read(int64_t t)
{
    return green_wait_read(ends[0], t);
}
static int wait_write(int64_t t)
{
    return green_wait_write(ends[1], t);
}
static int wait_readwrite(int64_t t)
{
    return green_wait_readwrite(ends[0], t);
}
static void write_to_it(int step)
{
    if (step == 1) {
        cr_assert_eq(write(ends[1], "\n", 1), 1);
    }
}
static void read_from_it(int step)
{
    static char page[4096];
    if (step == 1) {
        cr_assert_eq(read(ends[0], page, sizeof(page)), (ssize_t)sizeof(page));
    }
}
static int wait_until_cancelled(int64_t t)
{
    int rc = green_wait_read(ends[0], t);
    return rc == -EBADF ? 0 : rc;
}
static void cancel_waits(int step)
{
    if (step == 1) {
        (void)green_cancel_wait(ends[0]);
    }
}
static bool rival_told(void)
{
    return rival_done;
}
static bool rival_told_soon(bool ok)
{
    (void)ok;
    return soon(rival_told);
}

/* --- children: they end when there is something in the pipe --- */

static char *const head[] = {"head", "-c", "1", NULL};

static struct green_command reader(void)
{
    return (struct green_command){.argv = head, .in = ends[0], .out = GREEN_DEVNULL};
}
static void new_gate(void)
{
    slow = true;
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
}
static void new_child(void)
{
    new_gate();
    struct green_command c = reader();
    cr_assert_eq(green_popen(&c, &child), 0);
}
static int popen_wait(int64_t t)
{
    return green_popen_wait(child, t);
}
static bool child_ended(void)
{
    return rival_done && green_popen_returncode(child) == 0;
}
static bool child_ended_soon(bool ok)
{
    (void)ok;
    return soon(child_ended);
}
static void new_echo(void)
{
    char line[100];
    new_gate();
    (void)snprintf(line, sizeof(line), "cat; read x <&%d", ends[0]);
    struct green_command c = {
        .shell = line, .in = GREEN_PIPE, .out = GREEN_PIPE, .pass_fds = ends, .n_pass_fds = 1};
    cr_assert_eq(green_popen(&c, &child), 0);
}
static int communicate(int64_t t)
{
    return green_popen_communicate(child, "what is said", 12, t);
}
static bool nothing_unsaid(bool ok)
{
    if (victims_result == NEVER && green_popen_fd(child, 0) >= 0) {
        /* It has never run, or was unwound: its input may not have been given at all. */
        int rc = green_popen_communicate(child, NULL, 0, GREEN_S(60));
        return rc == 0;
    }
    cr_assert_eq(green_popen_communicate(child, NULL, 0, GREEN_S(60)), 0);
    return (ok || victims_result != 0) && green_popen_returncode(child) == 0 &&
           strcmp(green_popen_output(child, 1, NULL), "what is said") == 0;
}
static void free_child(struct green_popen **p)
{
    green_popen_free(*p);
}
static int run(int64_t t)
{
    struct green_popen *p __attribute__((cleanup(free_child))) = NULL;
    struct green_command c = reader();
    return green_run(&c, NULL, 0, &p, t);
}
static void free_text(char **text)
{
    free(*text);
}
static int check_output(int64_t t)
{
    char *text __attribute__((cleanup(free_text))) = NULL;
    struct green_command c = {.argv = head, .in = ends[0]};
    int rc = green_check_output(&c, &text, NULL, NULL, t);
    cr_assert(rc || strcmp(text, "\n") == 0);
    return rc;
}
static bool no_children(bool ok)
{
    (void)ok;
    return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

/* --- servers: a handler waits for the event --- */

static void handle(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
    (void)fd;
    (void)peer;
    (void)len;
    (void)arg;
    n_handled += green_event_wait(event, GREEN_FOREVER) == 0;
}
static void new_server(void)
{
    struct green_server_options o = {.listen = "127.0.0.1:0", .handle = handle, .max = 2};
    new_event();
    n_handled = 0;
    cr_assert_eq(green_server_new(&o, &server), 0);
}
static void new_serving(void)
{
    new_server();
    cr_assert_eq(green_server_start(server), 0);
}
static void connect_client(int step)
{
    if (step == 1) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)green_server_port(server)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
    }
}
static void new_busy(void)
{
    new_serving();
    connect_client(1);
    while (green_server_count(server) == 0) {
        green_sleep(MS(1) / 20);
    }
    settle();
}
static void free_timeout(struct green_timeout **t)
{
    green_timeout_free(*t);
}
/* For calls without a timeout of their own. */
#define OWN_TIMEOUT(t)                                                                             \
    struct green_timeout *own __attribute__((cleanup(free_timeout))) =                             \
        (t) == GREEN_FOREVER ? NULL : green_timeout_start_new((t), 0)

static int serve_forever(int64_t t)
{
    OWN_TIMEOUT(t);
    return green_server_serve_forever(server, MS(1));
}
static void stop(int step)
{
    if (step == 1) {
        cr_assert_eq(green_server_stop(server, MS(1)), 0);
    }
}
static bool can_be_started_again(bool ok)
{
    (void)ok;
    return !green_server_started(server) && green_server_fd(server) == -1 &&
           green_server_start(server) == 0 && green_server_stop(server, 0) == 0;
}
static int stop_busy(int64_t t)
{
    return green_server_stop(server, t);
}
static bool has_no_connection(void)
{
    return green_server_count(server) == 0;
}
static bool client_is_dropped(bool ok)
{
    char c;
    (void)ok;
    if (victims_result == NEVER && green_server_started(server)) {
        return green_server_stop(server, 0) != 1; /* it never ran */
    }
    return soon(has_no_connection) && !green_server_started(server) && read(client, &c, 1) == 0;
}
static int pause_it(int64_t t)
{
    OWN_TIMEOUT(t);
    return green_server_pause(server);
}
static bool client_handled(void)
{
    return n_handled == 1;
}
static bool client_is_served(bool ok)
{
    (void)ok;
    green_event_set(event);
    return green_server_resume(server) == 0 && soon(client_handled);
}

/* --- lookups --- */

static int look_up(int64_t t)
{
    struct addrinfo *found = NULL;
    int rc = green_getaddrinfo("localhost", NULL, NULL, &found, t);
    cr_assert_eq(found != NULL, rc == 0);
    if (found) {
        freeaddrinfo(found);
    }
    return rc == EAI_SYSTEM ? -errno : rc;
}

static const struct call calls[] = {
    {"wait_read", new_pipe, wait_read, wait_read, write_to_it, rival_told_soon},
    {"wait_write", new_full_pipe, wait_write, wait_write, read_from_it, rival_told_soon},
    {"wait_readwrite", new_pipe, wait_readwrite, wait_read, write_to_it, rival_told_soon},
    {"wait_read, cancelled", new_pipe, wait_until_cancelled, NULL, cancel_waits, whatever},
    {"popen_wait", new_child, popen_wait, popen_wait, write_to_it, child_ended_soon},
    {"popen_communicate", new_echo, communicate, NULL, write_to_it, nothing_unsaid},
    {"run", new_gate, run, NULL, write_to_it, no_children},
    {"check_output", new_gate, check_output, NULL, write_to_it, no_children},
    {"serve_forever", new_server, serve_forever, NULL, stop, can_be_started_again},
    {"server_stop", new_busy, stop_busy, NULL, set_event, client_is_dropped},
    {"server_pause", new_serving, pause_it, NULL, connect_client, client_is_served},
    {"getaddrinfo", nothing, look_up, look_up, no_service, rival_told_soon},
};

static void close_all(int fd[], int n)
{
    for (int i = 0; i < n; i++) {
        if (fd[i] >= 0) {
            gr_api_close(fd[i]);
            fd[i] = -1;
        }
    }
}

static void free_all(void)
{
    green_popen_free(child);
    child = NULL;
    green_server_free(server);
    server = NULL;
    close_all(ends, 2);
    close_all(&client, 1);
    settle();
}

SWEEP(sweep_io, calls)
