/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/put_records_answer.h"

static enum outcome_reply doubt_of(int condition)
{
    return condition == PUT_RECORDS_WRONG_COUNT ? OUTCOME_REPLY_WRONG_COUNT
                                                : OUTCOME_REPLY_GARBAGE;
}

bool put_records_answer_read(enum put_records_format asked,
                             const struct http_reply *reply,
                             struct bytes_writer *texts,
                             struct put_records_result *results, size_t count,
                             struct put_records_answer *answer)
{
    /* A proxy, or a server that knows no CBOR, answers in its own form. */
    enum put_records_format format =
        put_records_format_of(reply->content_type, asked);
    struct put_records_error error = { 0 };
    int result;

    *answer = (struct put_records_answer){ 0 };
    if (reply->failure != HTTP_NO_FAILURE) {
        answer->outcome = outcome_of_failure(reply->failure, reply->definite);
        answer->code = bytes_of_text(http_failure_name(reply->failure));
        answer->message = bytes_of_text(reply->explanation);
        return false;
    }
    if (reply->status == 200) {
        result =
            put_records_reply_read(format, reply->body, texts, results, count);
        if (result)
            answer->outcome = outcome_of_reply(doubt_of(result));
        return result == 0;
    }
    (void)put_records_error_read(format, reply->body, texts, &error);
    answer->outcome = outcome_of_status(reply->status, error.code);
    answer->code = error.code;
    answer->message = error.message;
    return false;
}
