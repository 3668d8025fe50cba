/*
 * greendump - every green thread of a process: what it waits for, since when, and its backtrace.
 *
 * All is read from outside, so the process may be anywhere: inside malloc, in the loader, or hung.
 */
#include "tools/greendump/descriptor.h"
#include "tools/greendump/snapshot.h"
#include "tools/greenshim-report/place.h"
#include "tools/greenshim-report/unwind.h"
#include "tools/stop.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FRAMES 40

static const char *pid;
static Dwfl *dwfl;

#define stop(...) stop_tool("greendump", 1, __VA_ARGS__)

/* --- one green --- */

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

static void print_object(const void *at)
{
    GElf_Off offset;
    GElf_Sym symbol;
    uint64_t address = (uint64_t)(uintptr_t)at;
    Dwfl_Module *module = dwfl_addrmodule(dwfl, address);
    const char *name =
        module ? dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL, NULL) : NULL;
    (void)printf(" 0x%lx", (unsigned long)address);
    if (name && offset) {
        (void)printf(" <%s+%lu>", name, (unsigned long)offset);
    } else if (name) {
        (void)printf(" <%s>", name);
    }
}

static void print_owner(const struct snapshot *s, int owner)
{
    if (!owner) {
        (void)printf(" held by nobody");
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->greens[i].g.tid == owner) {
            (void)printf(" held by green %lu", (unsigned long)s->greens[i].g.id);
            return;
        }
    }
    (void)printf(" held by kernel thread %d", owner);
}

static void print_wait(const struct snapshot *s, const struct copy *c)
{
    static const char *const purposes[] = {"", " to read", " to write", " to read or write"};
    uint32_t age = gr_park_ms(s->now) - c->g.parked;
    (void)printf(" waits %.3f s for %s", age > INT32_MAX ? 0 : age / 1e3, c->why);
    for (size_t i = 0; i < c->n_fds; i++) {
        (void)fputs(i ? ", " : " ", stdout);
        descriptor_print(stdout, pid, c->fds[i]);
    }
    if (c->n_fds) {
        (void)fputs(purposes[c->events & 3], stdout);
    }
    if (c->more_fds) {
        (void)printf(" and %zu more", c->more_fds);
    }
    if (c->joined) {
        (void)printf(" of green %lu", (unsigned long)c->joined);
    } else if (!c->n_fds && c->g.why_arg) {
        print_object(c->g.why_arg);
    }
    if (c->g.why == GR_WHY_MUTEX) {
        print_owner(s, c->owner);
    }
    if (c->deadline != GR_FOREVER) {
        (void)printf(", at most %.3f s more",
                     c->deadline > s->now ? seconds(c->deadline - s->now) : 0.0);
    }
}

static void print_state(const struct snapshot *s, const struct copy *c)
{
    static const char *const states[] = {
        [GR_FREE] = "not in use", [GR_NEW] = "has not begun", [GR_READY] = "is ready",
        [GR_RUNNING] = "runs",    [GR_PARKED] = "waits",      [GR_DONE] = "has ended",
    };
    if (c->running) {
        (void)printf(" runs on kernel thread %d", s->carrier);
    } else if (c->g.state == GR_PARKED) {
        print_wait(s, c);
    } else {
        (void)printf(" %s", (unsigned)c->g.state <= GR_DONE ? states[c->g.state] : "?");
    }
}

static void print_frames(struct copy *c)
{
    struct frame frames[MAX_FRAMES];
    process_stack(c->stack, c->registers.value[REG_SP], c->stack_size);
    bool exact = c->running;
    size_t n = c->registers.known[REG_PC] ? unwind(dwfl, &c->registers, frames, MAX_FRAMES) : 0;
    for (size_t i = 0; i < n; i++) {
        struct place p = place_of(dwfl, frames[i].pc, i == 0 && exact);
        (void)printf("    #%-2zu 0x%012lx %s", i, (unsigned long)frames[i].pc,
                     frames[i].guessed ? "? " : "");
        place_print(stdout, &p);
        (void)putchar('\n');
    }
    process_stack(NULL, 0, 0);
}

static void print_green(const struct snapshot *s, struct copy *c)
{
    (void)printf("green %lu tid %d", (unsigned long)c->g.id, c->g.tid);
    if (c->g.name[0]) {
        for (char *p = c->g.name; *p; p++) {
            *p = (char)(isprint((unsigned char)*p) ? *p : '?');
        }
        (void)printf(" \"%s\"", c->g.name);
    }
    print_state(s, c);
    (void)putchar('\n');
    if (c->g.state != GR_DONE && c->g.state != GR_NEW && c->g.state != GR_FREE) {
        print_frames(c);
    }
}

/* --- the process --- */

/* What greenshim-report inherits we open: memory and map of the process. */
static void open_process(void)
{
    static const struct {
        const char *name;
        int place;
    } files[] = {{"mem", GR_REPORT_MEM}, {"maps", GR_REPORT_MAPS}};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[80];
        (void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, files[i].name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        int high = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, GR_REPORT_CALL + 1);
        if (high < 0 || dup2(high, files[i].place) < 0) {
            stop("process %s: %s", pid, strerror(errno == ENOENT ? ESRCH : errno));
        }
        (void)close(high);
    }
}

static void find_modules(void)
{
    static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_linux_proc_find_elf,
                                             .find_debuginfo = dwfl_standard_find_debuginfo};
    dwfl = dwfl_begin(&callbacks);
    FILE *maps = fdopen(dup(GR_REPORT_MAPS), "r");
    if (!dwfl || !maps) {
        stop("out of memory");
    }
    int error = dwfl_linux_proc_maps_report(dwfl, maps);
    (void)fclose(maps);
    if (error || dwfl_report_end(dwfl, NULL, NULL)) {
        stop("process %s: its libraries cannot be found", pid);
    }
}

static void print_hub(struct snapshot *s)
{
    (void)printf(
        "process %s: %zu green thread%s on kernel thread %d, which has switched %lu times%s\n", pid,
        s->n, s->n == 1 ? "" : "s", s->carrier, (unsigned long)s->switches,
        s->in_hub ? " and is in the scheduler" : "");
    for (size_t i = 0; i < s->n; i++) {
        print_green(s, &s->greens[i]);
    }
}

static void dump(void)
{
    uint64_t hub;
    open_process();
    find_modules();
    if (snapshot_find(dwfl, &hub)) {
        stop("process %s does not run under this version of greenshim", pid);
    }
    if (!hub) {
        (void)printf("process %s: no green threads, it has made no thread yet\n", pid);
    }
    while (hub) {
        struct snapshot s = {0};
        const char *why = snapshot_take(pid, &hub, &s);
        if (why) {
            stop("process %s: %s", pid, why);
        }
        print_hub(&s);
        snapshot_free(&s);
    }
}

static bool is_number(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n && n < 10 && !text[n];
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        return puts("greendump " GR_VERSION) < 0;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        return puts("usage: greendump PID\n"
                    "Prints every green thread of a process: what it waits for, since when, and "
                    "its backtrace.") < 0;
    }
    if (argc != 2 || !is_number(argv[1])) {
        (void)fputs("usage: greendump PID\n", stderr);
        return 2;
    }
    pid = argv[1];
    dump();
    if (fflush(stdout) || ferror(stdout)) {
        stop("standard output: %s", strerror(errno));
    }
    return 0;
}
