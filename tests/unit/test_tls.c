/* Thread-local storage of greens. */
#include "runtime/core/tls.h"

#include "sync.h"

#include <ctype.h>
#include <dlfcn.h>
#include <locale.h>
#include <malloc.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>

TestSuite(tls, .init = start, .timeout = 60);

static __thread int counter = 42;
static __thread char text[64] = "as initialised";
static __thread int zero;
static __thread char aligned[64] __attribute__((aligned(64)));

static atomic_int failed;

/* Checks inside greens count failures; the test asserts that there were none. */
#define CHECK(c) ((void)((c) || (fprintf(stderr, "line %d: %s\n", __LINE__, #c), failed++)))

static void *look(void *arg)
{
    (void)arg;
    CHECK(errno == 0);
    CHECK(h_errno == 0);
    CHECK(counter == 42);
    CHECK(strcmp(text, "as initialised") == 0);
    CHECK(zero == 0);
    CHECK((uintptr_t)aligned % 64 == 0);
    return &counter;
}

static void *spoil(void *arg)
{
    look(arg);
    errno = EDOM;
    h_errno = NO_DATA;
    counter = -1;
    zero = 7;
    memset(text, 'x', sizeof(text));
    memset(aligned, 'x', sizeof(aligned));
    return &counter;
}

Test(tls, variables_begin_as_initialised)
{
    counter = 1;
    zero = 1;
    errno = ERANGE;
    join(spawn(look, NULL));
    cr_assert_eq(failed, 0);
}

Test(tls, variables_of_greens_are_their_own)
{
    int *where[10];
    struct green *g[10];
    for (int i = 0; i < 10; i++) {
        g[i] = spawn(spoil, NULL);
    }
    for (int i = 0; i < 10; i++) {
        where[i] = join(g[i]);
        cr_assert_neq(where[i], &counter);
        for (int k = 0; k < i; k++) {
            cr_assert_neq(where[i], where[k]);
        }
    }
    cr_assert_eq(failed, 0);
    cr_assert_eq(counter, 42, "main's was changed");
    cr_assert_str_eq(text, "as initialised");
}

Test(tls, block_used_again_looks_new)
{
    int *first = join(spawn(spoil, NULL));
    int *second = join(spawn(spoil, NULL));
    cr_assert_eq(first, second, "not the block of before: this test shows nothing");
    cr_assert_eq(failed, 0);
}

static void *keep_errno(void *arg)
{
    int mine = (int)(intptr_t)arg;
    for (int i = 0; i < 100; i++) {
        errno = mine;
        counter = mine;
        gr_yield();
        CHECK(errno == mine && counter == mine);
    }
    return NULL;
}

Test(tls, errno_survives_switches)
{
    struct green *g[20];
    for (int i = 0; i < 20; i++) {
        g[i] = spawn(keep_errno, (void *)(intptr_t)(i + 1));
    }
    errno = EDOM;
    for (int i = 0; i < 100; i++) {
        gr_yield();
        cr_assert_eq(errno, EDOM);
    }
    for (int i = 0; i < 20; i++) {
        join(g[i]);
    }
    cr_assert_eq(failed, 0);
}

/* --- identity --- */

static void *note_self(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    CHECK(pthread_equal(pthread_self(), gr_green_thread(gr_self)));
    CHECK(gr_green_of(pthread_self()) == gr_self);
    gr_yield();
    return gr_self;
}

Test(tls, pthread_self_names_the_green)
{
    pthread_t inside[2];
    struct green *g[] = {spawn(note_self, &inside[0]), spawn(note_self, &inside[1])};
    pthread_t outside[] = {gr_green_thread(g[0]), gr_green_thread(g[1])};
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(join(g[i]), g[i]);
        cr_assert(pthread_equal(inside[i], outside[i]));
        cr_assert(!pthread_equal(inside[i], pthread_self()));
    }
    cr_assert(!pthread_equal(inside[0], inside[1]));
    cr_assert_eq(gr_green_of(pthread_self()), gr_self);
    cr_assert_eq(failed, 0);
}

static void *note_none(void *arg)
{
    *(struct green **)arg = gr_green_of(pthread_self());
    return NULL;
}

Test(tls, kernel_thread_is_no_green)
{
    struct green *g = gr_self;
    join_foreign(foreign(note_none, &g));
    cr_assert_null(g);
}

static void *check_bounds(void *arg)
{
    pthread_attr_t attr;
    void *low = NULL;
    size_t size = 0;
    size_t guard = 0;
    char here;
    size_t asked = *(size_t *)arg;
    CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
    CHECK(pthread_attr_getstack(&attr, &low, &size) == 0);
    CHECK(pthread_attr_getguardsize(&attr, &guard) == 0);
    CHECK(&here >= (char *)low && &here < (char *)low + size);
    CHECK(size >= asked);
    CHECK(guard == 8192);
    /* Everything that is said to be there is there, down to the guard. */
    CHECK(&here - ((char *)low + guard) > (ptrdiff_t)(asked / 2));
    *(volatile char *)((char *)low + guard) = 1;
    pthread_attr_destroy(&attr);
    return NULL;
}

Test(tls, stack_bounds_are_those_of_the_green)
{
    size_t sizes[] = {65536, 262144, 1 << 20};
    for (int i = 0; i < 3; i++) {
        struct gr_green_attr attr = {.stack_size = sizes[i], .guard_size = 8192};
        struct green *g;
        cr_assert_eq(gr_green_new(&attr, check_bounds, &sizes[i], &g), 0);
        gr_green_start(g);
        join(g);
    }
    cr_assert_eq(failed, 0);
}

/* --- pthread keys --- */

/* More than fit the descriptor: the others are in blocks that libc allocates. */
#define N_KEYS 100

static pthread_key_t keys[N_KEYS];

static void make_keys(void)
{
    for (int i = 0; i < N_KEYS; i++) {
        cr_assert_eq(pthread_key_create(&keys[i], NULL), 0);
    }
}

static void *set_keys(void *arg)
{
    for (intptr_t i = 0; i < N_KEYS; i++) {
        CHECK(pthread_getspecific(keys[i]) == NULL);
        CHECK(pthread_setspecific(keys[i], (char *)arg + i) == 0);
    }
    gr_yield();
    for (intptr_t i = 0; i < N_KEYS; i++) {
        CHECK(pthread_getspecific(keys[i]) == (char *)arg + i);
    }
    gr_tls_clear_keys(gr_tp_get(), keys[N_KEYS - 1] + 1);
    for (intptr_t i = 0; i < N_KEYS; i++) {
        CHECK(pthread_getspecific(keys[i]) == NULL);
    }
    return NULL;
}

Test(tls, key_values_belong_to_the_green_until_cleared)
{
    make_keys();
    pthread_setspecific(keys[3], &failed);
    struct green *g[] = {spawn(set_keys, (void *)1000), spawn(set_keys, (void *)2000)};
    join(g[0]);
    join(g[1]);
    join(spawn(set_keys, (void *)3000));
    cr_assert_eq(failed, 0);
    cr_assert_eq(pthread_getspecific(keys[3]), &failed, "main's own was lost");
}

/* --- what libc keeps for a thread --- */

static void *use_own_locale(void *arg)
{
    locale_t c = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
    (void)arg;
    CHECK(uselocale(NULL) == LC_GLOBAL_LOCALE);
    CHECK(isalpha('a') && !isalpha('1'));
    CHECK(c != NULL);
    uselocale(c);
    gr_yield();
    CHECK(uselocale(NULL) == c);
    CHECK(isalpha('a') && !isalpha('1'));
    return &counter;
}

Test(tls, locale_is_the_greens_and_ends_with_it)
{
    struct green *g = spawn(use_own_locale, NULL);
    gr_yield();
    cr_assert_eq(uselocale(NULL), LC_GLOBAL_LOCALE);
    int *first = join(g);
    int *second = join(spawn(use_own_locale, NULL));
    cr_assert_eq(first, second, "not the block of before: this test shows nothing");
    cr_assert_eq(failed, 0);
}

static void *fail_to_load(void *arg)
{
    (void)arg;
    CHECK(dlerror() == NULL);
    CHECK(dlopen("/no/such/library.so", RTLD_NOW) == NULL);
    gr_yield();
    return &counter;
}

Test(tls, error_of_the_loader_is_not_inherited)
{
    join(spawn(fail_to_load, NULL));
    cr_assert_null(dlerror());
    join(spawn(fail_to_load, NULL));
    cr_assert_eq(failed, 0);
}

extern int __cxa_thread_atexit_impl(void (*dtor)(void *), void *obj, void *dso);
extern char __dso_handle __attribute__((visibility("hidden")));

static int destroyed[8];
static int n_destroyed;

static void destroy(void *obj)
{
    CHECK(gr_self != NULL && !gr_self->is_main);
    destroyed[n_destroyed++] = *(int *)obj;
}

static void *register_two(void *arg)
{
    static __thread int one = 1;
    static __thread int two = 2;
    (void)arg;
    __cxa_thread_atexit_impl(destroy, &one, &__dso_handle);
    __cxa_thread_atexit_impl(destroy, &two, &__dso_handle);
    gr_yield();
    CHECK(n_destroyed == 0);
    return NULL;
}

Test(tls, destructors_of_cxx_run_at_the_end_latest_first)
{
    join(spawn(register_two, NULL));
    cr_assert_eq(n_destroyed, 2);
    cr_assert_eq(destroyed[0], 2);
    cr_assert_eq(destroyed[1], 1);
    cr_assert_eq(failed, 0);
}

/* --- malloc --- */

static void *allocate(void *arg)
{
    void *mine[50];
    unsigned char tag = (unsigned char)(intptr_t)arg;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 50; i++) {
            mine[i] = malloc(16 + i * 8);
            memset(mine[i], tag, 16 + i * 8);
            if (i % 10 == 0) {
                gr_yield();
            }
        }
        for (size_t i = 0; i < 50; i++) {
            for (size_t k = 0; k < 16 + i * 8; k++) {
                CHECK(((unsigned char *)mine[i])[k] == tag);
            }
            free(mine[i]);
        }
    }
    return malloc(100);
}

Test(tls, malloc_may_be_used_by_all_and_freed_by_others)
{
    struct green *g[30];
    for (int i = 0; i < 30; i++) {
        g[i] = spawn(allocate, (void *)(intptr_t)(i + 1));
    }
    for (int i = 0; i < 30; i++) {
        free(join(g[i]));
    }
    cr_assert_eq(failed, 0);
}

static void *churn(void *arg)
{
    void *p = malloc(4000);
    memset(p, 1, 4000);
    free(p);
    return arg;
}

Test(tls, greens_that_come_and_go_leave_no_memory_behind)
{
    for (int i = 0; i < 100; i++) {
        join(spawn(churn, NULL));
    }
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 2000; i++) {
        join(spawn(churn, NULL));
    }
    cr_assert_leq(mallinfo2().uordblks, before + 4096);
}
