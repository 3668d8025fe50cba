/* A library whose constructor sleeps, then waits for a line. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int slow_ctor_ran;
extern FILE *slow_ctor_input; /* the program has them */
extern int slow_ctor_done;

__attribute__((constructor)) static void ctor(void)
{
    char line[16];

    usleep(100000);
    if (!fgets(line, sizeof(line), slow_ctor_input))
        abort();
    slow_ctor_ran = 1;
    __atomic_store_n(&slow_ctor_done, 1, __ATOMIC_SEQ_CST);
}

__attribute__((destructor)) static void dtor(void)
{
    usleep(10000);
}
