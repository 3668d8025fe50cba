/* Finds a program and decides, before it is started, whether the library can be preloaded into it.
 */
#include "tools/greenrun/target.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The kernel reads this much of a script and follows at most this many interpreters. */
#define SCRIPT_HEAD  256
#define SCRIPT_DEPTH 5

static enum status check_file(struct target *t, const char *path, int depth);

__attribute__((format(printf, 3, 4))) static enum status
refuse(struct target *t, enum status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(t->why, sizeof(t->why), format, args);
    va_end(args);
    /* Names from files may hold anything; the message is one line. */
    for (char *p = t->why; *p; p++) {
        *p = (unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p;
    }
    return status;
}

/* May this be executed? 0, or the errno that execve() would give. */
static int executable_errno(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return errno;
    }
    if (S_ISDIR(st.st_mode)) {
        return EISDIR;
    }
    if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0) {
        return EACCES;
    }
    return 0;
}

static enum status refuse_errno(struct target *t, int err)
{
    if (err == ENOENT || err == ENOTDIR) {
        return refuse(t, STATUS_NOT_FOUND, "not found; check the name");
    }
    if (err == EISDIR) {
        return refuse(t, STATUS_CANNOT_EXEC, "is a directory; name a program");
    }
    if (err == EACCES) {
        return refuse(t, STATUS_CANNOT_EXEC,
                      "may not be executed; check its permissions (chmod +x) and its directories");
    }
    return refuse(t, STATUS_CANNOT_EXEC, "cannot be executed: %s; check the file", strerror(err));
}

/* One element of PATH, which is not terminated; the empty one is the current directory. */
static bool join_path(char *out, const char *dir, size_t dir_len, const char *name)
{
    if (dir_len == 0) {
        dir = ".";
        dir_len = 1;
    }
    int n = snprintf(out, PATH_MAX, "%.*s/%s", (int)dir_len, dir, name);
    return n > 0 && n < PATH_MAX;
}

enum status target_find(struct target *t, const char *name)
{
    if (strchr(name, '/') != NULL || name[0] == '\0') {
        int n = snprintf(t->path, sizeof(t->path), "%s", name);
        int err = n < PATH_MAX ? executable_errno(name) : ENAMETOOLONG;
        return err == 0 ? STATUS_OK : refuse_errno(t, err);
    }
    const char *path = getenv("PATH");
    if (path == NULL) {
        path = "/bin:/usr/bin";
    }
    bool denied = false;
    for (const char *dir = path;; dir++) {
        size_t len = strcspn(dir, ":");
        if (join_path(t->path, dir, len, name)) {
            int err = executable_errno(t->path);
            if (err == 0) {
                return STATUS_OK;
            }
            /* A folder of PATH that we may not look into holds nothing for us. */
            denied |= access(t->path, F_OK) == 0;
        }
        dir += len;
        if (*dir == '\0') {
            break;
        }
    }
    if (denied) {
        return refuse_errno(t, EACCES);
    }
    return refuse(t, STATUS_NOT_FOUND, "not found in PATH; check the name");
}

/*
 * The kernel's rule for AT_SECURE, under which the loader ignores LD_PRELOAD: the new effective ids
 * differ from our real ones, or somebody who is not root gains capabilities.
 */
static enum status check_privilege(struct target *t, const char *path, const struct stat *st)
{
    struct statvfs fs;
    bool honoured = statvfs(path, &fs) != 0 || !(fs.f_flag & ST_NOSUID);
    bool ids = honoured && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
    bool set_user = ids && (st->st_mode & S_ISUID);
    bool set_group = ids && (st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP);

    uid_t user = set_user ? st->st_uid : geteuid();
    gid_t group = set_group ? st->st_gid : getegid();
    if (user != getuid()) {
        return refuse(t, STATUS_PRIVILEGED,
                      "%s, so the loader ignores preloaded libraries; "
                      "run it as its owner or use a copy without that bit",
                      set_user ? "is set-user-ID" : "would run with differing user ids");
    }
    if (group != getgid()) {
        return refuse(t, STATUS_PRIVILEGED,
                      "%s, so the loader ignores preloaded libraries; "
                      "run it with its group or use a copy without that bit",
                      set_group ? "is set-group-ID" : "would run with differing group ids");
    }
    if (honoured && getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0) {
        return refuse(t, STATUS_PRIVILEGED,
                      "has file capabilities, so the loader ignores preloaded libraries; "
                      "run it as root or use a copy without them (setcap -r)");
    }
    return STATUS_OK;
}

/* The next word at *@text, ended with a NUL; NULL when there is none. */
static char *next_word(char **text)
{
    char *word = *text + strspn(*text, " \t");
    if (*word == '\0') {
        return NULL;
    }
    char *end = word + strcspn(word, " \t");
    *text = *end == '\0' ? end : end + 1;
    *end = '\0';
    return word;
}

/* The program that `env ARGUMENTS` would run, or NULL if there is none to see. */
static const char *program_of_env(char *arguments)
{
    for (char *word = next_word(&arguments); word != NULL; word = next_word(&arguments)) {
        if (strncmp(word, "-S", 2) == 0 && word[2] != '\0') {
            return word + 2;
        }
        if (word[0] != '-' && strchr(word, '=') == NULL) {
            return word;
        }
        if (strcmp(word, "-u") == 0 || strcmp(word, "-C") == 0) {
            (void)next_word(&arguments);
        }
    }
    return NULL;
}

/* @t->why is about @name, which @relation the script: say so, under the script's own status. */
static enum status refuse_script(struct target *t, const char *relation, const char *name)
{
    char why[sizeof(t->why)];
    memcpy(why, t->why, sizeof(why));
    return refuse(t, STATUS_INTERPRETER, "%s %.*s %.*s", relation, PATH_MAX, name,
                  (int)(sizeof(t->why) - PATH_MAX - 64), why);
}

/* A script: @line is what follows "#!" on its first line. */
static enum status check_script(struct target *t, char *line, int depth)
{
    char *rest = line;
    char *interpreter = next_word(&rest);
    if (interpreter == NULL) {
        return refuse(t, STATUS_NOT_ELF, "has an empty #! line; name its interpreter there");
    }
    if (depth == SCRIPT_DEPTH) {
        return refuse(t, STATUS_INTERPRETER,
                      "is a script whose interpreters are scripts too many times; "
                      "name a program in the #! line");
    }
    int err = executable_errno(interpreter);
    enum status status = err != 0 ? refuse_errno(t, err) : check_file(t, interpreter, depth + 1);
    if (status != STATUS_OK) {
        return refuse_script(t, "is a script and its interpreter", interpreter);
    }

    const char *base = strrchr(interpreter, '/');
    if (strcmp(base != NULL ? base + 1 : interpreter, "env") != 0) {
        return STATUS_OK;
    }
    const char *program = program_of_env(rest);
    if (program == NULL) {
        return STATUS_OK;
    }
    struct target inner = {.elf = ""};
    status = target_find(&inner, program);
    if (status == STATUS_OK) {
        status = check_file(&inner, inner.path, depth + 1);
    }
    memcpy(t->elf, inner.elf, sizeof(t->elf));
    if (status == STATUS_OK) {
        return STATUS_OK;
    }
    memcpy(t->why, inner.why, sizeof(t->why));
    return refuse_script(t, "is a script and its interpreter", program);
}

bool target_loader(Elf *elf, int fd, char *loader, size_t size)
{
    size_t n = 0;
    loader[0] = '\0';
    if (elf_getphdrnum(elf, &n) != 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr phdr;
        if (gelf_getphdr(elf, (int)i, &phdr) == NULL) {
            return false;
        }
        if (phdr.p_type != PT_INTERP) {
            continue;
        }
        if (phdr.p_filesz == 0 || phdr.p_filesz > size) {
            return false;
        }
        ssize_t got = pread(fd, loader, phdr.p_filesz, (off_t)phdr.p_offset);
        if (got != (ssize_t)phdr.p_filesz || loader[got - 1] != '\0') {
            return false;
        }
        return true;
    }
    return true;
}

/* Go's linker leaves a section of this name in every program. */
bool target_is_go(Elf *elf)
{
    size_t strings = 0;
    if (elf_getshdrstrndx(elf, &strings) != 0) {
        return false;
    }
    for (Elf_Scn *scn = elf_nextscn(elf, NULL); scn != NULL; scn = elf_nextscn(elf, scn)) {
        GElf_Shdr shdr;
        if (gelf_getshdr(scn, &shdr) == NULL) {
            return false;
        }
        const char *name = elf_strptr(elf, strings, shdr.sh_name);
        if (name != NULL && strcmp(name, ".go.buildinfo") == 0) {
            return true;
        }
    }
    return false;
}

static enum status check_loader(struct target *t, const char *loader)
{
    const char *base = strrchr(loader, '/');
    base = base != NULL ? base + 1 : loader;
    if (strncmp(base, "ld-linux", strlen("ld-linux")) != 0) {
        return refuse(t, STATUS_LIBC,
                      "uses another C library (its loader is %.1024s); use a build for glibc",
                      loader);
    }
    if (access(loader, X_OK) != 0) {
        return refuse(t, STATUS_NOT_FOUND, "needs the loader %.1024s, which is missing; install it",
                      loader);
    }
    return STATUS_OK;
}

static enum status check_elf(struct target *t, Elf *elf, int fd)
{
    GElf_Ehdr header;
    if (elf == NULL || elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == NULL) {
        return refuse(t, STATUS_NOT_ELF, "is a damaged ELF file; build or install it again");
    }
    if (gelf_getclass(elf) != ELFCLASS64) {
        return refuse(t, STATUS_MACHINE, "is a 32-bit program; use a 64-bit build");
    }
    if (header.e_machine != TARGET_MACHINE) {
        return refuse(t, STATUS_MACHINE,
                      "is for another processor (ELF machine %u); use a build for this one",
                      header.e_machine);
    }
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
        return refuse(t, STATUS_NOT_ELF, "is an ELF file but not a program; name a program");
    }

    char loader[PATH_MAX];
    if (!target_loader(elf, fd, loader, sizeof(loader))) {
        return refuse(t, STATUS_NOT_ELF, "is a damaged ELF file; build or install it again");
    }
    if (loader[0] == '\0') {
        return refuse(t, STATUS_STATIC,
                      "is statically linked, so nothing can be preloaded into it; "
                      "link it dynamically (without -static)");
    }
    enum status status = check_loader(t, loader);
    if (status != STATUS_OK) {
        return status;
    }
    if (target_is_go(elf)) {
        return refuse(t, STATUS_GO,
                      "is a Go program, whose runtime bypasses libc; run it without greenrun");
    }
    return STATUS_OK;
}

/* Reads the first bytes as the kernel does. Returns their number; 0 for an empty file. */
static size_t read_head(int fd, char *head)
{
    ssize_t got = pread(fd, head, SCRIPT_HEAD, 0);
    size_t n = got > 0 ? (size_t)got : 0;
    head[n] = '\0';
    return n;
}

static enum status check_content(struct target *t, const char *path, int fd, int depth)
{
    char head[SCRIPT_HEAD + 1];
    size_t n = read_head(fd, head);
    if (n >= 2 && memcmp(head, "#!", 2) == 0) {
        head[strcspn(head, "\n")] = '\0';
        return check_script(t, head + 2, depth);
    }
    if (n < SELFMAG || memcmp(head, ELFMAG, SELFMAG) != 0) {
        return refuse(t, STATUS_NOT_ELF,
                      "is neither an ELF program nor a script; start a script with a #! line");
    }
    (void)snprintf(t->elf, sizeof(t->elf), "%s", path);
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return refuse_errno(t, errno);
    }
    enum status status = check_privilege(t, path, &st);
    if (status != STATUS_OK) {
        return status;
    }
    (void)elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    status = check_elf(t, elf, fd);
    (void)elf_end(elf);
    return status;
}

static enum status check_file(struct target *t, const char *path, int depth)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        /* Executable but not readable is allowed: only its permissions can be looked at. */
        struct stat st;
        if (errno != EACCES || stat(path, &st) != 0) {
            return refuse_errno(t, errno);
        }
        return check_privilege(t, path, &st);
    }
    enum status status = check_content(t, path, fd, depth);
    (void)close(fd);
    return status;
}

enum status target_check(struct target *t)
{
    char path[PATH_MAX];
    memcpy(path, t->path, sizeof(path));
    t->elf[0] = '\0';
    return check_file(t, path, 0);
}
