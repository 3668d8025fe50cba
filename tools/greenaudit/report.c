/* Says what was found, for people and for programs. */
#include "tools/greenaudit/audit.h"
#include "tools/greenaudit/code.h"
#include "tools/greenaudit/list.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names come from files that may hold anything: what is not UTF-8 is replaced. Allocated. */
static char *as_utf8(const char *text)
{
    char *copy = list_text("%s", text);
    json_t *valid = json_string(text);
    for (char *p = copy; !valid && *p; p++) {
        *p = (unsigned char)*p < 0x80 ? *p : '?';
    }
    json_decref(valid);
    return copy;
}

/* Control characters are replaced as well. */
static void put(const char *text)
{
    char *copy = as_utf8(text);
    for (char *p = copy; *p; p++) {
        (void)putchar((unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p);
    }
    free(copy);
}

static void put_padded(const char *text, int width)
{
    put(text);
    (void)printf("%*s  ", width > (int)strlen(text) ? width - (int)strlen(text) : 0, "");
}

/* --- text --- */

static void print_uses(const struct audit *a)
{
    int width = (int)strlen("symbol");
    for (size_t i = 0; i < a->n_uses; i++) {
        int n = (int)strlen(a->uses[i].name);
        width = n > width && n < 48 ? n : width;
    }
    if (a->n_uses) {
        put_padded("symbol", width);
        (void)puts("treatment    used by");
    }
    for (size_t i = 0; i < a->n_uses; i++) {
        const struct use *u = &a->uses[i];
        put_padded(u->name, width);
        (void)printf("%-11s  ", audit_treatment_name(u->treatment));
        put(u->by[0]->name);
        if (u->n_by > 1) {
            (void)printf(" and %zu more", u->n_by - 1);
        }
        if (u->note) {
            (void)fputs(": ", stdout);
            put(u->note);
        }
        (void)putchar('\n');
    }
    if (a->n_uses) {
        (void)putchar('\n');
    }
}

static void print_remarks(const struct audit *a)
{
    for (size_t i = 0; i < a->n_remarks; i++) {
        const struct remark *r = &a->remarks[i];
        (void)fputs(r->verdict == AUDIT_RUNS ? "note: " : "remark: ", stdout);
        put(r->object ? r->object->name : "it");
        (void)putchar(' ');
        put(r->text);
        (void)putchar('\n');
    }
    if (a->n_remarks) {
        (void)putchar('\n');
    }
}

void audit_print_verdict(const struct audit *a)
{
    put(a->text);
    (void)putchar('\n');
}

void audit_print(const struct audit *a)
{
    print_uses(a);
    print_remarks(a);
    audit_print_verdict(a);
}

/* --- JSON --- */

static json_t *text_json(const char *text)
{
    char *copy = text ? as_utf8(text) : NULL;
    json_t *j = copy ? json_string(copy) : json_null();
    free(copy);
    return j;
}

static json_t *calls_json(const struct object *o)
{
    json_t *all = json_array();
    for (size_t i = 0; i < o->n_calls; i++) {
        const struct call *c = &o->calls[i];
        json_t *number = c->number < 0 ? json_null() : json_integer(c->number);
        (void)json_array_append_new(all, json_pack("{s:o, s:o, s:i, s:b}", "number", number, "name",
                                                   text_json(code_call_name(c->number)), "count",
                                                   (int)c->count, "matters",
                                                   code_call_matters(c->number)));
    }
    return all;
}

static json_t *objects_json(const struct audit *a)
{
    json_t *all = json_array();
    for (size_t i = 0; i < a->closure.n_objects; i++) {
        const struct object *o = a->closure.objects[i];
        (void)json_array_append_new(
            all, json_pack("{s:o, s:o, s:o, s:b, s:b, s:o}", "name", text_json(o->name), "path",
                           text_json(o->path), "needed_by",
                           text_json(o->parent ? o->parent->name : NULL), "plugin", o->is_plugin,
                           "go", o->is_go, "system_calls", calls_json(o)));
    }
    return all;
}

static json_t *missing_json(const struct audit *a)
{
    json_t *all = json_array();
    for (size_t i = 0; i < a->closure.n_missing; i++) {
        const struct missing *m = &a->closure.missing[i];
        (void)json_array_append_new(all, json_pack("{s:o, s:o}", "name", text_json(m->name),
                                                   "needed_by", text_json(m->needed_by->name)));
    }
    return all;
}

static json_t *uses_json(const struct audit *a)
{
    json_t *all = json_array();
    for (size_t i = 0; i < a->n_uses; i++) {
        const struct use *u = &a->uses[i];
        json_t *by = json_array();
        for (size_t k = 0; k < u->n_by; k++) {
            (void)json_array_append_new(by, text_json(u->by[k]->name));
        }
        (void)json_array_append_new(
            all, json_pack("{s:o, s:o, s:s, s:o, s:o}", "name", text_json(u->name), "version",
                           text_json(u->version), "treatment", audit_treatment_name(u->treatment),
                           "note", text_json(u->note), "used_by", by));
    }
    return all;
}

static const char *verdict_name(enum verdict v)
{
    return v == AUDIT_RUNS ? "runs" : v == AUDIT_RUNS_BUT ? "runs, but" : "does not run";
}

static json_t *remarks_json(const struct audit *a)
{
    json_t *all = json_array();
    for (size_t i = 0; i < a->n_remarks; i++) {
        const struct remark *r = &a->remarks[i];
        (void)json_array_append_new(all, json_pack("{s:s, s:o, s:o}", "verdict",
                                                   verdict_name(r->verdict), "object",
                                                   text_json(r->object ? r->object->name : NULL),
                                                   "text", text_json(r->text)));
    }
    return all;
}

static json_t *unknown_json(const struct audit *a)
{
    json_t *all = json_array();
    for (size_t i = 0; i < a->n_unknown; i++) {
        (void)json_array_append_new(all, text_json(a->unknown[i]));
    }
    return all;
}

void audit_print_json(const struct audit *a)
{
    const struct object *libc = loader_libc(&a->closure);
    json_t *all = json_pack(
        "{s:o, s:o, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:s, s:o}}", "program",
        text_json(a->program), "elf", text_json(a->target->elf[0] ? a->target->elf : NULL),
        "verdict", verdict_name(a->verdict), "status", (int)a->verdict, "text", text_json(a->text),
        "symbols", uses_json(a), "remarks", remarks_json(a), "objects", objects_json(a), "missing",
        missing_json(a), "libc", "path", text_json(libc ? libc->path : NULL), "reviewed",
        audit_newest_reviewed(), "unknown", unknown_json(a));
    (void)json_dumpf(all, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(all);
}
