/*
 * greenaudit - will a program run under libgreenshim.so, and what will become of its calls?
 *
 * Reads the program and its libraries; nothing is started.
 */
#include "tools/greenaudit/audit.h"
#include "tools/greenaudit/list.h"
#include "tools/stop.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
    bool json;
    bool quiet;
    const char **plugins;
    size_t n_plugins;
};

#define stop(...) stop_tool("greenaudit", AUDIT_BAD_INPUT, __VA_ARGS__)

static void print_help(void)
{
    (void)puts(
        "usage: greenaudit [options] [--] program [arguments]\n"
        "Says whether a program will run under greenrun, and how its calls are treated.\n\n"
        "  --plugin LIBRARY  look also at what the program will load by dlopen(); repeatable\n"
        "  --json            everything in JSON\n"
        "  --quiet           only the verdict\n"
        "  --help            this text\n"
        "  --version         version of greenaudit\n\n"
        "exit status: 0 will run, 1 will run with remarks, 2 will not run, 3 cannot be said");
}

static void parse_options(struct request *r, int argc, char **argv)
{
    static const struct option options[] = {
        {"plugin", required_argument, NULL, 'p'}, {"json", no_argument, NULL, 'j'},
        {"quiet", no_argument, NULL, 'q'},        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0}};
    opterr = 0;
    for (;;) {
        int at = optind;
        switch (getopt_long(argc, argv, "+:", options, NULL)) {
        case -1:
            return;
        case 'p':
            r->plugins = list_room(r->plugins, r->n_plugins, sizeof(*r->plugins));
            r->plugins[r->n_plugins++] = optarg;
            break;
        case 'j':
            r->json = true;
            break;
        case 'q':
            r->quiet = true;
            break;
        case 'h':
            print_help();
            exit(AUDIT_RUNS);
        case 'V':
            (void)puts("greenaudit " GR_VERSION);
            exit(AUDIT_RUNS);
        case ':':
            stop("%s: needs a value; try greenaudit --help", argv[at]);
        default:
            stop("%s: unknown option or unexpected value; try greenaudit --help", argv[at]);
        }
    }
}

/* Nothing that could run, here or anywhere: there is nothing to say about it. */
static bool is_bad_input(enum status status)
{
    return status == STATUS_NOT_ELF || status == STATUS_NOT_FOUND || status == STATUS_CANNOT_EXEC;
}

/* Can its libraries be looked at all the same? */
static bool is_readable(enum status status)
{
    return status == STATUS_OK || status == STATUS_PRIVILEGED;
}

static void look(struct audit *a, const struct request *r, enum status status)
{
    if (is_readable(status) && !loader_program(&a->closure, a->target->elf)) {
        stop("%s: cannot be read; look at it as a user who may", a->program);
    }
    for (size_t i = 0; a->closure.n_objects && i < r->n_plugins; i++) {
        if (!loader_plugin(&a->closure, r->plugins[i])) {
            stop("--plugin: %s: not found, or not a library for this machine", r->plugins[i]);
        }
    }
    if (a->closure.n_objects) {
        audit_symbols(a);
        audit_remarks(a);
    }
    audit_verdict(a, status);
}

int main(int argc, char **argv)
{
    static struct request request;
    static struct target target;
    static struct audit audit;
    parse_options(&request, argc, argv);
    if (!argv[optind]) {
        stop("no program given; try greenaudit --help");
    }
    audit.program = argv[optind];
    audit.target = &target;
    enum status status = target_find(&target, audit.program);
    if (status == STATUS_OK) {
        status = target_check(&target);
    }
    if (is_bad_input(status)) {
        stop("%s: %s", audit.program, target.why);
    }
    look(&audit, &request, status);
    if (request.json) {
        audit_print_json(&audit);
    } else if (request.quiet) {
        audit_print_verdict(&audit);
    } else {
        audit_print(&audit);
    }
    loader_free(&audit.closure);
    if (fflush(stdout) != 0) {
        stop("standard output: cannot be written");
    }
    return audit.verdict;
}
