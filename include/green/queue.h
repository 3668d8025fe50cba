/*
 * Queues between greenlets. Who has waited longest is served first; who gives up waiting takes no
 * item with him and leaves none behind. Any green and any kernel thread may make every call.
 * Like: gevent.queue
 *
 * Items are pointers that the queue only passes on.
 */
#ifndef GREEN_QUEUE_H
#define GREEN_QUEUE_H

#include <green/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Queue, JoinableQueue, SimpleQueue; LifoQueue; PriorityQueue --- */

struct green_queue;

/*
 * green_queue_new - first in, first out. green_lifo_queue_new - last in, first out.
 * green_priority_queue_new - smallest first.
 * @max:     how many items it holds before green_queue_put() waits; 0: no limit
 * @compare: as for qsort(3), given two items (not pointers to them); must not wait
 *
 * Return the queue, NULL when out of memory. Do not switch.
 */
GREEN_API struct green_queue *green_queue_new(size_t max);
GREEN_API struct green_queue *green_lifo_queue_new(size_t max);
GREEN_API struct green_queue *green_priority_queue_new(size_t max, int (*compare)(const void *a,
                                                                                  const void *b));

/* green_queue_free - nobody may wait at it any more; items left in it are forgotten. NULL is
 * allowed. Does not switch. */
GREEN_API void green_queue_free(struct green_queue *q);

/*
 * green_queue_put - add @item, when there is room.
 * @timeout: ns, GREEN_FOREVER, or 0 to add only if there is room now
 *
 * Returns 0, -ETIMEDOUT (-EAGAIN if @timeout is 0: it is full), -ESHUTDOWN, -ENOMEM, or what
 * interrupted the wait: then @item was not added. Switches if it waits. Like: Queue.put
 */
GREEN_API int green_queue_put(struct green_queue *q, void *item, int64_t timeout);

/*
 * green_queue_get - take the next item into *@out.
 * @timeout: ns, GREEN_FOREVER, or 0 to take one only if there is one now
 *
 * Returns 0, -ETIMEDOUT (-EAGAIN if @timeout is 0: it is empty), -ESHUTDOWN (and it is empty), or
 * what interrupted the wait: then no item was taken. Switches if it waits. Like: Queue.get
 */
GREEN_API int green_queue_get(struct green_queue *q, void **out, int64_t timeout);

/* green_queue_peek - as green_queue_get(), but the item stays. Like: Queue.peek */
GREEN_API int green_queue_peek(struct green_queue *q, void **out, int64_t timeout);

/*
 * green_queue_size  - items in it.
 * green_queue_empty - 1 if there is none, else 0.
 * green_queue_full  - 1 if there is no room, else 0.
 *
 * Do not switch.
 */
GREEN_API size_t green_queue_size(const struct green_queue *q);
GREEN_API int green_queue_empty(const struct green_queue *q);
GREEN_API int green_queue_full(const struct green_queue *q);

/* green_queue_set_max - change the limit; 0: none. More room lets waiting items in, less throws
 * none out. Returns 0 or -ENOMEM. Does not switch. Like: Queue.maxsize */
GREEN_API int green_queue_set_max(struct green_queue *q, size_t max);

/*
 * green_queue_task_done - an item that was taken has been dealt with.
 *
 * Returns 0, or -EINVAL: more often than items were put. Does not switch. Like: task_done
 */
GREEN_API int green_queue_task_done(struct green_queue *q);

/*
 * green_queue_join - wait until every item that was put has been dealt with.
 *
 * Returns 0 (at once if nothing is open), -ETIMEDOUT, or what interrupted the wait. Switches if it
 * waits. Like: JoinableQueue.join
 */
GREEN_API int green_queue_join(struct green_queue *q, int64_t timeout);

/*
 * green_queue_shutdown - no more items. Everybody who waits to put gets -ESHUTDOWN, and to get or
 * peek too once it is empty.
 * @immediate: forget the items in it and count them as dealt with
 *
 * Does not switch. Like: Queue.shutdown
 */
GREEN_API void green_queue_shutdown(struct green_queue *q, int immediate);

/* --- Channel: items change hands, none is ever kept --- */

struct green_channel;

/* green_channel_new - a channel; NULL when out of memory. Does not switch. */
GREEN_API struct green_channel *green_channel_new(void);

/* green_channel_free - nobody may wait at it any more. NULL is allowed. Does not switch. */
GREEN_API void green_channel_free(struct green_channel *c);

/*
 * green_channel_put - hand @item to a getter. Like: Channel.put
 * green_channel_get - take an item from a putter. Like: Channel.get
 * @timeout: ns, GREEN_FOREVER, or 0: only with a peer who waits already
 *
 * Return 0, -ETIMEDOUT (-EAGAIN if @timeout is 0), or what interrupted the wait: then no item has
 * changed hands. Switch if they wait.
 */
GREEN_API int green_channel_put(struct green_channel *c, void *item, int64_t timeout);
GREEN_API int green_channel_get(struct green_channel *c, void **out, int64_t timeout);

/* green_channel_balance - waiting putters less waiting getters. Does not switch. */
GREEN_API long green_channel_balance(const struct green_channel *c);

#ifdef __cplusplus
}
#endif

#endif
