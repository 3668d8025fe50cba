/* Moving the first instructions of a function: what is understood, and what is refused. */
#include "shim/body.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__x86_64__)
#include "shim/body_x86_64.c" /* NOLINT(bugprone-suspicious-include) */

/* One page: functions at the beginning, stubs at STUBS, ours at OURS, data at DATA. */
#define STUBS 0x400
#define OURS  0x800
#define DATA  0xc00

static uint8_t *page;
static const char *why;
static struct gr_hook hook;

static void begin(void)
{
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(page != MAP_FAILED);
    memset(page, 0xcc, 4096);
    memcpy(page + OURS, "\xb8\x63\0\0\0\xc3", 6); /* return 99 */
    why = NULL;
}

TestSuite(body, .init = begin);

/* Plan and write the hook of the function at @at. The length of its stub. */
static size_t plan(size_t at, size_t size)
{
    hook = (struct gr_hook){.entry = page + at, .size = size, .own = (uintptr_t)page + OURS};
    size_t n = gr_hook_plan(&hook, page + STUBS, (uintptr_t)page + STUBS, &why);
    if (n) {
        memcpy(hook.at, hook.code, hook.len);
    }
    return n;
}

static long call(size_t at, long a, long b)
{
    long (*fn)(long, long);
    void *p = page + at;
    memcpy(&fn, &p, sizeof(fn));
    return fn(a, b);
}

#define FUNCTION(at, bytes)                                                                        \
    do {                                                                                           \
        memcpy(page + (at), (bytes), sizeof(bytes) - 1);                                           \
        cr_assert(plan((at), sizeof(bytes) - 1), "%s", why);                                       \
        cr_assert_eq(call((at), 1, 2), 99);                                                        \
    } while (0)

#define REFUSED(at, bytes, reason)                                                                 \
    do {                                                                                           \
        memcpy(page + (at), (bytes), sizeof(bytes) - 1);                                           \
        cr_assert_eq(plan((at), sizeof(bytes) - 1), 0);                                            \
        cr_assert_str_eq(why, reason);                                                             \
    } while (0)

Test(body, plain_instructions_move)
{
    /* push rbx; mov rbx, rdi; sub rsp, 16; add rsp, 16; lea rax, [rbx+rsi]; pop rbx; ret */
    FUNCTION(0, "\x53\x48\x89\xfb\x48\x83\xec\x10\x48\x83\xc4\x10\x48\x8d\x04\x33\x5b\xc3");
    cr_assert_eq(call(STUBS, 40, 2), 42);
}

Test(body, data_relative_to_the_instruction_is_found)
{
    /* cmpb [rip+DATA], 5; sete al; movzx eax, al; ret */
    FUNCTION(0, "\x80\x3d\xf9\x0b\0\0\x05\x0f\x94\xc0\x0f\xb6\xc0\xc3");
    page[DATA] = 5;
    cr_assert_eq(call(STUBS, 0, 0), 1);
    page[DATA] = 4;
    cr_assert_eq(call(STUBS, 0, 0), 0);
}

Test(body, short_branches_become_long_ones)
{
    /* cmp rdi, rsi; je +4; mov al, 1... : test rdi, rdi; je out; mov eax, 7; ret; out: mov eax, 8;
     * ret */
    FUNCTION(0, "\x48\x85\xff\x74\x06\xb8\x07\0\0\0\xc3\xb8\x08\0\0\0\xc3");
    cr_assert_eq(call(STUBS, 1, 0), 7);
    cr_assert_eq(call(STUBS, 0, 0), 8);
}

Test(body, calls_return_behind_the_old_place)
{
    /* at 0x100: mov rax, [rsp]; ret. At 0: sub rsp, 8; call 0x100; add rsp, 8; ret */
    memcpy(page + 0x100, "\x48\x8b\x04\x24\xc3", 5);
    FUNCTION(0, "\x48\x83\xec\x08\xe8\xf7\0\0\0\x48\x83\xc4\x08\xc3");
    cr_assert_eq(call(STUBS, 0, 0), (long)(page + 9), "the callee sees the original caller");
}

Test(body, tail_jumps_move)
{
    memcpy(page + 0x100, "\xb8\x0b\0\0\0\xc3", 6);
    FUNCTION(0, "\x31\xd2\xe9\xf9\0\0\0"); /* xor edx, edx; jmp 0x100 */
    cr_assert_eq(call(STUBS, 0, 0), 11);
}

Test(body, landing_pad_is_kept)
{
    /* endbr64; mov eax, 3; ret */
    FUNCTION(0, "\xf3\x0f\x1e\xfa\xb8\x03\0\0\0\xc3");
    cr_assert_eq(memcmp(page, ENDBR64, 4), 0);
    cr_assert_eq(call(STUBS, 0, 0), 3);
}

/* mov rax, [rdi]; top (+3): dec rsi; js out; inc rax; jmp top; out: ret */
#define LOOP "\x48\x8b\x07\x48\xff\xce\x78\x05\x48\xff\xc0\xeb\xf6\xc3"

Test(body, loop_into_the_first_bytes_takes_two_of_them)
{
    long value = 5;
    memcpy(page + 0x10 - 8, "\x0f\x1f\x84\0\0\0\0\0", 8);
    FUNCTION(0x10, LOOP);
    cr_assert_eq(hook.len, 7);
    cr_assert_eq(call(STUBS, (long)&value, 3), 8);
}

Test(body, bytes_that_look_like_a_branch_back_are_none)
{
    /* cmp edi, 1; ja out; jmp -0x48a (its distance begins with "jbe -5"); out: mov eax, 5; ret */
    FUNCTION(0x10, "\x83\xff\x01\x77\x05\xe9\x76\xfb\xff\xff\xb8\x05\0\0\0\xc3");
    cr_assert_eq(call(STUBS, 2, 0), 5);
}

Test(body, loop_into_the_first_bytes_needs_padding)
{
    REFUSED(0x10, LOOP, "comes back to its first bytes");
}

Test(body, unknown_beginnings_are_refused)
{
    REFUSED(0x10, "\xcc\x48\x89\xfb\xc3\xc3",
            "begins with unknown instructions"); /* a breakpoint */
    REFUSED(0x40, "\xc3\x90\x90\x90\x90\x90", "begins with unknown instructions"); /* ret */
    REFUSED(0x80, "\xff\x25\0\0\0\0\x90", "begins with unknown instructions"); /* another's hook */
    REFUSED(0xc0, "\x53\x5b\xc3", "begins with unknown instructions");         /* too short */
    REFUSED(0x100, "\x74\x01\x90\x90\x90\xc3", "branches within its first bytes");
}

Test(body, what_lies_too_far_is_refused)
{
    memcpy(page, "\xb8\x03\0\0\0\xc3", 6);
    hook = (struct gr_hook){.entry = page, .size = 6, .own = (uintptr_t)page + (1UL << 32)};
    cr_assert_eq(gr_hook_plan(&hook, page + STUBS, (uintptr_t)page + STUBS, &why), 0);
    cr_assert_str_eq(why, "lies too far from this library");
}
/* The loader's function for debuggers. */
static bool plan_empty(size_t at, size_t size, const char *bytes)
{
    memcpy(page + at, bytes, 16);
    hook = (struct gr_hook){.entry = page + at, .size = size, .own = (uintptr_t)page + OURS};
    if (!gr_hook_plan_empty(&hook, &why)) {
        return false;
    }
    memcpy(hook.at, hook.code, hook.len);
    return true;
}

Test(body, functions_that_only_return_lead_elsewhere)
{
    static const char *const good[] = {
        "\xc3\x66\x66\x2e\x0f\x1f\x84\0\0\0\0\0\x0f\x1f\x40\0",
        "\xc3\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90"};
    for (size_t i = 0; i < 2; i++) {
        cr_assert(plan_empty(0, 1, good[i]), "%s", why);
        cr_assert_eq(call(0, 1, 2), 99);
    }
    cr_assert(plan_empty(16, 5, "\xf3\x0f\x1e\xfa\xc3\x0f\x1f\x44\0\0\x0f\x1f\x44\0\0\x90"));
    cr_assert_eq(call(16, 1, 2), 99);
}

Test(body, functions_that_do_more_than_return_are_left)
{
    static const char ret[] = "\xc3\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90";
    static const char pop[] = "\x58\xc3\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90";
    static const char next[] = "\xc3\x55\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90";
    static const char trap[] = "\xcc\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90";
    cr_assert_not(plan_empty(0, 2, pop));
    cr_assert_not(plan_empty(0, 1, next)); /* another one begins there */
    cr_assert_not(plan_empty(0, 1, trap));
    cr_assert_not(plan_empty(0, 2, ret)); /* there is more of it */
    cr_assert_not(plan_empty(8, 1, ret)); /* what follows may be another's */
    cr_assert_str_eq(why, "is not as expected");
}

#else
#include "shim/body_aarch64.c" /* NOLINT(bugprone-suspicious-include) */

Test(body, other_machines_say_so)
{
    const char *why = NULL;
    uint8_t out[GR_STUB_MAX];
    struct gr_hook hook = {.entry = out, .size = sizeof(out)};
    cr_assert_eq(gr_hook_plan(&hook, out, (uintptr_t)out, &why), 0);
    cr_assert(why);
}
#endif
