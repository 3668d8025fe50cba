/* Signals handled by greens. */
#include <green/event.h>
#include <green/green.h>
#include <green/signal.h>
#include <green/timeout.h>

#include "runtime/core/signal.h"
#include "sync.h"

#include <stdlib.h>

TestSuite(signal_handler, .init = start, .timeout = 60);

static struct green_event *came;
static int n_calls;
static int order[8];

static void *note(void *arg)
{
    order[n_calls++ % 8] = (int)(intptr_t)arg;
    cr_assert_eq(green_sleep(MS(1)), 0, "it may wait");
    green_event_set(came);
    return NULL;
}

static struct green_signal *handle(int sig, intptr_t arg)
{
    struct green_signal *s = NULL;
    if (!came) {
        came = green_event_new();
    }
    cr_assert_eq(green_signal_handler(sig, note, (void *)arg, &s), 0);
    return s;
}

/* Until there have been @n calls; and no more come. */
static void calls(int n)
{
    while (n_calls < n) {
        green_sleep(MS(1));
    }
    green_sleep(MS(2));
    cr_assert_eq(n_calls, n);
}

Test(signal_handler, runs_in_a_green_while_main_waits)
{
    struct green_signal *s = handle(SIGUSR1, 5);
    cr_assert_eq(kill(getpid(), SIGUSR1), 0);
    cr_assert_eq(green_event_wait(came, GREEN_FOREVER), 0);
    cr_assert_eq(n_calls, 1);
    cr_assert_eq(order[0], 5);
    green_signal_cancel(s);
    green_signal_cancel(NULL);
}

static void *send(void *arg)
{
    usleep(20000);
    kill(getpid(), (int)(intptr_t)arg);
    return NULL;
}

Test(signal_handler, wakes_a_hub_that_sleeps)
{
    struct green_signal *s = handle(SIGTERM, 1);
    pthread_t t = foreign(send, (void *)(intptr_t)SIGTERM);
    cr_assert_eq(green_event_wait(came, GREEN_FOREVER), 0);
    cr_assert_eq(pthread_join(t, NULL), 0);
    green_signal_cancel(s);
}

Test(signal_handler, several_run_in_order_and_each_time)
{
    struct green_signal *a = handle(SIGUSR1, 1);
    struct green_signal *b = handle(SIGUSR1, 2);
    struct green_signal *c = handle(SIGUSR2, 3);
    for (int i = 1; i <= 3; i++) {
        cr_assert_eq(raise(SIGUSR1), 0);
        calls(2 * i);
    }
    cr_assert(order[0] == 1 && order[1] == 2 && order[4] == 1 && order[5] == 2);
    green_signal_cancel(a);
    cr_assert_eq(raise(SIGUSR1), 0);
    cr_assert_eq(raise(SIGUSR2), 0);
    calls(8);
    green_signal_cancel(b);
    green_signal_cancel(c);
}

static int old_calls;

static void old_handler(int sig)
{
    (void)sig;
    old_calls++;
}

Test(signal_handler, what_was_there_before_is_so_again_after_the_last)
{
    struct sigaction old = {.sa_handler = old_handler};
    struct sigaction now;
    cr_assert_eq(gr_sig_action(SIGUSR1, &old, NULL), 0);
    struct green_signal *a = handle(SIGUSR1, 1);
    struct green_signal *b = handle(SIGUSR1, 2);
    green_signal_cancel(a);
    cr_assert_eq(gr_sig_action(SIGUSR1, NULL, &now), 0);
    cr_assert(now.sa_handler != old_handler);
    green_signal_cancel(b);
    cr_assert_eq(gr_sig_action(SIGUSR1, NULL, &now), 0);
    cr_assert(now.sa_handler == old_handler);
    cr_assert_eq(raise(SIGUSR1), 0);
    cr_assert_eq(old_calls, 1);
    cr_assert_eq(n_calls, 0);
    /* Somebody has put another one there meanwhile: it stays. */
    a = handle(SIGUSR2, 1);
    cr_assert_eq(gr_sig_action(SIGUSR2, &old, NULL), 0);
    green_signal_cancel(a);
    cr_assert_eq(gr_sig_action(SIGUSR2, NULL, &now), 0);
    cr_assert(now.sa_handler == old_handler);
}

Test(signal_handler, cancelled_it_forgets_what_has_arrived)
{
    struct green_signal *s = handle(SIGUSR1, 1);
    cr_assert_eq(raise(SIGUSR1), 0);
    green_signal_cancel(s);
    green_sleep(MS(10));
    cr_assert_eq(n_calls, 0);
}

static void *my_mask(void *arg)
{
    *(uint64_t *)arg = gr_self->sig_mask;
    green_event_set(came);
    return NULL;
}

Test(signal_handler, has_the_mask_of_its_maker)
{
    uint64_t blocked = gr_sigbit(SIGUSR2);
    uint64_t seen = 0;
    struct green_signal *s;
    came = green_event_new();
    cr_assert_eq(gr_sig_mask(SIG_BLOCK, &blocked, NULL), 0);
    cr_assert_eq(green_signal_handler(SIGUSR1, my_mask, &seen, &s), 0);
    cr_assert_eq(raise(SIGUSR1), 0);
    cr_assert_eq(green_event_wait(came, GREEN_FOREVER), 0);
    cr_assert_eq(seen, gr_self->sig_mask);
    green_signal_cancel(s);
}

Test(signal_handler, bad_ones_are_refused)
{
    struct green_signal *s = NULL;
    static const int bad[] = {0, -1, 65, 1000, SIGKILL, SIGSTOP, 32, 33};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(green_signal_handler(bad[i], note, NULL, &s), -EINVAL, "%d", bad[i]);
    }
    cr_assert_null(s);
}

/* In the midst of malloc, of the making and clearing of timeouts, of everything. */
Test(signal_handler, storm)
{
    enum { N = 2000 };
    struct green_signal *s = handle(SIGUSR1, 1);
    for (int i = 0; i < N; i++) {
        struct green_timeout *t = green_timeout_start_new(GREEN_S(50), 0);
        free(malloc((size_t)i * 7));
        cr_assert_eq(raise(SIGUSR1), 0);
        green_timeout_free(t);
        if (i % 16 == 0) {
            green_sleep(0);
        }
    }
    calls(N);
    green_signal_cancel(s);
}
