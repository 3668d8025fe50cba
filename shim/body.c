/* Body hooks: which bodies of libc, verified how. The list is the table's. */
#include "shim/body.h"

#include "runtime/base/compiler.h"
#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "shim/image.h"
#include "shim/symbols.h"

#include <gnu/libc-version.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>

#define PAGE 4096UL

bool gr_body_hooked;
static char refusal[160];
static struct gr_image libc_image;

/* Everything is planned before anything is written. */
struct plan {
    struct gr_hook hooks[GR_N_ROWS];
    void **slots[GR_N_ROWS];
    void *stubs[GR_N_ROWS];
    struct gr_patch patches[GR_N_ROWS + 1];
    size_t n;
    uint8_t area[GR_N_ROWS * GR_STUB_MAX];
    size_t used;
};

__attribute__((format(printf, 1, 2))) static bool refuse(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(refusal, sizeof(refusal), fmt, ap);
    va_end(ap);
    return false;
}

static bool plan_hook(struct plan *p, const struct gr_row_info *row, void **slot)
{
    const char *why = NULL;
    struct gr_hook *h = &p->hooks[p->n];
    *h = (struct gr_hook){.entry = *slot, .own = (uintptr_t)row->own};
    h->size = gr_image_size(&libc_image, row->name, h->entry);
    if (h->size < 4) {
        return refuse("%s of libc has no known size", row->name);
    }
    size_t room = GR_STUB_AREA - p->used;
    size_t len = room < GR_STUB_MAX
                     ? 0
                     : gr_hook_plan(h, p->area + p->used, (uintptr_t)gr_stub_area + p->used, &why);
    if (!len) {
        return refuse("%s of libc %s", row->name, why ? why : "finds no room for its stub");
    }
    p->patches[p->n] = (struct gr_patch){.at = h->at, .bytes = h->code, .n = h->len};
    p->slots[p->n] = slot;
    p->stubs[p->n] = gr_stub_area + p->used;
    p->used += len;
    p->n++;
    return true;
}

static bool is_planned(const struct plan *p, const void *entry)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->hooks[i].entry == entry) {
            return true;
        }
    }
    return false;
}

static bool plan_row(struct plan *p, const struct gr_row_info *row)
{
    void **slot = gr_row_slot(row);
    if (row->reach == GR_REACH_NAME) {
        return true;
    }
    if (gr_row_missing(row)) {
        return row->reach == GR_REACH_MAYBE || refuse("libc has no %s", row->name);
    }
    if (!gr_image_holds(&libc_image, *slot)) {
        /* Another preloaded library stands between us and libc. It goes on to libc itself, and
         * would come back to us for ever. */
        if (row->reach == GR_REACH_BODY) {
            return refuse("%s is not libc's", row->name);
        }
        gr_debug(1, "%s is another library's: calls inside libc are not reached", row->name);
        return true;
    }
    return is_planned(p, *slot) || plan_hook(p, row, slot);
}

static int by_address(const void *a, const void *b)
{
    const struct gr_patch *p = a;
    const struct gr_patch *q = b;
    return (p->at > q->at) - (p->at < q->at);
}

static bool install(struct plan *p)
{
    if (!__libc_single_threaded) {
        return refuse("the process has threads already");
    }
    if (!gr_image_of((const void *)gnu_get_libc_version, &libc_image)) {
        return refuse("libc's text is not found");
    }
    for (int i = 0; i < GR_N_ROWS; i++) {
        if (!plan_row(p, &gr_rows[i])) {
            return false;
        }
    }
    struct gr_text texts[] = {
        libc_image.text,
        {(uintptr_t)gr_stub_area, (uintptr_t)gr_stub_area + ((p->used + PAGE - 1) & ~(PAGE - 1))},
    };
    size_t n = p->n;
    p->patches[n] = (struct gr_patch){.at = gr_stub_area, .bytes = p->area, .n = p->used};
    qsort(p->patches, n + 1, sizeof(*p->patches), by_address);
    const char *way = gr_text_write(p->patches, n + 1, texts, 2);
    if (!way) {
        return refuse("libc's text cannot be written");
    }
    for (size_t i = 0; i < n; i++) {
        *p->slots[i] = p->stubs[i];
    }
    gr_debug(2, "%zu functions of libc %s hooked by way of %s", n, gnu_get_libc_version(), way);
    return true;
}

void gr_body_install(void)
{
    if (gr_config.deep) {
        static struct plan plan; /* touched once, by the constructor */
        gr_body_hooked = install(&plan);
    }
}

const char *gr_body_refusal(void)
{
    return refusal[0] ? refusal : NULL;
}

bool gr_body_of_libc(const void *addr)
{
    return gr_body_hooked && gr_image_holds(&libc_image, addr);
}
