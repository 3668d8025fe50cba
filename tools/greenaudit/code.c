/* Which code to decode, and from where on. */
#include "tools/greenaudit/code.h"

#include "shim/futex_code.h"
#include "tools/greenaudit/list.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

/* Encodings of pointers in .eh_frame_hdr, as all linkers write them. */
#define FOUR_BYTES          0x03 /* DW_EH_PE_udata4 */
#define FOUR_BYTES_FROM_HDR 0x3b /* DW_EH_PE_datarel | DW_EH_PE_sdata4 */

struct places {
    struct place *at;
    size_t n;
};

static void add_place(struct places *s, uint64_t address, uint64_t size)
{
    s->at = list_room(s->at, s->n, sizeof(*s->at));
    s->at[s->n++] = (struct place){address, size};
}

/* The size of a function is in its entry of .eh_frame, behind length, link and address. */
static uint64_t size_from_unwinding(const struct object *o, uint64_t entry)
{
    uint32_t words[4];
    size_t room = 0;
    const uint8_t *at = object_bytes(o, entry, &room);
    if (!at || room < sizeof(words)) {
        return 0;
    }
    memcpy(words, at, sizeof(words));
    return words[3];
}

/* The table for unwinding has each function, in stripped files too. */
static void places_from_unwinding(const struct object *o, struct places *s)
{
    struct {
        uint8_t version;
        uint8_t frame_encoding;
        uint8_t count_encoding;
        uint8_t table_encoding;
        int32_t frame;
        uint32_t n;
    } header;
    struct {
        int32_t start;
        int32_t frame;
    } entry;
    size_t size = 0;
    const uint8_t *at = o->unwind ? object_bytes(o, o->unwind, &size) : NULL;
    if (!at || size < sizeof(header)) {
        return;
    }
    memcpy(&header, at, sizeof(header));
    if (header.version != 1 || header.count_encoding != FOUR_BYTES ||
        header.table_encoding != FOUR_BYTES_FROM_HDR) {
        return;
    }
    size_t room = (size - sizeof(header)) / sizeof(entry);
    for (size_t i = 0; i < header.n && i < room; i++) {
        memcpy(&entry, at + sizeof(header) + i * sizeof(entry), sizeof(entry));
        add_place(s, o->unwind + (uint64_t)(int64_t)entry.start,
                  size_from_unwinding(o, o->unwind + (uint64_t)(int64_t)entry.frame));
    }
}

static int ascending(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

static void find_places(const struct object *o, struct places *s)
{
    places_from_unwinding(o, s);
    for (size_t i = 0; i < o->n_symbols; i++) {
        const struct symbol *sym = &o->symbols[i];
        if (sym->defined && sym->is_function) {
            add_place(s, sym->address, sym->size);
        }
    }
    if (s->n) {
        qsort(s->at, s->n, sizeof(*s->at), ascending);
    }
}

void code_note(struct object *o, long number)
{
    o->n_all_calls++;
    for (size_t i = 0; i < o->n_calls; i++) {
        if (o->calls[i].number == number) {
            o->calls[i].count++;
            return;
        }
    }
    o->calls = list_room(o->calls, o->n_calls, sizeof(*o->calls));
    o->calls[o->n_calls++] = (struct call){.number = number, .count = 1};
}

void code_scan(struct object *o)
{
    struct places s = {NULL, 0};
    find_places(o, &s);
    for (size_t i = 0; i < o->n_code; i++) {
        code_decode(o, &o->code[i], s.at, s.n);
        o->waits_on_futexes |=
            gr_code_has_futex_call(o->code[i].bytes, o->code[i].bytes + o->code[i].size);
    }
    free(s.at);
}

const char *code_call_name(long number)
{
    static const struct {
        const char *name;
        long number;
    } slow[] = {
#define CALL(name, arguments) {#name, SYS_##name},
#include "tools/greenshim-report/calls.def"
#undef CALL
    };
    for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++) {
        if (slow[i].number == number) {
            return slow[i].name;
        }
    }
    return NULL;
}

/* A process that ends holds up nobody. */
bool code_call_matters(long number)
{
    return number < 0 || (code_call_name(number) && number != SYS_exit && number != SYS_exit_group);
}
