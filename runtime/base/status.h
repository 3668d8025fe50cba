/* What the kernel says of the calling thread in /proc/thread-self/status. */
#ifndef GR_BASE_STATUS_H
#define GR_BASE_STATUS_H

/* gr_status_read - the value of @field, a number in @base, or @otherwise if it cannot be read. By
 * raw system calls. */
unsigned long long gr_status_read(const char *field, int base, unsigned long long otherwise);

#endif
