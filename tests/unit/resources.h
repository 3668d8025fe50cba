/* Helpers for tests that look at what is left behind: greens and descriptors. */
#ifndef TESTS_UNIT_RESOURCES_H
#define TESTS_UNIT_RESOURCES_H

#include "sync.h"

#include <dirent.h>
#include <green/green.h>

static inline int n_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n;
}

/* The loop has descriptors of its own, from when it is first needed. */
static inline void make_loop(void)
{
    while (!gr_self->hub->loop) {
        green_sleep(MS(1));
    }
}

/* At the end of a test: let what it began come to an end. */
static inline void finish(void)
{
    for (int i = 0; i < 100 && gr_self->hub->n_greens > 1; i++) {
        green_sleep(MS(1));
    }
}

#endif
