/*
 * Thread descriptors and static TLS made by copying the main thread's and relocating it.
 *
 * Layout facts come from glibc's own table for debuggers (_thread_db_*) and from looking for words
 * that can only be one thing; every one is checked twice, and gr_tls_init() refuses on any
 * disagreement.
 *
 * x86-64:  [static TLS ............][descriptor .....]      aarch64:  [descriptor .....][dtv,
 * private][static TLS ....] ^ thread pointer                                   ^ thread pointer
 */
#include "runtime/core/tls.h"

#include "runtime/arch/arch.h"
#include "runtime/base/rawsys.h"
#include "runtime/core/green.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <linux/futex.h>
#include <locale.h>
#include <malloc.h>
#include <netdb.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* glibc's table for debuggers: {size in bits, number of elements, offset in bytes}. */
struct db_field {
    uint32_t bits;
    uint32_t count;
    uint32_t offset;
};

extern const uint32_t _thread_db_sizeof_pthread GR_WEAK;
extern const struct db_field _thread_db_pthread_tid GR_WEAK;
extern const struct db_field _thread_db_pthread_list GR_WEAK;
extern const struct db_field _thread_db_pthread_specific GR_WEAK;
extern const struct db_field _thread_db_pthread_cancelhandling GR_WEAK;
extern const struct db_field _thread_db_rtld_global__dl_tls_dtv_slotinfo_list GR_WEAK;
extern char _rtld_global[] GR_WEAK;
extern const ptrdiff_t __rseq_offset GR_WEAK;
extern void *__libc_stack_end GR_WEAK;
extern void *_dl_allocate_tls(void *mem) GR_WEAK;
extern void _dl_deallocate_tls(void *tcb, bool free_tcb) GR_WEAK;
extern void _dl_get_tls_static_info(size_t *size, size_t *align) GR_WEAK;
extern void __call_tls_dtors(void) GR_WEAK;
extern GR_TLS void *__resp GR_WEAK; /* the thread's resolver state */

#define TSD_BLOCK_SLOTS 32   /* pthread keys in the block inside the descriptor */
#define TSD_SLOT_SIZE   16   /* {sequence, value} */
#define EXITING_BIT     0x10 /* in cancelhandling: makes set*id() broadcasts skip the descriptor */
#define SNAPSHOT_MAX    8192
#define UNUSED          0xa5 /* static TLS of the pristine block that no module has */

struct gr_list_node { /* glibc's list_t */
    struct gr_list_node *next;
    struct gr_list_node *prev;
};

static struct {
    size_t pthread_size; /* of the descriptor */
    size_t static_size;  /* of static TLS, the part of it that the loader counts */
    size_t align;
    size_t total; /* bytes of a whole block, alignment slack included */
    ptrdiff_t tid, list, specific, cancel, stackblock, first_tsd,
        robust;         /* offsets in the descriptor */
    ptrdiff_t libc_tls; /* libc's own static TLS, from the thread pointer */
    size_t libc_tls_size;
    const size_t *used; /* the loader's count of bytes of static TLS that modules have, or NULL */
    char *anchor;       /* descriptor that new ones are linked after */
    char *pristine; /* thread pointer of a block that never runs: the loader keeps it up to date */
    bool snapshot_taken;
    int snapshot_tid;
    uintptr_t main_desc;
    alignas(16) unsigned char snapshot[SNAPSHOT_MAX];
} T;

ptrdiff_t gr_tls_malloc_words[GR_N_MALLOC_WORDS];
int gr_tls_n_malloc_words;
ptrdiff_t gr_tls_self_off;
ptrdiff_t gr_tls_resolver;

#if defined(__x86_64__)
#define DESC_BELOW_TP 0
#elif defined(__aarch64__)
#define DESC_BELOW_TP 1
#endif

static char *desc_of(const void *tp)
{
    return (char *)tp - (DESC_BELOW_TP ? T.pthread_size : 0);
}

uintptr_t gr_tls_pthread(const void *tp)
{
    return (uintptr_t)desc_of(tp);
}

void *gr_tls_of_pthread(uintptr_t t)
{
    return (char *)t + (DESC_BELOW_TP ? T.pthread_size : 0);
}

static int *multiple_threads(char *desc)
{
    /* x86-64: tcbhead_t {tcb, dtv, self, multiple_threads}; elsewhere the first word of the
     * descriptor. */
    return (int *)(desc + (DESC_BELOW_TP ? 0 : 3 * sizeof(void *)));
}

static void **dtv_slot(void *tp)
{
    return (void **)((char *)tp + (DESC_BELOW_TP ? 0 : sizeof(void *)));
}

static struct gr_list_node *list_node(char *desc)
{
    return (struct gr_list_node *)(desc + T.list);
}

/* Pointers to blocks of pthread keys in the descriptor; the first one points into the descriptor
 * itself. */
static unsigned n_tsd_blocks(void)
{
    return _thread_db_pthread_specific.bits / (8 * sizeof(void *)) *
           _thread_db_pthread_specific.count;
}

static void **tsd_block(char *desc, unsigned i)
{
    return (void **)(desc + T.specific) + i;
}

static uintptr_t *word_at(const void *base, ptrdiff_t offset)
{
    return (uintptr_t *)((char *)base + offset);
}

void gr_tls_snapshot(void)
{
    if (!&_thread_db_sizeof_pthread || _thread_db_sizeof_pthread > SNAPSHOT_MAX ||
        T.snapshot_taken) {
        return;
    }
    T.pthread_size = _thread_db_sizeof_pthread;
    char *desc = desc_of(gr_arch_tp());
    memcpy(T.snapshot, desc, T.pthread_size);
    T.main_desc = (uintptr_t)desc;
    T.anchor = desc;
    T.snapshot_tid = (int)GR_SYS(SYS_gettid);
    T.snapshot_taken = true;
}

/* The only word of the snapshot equal to @value, as an offset; -1 if there is none or more than
 * one. */
static ptrdiff_t find_word(uintptr_t value)
{
    ptrdiff_t found = -1;
    for (size_t i = 0; i + sizeof(uintptr_t) <= T.pthread_size; i += sizeof(uintptr_t)) {
        if (*word_at(T.snapshot, (ptrdiff_t)i) == value) {
            if (found >= 0) {
                return -1;
            }
            found = (ptrdiff_t)i;
        }
    }
    return found;
}

/*
 * The word where the table says the thread id is. Other words may hold the same number by chance:
 * ids up to 32767 look like the upper halves of addresses.
 */
static const char *find_tid(void)
{
    T.tid = _thread_db_pthread_tid.offset;
    if (*(const int *)(T.snapshot + T.tid) != T.snapshot_tid) {
        return "no thread id in the thread descriptor";
    }
    return NULL;
}

/* The robust list head: a word that points at itself, followed by a small negative offset. */
static const char *find_robust_head(void)
{
    for (size_t i = 0; i + 2 * sizeof(uintptr_t) <= T.pthread_size; i += sizeof(uintptr_t)) {
        intptr_t next = (intptr_t)*word_at(T.snapshot, (ptrdiff_t)(i + sizeof(uintptr_t)));
        if (*word_at(T.snapshot, (ptrdiff_t)i) == T.main_desc + i && next < 0 && next > -256) {
            T.robust = (ptrdiff_t)i;
            return NULL;
        }
    }
    return "no robust list in the thread descriptor";
}

static const char *find_fields(void)
{
    if (!&_thread_db_pthread_tid || !&_thread_db_pthread_list || !&_thread_db_pthread_specific ||
        !&_thread_db_pthread_cancelhandling || !_dl_allocate_tls || !_dl_deallocate_tls ||
        !_dl_get_tls_static_info || !__call_tls_dtors || !&__libc_stack_end) {
        return "this C library lacks what is needed (glibc 2.34 or later)";
    }
    T.list = _thread_db_pthread_list.offset;
    T.specific = _thread_db_pthread_specific.offset;
    T.cancel = _thread_db_pthread_cancelhandling.offset;
    size_t limit = T.pthread_size - sizeof(void *);
    size_t end_of_specific = (size_t)T.specific + n_tsd_blocks() * sizeof(void *);
    if ((size_t)T.list > limit || !n_tsd_blocks() || end_of_specific > T.pthread_size ||
        (size_t)T.cancel > limit) {
        return "the debugger's table does not fit the thread descriptor";
    }
    const char *why = find_tid();
    if (!why) {
        why = find_robust_head();
    }
    if (why) {
        return why;
    }
    T.stackblock = find_word((uintptr_t)__libc_stack_end) - (ptrdiff_t)sizeof(void *);
    if (T.stackblock < 0 || *word_at(T.snapshot, T.stackblock) != 0) {
        return "no stack bounds in the thread descriptor";
    }
    T.first_tsd = (ptrdiff_t)(*word_at(T.snapshot, T.specific) - T.main_desc);
    if (T.first_tsd < 0 || (size_t)T.first_tsd + TSD_BLOCK_SLOTS * TSD_SLOT_SIZE > T.pthread_size) {
        return "no thread-specific data in the thread descriptor";
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
            T.libc_tls = data - gr_arch_tp();
            T.libc_tls_size = ph->p_memsz;
            return 1;
        }
    }
    return 0;
}

ptrdiff_t gr_tls_find(const void *value)
{
    ptrdiff_t found = 0;
    if (!T.libc_tls_size && !dl_iterate_phdr(find_libc_tls, &errno)) {
        return 0;
    }
    for (size_t i = 0; i + sizeof(uintptr_t) <= T.libc_tls_size; i += sizeof(uintptr_t)) {
        ptrdiff_t offset = T.libc_tls + (ptrdiff_t)i;
        if (*word_at(gr_arch_tp(), offset) == (uintptr_t)value) {
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
    _dl_get_tls_static_info(&T.static_size, &T.align);
    if (T.align < 64) {
        T.align = 64;
    }
    T.total = gr_align_up(T.static_size + (DESC_BELOW_TP ? T.pthread_size : 0), T.align) + T.align;
    if (!dl_iterate_phdr(find_libc_tls, &errno)) {
        return "libc's own thread-local storage was not found";
    }
    gr_tls_self_off = (char *)&gr_self - gr_arch_tp();
    return NULL;
}

/* Lowest and highest byte of the static TLS of @tp (the descriptor not included). */
static char *static_tls_low(void *tp)
{
    return DESC_BELOW_TP ? (char *)tp : (char *)tp - (T.static_size - T.pthread_size);
}

static char *static_tls_high(void *tp)
{
    return DESC_BELOW_TP ? (char *)tp + T.static_size : (char *)tp;
}

/*
 * Bytes of static TLS between the thread pointer and the end of what modules have: the loader hands
 * it out from the thread pointer outwards, and has written there.
 */
static size_t measure_used(void)
{
    const unsigned char *low = (const unsigned char *)static_tls_low(T.pristine);
    const unsigned char *high = (const unsigned char *)static_tls_high(T.pristine);
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

int gr_tls_init(const char **why)
{
    if (T.pristine) {
        return 0;
    }
    *why = T.snapshot_taken ? find_fields() : "the thread descriptor's size is unknown";
    if (!*why) {
        *why = find_sizes();
    }
    if (*why) {
        return -ENOTSUP;
    }
    char *mem = aligned_alloc(T.align, gr_align_up(T.total, T.align));
    if (!mem) {
        *why = "out of memory";
        return -ENOTSUP;
    }
    memset(mem, UNUSED, T.total);
    T.pristine = gr_tls_make(mem + T.total, mem, T.total, 0);
    if (!T.pristine) {
        *why = "out of memory";
        return -ENOTSUP;
    }
    T.used = find_used(measure_used());
    return 0;
}

size_t gr_tls_size(void)
{
    return T.total;
}

void *gr_tls_floor(void *tp)
{
    return DESC_BELOW_TP ? desc_of(tp) : static_tls_low(tp);
}

static void link_after_anchor(char *desc)
{
    struct gr_list_node *n = list_node(desc);
    struct gr_list_node *a = list_node(T.anchor);
    n->next = a->next;
    n->prev = a;
    a->next->prev = n;
    a->next = n;
}

static void set_rseq_unregistered(char *tp)
{
    if (&__rseq_offset) {
        uint32_t *area = (uint32_t *)(tp + __rseq_offset);
        area[0] = 0;            /* cpu_id_start */
        area[1] = (uint32_t)-1; /* cpu_id: not registered, ask the kernel */
    }
}

void *gr_tls_make(void *top, void *stack, size_t stack_size, size_t guard)
{
    char *end = (char *)top;
    char *tp = (char *)gr_align_down(
        (uintptr_t)(end - (DESC_BELOW_TP ? T.static_size : T.pthread_size)), T.align);
    char *desc = desc_of(tp);
    memcpy(desc, T.snapshot, T.pthread_size);
    ptrdiff_t delta = desc - (char *)T.main_desc;
    for (size_t i = 0; i + sizeof(uintptr_t) <= T.pthread_size; i += sizeof(uintptr_t)) {
        uintptr_t *w = word_at(desc, (ptrdiff_t)i);
        if (*w >= T.main_desc && *w <= T.main_desc + T.pthread_size) {
            *w += (uintptr_t)delta;
        }
    }
    memset(desc + T.first_tsd, 0, (size_t)TSD_BLOCK_SLOTS * TSD_SLOT_SIZE);
    memset(tsd_block(desc, 1), 0, (n_tsd_blocks() - 1) * sizeof(void *));
    *(int *)(desc + T.tid) = (int)GR_SYS(SYS_gettid);
    *word_at(desc, T.stackblock) = (uintptr_t)stack;
    *word_at(desc, T.stackblock + 8) = stack_size;
    *word_at(desc, T.stackblock + 16) = guard;
    *word_at(desc, T.stackblock + 24) = guard; /* the size reported to the program */
    *(int *)(desc + T.cancel) = EXITING_BIT;
    *multiple_threads(desc) = 1;
    set_rseq_unregistered(tp);
    *dtv_slot(tp) = NULL;
    if (!_dl_allocate_tls(tp)) {
        return NULL;
    }
    if (gr_tls_resolver && &__resp) {
        *word_at(tp, (char *)&__resp - gr_arch_tp()) = (uintptr_t)(desc + gr_tls_resolver);
    }
    link_after_anchor(desc);
    return tp;
}

void gr_tls_destroy(void *tp)
{
    struct gr_list_node *n = list_node(desc_of(tp));
    n->next->prev = n->prev;
    n->prev->next = n->next;
    for (unsigned i = 1; i < n_tsd_blocks(); i++) {
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

/* The kernel looks after the carrier's list alone, so this is ours to do: tell who waits that the
 * owner has died. */
void gr_tls_release_robust(void *tp)
{
    struct robust_list_head *head = (struct robust_list_head *)(desc_of(tp) + T.robust);
    uint32_t tid = (uint32_t) * (int *)(desc_of(tp) + T.tid);
    uintptr_t at =
        (uintptr_t)head->list.next & ~1UL; /* the low bit marks priority-inheriting ones */
    for (int i = 0; at != (uintptr_t)head && i < ROBUST_LIST_LIMIT; i++) {
        uintptr_t next = (uintptr_t)((struct robust_list *)at)->next & ~1UL;
        uint32_t *word = (uint32_t *)(at + (uintptr_t)head->futex_offset);
        uint32_t value = __atomic_load_n(word, __ATOMIC_RELAXED);
        if ((value & FUTEX_TID_MASK) == tid) {
            __atomic_store_n(word, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED, __ATOMIC_RELEASE);
            (void)GR_SYS(SYS_futex, word, FUTEX_WAKE, 1);
        }
        at = next;
    }
    head->list.next = &head->list;
}

void gr_tls_reset(void *tp)
{
    struct green *self = *(struct green **)((char *)tp + gr_tls_self_off);
    char *libc_low = (char *)tp + T.libc_tls;
    char *libc_high = libc_low + T.libc_tls_size;
    char *low = static_tls_low(tp);
    char *high = static_tls_high(tp);
    ptrdiff_t from = T.pristine - (char *)tp;
    if (T.used) {
        size_t used = __atomic_load_n(T.used, __ATOMIC_RELAXED);
        low = DESC_BELOW_TP ? low : high - used;
        high = DESC_BELOW_TP ? low + used : high;
    }
    if (DESC_BELOW_TP) {
        low += 2 * sizeof(void *); /* {dtv, private} */
    }
    memcpy(low, low + from, (size_t)(libc_low - low));
    memcpy(libc_high, libc_high + from, (size_t)(high - libc_high));
    *(struct green **)((char *)tp + gr_tls_self_off) = self;
    *(int *)(desc_of(tp) + T.cancel) = EXITING_BIT;
    free_dynamic_tls(tp);
}

void gr_tls_clear_keys(void *tp, unsigned n_keys)
{
    char *desc = desc_of(tp);
    unsigned first = n_keys < TSD_BLOCK_SLOTS ? n_keys : TSD_BLOCK_SLOTS;
    memset(desc + T.first_tsd, 0, (size_t)first * TSD_SLOT_SIZE);
    for (unsigned i = 1; i * TSD_BLOCK_SLOTS < n_keys && i < n_tsd_blocks(); i++) {
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
    if (dlerror()) {
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
    size_t n = T.libc_tls_size / sizeof(uintptr_t);
    if (n > GR_ARRAY_SIZE(before)) {
        return -ENOTSUP;
    }
    memcpy(before, (char *)tp + T.libc_tls, n * sizeof(uintptr_t));
    (void)mallopt(M_ARENA_MAX, 1);
    for (int i = 0; i < 20; i++) {
        void *volatile p = malloc(100);
        free(p);
    }
    int found = 0;
    for (size_t i = 0; i < n; i++) {
        ptrdiff_t offset = T.libc_tls + (ptrdiff_t)(i * sizeof(uintptr_t));
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
    char *desc = desc_of(gr_arch_tp());
    *(int *)(T.snapshot + T.tid) = (int)GR_SYS(SYS_gettid);
    if (T.pristine) {
        T.anchor = desc; /* libc has linked the caller alone */
        link_after_anchor(desc_of(T.pristine));
    }
}
