/*
 * Offloads: libffi makes a function of the right type for each, and calls of the library's are led
 * to that: by a hook of its body, as libc's functions have, else by its name.
 *
 * A library that is not loaded yet is waited for. The loader calls an empty function, which is
 * there for debuggers, whenever objects have come or gone; then they are not relocated yet, and
 * nobody has called them.
 */
#include "shim/offload.h"

#include <green/call.h>
#include <green/monkey.h>

#include "runtime/api/signature.h"
#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "runtime/base/offload.h"
#include "runtime/core/standin.h"
#include "shim/body.h"
#include "shim/rebind.h"
#include "shim/shim.h"

#include <ffi.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

struct offload {
    struct offload *next;
    struct gr_signature *signature;
    void *original;    /* NULL: not in place */
    const void *entry; /* where the function is, then */
    void *code;        /* what it is led to */
    bool failed;       /* said once */
    char *symbol;
    char library[];
};

static bool starting;            /* what is loaded now will stay */
static struct offload *offloads; /* never shortened; changed with the lock of body.h */

/* --- a call --- */

struct call {
    const struct offload *of;
    void *result;
    void **args;
    int err;
};

static void call_original(const struct offload *o, void *result, void **args)
{
    void (*fn)(void);
    memcpy(&fn, &o->original, sizeof(fn));
    ffi_call(&o->signature->cif, fn, result, args);
}

/* On a stand-in. */
static bool make_call(void *arg)
{
    struct call *c = arg;
    errno = c->err;
    call_original(c->of, c->result, c->args);
    c->err = errno;
    return true;
}

static void on_call(ffi_cif *cif, void *result, void **args, void *arg)
{
    struct call c = {arg, result, args, errno};
    (void)cif;
    if (!gr_on_green() || gr_hub_quiet()) {
        call_original(c.of, result, args);
        return;
    }
    (void)gr_standin_run(make_call, &c, GR_FOREVER, GR_DEEP);
    gr_run_due_handlers();
    errno = c.err;
}

/* --- putting it in place --- */

static int fail(struct offload *o, int code, const char *why)
{
    if (!o->failed) {
        gr_log("offload %s:%s: %s", o->library, o->symbol, why);
    }
    o->failed = true;
    return code;
}

/* @fresh: the library has just been mapped. */
static int lead(struct offload *o, const struct gr_image *im, bool fresh)
{
    const Elf64_Sym *sym = gr_image_function(im, o->symbol);
    if (!sym || sym->st_shndx == SHN_UNDEF) {
        return fail(o, -ENOENT, "the library has no such function");
    }
    o->entry = (const void *)(im->base + sym->st_value);
    int rc = gr_body_redirect(im, o->symbol, o->entry, o->code, &o->original, fresh);
    if (rc == -EBUSY) {
        o->original = NULL;
        return fail(o, rc, gr_body_refusal());
    }
    if (rc) {
        gr_debug(1, "offload %s:%s: by name, as %s", o->library, o->symbol, gr_body_refusal());
        rc = gr_rebind(im, sym, o->code);
        if (rc) {
            return fail(o, -ENOTSUP, "neither its code nor its callers can be changed");
        }
    }
    gr_debug(2, "offload %s:%s: in place", o->library, o->symbol);
    return 0;
}

/* Put in place what can be now. Returns what became of @which. With the lock held. */
static int lead_all(const struct offload *which, bool fresh)
{
    int result = 0;
    for (struct offload *o = offloads; o; o = o->next) {
        struct gr_image im;
        if (!o->original && !o->failed && gr_image_named(o->library, &im)) {
            int rc = lead(o, &im, fresh);
            result = o == which ? rc : result;
        }
    }
    return result;
}

/* --- libraries that are loaded later --- */

/* Libraries that have been unloaded may come back. */
static void forget_unloaded(void)
{
    for (struct offload *o = offloads; o; o = o->next) {
        struct gr_image im;
        if (o->original && !gr_image_of(o->entry, &im)) {
            o->original = NULL;
        }
    }
}

/* In place of the loader's empty function. */
static void on_objects(void)
{
    if (_r_debug.r_state != RT_CONSISTENT) {
        return;
    }
    int saved = errno;
    struct green *g = gr_self;
    if (g) {
        gr_enter(g);
    }
    gr_body_lock();
    forget_unloaded();
    (void)lead_all(NULL, true);
    gr_body_unlock();
    if (g) {
        gr_leave(g);
    }
    errno = saved;
}

/* Returns NULL, or why not. */
static const char *watch_loader(void)
{
    static bool watching;
    if (!watching) {
        const char *why = gr_body_replace_empty("_dl_debug_state", (void *)_r_debug.r_brk,
                                                (const void *)on_objects);
        if (why) {
            return why;
        }
        watching = true;
    }
    return NULL;
}

/* --- new ones --- */

static struct offload *find_offload(const char *library, const char *symbol)
{
    for (struct offload *o = offloads; o; o = o->next) {
        if (strcmp(o->library, library) == 0 && strcmp(o->symbol, symbol) == 0) {
            return o;
        }
    }
    return NULL;
}

static struct offload *new_offload(const char *library, const char *symbol,
                                   struct gr_signature *signature)
{
    size_t n = strlen(library) + 1;
    struct offload *o = calloc(1, sizeof(*o) + n + strlen(symbol) + 1);
    if (!o) {
        return NULL;
    }
    o->signature = signature;
    o->symbol = o->library + n;
    memcpy(o->library, library, n);
    memcpy(o->symbol, symbol, strlen(symbol) + 1);
    ffi_closure *closure = ffi_closure_alloc(sizeof(*closure), &o->code);
    if (!closure || ffi_prep_closure_loc(closure, &signature->cif, on_call, o, o->code) != FFI_OK) {
        free(o);
        return NULL;
    }
    return o;
}

/* With the lock held. */
static int add(const char *library, const char *symbol, struct gr_signature *signature)
{
    struct offload *o = find_offload(library, symbol);
    if (o && !o->failed) {
        return o->signature == signature ? 0 : -EEXIST;
    }
    o = new_offload(library, symbol, signature);
    if (!o) {
        return -ENOMEM;
    }
    o->next = offloads;
    offloads = o;
    int rc = lead_all(o, false);
    bool stays = o->original && starting;
    const char *why = rc || stays ? NULL : watch_loader();
    return why && !o->original ? fail(o, -ENOTSUP, why) : rc;
}

int green_offload(const char *library, const char *symbol, const char *signature)
{
    struct gr_signature *sig;
    if (!gr_config.enabled) {
        return -ENOTSUP;
    }
    if (!library || !*library || !symbol || !*symbol) {
        return -EINVAL;
    }
    int rc = gr_signature_get(signature, &sig);
    if (rc) {
        return rc;
    }
    int saved = errno;
    struct green *g = gr_self;
    if (g) {
        gr_enter(g);
    }
    gr_body_lock();
    rc = add(library, symbol, sig);
    gr_body_unlock();
    if (g) {
        gr_leave(g);
    }
    errno = saved;
    return rc;
}

/* @text is cut up. */
static void add_one(char *text)
{
    struct gr_offload_spec s;
    const char *why = gr_offload_split(text, &s);
    if (why) {
        gr_log("%s: '%s' is not valid: %s", GR_OFFLOAD_VARIABLE, text, why);
        return;
    }
    int rc = green_offload(s.library, s.symbol, s.signature);
    if (rc == -EINVAL) {
        gr_log("%s: '%s' is not a signature: %s", GR_OFFLOAD_VARIABLE, s.signature,
               green_signature_error(s.signature, NULL));
    } else if (rc == -EEXIST) {
        gr_log("%s: %s:%s has two signatures", GR_OFFLOAD_VARIABLE, s.library, s.symbol);
    }
}

void gr_offload_init(char **envp)
{
    const char *list = gr_config_look_up(envp, GR_OFFLOAD_VARIABLE);
    char *copy = list && *list ? strdup(list) : NULL;
    starting = gr_at_start;
    for (char *at = copy; at && *at;) {
        char *end = strchrnul(at, GR_OFFLOAD_SEPARATOR);
        char *next = *end ? end + 1 : end;
        *end = '\0';
        if (*at) {
            add_one(at);
        }
        at = next;
    }
    starting = false;
    free(copy);
}
