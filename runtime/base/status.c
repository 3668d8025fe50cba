#include "runtime/base/status.h"

#include "runtime/base/rawsys.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

unsigned long long gr_status_read(const char *field, int base, unsigned long long otherwise)
{
    char text[4096];
    size_t length = strlen(field);
    long fd = GR_SYS(SYS_openat, AT_FDCWD, "/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
    long n = fd < 0 ? 0 : GR_SYS(SYS_read, fd, text, sizeof(text) - 1);
    if (fd >= 0) {
        (void)GR_SYS(SYS_close, fd);
    }
    text[n > 0 ? n : 0] = '\0';
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, field, length) == 0 && line[length] == ':') {
            return strtoull(line + length + 1, NULL, base);
        }
    }
    return otherwise;
}
