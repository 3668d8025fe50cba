/* Memory for what is found. */
#include "tools/greenaudit/list.h"

#include "tools/greenaudit/audit.h"
#include "tools/stop.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void out_of_memory(void)
{
    stop_tool("greenaudit", AUDIT_BAD_INPUT, "out of memory");
}

/* It doubles whenever its length is a power of two. */
void *list_room(void *at, size_t n, size_t size)
{
    if (n & (n - 1)) {
        return at;
    }
    void *room = reallocarray(at, n ? 2 * n : 1, size);
    if (!room) {
        out_of_memory();
    }
    return room;
}

char *list_text(const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) {
        out_of_memory();
    }
    return text;
}
