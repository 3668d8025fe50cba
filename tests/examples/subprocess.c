/* A green ticks while a child process runs; then pipelines, exit statuses and timeouts. */
#include <green/green.h>
#include <green/subprocess.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The child ends when it is told to, after four ticks of ours. */
static void *cron(void *arg)
{
    struct green_popen *p = arg;
    for (int i = 0; i < 4; i++) {
        printf("cron\n");
        green_sleep(GREEN_MS(5));
    }
    dprintf(green_popen_fd(p, 0), "enough\n");
    return NULL;
}

static void tick_while_a_child_runs(void)
{
    struct green_popen *p;
    struct greenlet *g;
    struct green_command c = {
        .shell = "read word; echo $word; uname", .in = GREEN_PIPE, .out = GREEN_PIPE};
    char text[100];
    size_t n = 0;
    if (green_popen(&c, &p) || green_spawn(cron, p, &g)) {
        exit(1);
    }
    /* The pipes are ordinary descriptors: reading lets others run. */
    for (ssize_t got; (got = read(green_popen_fd(p, 1), text + n, sizeof(text) - n)) > 0;) {
        n += (size_t)got;
    }
    green_join(g, GREEN_FOREVER);
    green_popen_wait(p, GREEN_FOREVER);
    printf("%.*s", (int)n, text);
    green_unref(g);
    green_popen_free(p);
}

int main(void)
{
    struct green_popen *p;
    char *text;
    int32_t code = 0;
    const char *blame = NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    tick_while_a_child_runs();

    struct green_command sort = {.argv = (char *[]){"sort", NULL}, .out = GREEN_PIPE};
    if (green_run(&sort, "b\nc\na\n", 6, &p, GREEN_S(30)) == 0) {
        printf("sorted: %s", green_popen_output(p, 1, NULL));
    }
    green_popen_free(p);

    green_getoutput("echo out; echo err >&2; exit 3", &text, &code, GREEN_S(30));
    printf("%s, status %d\n", strtok(text, "\n"), (int)code);
    free(text);

    struct green_command slow = {.shell = "echo begun; exec sleep 1000"};
    int rc = green_check_output(&slow, &text, NULL, NULL, GREEN_S(1));
    printf("%s: %s", strerror(-rc), text);
    free(text);

    struct green_command lost = {.shell = "true", .cwd = "/nowhere", .blame = &blame};
    rc = green_call(&lost, NULL, GREEN_FOREVER);
    printf("%s: %s\n", blame, strerror(-rc));
    return 0;
}
