/*
 * http_answer - incremental reading of HTTP answers with Content-Length or ended by close.
 */

#define _GNU_SOURCE
#include "http_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void http_answer_reset(struct http_answer *a)
{
    a->status = 0;
    a->in_body = 0;
    a->closes = 0;
    a->body_left = -1;
    a->body_length = 0;
    a->hash = FNV_START;
    a->head_length = 0;
}

/* Read status line and fields out of the complete header block; 0, or -1 if it is not HTTP/1. */
static int parse_head(struct http_answer *a)
{
    int minor;

    a->head[a->head_length - 2] = '\0';
    if (sscanf(a->head, "HTTP/1.%d %d", &minor, &a->status) != 2)
        return -1;
    a->closes = minor == 0;

    for (char *line = strstr(a->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            a->body_left = strtoll(line + 15, NULL, 10);
        else if (strncasecmp(line, "Connection: close", 17) == 0)
            a->closes = 1;
        else if (strncasecmp(line, "Connection: keep-alive", 22) == 0)
            a->closes = 0;
    }
    a->in_body = 1;
    return a->body_left < -1 ? -1 : 0;
}

/* Move bytes into the header block until it is complete; how many were used, or -1. */
static ssize_t feed_head(struct http_answer *a, const char *bytes, size_t n)
{
    size_t room = sizeof a->head - a->head_length;
    size_t take = n < room ? n : room;
    size_t from = a->head_length > 3 ? a->head_length - 3 : 0;

    memcpy(a->head + a->head_length, bytes, take);
    char *end = memmem(a->head + from, a->head_length + take - from, "\r\n\r\n", 4);
    if (!end) {
        a->head_length += take;
        return take < n ? -1 : (ssize_t)take;
    }
    size_t used = (size_t)(end + 4 - a->head) - a->head_length;
    a->head_length += used;
    return parse_head(a) < 0 ? -1 : (ssize_t)used;
}

int http_answer_feed(struct http_answer *a, const char *bytes, size_t n)
{
    if (!a->in_body) {
        ssize_t used = feed_head(a, bytes, n);
        if (used < 0)
            return -1;
        bytes += used;
        n -= (size_t)used;
        if (!a->in_body)
            return 0;
    }
    if (a->body_left >= 0 && (int64_t)n > a->body_left)
        return -1;

    uint64_t hash = a->hash;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * FNV_PRIME;
    a->hash = hash;
    a->body_length += n;
    if (a->body_left >= 0)
        a->body_left -= (int64_t)n;
    return a->body_left == 0;
}

int http_answer_end(const struct http_answer *a)
{
    return a->in_body && a->body_left <= 0 ? 1 : -1;
}
