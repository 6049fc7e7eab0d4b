/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "ingest/nsq_publisher.h"

#define TERMS           "{\"max_rdy_count\":2500,\"auth_required\":false}"
#define TERMS_WITH_AUTH "{\"max_rdy_count\":2500,\"auth_required\":true}"

static const struct nsq_connection_settings plain_settings = {
    .identity = { .client_id = "test", .heartbeat_interval_ms = 30000 },
    .connect_timeout_ns = 5 * NS_PER_SECOND,
    .answer_timeout_ns = 10 * NS_PER_SECOND,
};

static struct nsq_connection_settings settings;
static struct nsq_publisher publisher;
static uint8_t wire_memory[4096];
static struct bytes_writer wire;

static struct monotonic at(int64_t seconds)
{
    return (struct monotonic){ .ns = seconds * NS_PER_SECOND };
}

static void set_up(void)
{
    settings = plain_settings;
    nsq_publisher_init(&publisher, &settings);
    wire = bytes_writer_on(wire_memory, sizeof(wire_memory));
}

static void tear_down(void)
{
    nsq_publisher_reset(&publisher);
}

/* What nsqd sends is collected in `wire` and fed by feed(). */
static void put_frame(enum nsq_frame_type type, const char *body)
{
    uint8_t *head = bytes_claim(&wire, NSQ_FRAME_HEAD_LENGTH);

    bytes_store_be32(head, (uint32_t)(4 + strlen(body)));
    bytes_store_be32(head + 4, type);
    bytes_put_text(&wire, body);
    ck_assert(!wire.overrun);
}

static int feed(struct monotonic now, size_t *confirmed)
{
    int result =
        nsq_publisher_feed(&publisher, bytes_written(&wire), now, confirmed);

    wire.length = 0;
    return result;
}

static struct bytes take_output(void)
{
    struct bytes output = nsq_publisher_output(&publisher);

    nsq_publisher_on_sent(&publisher, output.length);
    return output;
}

static void answer_identify(const char *terms)
{
    size_t confirmed;

    nsq_publisher_start(&publisher, at(0));
    ck_assert_int_eq(nsq_publisher_on_connected(&publisher, at(0)), 0);
    put_frame(NSQ_FRAME_RESPONSE, terms);
    ck_assert_int_eq(feed(at(0), &confirmed), 0);
    ck_assert_uint_eq(confirmed, 0);
}

static void be_ready(void)
{
    answer_identify(TERMS);
    ck_assert_int_eq(publisher.state, NSQ_PUBLISHER_READY);
    (void)take_output();
}

static void publish(const char *commands, size_t count, struct monotonic now)
{
    ck_assert_int_eq(
        nsq_publisher_publish(&publisher, bytes_of_text(commands), count, now),
        0);
}

static void assert_failed(int result, const char *part)
{
    ck_assert_int_eq(result, NSQ_PUBLISHER_FAILED);
    ck_assert_msg(strstr(publisher.complaint, part) != NULL,
                  "\"%s\" is not in \"%s\"", part, publisher.complaint);
    ck_assert_uint_eq(nsq_publisher_output(&publisher).length, 0);
}

START_TEST(handshake_is_magic_and_identify_and_no_sub)
{
    struct bytes output;

    nsq_publisher_start(&publisher, at(0));
    ck_assert_int_eq(nsq_publisher_on_connected(&publisher, at(0)), 0);

    output = take_output();
    ck_assert(bytes_start_with(output, "  V2IDENTIFY\n"));
    ck_assert_ptr_null(memmem(output.data, output.length, "SUB ", 4));
    ck_assert_int_eq(publisher.state, NSQ_PUBLISHER_IDENTIFYING);
}
END_TEST

START_TEST(each_ok_confirms_the_oldest_publish)
{
    size_t confirmed;

    be_ready();
    publish("PUB a\n....1PUB a\n....2", 2, at(1));
    publish("PUB a\n....3", 1, at(1));
    ck_assert(bytes_equal_text(take_output(),
                               "PUB a\n....1PUB a\n....2PUB a\n....3"));

    put_frame(NSQ_FRAME_RESPONSE, "OK");
    put_frame(NSQ_FRAME_RESPONSE, "OK");
    ck_assert_int_eq(feed(at(1), &confirmed), 0);
    ck_assert_uint_eq(confirmed, 2);
    put_frame(NSQ_FRAME_RESPONSE, "OK");
    ck_assert_int_eq(feed(at(1), &confirmed), 0);
    ck_assert_uint_eq(confirmed, 1);
    ck_assert_uint_eq(publisher.asked, 0);
}
END_TEST

START_TEST(answers_may_be_cut_anywhere)
{
    size_t sum = 0;

    be_ready();
    publish("PUB a\n....1PUB a\n....2", 2, at(1));
    put_frame(NSQ_FRAME_RESPONSE, "OK");
    put_frame(NSQ_FRAME_RESPONSE, "OK");
    for (size_t i = 0; i < wire.length; i++) {
        size_t confirmed;

        ck_assert_int_eq(nsq_publisher_feed(&publisher,
                                            bytes_of(wire_memory + i, 1), at(1),
                                            &confirmed),
                         0);
        sum += confirmed;
    }
    ck_assert_uint_eq(sum, 2);
}
END_TEST

START_TEST(what_was_confirmed_before_an_error_counts)
{
    size_t confirmed;

    be_ready();
    publish("PUB a\n....1PUB b!\n....2", 2, at(1));
    put_frame(NSQ_FRAME_RESPONSE, "OK");
    put_frame(NSQ_FRAME_ERROR,
              "E_BAD_TOPIC PUB topic name \"b!\" is not valid");

    assert_failed(feed(at(1), &confirmed), "E_BAD_TOPIC");
    ck_assert_uint_eq(confirmed, 1);
    ck_assert_int_eq(
        nsq_publisher_feed(&publisher, bytes_of(NULL, 0), at(2), &confirmed),
        NSQ_PUBLISHER_FAILED);
    ck_assert_uint_eq(confirmed, 0);
}
END_TEST

START_TEST(ok_that_nobody_asked_for_is_an_error)
{
    size_t confirmed;

    be_ready();
    put_frame(NSQ_FRAME_RESPONSE, "OK");
    assert_failed(feed(at(1), &confirmed), "nobody");
    ck_assert_uint_eq(confirmed, 0);
}
END_TEST

START_TEST(other_answer_than_ok_confirms_nothing)
{
    size_t confirmed;

    be_ready();
    publish("PUB a\n....1", 1, at(1));
    put_frame(NSQ_FRAME_RESPONSE, "OKAY");
    assert_failed(feed(at(1), &confirmed), "OKAY");
    ck_assert_uint_eq(confirmed, 0);
}
END_TEST

START_TEST(bytes_that_are_no_frames_are_an_error)
{
    size_t confirmed;

    be_ready();
    bytes_put_text(&wire, "HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_failed(feed(at(1), &confirmed), "no answer");
}
END_TEST

START_TEST(message_to_a_publisher_is_an_error)
{
    size_t confirmed;

    be_ready();
    put_frame(NSQ_FRAME_MESSAGE, "12345678901234567890123456789");
    assert_failed(feed(at(1), &confirmed), "message");
}
END_TEST

START_TEST(heartbeat_is_answered_and_confirms_nothing)
{
    size_t confirmed;

    be_ready();
    publish("PUB a\n....1", 1, at(1));
    (void)take_output();
    put_frame(NSQ_FRAME_RESPONSE, "_heartbeat_");
    ck_assert_int_eq(feed(at(1), &confirmed), 0);
    ck_assert_uint_eq(confirmed, 0);
    ck_assert(bytes_equal_text(take_output(), "NOP\n"));
}
END_TEST

START_TEST(secret_is_sent_only_to_an_nsqd_that_asks_for_it)
{
    struct bytes output;
    size_t confirmed;

    settings.auth_secret = bytes_of_text("s3cret");
    answer_identify(TERMS_WITH_AUTH);
    ck_assert_int_eq(publisher.state, NSQ_PUBLISHER_AUTHENTICATING);
    output = take_output();
    ck_assert_ptr_nonnull(memmem(output.data, output.length, "AUTH\n", 5));
    put_frame(NSQ_FRAME_RESPONSE, "{\"identity\":\"x\"}");
    ck_assert_int_eq(feed(at(0), &confirmed), 0);
    ck_assert_int_eq(publisher.state, NSQ_PUBLISHER_READY);

    nsq_publisher_reset(&publisher);
    answer_identify(TERMS);
    ck_assert_int_eq(publisher.state, NSQ_PUBLISHER_READY);
    output = take_output();
    ck_assert_ptr_null(memmem(output.data, output.length, "AUTH\n", 5));
}
END_TEST

START_TEST(required_secret_that_is_not_set_is_told)
{
    size_t confirmed;

    nsq_publisher_start(&publisher, at(0));
    ck_assert_int_eq(nsq_publisher_on_connected(&publisher, at(0)), 0);
    put_frame(NSQ_FRAME_RESPONSE, TERMS_WITH_AUTH);
    assert_failed(feed(at(0), &confirmed), "AUTH");
}
END_TEST

START_TEST(nsqd_that_does_not_accept_is_given_up_in_time)
{
    nsq_publisher_start(&publisher, at(0));
    ck_assert_int_eq(nsq_publisher_deadline(&publisher).ns, at(5).ns);
    ck_assert_int_eq(nsq_publisher_on_time(&publisher, at(4)), 0);
    assert_failed(nsq_publisher_on_time(&publisher, at(5)), "connection");
    ck_assert_int_eq(nsq_publisher_deadline(&publisher).ns, MONOTONIC_NEVER.ns);
}
END_TEST

START_TEST(publish_without_an_answer_is_given_up_in_time)
{
    size_t confirmed;

    be_ready();
    publish("PUB a\n....1PUB a\n....2", 2, at(20));
    ck_assert_int_eq(nsq_publisher_deadline(&publisher).ns, at(30).ns);
    put_frame(NSQ_FRAME_RESPONSE, "OK"); /* the other one has its time anew */
    ck_assert_int_eq(feed(at(29), &confirmed), 0);
    ck_assert_int_eq(nsq_publisher_on_time(&publisher, at(38)), 0);
    assert_failed(nsq_publisher_on_time(&publisher, at(39)), "answer");
}
END_TEST

START_TEST(silence_of_two_heartbeats_ends_a_connection_that_rests)
{
    be_ready();
    ck_assert_int_eq(nsq_publisher_deadline(&publisher).ns, at(60).ns);
    ck_assert_int_eq(nsq_publisher_on_time(&publisher, at(59)), 0);
    assert_failed(nsq_publisher_on_time(&publisher, at(60)), "answer");
}
END_TEST

START_TEST(after_a_reset_everything_begins_anew)
{
    size_t confirmed;

    be_ready();
    publish("PUB a\n....1", 1, at(1));
    put_frame(NSQ_FRAME_ERROR, "E_PUB_FAILED PUB failed exiting");
    ck_assert_int_eq(feed(at(1), &confirmed), NSQ_PUBLISHER_FAILED);

    nsq_publisher_reset(&publisher);
    be_ready();
    ck_assert_uint_eq(publisher.asked, 0);
    publish("PUB a\n....1", 1, at(2));
    put_frame(NSQ_FRAME_RESPONSE, "OK");
    ck_assert_int_eq(feed(at(2), &confirmed), 0);
    ck_assert_uint_eq(confirmed, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nsq_publisher");
    TCase *handshake = tcase_create("handshake");
    TCase *answers = tcase_create("answers");
    TCase *time = tcase_create("time");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(handshake, set_up, tear_down);
    tcase_add_test(handshake, handshake_is_magic_and_identify_and_no_sub);
    tcase_add_test(handshake, secret_is_sent_only_to_an_nsqd_that_asks_for_it);
    tcase_add_test(handshake, required_secret_that_is_not_set_is_told);
    tcase_add_checked_fixture(answers, set_up, tear_down);
    tcase_add_test(answers, each_ok_confirms_the_oldest_publish);
    tcase_add_test(answers, answers_may_be_cut_anywhere);
    tcase_add_test(answers, what_was_confirmed_before_an_error_counts);
    tcase_add_test(answers, ok_that_nobody_asked_for_is_an_error);
    tcase_add_test(answers, other_answer_than_ok_confirms_nothing);
    tcase_add_test(answers, bytes_that_are_no_frames_are_an_error);
    tcase_add_test(answers, message_to_a_publisher_is_an_error);
    tcase_add_test(answers, heartbeat_is_answered_and_confirms_nothing);
    tcase_add_checked_fixture(time, set_up, tear_down);
    tcase_add_test(time, nsqd_that_does_not_accept_is_given_up_in_time);
    tcase_add_test(time, publish_without_an_answer_is_given_up_in_time);
    tcase_add_test(time,
                   silence_of_two_heartbeats_ends_a_connection_that_rests);
    tcase_add_test(time, after_a_reset_everything_begins_anew);
    suite_add_tcase(suite, handshake);
    suite_add_tcase(suite, answers);
    suite_add_tcase(suite, time);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
