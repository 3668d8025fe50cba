/*
 * Body hooks on x86-64: moving the first instructions of a function elsewhere.
 *
 * Only forms that compilers put at the beginning of functions are known, and anything else is
 * refused. What is relative to the instruction pointer is made relative to the new place; a call
 * leaves the return address it would have left at the old one, so that unwinding sees no stub.
 */
#include "shim/body.h"

#include <string.h>

#define ENDBR64 "\xf3\x0f\x1e\xfa"
#define JMP     0xe9
#define RET     0xc3
#define JMP_LEN 5

#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

__asm__(".pushsection .text\n"
        ".balign 4096\n"
        ".globl gr_stub_area\n"
        ".hidden gr_stub_area\n"
        "gr_stub_area:\n"
        ".fill " TEXT_OF(GR_STUB_AREA) ", 1, 0xcc\n"
                                       ".popsection\n");

/* --- decoding --- */

struct insn {
    size_t len;
    size_t disp_at; /* offset of a displacement relative to the next instruction; 0: none */
    size_t imm_len; /* bytes behind the displacement */
    enum { PLAIN, JUMP, CALL, BRANCH } kind;
    uint8_t condition;  /* of a BRANCH */
    const uint8_t *dst; /* of everything but PLAIN */
};

struct prefixes {
    bool size16;
    bool wide; /* REX.W */
};

static int32_t read32(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* Length of the ModRM byte at @p[@at] with what belongs to it; notes a displacement from rip. */
static size_t modrm(const uint8_t *p, size_t at, struct insn *in)
{
    uint8_t mod = p[at] >> 6;
    uint8_t rm = p[at] & 7;
    if (mod == 3) {
        return 1;
    }
    size_t len = 1;
    if (rm == 4) {
        uint8_t base = p[at + 1] & 7;
        len = base == 5 && mod == 0 ? 6 : 2;
    } else if (rm == 5 && mod == 0) {
        in->disp_at = at + 1;
        return 5;
    }
    return len + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

/* Opcodes with a ModRM byte and no immediate. */
static bool takes_modrm(uint8_t op)
{
    return (op < 0x40 && (op & 7) < 4) || op == 0x63 || (op >= 0x84 && op <= 0x8b) || op == 0x8d;
}

/* Bytes of the immediate of @op with ModRM byte @m; -1: not one of those opcodes. */
static int group_immediate(uint8_t op, uint8_t m)
{
    switch (op) {
    case 0x80:
    case 0x83:
    case 0xc0:
    case 0xc1:
    case 0xc6:
        return 1;
    case 0x81:
    case 0xc7:
        return 4;
    case 0xd1:
    case 0xd3:
        return 0;
    case 0xf6:
        return (m >> 3 & 7) < 2 ? 1 : 0; /* test, else not, neg, mul, div */
    case 0xf7:
        return (m >> 3 & 7) < 2 ? 4 : 0;
    case 0xff:
        return (m >> 3 & 7) < 2 || (m >> 3 & 7) == 6 ? 0 : -1; /* inc, dec, push */
    default:
        return -1;
    }
}

/* Two-byte opcodes 0f xx with a ModRM byte and no immediate: moves, extensions, comparisons. */
static bool takes_modrm_0f(uint8_t op)
{
    return op == 0x10 || op == 0x11 || op == 0x1f || op == 0x28 || op == 0x29 || op == 0x57 ||
           op == 0x6e || op == 0x6f || op == 0x7e || op == 0x7f || op == 0xef ||
           (op & 0xf0) == 0x40 || op == 0xaf || op == 0xb0 || op == 0xb1 || op == 0xb6 ||
           op == 0xb7 || op == 0xbe || op == 0xbf || op == 0xc0 || op == 0xc1;
}

static size_t branch(struct insn *in, int kind, const uint8_t *p, size_t at, size_t width)
{
    in->kind = kind;
    in->dst = p + at + width + (width == 1 ? (int8_t)p[at] : read32(p + at));
    return at + width;
}

static size_t decode_0f(const uint8_t *p, size_t at, struct insn *in)
{
    uint8_t op = p[at++];
    if (op == 0x05) {
        return at; /* syscall */
    }
    if ((op & 0xf0) == 0x80) {
        in->condition = op & 15;
        return branch(in, BRANCH, p, at, 4);
    }
    return takes_modrm_0f(op) ? at + modrm(p, at, in) : 0;
}

/* Opcodes that have neither prefix byte 0f nor ModRM. */
static size_t decode_simple(const uint8_t *p, uint8_t op, size_t at, const struct prefixes *pre,
                            struct insn *in)
{
    if ((op >= 0x50 && op <= 0x5f) || op == 0x90) {
        return at; /* push, pop, nop */
    }
    if (op >= 0xb8 && op <= 0xbf) {
        return at + (pre->wide ? 8 : pre->size16 ? 2 : 4);
    }
    if (op == 0x6a || op == 0xa8 || (op < 0x40 && (op & 7) == 4)) {
        return at + 1; /* push, test, arithmetic with al */
    }
    if (op == 0x68 || op == 0xa9 || (op < 0x40 && (op & 7) == 5)) {
        return at + (pre->size16 ? 2 : 4);
    }
    if ((op & 0xf0) == 0x70) {
        in->condition = op & 15;
        return branch(in, BRANCH, p, at, 1);
    }
    switch (op) {
    case 0xe8:
        return branch(in, CALL, p, at, 4);
    case JMP:
        return branch(in, JUMP, p, at, 4);
    case 0xeb:
        return branch(in, JUMP, p, at, 1);
    default:
        return 0;
    }
}

/* The instruction at @p. False: not a form that is known here. */
static bool decode(const uint8_t *p, struct insn *in)
{
    struct prefixes pre = {0};
    size_t at = 0;
    *in = (struct insn){0};
    for (;; at++) {
        if (p[at] == 0x66) {
            pre.size16 = true;
        } else if (p[at] != 0x64 && p[at] != 0xf0 && p[at] != 0xf2 && p[at] != 0xf3) {
            break;
        }
    }
    if ((p[at] & 0xf0) == 0x40) {
        pre.wide = p[at] & 8;
        at++;
    }
    uint8_t op = p[at++];
    if (op == 0x0f) {
        in->len = decode_0f(p, at, in);
    } else if (takes_modrm(op)) {
        in->len = at + modrm(p, at, in);
    } else if (group_immediate(op, p[at]) >= 0) {
        int imm = group_immediate(op, p[at]);
        in->imm_len = imm == 4 && pre.size16 ? 2 : (size_t)imm;
        in->len = at + modrm(p, at, in) + in->imm_len;
    } else {
        in->len = decode_simple(p, op, at, &pre, in);
    }
    return in->len != 0;
}

/* --- emitting --- */

struct out {
    uint8_t *code;
    uintptr_t at; /* where code[0] will lie */
    size_t n;
    bool far; /* some distance does not fit into 32 bits */
};

static void emit(struct out *o, const void *bytes, size_t n)
{
    memcpy(o->code + o->n, bytes, n);
    o->n += n;
}

/* A displacement that leads to @dst, with @behind bytes of the instruction after it. */
static void emit_rel(struct out *o, uintptr_t dst, size_t behind)
{
    int64_t rel = (int64_t)(dst - (o->at + o->n + 4 + behind));
    int32_t low = (int32_t)rel;
    o->far |= low != rel;
    emit(o, &low, sizeof(low));
}

static void emit_jump(struct out *o, uintptr_t dst)
{
    emit(o, &(uint8_t){JMP}, 1);
    emit_rel(o, dst, 0);
}

/* push the return address, kept behind the jump; jump */
static void emit_call(struct out *o, uintptr_t dst, uintptr_t back)
{
    emit(o, "\xff\x35", 2);
    emit_rel(o, o->at + o->n + 4 + JMP_LEN, 0);
    emit_jump(o, dst);
    emit(o, &back, sizeof(back));
}

static void emit_insn(struct out *o, const uint8_t *p, const struct insn *in)
{
    if (in->kind == BRANCH) {
        emit(o, (uint8_t[]){0x0f, 0x80 | in->condition}, 2);
        emit_rel(o, (uintptr_t)in->dst, 0);
    } else if (in->kind == JUMP) {
        emit_jump(o, (uintptr_t)in->dst);
    } else if (in->kind == CALL) {
        emit_call(o, (uintptr_t)in->dst, (uintptr_t)p + in->len);
    } else if (in->disp_at) {
        const uint8_t *disp = p + in->disp_at;
        emit(o, p, in->disp_at);
        emit_rel(o, (uintptr_t)p + in->len + (uintptr_t)(intptr_t)read32(disp), in->imm_len);
        emit(o, disp + 4, in->imm_len);
    } else {
        emit(o, p, in->len);
    }
}

/* --- planning --- */

static bool is_inside(ptrdiff_t to, size_t len)
{
    return to > 0 && to < (ptrdiff_t)len;
}

/* May an instruction begin at offset @at? Only if all before it are known can that be denied. */
static bool may_begin(const uint8_t *p, size_t at)
{
    size_t n = 0;
    for (struct insn in; n < at; n += in.len) {
        if (!decode(p + n, &in)) {
            return true;
        }
    }
    return n == at;
}

/*
 * Does the function come back into its first @len bytes, other than to the very first? Every byte
 * is looked at as if a branch began there: the short forms reach 128 bytes back, and a long one
 * back ends in a byte of ones.
 */
static bool comes_back(const uint8_t *p, size_t size, size_t len)
{
    for (size_t i = len; i + 1 < size && i < 128 + len; i++) {
        if (((p[i] & 0xf0) == 0x70 || p[i] == 0xeb) &&
            is_inside((ptrdiff_t)i + 2 + (int8_t)p[i + 1], len) && may_begin(p, i)) {
            return true;
        }
    }
    const uint8_t *q = p + len + 4;
    const uint8_t *end = p + size;
    while (q < end && (q = memchr(q, 0xff, (size_t)(end - q)))) {
        bool branches = q[-4] == JMP || (q[-5] == 0x0f && (q[-4] & 0xf0) == 0x80);
        q++;
        if (branches && is_inside(q - p + read32(q - 4), len)) {
            return true;
        }
    }
    return false;
}

/* Move the instructions that cover the first @need bytes at @p. Returns how many bytes they are, 0
 * with *@why. */
static size_t move(const uint8_t *p, size_t size, size_t need, struct out *o, const char **why)
{
    size_t len = 0;
    bool ends = false; /* nothing behind the last one is reached through it */
    while (len < need) {
        struct insn in;
        if (ends || !decode(p + len, &in) || len + in.len > size) {
            *why = "begins with unknown instructions";
            return 0;
        }
        if (in.kind != PLAIN && in.dst >= p && in.dst < p + need) {
            *why = "branches within its first bytes";
            return 0;
        }
        emit_insn(o, p + len, &in);
        ends = in.kind == JUMP || in.kind == CALL;
        len += in.len;
    }
    if (comes_back(p, size, len)) {
        *why = "comes back to its first bytes";
        return 0;
    }
    if (!ends) {
        emit_jump(o, (uintptr_t)p + len);
    }
    return len;
}

/* Is there room for a jump in the padding that ends at @p? */
static bool padding_before(const uint8_t *p)
{
    static const char nop7[] = "\x0f\x1f\x80\0\0\0";
    static const char nop8[] = "\x0f\x1f\x84\0\0\0\0";
    return memcmp(p - 7, nop7, 7) == 0 || memcmp(p - 8, nop8, 8) == 0 ||
           memcmp(p - JMP_LEN, "\x90\x90\x90\x90\x90", JMP_LEN) == 0;
}

size_t gr_hook_plan(struct gr_hook *h, uint8_t *out, uintptr_t stub, const char **why)
{
    const uint8_t *p = h->entry;
    size_t size = h->size;
    if (size >= 4 && memcmp(p, ENDBR64, 4) == 0) {
        p += 4;
        size -= 4;
    }
    struct out o = {.code = out, .at = stub};
    struct out hook = {.code = h->code, .at = (uintptr_t)p};
    h->at = (uint8_t *)p;
    if (!move(p, size, JMP_LEN, &o, why)) {
        /* A short jump to a long one in the padding needs only two bytes. */
        o = (struct out){.code = out, .at = stub};
        if (p != h->entry || !padding_before(p) || !move(p, size, 2, &o, why)) {
            return 0;
        }
        h->at -= JMP_LEN;
        hook.at -= JMP_LEN;
        emit_jump(&hook, h->own);
        emit(&hook, (uint8_t[]){0xeb, (uint8_t)(-JMP_LEN - 2)}, 2);
    } else {
        emit_jump(&hook, h->own);
    }
    h->len = hook.n;
    if (o.far || hook.far) {
        *why = "lies too far from this library";
        return 0;
    }
    return o.n;
}

bool gr_hook_plan_empty(struct gr_hook *h, const char **why)
{
    const uint8_t *p = h->entry;
    if (memcmp(p, ENDBR64, 4) == 0) {
        p += 4;
    }
    /* Functions begin at multiples of 16. What follows the return up to there is padding. */
    size_t end = (size_t)(p - h->entry) + 1;
    if (*p != RET || h->size != end || (uintptr_t)h->entry % 16 || end - 1 + JMP_LEN > 16 ||
        (p[1] != 0x66 && p[1] != 0x0f && p[1] != 0x90 && p[1] != 0xcc)) {
        *why = "is not as expected";
        return false;
    }
    struct out hook = {.code = h->code, .at = (uintptr_t)p};
    h->at = (uint8_t *)p;
    emit_jump(&hook, h->own);
    h->len = hook.n;
    if (hook.far) {
        *why = "lies too far from this library";
    }
    return !hook.far;
}
