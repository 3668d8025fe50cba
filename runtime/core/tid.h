/*
 * Thread ids of greens, as gettid() shows them. The main green has the process's own id. The others
 * have ids above any that the kernel gives out, so that none is ever another process's; below
 * 2^28, so that they fit into a futex word with its flags and into a CPU clock id.
 *
 * An id is the number of a slot, which a control block keeps for ever, and which life of the block
 * this is: unique among live greens at no cost, and it takes 63 lives until one comes back.
 */
#ifndef GR_CORE_TID_H
#define GR_CORE_TID_H

#define GR_TID_SLOT_BITS 22
#define GR_TID_FIRST     (1 << GR_TID_SLOT_BITS) /* the kernel's ids are lower: PID_MAX_LIMIT */
#define GR_TID_LIMIT     (1 << 28)

struct green;

/* gr_tid_new - the id of the first life of @g; 0 without memory. On the carrier. */
int gr_tid_new(struct green *g);

/* gr_tid_next - the id of the next life of the block whose last one had @tid. */
static inline int gr_tid_next(int tid)
{
    int next = tid + GR_TID_FIRST;
    return next < GR_TID_LIMIT ? next : next - GR_TID_LIMIT + GR_TID_FIRST;
}

/* gr_tid_free - the block whose last life had @tid will never live again. On the carrier. */
void gr_tid_free(int tid);

/* gr_tid_is_ours - could the kernel not have given out @tid? */
static inline int gr_tid_is_ours(int tid)
{
    return tid >= GR_TID_FIRST && tid < GR_TID_LIMIT;
}

/* gr_tid_green - the live green with the id @tid, or NULL. Any thread. */
struct green *gr_tid_green(int tid);

/* gr_tid_fork_child - all blocks but the caller's are gone. */
void gr_tid_fork_child(void);

#endif
