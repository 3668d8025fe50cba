/* Locks, as reports see them. */
#ifndef GR_API_LOCK_H
#define GR_API_LOCK_H

#include <green/lock.h>

/* gr_rlock_owner - gr_owner_id() of who holds it; 0: nobody. Any thread. */
int gr_rlock_owner(const struct green_rlock *l);

#endif
