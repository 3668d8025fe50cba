/*
 * benchlib - clocks, histogram, limits, listener and /proc readings of the benchmarks.
 */

#define _GNU_SOURCE
#include "benchlib.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t clock_ns(clockid_t clock)
{
    struct timespec ts;

    if (clock_gettime(clock, &ts) < 0)
        die("clock_gettime", errno);
    return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

void die(const char *what, int err)
{
    if (err != 0)
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(err));
    else
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    exit(1);
}

long parse_number(const char *text, long lo, long hi, const char *what)
{
    char *end;

    errno = 0;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno == ERANGE || n < lo || n > hi) {
        fprintf(stderr, "%s: bad %s: %s\n", program_invocation_short_name, what, text);
        exit(2);
    }
    return n;
}

void raise_descriptor_limit(void)
{
    struct rlimit rl;

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
        rl.rlim_cur = rl.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &rl); /* what we have may still be enough */
    }
}

int listen_loopback(int port)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof sa;
    int one = 1;

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket", errno);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        die("cannot listen on 127.0.0.1", errno);
    printf("listening on 127.0.0.1:%d\n", ntohs(sa.sin_port));
    fflush(stdout);
    return fd;
}

void set_nodelay(int fd)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/*
 * Below HIST_STEPS the cell is the value. Above, e is the exponent that brings the value into
 * [HIST_STEPS, 2 * HIST_STEPS); each e has HIST_STEPS cells.
 */
static unsigned cell_of(uint64_t v)
{
    if (v < HIST_STEPS)
        return (unsigned)v;
    unsigned e = (unsigned)(63 - __builtin_clzll(v)) - 6;
    return HIST_STEPS * e + (unsigned)(v >> e);
}

void hist_add(struct histogram *h, int64_t ns)
{
    h->cell[cell_of(ns > 0 ? (uint64_t)ns : 0)]++;
    h->count++;
}

double hist_quantile(const struct histogram *h, double q)
{
    uint64_t want = (uint64_t)(q * (double)h->count);
    uint64_t seen = 0;

    for (unsigned i = 0; i < HIST_CELLS; i++) {
        seen += h->cell[i];
        if (seen <= want && seen != h->count)
            continue;
        if (h->count == 0)
            return 0;
        if (i < HIST_STEPS)
            return i;
        unsigned e = i / HIST_STEPS - 1;
        return (double)(HIST_STEPS + i % HIST_STEPS) * (double)(1ULL << e);
    }
    return 0;
}

clockid_t cpu_clock_of(pid_t pid)
{
    clockid_t clock;
    struct timespec ts;

    int rc = clock_getcpuclockid(pid, &clock);
    if (rc == 0 && clock_gettime(clock, &ts) < 0)
        rc = errno;
    if (rc != 0)
        die("CPU clock of the server", rc);
    return clock;
}

void read_proc_status(pid_t pid, struct proc_status *out)
{
    char path[64];
    char line[256];

    memset(out, 0, sizeof *out);
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        (void)sscanf(line, "Threads: %ld", &out->threads);
        (void)sscanf(line, "VmRSS: %ld", &out->rss_kib);
        (void)sscanf(line, "VmPTE: %ld", &out->pte_kib);
    }
    fclose(f);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

double median_of(double *v, int n)
{
    if (n == 0)
        return 0;
    qsort(v, (size_t)n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double least_of(const double *v, int n)
{
    double least = n > 0 ? v[0] : 0;

    for (int i = 1; i < n; i++)
        least = v[i] < least ? v[i] : least;
    return least;
}
