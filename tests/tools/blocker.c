/*
 * Threads that wait inside a library, by CASE, while main goes on and lets them. It knows nothing
 * of green threads. With -DLATE the library is opened when threads run already: blocker CASE
 * LIBRARY.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define N 8

int blocker_wait(int *word);
void blocker_set(int *word, int value);
int blocker_relay(int *word);
double blocker_mix(int *word, double d, float f, short s, const char *text, long double g);
void *blocker_call(int *word, void *(*fn)(void *), void *arg);
int blocker_spin(const int *word);

static struct {
    __typeof__(blocker_wait) *wait;
    __typeof__(blocker_set) *set;
    __typeof__(blocker_relay) *relay;
    __typeof__(blocker_mix) *mix;
    __typeof__(blocker_call) *call;
    __typeof__(blocker_spin) *spin;
} lib;

static int open_library(const char *path)
{
#ifdef LATE
    void *handle = dlopen(path, RTLD_NOW);
    if (handle && dlclose(handle) == 0) {
        handle = dlopen(path, RTLD_NOW); /* once more: it was unloaded */
    }
    if (!handle) {
        (void)fprintf(stderr, "%s\n", dlerror());
        return -1;
    }
    lib.wait = (__typeof__(lib.wait))dlsym(handle, "blocker_wait");
    lib.set = (__typeof__(lib.set))dlsym(handle, "blocker_set");
    lib.relay = (__typeof__(lib.relay))dlsym(handle, "blocker_relay");
    lib.mix = (__typeof__(lib.mix))dlsym(handle, "blocker_mix");
    lib.call = (__typeof__(lib.call))dlsym(handle, "blocker_call");
    lib.spin = (__typeof__(lib.spin))dlsym(handle, "blocker_spin");
#else
    (void)path;
    lib.wait = blocker_wait;
    lib.set = blocker_set;
    lib.relay = blocker_relay;
    lib.mix = blocker_mix;
    lib.call = blocker_call;
    lib.spin = blocker_spin;
#endif
    return 0;
}

static int words[N];
static char which;
static int bad;

static void *own_id(void *arg)
{
    (void)arg;
    return (void *)(long)gettid();
}

static void *waiter(void *arg)
{
    long i = (long)arg;
    int value = (int)i + 1;
    errno = 1000 + value;
    switch (which) {
    case 'w':
        bad |= lib.wait(&words[i]) != value || errno != 1001 + value;
        break;
    case 'r':
        bad |= lib.relay(&words[i]) != value + 1 || errno != 1001 + value;
        break;
    case 'm':
        bad |= lib.mix(&words[i], 0.5, 0.25F, -3, "A", 2.0L) != value + 0.75 - 3 + 65 + 2;
        break;
    case 'c':
        bad |= lib.call(&words[i], own_id, NULL) == NULL;
        break;
    case 's':
        bad |= lib.spin(&words[i]) != value;
        break;
    default:
        bad = 1;
    }
    return NULL;
}

static void *idle(void *arg)
{
    (void)usleep(1000);
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t t[N];
    which = argc > 1 ? argv[1][0] : '?';
    if (pthread_create(&t[0], NULL, idle, NULL) || pthread_join(t[0], NULL) ||
        open_library(argv[argc - 1])) {
        return 1;
    }
    for (long i = 0; i < N; i++) {
        if (pthread_create(&t[i], NULL, waiter, (void *)i)) {
            return 1;
        }
    }
    for (int i = N - 1; i >= 0; i--) {
        (void)usleep(2000); /* they run, and wait */
        lib.set(&words[i], i + 1);
        (void)pthread_join(t[i], NULL);
    }
    (void)puts(bad ? "bad" : "good");
    return bad;
}
