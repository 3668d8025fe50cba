/*
 * --check-blocking: tells which calls hold up the other greens.
 *
 * A watchdog, a kernel thread, looks at the hub from time to time. When one green has kept the
 * carrier for longer than the threshold, in a system call or computing, and others could have run
 * meanwhile, that is a stall. The reporter is told of it.
 */
#ifndef GR_SVC_WATCHDOG_H
#define GR_SVC_WATCHDOG_H

/* gr_watchdog_start - watch the calling green's hub, if that was asked for and does not happen yet,
 * as in a forked child. Never switches; errno is preserved. */
void gr_watchdog_start(void);

/* gr_watchdog_stop - at the end of the process: wait until everything has been printed. Blocks the
 * carrier, at most for some seconds. */
void gr_watchdog_stop(void);

#endif
