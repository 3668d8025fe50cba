/*
 * benchlib - what the servers, clients and micro-benchmarks share: clocks, a latency histogram,
 * limits, a listener, option numbers, and what the kernel says about a process.
 */
#ifndef BENCHLIB_H
#define BENCHLIB_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define NSEC_PER_SEC 1000000000LL

/* Histogram of durations: exact below 64 ns, then 64 steps per power of two (1.6 %). */
#define HIST_STEPS 64
#define HIST_CELLS (HIST_STEPS * 59)

struct histogram {
    uint64_t count;
    uint64_t cell[HIST_CELLS];
};

/* What /proc says about a process now; zeros when it is gone. */
struct proc_status {
    long threads; /* kernel threads */
    long rss_kib; /* VmRSS */
    long pte_kib; /* VmPTE: page tables */
};

int64_t now_ns(void);

/* Print "PROGRAM: what: error" and exit with status 1. @err 0 leaves the error out. */
void die(const char *what, int err) __attribute__((noreturn));

/* The number in @text if it lies within [lo, hi]; otherwise says so and exits with status 2. */
long parse_number(const char *text, long lo, long hi, const char *what);

void raise_descriptor_limit(void);

/* Non-blocking listener on 127.0.0.1:@port; prints "listening on ..." as threadserver does. */
int listen_loopback(int port);

void set_nodelay(int fd);

void hist_add(struct histogram *h, int64_t ns);

/* The duration in ns below which the fraction @q of all entries lies; 0 when empty. */
double hist_quantile(const struct histogram *h, double q);

/* CPU clock of process @pid; exits when there is no such process. */
clockid_t cpu_clock_of(pid_t pid);

int64_t clock_ns(clockid_t clock);

void read_proc_status(pid_t pid, struct proc_status *out);

/* Median and least of @n values; sorts them. */
double median_of(double *v, int n);
double least_of(const double *v, int n);

#endif
