/* Functions of libc that wait or concern threads: the table shim/symbols.def, and what it lacks. */
#include "shim/symbols.h"

#include "tools/greenaudit/audit.h"
#include "tools/greenaudit/list.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* --- the table --- */

enum row_kind { ROW_INTERPOSED, ROW_ALIAS, ROW_PASSED, ROW_PATTERN, ROW_LACKING };

enum reach { BOTH, MAYBE, NAME, BODY };

struct row {
    const char *name; /* or the pattern */
    enum row_kind kind;
    enum gr_class class;
    enum reach reach;
    const char *text; /* of an alias the row's name; else the reason or NULL */
};

static const struct row rows[] = {
#define GR_ROW(ret, name, params, args, class, version, reach)                                     \
    {#name, ROW_INTERPOSED, class, reach, NULL},
#define GR_ALIAS(target, alias)      {#alias, ROW_ALIAS, GR_PASSED, BOTH, #target},
#define GR_PASS(name, reason)        {#name, ROW_PASSED, GR_PASSED, NAME, reason},
#define GR_PASS_ALL(pattern, reason) {pattern, ROW_PATTERN, GR_PASSED, NAME, reason},
#define GR_LACKS(name, reason)       {#name, ROW_LACKING, GR_PASSED, NAME, reason},
#include "shim/symbols.def"
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static const char reviewed[] =
#define GR_ROW(ret, name, params, args, class, version, reach)
#define GR_REVIEWED(version) version
#include "shim/symbols.def"
    ;

const char *audit_newest_reviewed(void)
{
    return reviewed;
}

static bool matches(const struct row *r, const char *name)
{
    if (r->kind == ROW_PATTERN) {
        return fnmatch(r->name, name, 0) == 0;
    }
    return r->reach != BODY && strcmp(r->name, name) == 0;
}

static const struct row *find_row(const char *name)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].kind != ROW_PATTERN && matches(&rows[i], name)) {
            return &rows[i];
        }
    }
    for (size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].kind == ROW_PATTERN && matches(&rows[i], name)) {
            return &rows[i];
        }
    }
    return NULL;
}

bool audit_symbol_covered(const char *name)
{
    const struct row *r = find_row(name);
    return r && (r->kind == ROW_INTERPOSED || r->kind == ROW_ALIAS);
}

static enum treatment treatment_of(const struct row *r)
{
    if (r->kind == ROW_ALIAS) {
        return treatment_of(find_row(r->text));
    }
    if (r->kind == ROW_LACKING) {
        return TREATED_NOT;
    }
    switch (r->class) {
    case GR_YIELD:
        return TREATED_YIELDS;
    case GR_TRACK:
        return TREATED_TRACKED;
    case GR_OFFLOAD:
        return TREATED_OFFLOADS;
    case GR_EMULATE:
        return TREATED_EMULATED;
    case GR_PASSED:
        break;
    }
    return TREATED_PASSED;
}

const char *audit_treatment_name(enum treatment t)
{
    static const char *const names[N_TREATMENTS] = {
        [TREATED_YIELDS] = "yields",     [TREATED_OFFLOADS] = "offloads",
        [TREATED_EMULATED] = "emulated", [TREATED_TRACKED] = "tracked",
        [TREATED_PASSED] = "passed",     [TREATED_NOT] = "not covered",
    };
    return names[t];
}

/* --- what the table lacks --- */

/* Names of functions of libc that wait or concern threads, as such functions are called. */
static const char *const families[] = {
    "pthread_*",   "__pthread_*", "sem_*",      "mq_*",        "thrd_*",   "mtx_*",
    "cnd_*",       "tss_*",       "call_once*", "aio_*",       "lio_*",    "gai_*",
    "*futex*",     "*epoll*",     "*poll",      "*poll_*",     "*select*", "*sleep*",
    "sched_*",     "fork*",       "*fork",      "*clone*",     "*wait",    "*wait_*",
    "*wait[0-9]*", "wait*",       "recv*",      "send*",       "accept*",  "connect*",
    "msgrcv*",     "msgsnd*",     "semop*",     "semtimedop*", "exec*",    "posix_spawn*",
    "sig*",        "*lockf*",     "timer_*",    "timerfd_*",   "pidfd_*",  "signalfd*",
    "eventfd*",    "io_*",        "preadv*",    "pwritev*",    "splice*",  "*flock",
    "*flock_*"};

static bool in_a_family(const char *name)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (fnmatch(families[i], name, 0) == 0) {
            return true;
        }
    }
    return false;
}

/* Is a version like "GLIBC_2.37" newer than those that were looked at? */
static bool is_newer(const char *version)
{
    return version && strncmp(version, "GLIBC_2", 7) == 0 && strverscmp(version, reviewed) > 0;
}

static bool is_private(const struct symbol *s)
{
    return s->version && strcmp(s->version, "GLIBC_PRIVATE") == 0;
}

/* A function that libc exports as @s, that may wait for all we know. */
static bool is_unknown(const struct symbol *s)
{
    return s->is_function && !is_private(s) && (in_a_family(s->name) || is_newer(s->version)) &&
           !find_row(s->name);
}

static void find_unknown(struct audit *a, const struct object *libc)
{
    for (size_t i = 0; i < libc->n_symbols; i++) {
        const struct symbol *s = &libc->symbols[i];
        bool again = i && strcmp(libc->symbols[i - 1].name, s->name) == 0 && a->n_unknown &&
                     strcmp(a->unknown[a->n_unknown - 1], s->name) == 0;
        if (s->defined && !again && is_unknown(s)) {
            a->unknown = list_room(a->unknown, a->n_unknown, sizeof(*a->unknown));
            a->unknown[a->n_unknown++] = s->name;
        }
    }
}

/* --- what is imported --- */

static const char *note_of(const struct row *r)
{
    if (r->kind == ROW_ALIAS) {
        return list_text("as %s", r->text);
    }
    if (r->kind == ROW_INTERPOSED && r->class == GR_PASSED) {
        return "does not wait for other threads";
    }
    return r->text;
}

static struct use *find_use(struct audit *a, const char *name)
{
    for (size_t i = 0; i < a->n_uses; i++) {
        if (strcmp(a->uses[i].name, name) == 0) {
            return &a->uses[i];
        }
    }
    return NULL;
}

static struct use *add_use(struct audit *a, const struct symbol *s, const struct object *libc)
{
    const struct row *r = find_row(s->name);
    const struct symbol *exported = libc ? object_symbol(libc, s->name, true) : NULL;
    struct use u = {.name = s->name, .version = s->version};
    bool interposed = r && (r->kind == ROW_INTERPOSED || r->kind == ROW_ALIAS);
    if (interposed || (r && (exported || !libc))) {
        u.treatment = treatment_of(r);
        u.note = note_of(r);
    } else if (exported && is_unknown(exported)) {
        u.treatment = TREATED_NOT;
        u.note = is_newer(exported->version)
                     ? list_text("newer than %s, the newest that was looked at", reviewed)
                     : "nobody has looked at it";
    } else {
        return NULL;
    }
    a->uses = list_room(a->uses, a->n_uses, sizeof(*a->uses));
    a->uses[a->n_uses] = u;
    return &a->uses[a->n_uses++];
}

static void take_imports(struct audit *a, const struct object *o, const struct object *libc)
{
    for (size_t i = 0; i < o->n_symbols; i++) {
        const struct symbol *s = &o->symbols[i];
        if (s->defined) {
            continue;
        }
        struct use *u = find_use(a, s->name);
        if (!u) {
            u = add_use(a, s, libc);
        }
        if (u && (!u->n_by || u->by[u->n_by - 1] != o)) {
            u->by = list_room(u->by, u->n_by, sizeof(struct object *));
            u->by[u->n_by++] = o;
        }
    }
}

/* The most serious last, where they are seen. */
static int by_treatment(const void *a, const void *b)
{
    const struct use *x = a;
    const struct use *y = b;
    return x->treatment != y->treatment ? (int)x->treatment - (int)y->treatment
                                        : strcmp(x->name, y->name);
}

void audit_symbols(struct audit *a)
{
    const struct object *libc = loader_libc(&a->closure);
    if (libc) {
        find_unknown(a, libc);
    }
    for (size_t i = 0; i < a->closure.n_objects; i++) {
        const struct object *o = a->closure.objects[i];
        if (!object_is_libc(o)) {
            take_imports(a, o, libc);
        }
    }
    if (a->n_uses) {
        qsort(a->uses, a->n_uses, sizeof(*a->uses), by_treatment);
    }
}
