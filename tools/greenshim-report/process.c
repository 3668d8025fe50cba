/* Memory and registers of the process that is watched. */
#include "tools/greenshim-report/process.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAP_NS   200000
#define MAX_NAPS 100

static const unsigned char *stack_copy;
static uint64_t stack_at;
static size_t stack_size;

void process_stack(const unsigned char *copy, uint64_t at, size_t n)
{
    stack_copy = copy;
    stack_at = at;
    stack_size = n;
}

static size_t read_memory(uint64_t at, void *to, size_t n)
{
    ssize_t got = pread(GR_REPORT_MEM, to, n, (off_t)at);
    return got > 0 ? (size_t)got : 0;
}

bool process_read(uint64_t at, void *to, size_t n)
{
    if (at >= stack_at && at - stack_at < stack_size && n <= stack_size - (at - stack_at)) {
        memcpy(to, stack_copy + (at - stack_at), n);
        return true;
    }
    return read_memory(at, to, n) == n;
}

#if defined(__x86_64__)
static void take_registers(const struct user_regs_struct *u, struct registers *r)
{
    const uint64_t in_order[N_REGS] = {u->rax, u->rdx, u->rcx, u->rbx, u->rsi, u->rdi,
                                       u->rbp, u->rsp, u->r8,  u->r9,  u->r10, u->r11,
                                       u->r12, u->r13, u->r14, u->r15, u->rip};
    memcpy(r->value, in_order, sizeof(in_order));
    memset(r->known, true, sizeof(r->known));
}

/* The call that the thread was about to leave, if any. */
static void take_call(const struct user_regs_struct *u, struct gr_stall *s)
{
    const uint64_t args[] = {u->rdi, u->rsi, u->rdx, u->r10, u->r8, u->r9};
    s->nr = (int64_t)u->orig_rax;
    memcpy(s->args, args, sizeof(args));
}
#elif defined(__aarch64__)
static void take_registers(const struct user_regs_struct *u, struct registers *r)
{
    memcpy(r->value, u->regs, sizeof(u->regs));
    r->value[REG_SP] = u->sp;
    r->value[REG_PC] = u->pc;
    memset(r->known, true, sizeof(r->known));
}

static void take_call(const struct user_regs_struct *u, struct gr_stall *s)
{
    (void)u;
    s->nr = -1; /* not to be told from these registers */
}
#endif

static const char just_over[] = "it was just over";

static bool lasts(const struct gr_stall *s)
{
    uint64_t switches = 0;
    return read_memory(s->switches_at, &switches, sizeof(switches)) == sizeof(switches) &&
           switches == s->switches;
}

/* Wait until the carrier computes and does not sleep in a call. NULL, or what hinders that. */
static const char *wait_for_cpu(const struct gr_stall *s)
{
    const struct timespec nap = {.tv_nsec = NAP_NS};
    for (int i = 0; i < MAX_NAPS && lasts(s); i++) {
        char text[16] = "";
        if (pread(GR_REPORT_CALL, text, sizeof(text) - 1, 0) < 0) {
            return strerror(errno);
        }
        if (strncmp(text, "running", 7) == 0) {
            return NULL;
        }
        (void)nanosleep(&nap, NULL);
    }
    return just_over;
}

static int on_the_way; /* the signal that stopped it instead of us */

const char *process_stop(int tid, struct registers *r, struct gr_stall *call)
{
    struct user_regs_struct regs;
    struct iovec v = {.iov_base = &regs, .iov_len = sizeof(regs)};
    int status;
    if (ptrace(PTRACE_SEIZE, tid, 0, 0)) {
        return strerror(errno);
    }
    if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) || waitpid(tid, &status, __WALL) < 0 ||
        !WIFSTOPPED(status)) {
        return "it has ended";
    }
    on_the_way = status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &v)) {
        const char *why = strerror(errno);
        process_go(tid);
        return why;
    }
    take_registers(&regs, r);
    if (call) {
        take_call(&regs, call);
    }
    return NULL;
}

void process_go(int tid)
{
    (void)ptrace(PTRACE_DETACH, tid, 0, on_the_way);
}

const char *process_catch(struct gr_stall *s, struct registers *r, unsigned char *stack, size_t *n)
{
    const char *why = wait_for_cpu(s); /* some calls would notice that they are interrupted */
    if (!why) {
        why = process_stop(s->tid, r, s);
    }
    if (why) {
        return why;
    }
    if (lasts(s)) {
        *n = read_memory(r->value[REG_SP], stack, GR_STALL_STACK);
    } else {
        why = just_over;
    }
    process_go(s->tid);
    return why;
}
