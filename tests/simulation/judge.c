/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/simulation/judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/real_memory.h"
#include "tests/simulation/schedule.h"

struct judge judge;

void judge_begin(bool has_keys)
{
    for (size_t i = 0; i < judge.count; i++)
        __real_free(judge.messages[i].body);
    judge = (struct judge){ .has_keys = has_keys };
}

struct message *judge_add(size_t nsqd, size_t key, size_t length)
{
    struct message *message = &judge.messages[judge.count];
    int head;

    *message =
        (struct message){ .nsqd = nsqd, .key = key, .heard_at = INT64_MAX };
    (void)snprintf(message->key_text, sizeof(message->key_text), "key-%zu-%zu",
                   nsqd, key);
    message->body = __real_malloc(length + 128);
    head = snprintf(message->body, 128, "{\"n\":%zu,\"key\":\"%s\",\"fill\":\"",
                    judge.count, message->key_text);
    for (size_t i = 0; i < length; i++)
        message->body[(size_t)head + i] = (char)('a' + (judge.count + i) % 26);
    memcpy(message->body + head + length, "\"}", 3);
    message->length = (size_t)head + length + 2;
    judge.count++;
    return message;
}

void judge_accuse(const char *violation, size_t message)
{
    if (judge.violation)
        return;
    judge.violation = violation;
    judge.culprit = message;
    schedule.is_over = true;
    schedule_note(violation, message, 0);
}

struct message *judge_find(struct bytes body)
{
    char head[32];
    size_t number;
    struct message *message;

    (void)snprintf(head, sizeof(head), "%.*s",
                   (int)(body.length < 20 ? body.length : 20),
                   (const char *)body.data);
    if (sscanf(head, "{\"n\":%zu,", &number) != 1 || number >= judge.count) {
        judge_accuse("invented", 0);
        return NULL;
    }
    message = &judge.messages[number];
    if (body.length != message->length ||
        memcmp(body.data, message->body, body.length) != 0) {
        judge_accuse("altered", number);
        return NULL;
    }
    return message;
}

void judge_on_stored(struct message *message, const struct copy *copy)
{
    size_t number = judge_number(message);
    size_t *newest = &judge.newest[message->key];

    schedule_note("stored", number, message->copies);
    if (judge.has_keys && !bytes_equal_text(copy->key, message->key_text))
        judge_accuse("altered", number);
    if (message->heard_at <= copy->sent)
        judge_accuse("repeated", number);
    if (message->copies > 0 && message->company != copy->company &&
        !copy->is_movable)
        judge_accuse("rebatched", number);
    message->company = copy->company;
    if (message->copies++ > 0) {
        judge.repeated++;
        return;
    }
    judge.stored++;
    if (!judge.has_keys)
        return;
    if (*newest > number)
        judge_accuse("overtaken", number);
    *newest = number + 1;
}

void judge_on_heard(struct message *message)
{
    if (schedule.now < message->heard_at)
        message->heard_at = schedule.now;
}

void judge_on_finished(struct message *message)
{
    schedule_note("finished", judge_number(message), 0);
    if (message->copies == 0)
        judge_accuse("early", judge_number(message));
    judge.finished++;
}

void judge_end(void)
{
    for (size_t i = 0; i < judge.count; i++) {
        if (judge.messages[i].copies == 0)
            judge_accuse("lost", i);
        if (judge.messages[i].state != MESSAGE_FINISHED)
            judge_accuse("stuck", i);
    }
}
