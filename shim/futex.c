/*
 * Futexes of programs and language runtimes that call syscall(SYS_futex) themselves.
 *
 * Whatever is wrong with the arguments, the kernel says: such calls are passed on as they are.
 */
#include "shim/futex.h"

#include "runtime/base/clock.h"
#include "runtime/core/lot.h"
#include "shim/kernel_wait.h"
#include "shim/shim.h"
#include "shim/syscall.h"

#include <linux/futex.h>

/* A futex shared with other processes: how soon the value is looked at, doubling up to the limit.
 */
#define FIRST_LOOK_NS (1000 * 1000LL)
#define LAST_LOOK_NS  (10 * 1000 * 1000LL)

struct call {
    uint32_t *addr;
    int op;
    uint32_t val;
    uintptr_t arg;
    uint32_t *addr2;
    uint32_t val3;
};

static long pass(const struct call *c)
{
    return GR_SYS(SYS_futex, c->addr, c->op, c->val, c->arg, c->addr2, c->val3);
}

/* An address the kernel would look at. */
static bool is_word(const uint32_t *addr)
{
    return (uintptr_t)addr % sizeof(*addr) == 0 && (uintptr_t)addr >= 4096 && (intptr_t)addr > 0;
}

/* --- waiting --- */

static int64_t deadline_of(const struct call *c)
{
    const struct timespec *ts = (const struct timespec *)c->arg;
    if (!ts) {
        return GR_FOREVER;
    }
    if ((c->op & FUTEX_CMD_MASK) == FUTEX_WAIT) {
        return gr_deadline_in(gr_timespec_ns(ts));
    }
    return gr_deadline_at(c->op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC, ts);
}

/* Other processes may wake it: they cannot reach the lot, but then the value has changed. */
static int wait_shared(const struct call *c, uint32_t bits, int64_t deadline)
{
    for (int64_t slice = FIRST_LOOK_NS;; slice = slice < LAST_LOOK_NS ? slice * 2 : LAST_LOOK_NS) {
        int64_t look = gr_deadline_in(slice);
        bool last = look >= deadline;
        int rc =
            gr_futex_wait(c->addr, c->val, bits, last ? deadline : look, GR_INTR, GR_WHY_FUTEX);
        if (rc != -ETIMEDOUT || last) {
            return rc;
        }
        if (__atomic_load_n(c->addr, __ATOMIC_SEQ_CST) != c->val) {
            return 0;
        }
    }
}

static bool is_valid_wait(const struct call *c, uint32_t bits)
{
    const struct timespec *ts = (const struct timespec *)c->arg;
    bool clock_ok = !(c->op & FUTEX_CLOCK_REALTIME) || (c->op & FUTEX_CMD_MASK) != FUTEX_WAIT;
    return bits && clock_ok && is_word(c->addr) && (!ts || (ts->tv_sec >= 0 && gr_timespec_ok(ts)));
}

static long do_wait(const struct call *c, uint32_t bits)
{
    if (!gr_on_green() || !is_valid_wait(c, bits)) {
        return pass(c);
    }
    int64_t deadline = deadline_of(c);
    bool own = c->op & FUTEX_PRIVATE_FLAG;
    int rc;
    do {
        rc = own ? gr_futex_wait(c->addr, c->val, bits, deadline, GR_INTR, GR_WHY_FUTEX)
                 : wait_shared(c, bits, deadline);
    } while (rc == -GR_ERESTART && !c->arg);
    if (rc == -EAGAIN) {
        gr_hub_charge(); /* somebody may spin on this */
    }
    return gr_eintr(rc);
}

/* --- waking --- */

/* Wake up to @n, as the kernel counts: at least one. Those the lot does not know may sit in the
 * kernel. */
static long wake(uint32_t *addr, int op, int n, uint32_t bits)
{
    n = n > 0 ? n : 1;
    int woken = gr_futex_wake(addr, n, bits);
    if (woken == n) {
        return woken;
    }
    int cmd = FUTEX_WAKE_BITSET | (op & FUTEX_PRIVATE_FLAG);
    long more = GR_SYS(SYS_futex, addr, cmd, n - woken, NULL, NULL, bits);
    return more < 0 && woken == 0 ? more : woken + (more > 0 ? more : 0);
}

static long do_wake(const struct call *c, uint32_t bits)
{
    if (!bits || (c->op & FUTEX_CLOCK_REALTIME) || !is_word(c->addr)) {
        return pass(c);
    }
    return wake(c->addr, c->op, (int)c->val, bits);
}

static long do_requeue(const struct call *c)
{
    int n_wake = (int)c->val;
    int n_move = (int)c->arg;
    bool check = (c->op & FUTEX_CMD_MASK) == FUTEX_CMP_REQUEUE;
    if (n_wake < 0 || n_move < 0 || (c->op & FUTEX_CLOCK_REALTIME) || !is_word(c->addr) ||
        !is_word(c->addr2)) {
        return pass(c);
    }
    int moved = 0;
    int woken =
        gr_futex_requeue(c->addr, n_wake, n_move, c->addr2, check ? &c->val3 : NULL, &moved);
    if (woken < 0) {
        return woken;
    }
    long more = 0;
    if (woken < n_wake || moved < n_move) {
        int op = FUTEX_REQUEUE | (c->op & FUTEX_PRIVATE_FLAG);
        more = GR_SYS(SYS_futex, c->addr, op, n_wake - woken, n_move - moved, c->addr2, 0);
    }
    return woken + moved + (more > 0 ? more : 0);
}

/* FUTEX_WAKE_OP packs an operation and a comparison into @val3. */
static int sign_extend_12(uint32_t v)
{
    return (int)(v << 20) >> 20;
}

static uint32_t operate(uint32_t *addr, uint32_t packed)
{
    int arg = sign_extend_12(packed >> 12 & 0xfff);
    uint32_t v = packed >> 28 & FUTEX_OP_OPARG_SHIFT ? 1u << (arg & 31) : (uint32_t)arg;
    switch (packed >> 28 & 7) {
    case FUTEX_OP_SET:
        return __atomic_exchange_n(addr, v, __ATOMIC_SEQ_CST);
    case FUTEX_OP_ADD:
        return __atomic_fetch_add(addr, v, __ATOMIC_SEQ_CST);
    case FUTEX_OP_OR:
        return __atomic_fetch_or(addr, v, __ATOMIC_SEQ_CST);
    case FUTEX_OP_ANDN:
        return __atomic_fetch_and(addr, ~v, __ATOMIC_SEQ_CST);
    default:
        return __atomic_fetch_xor(addr, v, __ATOMIC_SEQ_CST);
    }
}

static bool compare(int old, uint32_t packed)
{
    int arg = sign_extend_12(packed & 0xfff);
    switch (packed >> 24 & 15) {
    case FUTEX_OP_CMP_EQ:
        return old == arg;
    case FUTEX_OP_CMP_NE:
        return old != arg;
    case FUTEX_OP_CMP_LT:
        return old < arg;
    case FUTEX_OP_CMP_LE:
        return old <= arg;
    case FUTEX_OP_CMP_GT:
        return old > arg;
    default:
        return old >= arg;
    }
}

static long do_wake_op(const struct call *c)
{
    bool known = (c->val3 >> 28 & 7) <= FUTEX_OP_XOR && (c->val3 >> 24 & 15) <= FUTEX_OP_CMP_GE;
    if (!known || (c->op & FUTEX_CLOCK_REALTIME) || !is_word(c->addr) || !is_word(c->addr2)) {
        return pass(c);
    }
    uint32_t old = operate(c->addr2, c->val3);
    long n = wake(c->addr, c->op, (int)c->val, GR_FUTEX_ALL);
    if (n >= 0 && compare((int)old, c->val3)) {
        long more = wake(c->addr2, c->op, (int)c->arg, GR_FUTEX_ALL);
        n += more > 0 ? more : 0;
    }
    return n;
}

long gr_futex(uint32_t *addr, int op, uint32_t val, uintptr_t arg, uint32_t *addr2, uint32_t val3)
{
    struct call c = {addr, op, val, arg, addr2, val3};
    switch (op & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
        return do_wait(&c, GR_FUTEX_ALL);
    case FUTEX_WAIT_BITSET:
        return do_wait(&c, val3);
    case FUTEX_WAKE:
        return do_wake(&c, GR_FUTEX_ALL);
    case FUTEX_WAKE_BITSET:
        return do_wake(&c, val3);
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
        return do_requeue(&c);
    case FUTEX_WAKE_OP:
        return do_wake_op(&c);
    default:
        return pass(&c); /* priority inheritance: between kernel threads */
    }
}

long gr_futex_waitv(const void *waiters, unsigned n, unsigned flags, const struct timespec *abs,
                    clockid_t clock)
{
    static const struct timespec past = {0, 0};
    struct gr_kernel_wait w = {
        .call = {SYS_futex_waitv, {(long)waiters, n, flags, (long)abs, clock}},
        .attempt = {SYS_futex_waitv, {(long)waiters, n, flags, (long)&past, CLOCK_MONOTONIC}},
        .would_block = ETIMEDOUT,
        .restarts = true,
        .flags = GR_SIGNAL,
        .deadline = GR_FOREVER};
    if (abs) {
        bool clock_ok = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
        if (!clock_ok || abs->tv_sec < 0 || !gr_timespec_ok(abs)) {
            return gr_syscall_make(&w.call);
        }
        w.deadline = gr_deadline_at(clock, abs);
    }
    return gr_kernel_wait(&w);
}
