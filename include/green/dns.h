/*
 * Looking up names. libc's own functions let other greens run, and timeouts (<green/timeout.h>)
 * reach them, but end only the step at hand: libc goes on to the next server. These return when the
 * time is over; the lookup then ends by itself, and its answer is dropped. Answers, their order and
 * errors are libc's. Any green and any kernel thread may make every call; where there are no green
 * threads they wait as libc does, however long. Like: gevent.resolver.thread
 */
#ifndef GREEN_DNS_H
#define GREEN_DNS_H

#include <green/base.h>

#include <netdb.h> /* in strict C without struct addrinfo */
#include <netinet/in.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

struct addrinfo;

/*
 * green_getaddrinfo - getaddrinfo(3) within @timeout ns.
 * @out: receives the list, for freeaddrinfo(); untouched on failure
 *
 * Returns 0 or an EAI_ code for gai_strerror(). EAI_SYSTEM: errno says more, ETIMEDOUT or the code
 * of what interrupted the wait. Switches, unless @node is NULL or numeric.
 */
GREEN_API int green_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                                struct addrinfo **out, int64_t timeout);

/* green_getnameinfo - getnameinfo(3) within @timeout ns. @host and @service are untouched on
 * failure; either may be NULL. Returns as green_getaddrinfo(). Switches. */
GREEN_API int green_getnameinfo(const struct sockaddr *addr, socklen_t len, char *host,
                                socklen_t host_size, char *service, socklen_t service_size,
                                int flags, int64_t timeout);

/* green_gethostbyname - the first IPv4 address of @name, in words, into @address. Returns as
 * green_getaddrinfo(). Switches, unless @name is numeric. Like: socket.gethostbyname */
GREEN_API int green_gethostbyname(const char *name, char address[INET_ADDRSTRLEN], int64_t timeout);

#ifdef __cplusplus
}
#endif

#endif
