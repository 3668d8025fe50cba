/*
 * Thread descriptors and static TLS of greens: what all blocks have in common, however they were
 * made.
 *
 * Layout facts come from glibc's own table for debuggers (_thread_db_*) and from looking for words
 * that can only be one thing; every one is checked twice, and gr_tls_init() refuses on any
 * disagreement.
 */
#include "runtime/core/tls.h"

#include "runtime/arch/arch.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/green.h"
#include "runtime/core/tls_layout.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <linux/futex.h>
#include <locale.h>
#include <malloc.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

extern const uint32_t _thread_db_sizeof_pthread GR_WEAK;
extern const struct db_field _thread_db_pthread_tid GR_WEAK;
extern const struct db_field _thread_db_pthread_list GR_WEAK;
extern const struct db_field _thread_db_pthread_specific GR_WEAK;
extern const struct db_field _thread_db_pthread_cancelhandling GR_WEAK;
extern const struct db_field _thread_db_rtld_global__dl_tls_dtv_slotinfo_list GR_WEAK;
extern char _rtld_global[] GR_WEAK;
extern const ptrdiff_t __rseq_offset GR_WEAK;
extern void *_dl_allocate_tls(void *mem) GR_WEAK;
extern void _dl_deallocate_tls(void *tcb, bool free_tcb) GR_WEAK;
extern void _dl_get_tls_static_info(size_t *size, size_t *align) GR_WEAK;
extern void __call_tls_dtors(void) GR_WEAK;
extern GR_TLS void *__libc_dlerror_result GR_WEAK;

#define UNUSED 0xa5 /* static TLS of the pristine block that no module has */

struct gr_tls_layout gr_tls;

static const struct gr_tls_way *way;
static void *pristine_memory;
static char
    *pristine; /* thread pointer of a block that never runs: the loader keeps it up to date */

ptrdiff_t gr_tls_malloc_words[GR_N_MALLOC_WORDS];
int gr_tls_n_malloc_words;
ptrdiff_t gr_tls_self_off;
ptrdiff_t gr_tls_resolver;

uintptr_t gr_tls_pthread(const void *tp)
{
    return (uintptr_t)desc_of(tp);
}

void *gr_tls_of_pthread(uintptr_t t)
{
    return (char *)t + (DESC_BELOW_TP ? gr_tls.pthread_size : 0);
}

static int *multiple_threads(char *desc)
{
    /* x86-64: tcbhead_t {tcb, dtv, self, multiple_threads}; elsewhere the first word of the
     * descriptor. */
    return (int *)(desc + (DESC_BELOW_TP ? 0 : 3 * sizeof(void *)));
}

void gr_tls_adopt(char *tp)
{
    char *desc = desc_of(tp);
    *(int *)(desc + gr_tls.tid) = (int)GR_SYS(SYS_gettid);
    *(int *)(desc + gr_tls.cancel) = EXITING_BIT;
    *multiple_threads(desc) = 1;
    if (&__rseq_offset) {
        uint32_t *area = (uint32_t *)(tp + __rseq_offset);
        area[0] = 0;            /* cpu_id_start */
        area[1] = (uint32_t)-1; /* cpu_id: not registered, ask the kernel */
    }
}

void gr_tls_link(char *desc)
{
    struct gr_list_node *n = list_node(desc);
    struct gr_list_node *a = list_node(gr_tls.anchor);
    n->next = a->next;
    n->prev = a;
    a->next->prev = n;
    a->next = n;
}

/* A word that points at itself, followed by a small negative offset. */
ptrdiff_t gr_tls_find_robust(const void *bytes, uintptr_t desc)
{
    for (size_t i = 0; i + 2 * sizeof(uintptr_t) <= gr_tls.pthread_size; i += sizeof(uintptr_t)) {
        intptr_t offset = (intptr_t)*word_at(bytes, (ptrdiff_t)(i + sizeof(uintptr_t)));
        if (*word_at(bytes, (ptrdiff_t)i) == desc + i && offset < 0 && offset > -256) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

bool gr_tls_tsd_ok(void)
{
    return gr_tls.first_tsd >= 0 &&
           (size_t)gr_tls.first_tsd + TSD_BLOCK_SLOTS * TSD_SLOT_SIZE <= gr_tls.pthread_size;
}

/* --- discovery --- */

static const char *read_table(void)
{
    if (!&_thread_db_sizeof_pthread || !&_thread_db_pthread_tid || !&_thread_db_pthread_list ||
        !&_thread_db_pthread_specific || !&_thread_db_pthread_cancelhandling || !_dl_allocate_tls ||
        !_dl_deallocate_tls || !_dl_get_tls_static_info || !__call_tls_dtors) {
        return "this C library lacks what is needed (glibc 2.34 or later)";
    }
    gr_tls.pthread_size = _thread_db_sizeof_pthread;
    gr_tls.tid = _thread_db_pthread_tid.offset;
    gr_tls.list = _thread_db_pthread_list.offset;
    gr_tls.specific = _thread_db_pthread_specific.offset;
    gr_tls.cancel = _thread_db_pthread_cancelhandling.offset;
    gr_tls.n_tsd_blocks =
        _thread_db_pthread_specific.bits / (8 * sizeof(void *)) * _thread_db_pthread_specific.count;
    size_t limit = gr_tls.pthread_size - sizeof(void *);
    size_t end_of_specific = (size_t)gr_tls.specific + gr_tls.n_tsd_blocks * sizeof(void *);
    if ((size_t)gr_tls.tid > limit || (size_t)gr_tls.list > limit || !gr_tls.n_tsd_blocks ||
        end_of_specific > gr_tls.pthread_size || (size_t)gr_tls.cancel > limit) {
        return "the debugger's table does not fit the thread descriptor";
    }
    return NULL;
}

static int find_libc_tls(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    const char *probe = arg;
    const char *data = info->dlpi_tls_data;
    for (int i = 0; data && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type == PT_TLS && probe >= data && probe < data + ph->p_memsz) {
            gr_tls.libc_tls = data - gr_tp_get();
            gr_tls.libc_tls_size = ph->p_memsz;
            return 1;
        }
    }
    return 0;
}

ptrdiff_t gr_tls_find(const void *value)
{
    ptrdiff_t found = 0;
    if (!gr_tls.libc_tls_size && !dl_iterate_phdr(find_libc_tls, &errno)) {
        return 0;
    }
    for (size_t i = 0; i + sizeof(uintptr_t) <= gr_tls.libc_tls_size; i += sizeof(uintptr_t)) {
        ptrdiff_t offset = gr_tls.libc_tls + (ptrdiff_t)i;
        if (*word_at(gr_tp_get(), offset) == (uintptr_t)value) {
            if (found) {
                return 0;
            }
            found = offset;
        }
    }
    return found;
}

static const char *find_sizes(void)
{
    _dl_get_tls_static_info(&gr_tls.static_size, &gr_tls.align);
    if (gr_tls.align < 64) {
        gr_tls.align = 64;
    }
    if (!dl_iterate_phdr(find_libc_tls, &errno)) {
        return "libc's own thread-local storage was not found";
    }
    gr_tls_self_off = (char *)&gr_self - gr_tp_get();
    return NULL;
}

/*
 * Bytes of static TLS between the thread pointer and the end of what modules have: the loader hands
 * it out from the thread pointer outwards, and has written there.
 */
static size_t measure_used(void)
{
    const unsigned char *low = (const unsigned char *)static_tls_low(pristine);
    const unsigned char *high = (const unsigned char *)static_tls_high(pristine);
    if (DESC_BELOW_TP) {
        while (high > low && high[-1] == UNUSED) {
            high--;
        }
    } else {
        while (low < high && *low == UNUSED) {
            low++;
        }
    }
    return (size_t)(high - low);
}

/*
 * The loader counts that too, in one of the words behind its list of modules. The word that equals
 * what was measured is taken for it if there is only one. It grows when a library is loaded later
 * whose variables lie in static TLS.
 */
static const size_t *find_used(size_t measured)
{
    if (!&_rtld_global || !&_thread_db_rtld_global__dl_tls_dtv_slotinfo_list) {
        return NULL;
    }
    const size_t *list =
        (const size_t *)(_rtld_global + _thread_db_rtld_global__dl_tls_dtv_slotinfo_list.offset);
    const size_t *found = NULL;
    for (int i = 1; i <= 4; i++) {
        if (list[i] == measured) {
            if (found) {
                return NULL;
            }
            found = &list[i];
        }
    }
    return found;
}

static const char *make_pristine(void)
{
    size_t size = gr_align_up(gr_tls.total + PTHREAD_STACK_MIN, gr_tls.align);
    pristine_memory = aligned_alloc(gr_tls.align, size);
    if (!pristine_memory) {
        return "out of memory";
    }
    char *top = (char *)pristine_memory + size;
    memset(top - gr_tls.total, UNUSED, gr_tls.total);
    pristine = gr_tls_make(top, pristine_memory, size, 0);
    if (!pristine) {
        free(pristine_memory);
        return "out of memory";
    }
    gr_tls.used = find_used(measure_used());
    return NULL;
}

static void add_up(void)
{
    size_t block = gr_tls.static_size + (DESC_BELOW_TP ? gr_tls.pthread_size : 0);
    gr_tls.total = gr_align_up(block + gr_tls.frames, gr_tls.align) + gr_tls.align;
}

static const char *discover(void)
{
    const char *why = read_table();
    if (!why) {
        why = find_sizes();
    }
    if (!why) {
        gr_tls.frames = 0;
        add_up();
        why = way->discover();
    }
    if (!why) {
        add_up();
        why = make_pristine();
    }
    return why;
}

int gr_tls_init(enum gr_config_tls which, const char **why)
{
    if (pristine) {
        return 0;
    }
    way = which == GR_TLS_HARVEST ? &gr_tls_harvest : &gr_tls_clone;
    *why = discover();
    return *why ? -ENOTSUP : 0;
}

void gr_tls_fini(void)
{
    gr_tls_destroy(pristine);
    free(pristine_memory);
    pristine = NULL;
}

size_t gr_tls_size(void)
{
    return gr_tls.total;
}

void *gr_tls_floor(void *tp)
{
    return (DESC_BELOW_TP ? desc_of(tp) : static_tls_low(tp)) - gr_tls.frames;
}

void *gr_tls_make(void *top, void *stack, size_t stack_size, size_t guard)
{
    return way->make(top, stack, stack_size, guard);
}

void gr_tls_destroy(void *tp)
{
    struct gr_list_node *n = list_node(desc_of(tp));
    n->next->prev = n->prev;
    n->prev->next = n->next;
    for (unsigned i = 1; i < gr_tls.n_tsd_blocks; i++) {
        free(*tsd_block(desc_of(tp), i));
    }
    for (int i = 0; i < gr_tls_n_malloc_words; i++) {
        *word_at(tp, gr_tls_malloc_words[i]) = 0; /* they belong to the carrier */
    }
    _dl_deallocate_tls(tp, false);
}

struct dtv_entry {
    void *val;
    void *to_free;
};

static void free_dynamic_tls(void *tp)
{
    struct dtv_entry *dtv = *dtv_slot(tp);
    size_t n = (size_t)dtv[-1].val;
    uintptr_t any = 0;
#pragma GCC unroll 8
    for (size_t i = 1; i <= n; i++) {
        any |= (uintptr_t)dtv[i].to_free;
    }
    if (!any) {
        return;
    }
    for (size_t i = 1; i <= n; i++) {
        if (dtv[i].to_free) {
            free(dtv[i].to_free);
            dtv[i].val = (void *)-1;
            dtv[i].to_free = NULL;
        }
    }
}

/* A link of the list leads to the next one's link; the way back lies right before it. */
static uintptr_t *robust_link(uintptr_t tagged)
{
    return (uintptr_t *)(tagged & ~1UL); /* the low bit marks priority-inheriting ones */
}

static void mark_owner_died(uint32_t *word)
{
    uint32_t value = __atomic_load_n(word, __ATOMIC_RELAXED);
    __atomic_store_n(word, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED, __ATOMIC_RELEASE);
    (void)GR_SYS(SYS_futex, word, FUTEX_WAKE, 1);
}

void gr_tls_release_robust(void *tp, bool (*is_due)(const void *mutex, void *arg), void *arg)
{
    struct robust_list_head *head = (struct robust_list_head *)(desc_of(tp) + gr_tls.robust);
    uintptr_t *end = (uintptr_t *)&head->list.next;
    uintptr_t *link = robust_link(*end);
    for (int i = 0; link != end && i < ROBUST_LIST_LIMIT; i++) {
        uintptr_t next = *link;
        uint32_t *word = (uint32_t *)((char *)link + head->futex_offset);
        if (is_due(word, arg)) {
            robust_link(next)[-1] = link[-1];
            *robust_link(link[-1]) = next;
            mark_owner_died(word); /* from here on it may be another's */
        }
        link = robust_link(next);
    }
}

void gr_tls_reset(void *tp)
{
    struct green *self = *(struct green **)((char *)tp + gr_tls_self_off);
    char *libc_low = (char *)tp + gr_tls.libc_tls;
    char *libc_high = libc_low + gr_tls.libc_tls_size;
    char *low = static_tls_low(tp);
    char *high = static_tls_high(tp);
    ptrdiff_t from = pristine - (char *)tp;
    if (gr_tls.used) {
        size_t used = __atomic_load_n(gr_tls.used, __ATOMIC_RELAXED);
        low = DESC_BELOW_TP ? low : high - used;
        high = DESC_BELOW_TP ? low + used : high;
    }
    if (DESC_BELOW_TP) {
        low += 2 * sizeof(void *); /* {dtv, private} */
    }
    memcpy(low, low + from, (size_t)(libc_low - low));
    memcpy(libc_high, libc_high + from, (size_t)(high - libc_high));
    *(struct green **)((char *)tp + gr_tls_self_off) = self;
    *(int *)(desc_of(tp) + gr_tls.cancel) = EXITING_BIT;
    free_dynamic_tls(tp);
}

void gr_tls_clear_keys(void *tp, unsigned n_keys)
{
    char *desc = desc_of(tp);
    unsigned first = n_keys < TSD_BLOCK_SLOTS ? n_keys : TSD_BLOCK_SLOTS;
    memset(desc + gr_tls.first_tsd, 0, (size_t)first * TSD_SLOT_SIZE);
    for (unsigned i = 1; i * TSD_BLOCK_SLOTS < n_keys && i < gr_tls.n_tsd_blocks; i++) {
        void *block = *tsd_block(desc, i);
        if (block) {
            memset(block, 0, (size_t)TSD_BLOCK_SLOTS * TSD_SLOT_SIZE);
        }
    }
}

/* libc's own block is not copied from the pristine one (malloc's and the resolver's state live on):
 * reset what shows. */
void gr_tls_enter(void)
{
    (void)uselocale(LC_GLOBAL_LOCALE); /* sets the tables of <ctype.h>, too */
    if (&__libc_dlerror_result ? __libc_dlerror_result != NULL : dlerror() != NULL) {
        (void)dlerror(); /* the second call lets go of it */
        (void)dlerror();
    }
    h_errno = 0;
    errno = 0;
}

void gr_tls_exit_dtors(void)
{
    __call_tls_dtors();
}

/*
 * Which words of libc's TLS does malloc use? Those that change when a thread mallocs for the first
 * time. With one arena allowed the probe does not leave an arena of its own behind.
 */
int gr_tls_probe_malloc(void *tp)
{
    uintptr_t before[256];
    size_t n = gr_tls.libc_tls_size / sizeof(uintptr_t);
    if (n > GR_ARRAY_SIZE(before)) {
        return -ENOTSUP;
    }
    memcpy(before, (char *)tp + gr_tls.libc_tls, n * sizeof(uintptr_t));
    (void)mallopt(M_ARENA_MAX, 1);
    for (int i = 0; i < 20; i++) {
        void *volatile p = malloc(100);
        free(p);
    }
    int found = 0;
    for (size_t i = 0; i < n; i++) {
        ptrdiff_t offset = gr_tls.libc_tls + (ptrdiff_t)(i * sizeof(uintptr_t));
        if (*word_at(tp, offset) != before[i]) {
            if (found == (int)GR_ARRAY_SIZE(gr_tls_malloc_words)) {
                return -ENOTSUP;
            }
            gr_tls_malloc_words[found++] = offset;
        }
    }
    gr_tls_n_malloc_words = found;
    return 0;
}

void gr_tls_fork_child(void)
{
    gr_tls.anchor = desc_of(gr_tp_get()); /* libc has linked the caller alone */
    gr_tls_link(desc_of(pristine));
}
