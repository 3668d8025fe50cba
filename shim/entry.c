/* Where the library comes in and goes out: constructor, summary at exit. */
#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "runtime/core/hub.h"
#include "runtime/core/tls.h"
#include "runtime/svc/watchdog.h"
#include "shim/body.h"
#include "shim/offload.h"
#include "shim/process.h"
#include "shim/pthread_thread.h"
#include "shim/shim.h"

#include <string.h>

#define OUR_NAME      "libgreenshim.so"
#define LOADER_FRAMES 512 /* bytes; with a dlopen() in between there are 1 800 */

uint64_t gr_calls[GR_N_ROWS];

static bool is_us(const char *path, size_t n)
{
    size_t len = strlen(OUR_NAME);
    return n >= len && memcmp(path + n - len, OUR_NAME, len) == 0 &&
           (n == len || path[n - len - 1] == '/');
}

/* Take our path out of a LD_PRELOAD value, in place. */
static void strip_preload(char *list)
{
    char *out = list;
    for (char *p = list; *p;) {
        size_t n = strcspn(p, ": ");
        size_t next = n + (p[n] != '\0');
        if (n && !is_us(p, n)) {
            if (out != list) {
                *out++ = ':';
            }
            memmove(out, p, n);
            out += n;
        }
        p += next;
    }
    *out = '\0';
}

/* Programs that this one starts shall not inherit us. */
static void stop_following(char **envp)
{
    static const char var[] = "LD_PRELOAD=";
    for (; *envp; envp++) {
        if (strncmp(*envp, var, sizeof(var) - 1) != 0) {
            continue;
        }
        strip_preload(*envp + sizeof(var) - 1);
        if ((*envp)[sizeof(var) - 1] == '\0') {
            for (char **p = envp; *p; p++) {
                p[0] = p[1];
            }
        }
        return;
    }
}

bool gr_at_start;

/*
 * Does the process start, or has the program opened us later, by dlopen()? At the start we come
 * before libc's own initialisation. If another library has the privilege to come first (-z
 * initfirst), only the loader is above us on the stack, and not much of it.
 */
static bool is_start(char **argv)
{
    bool libc_is_new = !*program_invocation_name && program_invocation_name != argv[0];
    intptr_t above = (char *)argv - (char *)__builtin_frame_address(0);
    return libc_is_new || (above > 0 && above < LOADER_FRAMES);
}

__attribute__((constructor)) static void enter_process(int argc, char **argv, char **envp)
{
    (void)argc;
    gr_real_resolve(); /* now: a later look-up would meet the loader's lock, or wipe dlerror() */
    gr_config_load(envp);
    if (!gr_config.follow) {
        stop_following(envp);
    }
    if (gr_config.enabled) {
        gr_threads_init();
    }
    if (gr_config.enabled && !gr_sanitizer()) {
        gr_at_start = is_start(argv);
        if (gr_at_start && gr_config.deep) {
            (void)gr_body_install(GR_ALL_PARTS);
        }
        gr_tls_snapshot();
        gr_process_init();
        gr_offload_init(envp);
        if (gr_config.preempt) {
            gr_preempt_init();
        }
    }
}

static void say_parks(const struct gr_hub *h)
{
    char line[400];
    size_t n = 0;
    for (int i = 0; i < GR_WHY_N; i++) {
        if (h->parks[i] && n < sizeof(line)) {
            n += (size_t)snprintf(line + n, sizeof(line) - n, " %s %llu", gr_why_names[i],
                                  (unsigned long long)h->parks[i]);
        }
    }
    gr_log("waits:%s", n ? line : " none");
}

static void say_calls(void)
{
    char line[400];
    size_t n = 0;
    for (int i = 0; i < GR_N_ROWS && n < sizeof(line); i++) {
        if (gr_calls[i]) {
            n += (size_t)snprintf(line + n, sizeof(line) - n, " %s %llu", gr_rows[i].name,
                                  (unsigned long long)gr_calls[i]);
        }
    }
    gr_log("calls:%s", n ? line : " none");
}

__attribute__((destructor)) static void leave_process(void)
{
    gr_watchdog_stop();
    if (!gr_config.stats) {
        return;
    }
    struct gr_hub *h = gr_hub_here();
    if (!h) {
        gr_log("greens: none; the program started no thread");
        return;
    }
    gr_log("greens: %llu created, %u at peak; switches: %llu; carriers: 1",
           (unsigned long long)h->created, h->n_peak, (unsigned long long)h->switches);
    gr_log("waits left to the kernel as nothing else could run: %llu; kernel threads that waited "
           "in place of greens: %u at most",
           (unsigned long long)h->native_calls, h->n_standins_peak);
    say_parks(h);
    say_calls();
}
