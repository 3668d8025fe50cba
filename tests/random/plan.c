#include "plan.h"

static const struct kind *const families[] = {lock_kinds,    meeting_kinds, channel_kinds,
                                              timeout_kinds, signal_kinds,  process_kinds,
                                              cancel_kinds};
#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

/* splitmix64 */
static uint64_t next(struct random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

unsigned below(struct random *random, unsigned limit)
{
    return (unsigned)((next(random) >> 32) * limit >> 32);
}

struct random step_random(const struct step *step, int role)
{
    struct random random = {step->seed + (uint64_t)(role + 1) * 0x632be59bd9b4e019};

    next(&random);
    return random;
}

/* The state of building: which threads live, and what is begun and not ended. */
struct builder {
    struct plan *plan;
    const struct options *options;
    struct random random;
    int alive[MAX_THREADS], n_alive;
    bool doomed[MAX_THREADS];
    struct step *life[MAX_THREADS]; /* the step that makes it; NULL: main */
    struct step *holder[N_LOCKS];   /* open HOLD steps */
    struct {
        struct step *step;
        int after; /* steps */
    } open[MAX_STEPS];
    int n_open;
};

static void add_part(struct builder *b, struct step *step, int role)
{
    struct plan *plan = b->plan;

    CHECK(plan->n_parts < MAX_PARTS);
    step->parts++;
    plan->parts[plan->n_parts++] = (struct part){step->thread[role], role, step};
}

/* Ends the open step at this index. */
static void close_open(struct builder *b, int i)
{
    struct step *step = b->open[i].step;

    b->open[i] = b->open[--b->n_open];
    add_part(b, step, 1);
    if (step->lock >= 0)
        b->holder[step->lock] = NULL;
}

static void end_thread(struct builder *b, int index)
{
    int thread = b->alive[index];
    struct step *life = b->life[thread];

    for (int i = b->n_open - 1; i >= 0; i--)
        if (b->open[i].step->thread[0] == thread || b->open[i].step->thread[1] == thread)
            close_open(b, i);
    b->alive[index] = b->alive[--b->n_alive];
    add_part(b, life, 1);
    life->thread[2] = b->alive[below(&b->random, (unsigned)b->n_alive)];
    add_part(b, life, 2);
}

/* Different living threads for the roles from first on. */
static void choose_threads(struct builder *b, struct step *step, int first, int count)
{
    for (int role = first; role < count; role++) {
    again:
        step->thread[role] = b->alive[below(&b->random, (unsigned)b->n_alive)];
        for (int i = 0; i < role; i++)
            if (step->thread[i] == step->thread[role])
                goto again;
    }
    step->roles = count;
}

static int free_lock(struct builder *b, bool held)
{
    int start = (int)below(&b->random, N_LOCKS);

    for (int i = 0; i < N_LOCKS; i++)
        if ((b->holder[(start + i) % N_LOCKS] != NULL) == held)
            return (start + i) % N_LOCKS;
    return -1;
}

/* Gives the step its threads and its lock; false if there are none for it now. */
static bool cast(struct builder *b, struct step *step)
{
    const struct kind *kind = step->kind;
    int most = kind->max < b->n_alive ? kind->max : b->n_alive;

    if (kind->flags & LOCKS) {
        step->lock = free_lock(b, kind->shape == PROBE);
        if (step->lock < 0)
            return false;
    }
    switch (kind->shape) {
    case ALONE:
        choose_threads(b, step, 0, 1);
        return true;
    case LATER:
        choose_threads(b, step, 0, 1);
        step->thread[1] = b->alive[below(&b->random, (unsigned)b->n_alive)];
        step->roles = 2;
        return true;
    case HOLD:
        choose_threads(b, step, 0, 1);
        step->thread[1] = step->thread[0];
        step->roles = 2;
        return true;
    case PROBE:
        if (most < 2)
            return false;
        step->thread[0] = b->holder[step->lock]->thread[0];
        step->needs = b->holder[step->lock]->number;
        choose_threads(b, step, 1, 2 + (int)below(&b->random, (unsigned)(most - 1)));
        return true;
    case LIFE:
        if (b->plan->n_threads == MAX_THREADS)
            return false;
        choose_threads(b, step, 0, 1);
        step->thread[1] = b->plan->n_threads++;
        step->roles = 3;
        b->life[step->thread[1]] = step;
        return true;
    case TOGETHER:
        if (most < kind->min)
            return false;
        choose_threads(b, step, 0,
                       kind->min + (int)below(&b->random, (unsigned)(most - kind->min + 1)));
        if (kind->flags & DOOMS) {
            int thread = step->thread[1];

            if (thread == 0 || b->doomed[thread])
                return false;
            b->doomed[thread] = true;
        }
        return true;
    }
    return false;
}

static const struct kind *choose_kind(struct builder *b)
{
    int sum = 0, life = b->n_alive < 4 ? 60 : 16;
    const struct options *o = b->options;
    unsigned without = (o->shallow ? DEEP : 0) | (o->inside ? HEAVY : 0);

    for (int pass = 0, at = 0;; pass++) {
        int total = life;

        if (pass == 1 && at < life)
            return &thread_kind;
        for (size_t f = 0; f < N_FAMILIES; f++)
            for (const struct kind *k = families[f]; k->name; k++) {
                if (k->flags & without)
                    continue;
                total += k->weight;
                if (pass == 1 && at < total)
                    return k;
            }
        sum = total;
        at = (int)below(&b->random, (unsigned)sum);
    }
}

static void add_step(struct builder *b)
{
    struct plan *plan = b->plan;
    struct step *step = &plan->steps[plan->n_steps];

    do {
        *step = (struct step){.kind = choose_kind(b),
                              .number = plan->n_steps,
                              .seed = next(&b->random),
                              .lock = -1,
                              .needs = -1,
                              .mutex = PTHREAD_MUTEX_INITIALIZER,
                              .begun = GATE_INITIALIZER,
                              .finished = GATE_INITIALIZER};
    } while (!cast(b, step));
    plan->n_steps++;
    if (step->kind->shape == LIFE)
        b->alive[b->n_alive++] = step->thread[1];
    if (step->kind->shape == LATER || step->kind->shape == HOLD || step->kind->shape == LIFE) {
        add_part(b, step, 0);
        if (step->kind->shape == LIFE)
            return;
        b->open[b->n_open].step = step;
        b->open[b->n_open++].after = 1 + (int)below(&b->random, 12);
        if (step->lock >= 0)
            b->holder[step->lock] = step;
        return;
    }
    for (int role = 0; role < step->roles; role++)
        add_part(b, step, role);
}

static bool gone(struct builder *b, int thread)
{
    return b->life[thread] && b->life[thread]->dropped;
}

/* A step goes with its threads and with the step it needs. */
static void drop(struct builder *b)
{
    struct plan *plan = b->plan;
    int kept = 0;

    for (int i = 0; i < plan->n_steps; i++) {
        struct step *step = &plan->steps[i];

        step->dropped = b->options->dropped && b->options->dropped[i];
        if (step->needs >= 0 && plan->steps[step->needs].dropped)
            step->dropped = true;
        for (int role = 0; role < step->roles; role++) {
            bool joiner = step->kind->shape == LIFE && role == 2;

            if (!joiner && b->life[step->thread[role]] != step)
                step->dropped |= gone(b, step->thread[role]);
        }
    }
    for (int i = 0; i < plan->n_parts; i++) {
        struct part part = plan->parts[i];

        if (part.step->dropped)
            continue;
        if (gone(b, part.thread)) /* a joiner: main takes its place */
            part.thread = part.step->thread[part.role] = 0;
        plan->parts[kept++] = part;
    }
    plan->n_parts = kept;
}

void plan_build(struct plan *plan, uint64_t seed, const struct options *options)
{
    struct builder b = {.plan = plan, .options = options, .random = {seed}, .n_alive = 1};
    int steps = 10 + (int)below(&b.random, options->inside ? 20 : 100);

    memset(plan, 0, sizeof(*plan));
    plan->seed = seed;
    plan->n_threads = 1;
    if (steps > options->steps)
        steps = options->steps;
    while (plan->n_steps < steps) {
        add_step(&b);
        for (int i = b.n_open - 1; i >= 0; i--)
            if (--b.open[i].after <= 0)
                close_open(&b, i);
        if (b.n_alive > 1 && below(&b.random, 25) == 0)
            end_thread(&b, 1 + (int)below(&b.random, (unsigned)b.n_alive - 1));
    }
    while (b.n_open > 0)
        close_open(&b, b.n_open - 1);
    while (b.n_alive > 1)
        end_thread(&b, 1 + (int)below(&b.random, (unsigned)b.n_alive - 1));
    drop(&b);
}

void plan_print(const struct plan *plan)
{
    for (int i = 0; i < plan->n_parts; i++) {
        const struct part *part = &plan->parts[i];

        printf("thread %d: step %d %s, role %d of %d", part->thread, part->step->number,
               part->step->kind->name, part->role, part->step->roles);
        if (part->step->lock >= 0)
            printf(", lock %d", part->step->lock);
        printf("\n");
    }
}
