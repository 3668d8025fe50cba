/* Small numbers for greenlets: the smallest that is free. */
#ifndef GR_API_IDENT_H
#define GR_API_IDENT_H

/*
 * gr_ident_of - the number in *@slot, put there now if it is 0: the smallest from 1 on that nobody
 * has. 0 without memory. gr_ident_free - @ident, if it is not 0, can be had by others. Any thread;
 * do not switch.
 */
unsigned gr_ident_of(unsigned *slot);
void gr_ident_free(unsigned ident);

#endif
