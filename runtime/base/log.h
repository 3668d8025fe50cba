/* One line on standard error, by a raw write: no stdio, no malloc, no locks. Used only when asked
 * or a guarantee is lost. */
#ifndef GR_BASE_LOG_H
#define GR_BASE_LOG_H

/* gr_log - "greenshim: MESSAGE\n"; printf's formats; at most 512 bytes. errno is preserved. Never
 * switches. */
void gr_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* gr_debug - the same when GREENSHIM_VERBOSE is at least @level. */
#define gr_debug(level, ...)                                                                       \
    do {                                                                                           \
        if (gr_config.verbose >= (level)) {                                                        \
            gr_log(__VA_ARGS__);                                                                   \
        }                                                                                          \
    } while (0)

/* gr_die - a broken invariant of ours: say so and abort. Never for anything the program did. */
void gr_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn, cold));

#endif
