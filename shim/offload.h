/* Functions of other libraries that run on a kernel thread while the calling green waits. */
#ifndef GR_SHIM_OFFLOAD_H
#define GR_SHIM_OFFLOAD_H

/* gr_offload_init - by the constructor: those that the environment names. */
void gr_offload_init(char **envp);

#endif
