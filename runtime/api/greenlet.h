/* The record behind a greenlet's handle. It outlives the green thread. */
#ifndef GR_API_GREENLET_H
#define GR_API_GREENLET_H

#include "runtime/api/object.h"
#include "runtime/core/hub.h"
#include "runtime/core/interrupt.h"
#include "runtime/core/request.h"

#include <green/green.h>

enum greenlet_state {
    GREENLET_COMING, /* a kernel thread has asked the hub for it */
    GREENLET_DELAYED,
    GREENLET_SCHEDULED,
    GREENLET_RUNNING,
    GREENLET_ENDED
};

struct greenlet {
    struct green_object object; /* its lock guards @state, @green and the interrupt */
    atomic_uint refs;           /* handles, and one of the green thread while it lives */
    enum greenlet_state state;
    struct green *green; /* NULL while it is coming, and once it has ended */
    void *(*fn)(void *);
    void *arg;
    struct gr_call *call; /* of green_spawn_call(); it goes with the last handle */
    void *value;
    struct green_error *error;
    uint64_t id;
    struct gr_alarm start;     /* of green_spawn_later() */
    int64_t due;               /* of one that is coming; 0: at once */
    struct gr_request request; /* of a kernel thread: to be made, or killed before it has run */
    bool kill_requested;
    unsigned ident; /* 0: nobody has asked for it */
    struct gr_interrupt kill;
    char name[16];
};

#endif
