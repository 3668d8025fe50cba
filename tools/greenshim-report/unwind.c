/* Call frame information, evaluated with registers that may be unknown. */
#include "tools/greenshim-report/unwind.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define STACK_DEPTH 16    /* of a DWARF expression */
#define SEARCH      16384 /* bytes of stack that are searched for a return address */

/* --- expressions --- */

struct machine {
    const struct registers *r;
    bool has_cfa;
    uint64_t cfa;
    uint64_t stack[STACK_DEPTH];
    size_t depth;
    bool is_value; /* the result is the value itself, not where it is */
};

static bool push(struct machine *m, uint64_t value)
{
    if (m->depth == STACK_DEPTH) {
        return false;
    }
    m->stack[m->depth++] = value;
    return true;
}

static bool push_register(struct machine *m, uint64_t number, uint64_t offset)
{
    return number < N_REGS && m->r->known[number] && push(m, m->r->value[number] + offset);
}

static bool binary(struct machine *m, uint8_t op)
{
    if (m->depth < 2) {
        return false;
    }
    uint64_t b = m->stack[--m->depth];
    uint64_t *a = &m->stack[m->depth - 1];
    switch (op) {
    case DW_OP_plus:
        *a += b;
        return true;
    case DW_OP_minus:
        *a -= b;
        return true;
    case DW_OP_and:
        *a &= b;
        return true;
    case DW_OP_shl:
        *a = b < 64 ? *a << b : 0;
        return true;
    case DW_OP_ge:
        *a = (int64_t)*a >= (int64_t)b;
        return true;
    default:
        return false;
    }
}

static bool step_machine(struct machine *m, const Dwarf_Op *op)
{
    if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
        return push_register(m, op->atom - DW_OP_breg0, op->number);
    }
    if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31) {
        return push(m, op->atom - DW_OP_lit0);
    }
    if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31) {
        m->is_value = true;
        return push_register(m, op->atom - DW_OP_reg0, 0);
    }
    switch (op->atom) {
    case DW_OP_bregx:
        return push_register(m, op->number, op->number2);
    case DW_OP_regx:
        m->is_value = true;
        return push_register(m, op->number, 0);
    case DW_OP_call_frame_cfa:
        return m->has_cfa && push(m, m->cfa);
    case DW_OP_plus_uconst:
        return m->depth && (m->stack[m->depth - 1] += op->number, true);
    case DW_OP_deref:
        return m->depth && process_read(m->stack[m->depth - 1], &m->stack[m->depth - 1], 8);
    case DW_OP_const1u:
    case DW_OP_const1s:
    case DW_OP_const2u:
    case DW_OP_const2s:
    case DW_OP_const4u:
    case DW_OP_const4s:
    case DW_OP_const8u:
    case DW_OP_const8s:
    case DW_OP_constu:
    case DW_OP_consts:
        return push(m, op->number);
    case DW_OP_stack_value:
        m->is_value = true;
        return true;
    case DW_OP_nop:
        return true;
    default:
        return binary(m, op->atom);
    }
}

static bool evaluate(struct machine *m, const Dwarf_Op *ops, size_t n, uint64_t *result)
{
    m->depth = 0;
    m->is_value = false;
    for (size_t i = 0; i < n; i++) {
        if (!step_machine(m, &ops[i])) {
            return false;
        }
    }
    *result = m->depth ? m->stack[m->depth - 1] : 0;
    return m->depth != 0;
}

/* --- one step by the tables --- */

/* The rules at @pc. */
static Dwarf_Frame *rules_at(Dwfl *dwfl, uint64_t pc)
{
    Dwfl_Module *module = dwfl_addrmodule(dwfl, pc);
    Dwarf_Addr bias;
    Dwarf_Frame *frame = NULL;
    Dwarf_CFI *cfi = module ? dwfl_module_eh_cfi(module, &bias) : NULL;
    if (cfi && dwarf_cfi_addrframe(cfi, pc - bias, &frame) == 0) {
        return frame;
    }
    cfi = module ? dwfl_module_dwarf_cfi(module, &bias) : NULL;
    return cfi && dwarf_cfi_addrframe(cfi, pc - bias, &frame) == 0 ? frame : NULL;
}

static void restore_register(struct machine *m, Dwarf_Frame *rules, int number,
                             struct registers *out)
{
    Dwarf_Op memory[3];
    Dwarf_Op *ops;
    size_t n;
    uint64_t at;
    out->known[number] = false;
    if (dwarf_frame_register(rules, number, memory, &ops, &n)) {
        return;
    }
    if (n == 0) {
        if (!ops) { /* same value; else undefined */
            out->known[number] = m->r->known[number];
            out->value[number] = m->r->value[number];
        }
    } else if (evaluate(m, ops, n, &at)) {
        out->known[number] = m->is_value || process_read(at, &out->value[number], 8);
        if (m->is_value) {
            out->value[number] = at;
        }
    }
}

enum step { STEP_DONE, STEP_END, STEP_UNKNOWN };

/* To the caller, in place. STEP_END: there is none. @inner: @r is where the thread is itself. */
static enum step step(Dwfl *dwfl, struct registers *r, bool *inner)
{
    Dwarf_Frame *rules = rules_at(dwfl, r->value[REG_PC] - !*inner);
    struct machine m = {.r = r};
    struct registers out = {.value = {0}};
    Dwarf_Op *ops;
    size_t n;
    bool signal = false;
    if (!rules) {
        return STEP_UNKNOWN;
    }
    int ra = dwarf_frame_info(rules, NULL, NULL, &signal);
    m.has_cfa = ra >= 0 && ra < N_REGS && dwarf_frame_cfa(rules, &ops, &n) == 0 &&
                evaluate(&m, ops, n, &m.cfa);
    enum step result = STEP_UNKNOWN;
    Dwarf_Op memory[3];
    if (ra >= 0 && dwarf_frame_register(rules, ra, memory, &ops, &n) == 0 && n == 0 && ops) {
        result = STEP_END; /* outermost: the return address is undefined */
    } else if (m.has_cfa) {
        for (int i = 0; i < N_REGS; i++) {
            restore_register(&m, rules, i, &out);
        }
        out.value[REG_SP] = m.cfa;
        out.known[REG_SP] = true;
        out.value[REG_PC] = out.value[ra];
        out.known[REG_PC] = out.known[ra];
        if (out.known[REG_PC]) {
            *r = out;
            *inner = signal;
            result = out.value[REG_PC] ? STEP_DONE : STEP_END;
        }
    }
    free(rules);
    return result;
}

/* --- by looks --- */

#if defined(__x86_64__)

/* From what a handler returns to, which has no tables but always these bytes, to what the signal
 * has interrupted: the stack pointer is at the kernel's record of that. */
static bool step_signal(struct registers *r)
{
    static const unsigned char restorer[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    static const int in_order[N_REGS] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                         REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                         REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    unsigned char code[sizeof(restorer)];
    gregset_t saved = {0};
    if (!process_read(r->value[REG_PC], code, sizeof(code)) ||
        memcmp(code, restorer, sizeof(code)) != 0 ||
        !process_read(r->value[REG_SP] + offsetof(ucontext_t, uc_mcontext.gregs), saved,
                      sizeof(saved))) {
        return false;
    }
    for (int i = 0; i < N_REGS; i++) {
        r->value[i] = (uint64_t)saved[in_order[i]];
        r->known[i] = true;
    }
    return true;
}

static bool is_code(Dwfl *dwfl, uint64_t at)
{
    Dwfl_Module *module = dwfl_addrmodule(dwfl, at);
    Dwarf_Addr bias;
    GElf_Shdr header;
    Elf_Scn *section = module ? dwfl_module_address_section(module, &at, &bias) : NULL;
    return section && gelf_getshdr(section, &header) && (header.sh_flags & SHF_EXECINSTR);
}

/* Start of the function at @pc, 0: not known. */
static uint64_t function_at(Dwfl *dwfl, uint64_t pc)
{
    Dwfl_Module *module = dwfl_addrmodule(dwfl, pc);
    GElf_Off offset;
    GElf_Sym symbol;
    const char *name =
        module ? dwfl_module_addrinfo(module, pc, &offset, &symbol, NULL, NULL, NULL) : NULL;
    return name ? pc - offset : 0;
}

enum call { NO_CALL, CALL_DIRECT, CALL_COMPUTED };

/* What kind of call ends at @at; @target of a direct one. */
static enum call call_before(uint64_t at, uint64_t *target)
{
    unsigned char code[7];
    if (!process_read(at - sizeof(code), code, sizeof(code))) {
        return NO_CALL;
    }
    if (code[2] == 0xe8) {
        int32_t distance;
        memcpy(&distance, code + 3, sizeof(distance));
        *target = at + (uint64_t)(int64_t)distance;
        return CALL_DIRECT;
    }
    /* ff /2 with its various lengths: through a register, or memory with or without displacement */
    for (size_t length = 2; length <= sizeof(code); length++) {
        const unsigned char *insn = code + sizeof(code) - length;
        if (insn[0] == 0xff && (insn[1] >> 3 & 7) == 2) {
            return CALL_COMPUTED;
        }
    }
    return NO_CALL;
}

/* Can @at be where the function @self returns to? @sure: it is. */
static bool may_return_to(Dwfl *dwfl, uint64_t at, uint64_t self, bool *sure)
{
    uint64_t target = 0;
    *sure = false;
    if (!is_code(dwfl, at)) {
        return false;
    }
    switch (call_before(at, &target)) {
    case NO_CALL:
        return false;
    case CALL_COMPUTED:
        return true;
    case CALL_DIRECT:
        break;
    }
    *sure = self && target == self;
    /* A call of another function is a trace of the past; one of a stub (no symbol) may lead here.
     */
    return *sure || !self || !function_at(dwfl, target);
}

/* The caller of the frame @r, by a search of the stack. */
static bool search(Dwfl *dwfl, struct registers *r, bool inner, bool *sure)
{
    uint64_t self = function_at(dwfl, r->value[REG_PC] - !inner);
    for (uint64_t at = (r->value[REG_SP] + 7) & ~7ULL; at < r->value[REG_SP] + SEARCH; at += 8) {
        uint64_t word;
        if (!process_read(at, &word, 8)) {
            return false;
        }
        if (!may_return_to(dwfl, word, self, sure)) {
            continue;
        }
        /* If the frame has a frame pointer it lies right below; then the tables can go on. */
        struct registers with = *r;
        bool still = inner;
        with.value[REG_FP] = at - 8;
        with.known[REG_FP] = true;
        if (step(dwfl, &with, &still) == STEP_DONE && with.value[REG_PC] == word) {
            *r = with;
            return true;
        }
        if (!rules_at(dwfl, r->value[REG_PC] - !inner)) {
            memset(r->known, 0, sizeof(r->known));
            r->value[REG_SP] = at + 8;
            r->known[REG_SP] = true;
            r->value[REG_PC] = word;
            return true;
        }
    }
    return false;
}

#else

static bool step_signal(struct registers *r)
{
    (void)r;
    return false; /* the kernel's own code there has tables */
}

static bool search(Dwfl *dwfl, struct registers *r, bool inner, bool *sure)
{
    (void)dwfl, (void)r, (void)inner, (void)sure;
    return false;
}

#endif

size_t unwind(Dwfl *dwfl, struct registers *r, struct frame *frames, size_t max)
{
    size_t n = 0;
    bool inner = true;
    frames[n++] = (struct frame){.pc = r->value[REG_PC]};
    while (n < max) {
        uint64_t sp = r->value[REG_SP];
        bool sure = true;
        bool interrupted = !inner && step_signal(r);
        enum step result = interrupted ? STEP_DONE : step(dwfl, r, &inner);
        inner |= interrupted;
        if (result == STEP_UNKNOWN && search(dwfl, r, inner, &sure)) {
            result = STEP_DONE;
            inner = false;
        }
        if (result != STEP_DONE || r->value[REG_SP] <= sp) {
            break;
        }
        frames[n++] = (struct frame){.pc = r->value[REG_PC], .guessed = !sure};
    }
    return n;
}
