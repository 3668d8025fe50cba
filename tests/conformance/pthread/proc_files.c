/* BUILD: -Wno-nonnull */
/* Files below /proc by the id of a thread, by every call that takes a path; paths that are none. */
#include "testlib.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

static void is_directory(const char *path)
{
    struct stat st;
    struct statx stx;
    struct statfs fs;

    SYS(stat(path, &st));
    CHECK(S_ISDIR(st.st_mode));
    SYS(lstat(path, &st));
    SYS(fstatat(AT_FDCWD, path, &st, 0));
    SYS(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &stx));
    CHECK(S_ISDIR(stx.stx_mode));
    SYS(access(path, R_OK));
    SYS(faccessat(AT_FDCWD, path, R_OK, 0));
    SYS(eaccess(path, R_OK));
    SYS(statfs(path, &fs));
    SYS(syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0));
    SYS(syscall(SYS_faccessat, AT_FDCWD, path, R_OK));
    SYS(close((int)SYS(open(path, O_RDONLY | O_DIRECTORY))));
    DIR *dir = opendir(path);
    CHECK(dir);
    SYS(closedir(dir));
}

static void is_link(const char *path, const char *want)
{
    char to[300] = "";

    SYS(readlink(path, to, sizeof(to) - 1));
    CHECK_STR(to, want);
    memset(to, 0, sizeof(to));
    SYS(readlinkat(AT_FDCWD, path, to, sizeof(to) - 1));
    CHECK_STR(to, want);
    memset(to, 0, sizeof(to));
    SYS(syscall(SYS_readlinkat, AT_FDCWD, path, to, sizeof(to) - 1));
    CHECK_STR(to, want);
}

static void is_text(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[100];

    CHECK(file);
    CHECK(fgets(line, sizeof(line), file));
    fclose(file);
}

static void of_thread(pid_t tid)
{
    char path[100], exe[300] = "";

    SYS(readlink("/proc/self/exe", exe, sizeof(exe) - 1));
    for (int i = 0; i < 3; i++) {
        errno = 0;
        char *end = path + (i == 0   ? sprintf(path, "/proc/self/task/%d", tid)
                            : i == 1 ? sprintf(path, "/proc/%d/task/%d", getpid(), tid)
                                     : sprintf(path, "/proc/%d", tid));
        is_directory(path);
        strcpy(end, "/exe");
        is_link(path, exe);
        strcpy(end, "/status");
        is_text(path);
        CHECK_EQ(errno, 0);
        strcpy(end, "/no-such-file");
        CHECK_ERRNO(access(path, R_OK), ENOENT);
    }
}

static void *body(void *arg)
{
    of_thread(gettid());
    *(pid_t *)arg = gettid();
    return NULL;
}

/* The kernel finds out: nobody else may read it first. */
static void bad_paths(void)
{
    struct stat st;
    char text[10];

    for (uintptr_t address = 0; address <= 16; address += 16) {
        const char *bad = (const char *)address;
        CHECK_ERRNO(open(bad, O_RDONLY), EFAULT);
        CHECK_ERRNO(openat(AT_FDCWD, bad, O_RDONLY), EFAULT);
        CHECK_ERRNO(stat(bad, &st), EFAULT);
        CHECK_ERRNO(lstat(bad, &st), EFAULT);
        CHECK_ERRNO(access(bad, F_OK), EFAULT);
        CHECK_ERRNO(readlink(bad, text, sizeof(text)), EFAULT);
        CHECK_ERRNO(syscall(SYS_readlinkat, AT_FDCWD, bad, text, sizeof(text)), EFAULT);
    }
    CHECK_ERRNO(stat("", &st), ENOENT);
    CHECK_ERRNO(stat("/proc/", (struct stat *)16), EFAULT);
    CHECK_ERRNO(stat("/proc/self/task/99999999999999999999", &st), ENOENT);
    CHECK_ERRNO(stat("/proc/4194304000", &st), ENOENT);
}

static void *from_thread(void *arg)
{
    bad_paths();
    return arg;
}

int test_main(void)
{
    char path[100];
    pid_t tid = 0;

    finish(start(body, &tid));
    of_thread(getpid());
    sprintf(path, "/proc/self/task/%d/stat", tid);
    for (int i = 0; i < 1000 && access(path, F_OK) == 0; i++)
        sleep_ms(1); /* the kernel's own threads end a little after they are joined */
    CHECK_ERRNO(access(path, F_OK), ENOENT);
    CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
    finish(start(from_thread, NULL));
    bad_paths();
    return 0;
}
