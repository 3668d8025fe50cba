/*
 * Ways to write into text that is mapped readable and executable. Each may be closed on a hardened
 * system, so they are tried in turn:
 *
 *   /proc/self/mem   the kernel writes, whatever the page's protection; /proc may be missing
 *   mprotect         writable and executable for a moment; PR_SET_MDWE and SELinux forbid it. Never
 *                    by way of "writable, not executable": it may not become executable again
 *   a copy           of the whole text in a memory file, changed there and mapped in its place
 *
 * Everything is read back: a way that says yes and does nothing counts as closed.
 */
#include "shim/text.h"

#include "runtime/base/rawsys.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

#define SPAN 2048

struct job {
    const struct gr_patch *patches;
    size_t n;
    const struct gr_text *texts;
    size_t n_texts;
};

static bool is_done(const struct job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        if (memcmp(j->patches[i].at, j->patches[i].bytes, j->patches[i].n) != 0) {
            return false;
        }
    }
    return true;
}

/* How many of the patches from @p on lie within one span; from its first byte to its last: *@size.
 */
static size_t span_of(const struct gr_patch *p, size_t n, size_t *size)
{
    size_t k = 0;
    while (k < n && (size_t)(p[k].at + p[k].n - p->at) <= SPAN) {
        *size = (size_t)(p[k].at + p[k].n - p->at);
        k++;
    }
    return k;
}

/* Write all patches to @fd, at their addresses less @base: neighbours by one call, with what lies
 * between them. */
static bool write_to(int fd, const struct gr_patch *p, size_t n, uintptr_t base)
{
    uint8_t span[SPAN];
    while (n) {
        const uint8_t *bytes = p->bytes;
        size_t size = p->n;
        size_t k = span_of(p, n, &size);
        if (k > 1) {
            memcpy(span, p->at, size);
            for (size_t i = 0; i < k; i++) {
                memcpy(span + (p[i].at - p->at), p[i].bytes, p[i].n);
            }
            bytes = span;
        } else {
            k = 1;
        }
        if (GR_SYS(SYS_pwrite64, fd, bytes, size, (uintptr_t)p->at - base) != (long)size) {
            return false;
        }
        p += k;
        n -= k;
    }
    return true;
}

static void by_proc(const struct job *j)
{
    int fd = (int)GR_SYS(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR | O_CLOEXEC, 0);
    if (fd >= 0) {
        (void)write_to(fd, j->patches, j->n, 0);
        (void)GR_SYS(SYS_close, fd);
    }
}

static bool protect(const struct job *j, int prot)
{
    bool ok = true;
    for (size_t i = 0; i < j->n_texts; i++) {
        const struct gr_text *t = &j->texts[i];
        ok = GR_SYS(SYS_mprotect, t->start, t->end - t->start, prot) == 0 && ok;
    }
    return ok;
}

static void by_mprotect(const struct job *j)
{
    if (protect(j, PROT_READ | PROT_WRITE | PROT_EXEC)) {
        for (size_t i = 0; i < j->n; i++) {
            memcpy(j->patches[i].at, j->patches[i].bytes, j->patches[i].n);
        }
    }
    (void)protect(j, PROT_READ | PROT_EXEC);
}

static int memory_file(void)
{
    int fd = (int)GR_SYS(SYS_memfd_create, "greenshim-text", MFD_CLOEXEC | MFD_EXEC);
    return fd >= 0 ? fd : (int)GR_SYS(SYS_memfd_create, "greenshim-text", MFD_CLOEXEC);
}

static bool is_within(const struct gr_patch *p, const struct gr_text *t)
{
    return (uintptr_t)p->at >= t->start && (uintptr_t)p->at + p->n <= t->end;
}

/* The patches of @t go into @fd, a copy of @t. */
static bool change_copy(const struct job *j, const struct gr_text *t, int fd)
{
    long size = (long)(t->end - t->start);
    if (GR_SYS(SYS_pwrite64, fd, t->start, size, 0) != size) {
        return false;
    }
    size_t first = 0;
    while (first < j->n && !is_within(&j->patches[first], t)) {
        first++;
    }
    size_t n = 0;
    while (first + n < j->n && is_within(&j->patches[first + n], t)) {
        n++;
    }
    return write_to(fd, j->patches + first, n, t->start);
}

/* The copies are mapped only when all are ready, and between the system calls no libc is called. */
static void by_copy(const struct job *j)
{
    int fds[4];
    size_t ready = 0;
    while (ready < j->n_texts && ready < 4) {
        int fd = memory_file();
        if (fd < 0) {
            break;
        }
        fds[ready++] = fd;
        if (!change_copy(j, &j->texts[ready - 1], fd)) {
            break;
        }
        if (ready == j->n_texts) {
            for (size_t i = 0; i < j->n_texts; i++) {
                const struct gr_text *t = &j->texts[i];
                (void)GR_SYS(SYS_mmap, t->start, t->end - t->start, PROT_READ | PROT_EXEC,
                             MAP_PRIVATE | MAP_FIXED, fds[i], 0);
            }
        }
    }
    for (size_t i = 0; i < ready; i++) {
        (void)GR_SYS(SYS_close, fds[i]);
    }
}

const char *gr_text_write(const struct gr_patch *patches, size_t n, const struct gr_text *texts,
                          size_t n_texts)
{
    static const struct {
        const char *name;
        void (*write)(const struct job *);
    } ways[] = {{"/proc/self/mem", by_proc}, {"mprotect", by_mprotect}, {"a copy", by_copy}};
    struct job j = {patches, n, texts, n_texts};
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        ways[i].write(&j);
        if (is_done(&j)) {
            return ways[i].name;
        }
    }
    return NULL;
}
