/* read and write on every kind of descriptor, blocking until another thread writes. */
/* BUILD: -D_FORTIFY_SOURCE=2 -lutil */
#include "testlib.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>

struct job {
    int fd;
    const void *data;
    size_t size;
};

static void *write_later(void *arg)
{
    struct job *job = arg;

    settle();
    write_all(job->fd, job->data, job->size);
    return NULL;
}

/* read blocks, other threads run, then the data arrives */
static void read_blocks(int in, int out, const char *text)
{
    struct job job = {out, text, strlen(text)};
    char data[64] = "";
    pthread_t thread = start(write_later, &job);
    long n = 0;

    TAKES(30, n = SYS(read(in, data, sizeof(data) - 1)));
    CHECK_EQ(n, job.size);
    CHECK_STR(data, text);
    finish(thread);
    CHECK(!is_nonblock(in));
    CHECK(!is_nonblock(out));
}

static void counters(void)
{
    uint64_t one = 1, value = 0;
    int fd = (int)SYS(eventfd(0, 0));
    struct job job = {fd, &one, 8};
    pthread_t thread = start(write_later, &job);

    TAKES(30, CHECK_EQ(read(fd, &value, 8), 8));
    CHECK_EQ(value, 1);
    finish(thread);
    value = 5;
    write_all(fd, &value, 8);
    CHECK_ERRNO(read(fd, &value, 4), EINVAL);
    CHECK_EQ(read(fd, &value, 8), 8);
    CHECK_EQ(value, 5);
    close(fd);

    fd = (int)SYS(timerfd_create(CLOCK_MONOTONIC, 0));
    struct itimerspec spec = {.it_value = ts_of_ms(50), .it_interval = ts_of_ms(10)};
    TAKES(50, ({
              SYS(timerfd_settime(fd, 0, &spec, NULL));
              CHECK_EQ(read(fd, &value, 8), 8);
          }));
    CHECK_GE(value, 1);
    TAKES(0, CHECK_EQ(read(fd, &value, 8), 8));
    close(fd);
}

static void notify(void)
{
    char name[] = "notify-XXXXXX", data[1024];
    int file = (int)SYS(mkstemp(name));
    int fd = (int)SYS(inotify_init());
    struct job job = {file, "x", 1};

    SYS(inotify_add_watch(fd, name, IN_MODIFY));
    pthread_t thread = start(write_later, &job);
    TAKES(30, CHECK_GE(read(fd, data, sizeof(data)), sizeof(struct inotify_event)));
    CHECK_EQ(((struct inotify_event *)data)->mask, IN_MODIFY);
    finish(thread);
    SYS(unlink(name));
    close(fd);
    close(file);
}

static void files(void)
{
    char name[] = "file-XXXXXX", text[32];
    int fd = (int)SYS(mkstemp(name));

    write_all(fd, "hello world", 11);
    CHECK_EQ(read(fd, text, sizeof(text)), 0);
    CHECK_EQ(pread(fd, text, sizeof(text), 6), 5);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(read(fd, text, 5), 5);
    CHECK(memcmp(text, "hello", 5) == 0);
    CHECK_EQ(pwrite(fd, "HE", 2, 0), 2);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
    SYS(unlink(name));
    close(fd);
    fd = (int)SYS(open("/dev/null", O_RDWR));
    CHECK_EQ(read(fd, text, sizeof(text)), 0);
    CHECK_EQ(write(fd, text, sizeof(text)), sizeof(text));
    close(fd);
    fd = (int)SYS(open("/dev/zero", O_RDONLY));
    CHECK_EQ(read(fd, text, sizeof(text)), sizeof(text));
    CHECK_EQ(text[31], 0);
    CHECK_ERRNO(write(fd, text, 1), EBADF);
    close(fd);
    CHECK_ERRNO(read(fd, text, 1), EBADF);
    CHECK_ERRNO(read(-1, text, 1), EBADF);
    CHECK_ERRNO(write(999999, text, 1), EBADF);
    fd = (int)SYS(open("/", O_RDONLY | O_DIRECTORY));
    CHECK_ERRNO(read(fd, text, 1), EISDIR);
    close(fd);
}

int test_main(void)
{
    int fds[2], master, slave;
    struct termios raw;

    pipe_pair(fds);
    read_blocks(fds[0], fds[1], "pipe");
    CHECK_EQ(read(fds[0], NULL, 0), 0);
    unix_pair(fds);
    read_blocks(fds[0], fds[1], "unix");
    read_blocks(fds[1], fds[0], "unix back");
    tcp_pair(fds);
    read_blocks(fds[0], fds[1], "tcp");
    read_blocks(fds[1], fds[0], "tcp back");

    SYS(openpty(&master, &slave, NULL, NULL, NULL));
    SYS(tcgetattr(slave, &raw));
    raw.c_lflag &= ~(tcflag_t)ECHO;
    raw.c_oflag &= ~(tcflag_t)OPOST;
    SYS(tcsetattr(slave, TCSANOW, &raw));
    read_blocks(slave, master, "line\n");
    read_blocks(master, slave, "from slave\n");
    cfmakeraw(&raw);
    SYS(tcsetattr(slave, TCSANOW, &raw));
    read_blocks(slave, master, "raw");

    SYS(mkfifo("fifo", 0600));
    int out, in = (int)SYS(open("fifo", O_RDWR));
    out = (int)SYS(open("fifo", O_WRONLY));
    read_blocks(in, out, "fifo");
    counters();
    notify();
    files();
    return 0;
}
