/* Does the process run under valgrind? valgrind's header is needed to build that in. */
#ifndef GR_BASE_VALGRIND_H
#define GR_BASE_VALGRIND_H

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND                  0
#define VALGRIND_STACK_REGISTER(bottom, top) 0
#endif

#endif
