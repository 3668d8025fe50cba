/* What follows from what was found. */
#include "tools/greenaudit/audit.h"
#include "tools/greenaudit/code.h"
#include "tools/greenaudit/list.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define NAMES_SHOWN 8

__attribute__((format(printf, 4, 5))) static void
remark(struct audit *a, enum verdict verdict, const struct object *o, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    a->remarks = list_room(a->remarks, a->n_remarks, sizeof(*a->remarks));
    a->remarks[a->n_remarks++] = (struct remark){verdict, o, list_text("%s", text)};
}

/* "a, b, c and 4 more" into @text; call with @i from 0 on for each of @n. */
static void list_name(char *text, size_t size, size_t i, size_t n, const char *name)
{
    size_t used = strlen(text);
    if (i < NAMES_SHOWN) {
        (void)snprintf(text + used, size - used, "%s%s", i ? ", " : "", name);
    } else if (i + 1 == n) {
        (void)snprintf(text + used, size - used, " and %zu more", n - NAMES_SHOWN);
    }
}

/* --- the table of what tells --- */

enum tell_kind { TELL_LIBRARY, TELL_IMPORTS, TELL_DEFINES, N_TELL_KINDS };

static const struct tell {
    const char *name; /* or the pattern */
    const char *text;
    enum tell_kind kind;
    enum verdict verdict;
} tells[] = {
#define LIBRARY(pattern, verdict, text) {pattern, text, TELL_LIBRARY, AUDIT_##verdict},
#define IMPORTS(name, verdict, text)    {#name, text, TELL_IMPORTS, AUDIT_##verdict},
#define DEFINES(name, verdict, text)    {#name, text, TELL_DEFINES, AUDIT_##verdict},
#include "tools/greenaudit/remarks.def"
#undef LIBRARY
#undef IMPORTS
#undef DEFINES
};

static bool tells_of(const struct tell *t, const struct object *o)
{
    if (t->kind == TELL_LIBRARY) {
        return fnmatch(t->name, o->name, 0) == 0;
    }
    return object_symbol(o, t->name, t->kind == TELL_DEFINES) != NULL;
}

static void look_for_tells(struct audit *a, const struct object *o)
{
    bool told[N_TELL_KINDS] = {false};
    for (size_t i = 0; i < sizeof(tells) / sizeof(tells[0]); i++) {
        const struct tell *t = &tells[i];
        /* A sanitizer's own library defines these as well. */
        bool known = told[t->kind] || (t->kind == TELL_DEFINES && told[TELL_LIBRARY]);
        if (!known && tells_of(t, o)) {
            told[t->kind] = true;
            remark(a, t->verdict, o, "%s", t->text);
        }
    }
}

/* --- its code --- */

static bool makes_threads(const struct object *o)
{
    return object_symbol(o, "pthread_create", false) || object_symbol(o, "thrd_create", false);
}

/* Calls that may hold up the other threads. */
static void look_at_calls(struct audit *a, const struct object *o)
{
    char names[512] = "";
    size_t kinds = 0;
    size_t shown = 0;
    unsigned n = 0;
    for (size_t i = 0; i < o->n_calls; i++) {
        kinds += code_call_matters(o->calls[i].number);
    }
    for (size_t i = 0; i < o->n_calls; i++) {
        long number = o->calls[i].number;
        if (code_call_matters(number)) {
            n += o->calls[i].count;
            list_name(names, sizeof(names), shown++, kinds,
                      number < 0 ? "unknown" : code_call_name(number));
        }
    }
    if (n) {
        remark(a, AUDIT_RUNS_BUT, o,
               "makes system calls by %u instruction%s of its own, which stop%s all threads while "
               "they wait (%s)",
               n, n == 1 ? "" : "s", n == 1 ? "s" : "", names);
    } else if (o->n_all_calls) {
        remark(a, AUDIT_RUNS, o, "makes system calls by %u instruction%s of its own; none waits",
               o->n_all_calls, o->n_all_calls == 1 ? "" : "s");
    }
}

static void look_at_object(struct audit *a, const struct object *o)
{
    look_for_tells(a, o);
    if (o->is_go) {
        remark(a, AUDIT_RUNS_BUT, o, "holds Go code, whose threads stay kernel threads");
    }
    if (o->waits_on_futexes && makes_threads(o)) {
        remark(a, AUDIT_RUNS_BUT, o,
               "waits on futexes by instructions of its own: threads that it makes stay kernel "
               "threads");
    }
    look_at_calls(a, o);
}

/* --- the program --- */

/* What the program itself exports comes before any preloaded library. */
static void look_for_own_functions(struct audit *a, const struct object *program)
{
    char names[512] = "";
    size_t n = 0;
    for (size_t i = 0; i < program->n_symbols; i++) {
        const struct symbol *s = &program->symbols[i];
        n += s->defined && s->is_function && audit_symbol_covered(s->name);
    }
    for (size_t i = 0, shown = 0; i < program->n_symbols && n; i++) {
        const struct symbol *s = &program->symbols[i];
        if (s->defined && s->is_function && audit_symbol_covered(s->name)) {
            list_name(names, sizeof(names), shown++, n, s->name);
        }
    }
    if (n) {
        remark(a, AUDIT_RUNS_BUT, program, "has functions of its own in place of libc's: %s",
               names);
    }
}

/* target_check() says whether this matters to the user who asks; it does to others. */
static void look_at_privilege(struct audit *a, const char *path)
{
    struct stat st;
    const struct object *program = a->closure.objects[0];
    if (stat(path, &st)) {
        return;
    }
    const char *what = (st.st_mode & S_ISUID)                             ? "is set-user-ID"
                       : (st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) ? "is set-group-ID"
                       : getxattr(path, "security.capability", NULL, 0) > 0
                           ? "has file capabilities"
                           : NULL;
    if (what) {
        remark(a, AUDIT_RUNS_BUT, program, "%s: it runs natively for users whose rights it changes",
               what);
    }
}

static void look_for_threads(struct audit *a)
{
    for (size_t i = 0; i < a->closure.n_objects; i++) {
        const struct object *o = a->closure.objects[i];
        if (!object_is_libc(o) && makes_threads(o)) {
            return;
        }
    }
    remark(a, AUDIT_RUNS, NULL, "makes no threads, unless by what it loads later");
}

static void look_at_symbols(struct audit *a)
{
    for (size_t i = 0; i < a->n_uses; i++) {
        const struct use *u = &a->uses[i];
        if (u->treatment == TREATED_NOT) {
            remark(a, AUDIT_RUNS_BUT, u->by[0], "calls %s(), which is not covered: %s", u->name,
                   u->note);
        }
    }
    char names[512] = "";
    for (size_t i = 0; i < a->n_unknown; i++) {
        list_name(names, sizeof(names), i, a->n_unknown, a->unknown[i]);
    }
    if (a->n_unknown) {
        remark(a, AUDIT_RUNS, loader_libc(&a->closure),
               "has %zu function%s that may wait or make threads and that nobody has looked at: %s",
               a->n_unknown, a->n_unknown == 1 ? "" : "s", names);
    }
}

void audit_remarks(struct audit *a)
{
    struct closure *c = &a->closure;
    for (size_t i = 0; i < c->n_missing; i++) {
        remark(a, AUDIT_DOES_NOT_RUN, c->missing[i].needed_by, "needs %s, which is not found",
               c->missing[i].name);
    }
    look_at_privilege(a, a->target->elf);
    look_for_threads(a);
    for (size_t i = 0; i < c->n_objects; i++) {
        if (!object_is_libc(c->objects[i])) {
            code_scan(c->objects[i]);
            look_at_object(a, c->objects[i]);
        }
    }
    look_for_own_functions(a, c->objects[0]);
    look_at_symbols(a);
}

/* --- the verdict --- */

void audit_verdict(struct audit *a, enum status status)
{
    const struct remark *first = NULL;
    size_t more = 0;
    for (size_t i = 0; i < a->n_remarks; i++) {
        const struct remark *r = &a->remarks[i];
        if (!first || r->verdict > first->verdict) {
            first = r;
            more = 0;
        } else if (r->verdict == first->verdict) {
            more++;
        }
    }
    if (status != STATUS_OK) {
        a->verdict = AUDIT_DOES_NOT_RUN;
        a->text = list_text("%s: will not run under greenshim: %s", a->program, a->target->why);
        return;
    }
    a->verdict = first ? first->verdict : AUDIT_RUNS;
    if (a->verdict == AUDIT_RUNS) {
        a->text = list_text("%s: will run under greenshim", a->program);
        return;
    }
    char others[64] = "";
    if (more) {
        (void)snprintf(others, sizeof(others), " (and %zu more of that kind)", more);
    }
    a->text = list_text("%s: will %s %s %s%s", a->program,
                        a->verdict == AUDIT_RUNS_BUT ? "run under greenshim, but"
                                                     : "not run under greenshim:",
                        first->object ? first->object->name : "it", first->text, others);
}
