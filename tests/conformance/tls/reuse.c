/* A thread created after others ended starts afresh: TLS, errno, locale, keys, cancel state,
   signal mask, alternate stack, name. */
/* BUILD: -lm */
#include "testlib.h"

#include <fenv.h>
#include <locale.h>
#include <signal.h>

static __thread int initial = 42;
static __thread char buffer[3000];
static pthread_key_t key;
static locale_t utf8;

static void *spoil(void *arg)
{
    sigset_t set;
    int old;

    CHECK_EQ(initial, 42);
    initial = 1;
    memset(buffer, 0xff, sizeof(buffer));
    errno = 99;
    CHECK_RC(pthread_setspecific(key, &key), 0);
    uselocale(utf8);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    CHECK_EQ(old, PTHREAD_CANCEL_ENABLE);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    CHECK_EQ(old, PTHREAD_CANCEL_DEFERRED);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old);
    sigfillset(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    static char memory[10][65536];
    stack_t stack = {.ss_sp = memory[(intptr_t)arg], .ss_size = 65536};
    SYS(sigaltstack(&stack, NULL));
    usleep(500);
    errno = 98;
    return NULL;
}

static void *fresh(void *arg)
{
    sigset_t set;
    stack_t stack;
    int old;

    CHECK_EQ(errno, 0);
    CHECK_EQ(initial, 42);
    for (size_t i = 0; i < sizeof(buffer); i++)
        CHECK_EQ(buffer[i], 0);
    CHECK(pthread_getspecific(key) == NULL);
    CHECK(uselocale(NULL) == LC_GLOBAL_LOCALE);
    CHECK_RC(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old), 0);
    CHECK_EQ(old, PTHREAD_CANCEL_ENABLE);
    CHECK_RC(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old), 0);
    CHECK_EQ(old, PTHREAD_CANCEL_DEFERRED);
    CHECK_RC(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    CHECK_EQ(sigismember(&set, SIGUSR1), 0);
    CHECK_EQ(sigismember(&set, SIGTERM), 0);
    SYS(sigaltstack(NULL, &stack));
    CHECK_EQ(stack.ss_flags, SS_DISABLE);
    CHECK_EQ(fegetround(), FE_TONEAREST);
    return arg;
}

int test_main(void)
{
    pthread_t threads[10];

    utf8 = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
    CHECK_RC(pthread_key_create(&key, NULL), 0);
    for (int round = 0; round < 20; round++) {
        for (intptr_t i = 0; i < 10; i++)
            threads[i] = start(round % 2 ? fresh : spoil, (void *)i);
        for (int i = 0; i < 10; i++)
            finish(threads[i]);
    }
    return 0;
}
