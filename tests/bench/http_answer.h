/*
 * http_answer - reads one HTTP answer piece by piece and hashes its body.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 2048

/* FNV-1a, 64 bits: to compare bodies, not to protect them. */
#define FNV_START 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

struct http_answer {
    int status;           /* 0 until the status line was read */
    int in_body;          /* the header block is complete */
    int closes;           /* the server said that it closes the connection after this answer */
    int64_t body_left;    /* bytes still to come; -1: the body ends with the connection */
    uint64_t body_length; /* bytes of body so far */
    uint64_t hash;        /* FNV-1a of the body so far */
    size_t head_length;
    char head[HTTP_HEAD_MAX];
};

void http_answer_reset(struct http_answer *a);

/*
 * http_answer_feed - take bytes as they come from the socket
 *
 * Returns 1 when the answer is complete, 0 when more must come, -1 when it is not HTTP, when its
 * header block is too long, or when bytes follow its end.
 */
int http_answer_feed(struct http_answer *a, const char *bytes, size_t n);

/* The connection ended: 1 when that completes the answer, -1 when it cuts it short. */
int http_answer_end(const struct http_answer *a);

#endif
