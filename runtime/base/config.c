/* Settings: defaults, parsing, loading. */
#include "runtime/base/config.h"

#include "runtime/base/log.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct gr_config gr_config = {
#define GR_CONFIG(field, var, type, def, min, max, opt, help) .field = (def),
#include "runtime/base/config.def"
#undef GR_CONFIG
};

static int parse_word(const char *text, const char *const words[], long *out)
{
    for (long i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return 0;
        }
    }
    return -1;
}

static int parse_number(const char *text, long *out, char *suffix)
{
    char *end;
    int saved = errno;
    errno = 0;
    *out = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : -1;
    int overflow = errno;
    errno = saved;
    if (*out < 0 || overflow) {
        return -1;
    }
    *suffix = *end;
    return *end && end[1] ? -1 : 0;
}

static int parse_size(const char *text, long *out)
{
    char suffix;
    if (parse_number(text, out, &suffix)) {
        return -1;
    }
    int shift;
    switch (suffix) {
    case '\0':
        shift = 0;
        break;
    case 'k':
    case 'K':
        shift = 10;
        break;
    case 'm':
    case 'M':
        shift = 20;
        break;
    case 'g':
    case 'G':
        shift = 30;
        break;
    default:
        return -1;
    }
    return __builtin_mul_overflow(*out, 1L << shift, out) ? -1 : 0;
}

int gr_config_parse(enum gr_config_type type, const char *text, long min, long max, long *out)
{
    static const char *const off_on[] = {"off", "on", NULL};
    static const char *const tls[] = {"clone", "harvest", "off", NULL};
    long value;
    char suffix = '\0';
    int bad = -1;
    switch (type) {
    case GR_CONFIG_BOOL:
        bad = parse_word(text, off_on, &value) && (parse_number(text, &value, &suffix) || suffix);
        break;
    case GR_CONFIG_SIZE:
        bad = parse_size(text, &value);
        break;
    case GR_CONFIG_INT:
        bad = parse_number(text, &value, &suffix) || suffix;
        break;
    case GR_CONFIG_MS:
        if (parse_word(text, off_on, &value) == 0) {
            value *= GR_CONFIG_MS_ON;
            bad = 0;
        } else {
            bad = parse_number(text, &value, &suffix) || suffix;
        }
        break;
    case GR_CONFIG_TLS:
        bad = parse_word(text, tls, &value);
        break;
    }
    if (bad || value < min || value > max) {
        return -1;
    }
    *out = value;
    return 0;
}

const char *gr_config_look_up(char **envp, const char *var)
{
    size_t n = strlen(var);
    for (; *envp; envp++) {
        if (strncmp(*envp, var, n) == 0 && (*envp)[n] == '=') {
            return *envp + n + 1;
        }
    }
    return NULL;
}

static void load_one(char **envp, const char *var, enum gr_config_type type, long min, long max,
                     long *field)
{
    const char *text = gr_config_look_up(envp, var);
    if (text && *text && gr_config_parse(type, text, min, max, field)) {
        gr_log("%s=%s is not valid; using the default (see greenrun --help)", var, text);
    }
}

void gr_config_load(char **envp)
{
#define GR_CONFIG(field, var, type, def, min, max, opt, help)                                      \
    load_one(envp, var, GR_CONFIG_##type, min, max, &gr_config.field);
#include "runtime/base/config.def"
#undef GR_CONFIG
}
