/* Body hooks: which bodies of libc, verified how. The list is the table's. */
#include "shim/body.h"

#include "runtime/base/compiler.h"
#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "runtime/base/rawsys.h"
#include "shim/standstill.h"
#include "shim/symbols.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096UL

unsigned gr_body_parts;
static char refusal[160];
static int refusal_code;
static struct gr_image libc_image;

#define N_HOOKS (GR_N_ROWS + 64) /* some of other libraries */

/* Everything is planned before anything is written. What is in place comes first. */
static struct {
    struct gr_hook hooks[N_HOOKS];
    void **slots[N_HOOKS];
    void *stubs[N_HOOKS];
    struct gr_patch patches[N_HOOKS + 1];
    size_t n;
    size_t n_done;
    const struct gr_image *image; /* of those that are planned now */
    uint8_t area[GR_STUB_AREA];
    size_t used;
    size_t used_done;
    const char *way; /* how it was written; NULL: it was not */
} plan;

__attribute__((format(printf, 2, 3))) static bool refuse(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(refusal, sizeof(refusal), fmt, ap);
    va_end(ap);
    refusal_code = code;
    return false;
}

/* @slot holds @name of @library, and shall be the way to it when it leads to @own. */
static bool plan_hook(const char *library, const char *name, void **slot, const void *own)
{
    const char *why = NULL;
    struct gr_hook *h = &plan.hooks[plan.n];
    bool room = plan.n < N_HOOKS && GR_STUB_AREA - plan.used >= GR_STUB_MAX;
    size_t size = gr_image_size(plan.image, name, *slot);
    if (size < 4 || !room) {
        return refuse(-ENOTSUP, "%s of %s %s", name, library,
                      room ? "has no known size" : "finds no room for its stub");
    }
    *h = (struct gr_hook){.entry = *slot, .size = size, .own = (uintptr_t)own};
    size_t len = gr_hook_plan(h, plan.area + plan.used, (uintptr_t)gr_stub_area + plan.used, &why);
    if (!len) {
        return refuse(-ENOTSUP, "%s of %s %s", name, library, why);
    }
    plan.slots[plan.n] = slot;
    plan.stubs[plan.n] = gr_stub_area + plan.used;
    plan.used += len;
    plan.n++;
    return true;
}

/* Is the function hooked, or will it be? Rows may share one. */
static bool is_planned(const void *entry)
{
    const uint8_t *p = entry;
    for (size_t i = 0; i < plan.n; i++) {
        if (plan.hooks[i].entry == p) {
            return true;
        }
    }
    return p >= gr_stub_area && p < gr_stub_area + GR_STUB_AREA;
}

static bool plan_row(const struct gr_row_info *row)
{
    void **slot = gr_row_slot(row);
    if (row->reach == GR_REACH_NAME || is_planned(*slot)) {
        return true;
    }
    if (gr_row_missing(row)) {
        return row->reach == GR_REACH_MAYBE || refuse(-ENOTSUP, "libc has no %s", row->name);
    }
    if (!gr_image_holds(&libc_image, *slot)) {
        /* Another preloaded library stands between us and libc. It goes on to libc itself, and
         * would come back to us for ever. */
        if (row->reach == GR_REACH_BODY) {
            return refuse(-ENOTSUP, "%s is not libc's", row->name);
        }
        gr_debug(1, "%s is another library's: calls inside libc are not reached", row->name);
        return true;
    }
    return plan_hook("libc", row->name, slot, (const void *)row->own);
}

static int by_address(const void *a, const void *b)
{
    const struct gr_patch *p = a;
    const struct gr_patch *q = b;
    return (p->at > q->at) - (p->at < q->at);
}

/* A thread that stands behind the first byte of a hook would go on in the middle of it. */
static bool may_stop(uintptr_t pc, void *arg)
{
    (void)arg;
    for (size_t i = plan.n_done; i < plan.n; i++) {
        const struct gr_hook *h = &plan.hooks[i];
        uintptr_t at = (uintptr_t)h->at;
        if (pc > at && pc < at + h->len && pc != (uintptr_t)h->entry) {
            return false;
        }
    }
    return true;
}

/* While nobody else runs. The slots change with the bodies: ours would call itself for ever. */
static void write_plan(void *arg)
{
    (void)arg;
    struct gr_text texts[] = {
        plan.image->text,
        {(uintptr_t)gr_stub_area, (uintptr_t)gr_stub_area + ((plan.used + PAGE - 1) & ~(PAGE - 1))},
    };
    plan.way = gr_text_write(plan.patches, plan.n - plan.n_done + 1, texts, 2);
    for (size_t i = plan.n_done; plan.way && i < plan.n; i++) {
        *plan.slots[i] = plan.stubs[i];
    }
}

/* Write what is planned. @fresh: nobody can be in the way. */
static bool write_hooks(bool fresh)
{
    size_t n = plan.n - plan.n_done;
    for (size_t i = 0; i < n; i++) {
        const struct gr_hook *h = &plan.hooks[plan.n_done + i];
        plan.patches[i] = (struct gr_patch){.at = h->at, .bytes = h->code, .n = h->len};
    }
    plan.patches[n] = (struct gr_patch){.at = gr_stub_area + plan.used_done,
                                        .bytes = plan.area + plan.used_done,
                                        .n = plan.used - plan.used_done};
    qsort(plan.patches, n + 1, sizeof(*plan.patches), by_address);
    const char *why = NULL;
    plan.way = "nothing";
    if (n && fresh) {
        write_plan(NULL);
    } else if (n) {
        why = gr_standstill(may_stop, write_plan, NULL);
    }
    if (why) {
        return refuse(-EBUSY, "%s", why);
    }
    return plan.way || refuse(-ENOTSUP, "%s text cannot be written",
                              plan.image == &libc_image ? "libc's" : "its");
}

/* The end of an attempt. */
static int settle(bool done)
{
    if (!done) {
        plan.n = plan.n_done;
        plan.used = plan.used_done;
        return refusal_code;
    }
    plan.n_done = plan.n;
    plan.used_done = plan.used;
    return 0;
}

static bool install(unsigned parts)
{
    if (!gr_config.deep) {
        return refuse(-ENOTSUP, "GREENSHIM_DEEP=0");
    }
    if (!gr_image_of((const void *)gnu_get_libc_version, &libc_image)) {
        return refuse(-ENOTSUP, "libc's text is not found");
    }
    plan.image = &libc_image;
    for (int i = 0; i < GR_N_ROWS; i++) {
        if ((gr_row_parts(&gr_rows[i]) & parts) && !plan_row(&gr_rows[i])) {
            return false;
        }
    }
    if (!write_hooks(false)) {
        return false;
    }
    gr_debug(2, "%zu functions of libc %s hooked by way of %s", plan.n - plan.n_done,
             gnu_get_libc_version(), plan.way);
    return true;
}

int gr_body_install(unsigned parts)
{
    parts |= GR_BASE;
    int rc = settle(install(parts));
    if (rc == 0) {
        gr_body_parts |= parts;
        refusal[0] = '\0';
    }
    return rc;
}

int gr_body_redirect(const struct gr_image *im, const char *name, const void *entry,
                     const void *own, void **original, bool fresh)
{
    *original = (void *)entry;
    plan.image = im;
    if (!gr_config.deep) {
        return settle(refuse(-ENOTSUP, "GREENSHIM_DEEP=0"));
    }
    return settle(plan_hook("the library", name, original, own) && write_hooks(fresh));
}

static bool plan_empty(const char *name, const void *entry, const void *own)
{
    static void *nowhere;
    static struct gr_image loader;
    const char *why = NULL;
    if (!gr_config.deep) {
        return refuse(-ENOTSUP, "GREENSHIM_DEEP=0");
    }
    if (!gr_image_of(entry, &loader) || plan.n == N_HOOKS) {
        return refuse(-ENOTSUP, "the loader's text is not found");
    }
    struct gr_hook *h = &plan.hooks[plan.n];
    *h = (struct gr_hook){.entry = entry, .own = (uintptr_t)own};
    h->size = gr_image_size(&loader, name, entry);
    if (!gr_hook_plan_empty(h, &why)) {
        return refuse(-ENOTSUP, "%s of the loader %s", name, why);
    }
    plan.image = &loader;
    plan.slots[plan.n++] = &nowhere;
    return true;
}

const char *gr_body_replace_empty(const char *name, const void *entry, const void *own)
{
    return settle(plan_empty(name, entry, own) && write_hooks(false)) ? refusal : NULL;
}

static bool changing;

void gr_body_lock(void)
{
    while (__atomic_exchange_n(&changing, true, __ATOMIC_ACQUIRE)) {
        (void)GR_SYS(SYS_sched_yield);
    }
}

void gr_body_unlock(void)
{
    __atomic_store_n(&changing, false, __ATOMIC_RELEASE);
}

const char *gr_body_refusal(void)
{
    return refusal[0] ? refusal : NULL;
}

bool gr_body_of_libc(const void *addr)
{
    return gr_body_parts && gr_image_holds(&libc_image, addr);
}
