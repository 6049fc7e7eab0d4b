/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/key_window.h"

#define MESSAGES   200
#define FRAME_MOST 4096

static struct partition_key_rule rule;
static struct partition_key_memory memory;
static struct key_window window;
static uint8_t received[MESSAGES * 1024];
static struct bytes_writer writer;

static void set_up(void)
{
    key_window_clear(&window);
    writer = bytes_writer_on(received, sizeof(received));
}

static void put_frame(uint32_t type, struct bytes body)
{
    bytes_store_be32(bytes_claim(&writer, 4), (uint32_t)(4 + body.length));
    bytes_store_be32(bytes_claim(&writer, 4), type);
    bytes_put(&writer, body);
    ck_assert(!writer.overrun);
}

static void put_message(unsigned number, struct bytes body)
{
    uint8_t frame[2048] = { 0 };
    char id[NSQ_MESSAGE_ID_LENGTH + 1];

    ck_assert_uint_le(NSQ_MESSAGE_HEAD_LENGTH + body.length, sizeof(frame));
    (void)snprintf(id, sizeof(id), "%016x", number);
    memcpy(frame + 10, id, NSQ_MESSAGE_ID_LENGTH);
    if (body.length > 0)
        memcpy(frame + NSQ_MESSAGE_HEAD_LENGTH, body.data, body.length);
    put_frame(NSQ_FRAME_MESSAGE,
              bytes_of(frame, NSQ_MESSAGE_HEAD_LENGTH + body.length));
}

/* Keys that are found, made, missing, long and empty; a heartbeat between. */
static void put_mixture(void)
{
    for (unsigned i = 0; i < MESSAGES; i++) {
        char body[1024];

        if (i % 7 == 0)
            put_frame(NSQ_FRAME_RESPONSE, bytes_of_text("_heartbeat_"));
        switch (i % 5) {
        case 0:
            (void)snprintf(body, sizeof(body), "{\"k\":\"user %u\"}", i);
            break;
        case 1:
            (void)snprintf(body, sizeof(body), "{\"k\":\"%0*u\"}",
                           (int)i * 3 + 1, i);
            break;
        case 2:
            (void)snprintf(body, sizeof(body), "{\"k\":\"\\u0041%u\"}", i);
            break;
        case 3:
            (void)snprintf(body, sizeof(body), "{\"other\":%u}", i);
            break;
        default:
            body[0] = '\0';
            break;
        }
        put_message(i, bytes_of_text(body));
    }
}

/* As ingest takes them, one after the other. Returns how many were known. */
static unsigned compare_all(const char *option)
{
    struct bytes frames = bytes_written(&writer);
    const char *complaint;
    struct nsq_frame frame;
    unsigned known_count = 0;
    unsigned count = 0;

    ck_assert_int_eq(partition_key_parse(option, &rule, &complaint), 0);
    while (nsq_frame_parse(frames, FRAME_MOST, &frame) == 0) {
        const struct window_key *known;
        struct nsq_message message;
        struct bytes key;
        int result;

        frames = bytes_skip(frames, frame.length);
        if (frame.type != NSQ_FRAME_MESSAGE)
            continue;
        ck_assert_int_eq(nsq_message_parse(&frame, &message), 0);
        if (!key_window_reaches(&window, &message))
            key_window_fill(&window, &rule, &memory, &message, frames,
                            FRAME_MOST);
        ck_assert(key_window_reaches(&window, &message));
        known = key_window_key(&window, &message);
        result = partition_key_of(&rule, &message, &memory, &key);
        count++;
        if (!known)
            continue;
        known_count++;
        ck_assert(bytes_equal(known->key, key));
        ck_assert_int_eq(known->is_missing, result == PARTITION_KEY_MISSING);
        ck_assert(
            hash_key_equal(known->hash_key, hash_key_of_partition_key(key)));
    }
    ck_assert_uint_eq(count, MESSAGES);
    return known_count;
}

START_TEST(keys_are_those_that_each_message_has_alone)
{
    put_mixture();

    /* Unknown are those that had to be made: unescaped, or too long. */
    ck_assert_uint_ge(compare_all("json:k"), MESSAGES / 2);
    key_window_clear(&window);
    ck_assert_uint_eq(compare_all("message-id"), MESSAGES);
    key_window_clear(&window);
    ck_assert_uint_eq(compare_all("static:all of them"), MESSAGES);
    key_window_clear(&window);
    ck_assert_uint_eq(compare_all("bytes:2:3"), MESSAGES);
}
END_TEST

START_TEST(keys_of_messages_lie_in_what_was_received)
{
    const char *complaint;
    struct nsq_frame frame;
    struct nsq_message message;
    const struct window_key *known;

    put_message(1, bytes_of_text("no JSON"));
    ck_assert_int_eq(partition_key_parse("json:k", &rule, &complaint), 0);
    ck_assert_int_eq(
        nsq_frame_parse(bytes_written(&writer), FRAME_MOST, &frame), 0);
    ck_assert_int_eq(nsq_message_parse(&frame, &message), 0);
    key_window_fill(&window, &rule, &memory, &message, bytes_of(NULL, 0),
                    FRAME_MOST);
    known = key_window_key(&window, &message);

    ck_assert_ptr_nonnull(known);
    ck_assert_ptr_eq(known->key.data, message.body.data - 16);
    ck_assert(bytes_equal_text(known->key, "0000000000000001"));
}
END_TEST

START_TEST(frame_that_is_cut_or_broken_ends_the_window)
{
    static const char body[] = "{\"k\":1}";
    const char *complaint;
    struct nsq_frame frame;
    struct nsq_message message;
    struct bytes all;
    size_t one;

    put_message(1, bytes_of_text(body));
    one = writer.length;
    put_message(2, bytes_of_text(body));
    put_message(3, bytes_of_text(body));
    all = bytes_written(&writer);
    ck_assert_int_eq(partition_key_parse("json:k", &rule, &complaint), 0);
    ck_assert_int_eq(nsq_frame_parse(all, FRAME_MOST, &frame), 0);
    ck_assert_int_eq(nsq_message_parse(&frame, &message), 0);

    for (size_t length = 0; length <= 2 * one; length++) {
        key_window_fill(&window, &rule, &memory, &message,
                        bytes_of(all.data + one, length), FRAME_MOST);
        ck_assert_uint_eq(window.count, 1 + length / one);
    }
    received[one + 7] = 9; /* no such type of frame */
    key_window_fill(&window, &rule, &memory, &message, bytes_skip(all, one),
                    FRAME_MOST);
    ck_assert_uint_eq(window.count, 1);
}
END_TEST

START_TEST(nothing_is_known_of_what_is_not_in_the_window)
{
    const char *complaint;
    struct nsq_frame frame;
    struct nsq_message message;

    put_message(1, bytes_of_text("{\"k\":1}"));
    ck_assert_int_eq(partition_key_parse("json:k", &rule, &complaint), 0);
    ck_assert_int_eq(
        nsq_frame_parse(bytes_written(&writer), FRAME_MOST, &frame), 0);
    ck_assert_int_eq(nsq_message_parse(&frame, &message), 0);
    ck_assert(!key_window_reaches(&window, &message));
    ck_assert_ptr_null(key_window_key(&window, &message));

    key_window_fill(&window, &rule, &memory, &message, bytes_of(NULL, 0),
                    FRAME_MOST);
    ck_assert(key_window_reaches(&window, &message));
    key_window_clear(&window);
    ck_assert(!key_window_reaches(&window, &message));
    ck_assert_ptr_null(key_window_key(&window, &message));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("key_window");
    TCase *keys = tcase_create("keys");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(keys, set_up, NULL);
    tcase_add_test(keys, keys_are_those_that_each_message_has_alone);
    tcase_add_test(keys, keys_of_messages_lie_in_what_was_received);
    tcase_add_test(keys, frame_that_is_cut_or_broken_ends_the_window);
    tcase_add_test(keys, nothing_is_known_of_what_is_not_in_the_window);
    suite_add_tcase(suite, keys);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
