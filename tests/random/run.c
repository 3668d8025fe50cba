/* Carries out plans. Usage: see usage(). */
#include "run.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>

__thread struct self *self;

/* Reset for each thread, and looked at after each of its parts. */
static __thread unsigned char marks[64] = {[0 ... 63] = 0x5a};
static __thread int mark_count;

/* testlib's failures say who failed at what. */
const char *test_context(void)
{
    static __thread char text[120];

    if (!self || !self->step)
        return "";
    snprintf(text, sizeof(text),
             "seed %llu thread %d step %d %s role %d: ", (unsigned long long)self->world->plan.seed,
             self->number, self->step->number, self->step->kind->name, self->role);
    return text;
}

void gate_add(struct gate *gate, int n)
{
    CHECK_RC(pthread_mutex_lock(&gate->mutex), 0);
    gate->value += n;
    CHECK_RC(pthread_cond_broadcast(&gate->cond), 0);
    CHECK_RC(pthread_mutex_unlock(&gate->mutex), 0);
}

void gate_wait(struct gate *gate, int at_least)
{
    CHECK_RC(pthread_mutex_lock(&gate->mutex), 0);
    while (gate->value < at_least)
        CHECK_RC(pthread_cond_wait(&gate->cond, &gate->mutex), 0);
    CHECK_RC(pthread_mutex_unlock(&gate->mutex), 0);
}

void note(struct self *me, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    int head = snprintf(text, sizeof(text), "thread %d step %d %s: ", me->number, me->step->number,
                        me->step->kind->name);

    va_start(ap, fmt);
    size_t size = (size_t)(head + vsnprintf(text + head, sizeof(text) - (size_t)head - 1, fmt, ap));
    va_end(ap);
    CHECK(size < sizeof(text) - 1);
    text[size++] = '\n';
    if (me->used + size >= me->space) {
        me->space = me->space * 2 + 4096;
        me->log = realloc(me->log, me->space);
        CHECK(me->log);
    }
    memcpy(me->log + me->used, text, size + 1);
    me->used += size;
    me->log[me->used] = '\0';
}

void wander(struct random *random)
{
    unsigned what = below(random, 12);

    if (what < 4) {
        errno = (int)what + 1000;
        sched_yield();
        CHECK_EQ(errno, what + 1000);
    } else if (what == 4) {
        usleep(below(random, 300));
    } else if (what == 5) {
        struct timespec time = {0, below(random, 200000)};

        while (nanosleep(&time, &time) == -1)
            CHECK_EQ(errno, EINTR);
    } else if (what == 6) {
        AGAIN(poll(NULL, 0, (int)below(random, 2)));
    } else if (what == 7) {
        size_t size = below(random, 3000);
        unsigned char *data = malloc(size + 1);

        CHECK(data);
        fill_pattern(data, size, size);
        sched_yield();
        CHECK(pattern_ok(data, size, size));
        free(data);
    }
}

static void arrive(struct step *step)
{
    const struct kind *kind = step->kind;

    CHECK_RC(pthread_mutex_lock(&step->mutex), 0);
    if (step->arrived++ == 0) {
        if (kind->size > 0)
            CHECK(step->state = calloc(1, kind->size));
        if (kind->setup)
            kind->setup(step, step->state);
    }
    CHECK_RC(pthread_mutex_unlock(&step->mutex), 0);
}

static void leave(struct step *step)
{
    CHECK_RC(pthread_mutex_lock(&step->mutex), 0);
    if (++step->left == step->parts) {
        if (step->kind->teardown)
            step->kind->teardown(step, step->state);
        free(step->state);
        step->state = NULL;
        gate_add(&step->finished, 1);
    }
    CHECK_RC(pthread_mutex_unlock(&step->mutex), 0);
}

static void check_thread(struct self *me)
{
    CHECK(self == me && pthread_equal(pthread_self(), me->id));
    for (size_t i = 0; i < sizeof(marks); i++)
        CHECK_EQ(marks[i], me->pattern[i]);
    CHECK(pthread_getspecific(me->world->keys[0]) == (me->number ? me : NULL));
}

void run_parts(struct self *me)
{
    struct plan *plan = &me->world->plan;

    CHECK_EQ(me->number ? mark_count : 0, 0);
    mark_count = 1;
    for (size_t i = 0; i < sizeof(marks); i++) {
        CHECK_EQ(me->number ? marks[i] : 0x5a, 0x5a);
        me->pattern[i] = marks[i] = (unsigned char)(i * 7 + (size_t)me->number);
    }
    for (int i = 0; i < plan->n_parts; i++) {
        struct part *part = &plan->parts[i];
        struct step *step = part->step;

        if (part->thread != me->number)
            continue;
        me->step = step;
        me->role = part->role;
        arrive(step);
        if (step->kind->shape == LIFE && part->role == 1) {
            /* The thread's last part, which may not return: it leaves first. */
            leave(step);
            step->kind->part(me, step, part->role, step->state);
            return;
        }
        if ((step->kind->flags & AFTER) && part->role == 1)
            gate_wait(&step->begun, 1);
        step->kind->part(me, step, part->role, step->state);
        check_thread(me);
        if ((step->kind->flags & AFTER) && part->role == 0)
            gate_add(&step->begun, 1);
        leave(step);
    }
    CHECK_EQ(me->number, 0);
}

static void count_key(void *arg)
{
    struct self *me = arg;

    flag_add(&me->world->keys_destroyed, 1);
}

/* Sets its value again as often as destructors are called for it, and says then that the thread is
   at its end. */
static void last_key(void *arg)
{
    struct self *me = arg;

    if (++me->rounds < PTHREAD_DESTRUCTOR_ITERATIONS)
        CHECK_RC(pthread_setspecific(me->world->keys[2], me), 0);
    else
        gate_add(&me->ended, 1);
}

char *world_run(uint64_t seed, const struct options *options)
{
    struct world *world = calloc(1, sizeof(*world));
    struct self *was = self;
    char *log;
    size_t size = 0;

    CHECK(world);
    world->options = *options;
    plan_build(&world->plan, seed, options);
    for (int i = 0; i < N_LOCKS; i++)
        world->locks[i] = lock_new(i);
    for (int i = 0; i < 3; i++)
        CHECK_RC(pthread_key_create(&world->keys[i], i == 2 ? last_key : count_key), 0);
    world->selves = calloc(MAX_THREADS, sizeof(*world->selves));
    CHECK(world->selves);
    for (int i = 0; i < MAX_THREADS; i++) {
        struct self *me = &world->selves[i];

        me->world = world;
        me->number = i;
        CHECK_RC(pthread_mutex_init(&me->started.mutex, NULL), 0);
        CHECK_RC(pthread_mutex_init(&me->ended.mutex, NULL), 0);
        CHECK_RC(pthread_cond_init(&me->started.cond, NULL), 0);
        CHECK_RC(pthread_cond_init(&me->ended.cond, NULL), 0);
    }
    self = &world->selves[0];
    self->id = pthread_self();
    run_parts(self);
    self = was;

    CHECK_EQ(world->keys_destroyed, world->keys_set);
    log = strdup("");
    for (int i = 0; i < world->plan.n_threads; i++) {
        struct self *me = &world->selves[i];

        if (!me->log)
            continue;
        log = realloc(log, size + me->used + 1);
        CHECK(log);
        memcpy(log + size, me->log, me->used + 1);
        size += me->used;
        free(me->log);
    }
    for (int i = 0; i < N_LOCKS; i++)
        lock_end(world->locks[i]);
    for (int i = 0; i < 3; i++)
        CHECK_RC(pthread_key_delete(world->keys[i]), 0);
    free(world->selves);
    free(world);
    return log;
}

static int usage(void)
{
    fprintf(stderr, "usage: plan SEED [steps=N] [only=STEP,FROM-TO,...] [shallow] [print]\n"
                    "steps    at most so many steps\n"
                    "only     these steps\n"
                    "shallow  without steps that wait inside libc\n"
                    "print    the plan instead of running it\n");
    return 2;
}

/* "3,7-9" */
static bool parse_only(const char *text, bool *dropped)
{
    memset(dropped, true, MAX_STEPS);
    while (*text) {
        char *end;
        long from = strtol(text, &end, 10), to = from;

        if (end == text)
            return false;
        if (*end == '-')
            to = strtol(end + 1, &end, 10);
        for (long i = from; i <= to && i >= 0 && i < MAX_STEPS; i++)
            dropped[i] = false;
        if (*end != ',' && *end)
            return false;
        text = *end ? end + 1 : end;
    }
    return true;
}

/* How many of the program's are open; libraries that need some of their own take high numbers. */
static int low_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 1000; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void *cancel_self(void *arg)
{
    CHECK_RC(pthread_cancel(pthread_self()), 0);
    pthread_testcancel();
    return arg;
}

int test_main(void)
{
    static bool dropped[MAX_STEPS];
    struct options options = {.steps = MAX_STEPS, .dropped = dropped};
    bool print = false;
    char *end;

    if (test_argc < 2)
        return usage();
    uint64_t seed = strtoull(test_argv[1], &end, 0);
    if (*end)
        return usage();
    for (int i = 2; i < test_argc; i++) {
        const char *arg = test_argv[i];

        if (!strncmp(arg, "steps=", 6))
            options.steps = atoi(arg + 6);
        else if (!strncmp(arg, "only=", 5) && parse_only(arg + 5, dropped))
            continue;
        else if (!strcmp(arg, "shallow"))
            options.shallow = true;
        else if (!strcmp(arg, "print"))
            print = true;
        else
            return usage();
    }
    if (print) {
        struct plan *plan = malloc(sizeof(*plan));

        CHECK(plan);
        plan_build(plan, seed, &options);
        plan_print(plan);
        free(plan);
        return 0;
    }

    /* glibc sets the handler for cancellation with the first one: not in a child forked meanwhile.
     */
    pthread_t thread = start(cancel_self, NULL);
    CHECK(finish(thread) == PTHREAD_CANCELED);
    int descriptors = low_descriptors();

    signals_prepare();
    char *log = world_run(seed, &options);
    CHECK_EQ(low_descriptors(), descriptors);
    CHECK_ERRNO(wait(NULL), ECHILD);
    fputs(log, stdout);
    free(log);
    return 0;
}
