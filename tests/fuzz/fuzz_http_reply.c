/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The first byte says how the rest, a reply of something that may be
 * nsqlookupd, is cut. The outcome does not depend on it; what is whole goes on
 * to the reader of producers, who bears anything.
 */

#include <stdlib.h>

#include "ingest/http_reply.h"
#include "ingest/nsq_lookup.h"
#include "tests/fuzz/target.h"

static int read_in_parts(struct http_reply *reply, struct bytes text,
                         size_t part)
{
    http_reply_init(reply, 4096);
    while (text.length > 0) {
        size_t length = part < text.length ? part : text.length;

        http_reply_feed(reply, bytes_of(text.data, length));
        text = bytes_skip(text, length);
    }
    return http_reply_on_closed(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
    struct address producers[2];
    struct nsq_lookup_answer answer = { .producers = producers, .capacity = 2 };
    struct http_reply whole;
    struct http_reply cut;
    struct bytes text;
    int result;

    if (length == 0)
        return 0;
    text = bytes_of(input + 1, length - 1);
    result = read_in_parts(&whole, text, length);
    if (read_in_parts(&cut, text, 1 + input[0] % 64) != result)
        abort();
    if (result == 0) {
        struct bytes body = byte_store_view(&whole.body);

        if (!bytes_equal(body, byte_store_view(&cut.body)))
            abort();
        (void)nsq_lookup_parse(whole.status, body, &answer);
        if (answer.count > answer.capacity)
            abort();
    }
    http_reply_deinit(&whole);
    http_reply_deinit(&cut);
    return 0;
}

size_t fuzz_make_input(struct random *random, uint8_t *input, size_t most)
{
    static const char *const heads[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 61\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3d;x\r\n",
    };
    size_t head = random_below(random, ARRAY_LENGTH(heads));
    struct bytes_writer writer = bytes_writer_on(input, most);

    bytes_put_byte(&writer, (uint8_t)random_u64(random));
    bytes_put_text(&writer, heads[head]);
    bytes_put_text(&writer, "{\"producers\":[{\"broadcast_address\":\"::1\","
                            "\"tcp_port\":4150}]}");
    bytes_put_text(&writer, head == 3 ? "\r\n0\r\n\r\n" : "");
    return writer.length;
}
