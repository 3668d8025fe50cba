/* What is behind the descriptors of a process. */
#ifndef GREENDUMP_DESCRIPTOR_H
#define GREENDUMP_DESCRIPTOR_H

#include <stdio.h>

/* descriptor_print - the number @fd of the process @pid and its file; of a TCP or UDP socket both
 * ends, of a child process its id. */
void descriptor_print(FILE *out, const char *pid, int fd);

#endif
