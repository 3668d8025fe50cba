#include "tools/greenshim-report/place.h"

#include <string.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

struct place place_of(Dwfl *dwfl, uint64_t pc, bool exact)
{
    struct place p = {.module = "?", .offset = pc};
    Dwarf_Addr at = exact ? pc : pc - 1;
    Dwarf_Addr start;
    Dwfl_Module *module = dwfl_addrmodule(dwfl, at);
    if (!module) {
        return p;
    }
    GElf_Off offset;
    GElf_Sym symbol;
    p.module = base_name(dwfl_module_info(module, NULL, &start, NULL, NULL, NULL, NULL, NULL));
    p.function = dwfl_module_addrinfo(module, at, &offset, &symbol, NULL, NULL, NULL);
    p.offset = p.function ? offset + (pc - at) : pc - start;
    Dwfl_Line *line = dwfl_module_getsrc(module, at);
    const char *file = line ? dwfl_lineinfo(line, NULL, &p.line, NULL, NULL, NULL) : NULL;
    p.file = file ? base_name(file) : NULL;
    return p;
}

void place_print(FILE *out, const struct place *p)
{
    if (p->function) { /* without the version of the symbol */
        (void)fprintf(out, "%.*s+0x%lx", (int)strcspn(p->function, "@"), p->function,
                      (unsigned long)p->offset);
    } else {
        (void)fprintf(out, "%s+0x%lx", p->module, (unsigned long)p->offset);
    }
    if (p->file) {
        (void)fprintf(out, " %s:%d", p->file, p->line);
    } else if (p->function) {
        (void)fprintf(out, " %s", p->module);
    }
}
