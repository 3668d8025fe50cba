/* Loaded objects, by dl_iterate_phdr() and the tables that the loader itself uses. */
#include "shim/image.h"

#include <link.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE 4096UL

#define HIDDEN 0x8000 /* a version that is not the default */

static void read_dynamic(const Elf64_Dyn *d, struct gr_image *im)
{
    const Elf64_Dyn *soname = NULL;
    for (; d->d_tag != DT_NULL; d++) {
        /* Relocated by the loader, but for the kernel's vDSO. */
        void *p = (void *)(d->d_un.d_ptr + (d->d_un.d_ptr < im->base ? im->base : 0));
        switch (d->d_tag) {
        case DT_SYMTAB:
            im->symbols = p;
            break;
        case DT_STRTAB:
            im->strings = p;
            break;
        case DT_GNU_HASH:
            im->hash = p;
            break;
        case DT_VERSYM:
            im->versions = p;
            break;
        case DT_RELA:
            im->relocations[0] = p;
            break;
        case DT_RELASZ:
            im->n_relocations[0] = d->d_un.d_val / sizeof(Elf64_Rela);
            break;
        case DT_JMPREL:
            im->relocations[1] = p;
            break;
        case DT_PLTRELSZ:
            im->n_relocations[1] = d->d_un.d_val / sizeof(Elf64_Rela);
            break;
        case DT_SONAME:
            soname = d;
            break;
        default:
            break;
        }
    }
    if (soname && im->strings) {
        im->soname = im->strings + soname->d_un.d_val;
    }
}

/* What is known of an object; of its executable segments that which holds @addr, if it is not 0. */
static bool read_image(const struct dl_phdr_info *info, uintptr_t addr, struct gr_image *im)
{
    *im = (struct gr_image){.base = info->dlpi_addr};
    const Elf64_Dyn *dynamic = NULL;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const Elf64_Phdr *ph = &info->dlpi_phdr[i];
        uintptr_t start = im->base + ph->p_vaddr;
        if (ph->p_type == PT_DYNAMIC) {
            dynamic = (const Elf64_Dyn *)start;
        } else if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) &&
                   (!addr || (addr >= start && addr < start + ph->p_memsz))) {
            im->text.start = start & ~(PAGE - 1);
            im->text.end = (start + ph->p_memsz + PAGE - 1) & ~(PAGE - 1);
        }
    }
    if (!im->text.start || !dynamic) {
        return false;
    }
    read_dynamic(dynamic, im);
    return true;
}

static bool is_complete(const struct gr_image *im)
{
    return im->symbols && im->strings && im->hash;
}

/* --- looking for one --- */

struct search {
    uintptr_t addr;
    const char *base_name; /* NULL: that of @file is looked for */
    struct stat file;
    struct gr_image *out;
};

static int look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    const struct search *s = arg;
    struct gr_image im;
    if (!read_image(info, s->addr, &im)) {
        return 0;
    }
    *s->out = im;
    return 1;
}

bool gr_image_of(const void *addr, struct gr_image *out)
{
    struct search s = {.addr = (uintptr_t)addr, .out = out};
    return dl_iterate_phdr(look_at, &s) == 1 && is_complete(out);
}

static bool is_named(const struct dl_phdr_info *info, const struct gr_image *im,
                     const struct search *s)
{
    struct stat st;
    if (s->base_name) {
        const char *slash = strrchr(info->dlpi_name, '/');
        return (im->soname && strcmp(im->soname, s->base_name) == 0) ||
               strcmp(slash ? slash + 1 : info->dlpi_name, s->base_name) == 0;
    }
    return *info->dlpi_name && stat(info->dlpi_name, &st) == 0 && st.st_dev == s->file.st_dev &&
           st.st_ino == s->file.st_ino;
}

static int look_for_name(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    const struct search *s = arg;
    struct gr_image im;
    if (!read_image(info, 0, &im) || !is_named(info, &im, s)) {
        return 0;
    }
    *s->out = im;
    return 1;
}

bool gr_image_named(const char *library, struct gr_image *out)
{
    struct search s = {.out = out};
    if (!strchr(library, '/')) {
        s.base_name = library;
    } else if (stat(library, &s.file)) {
        return false;
    }
    return dl_iterate_phdr(look_for_name, &s) == 1 && is_complete(out);
}

struct visit {
    void (*fn)(const struct gr_image *im, void *arg);
    void *arg;
};

static int visit_one(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    const struct visit *v = arg;
    struct gr_image im;
    if (read_image(info, 0, &im) && is_complete(&im)) {
        v->fn(&im, v->arg);
    }
    return 0;
}

void gr_image_each(void (*fn)(const struct gr_image *im, void *arg), void *arg)
{
    struct visit v = {fn, arg};
    (void)dl_iterate_phdr(visit_one, &v);
}

/* --- symbols --- */

static uint32_t gnu_hash(const char *name)
{
    uint32_t h = 5381;
    for (; *name; name++) {
        h = h * 33 + (uint8_t)*name;
    }
    return h;
}

static bool is_default(const struct gr_image *im, uint32_t i)
{
    return !im->versions || !(im->versions[i] & HIDDEN);
}

/* The symbol @name at @addr; with NULL: a function of that name, in the default version. */
static const Elf64_Sym *find_symbol(const struct gr_image *im, const char *name, const void *addr)
{
    uint32_t n_buckets = im->hash[0];
    uint32_t first_hashed = im->hash[1];
    uint32_t n_bloom_words = im->hash[2];
    const uint32_t *buckets = im->hash + 4 + (size_t)n_bloom_words * 2;
    const uint32_t *chains = buckets + n_buckets;
    uint32_t hash = gnu_hash(name);
    uint32_t i = buckets[hash % n_buckets];
    if (i < first_hashed) {
        return NULL;
    }
    for (;; i++) {
        uint32_t h = chains[i - first_hashed];
        const Elf64_Sym *sym = &im->symbols[i];
        if ((h | 1) == (hash | 1) && strcmp(im->strings + sym->st_name, name) == 0 &&
            (addr ? im->base + sym->st_value == (uintptr_t)addr
                  : ELF64_ST_TYPE(sym->st_info) == STT_FUNC && is_default(im, i))) {
            return sym;
        }
        if (h & 1) {
            return NULL;
        }
    }
}

const Elf64_Sym *gr_image_function(const struct gr_image *im, const char *name)
{
    return find_symbol(im, name, NULL);
}

size_t gr_image_size(const struct gr_image *im, const char *name, const void *addr)
{
    const Elf64_Sym *sym = find_symbol(im, name, addr);
    return sym ? sym->st_size : 0;
}
