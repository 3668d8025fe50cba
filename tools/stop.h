/* How the tools end on an error: one line on standard error, and the status. */
#ifndef GR_TOOLS_STOP_H
#define GR_TOOLS_STOP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((format(printf, 3, 4), noreturn)) static inline void
stop_tool(const char *tool, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fprintf(stderr, "%s: ", tool);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(status);
}

#endif
