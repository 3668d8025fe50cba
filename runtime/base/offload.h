/* How a function to be run elsewhere is written: LIBRARY:SYMBOL=SIGNATURE. */
#ifndef GR_BASE_OFFLOAD_H
#define GR_BASE_OFFLOAD_H

/* A list of them, separated by semicolons. */
#define GR_OFFLOAD_VARIABLE  "GREENSHIM_OFFLOAD"
#define GR_OFFLOAD_SEPARATOR ';'

struct gr_offload_spec {
    char *library;
    char *symbol;
    char *signature;
};

/* gr_offload_split - cut @text into its parts, in place. Returns NULL, or in words what is wrong.
 */
const char *gr_offload_split(char *text, struct gr_offload_spec *out);

#endif
