/* The option --offload: what can be known of a function before the program starts. */
#ifndef GREENRUN_OFFLOAD_H
#define GREENRUN_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * offload_check - is @spec, LIBRARY:SYMBOL=SIGNATURE, one that the library will accept?
 * @program: where to look as its loader would, or NULL: only the form is checked
 * Returns false with the reason in @why.
 */
bool offload_check(const char *spec, const char *program, char *why, size_t size);

#endif
