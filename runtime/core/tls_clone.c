/*
 * Blocks made by copying the main thread's descriptor and relocating it: no kernel thread is
 * needed, and no field has to be known that the copy has right already.
 */
#include "runtime/core/tls.h"

#include "runtime/arch/arch.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/tls_layout.h"

#include <stdalign.h>
#include <string.h>

extern const uint32_t _thread_db_sizeof_pthread GR_WEAK;
extern void *__libc_stack_end GR_WEAK;
extern void *_dl_allocate_tls(void *mem) GR_WEAK;
extern GR_TLS void *__resp GR_WEAK; /* the thread's resolver state */

#define SNAPSHOT_MAX 8192

static struct {
    bool taken;
    int tid;
    uintptr_t desc; /* where it was: the main thread's descriptor, which new ones follow */
    alignas(16) unsigned char bytes[SNAPSHOT_MAX];
} snapshot;

static ptrdiff_t stackblock; /* {stack, size, guard size, guard size as asked for} */

void gr_tls_snapshot(void)
{
    if (!&_thread_db_sizeof_pthread || _thread_db_sizeof_pthread > SNAPSHOT_MAX || snapshot.taken) {
        return;
    }
    gr_tls.pthread_size = _thread_db_sizeof_pthread;
    const char *desc = desc_of(gr_tp_get());
    memcpy(snapshot.bytes, desc, gr_tls.pthread_size);
    snapshot.desc = (uintptr_t)desc;
    snapshot.tid = (int)GR_SYS(SYS_gettid);
    snapshot.taken = true;
}

/* The only word of the snapshot equal to @value, as an offset; -1 if there is none or more than
 * one. */
static ptrdiff_t find_word(uintptr_t value)
{
    ptrdiff_t found = -1;
    for (size_t i = 0; i + sizeof(uintptr_t) <= gr_tls.pthread_size; i += sizeof(uintptr_t)) {
        if (*word_at(snapshot.bytes, (ptrdiff_t)i) == value) {
            if (found >= 0) {
                return -1;
            }
            found = (ptrdiff_t)i;
        }
    }
    return found;
}

static const char *discover(void)
{
    if (!snapshot.taken) {
        return "the main thread's descriptor was not seen in time";
    }
    /* Other words may hold the same number by chance: ids up to 32767 look like the upper halves of
     * addresses. */
    if (*(const int *)(snapshot.bytes + gr_tls.tid) != snapshot.tid) {
        return "no thread id in the thread descriptor";
    }
    gr_tls.robust = gr_tls_find_robust(snapshot.bytes, snapshot.desc);
    if (gr_tls.robust < 0) {
        return "no robust list in the thread descriptor";
    }
    stackblock = &__libc_stack_end ? find_word((uintptr_t)__libc_stack_end) : -1;
    stackblock -= (ptrdiff_t)sizeof(void *);
    if (stackblock < 0 || *word_at(snapshot.bytes, stackblock) != 0) {
        return "no stack bounds in the thread descriptor";
    }
    gr_tls.first_tsd = (ptrdiff_t)(*word_at(snapshot.bytes, gr_tls.specific) - snapshot.desc);
    if (!gr_tls_tsd_ok()) {
        return "no thread-specific data in the thread descriptor";
    }
    gr_tls.anchor = (char *)snapshot.desc;
    return NULL;
}

static void relocate(char *desc)
{
    ptrdiff_t delta = desc - (char *)snapshot.desc;
    for (size_t i = 0; i + sizeof(uintptr_t) <= gr_tls.pthread_size; i += sizeof(uintptr_t)) {
        uintptr_t *w = word_at(desc, (ptrdiff_t)i);
        if (*w >= snapshot.desc && *w <= snapshot.desc + gr_tls.pthread_size) {
            *w += (uintptr_t)delta;
        }
    }
}

static void *make(void *top, void *stack, size_t stack_size, size_t guard)
{
    char *end = (char *)top;
    char *tp = (char *)gr_align_down(
        (uintptr_t)(end - (DESC_BELOW_TP ? gr_tls.static_size : gr_tls.pthread_size)),
        gr_tls.align);
    char *desc = desc_of(tp);
    memcpy(desc, snapshot.bytes, gr_tls.pthread_size);
    relocate(desc);
    memset(desc + gr_tls.first_tsd, 0, (size_t)TSD_BLOCK_SLOTS * TSD_SLOT_SIZE);
    memset(tsd_block(desc, 1), 0, (gr_tls.n_tsd_blocks - 1) * sizeof(void *));
    *word_at(desc, stackblock) = (uintptr_t)stack;
    *word_at(desc, stackblock + 8) = stack_size;
    *word_at(desc, stackblock + 16) = guard;
    *word_at(desc, stackblock + 24) = guard; /* the size reported to the program */
    gr_tls_adopt(tp);
    *dtv_slot(tp) = NULL;
    if (!_dl_allocate_tls(tp)) {
        return NULL;
    }
    if (gr_tls_resolver && &__resp) {
        *word_at(tp, (char *)&__resp - gr_tp_get()) = (uintptr_t)(desc + gr_tls_resolver);
    }
    gr_tls_link(desc);
    return tp;
}

const struct gr_tls_way gr_tls_clone = {.discover = discover, .make = make};
