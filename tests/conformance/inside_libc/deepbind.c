/* A library opened with RTLD_DEEPBIND waits in read, poll, stdio, a lock, a condition, a semaphore,
   a sleep, for a thread it made: the thread that is to wake it runs, and others. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <dlfcn.h>
#include <semaphore.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static int fds[2], holding, woken;

static void *wakes(void *arg)
{
    int how = (int)(intptr_t)arg;

    if (how == 5)
        pthread_mutex_lock(&mutex);
    flag_set(&holding, 1);
    sleep_ms(100);
    if (how <= 4)
        write_all(fds[1], "ab\n", 3);
    else if (how == 5)
        pthread_mutex_unlock(&mutex);
    else if (how == 7)
        SYS(sem_post(&sem));
    while (how == 6 && !flag_get(&woken)) { /* it may not wait yet */
        pthread_mutex_lock(&mutex);
        CHECK_RC(pthread_cond_signal(&cond), 0);
        pthread_mutex_unlock(&mutex);
        sleep_ms(1);
    }
    return arg;
}

int test_main(void)
{
    long (*wait_in)(int, int, pthread_mutex_t *, pthread_cond_t *, sem_t *);
    int (*create)(pthread_t *, void *(*)(void *), void *);
    int (*join)(pthread_t, void **);
    char path[4096];
    ssize_t n = SYS(readlink("/proc/self/exe", path, sizeof(path) - 1));

    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, "lib_deepbind.so");
    void *library = dlopen(path, RTLD_NOW | RTLD_DEEPBIND);
    if (!library)
        test_fail(__FILE__, __LINE__, "%s", dlerror());
    *(void **)&wait_in = dlsym(library, "deepbind_wait");
    *(void **)&create = dlsym(library, "deepbind_thread");
    *(void **)&join = dlsym(library, "deepbind_join");
    unix_pair(fds);
    SYS(sem_init(&sem, 0, 0));

    for (intptr_t how = 0; how <= 8; how++) {
        flag_set(&holding, 0);
        OTHERS_RUN(100, {
            pthread_t thread = start(wakes, (void *)how);
            if (how == 5)
                flag_wait(&holding, 1);
            CHECK_EQ(wait_in((int)how, fds[0], &mutex, &cond, &sem), 3);
            flag_set(&woken, how == 6);
            finish(thread);
        });
    }
    OTHERS_RUN(100, {
        pthread_t thread;
        void *value = NULL;
        CHECK_RC(create(&thread, wakes, (void *)8), 0);
        CHECK_RC(join(thread, &value), 0);
        CHECK(value == (void *)8);
    });
    return 0;
}
