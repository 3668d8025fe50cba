/* Talking to a child process, and running one in one call. */
#include "runtime/api/api.h"
#include "runtime/api/io.h"
#include "runtime/api/popen.h"
#include "runtime/base/rawsys.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE (64UL << 10)

/* --- communicate --- */

static void end_input(struct green_popen *p)
{
    green_popen_close(p, 0);
    free(p->own_input);
    p->own_input = NULL;
    p->left = 0;
}

/* It is writable: PIPE_BUF bytes at least find room, so this does not wait. */
static void feed(struct green_popen *p)
{
    ssize_t n = gr_api_write(p->fd[0], p->input, p->left < PIPE_BUF ? p->left : PIPE_BUF);
    if (n == -EINTR || n == -EAGAIN) {
        return;
    }
    if (n < 0) { /* nobody wants the rest */
        end_input(p);
        return;
    }
    p->input += n;
    p->left -= (size_t)n;
    if (p->left == 0) {
        end_input(p);
    }
}

static int make_room(struct gr_output *o)
{
    if (o->room - o->n > READ_SIZE / 16) {
        return 0;
    }
    size_t room = o->room ? 2 * o->room : READ_SIZE / 8;
    char *data = realloc(o->data, room);
    if (!data) {
        return -ENOMEM;
    }
    o->data = data;
    o->room = room;
    return 0;
}

/* There is something to read, or the end. */
static int drain(struct green_popen *p, int which)
{
    struct gr_output *o = &p->output[which - 1];
    int rc = make_room(o);
    if (rc) {
        return rc;
    }
    size_t room = o->room - o->n - 1;
    long n = GR_SYS(SYS_read, p->fd[which], o->data + o->n, room < READ_SIZE ? room : READ_SIZE);
    if (n > 0) {
        o->n += (size_t)n;
    } else if (n != -EINTR && n != -EAGAIN) {
        green_popen_close(p, which);
    }
    o->data[o->n] = '\0';
    return 0;
}

/* A child that always has something to say must not keep us from that. */
static int must_end(int64_t deadline)
{
    if (gr_self && gr_cancelled(gr_self, GR_CANCEL)) {
        return -ECANCELED;
    }
    return deadline != GR_FOREVER && gr_now() >= deadline ? -ETIMEDOUT : 0;
}

static int exchange(struct green_popen *p, int64_t deadline)
{
    int rc = 0;
    while (rc == 0 && (p->fd[0] >= 0 || p->fd[1] >= 0 || p->fd[2] >= 0)) {
        struct pollfd fds[3] = {{.fd = p->fd[0], .events = POLLOUT},
                                {.fd = p->fd[1], .events = POLLIN},
                                {.fd = p->fd[2], .events = POLLIN}};
        rc = gr_api_poll(fds, 3, deadline);
        if (rc < 0) {
            return rc;
        }
        rc = 0;
        if (fds[0].revents) {
            feed(p);
        }
        for (int i = 1; i < 3 && rc == 0; i++) {
            rc = fds[i].revents ? drain(p, i) : 0;
        }
        rc = rc ? rc : must_end(deadline);
    }
    return rc;
}

/* The caller's memory may go away before the next call. */
static int keep_input(struct green_popen *p)
{
    if (p->left == 0 || p->own_input) {
        return 0;
    }
    p->own_input = malloc(p->left);
    if (!p->own_input) {
        p->left = 0;
        return -ENOMEM;
    }
    p->input = memcpy(p->own_input, p->input, p->left);
    return 0;
}

static int communicate(struct green_popen *p, const void *input, size_t size, int64_t deadline)
{
    if (p->busy) {
        return -EBUSY;
    }
    if (input && (p->communicating || !p->piped[0])) {
        return -EINVAL;
    }
    if (input) {
        p->input = input;
        p->left = size;
    }
    p->communicating = true;
    if (p->left == 0) {
        end_input(p);
    }
    p->busy = true;
    int rc = exchange(p, deadline);
    rc = rc ? rc : gr_popen_await(p, deadline, GR_CANCEL);
    p->busy = false;
    int kept = keep_input(p);
    return kept ? kept : rc;
}

int green_popen_communicate(struct green_popen *p, const void *input, size_t size, int64_t timeout)
{
    (void)gr_api_start();
    return gr_api_result(communicate(p, input, size, gr_api_deadline_or_now(timeout)));
}

const char *green_popen_output(const struct green_popen *p, int which, size_t *size_out)
{
    bool piped = (which == 1 || which == 2) && p->piped[which];
    const struct gr_output *o = piped ? &p->output[which - 1] : NULL;
    if (size_out) {
        *size_out = o ? o->n : 0;
    }
    return !o ? NULL : o->data ? o->data : "";
}

/* --- in one call --- */

static int run(const struct green_command *c, const void *input, size_t size,
               struct green_popen **out, int64_t timeout)
{
    struct green_command piped = *c;
    int64_t deadline = gr_api_deadline_or_now(timeout);
    *out = NULL;
    if (input) {
        if (c->in) {
            return -EINVAL;
        }
        piped.in = GREEN_PIPE;
    }
    int rc = green_popen(&piped, out);
    if (rc) {
        return rc;
    }
    rc = communicate(*out, input, size, deadline);
    if (rc) {
        (void)green_popen_kill(*out);
        (void)gr_popen_await(*out, GR_FOREVER, 0);
    }
    return rc;
}

int green_run(const struct green_command *c, const void *input, size_t size,
              struct green_popen **out, int64_t timeout)
{
    struct green_popen *p;
    int rc = run(c, input, size, &p, timeout);
    if (out) {
        *out = p;
    } else {
        green_popen_free(p);
    }
    return gr_api_result(rc);
}

int green_call(const struct green_command *c, int32_t *returncode_out, int64_t timeout)
{
    struct green_popen *p;
    int rc = run(c, NULL, 0, &p, timeout);
    if (rc == 0 && returncode_out) {
        *returncode_out = p->returncode;
    }
    green_popen_free(p);
    return gr_api_result(rc);
}

int green_check_call(const struct green_command *c, int32_t *returncode_out, int64_t timeout)
{
    int32_t code = 0;
    int rc = green_call(c, &code, timeout);
    if (rc == 0 && returncode_out) {
        *returncode_out = code;
    }
    return rc ? rc : code ? -EREMOTEIO : 0;
}

/* The output of @p for the caller; frees @p. */
static int take_output(struct green_popen *p, char **output_out, size_t *size_out)
{
    struct gr_output *o = &p->output[0];
    size_t n = o->n;
    char *data = o->data ? o->data : calloc(1, 1);
    o->data = NULL;
    green_popen_free(p);
    *output_out = data;
    if (size_out) {
        *size_out = data ? n : 0;
    }
    return data ? 0 : -ENOMEM;
}

int green_check_output(const struct green_command *c, char **output_out, size_t *size_out,
                       int32_t *returncode_out, int64_t timeout)
{
    struct green_command piped = *c;
    struct green_popen *p;
    *output_out = NULL;
    if (c->out) {
        return -EINVAL;
    }
    piped.out = GREEN_PIPE;
    int rc = run(&piped, NULL, 0, &p, timeout);
    if (!p) {
        return rc;
    }
    int32_t code = p->returncode;
    int kept = take_output(p, output_out, size_out);
    if (rc == 0 && returncode_out) {
        *returncode_out = code;
    }
    rc = rc ? rc : kept ? kept : code ? -EREMOTEIO : 0;
    if (rc == -ECANCELED) {
        free(*output_out);
        *output_out = NULL;
    }
    return gr_api_result(rc);
}

int green_getoutput(const char *command, char **output_out, int32_t *returncode_out,
                    int64_t timeout)
{
    struct green_command c = {.shell = command, .err = GREEN_STDOUT};
    size_t n = 0;
    int32_t code = 0;
    int rc = green_check_output(&c, output_out, &n, &code, timeout);
    if (rc == -EREMOTEIO) {
        rc = 0;
    }
    if (rc == 0) {
        if (*output_out && n > 0 && (*output_out)[n - 1] == '\n') {
            (*output_out)[n - 1] = '\0';
        }
        if (returncode_out) {
            *returncode_out = code;
        }
    }
    return rc;
}
