/* Timers of the kernel's whose signals go to one thread (SIGEV_THREAD_ID): which green is meant. */
#ifndef GR_CORE_SIGTIMER_H
#define GR_CORE_SIGTIMER_H

#include <stdbool.h>

/* gr_sigtimer_add - the signals of the timer @id are for the green with the thread id @tid. 0 or
 * -ENOMEM. gr_sigtimer_remove - the timer is no more; unknown ones do not matter. */
int gr_sigtimer_add(int id, int tid);
void gr_sigtimer_remove(int id);

/* gr_sigtimer_find - whose the timer @id is. False if it is not for one green. Handlers too. */
bool gr_sigtimer_find(int id, int *tid);

/* gr_sigtimer_fork_child - a child has none of its parent's timers. */
void gr_sigtimer_fork_child(void);

#endif
