/* The report of a deadlock. */
#ifndef GR_API_STUCK_H
#define GR_API_STUCK_H

#include "runtime/core/hub.h"

/* gr_report_stuck - on standard error: who waits for what. For gr_rest_on_stuck. */
void gr_report_stuck(const struct gr_hub *h);

#endif
