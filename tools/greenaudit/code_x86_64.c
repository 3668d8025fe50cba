/*
 * Bytes that look like `syscall` are found first, mostly there are none; then it is decoded from
 * the last place before them where an instruction is known to begin.
 */
#include "tools/greenaudit/code.h"

#include <capstone/capstone.h>
#include <string.h>

#define FAR  65536 /* that far from a known place decoding has found its step by itself */
#define BACK 16    /* places before a byte that are asked whether it belongs to their function */

static csh decoder;

static bool have_decoder(void)
{
    if (!decoder && cs_open(CS_ARCH_X86, CS_MODE_64, &decoder) == CS_ERR_OK) {
        (void)cs_option(decoder, CS_OPT_DETAIL, CS_OPT_ON);
    }
    return decoder != 0;
}

/* --- what registers hold: enough to see the number of a system call --- */

#define N_REGISTERS 16

static const x86_reg registers[N_REGISTERS][2] = {
    {X86_REG_EAX, X86_REG_RAX},  {X86_REG_ECX, X86_REG_RCX},  {X86_REG_EDX, X86_REG_RDX},
    {X86_REG_EBX, X86_REG_RBX},  {X86_REG_ESP, X86_REG_RSP},  {X86_REG_EBP, X86_REG_RBP},
    {X86_REG_ESI, X86_REG_RSI},  {X86_REG_EDI, X86_REG_RDI},  {X86_REG_R8D, X86_REG_R8},
    {X86_REG_R9D, X86_REG_R9},   {X86_REG_R10D, X86_REG_R10}, {X86_REG_R11D, X86_REG_R11},
    {X86_REG_R12D, X86_REG_R12}, {X86_REG_R13D, X86_REG_R13}, {X86_REG_R14D, X86_REG_R14},
    {X86_REG_R15D, X86_REG_R15}};

struct state {
    long value[N_REGISTERS]; /* -1: not known */
};

static void forget(struct state *s)
{
    for (int i = 0; i < N_REGISTERS; i++) {
        s->value[i] = -1;
    }
}

/* The place of a register in the state; -1: a part of one, or another kind. */
static int register_number(x86_reg reg)
{
    for (int i = 0; i < N_REGISTERS; i++) {
        if (registers[i][0] == reg || registers[i][1] == reg) {
            return i;
        }
    }
    return -1;
}

static bool is_part_of(x86_reg reg, int i)
{
    static const x86_reg parts[][3] = {{X86_REG_AX, X86_REG_AL, X86_REG_AH},
                                       {X86_REG_CX, X86_REG_CL, X86_REG_CH},
                                       {X86_REG_DX, X86_REG_DL, X86_REG_DH},
                                       {X86_REG_BX, X86_REG_BL, X86_REG_BH}};
    return i < 4 && (parts[i][0] == reg || parts[i][1] == reg || parts[i][2] == reg);
}

static void forget_written(struct state *s, const cs_insn *in)
{
    cs_regs reads;
    cs_regs writes;
    uint8_t n_reads = 0;
    uint8_t n_writes = 0;
    if (cs_regs_access(decoder, in, reads, &n_reads, writes, &n_writes) != CS_ERR_OK) {
        forget(s);
        return;
    }
    for (uint8_t w = 0; w < n_writes; w++) {
        for (int i = 0; i < N_REGISTERS; i++) {
            if (register_number((x86_reg)writes[w]) == i || is_part_of((x86_reg)writes[w], i)) {
                s->value[i] = -1;
            }
        }
    }
}

/* Numbers are put into a register and handed on to others; a call leaves some of these alone. */
static void follow(struct state *s, const cs_insn *in)
{
    static const bool kept[N_REGISTERS] = {
        [3] = true, [4] = true, [5] = true, [12] = true, [13] = true, [14] = true, [15] = true};
    const cs_x86 *x = &in->detail->x86;
    int to = x->op_count == 2 && x->operands[0].type == X86_OP_REG
                 ? register_number(x->operands[0].reg)
                 : -1;
    int from =
        to >= 0 && x->operands[1].type == X86_OP_REG ? register_number(x->operands[1].reg) : -1;
    if (in->id == X86_INS_MOV && to >= 0 && x->operands[1].type == X86_OP_IMM) {
        s->value[to] = (long)(uint32_t)x->operands[1].imm;
    } else if (in->id == X86_INS_MOV && to >= 0 && from >= 0) {
        s->value[to] = s->value[from];
    } else if (in->id == X86_INS_XOR && to >= 0 && from == to) {
        s->value[to] = 0;
    } else if (in->id == X86_INS_CALL) {
        for (int i = 0; i < N_REGISTERS; i++) {
            s->value[i] = kept[i] ? s->value[i] : -1;
        }
    } else {
        forget_written(s, in);
    }
}

/* --- where to decode --- */

/* How many of the places are not behind @address. */
static size_t places_before(const struct place *places, size_t n, uint64_t address)
{
    size_t low = 0;
    while (n > low) {
        size_t middle = low + (n - low) / 2;
        if (places[middle].address <= address) {
            low = middle + 1;
        } else {
            n = middle;
        }
    }
    return low;
}

/* Is @address within a function, and not among the data that libraries keep between functions? */
static bool in_function(const struct place *places, size_t before, uint64_t address)
{
    for (size_t i = 1; i <= before && i <= BACK; i++) {
        const struct place *p = &places[before - i];
        if (address - p->address < p->size) {
            return true;
        }
    }
    return false;
}

/*
 * Decodes what begins in [@at, @end); a byte that is no instruction is stepped over. Returns where
 * the last one ends. @sure: these are instructions; else only a call whose number is seen counts.
 */
static size_t decode(struct object *o, const struct code *c, size_t at, size_t end, struct state *s,
                     bool sure)
{
    cs_insn *in = cs_malloc(decoder);
    const uint8_t *p = c->bytes + at;
    uint64_t address = c->address + at;
    while (in && p < c->bytes + end) {
        size_t left = (size_t)(c->bytes + c->size - p);
        if (!cs_disasm_iter(decoder, &p, &left, &address, in)) {
            p++;
            address++;
            forget(s);
            continue;
        }
        if (in->id == X86_INS_SYSCALL && (sure || s->value[0] >= 0)) {
            code_note(o, s->value[0]);
        }
        follow(s, in);
    }
    size_t stopped = in ? (size_t)(p - c->bytes) : c->size;
    if (in) {
        cs_free(in, 1);
    }
    return stopped;
}

void code_decode(struct object *o, const struct code *c, const struct place *places, size_t n)
{
    static const uint8_t syscall_bytes[] = {0x0f, 0x05};
    struct state state;
    size_t done = 0;
    forget(&state);
    while (done < c->size && have_decoder()) {
        const uint8_t *hit =
            memmem(c->bytes + done, c->size - done, syscall_bytes, sizeof(syscall_bytes));
        if (!hit) {
            return;
        }
        size_t at = (size_t)(hit - c->bytes);
        size_t before = places_before(places, n, c->address + at);
        uint64_t start = before ? places[before - 1].address : 0;
        size_t from = start > c->address ? (size_t)(start - c->address) : 0;
        if (from + FAR < at) {
            from = at - FAR;
        }
        if (from < done) {
            from = done; /* in the same function still */
        } else {
            forget(&state);
        }
        done =
            decode(o, c, from, at + 1, &state, !n || in_function(places, before, c->address + at));
    }
}
