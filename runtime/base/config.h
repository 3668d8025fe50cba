/* Settings, read once from GREENSHIM_* environment variables; config.def lists them. */
#ifndef GR_BASE_CONFIG_H
#define GR_BASE_CONFIG_H

enum gr_config_type { GR_CONFIG_BOOL, GR_CONFIG_SIZE, GR_CONFIG_INT, GR_CONFIG_MS, GR_CONFIG_TLS };

/* What "on" means for a setting in milliseconds; "off" is 0. */
#define GR_CONFIG_MS_ON 10

/* Ways to give greens their thread-local storage, in the order in which they are tried. */
enum gr_config_tls { GR_TLS_CLONE, GR_TLS_HARVEST, GR_TLS_OFF };

struct gr_config {
#define GR_CONFIG(field, var, type, def, min, max, opt, help) long field;
#include "runtime/base/config.def"
#undef GR_CONFIG
};

extern struct gr_config gr_config __attribute__((visibility("hidden")));

/* gr_config_parse - value of @text for a setting of @type within [@min, @max] into *@out. 0, or -1:
 * not valid. */
int gr_config_parse(enum gr_config_type type, const char *text, long min, long max, long *out);

/* gr_config_look_up - getenv(); libc's own may not work yet when our constructor runs. */
const char *gr_config_look_up(char **envp, const char *var);

/* gr_config_load - read the environment @envp. A bad value keeps the default and gets one line on
 * standard error. */
void gr_config_load(char **envp);

#endif
