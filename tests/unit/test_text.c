/* Writing into text: patches far and near, and nothing between them changes. */
#include "shim/text.c" /* NOLINT(bugprone-suspicious-include) */

#include <criterion/criterion.h>

#define SIZE (64 * 1024UL)

static uint8_t *text;
static uint8_t expected[SIZE];

static void begin(void)
{
    text = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(text != MAP_FAILED);
    for (size_t i = 0; i < SIZE; i++) {
        expected[i] = text[i] = (uint8_t)(i * 7);
    }
    cr_assert_eq(mprotect(text, SIZE, PROT_READ | PROT_EXEC), 0);
}

TestSuite(text, .init = begin);

static const size_t places[] = {0, 10, 11, 2040, 2050, 4090, 9000, 30000, 30010, SIZE - 5};
#define N (sizeof(places) / sizeof(*places))

static void make(struct gr_patch *patches)
{
    static const uint8_t bytes[] = {0xa1, 0xa2, 0xa3, 0xa4, 0xa5};
    for (size_t i = 0; i < N; i++) {
        size_t n = i + 1 < N && places[i + 1] - places[i] < 5 ? places[i + 1] - places[i] : 5;
        patches[i] = (struct gr_patch){.at = text + places[i], .bytes = bytes, .n = n};
        memcpy(expected + places[i], bytes, n);
    }
}

static void check(void (*way)(const struct job *))
{
    struct gr_patch patches[N];
    struct gr_text where = {(uintptr_t)text, (uintptr_t)text + SIZE};
    make(patches);
    struct job j = {patches, N, &where, 1};
    cr_assert_not(is_done(&j));
    way(&j);
    cr_assert(is_done(&j));
    cr_assert_eq(memcmp(text, expected, SIZE), 0);
}

Test(text, by_proc)
{
    check(by_proc);
}

Test(text, by_mprotect)
{
    check(by_mprotect);
}

Test(text, by_copy)
{
    check(by_copy);
}

Test(text, first_way_that_is_open)
{
    struct gr_patch patches[N];
    struct gr_text where = {(uintptr_t)text, (uintptr_t)text + SIZE};
    make(patches);
    cr_assert_str_eq(gr_text_write(patches, N, &where, 1), "/proc/self/mem");
    cr_assert_eq(memcmp(text, expected, SIZE), 0);
}

Test(text, no_way_is_open)
{
    /* Nothing is mapped here. */
    static const uint8_t bytes[] = {1, 2};
    uint8_t *hole = text;
    struct gr_text where = {(uintptr_t)text, (uintptr_t)text + SIZE};
    struct gr_patch patch = {.at = hole, .bytes = bytes, .n = 2};
    struct job j = {&patch, 1, &where, 1};
    (void)munmap(text, SIZE);
    by_proc(&j);
    by_mprotect(&j);
    cr_assert_eq(mprotect(text, SIZE, PROT_READ), -1, "nothing was made");
}
