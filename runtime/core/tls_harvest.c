/*
 * Blocks taken over from kernel threads. libc's own pthread_create() makes a thread, all of it as
 * it should be, on the stack that is to be the green's. The thread says where things lie and ends
 * by a bare system call, of which libc learns nothing: the descriptor stays in its lists.
 *
 * Less has to be known than for cloning, and nothing is copied; but every new block costs a kernel
 * thread for a moment, some 50 us, and libc counts threads that are gone.
 */
#include "runtime/base/rawsys.h"
#include "runtime/core/hub.h"
#include "runtime/core/signal.h"
#include "runtime/core/tls.h"
#include "runtime/core/tls_layout.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>

/* What the thread says of itself. */
struct harvest {
    char *tp;
    char *frames; /* lowest byte of libc's frames */
    int tid;
    int noted_tid;                   /* where the thread id should be */
    struct robust_list_head *robust; /* NULL: the kernel does not say */
    size_t robust_size;
    _Atomic uint32_t running; /* futex that the kernel clears when the thread has left its stack */
};

static GR_NOINLINE GR_NORETURN void *give_away(void *arg)
{
    struct harvest *h = arg;
    h->tp = gr_tp_get();
    h->frames = __builtin_dwarf_cfa();
    h->tid = (int)GR_SYS(SYS_gettid);
    h->noted_tid = *(const int *)(desc_of(h->tp) + gr_tls.tid);
    if (GR_SYS(SYS_get_robust_list, 0, &h->robust, &h->robust_size)) {
        h->robust = NULL;
    }
    (void)GR_SYS(SYS_set_robust_list, NULL, sizeof(*h->robust));
    (void)GR_SYS(SYS_set_tid_address, &h->running); /* in place of the descriptor's */
    for (;;) {
        (void)GR_SYS(SYS_exit, 0);
    }
}

/* Make a thread on @stack and wait until it has ended. It takes no signals but libc's own. */
static bool harvest(void *stack, size_t size, pthread_t *thread, struct harvest *h)
{
    pthread_attr_t attr;
    uint64_t all = ~GR_SIG_LIBC;
    uint64_t old;
    if (pthread_attr_init(&attr)) {
        return false;
    }
    *h = (struct harvest){.running = 1};
    gr_tp_pin();
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
    bool made = pthread_attr_setstack(&attr, stack, size) == 0 &&
                gr_kernel_thread_create(thread, &attr, give_away, h) == 0;
    (void)GR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
    gr_tp_unpin();
    (void)pthread_attr_destroy(&attr);
    while (made && atomic_load(&h->running)) {
        (void)GR_SYS(SYS_futex, &h->running, FUTEX_WAIT, 1, NULL);
    }
    return made;
}

static char *block_low(char *tp)
{
    return DESC_BELOW_TP ? desc_of(tp) : static_tls_low(tp);
}

static const char *look_at(const struct harvest *h, pthread_t thread)
{
    char *desc = desc_of(h->tp);
    if ((char *)thread != desc) {
        return "a thread is not named by its descriptor";
    }
    if (h->noted_tid != h->tid) {
        return "no thread id in the thread descriptor";
    }
    if (*(int *)(desc + gr_tls.cancel) != 0) {
        return "a new thread is marked for cancellation";
    }
    const struct gr_list_node *n = list_node(desc);
    if (!n->next || !n->prev || n->next->prev != n || n->prev->next != n) {
        return "the thread descriptor is in no list";
    }
    gr_tls.robust =
        h->robust ? (char *)h->robust - desc : gr_tls_find_robust(desc, (uintptr_t)desc);
    if (gr_tls.robust < 0 || (size_t)gr_tls.robust + sizeof(*h->robust) > gr_tls.pthread_size) {
        return "no robust list in the thread descriptor";
    }
    gr_tls.first_tsd = (char *)*tsd_block(desc, 0) - desc;
    if (!gr_tls_tsd_ok()) {
        return "no thread-specific data in the thread descriptor";
    }
    if (h->frames > block_low(h->tp)) {
        return "a stack does not begin below the thread's storage";
    }
    gr_tls.frames = gr_align_up((size_t)(block_low(h->tp) - h->frames), 64);
    return NULL;
}

static const char *discover(void)
{
    struct harvest h;
    pthread_t thread;
    size_t size = gr_align_up(gr_tls.total + PTHREAD_STACK_MIN, gr_tls.align);
    void *stack = aligned_alloc(gr_tls.align, size);
    if (!stack || !harvest(stack, size, &thread, &h)) {
        free(stack);
        return "no kernel thread can be made";
    }
    const char *why = look_at(&h, thread);
    if (!why) { /* else it stays where libc believes it to be */
        gr_tls_destroy(h.tp);
        free(stack);
    }
    return why;
}

static void *make(void *top, void *stack, size_t stack_size, size_t guard)
{
    struct harvest h;
    pthread_t thread;
    int saved = errno;
    (void)top;
    (void)guard; /* libc knows of none on stacks that it did not make */
    bool made = harvest(stack, stack_size, &thread, &h);
    errno = saved;
    if (!made) {
        return NULL;
    }
    gr_tls_adopt(h.tp);
    if (h.frames < (char *)gr_tls_floor(h.tp)) {
        gr_tls_destroy(h.tp);
        return NULL;
    }
    return h.tp;
}

const struct gr_tls_way gr_tls_harvest = {.discover = discover, .make = make};
