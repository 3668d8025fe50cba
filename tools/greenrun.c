/*
 * greenrun - starts a program with libgreenshim.so preloaded.
 *
 * It checks what can be known before the start, sets LD_PRELOAD and the GREENSHIM_* variables, and
 * becomes the program: same process, same standard streams, the program's own exit status.
 */
#include "runtime/base/config.h"
#include "runtime/base/offload.h"
#include "tools/greenrun/offload.h"
#include "tools/greenrun/target.h"
#include "tools/stop.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libgreenshim.so"
#define AUDITOR "greenaudit"

/* The settings of config.def, with the value that an option gave (NULL: no option). */
struct setting {
    const char *variable;
    enum gr_config_type type;
    long initial;
    long min;
    long max;
    const char *option; /* NULL: only by its variable */
    const char *help;
    const char *value;
    char digits[24]; /* room for a value that greenrun makes */
};

static struct setting settings[] = {
#define GR_CONFIG(field, var, kind, def, low, high, opt, text)                                     \
    {.variable = (var),                                                                            \
     .type = GR_CONFIG_##kind,                                                                     \
     .initial = (def),                                                                             \
     .min = (low),                                                                                 \
     .max = (high),                                                                                \
     .option = (opt),                                                                              \
     .help = (text)},
#include "runtime/base/config.def"
#undef GR_CONFIG
};

#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

enum {
    OPT_HELP = 1,
    OPT_VERSION,
    OPT_CHECK,
    OPT_AUDIT,
    OPT_PRINT_ENV,
    OPT_OFFLOAD,
    N_FIXED = OPT_OFFLOAD,
    OPT_FIRST
};

struct request {
    bool check;
    bool print_env;
    char *offloads; /* of all options, as the variable has them; NULL: no option */
    char library[PATH_MAX];
};

#define stop(status, ...) stop_tool("greenrun", status, __VA_ARGS__)

/* A number that may be 0 is a level: its option may stand alone, and raises it. */
static bool is_level(const struct setting *s)
{
    return s->type == GR_CONFIG_INT && s->min == 0;
}

static const char *argument_name(const struct setting *s)
{
    switch (s->type) {
    case GR_CONFIG_BOOL:
        break;
    case GR_CONFIG_SIZE:
        return " SIZE";
    case GR_CONFIG_INT:
        return is_level(s) ? "[=N]" : " N";
    case GR_CONFIG_MS:
        return "[=MS]";
    case GR_CONFIG_TLS:
        return " MODE";
    }
    return "";
}

static int argument_kind(const struct setting *s)
{
    if (s->type == GR_CONFIG_BOOL) {
        return no_argument;
    }
    return is_level(s) || s->type == GR_CONFIG_MS ? optional_argument : required_argument;
}

static void print_help(void)
{
    (void)puts("usage: greenrun [options] [--] program [arguments]\n"
               "Runs an unmodified threaded program with its threads as green threads.\n\n"
               "options and their variables:");
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];
        char option[64] = "";
        if (s->option) {
            (void)snprintf(option, sizeof(option), "--%s%s", s->option, argument_name(s));
        }
        (void)printf("  %-21s %-24s %s\n", option, s->variable, s->help);
    }
    (void)printf("  %-21s %-24s %s\n", "--offload LIB:FN=SIG", GR_OFFLOAD_VARIABLE,
                 "run this function of a library on a kernel thread; several options, or ';'");
    (void)puts("  --check               check the program and start nothing; the exit status says\n"
               "  --audit               say how its calls would be treated: greenaudit(1)\n"
               "  --print-env           print the variables that would be set, quoted for a shell\n"
               "  --help                this text\n"
               "  --version             version of greenrun\n\n"
               "SIZE is in bytes or has a suffix K, M or G. MS is in milliseconds. The exit status "
               "is the program's;\n"
               "greenrun's own are listed in greenrun(1).");
}

/* Checks that the setting's @text, which came from @where, is valid. */
static void require_valid(const struct setting *s, const char *where, const char *text)
{
    long ignored;
    if (gr_config_parse(s->type, text, s->min, s->max, &ignored) == 0) {
        return;
    }
    switch (s->type) {
    case GR_CONFIG_BOOL:
        stop(STATUS_USAGE, "%s: '%s' is not valid; use 0, 1, off or on", where, text);
    case GR_CONFIG_SIZE:
        stop(STATUS_USAGE, "%s: '%s' is not valid; use %ld to %ld bytes, suffix K, M or G", where,
             text, s->min, s->max);
    case GR_CONFIG_INT:
        stop(STATUS_USAGE, "%s: '%s' is not valid; use a number from %ld to %ld", where, text,
             s->min, s->max);
    case GR_CONFIG_MS:
        stop(STATUS_USAGE, "%s: '%s' is not valid; use 1 to %ld milliseconds, on or off", where,
             text, s->max);
    case GR_CONFIG_TLS:
        stop(STATUS_USAGE, "%s: '%s' is not valid; use clone, harvest or off", where, text);
    }
}

static void set_from_option(struct setting *s, const char *argument)
{
    if (s->type == GR_CONFIG_BOOL) {
        s->value = strncmp(s->option, "no-", 3) == 0 ? "0" : "1";
        return;
    }
    if (!argument && s->type == GR_CONFIG_MS) {
        argument = "on";
    } else if (!argument) {
        long level = s->value ? strtol(s->value, NULL, 10) : 0;
        (void)snprintf(s->digits, sizeof(s->digits), "%ld", level < s->max ? level + 1 : s->max);
        argument = s->digits;
    }
    char where[64];
    (void)snprintf(where, sizeof(where), "--%s", s->option);
    require_valid(s, where, argument);
    s->value = argument;
}

/* Checks an offload that came from @where, in the libraries of @program if it is not NULL. */
static void require_offload(const char *where, const char *spec, const char *program)
{
    char why[2 * PATH_MAX];
    if (!offload_check(spec, program, why, sizeof(why))) {
        stop(STATUS_USAGE, "%s: '%s' is not valid: %s", where, spec, why);
    }
}

static void add_offload(struct request *r, const char *spec)
{
    char *list;
    if (asprintf(&list, "%s%s%s", r->offloads ? r->offloads : "",
                 r->offloads ? (char[]){GR_OFFLOAD_SEPARATOR, '\0'} : "", spec) < 0) {
        stop(STATUS_CANNOT_EXEC, "out of memory");
    }
    free(r->offloads);
    r->offloads = list;
}

/* All that the program will be told of. */
static void check_offloads(const struct request *r, const char *program)
{
    const char *list = r->offloads ? r->offloads : getenv(GR_OFFLOAD_VARIABLE);
    char *copy = list ? strdup(list) : NULL;
    for (char *at = copy; at && *at;) {
        char *end = strchrnul(at, GR_OFFLOAD_SEPARATOR);
        char *next = *end ? end + 1 : end;
        *end = '\0';
        if (*at) {
            require_offload(r->offloads ? "--offload" : GR_OFFLOAD_VARIABLE, at, program);
        }
        at = next;
    }
    free(copy);
}

/* Becomes greenaudit, which is beside greenrun; the rest of the line is for it. */
__attribute__((noreturn)) static void audit(char **arguments)
{
    char path[PATH_MAX + 16];
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
    char *end = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
    if (end) {
        memcpy(end + 1, AUDITOR, sizeof(AUDITOR));
        *--arguments = path;
        (void)execv(path, arguments);
    }
    stop(STATUS_LIBRARY, AUDITOR ": not found beside greenrun; build or install greenshim again");
}

/* Fills @options with the fixed ones and those of the settings; @options has room for all. */
static void list_options(struct option *options)
{
    static const struct option fixed[N_FIXED] = {{"help", no_argument, NULL, OPT_HELP},
                                                 {"version", no_argument, NULL, OPT_VERSION},
                                                 {"check", no_argument, NULL, OPT_CHECK},
                                                 {"audit", no_argument, NULL, OPT_AUDIT},
                                                 {"print-env", no_argument, NULL, OPT_PRINT_ENV},
                                                 {"offload", required_argument, NULL, OPT_OFFLOAD}};
    memcpy(options, fixed, sizeof(fixed));
    struct option *next = options + N_FIXED;
    for (size_t i = 0; i < N_SETTINGS; i++) {
        if (settings[i].option) {
            *next++ = (struct option){.name = settings[i].option,
                                      .has_arg = argument_kind(&settings[i]),
                                      .val = OPT_FIRST + (int)i};
        }
    }
    *next = (struct option){.name = NULL};
}

static void parse_options(struct request *r, int argc, char **argv)
{
    struct option options[N_FIXED + N_SETTINGS + 1];
    list_options(options);
    opterr = 0;
    for (;;) {
        /* "+": the first argument that is no option is the program, what follows is its own. */
        int at = optind;
        int c = getopt_long(argc, argv, "+:", options, NULL);
        switch (c) {
        case -1:
            return;
        case OPT_HELP:
            print_help();
            exit(STATUS_OK);
        case OPT_VERSION:
            (void)puts("greenrun " GR_VERSION);
            exit(STATUS_OK);
        case OPT_CHECK:
            r->check = true;
            break;
        case OPT_AUDIT:
            audit(argv + optind);
        case OPT_PRINT_ENV:
            r->print_env = true;
            break;
        case OPT_OFFLOAD:
            require_offload("--offload", optarg, NULL);
            add_offload(r, optarg);
            break;
        case ':':
            stop(STATUS_USAGE, "%s: needs a value; try greenrun --help", argv[at]);
        case '?':
            stop(STATUS_USAGE, "%s: unknown option or unexpected value; try greenrun --help",
                 argv[at]);
        default:
            set_from_option(&settings[c - OPT_FIRST], optarg);
        }
    }
}

/* A bad value in the environment would only get a warning from the library; here it stops. */
static void check_environment(void)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const char *text = getenv(settings[i].variable);
        if (text && *text && !settings[i].value) {
            require_valid(&settings[i], settings[i].variable, text);
        }
    }
}

static void refuse_second_preload(void)
{
    const char *list = getenv("LD_PRELOAD");
    while (list && *list) {
        size_t len = strcspn(list, ": ");
        const char *base = list;
        for (const char *p = list; p < list + len; p++) {
            if (*p == '/') {
                base = p + 1;
            }
        }
        size_t base_len = (size_t)(list + len - base);
        if (base_len == strlen(LIBRARY) && memcmp(base, LIBRARY, base_len) == 0) {
            stop(STATUS_PRELOADED,
                 "LD_PRELOAD already holds %.*s; start the program without "
                 "greenrun, or the outer one with --no-follow",
                 (int)len, list);
        }
        list += len;
        list += strspn(list, ": ");
    }
}

/* Is the library in @dir? Then @out is its path without symbolic links. */
static bool library_in(const char *dir, char *out)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/" LIBRARY, dir);
    return n > 0 && n < PATH_MAX && access(path, R_OK) == 0 && realpath(path, out);
}

/* Beside greenrun (the build tree), then where `make install` puts it relative to bin/. */
static void find_library(char *out)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    bool found = false;
    if (n > 0) {
        self[n] = '\0';
        *strrchr(self, '/') = '\0';
        static const char *const places[] = {"", "/../lib", ("/../lib/" GR_MULTIARCH)};
        for (size_t i = 0; !found && i < sizeof(places) / sizeof(places[0]); i++) {
            char dir[PATH_MAX + 64];
            (void)snprintf(dir, sizeof(dir), "%s%s", self, places[i]);
            found = library_in(dir, out);
        }
    }
    if (!found && !library_in(GR_LIBDIR, out)) {
        stop(STATUS_LIBRARY, LIBRARY ": not found beside greenrun, in ../lib or in " GR_LIBDIR
                                     "; build or install greenshim again");
    }
    if (strpbrk(out, ": ")) {
        stop(STATUS_LIBRARY,
             "%s: LD_PRELOAD cannot hold a path with a space or a colon; "
             "move greenshim elsewhere",
             out);
    }
}

/* Prints NAME=value, quoted so that a shell reads the same value. */
static void print_variable(const char *name, const char *value)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_-+,./:=@%";
    (void)printf("%s=", name);
    if (value[strspn(value, plain)] == '\0') {
        (void)puts(value);
        return;
    }
    (void)putchar('\'');
    for (; *value; value++) {
        (void)fputs(*value == '\'' ? "'\\''" : (char[]){*value, '\0'}, stdout);
    }
    (void)puts("'");
}

static void set_variable(const struct request *r, const char *name, const char *value)
{
    if (r->print_env) {
        print_variable(name, value);
    } else if (setenv(name, value, 1) != 0) {
        stop(STATUS_CANNOT_EXEC, "%s: cannot be set: %s", name, strerror(errno));
    }
}

/* What the user preloads stays in front of our library, as it stands in front of libc. */
static void set_environment(const struct request *r)
{
    const char *old = getenv("LD_PRELOAD");
    size_t size = strlen(r->library) + (old ? strlen(old) : 0) + 2;
    char *preload = malloc(size);
    if (!preload) {
        stop(STATUS_CANNOT_EXEC, "out of memory");
    }
    (void)snprintf(preload, size, "%s%s%s", old ? old : "", old && *old ? ":" : "", r->library);
    set_variable(r, "LD_PRELOAD", preload);
    free(preload);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        if (settings[i].value) {
            set_variable(r, settings[i].variable, settings[i].value);
        }
    }
    if (r->offloads) {
        set_variable(r, GR_OFFLOAD_VARIABLE, r->offloads);
    }
}

/* Finds and checks the program; does not return if it cannot be started under the library. */
static void check_program(struct target *t, const char *name)
{
    enum status status = target_find(t, name);
    if (status == STATUS_OK) {
        status = target_check(t);
    }
    if (status != STATUS_OK) {
        stop(status, "%s: %s", name, t->why);
    }
}

int main(int argc, char **argv)
{
    static struct request request;
    static struct target target;
    parse_options(&request, argc, argv);
    check_environment();
    char **program = argv + optind;
    if (!*program && !request.print_env) {
        stop(STATUS_USAGE, "no program given; try greenrun --help");
    }
    refuse_second_preload();
    if (*program) {
        check_program(&target, *program);
    }
    check_offloads(&request, *program ? target.path : NULL);
    find_library(request.library);
    if (request.check) {
        return STATUS_OK;
    }
    set_environment(&request);
    if (request.print_env) {
        return fflush(stdout) == 0 ? STATUS_OK : 1;
    }
    (void)execv(target.path, program);
    stop(STATUS_CANNOT_EXEC, "%s: cannot be started: %s", *program, strerror(errno));
}
