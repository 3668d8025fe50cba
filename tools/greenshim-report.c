/*
 * greenshim-report - prints what the watchdog of --check-blocking has noticed
 * (runtime/svc/watchdog).
 *
 * Started by the library, one for each process that is watched; ends when that one does. Each stall
 * is printed when it is over, the first time at each place with a backtrace; at the end come the
 * sums of all places.
 */
#include "tools/greenshim-report/place.h"
#include "tools/greenshim-report/process.h"
#include "tools/greenshim-report/unwind.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_FRAMES 24
#define KEY_FRAMES 8 /* frames that tell one place from another */
#define MAX_SITES  256

static const char *watched; /* process id */
static Dwfl *dwfl;

/* --- sites --- */

struct site {
    uint32_t kind;
    int64_t nr;
    uint64_t key[KEY_FRAMES];
    unsigned long count;
    int64_t total; /* ns */
    int64_t longest;
    char *what;  /* the call, or what else it does */
    char *where; /* the program's own function, "" if unknown */
};

static struct site sites[MAX_SITES + 1]; /* the last: whatever finds no place */
static size_t n_sites;

/* The stall that goes on. */
static struct {
    struct gr_stall s;
    struct frame frames[MAX_FRAMES];
    size_t n;
    const char *why_none; /* no backtrace */
    struct site *site;
    bool printed;
} now;

static struct site *find_site(const struct gr_stall *s, const uint64_t *key)
{
    size_t i = 0;
    for (; i < n_sites; i++) {
        if (sites[i].kind == s->kind && sites[i].nr == s->nr &&
            memcmp(sites[i].key, key, sizeof(sites[i].key)) == 0) {
            return &sites[i];
        }
    }
    if (i < MAX_SITES) {
        n_sites++;
    }
    sites[i].kind = s->kind;
    sites[i].nr = s->nr;
    memcpy(sites[i].key, key, sizeof(sites[i].key));
    return &sites[i];
}

/* --- names --- */

/* Of frame @i of the stall that goes on. */
static struct place place(size_t i)
{
    return place_of(dwfl, now.frames[i].pc, i == 0 && now.s.nr < 0);
}

/* Libraries that are on the way of every call; what called them is of interest. */
static bool is_system(const char *module)
{
    static const char *const names[] = {"libc.so",         "libc-",      "ld-linux",
                                        "libgreenshim.so", "linux-vdso", "[vdso"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strncmp(module, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* --- printing --- */

static void print_string(FILE *out, uint64_t at)
{
    char text[64];
    size_t n = 0;
    while (n < sizeof(text) - 1 && process_read(at + n, &text[n], 1) && text[n]) {
        n++;
    }
    text[n] = '\0';
    for (char *p = text; *p; p++) {
        *p = (char)(*p < ' ' || *p > '~' ? '?' : *p);
    }
    (void)fprintf(out, "\"%s\"%s", text, n == sizeof(text) - 1 ? "..." : "");
}

static void print_fd(FILE *out, const struct gr_stall *s, int fd)
{
    char link[80];
    char file[PATH_MAX];
    (void)snprintf(link, sizeof(link), "/proc/%s/task/%d/fd/%d", watched, s->tid, fd);
    ssize_t n = readlink(link, file, sizeof(file) - 1);
    file[n > 0 ? n : 0] = '\0';
    (void)fprintf(out, n > 0 ? "%d %s" : "%d", fd, file);
}

static void print_arguments(FILE *out, const struct gr_stall *s, const char *kinds)
{
    bool first = true;
    for (size_t i = 0; kinds[i]; i++) {
        int number = (int)s->args[i];
        if (kinds[i] == '-' || (kinds[i] == 'D' && number == AT_FDCWD)) {
            continue;
        }
        (void)fputs(first ? "" : ", ", out);
        first = false;
        switch (kinds[i]) {
        case 's':
            print_string(out, s->args[i]);
            break;
        case 'i':
            (void)fprintf(out, "%d", number);
            break;
        default:
            print_fd(out, s, number);
        }
    }
}

static void print_call(FILE *out, const struct gr_stall *s)
{
    static const struct {
        long nr;
        const char *name;
        const char *kinds;
    } calls[] = {
#define CALL(name, kinds) {SYS_##name, #name, kinds},
#include "tools/greenshim-report/calls.def"
#undef CALL
    };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i].nr == s->nr) {
            (void)fprintf(out, "%s(", calls[i].name);
            print_arguments(out, s, calls[i].kinds);
            (void)fputc(')', out);
            return;
        }
    }
    (void)fprintf(out, "system call %ld", (long)s->nr);
}

static char *what_of(const struct gr_stall *s)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        abort();
    }
    if (s->nr >= 0) {
        print_call(out, s);
    } else {
        (void)fputs(s->kind == GR_STALL_FAULT ? "page fault" : "computes", out);
    }
    (void)fclose(out);
    return text;
}

/* The program's own function among the frames. */
static char *where_of(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        abort();
    }
    for (size_t i = 0; i < now.n; i++) {
        struct place p = place(i);
        if (!is_system(p.module)) {
            place_print(out, &p);
            break;
        }
    }
    (void)fclose(out);
    return text;
}

static void say(char *text, size_t n)
{
    for (ssize_t done = 0; n; text += done, n -= (size_t)done) {
        done = write(STDERR_FILENO, text, n);
        if (done < 0) {
            break;
        }
    }
}

static long ms(int64_t ns)
{
    return (long)((ns + 500000) / 1000000);
}

static void print_frames(FILE *out)
{
    for (size_t i = 0; i < now.n; i++) {
        struct place p = place(i);
        (void)fprintf(out, "    #%-2zu 0x%012lx %s", i, (unsigned long)now.frames[i].pc,
                      now.frames[i].guessed ? "? " : "");
        place_print(out, &p);
        (void)fputc('\n', out);
    }
    if (!now.n) {
        (void)fprintf(out, "    no backtrace: %s\n", now.why_none);
    }
}

/* The stall and, the first time at its place, how the thread got there. */
static void print_stall(bool over)
{
    const struct gr_stall *s = &now.s;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        abort();
    }
    (void)fprintf(out, "greenshim: %s %ld ms%s", s->kind == GR_STALL_CPU ? "computed" : "blocked",
                  ms(s->ns), over ? "" : " so far");
    if (s->kind != GR_STALL_CPU || s->nr >= 0) {
        (void)fprintf(out, ": %s", now.site->what);
    }
    if (s->green) {
        (void)fprintf(out, " in thread %lu", (unsigned long)s->green);
    } else {
        (void)fputs(" in the scheduler", out);
    }
    if (s->name[0]) {
        (void)fprintf(out, " \"%s\"", s->name);
    }
    (void)fprintf(out, " while %u thread%s ready\n", s->held_up,
                  s->held_up == 1 ? " was" : "s were");
    print_frames(out);
    (void)fclose(out);
    say(text, size);
    free(text);
    now.printed = true;
}

static int by_total(const void *a, const void *b)
{
    const struct site *const *x = a;
    const struct site *const *y = b;
    return (*x)->total < (*y)->total ? 1 : (*x)->total > (*y)->total ? -1 : 0;
}

static void print_summary(void)
{
    struct site *sorted[MAX_SITES + 1];
    size_t n = 0;
    char *text = NULL;
    size_t size;
    for (size_t i = 0; i <= MAX_SITES; i++) {
        if (sites[i].count) {
            sorted[n++] = &sites[i];
        }
    }
    FILE *out = n ? open_memstream(&text, &size) : NULL;
    if (!out) {
        return;
    }
    qsort(sorted, n, sizeof(struct site *), by_total); /* NOLINT(bugprone-sizeof-expression) */
    (void)fprintf(out, "greenshim: process %s: other threads were held up at %zu place%s\n",
                  watched, n, n == 1 ? "" : "s");
    for (size_t i = 0; i < n; i++) {
        const struct site *s = sorted[i];
        bool other = s == &sites[MAX_SITES];
        (void)fprintf(out, "greenshim: %6lu time%s %6ld ms in all, at most %5ld ms: %s%s%s\n",
                      s->count, s->count == 1 ? ", " : "s,", ms(s->total), ms(s->longest),
                      other ? "elsewhere" : s->what, !other && s->where[0] ? " in " : "",
                      other ? "" : s->where);
    }
    (void)fclose(out);
    say(text, size);
    free(text);
}

/* --- stalls --- */

static void load_modules(void)
{
    FILE *maps = NULL;
    int fd = dup(GR_REPORT_MAPS);
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) == 0) {
        maps = fdopen(fd, "r");
    }
    if (maps) {
        dwfl_report_begin(dwfl);
        (void)dwfl_linux_proc_maps_report(dwfl, maps);
        (void)dwfl_report_end(dwfl, NULL, NULL);
        (void)fclose(maps);
    }
}

/* While it computes, a thread is found now here, now there: functions count, not addresses. */
static void fill_key(uint64_t *key)
{
    for (size_t i = 0; i < KEY_FRAMES && i < now.n; i++) {
        struct place p = place(i);
        key[i] = now.frames[i].pc - (now.s.kind == GR_STALL_CPU && p.function ? p.offset : 0);
    }
}

static void began(size_t stack)
{
    struct gr_stall *s = &now.s;
    struct registers r = {.value = {0}};
    uint64_t key[KEY_FRAMES] = {0};
    now.n = 0;
    now.printed = false;
    now.why_none = NULL;
    if (s->kind == GR_STALL_CPU) { /* first of all: it may be over soon */
        now.why_none = process_catch(s, &r, s->stack, &stack);
    } else {
        r.value[REG_SP] = s->sp;
        r.value[REG_PC] = s->pc;
        r.known[REG_SP] = r.known[REG_PC] = true;
    }
    load_modules();
    if (!now.why_none) {
        process_stack(s->stack, r.value[REG_SP], stack);
        now.n = unwind(dwfl, &r, now.frames, MAX_FRAMES);
    }
    fill_key(key);
    now.site = find_site(s, key);
    if (!now.site->what) {
        now.site->what = what_of(s);
        now.site->where = where_of();
    }
}

static void account(void)
{
    struct site *site = now.site;
    if (!site) {
        return;
    }
    site->count++;
    site->total += now.s.ns;
    site->longest = now.s.ns > site->longest ? now.s.ns : site->longest;
    now.site = NULL;
}

static void ended(bool over)
{
    if (now.site && now.site->count == 0 && !now.printed) {
        print_stall(over);
    }
    account();
}

/* Takes the packet of @n bytes at @s. */
static void take(const struct gr_stall *s, size_t n)
{
    const size_t fixed = offsetof(struct gr_stall, stack);
    if (s->event == GR_STALL_BEGAN) {
        ended(true);
        memcpy(&now.s, s, n);
        began(n - fixed);
        return;
    }
    if (!now.site) {
        return;
    }
    now.s.ns = s->ns;
    now.s.held_up = s->held_up;
    if (s->event == GR_STALL_ENDED) {
        ended(true);
    } else if (now.site->count == 0 && !now.printed) {
        print_stall(false);
    }
}

int main(int argc, char **argv)
{
    static struct gr_stall packet;
    static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_linux_proc_find_elf,
                                             .find_debuginfo = dwfl_standard_find_debuginfo};
    sigset_t none;
    ssize_t n;
    if (argc != 2 || fcntl(GR_REPORT_CALL, F_GETFD) < 0) {
        (void)fputs("greenshim-report: started by the library; use greenrun --check-blocking\n",
                    stderr);
        return 2;
    }
    watched = argv[1];
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    dwfl = dwfl_begin(&callbacks);
    if (!dwfl) {
        return 1;
    }
    while ((n = recv(GR_REPORT_STALLS, &packet, sizeof(packet), 0)) >=
           (ssize_t)offsetof(struct gr_stall, stack)) {
        take(&packet, (size_t)n);
    }
    ended(false);
    print_summary();
    return 0;
}
