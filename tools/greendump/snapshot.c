#include "tools/greendump/snapshot.h"

#include "runtime/core/inspect.h"
#include "runtime/svc/fdset.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STACK_MAX 32768 /* of each green that is copied */
#define PAGE      4096UL
#define LINKS_MAX 256 /* of a descriptor's waiters that are looked at */
#define TRIES     100 /* to find the carrier outside of the runtime */
#define NAP_NS    100000

static struct gr_inspect inspect;

static uint64_t address(const volatile void *p)
{
    return (uint64_t)(uintptr_t)p;
}

/* --- finding --- */

struct search {
    bool found;
};

static int look_into(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr start,
                     void *arg)
{
    (void)user, (void)name, (void)start;
    struct search *s = arg;
    GElf_Addr bias;
    size_t names;
    Elf *elf = dwfl_module_getelf(module, &bias);
    if (!elf || elf_getshdrstrndx(elf, &names)) {
        return DWARF_CB_OK;
    }
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
        GElf_Shdr header;
        const char *section =
            gelf_getshdr(scn, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
        if (section && strcmp(section, GR_INSPECT_SECTION) == 0 &&
            process_read(header.sh_addr + bias, &inspect, sizeof(inspect))) {
            s->found = true;
            return DWARF_CB_ABORT;
        }
    }
    return DWARF_CB_OK;
}

int snapshot_find(Dwfl *dwfl, uint64_t *hub)
{
    struct search s = {false};
    (void)dwfl_getmodules(dwfl, look_into, &s, 0);
    bool same = s.found && memcmp(inspect.magic, GR_INSPECT_MAGIC, sizeof(inspect.magic)) == 0 &&
                inspect.hub_size == sizeof(struct gr_hub) &&
                inspect.green_size == sizeof(struct green) && inspect.whys == GR_WHY_N &&
                inspect.name_at == offsetof(struct green, name);
    return same && process_read(address(inspect.hubs), hub, sizeof(*hub)) ? 0 : -1;
}

/* --- what a green waits for --- */

static void take_name(struct copy *c)
{
    const char *name = NULL;
    if (c->g.why < GR_WHY_N) {
        (void)process_read(address(inspect.why_name + c->g.why), &name, sizeof(name));
    }
    for (size_t i = 0; i < sizeof(c->why) - 1; i++) {
        if (!name || !process_read(address(name + i), &c->why[i], 1) || !c->why[i]) {
            break;
        }
    }
}

static void add_fd(struct copy *c, uint64_t file)
{
    struct gr_fd f;
    if (c->n_fds == SNAPSHOT_FDS) {
        c->more_fds++;
    } else if (process_read(file, &f, sizeof(f))) {
        c->fds[c->n_fds++] = f.fd;
    }
}

/* For what @c waits on this file: it is in the list of its waiters. */
static void take_fd(struct copy *c)
{
    struct gr_fd f;
    struct gr_fdlink l;
    uint64_t head = address(c->g.why_arg) + offsetof(struct gr_fd, waiters);
    if (!process_read(address(c->g.why_arg), &f, sizeof(f))) {
        return;
    }
    add_fd(c, address(c->g.why_arg));
    uint64_t at = address(f.waiters.next);
    for (int i = 0; i < LINKS_MAX && at != head && process_read(at, &l, sizeof(l)); i++) {
        struct gr_waiter w;
        if (process_read(address(l.w), &w, sizeof(w)) && address(w.green) == c->at) {
            c->events |= l.events;
            break;
        }
        at = address(l.link.next);
    }
}

static void take_fdset(struct copy *c)
{
    struct gr_fdset set;
    struct gr_fdlink l;
    if (!process_read(address(c->g.why_arg), &set, sizeof(set))) {
        return;
    }
    for (size_t i = 0; i < set.n && i < LINKS_MAX; i++) {
        if (process_read(address(set.links + i), &l, sizeof(l))) {
            add_fd(c, address(l.f));
        }
    }
    c->more_fds += set.n > LINKS_MAX ? set.n - LINKS_MAX : 0;
}

static void take_wait(const struct gr_hub *h, struct copy *c)
{
    struct gr_heap_node node;
    pthread_mutex_t mutex;
    struct green joined;
    take_name(c);
    c->deadline = GR_FOREVER;
    if (c->g.heap_index >= 0 && (size_t)c->g.heap_index < h->timers.n &&
        process_read(address(h->timers.nodes + c->g.heap_index), &node, sizeof(node))) {
        c->deadline = node.key;
    }
    switch ((enum gr_why)c->g.why) {
    case GR_WHY_FD:
        take_fd(c);
        break;
    case GR_WHY_POLL:
    case GR_WHY_CHILD:
        take_fdset(c);
        break;
    case GR_WHY_MUTEX:
        if (process_read(address(c->g.why_arg), &mutex, sizeof(mutex))) {
            c->owner = mutex.__data.__owner;
        }
        break;
    case GR_WHY_JOIN:
        if (process_read(address(c->g.why_arg), &joined, sizeof(joined))) {
            c->joined = joined.id;
        }
        break;
    default:
        break;
    }
}

/* --- copying --- */

/* The used part of its stack, as far as it is there. Where main's ends is not known. */
static void take_stack(struct copy *c, bool is_main)
{
    uint64_t sp = c->registers.value[REG_SP];
    uint64_t top = address(c->g.stack.base) + c->g.stack.size;
    size_t most = !is_main && sp < top && top - sp < STACK_MAX ? top - sp : STACK_MAX;
    c->stack = malloc(most);
    while (c->stack && c->stack_size < most) {
        size_t some = PAGE - (sp + c->stack_size) % PAGE;
        some = some < most - c->stack_size ? some : most - c->stack_size;
        if (!process_read(sp + c->stack_size, c->stack + c->stack_size, some)) {
            break;
        }
        c->stack_size += some;
    }
}

static bool take_green(uint64_t hub, const struct gr_hub *h, const struct registers *carrier,
                       uint64_t at, struct copy *c)
{
    *c = (struct copy){.at = at};
    if (!process_read(at, &c->g, sizeof(c->g)) || address(c->g.hub) != hub) {
        return false;
    }
    c->g.name[sizeof(c->g.name) - 1] = '\0';
    c->running = address(h->current) == at;
    if (c->running) {
        c->registers = *carrier;
    } else {
        c->registers.value[REG_SP] = address(c->g.ctx.sp);
        c->registers.value[REG_PC] = address(inspect.resumed);
        c->registers.known[REG_SP] = c->registers.known[REG_PC] = true;
    }
    take_stack(c, address(h->main) == at);
    if (c->g.state == GR_PARKED) {
        take_wait(h, c);
    }
    return true;
}

static const char *copy_greens(uint64_t hub, const struct registers *carrier, struct snapshot *out)
{
    struct gr_hub h;
    struct timespec now;
    uint64_t head = hub + offsetof(struct gr_hub, all);
    if (!process_read(hub, &h, sizeof(h))) {
        return "its memory cannot be read";
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    *out = (struct snapshot){.carrier = h.tid,
                             .switches = h.switches,
                             .in_hub = !h.current,
                             .now = gr_timespec_ns(&now)};
    out->greens = calloc(h.n_greens + 1UL, sizeof(*out->greens));
    if (!out->greens) {
        return "out of memory";
    }
    for (uint64_t node = address(h.all.next); node != head && out->n < h.n_greens;) {
        struct copy *c = &out->greens[out->n];
        if (!take_green(hub, &h, carrier, node - offsetof(struct green, all), c)) {
            break;
        }
        out->n++;
        node = address(c->g.all.next);
    }
    return NULL;
}

void snapshot_free(struct snapshot *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->greens[i].stack);
    }
    free(s->greens);
    *s = (struct snapshot){0};
}

/* --- at one moment --- */

struct moment {
    char call[200]; /* what the kernel says of the carrier */
    uint64_t switches;
};

static bool is_moment(int fd, uint64_t hub, struct moment *m)
{
    *m = (struct moment){.switches = 0};
    return pread(fd, m->call, sizeof(m->call) - 1, 0) > 0 &&
           process_read(hub + offsetof(struct gr_hub, switches), &m->switches, sizeof(m->switches));
}

/* The last two of the words. */
static void registers_of(const char *call, struct registers *r)
{
    const char *pc = strrchr(call, ' ');
    const char *sp = pc;
    while (sp && sp > call && sp[-1] != ' ') {
        sp--;
    }
    *r = (struct registers){.known = {false}};
    if (sp) {
        r->value[REG_SP] = strtoull(sp, NULL, 16);
        r->value[REG_PC] = strtoull(pc, NULL, 16);
        r->known[REG_SP] = r->known[REG_PC] = true;
    }
}

static const char moved[] = "it does not stand still";

/* While it waits in a call. */
static const char *take_waiting(int fd, uint64_t hub, const struct moment *before,
                                struct snapshot *out)
{
    struct moment after;
    struct registers r;
    registers_of(before->call, &r);
    const char *why = copy_greens(hub, &r, out);
    if (!why && (!is_moment(fd, hub, &after) || after.switches != before->switches ||
                 strcmp(after.call, before->call) != 0)) {
        snapshot_free(out);
        why = moved;
    }
    return why;
}

/* Is it in the middle of a switch, or else at work on what is to be copied? Or in a handler away
 * from its stack? */
static bool is_inside(uint64_t hub, uint64_t sp)
{
    uint64_t current = 0;
    unsigned crit = 1;
    stack_t s;
    if (!process_read(hub + offsetof(struct gr_hub, sigstack), &s, sizeof(s)) ||
        sp - address(s.ss_sp) < s.ss_size) {
        return true;
    }
    (void)process_read(hub + offsetof(struct gr_hub, current), &current, sizeof(current));
    if (current) {
        (void)process_read(current + offsetof(struct green, crit), &crit, sizeof(crit));
    }
    return crit != 0;
}

static const char *take_stopped(int tid, uint64_t hub, bool anywhere, struct snapshot *out)
{
    struct registers r = {.known = {false}};
    const char *why = process_stop(tid, &r, NULL);
    if (!why) {
        why = anywhere || !is_inside(hub, r.value[REG_SP]) ? copy_greens(hub, &r, out) : moved;
        process_go(tid);
    }
    return why;
}

static const char *take(int fd, int tid, uint64_t hub, struct snapshot *out)
{
    const struct timespec nap = {.tv_nsec = NAP_NS};
    const char *why = moved;
    for (int i = 0; i < TRIES && why == moved; i++) {
        struct moment m;
        if (!is_moment(fd, hub, &m)) {
            return "its memory cannot be read";
        }
        bool runs = strncmp(m.call, "running", 7) == 0;
        why = runs || i == TRIES - 1 ? take_stopped(tid, hub, i == TRIES - 1, out)
                                     : take_waiting(fd, hub, &m, out);
        if (why == moved) {
            (void)nanosleep(&nap, NULL);
        }
    }
    return why;
}

const char *snapshot_take(const char *pid, uint64_t *hub, struct snapshot *out)
{
    char name[80];
    struct gr_hub h;
    if (!process_read(*hub, &h, sizeof(h))) {
        return "its memory cannot be read";
    }
    (void)snprintf(name, sizeof(name), "/proc/%s/task/%d/syscall", pid, h.tid);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return "its kernel thread has ended, or cannot be looked at";
    }
    const char *why = take(fd, h.tid, *hub, out);
    (void)close(fd);
    *hub = address(h.next);
    return why;
}
