/*
 * idle - what N parked threads cost: creates N threads that wait on one condition variable, reads
 * the process's memory, wakes all, joins all. Prints a JSON object.
 *
 * When pthread_create refuses, the program goes on with the threads that it has and says so: where
 * the limit lies is a result. "kernel_stack_kib" is the growth of the whole machine's kernel
 * stacks, which no process's resident size includes.
 */

#define _GNU_SOURCE
#include "benchlib.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_parked = PTHREAD_COND_INITIALIZER;
static pthread_cond_t leave = PTHREAD_COND_INITIALIZER;
static int n_parked;
static int n_expected = -1; /* how many there are; known when the last one is created */
static int may_leave;
static int n_woken;

static void *thread_main(void *arg)
{
    pthread_mutex_lock(&lock);
    if (++n_parked == n_expected)
        pthread_cond_signal(&all_parked);
    while (!may_leave)
        pthread_cond_wait(&leave, &lock);
    n_woken++;
    pthread_mutex_unlock(&lock);
    return (void *)((intptr_t)arg + 1);
}

static long kernel_stack_kib(void)
{
    char line[128];
    long kib = 0;

    FILE *f = fopen("/proc/meminfo", "re");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f))
        (void)sscanf(line, "KernelStack: %ld", &kib);
    fclose(f);
    return kib;
}

/* Create up to @n threads; how many there are, and the error that ended it if there are fewer. */
static int create_all(pthread_t *threads, int n, const pthread_attr_t *attr, int *err_out)
{
    for (int i = 0; i < n; i++) {
        int rc = pthread_create(&threads[i], attr, thread_main, (void *)(intptr_t)i);
        if (rc != 0) {
            *err_out = rc;
            return i;
        }
    }
    return n;
}

static void wait_until_parked(int n)
{
    pthread_mutex_lock(&lock);
    n_expected = n;
    while (n_parked < n)
        pthread_cond_wait(&all_parked, &lock);
    pthread_mutex_unlock(&lock);
}

static void release_all(void)
{
    pthread_mutex_lock(&lock);
    may_leave = 1;
    pthread_cond_broadcast(&leave);
    pthread_mutex_unlock(&lock);
}

int main(int argc, char **argv)
{
    struct proc_status before;
    struct proc_status parked;
    pthread_attr_t attr;
    int n = 10000;
    int refused = 0;
    int c;

    pthread_attr_init(&attr);
    while ((c = getopt(argc, argv, "n:s:")) != -1) {
        if (c == 'n') {
            n = (int)parse_number(optarg, 1, 10000000, "number of threads");
        } else if (c == 's') {
            long size = parse_number(optarg, 16384, 1L << 40, "stack size");
            int rc = pthread_attr_setstacksize(&attr, (size_t)size);
            if (rc != 0)
                die("stack size", rc);
        } else {
            fputs("usage: idle [-n threads] [-s stack-size]\n", stderr);
            return 2;
        }
    }

    pthread_t *threads = malloc((size_t)n * sizeof *threads);
    if (!threads)
        die("memory", 0);
    memset(threads, 1, (size_t)n * sizeof *threads); /* resident before the first reading */
    read_proc_status(getpid(), &before);
    long stacks = kernel_stack_kib();

    int64_t start = now_ns();
    int created = create_all(threads, n, &attr, &refused);
    if (created == 0)
        die("pthread_create", refused);
    int64_t created_at = now_ns();
    wait_until_parked(created);
    int64_t parked_at = now_ns();

    read_proc_status(getpid(), &parked);
    stacks = kernel_stack_kib() - stacks;

    int64_t leave_at = now_ns();
    release_all();
    for (int i = 0; i < created; i++) {
        void *result;
        int rc = pthread_join(threads[i], &result);
        if (rc != 0)
            die("pthread_join", rc);
        if ((intptr_t)result != i + 1)
            die("wrong result of a thread", 0);
    }
    int64_t end = now_ns();
    if (n_woken != created)
        die("not every thread was woken", 0);

    printf("{\"requested\": %d, \"created\": %d, \"refused\": \"%s\", ", n, created,
           refused != 0 ? strerrorname_np(refused) : "");
    printf("\"kernel_threads\": %ld, \"rss_bytes_per_thread\": %.0f, "
           "\"page_table_bytes_per_thread\": %.0f, \"kernel_stack_bytes_per_thread\": %.0f, ",
           parked.threads, (double)(parked.rss_kib - before.rss_kib) * 1024 / created,
           (double)(parked.pte_kib - before.pte_kib) * 1024 / created,
           (double)stacks * 1024 / created);
    printf("\"create_ns\": %.1f, \"create_and_park_ns\": %.1f, \"wake_and_join_ns\": %.1f}\n",
           (double)(created_at - start) / created, (double)(parked_at - start) / created,
           (double)(end - leave_at) / created);
    return 0;
}
