/* A library that waits where nobody can see it: by system calls of its own instructions. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

static long futex(int *word, int op, int value)
{
#if defined(__x86_64__)
    long rc;
    register long r10 __asm__("r10") = 0;
    __asm__ volatile("syscall"
                     : "=a"(rc)
                     : "a"(SYS_futex), "D"(word), "S"(op), "d"(value), "r"(r10)
                     : "rcx", "r11", "memory");
    return rc;
#else
    register long x8 __asm__("x8") = SYS_futex;
    register long x0 __asm__("x0") = (long)word;
    register long x1 __asm__("x1") = op;
    register long x2 __asm__("x2") = value;
    register long x3 __asm__("x3") = 0;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
#endif
}

int blocker_wait(int *word);
void blocker_set(int *word, int value);
int blocker_relay(int *word);
double blocker_mix(int *word, double d, float f, short s, const char *text, long double g);
void *blocker_call(int *word, void *(*fn)(void *), void *arg);

/* The value, once it is not 0; errno + 1 is left in errno. */
int blocker_wait(int *word)
{
    int value;
    while ((value = __atomic_load_n(word, __ATOMIC_ACQUIRE)) == 0) {
        (void)futex(word, FUTEX_WAIT_PRIVATE, 0);
    }
    errno++;
    return value;
}

void blocker_set(int *word, int value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    (void)futex(word, FUTEX_WAKE_PRIVATE, 1 << 30);
}

/* Calls another of the library's functions. */
int blocker_relay(int *word)
{
    return blocker_wait(word) + 1;
}

double blocker_mix(int *word, double d, float f, short s, const char *text, long double g)
{
    return blocker_wait(word) + d + (double)f + s + *text + (double)g;
}

void *blocker_call(int *word, void *(*fn)(void *), void *arg)
{
    (void)blocker_wait(word);
    return fn(arg);
}

/* Its first bytes cannot be moved: it comes back to the second one. */
int blocker_spin(const int *word);
#if defined(__x86_64__)
__asm__(".globl blocker_spin\n"
        ".type blocker_spin, @function\n"
        ".balign 16\n"
        "blocker_spin:\n"
        "    nop\n"
        "1:  pause\n"
        "    mov (%rdi), %eax\n"
        "    test %eax, %eax\n"
        "    je 1b\n"
        "    ret\n"
        ".size blocker_spin, . - blocker_spin\n");
#else
int blocker_spin(const int *word)
{
    int value;
    while ((value = __atomic_load_n(word, __ATOMIC_ACQUIRE)) == 0) {
    }
    return value;
}
#endif
