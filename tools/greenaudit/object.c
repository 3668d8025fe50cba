/*
 * Reads ELF files, which may be damaged in any way: every place and length that a file names is
 * checked against the file, by libelf or here.
 */
#include "tools/greenaudit/object.h"

#include "tools/greenaudit/list.h"
#include "tools/greenrun/target.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION_MASK  0x7fff /* the other bit of a version's number: hidden */
#define STRING_MAX    65536  /* longer names are damage */
#define SYMBOLS_LIMIT (1U << 22)

/* What the dynamic section says, as far as it is needed only while reading. */
struct dynamic {
    uint64_t strings;
    uint64_t strings_size;
    uint64_t symbols;
    uint64_t versions;
    uint64_t needs;
    uint64_t definitions;
    size_t n_needs;
    size_t n_definitions;
    const char *text;
    size_t text_size;
};

/* --- places in the file --- */

const uint8_t *object_bytes(const struct object *o, uint64_t address, size_t *size)
{
    size_t n = 0;
    size_t file_size;
    const char *file = elf_rawfile(o->elf, &file_size);
    if (!file || elf_getphdrnum(o->elf, &n)) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr p;
        if (!gelf_getphdr(o->elf, (int)i, &p) || p.p_type != PT_LOAD || address < p.p_vaddr ||
            address - p.p_vaddr >= p.p_filesz || p.p_offset >= file_size) {
            continue;
        }
        uint64_t in_segment = address - p.p_vaddr;
        uint64_t in_file = file_size - p.p_offset;
        if (in_segment >= in_file) {
            continue;
        }
        uint64_t end = p.p_filesz < in_file ? p.p_filesz : in_file;
        *size = end - in_segment;
        return (const uint8_t *)file + p.p_offset + in_segment;
    }
    return NULL;
}

/* NULL: not a string that ends. */
static const char *string_at(const struct dynamic *d, uint64_t offset)
{
    if (offset >= d->text_size) {
        return NULL;
    }
    size_t room = d->text_size - offset;
    size_t n = strnlen(d->text + offset, room < STRING_MAX ? room : STRING_MAX);
    return n < room && n < STRING_MAX ? d->text + offset : NULL;
}

/* --- the dynamic section --- */

static void take_place(struct dynamic *d, const GElf_Dyn *entry)
{
    switch (entry->d_tag) {
    case DT_STRTAB:
        d->strings = entry->d_un.d_ptr;
        break;
    case DT_STRSZ:
        d->strings_size = entry->d_un.d_val;
        break;
    case DT_SYMTAB:
        d->symbols = entry->d_un.d_ptr;
        break;
    case DT_VERSYM:
        d->versions = entry->d_un.d_ptr;
        break;
    case DT_VERNEED:
        d->needs = entry->d_un.d_ptr;
        break;
    case DT_VERNEEDNUM:
        d->n_needs = entry->d_un.d_val;
        break;
    case DT_VERDEF:
        d->definitions = entry->d_un.d_ptr;
        break;
    case DT_VERDEFNUM:
        d->n_definitions = entry->d_un.d_val;
        break;
    default:
        break;
    }
}

static void take_name(struct object *o, const struct dynamic *d, const GElf_Dyn *entry)
{
    const char *text = NULL;
    switch (entry->d_tag) {
    case DT_NEEDED:
    case DT_SONAME:
    case DT_RPATH:
    case DT_RUNPATH:
        text = string_at(d, entry->d_un.d_val);
        break;
    case DT_FLAGS_1:
        o->no_default = entry->d_un.d_val & DF_1_NODEFLIB;
        break;
    default:
        break;
    }
    if (!text) {
        return;
    }
    if (entry->d_tag == DT_NEEDED && *text) {
        o->needed = list_room(o->needed, o->n_needed, sizeof(*o->needed));
        o->needed[o->n_needed++] = text;
    } else if (entry->d_tag == DT_SONAME && *text) {
        o->name = text;
    } else if (entry->d_tag == DT_RPATH) {
        o->rpath = text;
    } else if (entry->d_tag == DT_RUNPATH) {
        o->runpath = text;
    }
}

static Elf_Data *dynamic_data(const struct object *o)
{
    size_t n = 0;
    (void)elf_getphdrnum(o->elf, &n);
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr p;
        if (gelf_getphdr(o->elf, (int)i, &p) && p.p_type == PT_DYNAMIC) {
            return elf_getdata_rawchunk(o->elf, (int64_t)p.p_offset, p.p_filesz, ELF_T_DYN);
        }
    }
    return NULL;
}

static void read_dynamic(struct object *o, struct dynamic *d)
{
    Elf_Data *data = dynamic_data(o);
    GElf_Dyn entry;
    for (int i = 0; data && gelf_getdyn(data, i, &entry) && entry.d_tag != DT_NULL; i++) {
        take_place(d, &entry);
    }
    size_t room = 0;
    d->text = (const char *)object_bytes(o, d->strings, &room);
    d->text_size = !d->text ? 0 : d->strings_size < room ? d->strings_size : room;
    for (int i = 0; data && gelf_getdyn(data, i, &entry) && entry.d_tag != DT_NULL; i++) {
        take_name(o, d, &entry);
    }
    if (o->runpath) {
        o->rpath = NULL; /* the older one does not count then */
    }
}

/* --- versions --- */

/* By their numbers; which has a place for each that can be. */
struct version_names {
    const char *of[VERSION_MASK + 1];
};

static void name_version(struct version_names *names, const struct dynamic *d, size_t number,
                         uint64_t offset)
{
    names->of[number & VERSION_MASK] = string_at(d, offset);
}

static bool copy_at(const uint8_t *from, size_t size, size_t at, void *to, size_t n)
{
    if (at > size || size - at < n) {
        return false;
    }
    memcpy(to, from + at, n);
    return true;
}

static void read_needs(const struct object *o, const struct dynamic *d, struct version_names *names)
{
    size_t size;
    const uint8_t *at = object_bytes(o, d->needs, &size);
    Elf64_Verneed need;
    size_t left = VERSION_MASK; /* there are not more numbers than that */
    for (size_t i = 0, place = 0; at && i < d->n_needs && left; i++, place += need.vn_next) {
        if (!copy_at(at, size, place, &need, sizeof(need))) {
            return;
        }
        Elf64_Vernaux aux;
        size_t place_aux = place + need.vn_aux;
        for (size_t k = 0; k < need.vn_cnt && left; k++, left--, place_aux += aux.vna_next) {
            if (!copy_at(at, size, place_aux, &aux, sizeof(aux))) {
                return;
            }
            name_version(names, d, aux.vna_other, aux.vna_name);
        }
        left -= left ? 1 : 0;
    }
}

static void read_definitions(const struct object *o, const struct dynamic *d,
                             struct version_names *names)
{
    size_t size;
    const uint8_t *at = object_bytes(o, d->definitions, &size);
    Elf64_Verdef def;
    size_t n = d->n_definitions < VERSION_MASK ? d->n_definitions : VERSION_MASK;
    for (size_t i = 0, place = 0; at && i < n; i++, place += def.vd_next) {
        Elf64_Verdaux aux;
        if (!copy_at(at, size, place, &def, sizeof(def)) ||
            !copy_at(at, size, place + def.vd_aux, &aux, sizeof(aux))) {
            return;
        }
        if (!(def.vd_flags & VER_FLG_BASE)) {
            name_version(names, d, def.vd_ndx, aux.vda_name);
        }
    }
}

/* --- symbols --- */

/*
 * The loader never needs the number of symbols, so nothing that it uses gives it in all files: the
 * section does and, in files without sections, the strings, which linkers put behind the symbols.
 */
static size_t count_symbols(const struct object *o, const struct dynamic *d)
{
    for (Elf_Scn *scn = elf_nextscn(o->elf, NULL); scn; scn = elf_nextscn(o->elf, scn)) {
        GElf_Shdr header;
        if (gelf_getshdr(scn, &header) && header.sh_type == SHT_DYNSYM) {
            return header.sh_size / sizeof(Elf64_Sym);
        }
    }
    return d->strings > d->symbols ? (d->strings - d->symbols) / sizeof(Elf64_Sym) : 0;
}

static void take_symbol(struct object *o, const struct dynamic *d, const Elf64_Sym *sym,
                        const char *version)
{
    const char *name = string_at(d, sym->st_name);
    unsigned type = ELF64_ST_TYPE(sym->st_info);
    if (!name || !*name || ELF64_ST_BIND(sym->st_info) == STB_LOCAL || type == STT_SECTION ||
        type == STT_FILE) {
        return;
    }
    o->symbols = list_room(o->symbols, o->n_symbols, sizeof(*o->symbols));
    o->symbols[o->n_symbols++] =
        (struct symbol){.name = name,
                        .version = version,
                        .address = sym->st_value,
                        .size = sym->st_size,
                        .defined = sym->st_shndx != SHN_UNDEF,
                        .is_function = type == STT_FUNC || type == STT_GNU_IFUNC};
}

static int by_name(const void *a, const void *b)
{
    const struct symbol *x = a;
    const struct symbol *y = b;
    return strcmp(x->name, y->name);
}

static void read_symbols(struct object *o, const struct dynamic *d)
{
    size_t size = 0;
    size_t versions_size = 0;
    const uint8_t *symbols = object_bytes(o, d->symbols, &size);
    const uint8_t *versions = d->versions ? object_bytes(o, d->versions, &versions_size) : NULL;
    size_t n = symbols ? count_symbols(o, d) : 0;
    struct version_names *names = calloc(1, sizeof(*names));
    if (names && versions) {
        read_needs(o, d, names);
        read_definitions(o, d, names);
    }
    Elf64_Sym sym;
    for (size_t i = 0; i < n && i < SYMBOLS_LIMIT; i++) {
        uint16_t number = 0;
        if (!copy_at(symbols, size, i * sizeof(sym), &sym, sizeof(sym))) {
            break;
        }
        bool numbered =
            versions && names &&
            copy_at(versions, versions_size, i * sizeof(number), &number, sizeof(number));
        take_symbol(o, d, &sym, numbered ? names->of[number & VERSION_MASK] : NULL);
    }
    free(names);
    if (o->n_symbols) {
        qsort(o->symbols, o->n_symbols, sizeof(*o->symbols), by_name);
    }
}

const struct symbol *object_symbol(const struct object *o, const char *name, bool defined)
{
    const struct symbol key = {.name = name};
    const struct symbol *end = o->symbols + o->n_symbols;
    const struct symbol *s =
        o->n_symbols ? bsearch(&key, o->symbols, o->n_symbols, sizeof(key), by_name) : NULL;
    while (s && s > o->symbols && strcmp(s[-1].name, name) == 0) {
        s--;
    }
    for (; s && s < end && strcmp(s->name, name) == 0; s++) {
        if (s->defined == defined) {
            return s;
        }
    }
    return NULL;
}

/* --- code --- */

static void take_code(struct object *o, uint64_t address, uint64_t offset, uint64_t size)
{
    size_t file_size;
    const char *file = elf_rawfile(o->elf, &file_size);
    /* Together they are no more than the file, unless it is damaged. */
    if (!file || offset >= file_size || !size || o->code_size >= file_size) {
        return;
    }
    size_t room = file_size - offset;
    o->code_size += size < room ? size : room;
    o->code = list_room(o->code, o->n_code, sizeof(*o->code));
    o->code[o->n_code++] = (struct code){.bytes = (const uint8_t *)file + offset,
                                         .size = size < room ? size : room,
                                         .address = address};
}

/* Sections tell code from the data that some linkers put into the same segment. */
static void read_code(struct object *o)
{
    size_t n = 0;
    (void)elf_getphdrnum(o->elf, &n);
    for (Elf_Scn *scn = elf_nextscn(o->elf, NULL); scn; scn = elf_nextscn(o->elf, scn)) {
        GElf_Shdr s;
        if (gelf_getshdr(scn, &s) && s.sh_type == SHT_PROGBITS && (s.sh_flags & SHF_ALLOC) &&
            (s.sh_flags & SHF_EXECINSTR)) {
            take_code(o, s.sh_addr, s.sh_offset, s.sh_size);
        }
    }
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr p;
        if (!gelf_getphdr(o->elf, (int)i, &p)) {
            continue;
        }
        if (p.p_type == PT_GNU_EH_FRAME) {
            o->unwind = p.p_vaddr;
        } else if (p.p_type == PT_LOAD && (p.p_flags & PF_X) && !o->n_code) {
            take_code(o, p.p_vaddr, p.p_offset, p.p_filesz);
        }
    }
}

/* --- the file --- */

static bool is_for_us(Elf *elf)
{
    GElf_Ehdr header;
    return elf && elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &header) &&
           gelf_getclass(elf) == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB &&
           header.e_machine == TARGET_MACHINE &&
           (header.e_type == ET_EXEC || header.e_type == ET_DYN);
}

struct object *object_open(const char *path, const struct object *parent)
{
    struct object *o = calloc(1, sizeof(*o));
    struct dynamic d = {.strings = 0};
    struct stat st;
    if (!o) {
        return NULL;
    }
    o->path = list_text("%s", path);
    o->parent = parent;
    o->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    (void)elf_version(EV_CURRENT);
    if (o->fd < 0 || fstat(o->fd, &st) || !S_ISREG(st.st_mode) ||
        !(o->elf = elf_begin(o->fd, ELF_C_READ_MMAP, NULL)) || !is_for_us(o->elf)) {
        object_close(o);
        return NULL;
    }
    o->device = st.st_dev;
    o->inode = st.st_ino;
    const char *slash = strrchr(o->path, '/');
    o->name = slash ? slash + 1 : o->path;
    o->is_go = target_is_go(o->elf);
    read_dynamic(o, &d);
    read_symbols(o, &d);
    read_code(o);
    return o;
}

void object_close(struct object *o)
{
    if (!o) {
        return;
    }
    (void)elf_end(o->elf);
    if (o->fd >= 0) {
        (void)close(o->fd);
    }
    free(o->path);
    free(o->needed);
    free(o->symbols);
    free(o->code);
    free(o->calls);
    free(o);
}

bool object_is_libc(const struct object *o)
{
    return strcmp(o->name, "libc.so.6") == 0 || strncmp(o->name, "ld-linux", 8) == 0;
}
