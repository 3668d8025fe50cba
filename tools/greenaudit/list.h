/* Lists that grow. */
#ifndef GREENAUDIT_LIST_H
#define GREENAUDIT_LIST_H

#include <stddef.h>

/*
 * list_room - room for one more element of @size bytes behind the @n of the list @at, which may be
 * NULL. Returns where the list is now; without memory the program ends.
 */
void *list_room(void *at, size_t n, size_t size);

/* list_text - a formatted string, allocated. Without memory the program ends. */
__attribute__((format(printf, 1, 2))) char *list_text(const char *format, ...);

#endif
