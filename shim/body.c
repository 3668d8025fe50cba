/* Body hooks: which bodies of libc, verified how. The list is the table's. */
#include "shim/body.h"

#include "runtime/base/compiler.h"
#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "shim/image.h"
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

/* Everything is planned before anything is written. What is in place comes first. */
static struct {
    struct gr_hook hooks[GR_N_ROWS];
    void **slots[GR_N_ROWS];
    void *stubs[GR_N_ROWS];
    struct gr_patch patches[GR_N_ROWS + 1];
    size_t n;
    size_t n_done;
    uint8_t area[GR_N_ROWS * GR_STUB_MAX];
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

static bool plan_hook(const struct gr_row_info *row, void **slot)
{
    const char *why = NULL;
    struct gr_hook *h = &plan.hooks[plan.n];
    *h = (struct gr_hook){.entry = *slot, .own = (uintptr_t)row->own};
    h->size = gr_image_size(&libc_image, row->name, h->entry);
    if (h->size < 4) {
        return refuse(-ENOTSUP, "%s of libc has no known size", row->name);
    }
    size_t room = GR_STUB_AREA - plan.used;
    size_t len = room < GR_STUB_MAX ? 0
                                    : gr_hook_plan(h, plan.area + plan.used,
                                                   (uintptr_t)gr_stub_area + plan.used, &why);
    if (!len) {
        return refuse(-ENOTSUP, "%s of libc %s", row->name,
                      why ? why : "finds no room for its stub");
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
    return plan_hook(row, slot);
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
        libc_image.text,
        {(uintptr_t)gr_stub_area, (uintptr_t)gr_stub_area + ((plan.used + PAGE - 1) & ~(PAGE - 1))},
    };
    plan.way = gr_text_write(plan.patches, plan.n - plan.n_done + 1, texts, 2);
    for (size_t i = plan.n_done; plan.way && i < plan.n; i++) {
        *plan.slots[i] = plan.stubs[i];
    }
}

static bool install(unsigned parts)
{
    if (!gr_image_of((const void *)gnu_get_libc_version, &libc_image)) {
        return refuse(-ENOTSUP, "libc's text is not found");
    }
    for (int i = 0; i < GR_N_ROWS; i++) {
        if ((gr_row_parts(&gr_rows[i]) & parts) && !plan_row(&gr_rows[i])) {
            return false;
        }
    }
    size_t n = plan.n - plan.n_done;
    for (size_t i = 0; i < n; i++) {
        const struct gr_hook *h = &plan.hooks[plan.n_done + i];
        plan.patches[i] = (struct gr_patch){.at = h->at, .bytes = h->code, .n = h->len};
    }
    plan.patches[n] = (struct gr_patch){.at = gr_stub_area + plan.used_done,
                                        .bytes = plan.area + plan.used_done,
                                        .n = plan.used - plan.used_done};
    qsort(plan.patches, n + 1, sizeof(*plan.patches), by_address);
    const char *why = n ? gr_standstill(may_stop, write_plan, NULL) : NULL;
    if (why) {
        return refuse(-EBUSY, "%s", why);
    }
    if (n && !plan.way) {
        return refuse(-ENOTSUP, "libc's text cannot be written");
    }
    gr_debug(2, "%zu functions of libc %s hooked by way of %s", n, gnu_get_libc_version(),
             n ? plan.way : "others");
    return true;
}

int gr_body_install(unsigned parts)
{
    if (!gr_config.deep) {
        (void)refuse(-ENOTSUP, "GREENSHIM_DEEP=0");
        return -ENOTSUP;
    }
    parts |= GR_BASE;
    plan.way = NULL;
    if (!install(parts)) {
        plan.n = plan.n_done;
        plan.used = plan.used_done;
        return refusal_code;
    }
    plan.n_done = plan.n;
    plan.used_done = plan.used;
    gr_body_parts |= parts;
    refusal[0] = '\0';
    return 0;
}

const char *gr_body_refusal(void)
{
    return refusal[0] ? refusal : NULL;
}

bool gr_body_of_libc(const void *addr)
{
    return gr_body_parts && gr_image_holds(&libc_image, addr);
}
