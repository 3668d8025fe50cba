/* The record behind a greenlet's handle. It outlives the green thread. */
#ifndef GR_API_GREENLET_H
#define GR_API_GREENLET_H

#include "runtime/api/object.h"
#include "runtime/core/hub.h"
#include "runtime/core/interrupt.h"

#include <green/green.h>

enum greenlet_state { GREENLET_DELAYED, GREENLET_SCHEDULED, GREENLET_RUNNING, GREENLET_ENDED };

struct greenlet {
    struct green_object object; /* its lock guards @state, @green and the interrupt */
    atomic_uint refs;           /* handles, and one of the green thread while it lives */
    enum greenlet_state state;
    struct green *green; /* NULL once it has ended */
    void *(*fn)(void *);
    void *arg;
    struct gr_call *call; /* of green_spawn_call(); it goes with the last handle */
    void *value;
    struct green_error *error;
    uint64_t id;
    struct gr_alarm start; /* of green_spawn_later() */
    struct gr_interrupt kill;
    char name[16];
};

#endif
