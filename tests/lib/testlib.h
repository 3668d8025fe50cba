/*
 * testlib: checks and helpers for the conformance programs.
 *
 * A program defines test_main(); main() is here. A failed check prints file:line and both values
 * and ends the process with status 1. With TEST_BACKGROUND=N in the environment, N plain threads
 * tick once a millisecond while test_main() runs and must all make progress; TAKES() looks whether
 * they ran during one blocking call.
 */
#ifndef TESTLIB_H
#define TESTLIB_H

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

extern int test_argc;
extern char **test_argv;

/* The program's own. A run_self() child sees test_argc > 1. */
int test_main(void);

void test_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));
void test_skip(const char *why) __attribute__((noreturn));

/* A program may define it: what its failures say first. */
const char *test_context(void) __attribute__((weak));

/* What a busy machine can do to a right program: status 3. The runner tries again a few times; a
   fault shows every time. */
void test_inconclusive(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            test_fail(__FILE__, __LINE__, "%s (errno %d)", #cond, errno);                          \
    } while (0)

#define CHECK_CMP(got, op, want)                                                                   \
    do {                                                                                           \
        long long got_ = (long long)(got), want_ = (long long)(want);                              \
        if (!(got_ op want_))                                                                      \
            test_fail(__FILE__, __LINE__, "%s is %lld, want %s %lld (%s), errno %d", #got, got_,   \
                      #op, want_, #want, errno);                                                   \
    } while (0)
#define CHECK_EQ(got, want) CHECK_CMP(got, ==, want)
#define CHECK_GE(got, want) CHECK_CMP(got, >=, want)
#define CHECK_LE(got, want) CHECK_CMP(got, <=, want)

void test_check_str(const char *file, int line, const char *what, const char *got,
                    const char *want);
#define CHECK_STR(got, want) test_check_str(__FILE__, __LINE__, #got, (got), (want))

/* A call that must fail with -1 and this errno. */
#define CHECK_ERRNO(expr, err)                                                                     \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long long got_ = (long long)(expr);                                                        \
        int e_ = errno;                                                                            \
        if (got_ != -1 || e_ != (err))                                                             \
            test_fail(__FILE__, __LINE__, "%s gave %lld errno %d (%s), want -1 errno %d (%s)",     \
                      #expr, got_, e_, strerror(e_), (err), #err);                                 \
    } while (0)

/* A call that returns 0 or an error number. */
#define CHECK_RC(expr, want)                                                                       \
    do {                                                                                           \
        int got_ = (expr), want_ = (want);                                                         \
        if (got_ != want_)                                                                         \
            test_fail(__FILE__, __LINE__, "%s gave %d (%s), want %d (%s)", #expr, got_,            \
                      strerror(got_), want_, #want);                                               \
    } while (0)

/* A call that must not return -1; has its value. */
#define SYS(expr)                                                                                  \
    __extension__({                                                                                \
        long sys_ = (long)(expr);                                                                  \
        if (sys_ == -1)                                                                            \
            test_fail(__FILE__, __LINE__, "%s: errno %d (%s)", #expr, errno, strerror(errno));     \
        sys_;                                                                                      \
    })

/* Time. The stamps are of CLOCK_MONOTONIC. */
int64_t now_ns(void);
int64_t now_ms(void);
void sleep_ms(int ms);
struct timespec ts_of_ms(int64_t ms);
struct timespec ts_after(clockid_t clock, int64_t ms);

/* Long enough for the threads made by start() to reach their blocking calls. */
void settle(void);

/* span_end: at least min_ms passed since span_begin, and the background threads ran meanwhile. */
struct span {
    int64_t start_ns;
    uint64_t ticks[64];
};
struct span span_begin(void);
void span_end(struct span *span, int min_ms, const char *file, int line);
#define TAKES(min_ms, stmt)                                                                        \
    do {                                                                                           \
        struct span span_ = span_begin();                                                          \
        stmt;                                                                                      \
        span_end(&span_, (min_ms), __FILE__, __LINE__);                                            \
    } while (0)

/* TAKES, and a thread of its own must get on meanwhile: it is to run once in each 10 ms, and in
   nine of ten it has to. Up to half of the time may be spent in a queue for a processor, which
   does not count. */
struct pulse {
    struct span span;
    pthread_t thread;
    int64_t queued_ms;
    char task[64]; /* below /proc, the kernel's for the thread */
    int stop;
    int beats;
};
void pulse_begin(struct pulse *pulse);
void pulse_end(struct pulse *pulse, int min_ms, const char *file, int line);
#define OTHERS_RUN(min_ms, stmt)                                                                   \
    do {                                                                                           \
        struct pulse pulse_;                                                                       \
        pulse_begin(&pulse_);                                                                      \
        stmt;                                                                                      \
        pulse_end(&pulse_, (min_ms), __FILE__, __LINE__);                                          \
    } while (0)

/* Threads and flags. */
pthread_t start(void *(*fn)(void *), void *arg);
pthread_t start_without_signals(void *(*fn)(void *), void *arg); /* all are blocked in it */
void *finish(pthread_t thread);
void flag_set(int *flag, int value);
int flag_get(int *flag);
int flag_add(int *flag, int n); /* new value */
void flag_wait(int *flag, int at_least);
int int_env(const char *name, int fallback);

/* Descriptors. tcp_listen gives the port in *port; tcp_pair connects one over 127.0.0.1. */
void pipe_pair(int fds[2]);
void unix_pair(int fds[2]);
void tcp_pair(int fds[2]);
int tcp_listen(int backlog, uint16_t *port);
int tcp_connect(uint16_t port);
void set_nonblock(int fd, int on);
int is_nonblock(int fd);
void write_all(int fd, const void *data, size_t size);
void read_all(int fd, void *data, size_t size);
size_t fill_fd(int fd); /* writes 'x' until it would block; how many */

/* A thread that waits, then reads a descriptor to its end and closes it. sink_finish joins it; data
   is the caller's to free, and followed by a zero byte. */
struct sink {
    int fd;
    int delay_ms;
    char *data;
    size_t size;
    pthread_t thread;
};
void sink_start(struct sink *sink, int fd, int delay_ms);
void sink_finish(struct sink *sink);

/* A thread that waits, then writes a text and keeps the descriptor open; finish() joins it. */
pthread_t write_after(int fd, const char *text, int delay_ms);

int open_descriptors(void); /* how many this process has */

void fill_pattern(unsigned char *data, size_t size, uint64_t offset);
int pattern_ok(const unsigned char *data, size_t size, uint64_t offset);

/* Child processes; both have the raw wait status. run_child: fork, _exit(fn(arg)).
   run_self: fork and exec of this program with one argument, standard output captured. */
int run_child(int (*fn)(void *), void *arg);
int run_self(const char *arg, char *out, size_t size);

/* This program as a child with one argument, whose descriptor fd is a pipe that nobody reads until
   the child says so; then a sink does, delay_ms later, to the end. Raw wait status. In the
   child: fill the pipe, and have a thread say so a little later. */
int run_with_full_pipe(const char *arg, int fd, int delay_ms, struct sink *sink);
void fill_and_say_go(int fd);
void stay_quiet(void); /* standard error to /dev/null, no core files */

#ifdef __cplusplus
}
#endif

#endif
