/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * http_reply - one HTTP/1.1 reply, read as its bytes come; for nsqlookupd.
 *
 *     STATUS -> HEADERS -> BODY (Content-Length) ------------> WHOLE
 *        ^         |-----> CHUNK_SIZE <-> CHUNK -> TRAILERS -----^
 *        '- 1xx ---'-----> UNTIL_CLOSE --- the peer closes ------'
 *
 * RFC 9112. Ours is a request with "Connection: close", so that whatever comes
 * after the reply is of no interest. Head lines longer than the line memory
 * are cut: none that matters is that long.
 *
 * Memory    the body, up to the bound; allocated as it comes.
 * Returns   0 when the reply is whole, an HTTP_REPLY_* condition, or -ENOMEM.
 *           After a failure, feed() goes on to return it.
 */

#include "ingest/byte_store.h"

enum http_reply_condition {
    HTTP_REPLY_MORE = 1,  /* not whole yet */
    HTTP_REPLY_BROKEN,    /* not HTTP, or cut off */
    HTTP_REPLY_TOO_LARGE, /* the body or the head is above its bound */
};

enum http_reply_stage {
    HTTP_REPLY_STATUS,
    HTTP_REPLY_HEADERS,
    HTTP_REPLY_BODY,
    HTTP_REPLY_CHUNK_SIZE,
    HTTP_REPLY_CHUNK,
    HTTP_REPLY_CHUNK_END,
    HTTP_REPLY_TRAILERS,
    HTTP_REPLY_UNTIL_CLOSE,
    HTTP_REPLY_WHOLE,
    HTTP_REPLY_FAILED,
};

struct http_reply {
    enum http_reply_stage stage;
    int failure;            /* what feed() returns when FAILED */
    unsigned status;        /* 100 to 599, from HEADERS on */
    bool is_chunked;        /* by Transfer-Encoding */
    bool has_length;        /* by Content-Length */
    uint64_t left;          /* bytes of the body, or of the chunk */
    size_t head_length;     /* bytes of lines so far */
    uint8_t line[256];      /* the line that is being read, cut to fit */
    size_t line_length;     /* bytes of it in `line` */
    struct byte_store body; /* decoded */
};

void http_reply_init(struct http_reply *reply, size_t body_most);

/* Give the memory back. */
void http_reply_deinit(struct http_reply *reply);

/* Bytes came. Returns 0 as soon as the reply is whole. */
int http_reply_feed(struct http_reply *reply, struct bytes received);

/* The peer closed. Returns 0 or HTTP_REPLY_BROKEN (or an earlier failure). */
int http_reply_on_closed(struct http_reply *reply);
