/*
 * A program that opens the library when it is running already. late LIBRARY CASE; each case prints
 * what it saw or nothing.
 */
#define _GNU_SOURCE
#include <green/green.h>
#include <green/monkey.h>

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define GREEN_TID 4194304 /* ids of green threads begin here */

static struct {
    int (*patch_all)(unsigned);
    int (*patch_time)(void);
    int (*patch_socket)(unsigned);
    int (*patch_thread)(void);
    int (*is_patched)(const char *);
    void (*(*get_original)(const char *))(void);
    int (*spawn)(void *(*)(void *), void *, struct greenlet **);
    int (*join)(struct greenlet *, int64_t);
} api;

static void *must(void *lib, const char *name)
{
    void *fn = dlsym(lib, name);
    if (!fn) {
        (void)fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return fn;
}

static void open_library(const char *path, int flags)
{
    void *lib = dlopen(path, RTLD_NOW | flags);
    if (!lib) {
        (void)fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    *(void **)&api.patch_all = must(lib, "green_patch_all");
    *(void **)&api.patch_time = must(lib, "green_patch_time");
    *(void **)&api.patch_socket = must(lib, "green_patch_socket");
    *(void **)&api.patch_thread = must(lib, "green_patch_thread");
    *(void **)&api.is_patched = must(lib, "green_is_patched");
    *(void **)&api.get_original = must(lib, "green_get_original");
    *(void **)&api.spawn = must(lib, "green_spawn");
    *(void **)&api.join = must(lib, "green_join");
    (void)dlclose(lib); /* it stays */
}

#define CHECK(e)                                                                                   \
    do {                                                                                           \
        if (!(e)) {                                                                                \
            (void)fprintf(stderr, "line %d: %s\n", __LINE__, #e);                                  \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void *own_tid(void *arg)
{
    *(int *)arg = gettid();
    return NULL;
}

/* The id of a thread that is made now. */
static int new_tid(void)
{
    pthread_t t;
    int tid = 0;
    CHECK(pthread_create(&t, NULL, own_tid, &tid) == 0 && pthread_join(t, NULL) == 0);
    return tid;
}

static const char *const parts[] = {"os",  "io",     "thread",     "time",  "socket",
                                    "dns", "select", "subprocess", "signal"};
#define N_PARTS (sizeof(parts) / sizeof(*parts))

static unsigned patched_parts(void)
{
    unsigned mask = 0;
    for (size_t i = 0; i < N_PARTS; i++) {
        mask |= (unsigned)api.is_patched(parts[i]) << i;
    }
    return mask;
}

/* --- cases --- */

static char entry_before[16];

static void note_entry(void)
{
    memcpy(entry_before, dlsym(RTLD_DEFAULT, "read"), sizeof(entry_before));
}

static int entry_changed(void)
{
    return memcmp(dlsym(RTLD_DEFAULT, "read"), entry_before, sizeof(entry_before)) != 0;
}

static int pipe_fds[2];

static void *read_lines(void *arg)
{
    char line[64];
    FILE *in = fdopen(pipe_fds[0], "r");
    while (fgets(line, sizeof(line), in)) {
        (void)fputs(line, stdout);
    }
    (void)fclose(in);
    return arg;
}

static void talk(void)
{
    pthread_t t;
    CHECK(pipe(pipe_fds) == 0 && pthread_create(&t, NULL, read_lines, NULL) == 0);
    for (int i = 0; i < 3; i++) {
        (void)usleep(1000);
        CHECK(dprintf(pipe_fds[1], "line %d\n", i) == 7);
    }
    (void)close(pipe_fds[1]);
    CHECK(pthread_join(t, NULL) == 0);
}

static ssize_t (*original_read)(int, void *, size_t);

static void all(void)
{
    CHECK(!entry_changed());
    CHECK(patched_parts() == 0 && !api.is_patched("read") && !api.is_patched("nonsense"));
    CHECK(new_tid() < GREEN_TID);
    CHECK(api.patch_all(~0U) == -EINVAL && api.patch_all((1U << N_PARTS) - 1) == -EINVAL);
    CHECK(api.patch_all(0) == 0);
    CHECK(entry_changed());
    CHECK(patched_parts() == (1U << N_PARTS) - 1 && api.is_patched("recv"));
    CHECK(api.is_patched("open64") && !api.is_patched("strlen") && !api.is_patched(NULL));
    CHECK(api.patch_all(0) == 0 && api.patch_socket(0) == 0 && api.patch_time() == 0);
    CHECK(new_tid() > GREEN_TID);
    talk();
    *(void (**)(void)) & original_read = api.get_original("read");
    char c = 0;
    CHECK(pipe(pipe_fds) == 0 && write(pipe_fds[1], "x", 1) == 1);
    CHECK(original_read && (void *)original_read != dlsym(RTLD_DEFAULT, "read"));
    CHECK(original_read(pipe_fds[0], &c, 1) == 1 && c == 'x');
    CHECK((void *)api.get_original("strtol") == dlsym(RTLD_DEFAULT, "strtol"));
    CHECK(!api.get_original("nonsense") && !api.get_original(NULL));
}

/* Greens of a program that asks for nothing else: libc is as it was. */
static void *return_arg(void *arg)
{
    return arg;
}

static void none(void)
{
    struct greenlet *g;
    CHECK(api.spawn(return_arg, NULL, &g) == 0 && api.join(g, GREEN_FOREVER) == 0);
    CHECK(!entry_changed() && patched_parts() == 0);
    CHECK(new_tid() < GREEN_TID);
}

/* Two sleep side by side, and reads stay libc's. */
static atomic_int awake;

static void *doze(void *arg)
{
    (void)usleep(20000);
    awake++;
    return arg;
}

static void some(void)
{
    struct greenlet *g[3];
    CHECK(api.patch_time() == 0 && api.patch_time() == 0);
    CHECK(patched_parts() == GREEN_TIME && api.is_patched("usleep") && !api.is_patched("recv"));
    CHECK(!entry_changed());
    for (int i = 0; i < 3; i++) {
        CHECK(api.spawn(doze, NULL, &g[i]) == 0);
    }
    (void)usleep(1000); /* all have begun */
    CHECK(awake == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(api.join(g[i], GREEN_FOREVER) == 0);
    }
    CHECK(new_tid() < GREEN_TID);
    CHECK(api.patch_socket(GREEN_DNS) == 0);
    CHECK(patched_parts() == (GREEN_TIME | GREEN_SOCKET) && !api.is_patched("getaddrinfo"));
    CHECK(api.patch_socket(GREEN_TIME) == -EINVAL);
    CHECK(api.patch_all(GREEN_SIGNAL) == 0 && !api.is_patched("sigaction"));
    CHECK(new_tid() > GREEN_TID);
    talk();
}

/* --- threads that were there before --- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_cond_t first_cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem;
static sem_t first_sem;
static atomic_int stop;
static atomic_int waiting;
static atomic_int errors;
static atomic_long turns;
static int turn;
static int opened;

/* Calls of functions whose first instructions are short, over and over. */
static void *hammer(void *arg)
{
    int fds[2];
    char c;
    pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
    CHECK(pipe(fds) == 0);
    while (!stop) {
        errors += write(fds[1], "x", 1) != 1;
        errors += read(fds[0], &c, 1) != 1;
        struct pollfd p = {fds[0], POLLIN, 0};
        errors += poll(&p, 1, 0) != 0;
        errors += pthread_mutex_lock(&own) != 0;
        errors += pthread_mutex_unlock(&own) != 0;
        errors += pthread_mutex_trylock(&own) != 0;
        errors += pthread_mutex_unlock(&own) != 0;
        errors += pthread_rwlock_rdlock(&rwlock) != 0;
        errors += pthread_rwlock_unlock(&rwlock) != 0;
        errors += sem_post(&sem) != 0;
        errors += sem_wait(&sem) != 0;
        errors += gettid() >= GREEN_TID;
        errors += sched_yield() != 0;
        turns++;
    }
    return arg;
}

static void *wait_mutex(void *arg)
{
    waiting++;
    errors += pthread_mutex_lock(&held) != 0;
    errors += pthread_mutex_unlock(&held) != 0;
    return arg;
}

static void *wait_cond(void *arg)
{
    errors += pthread_mutex_lock(&mutex) != 0;
    waiting++;
    while (!opened) {
        errors += pthread_cond_wait(&first_cond, &mutex) != 0;
    }
    errors += pthread_mutex_unlock(&mutex) != 0;
    return arg;
}

static void *wait_sem(void *arg)
{
    waiting++;
    errors += sem_wait(&first_sem) != 0;
    return arg;
}

static void *wait_read(void *arg)
{
    char c;
    waiting++;
    errors += read(pipe_fds[0], &c, 1) != 1;
    return arg;
}

/* Kernel threads and green ones take turns. */
#define N_PLAYERS 6
#define ROUNDS    300

static void *play(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        errors += pthread_mutex_lock(&mutex) != 0;
        while (turn % N_PLAYERS != me) {
            errors += pthread_cond_wait(&cond, &mutex) != 0;
        }
        turn++;
        errors += pthread_cond_broadcast(&cond) != 0;
        errors += pthread_mutex_unlock(&mutex) != 0;
        errors += pthread_rwlock_wrlock(&rwlock) != 0;
        errors += pthread_rwlock_unlock(&rwlock) != 0;
        errors += sem_post(&sem) != 0;
        errors += sem_wait(&sem) != 0;
        if (i % 50 == 0) {
            (void)pthread_barrier_wait(&barrier);
        }
    }
    return arg;
}

static sem_t go;

static void *play_later(void *arg)
{
    waiting++;
    errors += sem_wait(&go) != 0;
    return play(arg);
}

static void before(void)
{
    pthread_t old[2 + 4 + N_PLAYERS / 2];
    pthread_t new[N_PLAYERS / 2];
    int n = 0;
    CHECK(sem_init(&sem, 0, 0) == 0 && sem_init(&first_sem, 0, 0) == 0 && sem_init(&go, 0, 0) == 0);
    CHECK(pthread_barrier_init(&barrier, NULL, N_PLAYERS) == 0 && pipe(pipe_fds) == 0);
    CHECK(pthread_mutex_lock(&held) == 0);
    void *(*const waiters[])(void *) = {hammer, hammer, wait_mutex, wait_cond, wait_sem, wait_read};
    for (; n < 6; n++) {
        CHECK(pthread_create(&old[n], NULL, waiters[n], NULL) == 0);
    }
    for (intptr_t i = 0; i < N_PLAYERS / 2; i++) {
        CHECK(pthread_create(&old[n++], NULL, play_later, (void *)(2 * i)) == 0);
    }
    while (waiting < 4 + N_PLAYERS / 2 || turns < 100) {
        (void)usleep(1000);
    }
    (void)usleep(20000); /* they have come to where they wait */
    CHECK(api.patch_time() == 0);
    CHECK(api.patch_socket(0) == 0);
    CHECK(api.patch_all(0) == 0);
    long then = turns;
    while (turns < then + 100) {
        (void)usleep(1000);
    }
    CHECK(new_tid() > GREEN_TID);
    opened = 1;
    for (intptr_t i = 0; i < N_PLAYERS / 2; i++) {
        CHECK(pthread_create(&new[i], NULL, play, (void *)(2 * i + 1)) == 0);
        CHECK(sem_post(&go) == 0);
    }
    CHECK(pthread_mutex_unlock(&held) == 0 && pthread_cond_signal(&first_cond) == 0);
    CHECK(sem_post(&first_sem) == 0 && write(pipe_fds[1], "x", 1) == 1);
    for (int i = 0; i < N_PLAYERS / 2; i++) {
        CHECK(pthread_join(new[i], NULL) == 0);
    }
    stop = 1;
    for (int i = 0; i < n; i++) {
        CHECK(pthread_join(old[i], NULL) == 0);
    }
    CHECK(errors == 0 && turn == N_PLAYERS * ROUNDS);
}

/* A thread of before makes one: of its own kind. */
static void *make_one(void *arg)
{
    *(int *)arg = new_tid();
    return NULL;
}

static void *patch_and_make(void *arg)
{
    CHECK(api.patch_all(0) == 0);
    return make_one(arg);
}

static void elsewhere(void)
{
    pthread_t t;
    int tid = 0;
    CHECK(pthread_create(&t, NULL, patch_and_make, &tid) == 0 && pthread_join(t, NULL) == 0);
    CHECK(tid > 0 && tid < GREEN_TID);
    CHECK(new_tid() > GREEN_TID);
    talk();
}

static void *say_end(void *arg)
{
    (void)usleep(20000);
    (void)puts("the other thread ends");
    return arg;
}

static void main_exits(void)
{
    pthread_t t;
    CHECK(api.patch_all(0) == 0 && pthread_create(&t, NULL, say_end, NULL) == 0);
    pthread_exit(NULL);
}

static void refused(void)
{
    (void)printf("%s\n", api.patch_all(0) == -EBUSY ? "EBUSY" : "ENOTSUP");
    CHECK(!entry_changed() && patched_parts() == 0);
    CHECK(new_tid() < GREEN_TID);
}

static void *sleeps(void *arg)
{
    (void)sleep(1000);
    return arg;
}

static void refused_with_thread(void)
{
    pthread_t t;
    CHECK(pthread_create(&t, NULL, sleeps, NULL) == 0);
    refused();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"all", all},
                 {"none", none},
                 {"some", some},
                 {"before", before},
                 {"elsewhere", elsewhere},
                 {"main_exits", main_exits},
                 {"refused", refused},
                 {"refused_with_thread", refused_with_thread}};
    note_entry();
    open_library(argv[1], argc > 3 ? RTLD_GLOBAL : 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (strcmp(cases[i].name, argv[2]) == 0) {
            cases[i].run();
            return 0;
        }
    }
    return 2;
}
