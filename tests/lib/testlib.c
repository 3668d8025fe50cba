#include "testlib.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

int test_argc;
char **test_argv;

static pid_t main_pid;
static int background_count;
static int background_stop;
static pthread_t background_thread[64];
static uint64_t background_ticks[64];

static void say(const char *file, int line, const char *fmt, va_list ap)
{
    char text[1024];
    int len =
        snprintf(text, sizeof(text), "%s%s:%d: ", test_context ? test_context() : "", file, line);

    len += vsnprintf(text + len, sizeof(text) - (size_t)len, fmt, ap);
    if (len > (int)sizeof(text) - 2)
        len = (int)sizeof(text) - 2;
    text[len++] = '\n';
    if (write(2, text, (size_t)len) < 0)
        _exit(2);
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(file, line, fmt, ap);
    va_end(ap);
    _exit(1);
}

void test_inconclusive(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(file, line, fmt, ap);
    va_end(ap);
    _exit(3);
}

void test_check_str(const char *file, int line, const char *what, const char *got, const char *want)
{
    if (strcmp(got, want) != 0)
        test_fail(file, line, "%s is \"%s\", want \"%s\"", what, got, want);
}

void test_skip(const char *why)
{
    printf("skip: %s\n", why);
    fflush(stdout);
    _exit(77);
}

int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t now_ms(void)
{
    return now_ns() / 1000000;
}

void sleep_ms(int ms)
{
    struct timespec ts = ts_of_ms(ms);

    while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
        ;
}

struct timespec ts_of_ms(int64_t ms)
{
    struct timespec ts = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    return ts;
}

struct timespec ts_after(clockid_t clock, int64_t ms)
{
    struct timespec ts;

    SYS(clock_gettime(clock, &ts));
    ts.tv_nsec += (long)(ms % 1000) * 1000000;
    ts.tv_sec += (time_t)(ms / 1000) + ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;
    return ts;
}

static int started, begun;

void settle(void)
{
    for (int i = 0; i < 2000 && flag_get(&begun) < flag_get(&started); i++)
        usleep(500);
    sleep_ms(40);
}

static int background_active(void)
{
    return background_count > 0 && getpid() == main_pid;
}

struct span span_begin(void)
{
    struct span span;

    for (int i = 0; i < background_count; i++)
        span.ticks[i] = __atomic_load_n(&background_ticks[i], __ATOMIC_RELAXED);
    span.start_ns = now_ns();
    return span;
}

void span_end(struct span *span, int min_ms, const char *file, int line)
{
    int64_t took_ns = now_ns() - span->start_ns;

    if (took_ns < (int64_t)min_ms * 1000000)
        test_fail(file, line, "took %lld ns, want at least %d ms", (long long)took_ns, min_ms);
    if (!background_active() || min_ms < 30)
        return;
    uint64_t best = 0, want = (uint64_t)min_ms / 12;
    for (int i = 0; i < background_count; i++) {
        uint64_t n = __atomic_load_n(&background_ticks[i], __ATOMIC_RELAXED) - span->ticks[i];

        best = n > best ? n : best;
    }
    if (best < want)
        test_inconclusive(file, line,
                          "the busiest background thread ticked %llu times in %lld ms, "
                          "want %llu",
                          (unsigned long long)best, (long long)took_ns / 1000000,
                          (unsigned long long)want);
}

/* Beats at most once in each 10 ms, and never makes up for one it missed. */
static void *pulse_main(void *arg)
{
    struct pulse *pulse = arg;
    int64_t beat = now_ns() / 10000000;

    SYS(readlink("/proc/thread-self", pulse->task, sizeof(pulse->task) - 1));
    while (!flag_get(&pulse->stop)) {
        struct timespec ts = ts_of_ms(++beat * 10);

        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
        flag_add(&pulse->beats, 1);
        int64_t now = now_ns() / 10000000;
        beat = now > beat ? now : beat;
    }
    return NULL;
}

pthread_t start_without_signals(void *(*fn)(void *), void *arg)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    pthread_t thread = start(fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return thread;
}

/* How long a kernel thread has stood in a queue for a processor; 0 where the kernel does not tell.
 */
static int64_t queued_ms(const char *task)
{
    char path[100], text[100] = "";
    long long ran, queued = 0;

    snprintf(path, sizeof(path), "/proc/%s/schedstat", task);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return 0;
    if (read(fd, text, sizeof(text) - 1) > 0)
        sscanf(text, "%lld %lld", &ran, &queued);
    close(fd);
    return queued / 1000000;
}

void pulse_begin(struct pulse *pulse)
{
    memset(pulse, 0, sizeof(*pulse));
    pulse->thread = start_without_signals(pulse_main, pulse);
    flag_wait(&pulse->beats, 1);
    pulse->queued_ms = queued_ms(pulse->task);
    flag_set(&pulse->beats, 0);
    pulse->span = span_begin();
}

void pulse_end(struct pulse *pulse, int min_ms, const char *file, int line)
{
    int beats = flag_get(&pulse->beats);
    int64_t queued = queued_ms(pulse->task) - pulse->queued_ms;
    int want = (min_ms - (int)(queued < min_ms / 2 ? queued : min_ms / 2)) / 10 * 9 / 10;

    span_end(&pulse->span, min_ms, file, line);
    flag_set(&pulse->stop, 1);
    finish(pulse->thread);
    if (beats < want)
        test_inconclusive(file, line, "another thread ran in %d of %d slices of 10 ms, want %d",
                          beats, min_ms / 10, want);
}

struct call {
    void *(*fn)(void *);
    void *arg;
};

static void *begin(void *arg)
{
    struct call call = *(struct call *)arg;

    free(arg);
    flag_add(&begun, 1);
    return call.fn(call.arg);
}

pthread_t start(void *(*fn)(void *), void *arg)
{
    struct call *call = malloc(sizeof(*call));
    pthread_t thread;

    CHECK(call);
    call->fn = fn;
    call->arg = arg;
    flag_add(&started, 1);
    CHECK_RC(pthread_create(&thread, NULL, begin, call), 0);
    return thread;
}

void *finish(pthread_t thread)
{
    void *value = NULL;

    CHECK_RC(pthread_join(thread, &value), 0);
    return value;
}

void flag_set(int *flag, int value)
{
    __atomic_store_n(flag, value, __ATOMIC_SEQ_CST);
}

int flag_get(int *flag)
{
    return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

int flag_add(int *flag, int n)
{
    return __atomic_add_fetch(flag, n, __ATOMIC_SEQ_CST);
}

void flag_wait(int *flag, int at_least)
{
    int64_t end = now_ms() + 25000;

    while (flag_get(flag) < at_least) {
        if (now_ms() > end)
            test_fail(__FILE__, __LINE__, "flag is %d, want %d", flag_get(flag), at_least);
        usleep(500);
    }
}

int int_env(const char *name, int fallback)
{
    const char *text = getenv(name);

    return text ? atoi(text) : fallback;
}

void pipe_pair(int fds[2])
{
    SYS(pipe(fds));
}

void unix_pair(int fds[2])
{
    SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
}

int tcp_listen(int backlog, uint16_t *port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof(addr);
    int fd = (int)SYS(socket(AF_INET, SOCK_STREAM, 0));

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    SYS(bind(fd, (struct sockaddr *)&addr, len));
    SYS(listen(fd, backlog));
    SYS(getsockname(fd, (struct sockaddr *)&addr, &len));
    *port = ntohs(addr.sin_port);
    return fd;
}

int tcp_connect(uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = (int)SYS(socket(AF_INET, SOCK_STREAM, 0));

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    SYS(connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
    return fd;
}

void tcp_pair(int fds[2])
{
    uint16_t port;
    int listener = tcp_listen(4, &port);

    fds[0] = tcp_connect(port);
    fds[1] = (int)SYS(accept(listener, NULL, NULL));
    SYS(close(listener));
}

void set_nonblock(int fd, int on)
{
    int flags = (int)SYS(fcntl(fd, F_GETFL));

    SYS(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

int is_nonblock(int fd)
{
    return (SYS(fcntl(fd, F_GETFL)) & O_NONBLOCK) != 0;
}

void write_all(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        long n = SYS(write(fd, at, size));

        at += n;
        size -= (size_t)n;
    }
}

void read_all(int fd, void *data, size_t size)
{
    char *at = data;

    while (size > 0) {
        long n = SYS(read(fd, at, size));

        CHECK(n != 0);
        at += n;
        size -= (size_t)n;
    }
}

size_t fill_fd(int fd)
{
    static const char block[4096] = {[0 ... 4095] = 'x'};
    int was = is_nonblock(fd);
    size_t total = 0;

    set_nonblock(fd, 1);
    for (size_t size = sizeof(block); size > 0;) {
        long n = write(fd, block, size);

        if (n > 0)
            total += (size_t)n;
        else
            size /= 2; /* also the last corner */
    }
    CHECK_EQ(errno, EAGAIN);
    set_nonblock(fd, was);
    return total;
}

static void *sink_main(void *arg)
{
    struct sink *sink = arg;
    size_t space = 0;
    long n;

    sleep_ms(sink->delay_ms);
    do {
        if (space - sink->size < 65536) {
            space = space * 2 + 131072;
            sink->data = realloc(sink->data, space);
            CHECK(sink->data);
        }
        n = SYS(read(sink->fd, sink->data + sink->size, space - sink->size - 1));
        sink->size += (size_t)n;
    } while (n > 0);
    sink->data[sink->size] = '\0';
    SYS(close(sink->fd));
    return NULL;
}

void sink_start(struct sink *sink, int fd, int delay_ms)
{
    *sink = (struct sink){.fd = fd, .delay_ms = delay_ms};
    sink->thread = start(sink_main, sink);
}

void sink_finish(struct sink *sink)
{
    finish(sink->thread);
}

struct later {
    int fd, delay_ms;
    const char *text;
};

static void *later_main(void *arg)
{
    struct later later = *(struct later *)arg;

    free(arg);
    sleep_ms(later.delay_ms);
    write_all(later.fd, later.text, strlen(later.text));
    return NULL;
}

pthread_t write_after(int fd, const char *text, int delay_ms)
{
    struct later *later = malloc(sizeof(*later));

    CHECK(later);
    *later = (struct later){.fd = fd, .delay_ms = delay_ms, .text = text};
    return start(later_main, later);
}

int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = -3; /* ".", ".." and the directory itself */

    CHECK(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static unsigned char pattern_at(uint64_t i)
{
    return (unsigned char)((i * 2654435761u) >> 13);
}

void fill_pattern(unsigned char *data, size_t size, uint64_t offset)
{
    for (size_t i = 0; i < size; i++)
        data[i] = pattern_at(offset + i);
}

int pattern_ok(const unsigned char *data, size_t size, uint64_t offset)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != pattern_at(offset + i))
            return 0;
    return 1;
}

static int wait_status(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) == -1)
        CHECK_EQ(errno, EINTR);
    if (status == 3 << 8)
        test_inconclusive(__FILE__, __LINE__, "so says a child process");
    return status;
}

int run_child(int (*fn)(void *), void *arg)
{
    pid_t pid = (pid_t)SYS(fork());

    if (pid == 0)
        _exit(fn(arg));
    return wait_status(pid);
}

int run_self(const char *arg, char *out, size_t size)
{
    int fds[2];
    size_t used = 0;
    long n;

    fflush(stdout);
    pipe_pair(fds);
    pid_t pid = (pid_t)SYS(fork());
    if (pid == 0) {
        if (out && dup2(fds[1], 1) == -1)
            _exit(120);
        close(fds[0]);
        close(fds[1]);
        execl("/proc/self/exe", test_argv[0], arg, (char *)NULL);
        _exit(121);
    }
    close(fds[1]);
    while (out && used < size - 1 && (n = SYS(read(fds[0], out + used, size - 1 - used))) > 0)
        used += (size_t)n;
    if (out)
        out[used] = '\0';
    int status = wait_status(pid);
    close(fds[0]);
    return status;
}

#define GO 9 /* the descriptor on which the child tells its parent to read */

int run_with_full_pipe(const char *arg, int fd, int delay_ms, struct sink *sink)
{
    int out[2], go[2], status;
    char byte;

    pipe_pair(out);
    pipe_pair(go);
    pid_t pid = (pid_t)SYS(fork());
    if (pid == 0) {
        dup2(out[1], fd);
        dup2(go[1], GO);
        close(out[0]);
        close(out[1]);
        close(go[0]);
        if (go[1] != GO)
            close(go[1]);
        execl("/proc/self/exe", test_argv[0], arg, (char *)NULL);
        _exit(121);
    }
    SYS(close(out[1]));
    SYS(close(go[1]));
    read_all(go[0], &byte, 1);
    SYS(close(go[0]));
    sink_start(sink, out[0], delay_ms);
    sink_finish(sink);
    SYS(waitpid(pid, &status, 0));
    return status;
}

static void *says_go(void *arg)
{
    sleep_ms(50);
    write_all(GO, "g", 1);
    return arg;
}

void fill_and_say_go(int fd)
{
    fill_fd(fd);
    start(says_go, NULL);
}

void stay_quiet(void)
{
    struct rlimit none = {0, 0};
    int fd = (int)SYS(open("/dev/null", O_WRONLY));

    setrlimit(RLIMIT_CORE, &none);
    SYS(dup2(fd, 2));
    close(fd);
}

static void *background_main(void *arg)
{
    uint64_t *ticks = arg;

    while (!flag_get(&background_stop)) {
        usleep(1000);
        __atomic_add_fetch(ticks, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void background_begin(int count)
{
    if (count > 64)
        count = 64;
    for (int i = 0; i < count; i++)
        background_thread[i] = start_without_signals(background_main, &background_ticks[i]);
    background_count = count;
}

/* Whatever the test did, every thread must have got on. */
static void background_end(void)
{
    int64_t end = now_ms() + 20000;

    for (int i = 0; i < background_count; i++)
        while (__atomic_load_n(&background_ticks[i], __ATOMIC_RELAXED) == 0) {
            CHECK_LE(now_ms(), end);
            usleep(1000);
        }
    flag_set(&background_stop, 1);
    for (int i = 0; i < background_count; i++)
        CHECK(finish(background_thread[i]) == NULL);
}

int main(int argc, char **argv)
{
    int count = argc == 1 ? int_env("TEST_BACKGROUND", 0) : 0;

    test_argc = argc;
    test_argv = argv;
    main_pid = getpid();
    if (count > 0)
        background_begin(count);

    int status = test_main();

    if (background_active())
        background_end();
    return status;
}
