/* Checks a function that is to be offloaded: its signature, its library, its symbol. */
#include "tools/greenrun/offload.h"

#include "runtime/base/offload.h"

#include <green/call.h>

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct reason {
    char *text;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static bool refuse(const struct reason *r, const char *format,
                                                         ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(r->text, r->size, format, args);
    va_end(args);
    return false;
}

/* --- where the loader finds a library --- */

/* The program's loader, told to list what it would load, with @library as if it was preloaded. */
static void list_objects(const char *library, const char *program, int out)
{
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0 ||
        dup2(out, STDOUT_FILENO) < 0 || setenv("LD_TRACE_LOADED_OBJECTS", "1", 1) ||
        setenv("LD_PRELOAD", library, 1)) {
        _exit(1);
    }
    (void)unsetenv("LD_WARN");
    (void)unsetenv("LD_BIND_NOW");
    (void)execl(program, program, (char *)NULL);
    _exit(1);
}

/* Lines are "NAME => PATH (ADDRESS)", of @library first. */
static bool read_path(FILE *list, const char *library, char *path)
{
    char line[2 * PATH_MAX + 64];
    bool found = false;
    while (fgets(line, sizeof(line), list)) {
        char *name = line + strspn(line, "\t ");
        char *arrow = strstr(name, " => ");
        char *end = strrchr(name, '(');
        if (found || !arrow || !end || end <= arrow + 4) {
            continue;
        }
        *arrow = '\0';
        end[-1] = '\0';
        if (strcmp(name, library) == 0 && arrow[4] == '/') {
            (void)snprintf(path, PATH_MAX, "%s", arrow + 4);
            found = true;
        }
    }
    return found;
}

static bool find_library(const char *library, const char *program, char *path)
{
    if (strchr(library, '/')) {
        return snprintf(path, PATH_MAX, "%s", library) < PATH_MAX && access(path, R_OK) == 0;
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        list_objects(library, program, ends[1]);
    }
    (void)close(ends[1]);
    FILE *list = fdopen(ends[0], "r");
    bool found = list && pid > 0 && read_path(list, library, path);
    if (list) {
        (void)fclose(list);
    }
    if (pid > 0) {
        (void)waitpid(pid, NULL, 0);
    }
    return found;
}

/* --- what is in it --- */

static bool is_it(Elf *elf, const GElf_Shdr *table, const GElf_Sym *sym, const char *symbol)
{
    const char *name = elf_strptr(elf, table->sh_link, sym->st_name);
    return name && strcmp(name, symbol) == 0 && sym->st_shndx != SHN_UNDEF;
}

static bool look_in_symbols(Elf *elf, Elf_Scn *section, const GElf_Shdr *table, const char *symbol,
                            const struct reason *r)
{
    Elf_Data *data = elf_getdata(section, NULL);
    GElf_Sym sym;
    for (int i = 0; data && gelf_getsym(data, i, &sym); i++) {
        if (!is_it(elf, table, &sym, symbol)) {
            continue;
        }
        switch (GELF_ST_TYPE(sym.st_info)) {
        case STT_FUNC:
            return true;
        case STT_GNU_IFUNC:
            return refuse(r, "%s is chosen among several when the library is loaded", symbol);
        default:
            return refuse(r, "%s is not a function", symbol);
        }
    }
    return refuse(r, "the library has no function %s", symbol);
}

/* A library is known by its own name, whatever the file is called where it was found. */
static bool is_named(Elf *elf, Elf_Scn *section, const GElf_Shdr *table, const char *library,
                     const struct reason *r)
{
    Elf_Data *data = elf_getdata(section, NULL);
    GElf_Dyn d;
    for (int i = 0; data && gelf_getdyn(data, i, &d) && d.d_tag != DT_NULL; i++) {
        const char *name =
            d.d_tag == DT_SONAME ? elf_strptr(elf, table->sh_link, d.d_un.d_val) : NULL;
        if (name && !strchr(library, '/') && strcmp(name, library) != 0) {
            return refuse(r, "the library's name is %s", name);
        }
    }
    return true;
}

static bool look_in(Elf *elf, const struct gr_offload_spec *s, const struct reason *r)
{
    Elf_Scn *section = NULL;
    bool named = true;
    bool found = refuse(r, "the library has no symbols");
    while (named && (section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header)) {
            continue;
        }
        if (header.sh_type == SHT_DYNSYM) {
            found = look_in_symbols(elf, section, &header, s->symbol, r);
        } else if (header.sh_type == SHT_DYNAMIC) {
            named = is_named(elf, section, &header, s->library, r);
        }
    }
    return named && found;
}

static bool look_in_file(const char *path, const struct gr_offload_spec *s, const struct reason *r)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf *elf = NULL;
    bool ok = fd >= 0 && elf_version(EV_CURRENT) != EV_NONE &&
              (elf = elf_begin(fd, ELF_C_READ, NULL)) && elf_kind(elf) == ELF_K_ELF;
    ok = ok ? look_in(elf, s, r) : refuse(r, "%s is not a library", path);
    (void)elf_end(elf);
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

bool offload_check(const char *spec, const char *program, char *why, size_t size)
{
    const struct reason r = {why, size};
    struct gr_offload_spec s;
    char path[PATH_MAX];
    char *copy = strdup(spec);
    if (!copy || strchr(spec, GR_OFFLOAD_SEPARATOR)) {
        free(copy);
        return refuse(&r, "a semicolon separates functions");
    }
    bool ok = true;
    const char *wrong = gr_offload_split(copy, &s);
    if (wrong) {
        ok = refuse(&r, "%s", wrong);
    } else if ((wrong = green_signature_error(s.signature, NULL))) {
        ok = refuse(&r, "'%s' is not a signature: %s", s.signature, wrong);
    } else if (program && !find_library(s.library, program, path)) {
        ok = refuse(&r, "%s is not found; name its path", s.library);
    } else if (program) {
        ok = look_in_file(path, &s, &r);
    }
    free(copy);
    return ok;
}
