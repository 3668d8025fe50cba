/*
 * Semaphores and locks. They are fair: who has waited longest is served first, and a releaser that
 * wants the same again goes to the end. Any green and any kernel thread may make every call.
 * Like: gevent.lock
 */
#ifndef GREEN_LOCK_H
#define GREEN_LOCK_H

#include <green/base.h>
#include <green/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Semaphore, BoundedSemaphore --- */

struct green_semaphore;

/* green_semaphore_new - with @value permits; NULL when out of memory. Does not switch. */
GREEN_API struct green_semaphore *green_semaphore_new(unsigned value);

/* green_bounded_semaphore_new - as green_semaphore_new(), never with more than @value permits.
 * Like: BoundedSemaphore */
GREEN_API struct green_semaphore *green_bounded_semaphore_new(unsigned value);

/* green_semaphore_free - nobody may wait for it any more. NULL is allowed. Does not switch. */
GREEN_API void green_semaphore_free(struct green_semaphore *s);

/*
 * green_semaphore_acquire - take a permit.
 * @timeout: ns, GREEN_FOREVER, or 0 to take one only if there is one
 *
 * Returns 0, -ETIMEDOUT (-EAGAIN if @timeout is 0), or what interrupted the wait: then no permit
 * was taken. Switches if it waits. Like: Semaphore.acquire
 */
GREEN_API int green_semaphore_acquire(struct green_semaphore *s, int64_t timeout);

/*
 * green_semaphore_release - give a permit, to who has waited longest if somebody waits.
 *
 * Returns 0, or -EOVERFLOW: a bounded semaphore has as many as it began with. Does not switch.
 * Like: Semaphore.release
 */
GREEN_API int green_semaphore_release(struct green_semaphore *s);

/*
 * green_semaphore_wait - wait until there is a permit, and take none; it may be gone again when the
 * call returns.
 *
 * Returns 0, -ETIMEDOUT, or what interrupted the wait. Switches if it waits. Like: Semaphore.wait
 */
GREEN_API int green_semaphore_wait(struct green_semaphore *s, int64_t timeout);

/* green_semaphore_count - permits left. Does not switch. Like: Semaphore.counter */
GREEN_API unsigned green_semaphore_count(const struct green_semaphore *s);

/* green_semaphore_object - the semaphore, for green_wait() and links. Does not switch. */
GREEN_API struct green_object *green_semaphore_object(struct green_semaphore *s);

/* --- RLock --- */

struct green_rlock;

/* green_rlock_new - a lock that its owner may take again; NULL when out of memory. Does not switch.
 * Like: RLock */
GREEN_API struct green_rlock *green_rlock_new(void);

/* green_rlock_free - it must not be held. NULL is allowed. Does not switch. */
GREEN_API void green_rlock_free(struct green_rlock *l);

/*
 * green_rlock_acquire - take it, or take it once more.
 * @timeout: ns, GREEN_FOREVER, or 0 to try
 *
 * Returns 0, -ETIMEDOUT (-EAGAIN if @timeout is 0), or what interrupted the wait. Switches if it
 * waits. Like: RLock.acquire
 */
GREEN_API int green_rlock_acquire(struct green_rlock *l, int64_t timeout);

/*
 * green_rlock_release - undo one green_rlock_acquire().
 *
 * Returns 0, or -EPERM: the caller does not own it. Does not switch. Like: RLock.release
 */
GREEN_API int green_rlock_release(struct green_rlock *l);

/* green_rlock_locked - 1 if anybody holds it, else 0. Does not switch. */
GREEN_API int green_rlock_locked(const struct green_rlock *l);

/* --- Condition --- */

struct green_condition;

/* green_condition_new - a condition guarded by @lock, which stays the caller's; NULL when out of
 * memory. Does not switch. Like: threading.Condition */
GREEN_API struct green_condition *green_condition_new(struct green_rlock *lock);

/* green_condition_free - nobody may wait for it any more. NULL is allowed. Does not switch. */
GREEN_API void green_condition_free(struct green_condition *c);

/*
 * green_condition_wait - let go of the lock, however often the caller holds it, wait for a
 * notification and take the lock again as it was, whatever the result but one: -EDEADLK when
 * nothing is left that could give it to main, where green_rlock_release() then says -EPERM.
 *
 * Returns 0, -ETIMEDOUT, -EPERM (the caller does not hold the lock), or what interrupted the wait.
 * Switches.
 */
GREEN_API int green_condition_wait(struct green_condition *c, int64_t timeout);

/*
 * green_condition_notify - wake the @n that have waited longest; SIZE_MAX: everybody.
 *
 * Returns 0 or -EPERM (the caller does not hold the lock). Does not switch.
 */
GREEN_API int green_condition_notify(struct green_condition *c, size_t n);

#ifdef __cplusplus
}
#endif

#endif
