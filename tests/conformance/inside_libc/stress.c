/* A thousand threads for STRESS_SECONDS, each at random: lines from one half to the other through
   pipes, lookups, popen, blocks of memory handed around, numbers to text and back. Every byte is
   checked, every thread ends, nothing is left behind. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
/* TIMEOUT: 90 */
#include "nameserver.h"
#include "testlib.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define THREADS   1000
#define STACK     (256 * 1024)
#define COMMANDS  8   /* at once */
#define LOOKUPS   100 /* at once: the server's socket holds that many questions */
#define SLOTS     64
#define BLOCK     20000
#define MAX_BURST 40

/* Threads 2n and 2n + 1: one writes, one reads. The pipe holds a page. */
struct pair {
    FILE *out, *in;
    int written, read; /* lines */
    int ended;         /* the writer is done, the reader has seen it */
};

struct block {
    size_t size;
    uint64_t offset; /* of the pattern */
    unsigned char bytes[];
};

static struct pair pairs[THREADS / 2];
static struct block *slots[SLOTS];
static struct nameserver server;
static sem_t commands, lookups;
static int64_t end_ms;

static int below(unsigned *seed, int limit)
{
    return rand_r(seed) % limit;
}

static void get(sem_t *sem)
{
    while (sem_wait(sem) == -1)
        CHECK_EQ(errno, EINTR);
}

static void write_lines(int number, unsigned *seed)
{
    struct pair *pair = &pairs[number / 2];

    for (int n = below(seed, MAX_BURST); n >= 0; n--) {
        int line = pair->written++;
        CHECK_GE(fprintf(pair->out, "%d %d %0*d\n", number, line, line % 97 + 10, line), 14);
    }
    CHECK_EQ(fflush(pair->out), 0);
}

/* One line; at the end of the file none. */
static int read_line(int number)
{
    struct pair *pair = &pairs[number / 2];
    char line[200], want[200];

    if (!fgets(line, sizeof(line), pair->in)) {
        CHECK(feof(pair->in) && !ferror(pair->in));
        return 0;
    }
    int at = pair->read++;
    snprintf(want, sizeof(want), "%d %d %0*d\n", number - 1, at, at % 97 + 10, at);
    CHECK_STR(line, want);
    return 1;
}

static void read_lines(int number, unsigned *seed)
{
    struct pair *pair = &pairs[number / 2];

    for (int n = below(seed, MAX_BURST); n >= 0 && !pair->ended; n--)
        pair->ended = !read_line(number);
}

static void look_up(unsigned *seed)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    int host = below(seed, 65536);
    char name[32], text[32], want[32];

    snprintf(name, sizeof(name), "d%dn%d.test", below(seed, 10), host);
    snprintf(want, sizeof(want), "10.0.%d.%d", host / 256, host % 256);
    get(&lookups);
    CHECK_EQ(getaddrinfo(name, NULL, &hints, &list), 0);
    SYS(sem_post(&lookups));
    CHECK(inet_ntop(AF_INET, &((struct sockaddr_in *)list->ai_addr)->sin_addr, text, sizeof(text)));
    CHECK_STR(text, want);
    CHECK(!list->ai_next);
    freeaddrinfo(list);
}

/* With a place in commands. */
static void command(int number, unsigned *seed)
{
    int status = below(seed, 100);
    char shell[64], line[64], want[64];

    snprintf(shell, sizeof(shell), "echo %d says %d; exit %d", number, status, status);
    snprintf(want, sizeof(want), "%d says %d\n", number, status);
    FILE *file = popen(shell, "re");
    CHECK(file);
    CHECK(fgets(line, sizeof(line), file));
    CHECK_STR(line, want);
    CHECK(!fgets(line, sizeof(line), file) && feof(file));
    CHECK_EQ(pclose(file), status << 8);
    SYS(sem_post(&commands));
}

static void check_and_free(struct block *block)
{
    CHECK(!block || pattern_ok(block->bytes, block->size, block->offset));
    free(block);
}

/* A block is made here, grows or shrinks, and is left for another thread to free. */
static void memory(unsigned *seed)
{
    size_t size = (size_t)below(seed, BLOCK), now = (size_t)below(seed, BLOCK);
    struct block *block = malloc(sizeof(*block) + size);

    CHECK(block);
    block->size = size;
    block->offset = (uint64_t)below(seed, RAND_MAX);
    fill_pattern(block->bytes, size, block->offset);
    sched_yield();
    block = realloc(block, sizeof(*block) + now);
    CHECK(block);
    CHECK(pattern_ok(block->bytes, now < size ? now : size, block->offset));
    block->size = now;
    fill_pattern(block->bytes, now, block->offset);
    check_and_free(__atomic_exchange_n(&slots[below(seed, SLOTS)], block, __ATOMIC_ACQ_REL));
}

static void text(unsigned *seed)
{
    long long whole = (long long)rand_r(seed) * rand_r(seed) - rand_r(seed), whole_back;
    double part = (double)whole / 1021, part_back;
    char line[200], word[32], word_back[32];

    snprintf(word, sizeof(word), "w%x", rand_r(seed));
    int size = snprintf(line, sizeof(line), "%lld <%s> %.17g", whole, word, part);
    CHECK_EQ(size, strlen(line));
    CHECK_EQ(sscanf(line, "%lld <%31[^>]> %lf", &whole_back, word_back, &part_back), 3);
    CHECK_EQ(whole_back, whole);
    CHECK_STR(word_back, word);
    CHECK(part_back == part);
}

static void *body(void *arg)
{
    int number = (int)(intptr_t)arg, reads = number % 2;
    unsigned seed = (unsigned)number + 1;
    struct pair *pair = &pairs[number / 2];

    nameserver_use(&server, 20, 3);
    if (number < 4 * COMMANDS) {
        get(&commands);
        command(number, &seed);
    }
    do {
        switch (below(&seed, 5)) {
        case 0:
            (reads ? read_lines : write_lines)(number, &seed);
            break;
        case 1:
            look_up(&seed);
            break;
        case 2:
            if (sem_trywait(&commands) == 0)
                command(number, &seed);
            break;
        case 3:
            memory(&seed);
            break;
        case 4:
            text(&seed);
            break;
        }
    } while (now_ms() < end_ms);

    if (!reads) {
        CHECK_EQ(fclose(pair->out), 0);
        return NULL;
    }
    while (!pair->ended)
        pair->ended = !read_line(number);
    CHECK_EQ(fclose(pair->in), 0);
    return NULL;
}

static void open_pair(struct pair *pair)
{
    int fds[2];

    SYS(pipe2(fds, O_CLOEXEC));
    SYS(fcntl(fds[1], F_SETPIPE_SZ, 4096));
    pair->in = fdopen(fds[0], "r");
    pair->out = fdopen(fds[1], "w");
    CHECK(pair->in && pair->out);
}

static void raise_descriptor_limit(rlim_t want)
{
    struct rlimit limit;

    SYS(getrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_cur >= want)
        return;
    limit.rlim_cur = want;
    if (limit.rlim_max < want)
        test_skip("not enough descriptors allowed");
    SYS(setrlimit(RLIMIT_NOFILE, &limit));
}

int test_main(void)
{
    static pthread_t threads[THREADS];
    pthread_attr_t attr;
    unsigned seed = 0;

    raise_descriptor_limit(THREADS * 3);
    server = nameserver_start(10);
    nameserver_use(&server, 20, 3);
    SYS(sem_init(&commands, 0, COMMANDS));
    SYS(sem_init(&lookups, 0, LOOKUPS));
    OTHERS_RUN(50, sleep_ms(50));
    look_up(&seed);
    int descriptors = open_descriptors();

    for (int i = 0; i < THREADS / 2; i++)
        open_pair(&pairs[i]);
    CHECK_RC(pthread_attr_init(&attr), 0);
    CHECK_RC(pthread_attr_setstacksize(&attr, STACK), 0);
    end_ms = now_ms() + int_env("STRESS_SECONDS", 3) * 1000LL;
    for (intptr_t i = 0; i < THREADS; i++)
        CHECK_RC(pthread_create(&threads[i], &attr, body, (void *)i), 0);
    pthread_attr_destroy(&attr);
    for (int i = 0; i < THREADS; i++)
        CHECK(finish(threads[i]) == NULL);
    for (int i = 0; i < THREADS / 2; i++)
        CHECK_EQ(pairs[i].read, pairs[i].written);
    for (int i = 0; i < SLOTS; i++)
        check_and_free(slots[i]);

    CHECK_EQ(open_descriptors(), descriptors);
    nameserver_stop(&server);
    CHECK_ERRNO(wait(NULL), ECHILD);
    return 0;
}
