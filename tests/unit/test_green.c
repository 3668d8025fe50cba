/* Life and end of greens. */
#include "runtime/core/green.h"

#include "sync.h"

#include "child.h"
#include "runtime/core/signal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

TestSuite(green, .init = start, .timeout = 60);

static int ran;

static struct green *spawn_attr(const struct gr_green_attr *attr, void *(*fn)(void *), void *arg)
{
    struct green *g;
    cr_assert_eq(gr_green_new(attr, fn, arg, &g), 0);
    gr_green_start(g);
    return g;
}

static struct green *spawn_detached(void *(*fn)(void *), void *arg)
{
    return spawn_attr(&(struct gr_green_attr){.detached = true}, fn, arg);
}

static void *identity(void *arg)
{
    ran++;
    return arg;
}

static void *yield_some(void *arg)
{
    for (int i = 0; i < 3; i++) {
        gr_yield();
    }
    return identity(arg);
}

static void sleep_ms(int ms)
{
    (void)gr_sleep_until(gr_now() + MS(ms), 0);
}

/* A green that is there until it is let go. */
static struct gr_waiter gate;

static void *wait_at_gate(void *arg)
{
    gr_waiter_init(&gate, NULL);
    cr_assert_eq(gr_park(&gate, GR_FOREVER, 0, GR_WHY_SLEEP), 0);
    return arg;
}

static struct green *waiting(void *arg)
{
    struct green *g = spawn(wait_at_gate, arg);
    settle();
    return g;
}

/* --- start and join --- */

Test(green, join_gives_the_returned_value)
{
    int value;
    cr_assert_eq(join(spawn(identity, &value)), &value);
    cr_assert_null(join(spawn(identity, NULL)));
}

Test(green, join_waits_for_the_end)
{
    struct green *g = spawn(yield_some, &ran);
    cr_assert_eq(ran, 0);
    cr_assert_eq(join(g), &ran);
    cr_assert_eq(ran, 1);
}

Test(green, join_without_interest_in_the_value_works)
{
    struct green *g = spawn(yield_some, &ran);
    cr_assert_eq(gr_green_join(g, NULL, GR_FOREVER), 0);
    cr_assert_eq(ran, 1);
}

Test(green, does_not_run_before_it_is_started)
{
    struct gr_green_attr attr = {0};
    struct green *g;
    cr_assert_eq(gr_green_new(&attr, identity, NULL, &g), 0);
    settle();
    cr_assert_eq(ran, 0);
    gr_green_start(g);
    join(g);
    cr_assert_eq(ran, 1);
}

Test(green, ids_are_never_used_again)
{
    uint64_t last = gr_self->id;
    cr_assert_eq(last, 1, "main is 1");
    for (int i = 0; i < 10; i++) {
        struct green *g = spawn(identity, NULL);
        cr_assert_gt(g->id, last);
        last = g->id;
        join(g);
    }
}

static void *owner_id(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)gr_owner_id();
}

Test(green, owner_ids_differ_among_greens_and_kernel_threads)
{
    struct green *g[] = {spawn(owner_id, NULL), spawn(owner_id, NULL)};
    void *id[4] = {(void *)(intptr_t)gr_owner_id()};
    pthread_t t = foreign(owner_id, NULL);
    id[1] = join(g[0]);
    id[2] = join(g[1]);
    cr_assert_eq(pthread_join(t, &id[3]), 0);
    for (int i = 0; i < 4; i++) {
        cr_assert_gt((intptr_t)id[i], 0);
        for (int k = 0; k < i; k++) {
            cr_assert_neq(id[i], id[k]);
        }
    }
}

/* --- join errors --- */

Test(green, joining_oneself_is_edeadlk)
{
    cr_assert_eq(gr_green_join(gr_self, NULL, GR_FOREVER), -EDEADLK);
}

static void *join_self(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)gr_green_join(gr_self, NULL, GR_FOREVER);
}

Test(green, joining_oneself_while_being_joined_is_edeadlk)
{
    cr_assert_eq((intptr_t)join(spawn(join_self, NULL)), -EDEADLK);
}

static void *join_it(void *arg)
{
    return (void *)(intptr_t)gr_green_join(arg, NULL, GR_FOREVER);
}

Test(green, joining_each_other_is_edeadlk)
{
    cr_assert_eq((intptr_t)join(spawn(join_it, gr_self)), -EDEADLK);
}

Test(green, second_joiner_gets_einval)
{
    struct green *g = waiting(&ran);
    struct green *first = spawn(join_it, g);
    settle();
    cr_assert_eq(gr_green_join(g, NULL, GR_FOREVER), -EINVAL);
    cr_assert_eq(gr_green_tryjoin(g, NULL), -EINVAL);
    gr_wake(&gate);
    cr_assert_eq((intptr_t)join(first), 0);
}

Test(green, joining_a_detached_one_is_einval)
{
    struct green *g = spawn_detached(wait_at_gate, NULL);
    settle();
    cr_assert_eq(gr_green_join(g, NULL, GR_FOREVER), -EINVAL);
    cr_assert_eq(gr_green_tryjoin(g, NULL), -EINVAL);
    gr_wake(&gate);
    settle();
}

Test(green, joining_twice_is_esrch)
{
    struct green *g = spawn(identity, NULL);
    join(g);
    cr_assert_eq(gr_green_join(g, NULL, GR_FOREVER), -ESRCH);
    cr_assert_eq(gr_green_tryjoin(g, NULL), -ESRCH);
    cr_assert_eq(gr_green_detach(g), -ESRCH);
}

/* --- tryjoin and timeouts --- */

Test(green, tryjoin_of_a_running_one_is_ebusy)
{
    struct green *g = waiting(&ran);
    void *value = NULL;
    cr_assert_eq(gr_green_tryjoin(g, &value), -EBUSY);
    gr_wake(&gate);
    settle();
    cr_assert_eq(gr_green_tryjoin(g, &value), 0);
    cr_assert_eq(value, &ran);
}

Test(green, timed_join_ends_at_its_deadline_and_not_before)
{
    struct green *g = waiting(&ran);
    int64_t deadline = gr_now() + MS(20);
    cr_assert_eq(gr_green_join(g, NULL, deadline), -ETIMEDOUT);
    cr_assert_geq(gr_now(), deadline);
    gr_wake(&gate);
    cr_assert_eq(join(g), &ran, "still there to be joined");
}

Test(green, timed_join_of_an_ended_one_looks_at_no_clock)
{
    struct green *g = spawn(identity, &ran);
    void *value = NULL;
    settle();
    cr_assert_eq(gr_green_join(g, &value, 0), 0);
    cr_assert_eq(value, &ran);
}

/* --- detach --- */

Test(green, detached_one_releases_itself)
{
    struct gr_hub *h = gr_hub_here();
    for (int i = 0; i < 100; i++) {
        (void)spawn_detached(yield_some, NULL);
    }
    settle();
    cr_assert_eq(ran, 100);
    cr_assert_eq(h->n_greens, 1);
    unsigned cached = h->n_cached;
    for (int i = 0; i < 100; i++) {
        (void)spawn_detached(yield_some, NULL);
    }
    settle();
    cr_assert_eq(h->n_cached, cached, "none was used again");
}

Test(green, detach_of_a_running_one_lets_it_run_on)
{
    struct green *g = spawn(yield_some, NULL);
    cr_assert_eq(gr_green_detach(g), 0);
    cr_assert_eq(gr_green_detach(g), -EINVAL);
    settle();
    cr_assert_eq(ran, 1);
    cr_assert_eq(gr_hub_here()->n_greens, 1);
}

Test(green, detach_of_an_ended_one_releases_it)
{
    struct green *g = spawn(identity, NULL);
    settle();
    unsigned cached = gr_hub_here()->n_cached;
    cr_assert_eq(gr_green_detach(g), 0);
    cr_assert_eq(gr_hub_here()->n_cached, cached + 1);
}

static void *detach_self(void *arg)
{
    cr_assert_eq(gr_green_detach(gr_self), 0);
    return yield_some(arg);
}

Test(green, may_detach_itself)
{
    (void)spawn(detach_self, NULL);
    settle();
    cr_assert_eq(ran, 1);
    cr_assert_eq(gr_hub_here()->n_greens, 1);
}

/* --- pthread_exit --- */

static void cleanup(void *arg)
{
    ++*(int *)arg;
}

static volatile int deepest = 20;

static __attribute__((noinline)) int exit_deep_inside(int depth, void *value)
{
    volatile char frame[64];
    frame[0] = (char)depth;
    if (depth < deepest) {
        return exit_deep_inside(depth + 1, value) + frame[0];
    }
    if (depth == deepest) {
        gr_self->retval = value;
        pthread_exit(value);
    }
    return frame[0];
}

static void *exit_with_cleanup(void *arg)
{
    int *n = arg;
    pthread_cleanup_push(cleanup, n);
    exit_deep_inside(0, arg);
    pthread_cleanup_pop(0);
    return NULL;
}

Test(green, pthread_exit_runs_cleanup_handlers_and_gives_the_value)
{
    for (int i = 0; i < 3; i++) {
        int cleaned = 0;
        cr_assert_eq(join(spawn(exit_with_cleanup, &cleaned)), &cleaned);
        cr_assert_eq(cleaned, 1);
    }
}

static struct green *hooked;

static void hook(struct green *g)
{
    hooked = g;
    cr_assert_eq(g, gr_self, "on the green that ends");
    gr_yield();
}

Test(green, hook_runs_on_the_ending_green_and_may_switch)
{
    gr_green_on_exit = hook;
    struct green *g = spawn(identity, &ran);
    cr_assert_eq(join(g), &ran);
    cr_assert_eq(hooked, g);
    gr_green_on_exit = NULL;
}

/* --- many --- */

#define MANY 10000

Test(green, ten_thousand_at_once)
{
    struct green **g = calloc(MANY, sizeof(*g));
    struct gr_green_attr attr = {.stack_size = 32768, .guard_size = 4096};
    for (intptr_t i = 0; i < MANY; i++) {
        g[i] = spawn_attr(&attr, yield_some, (void *)i);
    }
    cr_assert_eq(gr_hub_here()->n_greens, MANY + 1);
    for (intptr_t i = 0; i < MANY; i++) {
        cr_assert_eq((intptr_t)join(g[i]), i);
    }
    cr_assert_eq(ran, MANY);
    cr_assert_eq(gr_hub_here()->n_greens, 1);
    free(g);
}

Test(green, one_after_the_other_uses_one_stack)
{
    struct green *first = spawn(identity, NULL);
    join(first);
    for (int i = 0; i < 1000; i++) {
        struct green *g = spawn(identity, NULL);
        cr_assert_eq(g, first);
        join(g);
    }
}

static void *spawn_tree(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    if (depth == 0) {
        return (void *)1;
    }
    struct green *left = spawn(spawn_tree, (void *)(depth - 1));
    struct green *right = spawn(spawn_tree, (void *)(depth - 1));
    return (void *)((intptr_t)join(left) + (intptr_t)join(right));
}

Test(green, may_make_and_join_others)
{
    cr_assert_eq((intptr_t)join(spawn(spawn_tree, (void *)8)), 256);
}

/* --- stacks --- */

static __attribute__((noinline)) int use_stack(size_t bytes)
{
    volatile char frame[1024];
    frame[0] = 1;
    int below = bytes > sizeof(frame) + 256 ? use_stack(bytes - sizeof(frame) - 256) : 0;
    return frame[0] + below;
}

static void *use_all(void *arg)
{
    /* Sanitizers make frames larger than they look. */
    return (void *)(intptr_t)use_stack((size_t)(intptr_t)arg / 2);
}

Test(green, stack_is_as_large_as_asked_for)
{
    static const size_t sizes[] = {32768, 65536, 1 << 20, 8 << 20};
    for (int i = 0; i < 4; i++) {
        struct gr_green_attr attr = {.stack_size = sizes[i], .guard_size = 4096};
        cr_assert_gt((intptr_t)join(spawn_attr(&attr, use_all, (void *)sizes[i])), 0);
    }
}

static void *where_am_i(void *arg)
{
    char here;
    gr_yield();
    *(uintptr_t *)arg = (uintptr_t)&here;
    errno = ENOENT;
    return arg;
}

Test(green, runs_on_the_stack_that_the_program_gives)
{
    size_t size = 128 << 10;
    uintptr_t at;
    char *mine = aligned_alloc(4096, size);
    struct gr_green_attr attr = {.stack_addr = mine, .stack_size = size};
    for (int i = 0; i < 3; i++) {
        memset(mine, 0xa5, size);
        cr_assert_eq(join(spawn_attr(&attr, where_am_i, &at)), &at);
        cr_assert_gt(at, (uintptr_t)mine);
        cr_assert_lt(at, (uintptr_t)mine + size);
    }
    free(mine);
}

Test(green, given_stack_is_left_alone_after_the_end)
{
    size_t size = 128 << 10;
    uintptr_t at;
    char *mine = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct gr_green_attr attr = {.stack_addr = mine, .stack_size = size};
    join(spawn_attr(&attr, where_am_i, &at));
    cr_assert_eq(munmap(mine, size), 0);
    for (int i = 0; i < 10; i++) {
        join(spawn(identity, NULL));
    }
    cr_assert_eq(ran, 10);
}

Test(green, detached_one_on_a_given_stack_lets_go_of_it)
{
    size_t size = 128 << 10;
    uintptr_t at = 0;
    char *mine = aligned_alloc(4096, size);
    struct gr_green_attr attr = {.stack_addr = mine, .stack_size = size, .detached = true};
    for (int i = 0; i < 3; i++) {
        (void)spawn_attr(&attr, where_am_i, &at);
        settle();
        sleep_ms(1);
        cr_assert_neq(at, 0);
        memset(mine, 0x5a, size);
    }
    cr_assert_eq(gr_hub_here()->n_greens, 1);
    free(mine);
}

Test(green, impossible_sizes_are_refused)
{
    struct green *g;
    char small[512];
    struct gr_green_attr tiny = {.stack_size = 64};
    struct gr_green_attr given = {.stack_addr = small, .stack_size = sizeof(small)};
    cr_assert_eq(gr_green_new(&tiny, identity, NULL, &g), -EINVAL);
    cr_assert_eq(gr_green_new(&given, identity, NULL, &g), -EINVAL);
    static const size_t huge[] = {SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX / 2, (size_t)1 << 50};
    for (int i = 0; i < 4; i++) {
        struct gr_green_attr large = {.stack_size = huge[i]};
        struct gr_green_attr guarded = {.guard_size = huge[i]};
        cr_assert_eq(gr_green_new(&large, identity, NULL, &g), -EAGAIN);
        cr_assert_eq(gr_green_new(&guarded, identity, NULL, &g), -EAGAIN);
    }
    cr_assert_eq(gr_hub_here()->n_greens, 1);
}

static __attribute__((noinline)) int overflow(volatile char *above)
{
    volatile char frame[512];
    frame[0] = above ? above[0] : 0;
    return deepest ? overflow(frame) + frame[0] : 0;
}

static void *overflow_here(void *arg)
{
    return (void *)(intptr_t)overflow(arg);
}

static void overflow_in_green(void *arg)
{
    gr_runtime_fork_child();
    dup2(*(int *)arg, 2);
    gr_sig_action(SIGSEGV, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    (void)join(spawn(overflow_here, NULL));
}

Test(green, overflow_of_a_stack_is_said_and_ends_the_process_as_a_fault)
{
    int p[2];
    char said[512] = "";
    cr_assert_eq(pipe(p), 0);
    int status = in_child(overflow_in_green, &p[1]);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "%x", (unsigned)status);
    close(p[1]);
    cr_assert_gt(read(p[0], said, sizeof(said) - 1), 0);
    cr_assert_not_null(strstr(said, "stack overflow in green thread"), "%s", said);
}

/* --- limits --- */

Test(green, number_is_limited_as_configured)
{
    struct gr_green_attr attr = {0};
    struct green *g[3];
    struct green *extra;
    gr_config.max_greens = 4; /* main counts */
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(gr_green_new(&attr, identity, NULL, &g[i]), 0);
    }
    cr_assert_eq(gr_green_new(&attr, identity, NULL, &extra), -EAGAIN);
    gr_green_start(g[0]);
    join(g[0]);
    cr_assert_eq(gr_green_new(&attr, identity, NULL, &g[0]), 0, "one has ended");
    cr_assert_eq(gr_green_new(&attr, identity, NULL, &extra), -EAGAIN);
    for (int i = 0; i < 3; i++) {
        gr_green_start(g[i]);
        join(g[i]);
    }
}

/* --- the end of the process --- */

static void *write_last_word(void *arg)
{
    gr_yield();
    (void)!write(*(int *)arg, "x", 1);
    return NULL;
}

static void end_main_first(void *arg)
{
    gr_runtime_fork_child();
    (void)spawn(write_last_word, arg);
    gr_green_exit(NULL);
}

Test(green, others_go_on_when_main_ends_and_the_last_ends_the_process)
{
    int p[2];
    char c;
    cr_assert_eq(pipe2(p, O_NONBLOCK), 0);
    int status = in_child(end_main_first, &p[1]);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", (unsigned)status);
    cr_assert_eq(read(p[0], &c, 1), 1);
}
