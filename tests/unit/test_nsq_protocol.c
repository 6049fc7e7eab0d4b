/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "ingest/nsq_protocol.h"

#define LARGEST (1024 * 1024)

#define ID "0d2f4a6b8c0e1f30"

/* A frame as nsqd sends it, in memory of exactly its length. */
static struct bytes new_frame(uint32_t type, struct bytes body)
{
    uint8_t *memory = malloc(NSQ_FRAME_HEAD_LENGTH + body.length);

    ck_assert_ptr_nonnull(memory);
    bytes_store_be32(memory, (uint32_t)(4 + body.length));
    bytes_store_be32(memory + 4, type);
    if (body.length)
        memcpy(memory + NSQ_FRAME_HEAD_LENGTH, body.data, body.length);
    return bytes_of(memory, NSQ_FRAME_HEAD_LENGTH + body.length);
}

static void free_frame(struct bytes frame)
{
    free((void *)(uintptr_t)frame.data);
}

static struct nsq_frame text_frame(enum nsq_frame_type type, const char *text)
{
    return (struct nsq_frame){ .type = type, .body = bytes_of_text(text) };
}

START_TEST(frame_cut_at_every_byte_is_partial_and_says_what_it_needs)
{
    struct bytes wire = new_frame(NSQ_FRAME_RESPONSE, bytes_of_text("OK"));
    struct nsq_frame frame;

    for (size_t cut = 0; cut < wire.length; cut++) {
        /* A copy of its own, so that the sanitizer sees a byte too many. */
        uint8_t *copy = malloc(cut + !cut);

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, wire.data, cut);
        ck_assert_int_eq(nsq_frame_parse(bytes_of(copy, cut), LARGEST, &frame),
                         NSQ_FRAME_PARTIAL);
        ck_assert_uint_eq(frame.length, cut < 4 ? 4 : wire.length);
        free(copy);
    }
    ck_assert_int_eq(nsq_frame_parse(wire, LARGEST, &frame), 0);
    ck_assert_int_eq(frame.type, NSQ_FRAME_RESPONSE);
    ck_assert(bytes_equal_text(frame.body, "OK"));
    ck_assert_uint_eq(frame.length, wire.length);
    free_frame(wire);
}
END_TEST

START_TEST(frame_ends_where_its_size_says_and_the_next_begins)
{
    uint8_t wire[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 'E' };
    struct nsq_frame frame;
    struct bytes rest = bytes_of(wire, sizeof(wire));

    ck_assert_int_eq(nsq_frame_parse(rest, LARGEST, &frame), 0);
    ck_assert_uint_eq(frame.length, 8);
    ck_assert_uint_eq(frame.body.length, 0);
    rest = bytes_skip(rest, frame.length);
    ck_assert_int_eq(nsq_frame_parse(rest, LARGEST, &frame), 0);
    ck_assert_int_eq(frame.type, NSQ_FRAME_ERROR);
    ck_assert(bytes_equal_text(frame.body, "E"));
}
END_TEST

START_TEST(size_that_cannot_be_is_refused_from_its_four_bytes_alone)
{
    static const uint8_t sizes[][4] = {
        { 0, 0, 0, 0 },
        { 0, 0, 0, 3 },
        { 0x00, 0x10, 0x00, 0x01 },
        { 0x80, 0x00, 0x00, 0x00 },
        { 0xff, 0xff, 0xff, 0xff },
    };
    struct nsq_frame frame;

    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++)
        ck_assert_int_eq(
            nsq_frame_parse(bytes_of(sizes[i], 4), LARGEST, &frame),
            NSQ_FRAME_BAD_SIZE);
    ck_assert_int_eq(
        nsq_frame_parse(bytes_of("\x00\x10\x00\x00", 4), LARGEST, &frame),
        NSQ_FRAME_PARTIAL);
}
END_TEST

START_TEST(unknown_type_is_refused_before_its_body_comes)
{
    struct nsq_frame frame;

    ck_assert_int_eq(
        nsq_frame_parse(bytes_of("\0\0\0\x64\0\0\0\3", 8), LARGEST, &frame),
        NSQ_FRAME_BAD_TYPE);
    ck_assert_int_eq(nsq_frame_parse(bytes_of("\0\0\0\x64\xff\xff\xff\xff", 8),
                                     LARGEST, &frame),
                     NSQ_FRAME_BAD_TYPE);
}
END_TEST

START_TEST(http_answer_is_recognised)
{
    struct nsq_frame frame;

    ck_assert_int_eq(
        nsq_frame_parse(bytes_of_text("HTTP/1.1 400 Bad Request\r\n"), LARGEST,
                        &frame),
        NSQ_FRAME_IS_HTTP);
    ck_assert_int_eq(nsq_frame_parse(bytes_of_text("HTTP"), UINT32_MAX, &frame),
                     NSQ_FRAME_IS_HTTP);
}
END_TEST

START_TEST(message_is_read_field_by_field)
{
    static const uint8_t head[] = { 1, 2, 3, 4, 5, 6, 7, 8, 0xfe, 0xdc };
    uint8_t memory[64];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));
    struct nsq_frame frame = { .type = NSQ_FRAME_MESSAGE };
    struct nsq_message message;

    bytes_put(&writer, bytes_of(head, sizeof(head)));
    bytes_put_text(&writer, ID);
    bytes_put(&writer, bytes_of("a\0\n", 3));
    frame.body = bytes_written(&writer);

    ck_assert_int_eq(nsq_message_parse(&frame, &message), 0);
    ck_assert_uint_eq(message.timestamp_ns, UINT64_C(0x0102030405060708));
    ck_assert_uint_eq(message.attempts, 0xfedc);
    ck_assert_mem_eq(message.id.text, ID, 16);
    ck_assert(bytes_equal(message.body, bytes_of("a\0\n", 3)));
}
END_TEST

START_TEST(message_may_be_empty_but_not_shorter_than_its_head)
{
    struct nsq_message message;
    uint8_t memory[NSQ_MESSAGE_HEAD_LENGTH] = { 0 };
    struct nsq_frame frame = { .type = NSQ_FRAME_MESSAGE };

    memcpy(memory + 10, ID, 16);
    for (size_t length = 0; length < sizeof(memory); length++) {
        frame.body = bytes_of(memory, length);
        ck_assert_int_eq(nsq_message_parse(&frame, &message),
                         NSQ_MESSAGE_BROKEN);
    }
    frame.body = bytes_of(memory, sizeof(memory));
    ck_assert_int_eq(nsq_message_parse(&frame, &message), 0);
    ck_assert_uint_eq(message.body.length, 0);
}
END_TEST

START_TEST(id_that_is_not_hexadecimal_breaks_the_message)
{
    struct nsq_message message;
    uint8_t memory[NSQ_MESSAGE_HEAD_LENGTH] = { 0 };
    struct nsq_frame frame = { .type = NSQ_FRAME_MESSAGE,
                               .body = bytes_of(memory, sizeof(memory)) };

    memcpy(memory + 10, "0123456789abcDEF", 16);
    ck_assert_int_eq(nsq_message_parse(&frame, &message), 0);
    for (int byte = 0; byte < 256; byte++) {
        bool is_digit = (byte >= '0' && byte <= '9') ||
                        (byte >= 'a' && byte <= 'f') ||
                        (byte >= 'A' && byte <= 'F');

        memory[10 + byte % 16] = (uint8_t)byte;
        ck_assert_int_eq(nsq_message_parse(&frame, &message),
                         is_digit ? 0 : NSQ_MESSAGE_BROKEN);
        memory[10 + byte % 16] = '0';
    }
}
END_TEST

START_TEST(only_the_heartbeat_response_is_a_heartbeat)
{
    struct nsq_frame frame = text_frame(NSQ_FRAME_RESPONSE, "_heartbeat_");

    ck_assert(nsq_frame_is_heartbeat(&frame));
    frame.type = NSQ_FRAME_MESSAGE;
    ck_assert(!nsq_frame_is_heartbeat(&frame));
    frame = text_frame(NSQ_FRAME_RESPONSE, "_heartbeat");
    ck_assert(!nsq_frame_is_heartbeat(&frame));
}
END_TEST

START_TEST(commands_are_written_as_the_protocol_has_them)
{
    uint8_t memory[512];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));
    struct nsq_message_id id;

    memcpy(id.text, ID, 16);
    nsq_encode_magic(&writer);
    nsq_encode_subscribe(&writer, bytes_of_text("orders"),
                         bytes_of_text("kinesis#ephemeral"));
    nsq_encode_ready(&writer, 2500);
    nsq_encode_finish(&writer, &id);
    nsq_encode_requeue(&writer, &id, 90000);
    nsq_encode_touch(&writer, &id);
    nsq_encode_no_operation(&writer);
    nsq_encode_start_close(&writer);

    ck_assert(bytes_equal_text(bytes_written(&writer),
                               "  V2"
                               "SUB orders kinesis#ephemeral\n"
                               "RDY 2500\n"
                               "FIN " ID "\n"
                               "REQ " ID " 90000\n"
                               "TOUCH " ID "\n"
                               "NOP\n"
                               "CLS\n"));
}
END_TEST

START_TEST(longest_publish_fits_its_promised_room)
{
    static const char topic[] =
        "topic-of-sixty-four-characters-with-the-ending-of-them#ephemeral";
    uint8_t memory[NSQ_PUBLISH_MOST + 3];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));

    ck_assert_uint_eq(strlen(topic), 64);
    nsq_encode_publish(&writer, bytes_of_text(topic), bytes_of("a\0b", 3));

    ck_assert(!writer.overrun);
    ck_assert(bytes_start_with(bytes_written(&writer), "PUB topic-of-"));
    ck_assert_mem_eq(memory + 4 + 64, "\n\0\0\0\3a\0b", 8);
}
END_TEST

START_TEST(longest_command_line_fits_its_promised_room)
{
    uint8_t memory[NSQ_COMMAND_MOST];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));
    struct nsq_message_id id = { .text = "aaaaaaaaaaaaaaa" };

    nsq_encode_requeue(&writer, &id, UINT32_MAX);

    ck_assert(!writer.overrun);
}
END_TEST

START_TEST(identify_carries_its_length_and_only_what_is_set)
{
    uint8_t memory[512];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));
    struct nsq_identity identity = {
        .client_id = "bridge-1",
        .hostname = "we\"ird\\\n",
        .user_agent = "nsq_to_kinesis/0.1.0",
        .heartbeat_interval_ms = 30000,
        .output_buffer_size = 65536,
        .output_buffer_timeout_ms = 25,
    };
    const char *json = "{\"feature_negotiation\":true,"
                       "\"client_id\":\"bridge-1\","
                       "\"hostname\":\"we\\\"ird\\\\\\u000a\","
                       "\"user_agent\":\"nsq_to_kinesis/0.1.0\","
                       "\"heartbeat_interval\":30000,"
                       "\"output_buffer_size\":65536,"
                       "\"output_buffer_timeout\":25}";
    struct bytes written;

    nsq_encode_identify(&writer, &identity);

    written = bytes_written(&writer);
    ck_assert(bytes_start_with(written, "IDENTIFY\n"));
    ck_assert_uint_eq(bytes_load_be32(written.data + 9), strlen(json));
    ck_assert(bytes_equal_text(bytes_skip(written, 13), json));
}
END_TEST

START_TEST(identify_asks_for_a_message_timeout_only_when_told)
{
    uint8_t memory[256];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));
    struct nsq_identity identity = { .msg_timeout_ms = 15000 };

    nsq_encode_identify(&writer, &identity);

    ck_assert(bytes_equal_text(bytes_skip(bytes_written(&writer), 13),
                               "{\"feature_negotiation\":true,"
                               "\"msg_timeout\":15000}"));
}
END_TEST

START_TEST(command_that_does_not_fit_overruns_and_writes_nothing_outside)
{
    struct nsq_identity identity = { .client_id = "a", .hostname = "b" };
    uint8_t memory[128];
    struct bytes_writer whole = bytes_writer_on(memory, sizeof(memory));

    nsq_encode_identify(&whole, &identity);
    nsq_encode_authenticate(&whole, bytes_of_text("secret"));
    ck_assert(!whole.overrun);
    for (size_t room = 0; room < whole.length; room++) {
        uint8_t *exact = malloc(room + !room);
        struct bytes_writer writer = bytes_writer_on(exact, room);

        ck_assert_ptr_nonnull(exact);
        nsq_encode_identify(&writer, &identity);
        nsq_encode_authenticate(&writer, bytes_of_text("secret"));
        ck_assert(writer.overrun);
        free(exact);
    }
}
END_TEST

START_TEST(authenticate_carries_the_secret_behind_its_length)
{
    uint8_t memory[64];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));

    nsq_encode_authenticate(&writer, bytes_of_text("s3cret"));

    ck_assert(bytes_equal(bytes_written(&writer),
                          bytes_of("AUTH\n\0\0\0\6s3cret", 15)));
}
END_TEST

START_TEST(terms_are_read_from_the_answer_of_a_real_nsqd)
{
    struct nsq_terms terms;

    ck_assert_int_eq(
        nsq_terms_parse(
            bytes_of_text(
                "{\"max_rdy_count\":2501,\"version\":\"1.3.0\","
                "\"max_msg_timeout\":900001,\"msg_timeout\":15000,"
                "\"tls_v1\":false,\"deflate\":false,\"deflate_level\":6,"
                "\"max_deflate_level\":6,\"snappy\":false,\"sample_rate\":0,"
                "\"auth_required\":true,\"output_buffer_size\":65536,"
                "\"output_buffer_timeout\":25}"),
            &terms),
        0);
    ck_assert_uint_eq(terms.max_rdy_count, 2501);
    ck_assert_uint_eq(terms.msg_timeout_ms, 15000);
    ck_assert_uint_eq(terms.max_msg_timeout_ms, 900001);
    ck_assert(terms.auth_required);
    ck_assert_str_eq(terms.version, "1.3.0");
}
END_TEST

START_TEST(terms_that_are_not_told_are_the_defaults_of_nsqd)
{
    static const char *const answers[] = { "OK", "{}" };
    struct nsq_terms terms;

    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        memset(&terms, 0xff, sizeof(terms));
        ck_assert_int_eq(nsq_terms_parse(bytes_of_text(answers[i]), &terms), 0);
        ck_assert_uint_eq(terms.max_rdy_count, 2500);
        ck_assert_uint_eq(terms.msg_timeout_ms, 60000);
        ck_assert_uint_eq(terms.max_msg_timeout_ms, 900000);
        ck_assert(!terms.auth_required);
        ck_assert_str_eq(terms.version, "");
    }
}
END_TEST

START_TEST(terms_that_make_no_sense_are_refused)
{
    static const char *const answers[] = {
        "",
        "ok",
        "[]",
        "7",
        "null",
        "{\"max_rdy_count\":",
        "{\"max_rdy_count\":0}",
        "{\"max_rdy_count\":-1}",
        "{\"max_rdy_count\":1e30}",
        "{\"msg_timeout\":\"60000\"}",
        "{\"max_msg_timeout\":null}",
    };
    struct nsq_terms terms;

    memset(&terms, 0x5a, sizeof(terms));
    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++)
        ck_assert_int_eq(nsq_terms_parse(bytes_of_text(answers[i]), &terms),
                         NSQ_ANSWER_BROKEN);
    ck_assert_uint_eq(terms.max_rdy_count, 0x5a5a5a5a);
}
END_TEST

START_TEST(long_version_is_cut)
{
    struct nsq_terms terms;

    ck_assert_int_eq(
        nsq_terms_parse(
            bytes_of_text("{\"version\":\"0123456789012345678901234567890123"
                          "45678901234567890123456789\"}"),
            &terms),
        0);
    ck_assert_str_eq(terms.version, "0123456789012345678901234567890");
}
END_TEST

START_TEST(failed_finish_requeue_and_touch_leave_the_connection_open)
{
    static const struct {
        const char *text;
        enum nsq_error_kind kind;
    } rows[] = {
        { "E_FIN_FAILED FIN " ID " failed ID not in flight",
          NSQ_ERROR_FIN_FAILED },
        { "E_REQ_FAILED REQ " ID " failed ID not in flight",
          NSQ_ERROR_REQ_FAILED },
        { "E_TOUCH_FAILED TOUCH " ID " failed client does not own message",
          NSQ_ERROR_TOUCH_FAILED },
    };
    struct nsq_error error;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct nsq_frame frame = text_frame(NSQ_FRAME_ERROR, rows[i].text);

        ck_assert_int_eq(nsq_error_parse(&frame, &error), 0);
        ck_assert_int_eq(error.kind, rows[i].kind);
        ck_assert(error.has_id);
        ck_assert_mem_eq(error.id.text, ID, 16);
    }
}
END_TEST

START_TEST(failed_finish_without_a_readable_id_is_still_not_fatal)
{
    static const char *const texts[] = {
        "E_FIN_FAILED",
        "E_FIN_FAILED ",
        "E_FIN_FAILED FIN",
        "E_FIN_FAILED FIN short failed",
        "E_FIN_FAILED FIN 0d2f4a6b8c0e1f3g failed",
        "E_FIN_FAILED FIN " ID "0 failed",
    };
    struct nsq_error error;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct nsq_frame frame = text_frame(NSQ_FRAME_ERROR, texts[i]);

        ck_assert_int_eq(nsq_error_parse(&frame, &error), 0);
        ck_assert_int_eq(error.kind, NSQ_ERROR_FIN_FAILED);
        ck_assert(!error.has_id);
    }
}
END_TEST

START_TEST(every_other_error_is_fatal)
{
    static const char *const texts[] = {
        "E_INVALID cannot SUB in current state",
        "E_BAD_TOPIC SUB topic name \"\" is not valid",
        "E_BAD_CHANNEL",
        "E_SUB_FAILED SUB failed to add client",
        "E_FIN_FAILEDX FIN 0d2f4a6b8c0e1f30",
        "E_INVALID E_FIN_FAILED",
    };
    struct nsq_error error;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct nsq_frame frame = text_frame(NSQ_FRAME_ERROR, texts[i]);

        ck_assert_int_eq(nsq_error_parse(&frame, &error), 0);
        ck_assert_int_eq(error.kind, NSQ_ERROR_FATAL);
    }
    ck_assert(bytes_equal_text(error.code, "E_INVALID"));
    ck_assert(bytes_equal_text(error.text, "E_FIN_FAILED"));
}
END_TEST

START_TEST(error_without_a_code_is_broken)
{
    struct nsq_frame empty = text_frame(NSQ_FRAME_ERROR, "");
    struct nsq_frame blank = text_frame(NSQ_FRAME_ERROR, " E_INVALID");
    struct nsq_error error;

    ck_assert_int_eq(nsq_error_parse(&empty, &error), NSQ_ERROR_BROKEN);
    ck_assert_int_eq(nsq_error_parse(&blank, &error), NSQ_ERROR_BROKEN);
}
END_TEST

static TCase *frames_case(void)
{
    TCase *frames = tcase_create("frames and messages");

    tcase_add_test(frames,
                   frame_cut_at_every_byte_is_partial_and_says_what_it_needs);
    tcase_add_test(frames, frame_ends_where_its_size_says_and_the_next_begins);
    tcase_add_test(frames,
                   size_that_cannot_be_is_refused_from_its_four_bytes_alone);
    tcase_add_test(frames, unknown_type_is_refused_before_its_body_comes);
    tcase_add_test(frames, http_answer_is_recognised);
    tcase_add_test(frames, message_is_read_field_by_field);
    tcase_add_test(frames, message_may_be_empty_but_not_shorter_than_its_head);
    tcase_add_test(frames, id_that_is_not_hexadecimal_breaks_the_message);
    tcase_add_test(frames, only_the_heartbeat_response_is_a_heartbeat);
    return frames;
}

static TCase *commands_case(void)
{
    TCase *commands = tcase_create("commands");

    tcase_add_test(commands, commands_are_written_as_the_protocol_has_them);
    tcase_add_test(commands, longest_publish_fits_its_promised_room);
    tcase_add_test(commands, longest_command_line_fits_its_promised_room);
    tcase_add_test(commands, identify_carries_its_length_and_only_what_is_set);
    tcase_add_test(commands,
                   identify_asks_for_a_message_timeout_only_when_told);
    tcase_add_test(
        commands,
        command_that_does_not_fit_overruns_and_writes_nothing_outside);
    tcase_add_test(commands, authenticate_carries_the_secret_behind_its_length);
    return commands;
}

static TCase *answers_case(void)
{
    TCase *answers = tcase_create("answers and errors");

    tcase_add_test(answers, terms_are_read_from_the_answer_of_a_real_nsqd);
    tcase_add_test(answers, terms_that_are_not_told_are_the_defaults_of_nsqd);
    tcase_add_test(answers, terms_that_make_no_sense_are_refused);
    tcase_add_test(answers, long_version_is_cut);
    tcase_add_test(answers,
                   failed_finish_requeue_and_touch_leave_the_connection_open);
    tcase_add_test(answers,
                   failed_finish_without_a_readable_id_is_still_not_fatal);
    tcase_add_test(answers, every_other_error_is_fatal);
    tcase_add_test(answers, error_without_a_code_is_broken);
    return answers;
}

int main(void)
{
    Suite *suite = suite_create("nsq_protocol");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, frames_case());
    suite_add_tcase(suite, commands_case());
    suite_add_tcase(suite, answers_case());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
