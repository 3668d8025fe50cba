/* Sleeping on a clock, for the faces in time.c and for syscall(2). */
#ifndef GR_SHIM_TIME_H
#define GR_SHIM_TIME_H

#include <time.h>

/*
 * gr_clock_sleep - clock_nanosleep(2) on the calling green.
 * Returns 0 or -errno; on -EINTR of a relative sleep *@left (may be NULL) receives the time that
 * remained. Switches: yes, once at least.
 */
int gr_clock_sleep(clockid_t clock, int flags, const struct timespec *request,
                   struct timespec *left);

/* gr_clock_read - clock_gettime(2) as the program sees @clock: by a library preloaded behind us, a
 * green's processor time. 0, or -1 and errno. */
int gr_clock_read(clockid_t clock, struct timespec *now);

/* gr_clock_green - the green whose processor time @clock is; NULL: another clock, or the caller is
 * no green. */
struct green;
struct green *gr_clock_green(clockid_t clock);

/* gr_kernel_clock - the clock that the kernel must use where @clock is a green's processor time:
 * the carrier's. */
clockid_t gr_kernel_clock(clockid_t clock);

#endif
