/*
 * A name server on 127.0.0.1 for tests of the resolver, in a child process; UDP and TCP.
 *
 * How it answers depends on the name asked for:
 *   d<ms>n<i>.test   after ms milliseconds: A net.0.(i / 256).(i % 256), AAAA fd00::i
 *   t<ms>n<i>.test   the same, but over TCP only: truncated over UDP
 *   x<ms>n<i>.test   after ms milliseconds: no such name
 *   r<k>n<i>.test    like d0n<i>, but only once k such questions are waiting
 *   anything else    never
 * A PTR question for 10.<m>.<i / 256>.<i % 256> is answered by d<10m>n<i>.test after 10m ms.
 */
#ifndef NAMESERVER_H
#define NAMESERVER_H

#include <stdint.h>
#include <sys/types.h>

struct nameserver {
    pid_t pid;
    uint16_t port;
};

/* net is the first byte of the addresses it gives. */
struct nameserver nameserver_start(int net);
void nameserver_stop(struct nameserver *server);

/* The calling thread's lookups ask this server alone, `tries` times for retrans_s seconds each, and
   do not append domains. */
void nameserver_use(const struct nameserver *server, int retrans_s, int tries);

#endif
