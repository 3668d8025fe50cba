/*
 * The loader looks a function up in the symbols of its library and keeps what it finds in slots of
 * whoever calls it: one for calls, others for pointers. Both lie in pages that are read-only by
 * now.
 */
#include "shim/rebind.h"

#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096UL

#if defined(__x86_64__)
#define R_CALL    R_X86_64_JUMP_SLOT
#define R_POINTER R_X86_64_GLOB_DAT
#define R_ADDRESS R_X86_64_64
#else
#define R_CALL    R_AARCH64_JUMP_SLOT
#define R_POINTER R_AARCH64_GLOB_DAT
#define R_ADDRESS R_AARCH64_ABS64
#endif

struct job {
    const char *name;
    uintptr_t from;
    uintptr_t to;
    int rc;
};

struct place {
    uintptr_t at;
    int prot; /* -1: not found */
};

/* The protection of the page of a segment, as the loader has left it. */
static int look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    struct place *p = arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + ph->p_vaddr;
        bool in = p->at >= start && p->at < start + ph->p_memsz;
        if (in && ph->p_type == PT_LOAD) {
            p->prot = (ph->p_flags & PF_R ? PROT_READ : 0) | (ph->p_flags & PF_W ? PROT_WRITE : 0) |
                      (ph->p_flags & PF_X ? PROT_EXEC : 0);
        } else if (in && ph->p_type == PT_GNU_RELRO && p->prot >= 0) {
            p->prot &= ~PROT_WRITE;
        }
    }
    return p->prot >= 0;
}

/* One aligned word, at once: others may be reading it. */
static int write_word(uintptr_t *at, uintptr_t value)
{
    struct place p = {(uintptr_t)at, -1};
    (void)dl_iterate_phdr(look_at, &p);
    void *page = (void *)(p.at & ~(PAGE - 1));
    bool writable = p.prot >= 0 && (p.prot & PROT_WRITE);
    if (!writable && (p.prot < 0 || mprotect(page, PAGE, p.prot | PROT_WRITE))) {
        return -EACCES;
    }
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
    if (!writable) {
        (void)mprotect(page, PAGE, p.prot);
    }
    return 0;
}

static void look_for_slots(const struct gr_image *im, void *arg)
{
    struct job *j = arg;
    for (int table = 0; table < 2; table++) {
        for (size_t i = 0; i < im->n_relocations[table]; i++) {
            const Elf64_Rela *r = &im->relocations[table][i];
            unsigned type = ELF64_R_TYPE(r->r_info);
            if (type != R_CALL && type != R_POINTER && type != R_ADDRESS) {
                continue;
            }
            const Elf64_Sym *sym = &im->symbols[ELF64_R_SYM(r->r_info)];
            uintptr_t *slot = (uintptr_t *)(im->base + r->r_offset);
            if (strcmp(im->strings + sym->st_name, j->name) == 0 && *slot == j->from) {
                int rc = write_word(slot, j->to);
                j->rc = rc ? rc : j->rc;
            }
        }
    }
}

int gr_rebind(const struct gr_image *im, const Elf64_Sym *sym, const void *own)
{
    struct job j = {
        .name = im->strings + sym->st_name, .from = im->base + sym->st_value, .to = (uintptr_t)own};
    int rc = write_word((uintptr_t *)&sym->st_value, j.to - im->base);
    if (rc == 0) {
        gr_image_each(look_for_slots, &j);
        rc = j.rc;
    }
    return rc;
}
