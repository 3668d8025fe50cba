#include "tools/greendump/descriptor.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *open_file(const char *pid, const char *name)
{
    char path[80];
    (void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
    return fopen(path, "r");
}

/* An end as the kernel's tables have it: the address in words of the machine's order, the port. */
static bool parse_end(const char *text, int family, char *to, size_t size)
{
    uint32_t words[4] = {0};
    char address[INET6_ADDRSTRLEN];
    size_t n = family == AF_INET ? 1 : 4;
    const char *colon = strchr(text, ':');
    if (!colon || (size_t)(colon - text) != n * 8) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char digits[9] = "";
        memcpy(digits, text + i * 8, 8);
        words[i] = (uint32_t)strtoul(digits, NULL, 16);
    }
    (void)inet_ntop(family, words, address, sizeof(address));
    (void)snprintf(to, size, family == AF_INET ? "%s:%lu" : "[%s]:%lu", address,
                   strtoul(colon + 1, NULL, 16));
    return true;
}

/* Looks for the socket in one of the tables below /proc/PID/net. */
static bool print_ends(FILE *out, const char *pid, const char *table, int family,
                       unsigned long inode)
{
    char line[400];
    char local[160];
    char remote[160];
    unsigned long other = 0;
    bool found = false;
    FILE *f = open_file(pid, table);
    while (f && !found && fgets(line, sizeof(line), f)) {
        char ends[2][80];
        char a[INET6_ADDRSTRLEN + 16];
        char b[INET6_ADDRSTRLEN + 16];
        if (sscanf(line, " %*s %79s %79s %*s %*s %*s %*s %*s %*s %lu", ends[0], ends[1], &other) !=
                3 ||
            other != inode || !parse_end(ends[0], family, a, sizeof(a)) ||
            !parse_end(ends[1], family, b, sizeof(b))) {
            continue;
        }
        found = true;
        (void)snprintf(local, sizeof(local), "%s", a);
        (void)snprintf(remote, sizeof(remote), "%s", b);
        bool listens = strtoul(strchr(ends[1], ':') + 1, NULL, 16) == 0;
        (void)fprintf(out, " %.3s %s%s%s", table + 4, local, listens ? "" : " from ",
                      listens ? "" : remote);
    }
    if (f) {
        (void)fclose(f);
    }
    return found;
}

static void print_socket(FILE *out, const char *pid, unsigned long inode)
{
    static const struct {
        const char *name;
        int family;
    } tables[] = {
        {"net/tcp", AF_INET}, {"net/tcp6", AF_INET6}, {"net/udp", AF_INET}, {"net/udp6", AF_INET6}};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (print_ends(out, pid, tables[i].name, tables[i].family, inode)) {
            return;
        }
    }
}

static void print_child(FILE *out, const char *pid, int fd)
{
    char name[40];
    char line[100];
    (void)snprintf(name, sizeof(name), "fdinfo/%d", fd);
    FILE *f = open_file(pid, name);
    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, "Pid:", 4) == 0) {
            (void)fprintf(out, " process %ld", strtol(line + 4, NULL, 10));
        }
    }
    if (f) {
        (void)fclose(f);
    }
}

void descriptor_print(FILE *out, const char *pid, int fd)
{
    char path[80];
    char file[PATH_MAX];
    (void)snprintf(path, sizeof(path), "/proc/%s/fd/%d", pid, fd);
    ssize_t n = readlink(path, file, sizeof(file) - 1);
    (void)fprintf(out, "%d", fd);
    if (n <= 0) {
        return;
    }
    file[n] = '\0';
    (void)fprintf(out, " %s", file);
    if (strncmp(file, "socket:[", 8) == 0) {
        print_socket(out, pid, strtoul(file + 8, NULL, 10));
    } else if (strcmp(file, "anon_inode:[pidfd]") == 0) {
        print_child(out, pid, fd);
    }
}
