/* Loaded objects, by dl_iterate_phdr() and the tables that the loader itself uses. */
#include "shim/image.h"

#include <link.h>
#include <string.h>

#define PAGE 4096UL

struct search {
    uintptr_t addr;
    struct gr_image *out;
};

static void read_dynamic(const Elf64_Dyn *d, struct gr_image *im)
{
    for (; d->d_tag != DT_NULL; d++) {
        void *p = (void *)d->d_un.d_ptr; /* relocated by the loader */
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
        default:
            break;
        }
    }
}

static int look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    struct search *s = arg;
    struct gr_image im = {.base = info->dlpi_addr};
    const Elf64_Dyn *dynamic = NULL;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const Elf64_Phdr *ph = &info->dlpi_phdr[i];
        uintptr_t start = im.base + ph->p_vaddr;
        if (ph->p_type == PT_DYNAMIC) {
            dynamic = (const Elf64_Dyn *)start;
        } else if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) && s->addr >= start &&
                   s->addr < start + ph->p_memsz) {
            im.text.start = start & ~(PAGE - 1);
            im.text.end = (start + ph->p_memsz + PAGE - 1) & ~(PAGE - 1);
        }
    }
    if (!im.text.start || !dynamic) {
        return 0;
    }
    read_dynamic(dynamic, &im);
    *s->out = im;
    return 1;
}

bool gr_image_of(const void *addr, struct gr_image *out)
{
    struct search s = {.addr = (uintptr_t)addr, .out = out};
    return dl_iterate_phdr(look_at, &s) == 1 && out->symbols && out->strings && out->hash;
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t h = 5381;
    for (; *name; name++) {
        h = h * 33 + (uint8_t)*name;
    }
    return h;
}

size_t gr_image_size(const struct gr_image *im, const char *name, const void *addr)
{
    uint32_t n_buckets = im->hash[0];
    uint32_t first_hashed = im->hash[1];
    uint32_t n_bloom_words = im->hash[2];
    const uint32_t *buckets = im->hash + 4 + (size_t)n_bloom_words * 2;
    const uint32_t *chains = buckets + n_buckets;
    uint32_t hash = gnu_hash(name);
    uint32_t i = buckets[hash % n_buckets];
    if (i < first_hashed) {
        return 0;
    }
    for (;; i++) {
        uint32_t h = chains[i - first_hashed];
        const Elf64_Sym *sym = &im->symbols[i];
        if ((h | 1) == (hash | 1) && im->base + sym->st_value == (uintptr_t)addr &&
            strcmp(im->strings + sym->st_name, name) == 0) {
            return sym->st_size;
        }
        if (h & 1) {
            return 0;
        }
    }
}
