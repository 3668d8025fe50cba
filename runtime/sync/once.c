#include "runtime/sync/once.h"

#include "runtime/base/rawsys.h"

#define OURS (1 << 30)

struct attempt {
    int *word;
    int outcome;
};

static void wake_all(struct gr_bucket *b, const int *word)
{
    for (struct gr_waiter *w; (w = gr_lot_first(b, word)) != NULL;) {
        gr_lot_take(b, w);
        gr_wake(w);
    }
}

void gr_once_wake(const int *word)
{
    struct gr_bucket *b = gr_lot_lock(word);
    wake_all(b, word);
    gr_lot_unlock(b);
}

/* Runs also when the attempt is left by an exception or by the end of the thread: then the outcome
 * is 0. */
static void finish(struct attempt *a)
{
    struct gr_bucket *b = gr_lot_lock(a->word);
    GR_STORE(a->word, a->outcome);
    wake_all(b, a->word);
    gr_lot_unlock(b);
}

static void attempt(int *word, void (*init)(void))
{
    __attribute__((cleanup(finish))) struct attempt a = {.word = word};
    init();
    a.outcome = GR_ONCE_DONE;
}

/* Wait until @word is no longer @busy. */
static void wait_for(int *word, int busy)
{
    struct gr_waiter w;
    gr_waiter_init(&w, word);
    struct gr_bucket *b = gr_lot_lock(word);
    if (GR_LOAD(word) == busy) {
        (void)gr_lot_wait(b, &w, GR_FOREVER, 0, GR_WHY_ONCE);
    } else {
        gr_lot_unlock(b);
    }
}

void gr_once_slow(int *word, void (*init)(void))
{
    int mine = GR_ONCE_BUSY | OURS | (int)((unsigned)GR_SYS(SYS_getpid) << 2);
    int state = GR_LOAD(word);
    while (!(state & GR_ONCE_DONE)) {
        if (state == mine || ((state & GR_ONCE_BUSY) && !(state & OURS))) {
            wait_for(word, state);
            state = GR_LOAD(word);
        } else if (GR_CAS(word, state, mine)) {
            attempt(word, init);
            return;
        }
    }
}
