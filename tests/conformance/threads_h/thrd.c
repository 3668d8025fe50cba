/* C11 threads.h: thrd, mtx, cnd, tss, call_once. */
#include "testlib.h"

#include <threads.h>

static mtx_t mutex, timed, recursive;
static cnd_t cond;
static tss_t tss;
static once_flag once = ONCE_FLAG_INIT;
static int once_calls, tokens, destroyed;
static thread_local int mine = 9;

static void call(void)
{
    thrd_sleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    once_calls++;
}

static void on_tss(void *value)
{
    flag_add(&destroyed, (int)(intptr_t)value);
}

static int body(void *arg)
{
    CHECK_EQ(mine, 9);
    mine = (int)(intptr_t)arg;
    call_once(&once, call);
    CHECK_EQ(once_calls, 1);
    CHECK(tss_get(tss) == NULL);
    CHECK_EQ(tss_set(tss, (void *)1), thrd_success);
    CHECK_EQ(mtx_lock(&mutex), thrd_success);
    while (tokens == 0)
        CHECK_EQ(cnd_wait(&cond, &mutex), thrd_success);
    tokens--;
    CHECK_EQ(mtx_unlock(&mutex), thrd_success);
    thrd_yield();
    CHECK_EQ(mine, (intptr_t)arg);
    if (mine % 2)
        thrd_exit(mine * 10);
    return mine;
}

static void *tell(void *told)
{
    CHECK_EQ(mtx_lock(&mutex), thrd_success);
    flag_set(told, 1);
    CHECK_EQ(cnd_signal(&cond), thrd_success);
    CHECK_EQ(mtx_unlock(&mutex), thrd_success);
    return NULL;
}

static int tell_by_another(void *told)
{
    return finish(start(tell, told)) != NULL;
}

/* The first thread of all is made by thrd_create(), and makes the next by pthread_create(). */
static void first_threads(void)
{
    thrd_t thread;
    int told = 0, value;

    CHECK_EQ(mtx_lock(&mutex), thrd_success);
    CHECK_EQ(thrd_create(&thread, tell_by_another, &told), thrd_success);
    while (!told)
        CHECK_EQ(cnd_wait(&cond, &mutex), thrd_success);
    CHECK_EQ(mtx_unlock(&mutex), thrd_success);
    CHECK_EQ(thrd_join(thread, &value), thrd_success);
    CHECK_EQ(value, 0);
}

static int hold_timed(void *arg)
{
    CHECK_EQ(mtx_lock(&timed), thrd_success);
    flag_set(arg, 1);
    flag_wait(arg, 2);
    CHECK_EQ(mtx_unlock(&timed), thrd_success);
    return -5;
}

int test_main(void)
{
    thrd_t threads[10];
    int value = 0, state = 0;
    struct timespec ts;

    CHECK_EQ(mtx_init(&mutex, mtx_plain), thrd_success);
    CHECK_EQ(mtx_init(&timed, mtx_timed), thrd_success);
    CHECK_EQ(mtx_init(&recursive, mtx_plain | mtx_recursive), thrd_success);
    CHECK_EQ(cnd_init(&cond), thrd_success);
    CHECK_EQ(tss_create(&tss, on_tss), thrd_success);
    first_threads();
    for (intptr_t i = 0; i < 10; i++)
        CHECK_EQ(thrd_create(&threads[i], body, (void *)i), thrd_success);
    settle();
    mtx_lock(&mutex);
    tokens = 4;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(cnd_signal(&cond), thrd_success);
    mtx_unlock(&mutex);
    settle();
    mtx_lock(&mutex);
    tokens += 6;
    CHECK_EQ(cnd_broadcast(&cond), thrd_success);
    mtx_unlock(&mutex);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(thrd_join(threads[i], &value), thrd_success);
        CHECK_EQ(value, i % 2 ? i * 10 : i);
    }
    CHECK_EQ(destroyed, 10);

    CHECK_EQ(thrd_create(&threads[0], hold_timed, &state), thrd_success);
    flag_wait(&state, 1);
    CHECK_EQ(mtx_trylock(&timed), thrd_busy);
    TAKES(39, ({
              ts = ts_after(CLOCK_REALTIME, 40);
              CHECK_EQ(mtx_timedlock(&timed, &ts), thrd_timedout);
          }));
    flag_set(&state, 2);
    CHECK_EQ(mtx_lock(&timed), thrd_success);
    CHECK_EQ(thrd_join(threads[0], &value), thrd_success);
    CHECK_EQ(value, -5);
    TAKES(39, ({
              ts = ts_after(CLOCK_REALTIME, 40);
              while ((value = cnd_timedwait(&cond, &timed, &ts)) == thrd_success)
                  ;
              CHECK_EQ(value, thrd_timedout);
          }));
    CHECK_EQ(mtx_unlock(&timed), thrd_success);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(mtx_lock(&recursive), thrd_success);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(mtx_unlock(&recursive), thrd_success);
    TAKES(40, CHECK_EQ(thrd_sleep(&(struct timespec){.tv_nsec = 40000000}, NULL), 0));
    CHECK(thrd_equal(thrd_current(), thrd_current()));
    CHECK_EQ(thrd_create(&threads[0], hold_timed, &state), thrd_success);
    CHECK_EQ(thrd_detach(threads[0]), thrd_success);
    tss_delete(tss);
    cnd_destroy(&cond);
    mtx_destroy(&mutex);
    mtx_destroy(&recursive);
    return 0;
}
