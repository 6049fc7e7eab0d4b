/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "ingest/nsq_connection.h"

#define TERMS                                                                  \
    "{\"max_rdy_count\":2500,\"version\":\"1.3.0\",\"msg_timeout\":60000,"     \
    "\"max_msg_timeout\":900000,\"auth_required\":false}"
#define TERMS_WITH_AUTH "{\"max_rdy_count\":2500,\"auth_required\":true}"

#define ID_1 "0d2f4a6b8c0e1f01"
#define ID_2 "0d2f4a6b8c0e1f02"
#define ID_3 "0d2f4a6b8c0e1f03"

static const struct nsq_connection_settings settings = {
    .identity = { .client_id = "test", .heartbeat_interval_ms = 30000 },
    .topic = { (const uint8_t *)"orders", 6 },
    .channel = { (const uint8_t *)"kinesis", 7 },
    .max_message_size = 100000,
    .max_carry_over = 400000,
    .max_output = 4096,
    .connect_timeout_ns = 5 * NS_PER_SECOND,
    .answer_timeout_ns = 10 * NS_PER_SECOND,
};

static struct nsq_connection connection;
static uint8_t wire_memory[200000];
static struct bytes_writer wire;

static struct monotonic at(int64_t seconds)
{
    return (struct monotonic){ .ns = seconds * NS_PER_SECOND };
}

static struct nsq_message_id id_of(const char *text)
{
    struct nsq_message_id id;

    memcpy(id.text, text, sizeof(id.text));
    return id;
}

static void set_up(void)
{
    nsq_connection_init(&connection, &settings);
    wire = bytes_writer_on(wire_memory, sizeof(wire_memory));
}

static void tear_down(void)
{
    nsq_connection_deinit(&connection);
}

/* What nsqd sends is collected in `wire` and fed by feed(). */

static void put_frame(enum nsq_frame_type type, struct bytes body)
{
    uint8_t *head = bytes_claim(&wire, NSQ_FRAME_HEAD_LENGTH);

    bytes_store_be32(head, (uint32_t)(4 + body.length));
    bytes_store_be32(head + 4, type);
    bytes_put(&wire, body);
    ck_assert(!wire.overrun);
}

static void put_response(const char *text)
{
    put_frame(NSQ_FRAME_RESPONSE, bytes_of_text(text));
}

static void put_error(const char *text)
{
    put_frame(NSQ_FRAME_ERROR, bytes_of_text(text));
}

static void put_message(const char *id, const char *body)
{
    uint8_t memory[256] = { 0 };
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));

    bytes_put(&writer, bytes_of("\0\0\0\0\0\0\0\7\0\1", 10));
    bytes_put_text(&writer, id);
    bytes_put_text(&writer, body);
    put_frame(NSQ_FRAME_MESSAGE, bytes_written(&writer));
}

static void feed(struct monotonic now)
{
    nsq_connection_feed(&connection, bytes_written(&wire), now);
    wire.length = 0;
}

static int next(struct nsq_arrival *arrival)
{
    return nsq_connection_next(&connection, arrival);
}

/* Nothing more arrives, and nothing is wrong. */
static void finish_turn(void)
{
    struct nsq_arrival arrival;

    ck_assert_int_eq(next(&arrival), NSQ_CONNECTION_NOTHING);
    ck_assert_int_eq(nsq_connection_keep(&connection), 0);
}

static void assert_message(const char *id, const char *body)
{
    struct nsq_arrival arrival;

    ck_assert_int_eq(next(&arrival), 0);
    ck_assert_int_eq(arrival.kind, NSQ_ARRIVED_MESSAGE);
    ck_assert_mem_eq(arrival.message.id.text, id, 16);
    ck_assert(bytes_equal_text(arrival.message.body, body));
}

static void assert_output(const char *text)
{
    struct bytes output = nsq_connection_output(&connection);

    ck_assert_msg(bytes_equal_text(output, text), "output is \"%.*s\"",
                  (int)output.length, (const char *)output.data);
    nsq_connection_on_sent(&connection, output.length);
}

static void drop_output(void)
{
    nsq_connection_on_sent(&connection,
                           nsq_connection_output(&connection).length);
}

static void assert_failed(enum nsq_connection_failure failure,
                          const char *complaint)
{
    struct nsq_arrival arrival;

    ck_assert_int_eq(next(&arrival), NSQ_CONNECTION_FAILED);
    ck_assert_int_eq(connection.failure, failure);
    ck_assert_str_eq(connection.complaint, complaint);
    ck_assert_int_eq(connection.state, NSQ_CONNECTION_STATE_FAILED);
    ck_assert_uint_eq(nsq_connection_output(&connection).length, 0);
    ck_assert_int_eq(nsq_connection_keep(&connection), NSQ_CONNECTION_FAILED);
    ck_assert_int_eq(nsq_connection_on_time(&connection, at(0)),
                     NSQ_CONNECTION_FAILED);
    ck_assert(nsq_connection_deadline(&connection).ns == MONOTONIC_NEVER.ns);
}

static void connect_at(struct monotonic now)
{
    nsq_connection_start(&connection, now);
    nsq_connection_on_connected(&connection, now);
}

/* A subscribed connection at time 0, with nothing to send. */
static void subscribe(void)
{
    struct nsq_arrival arrival;

    connect_at(at(0));
    put_response(TERMS);
    put_response("OK");
    feed(at(0));
    ck_assert_int_eq(next(&arrival), 0);
    ck_assert_int_eq(arrival.kind, NSQ_ARRIVED_SUBSCRIBED);
    finish_turn();
    drop_output();
}

START_TEST(handshake_leaves_in_one_write_and_the_terms_arrive)
{
    struct nsq_arrival arrival;
    struct bytes output;

    connect_at(at(0));
    output = nsq_connection_output(&connection);
    ck_assert(bytes_start_with(output, "  V2IDENTIFY\n"));
    ck_assert(bytes_equal_text(bytes_skip(output, output.length - 19),
                               "SUB orders kinesis\n"));
    nsq_connection_on_sent(&connection, output.length);
    put_response(TERMS);
    put_response("OK");
    feed(at(1));

    ck_assert_int_eq(next(&arrival), 0);
    ck_assert_int_eq(arrival.kind, NSQ_ARRIVED_SUBSCRIBED);
    ck_assert_uint_eq(arrival.terms.max_rdy_count, 2500);
    ck_assert_uint_eq(arrival.terms.msg_timeout_ms, 60000);
    ck_assert_uint_eq(arrival.terms.max_msg_timeout_ms, 900000);
    finish_turn();
    assert_output("");
}
END_TEST

START_TEST(secret_goes_to_a_nsqd_that_asks_for_it_and_subscribe_follows)
{
    struct nsq_connection_settings secret = settings;
    struct nsq_arrival arrival;
    struct bytes output;

    secret.auth_secret = bytes_of_text("s3");
    nsq_connection_init(&connection, &secret);
    connect_at(at(0));
    output = nsq_connection_output(&connection);
    ck_assert_uint_eq(output.data[output.length - 1], '}');
    nsq_connection_on_sent(&connection, output.length);

    put_response(TERMS_WITH_AUTH);
    feed(at(0));
    finish_turn();
    output = nsq_connection_output(&connection);
    ck_assert(bytes_equal(output, bytes_of("AUTH\n\0\0\0\2s3", 11)));
    nsq_connection_on_sent(&connection, output.length);

    put_response("{\"identity\":\"x\",\"permission_count\":1}");
    feed(at(0));
    finish_turn();
    assert_output("SUB orders kinesis\n");

    put_response("OK");
    feed(at(0));
    ck_assert_int_eq(next(&arrival), 0);
    ck_assert_int_eq(arrival.kind, NSQ_ARRIVED_SUBSCRIBED);
    finish_turn();
}
END_TEST

START_TEST(secret_is_not_told_to_a_nsqd_that_does_not_ask)
{
    struct nsq_connection_settings secret = settings;

    secret.auth_secret = bytes_of_text("s3");
    nsq_connection_init(&connection, &secret);
    connect_at(at(0));
    drop_output();
    put_response(TERMS);
    feed(at(0));
    finish_turn();

    assert_output("SUB orders kinesis\n");
}
END_TEST

START_TEST(nsqd_that_requires_a_secret_is_refused_without_one)
{
    connect_at(at(0));
    put_response(TERMS_WITH_AUTH);
    put_error("E_AUTH_FIRST AUTH required before SUB");
    feed(at(0));

    assert_failed(NSQ_FAILURE_REFUSED,
                  "nsqd requires AUTH and no auth_secret is set");
}
END_TEST

START_TEST(error_of_the_handshake_is_told_in_the_words_of_nsqd)
{
    connect_at(at(0));
    put_response(TERMS);
    put_error("E_BAD_TOPIC SUB topic \x1b[31m\n not valid");
    feed(at(0));

    assert_failed(NSQ_FAILURE_REFUSED,
                  "nsqd refused: E_BAD_TOPIC SUB topic ?[31m? not valid");
}
END_TEST

START_TEST(http_port_is_told_apart)
{
    connect_at(at(0));
    bytes_put_text(&wire, "HTTP/1.1 400 Bad Request\r\n");
    feed(at(0));

    assert_failed(NSQ_FAILURE_HTTP_PORT,
                  "this is nsqd's HTTP port; the TCP port is wanted "
                  "(usually 4150)");
}
END_TEST

START_TEST(answer_that_is_none_ends_the_handshake)
{
    connect_at(at(0));
    put_response("nonsense");
    feed(at(0));

    assert_failed(NSQ_FAILURE_BROKEN,
                  "nsqd answered IDENTIFY with something else: nonsense");
}
END_TEST

START_TEST(message_before_subscribed_breaks_the_protocol)
{
    connect_at(at(0));
    put_response(TERMS);
    put_message(ID_1, "early");
    feed(at(0));

    assert_failed(NSQ_FAILURE_BROKEN,
                  "nsqd sent a message before SUB was answered");
}
END_TEST

START_TEST(heartbeat_is_answered_in_every_state)
{
    connect_at(at(0));
    drop_output();
    put_response("_heartbeat_");
    feed(at(0));
    finish_turn();
    assert_output("NOP\n");
    nsq_connection_reset(&connection);
    subscribe();
    put_response("_heartbeat_");
    put_message(ID_1, "a");
    put_response("_heartbeat_");
    feed(at(1));
    assert_message(ID_1, "a");
    finish_turn();
    assert_output("NOP\nNOP\n");
}
END_TEST

START_TEST(messages_are_views_into_the_fed_bytes)
{
    struct nsq_arrival arrival;

    subscribe();
    put_message(ID_1, "body");
    feed(at(1));

    ck_assert_int_eq(next(&arrival), 0);
    ck_assert(arrival.message.body.data > wire_memory &&
              arrival.message.body.data < wire_memory + sizeof(wire_memory));
    ck_assert_uint_eq(arrival.message.timestamp_ns, 7);
    ck_assert_uint_eq(arrival.message.attempts, 1);
    finish_turn();
}
END_TEST

START_TEST(session_cut_at_every_byte_is_the_same_session)
{
    uint8_t copy[2048];
    struct bytes session;

    put_response(TERMS);
    put_response("OK");
    put_message(ID_1, "one");
    put_response("_heartbeat_");
    put_error("E_FIN_FAILED FIN " ID_2 " failed ID not in flight");
    put_message(ID_3, "");
    session = bytes_of(copy, wire.length);
    memcpy(copy, wire_memory, wire.length);
    for (size_t cut = 0; cut <= session.length; cut++) {
        struct bytes parts[] = { bytes_of(copy, cut),
                                 bytes_skip(session, cut) };
        char kinds[8] = "";
        size_t count = 0;

        nsq_connection_reset(&connection);
        connect_at(at(0));
        drop_output();
        for (size_t i = 0; i < 2; i++) {
            struct nsq_arrival arrival;

            nsq_connection_feed(&connection, parts[i], at(1));
            while (next(&arrival) == 0)
                kinds[count++] = (char)('0' + arrival.kind);
            ck_assert_int_eq(nsq_connection_keep(&connection), 0);
        }
        ck_assert_str_eq(kinds, "1020");
        assert_output("NOP\n");
        ck_assert_uint_eq(connection.in_flight, 2);
        ck_assert_uint_eq(connection.leaked_credits, 1);
    }
}
END_TEST

START_TEST(commands_of_a_turn_leave_together)
{
    struct nsq_message_id one = id_of(ID_1);
    struct nsq_message_id two = id_of(ID_2);

    subscribe();
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 100), 0);
    ck_assert_int_eq(nsq_connection_finish(&connection, &one), 0);
    ck_assert_int_eq(nsq_connection_touch(&connection, &two), 0);
    ck_assert_int_eq(nsq_connection_requeue(&connection, &two, 0), 0);

    assert_output("RDY 100\n"
                  "FIN " ID_1 "\n"
                  "TOUCH " ID_2 "\n"
                  "REQ " ID_2 " 0\n");
}
END_TEST

START_TEST(ready_is_sent_on_change_only_and_never_above_what_nsqd_allows)
{
    subscribe();
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 0), 0);
    assert_output("");
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 100), 0);
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 100), 0);
    assert_output("RDY 100\n");
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 1000000), 0);
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 2501), 0);
    assert_output("RDY 2500\n");
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 0), 0);
    assert_output("RDY 0\n");
}
END_TEST

START_TEST(in_flight_counts_messages_until_they_are_answered)
{
    struct nsq_message_id one = id_of(ID_1);
    struct nsq_message_id two = id_of(ID_2);

    subscribe();
    put_message(ID_1, "a");
    put_message(ID_2, "b");
    feed(at(0));
    assert_message(ID_1, "a");
    assert_message(ID_2, "b");
    finish_turn();
    ck_assert_uint_eq(connection.in_flight, 2);
    ck_assert_int_eq(nsq_connection_finish(&connection, &one), 0);
    ck_assert_uint_eq(connection.in_flight, 1);
    ck_assert_int_eq(nsq_connection_requeue(&connection, &two, 0), 0);
    ck_assert_int_eq(nsq_connection_finish(&connection, &two), 0);
    ck_assert_uint_eq(connection.in_flight, 0);
}
END_TEST

START_TEST(failed_commands_arrive_with_their_message)
{
    static const enum nsq_arrival_kind kinds[] = {
        NSQ_ARRIVED_FIN_FAILED,
        NSQ_ARRIVED_REQ_FAILED,
        NSQ_ARRIVED_TOUCH_FAILED,
    };
    struct nsq_arrival arrival;

    subscribe();
    put_error("E_FIN_FAILED FIN " ID_1 " failed ID not in flight");
    put_error("E_REQ_FAILED REQ " ID_1 " failed ID not in flight");
    put_error("E_TOUCH_FAILED TOUCH " ID_1 " failed ID not in flight");
    put_error("E_TOUCH_FAILED");
    feed(at(0));
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        ck_assert_int_eq(next(&arrival), 0);
        ck_assert_int_eq(arrival.kind, kinds[i]);
        ck_assert(arrival.has_id);
        ck_assert_mem_eq(arrival.id.text, ID_1, 16);
    }
    ck_assert_int_eq(next(&arrival), 0);
    ck_assert(!arrival.has_id);
    finish_turn();
    ck_assert_uint_eq(connection.leaked_credits, 2); /* TOUCH costs none */
}
END_TEST

START_TEST(connection_is_renewed_when_a_quarter_of_its_credits_may_be_lost)
{
    struct nsq_arrival arrival;

    subscribe();
    ck_assert(!nsq_connection_should_renew(&connection));
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 8), 0);
    put_error("E_FIN_FAILED FIN " ID_1 " failed ID not in flight");
    feed(at(0));
    ck_assert_int_eq(next(&arrival), 0);
    finish_turn();
    ck_assert(!nsq_connection_should_renew(&connection));
    nsq_connection_on_second_copy(&connection);
    ck_assert(nsq_connection_should_renew(&connection));
}
END_TEST

START_TEST(lost_credits_weigh_more_when_ready_becomes_less)
{
    subscribe();
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 2000), 0);
    for (int i = 0; i < 5; i++)
        nsq_connection_on_second_copy(&connection);
    ck_assert(!nsq_connection_should_renew(&connection));

    /* Five of five are lost: nsqd would never send anything again. */
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 5), 0);
    ck_assert(nsq_connection_should_renew(&connection));
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 1), 0);
    ck_assert(nsq_connection_should_renew(&connection));
    /* It shall send nothing now. */
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 0), 0);
    ck_assert(!nsq_connection_should_renew(&connection));
}
END_TEST

START_TEST(any_lost_credit_is_doubted_when_nothing_comes_any_more)
{
    struct nsq_arrival arrival;
    struct nsq_message_id id = id_of(ID_1);

    subscribe();
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 2000), 0);
    put_message(ID_1, "a");
    put_message(ID_1, "a");
    feed(at(10));
    assert_message(ID_1, "a");
    assert_message(ID_1, "a");
    finish_turn();
    nsq_connection_on_second_copy(&connection);
    put_response("_heartbeat_");
    feed(at(71));
    ck_assert_int_eq(next(&arrival), NSQ_CONNECTION_NOTHING);
    finish_turn();
    ck_assert(!nsq_connection_should_renew(&connection)); /* one is held */

    ck_assert_int_eq(nsq_connection_finish(&connection, &id), 0);
    ck_assert(nsq_connection_should_renew(&connection));
    put_message(ID_2, "b");
    feed(at(72));
    assert_message(ID_2, "b");
    finish_turn();
    id = id_of(ID_2);
    ck_assert_int_eq(nsq_connection_finish(&connection, &id), 0);
    ck_assert(!nsq_connection_should_renew(&connection)); /* messages come */
}
END_TEST

START_TEST(message_put_back_comes_again)
{
    struct nsq_arrival arrival;

    subscribe();
    put_message(ID_1, "a");
    put_message(ID_2, "b");
    feed(at(0));
    assert_message(ID_1, "a");
    nsq_connection_put_back(&connection);
    ck_assert_uint_eq(connection.in_flight, 0);
    assert_message(ID_1, "a");
    assert_message(ID_2, "b");
    nsq_connection_put_back(&connection);
    ck_assert_int_eq(nsq_connection_keep(&connection), 0);
    memset(wire_memory, 0xee, sizeof(wire_memory));
    ck_assert_uint_gt(nsq_connection_parked(&connection), 0);
    assert_message(ID_2, "b");
    nsq_connection_put_back(&connection);
    ck_assert_int_eq(nsq_connection_keep(&connection), 0);
    assert_message(ID_2, "b");
    ck_assert_int_eq(next(&arrival), NSQ_CONNECTION_NOTHING);
    ck_assert_int_eq(nsq_connection_keep(&connection), 0);
    ck_assert_uint_eq(nsq_connection_parked(&connection), 0);
}
END_TEST

START_TEST(heartbeat_behind_parked_messages_is_answered_at_once_and_once)
{
    subscribe();
    put_message(ID_1, "a");
    put_response("_heartbeat_");
    put_message(ID_2, "b");
    feed(at(1));
    ck_assert_int_eq(nsq_connection_keep(&connection), 0);
    assert_output("NOP\n");
    put_response("_heartbeat_");
    feed(at(2));
    ck_assert_int_eq(nsq_connection_keep(&connection), 0);
    assert_output("NOP\n");

    assert_message(ID_1, "a");
    assert_message(ID_2, "b");
    finish_turn();
    assert_output("");
}
END_TEST

START_TEST(parked_messages_are_touched_every_third_of_their_timeout)
{
    subscribe();
    put_message(ID_1, "a");
    put_response("_heartbeat_");
    put_message(ID_2, "b");
    feed(at(5));
    ck_assert_int_eq(nsq_connection_keep(&connection), 0);
    drop_output();

    ck_assert(nsq_connection_deadline(&connection).ns == at(25).ns);
    ck_assert_int_eq(nsq_connection_on_time(&connection, at(24)), 0);
    assert_output("");
    ck_assert_int_eq(nsq_connection_on_time(&connection, at(25)), 0);
    assert_output("TOUCH " ID_1 "\nTOUCH " ID_2 "\n");
    ck_assert(nsq_connection_deadline(&connection).ns == at(45).ns);

    assert_message(ID_1, "a");
    assert_message(ID_2, "b");
    finish_turn();
    ck_assert(nsq_connection_deadline(&connection).ns == at(65).ns);
}
END_TEST

START_TEST(parked_frames_are_a_sign_of_life)
{
    subscribe();
    put_message(ID_1, "a");
    feed(at(50));
    ck_assert_int_eq(nsq_connection_keep(&connection), 0);

    ck_assert_int_eq(nsq_connection_on_time(&connection, at(100)), 0);
    ck_assert_int_eq(nsq_connection_on_time(&connection, at(110)),
                     NSQ_CONNECTION_FAILED);
}
END_TEST

START_TEST(silence_of_two_heartbeats_is_death_although_bytes_drip)
{
    subscribe();
    ck_assert(nsq_connection_deadline(&connection).ns == at(60).ns);
    put_message(ID_1, "slow");
    wire.length = 20;
    feed(at(40));
    finish_turn();
    ck_assert_int_eq(nsq_connection_on_time(&connection, at(59)), 0);
    ck_assert_int_eq(nsq_connection_on_time(&connection, at(60)),
                     NSQ_CONNECTION_FAILED);

    assert_failed(NSQ_FAILURE_SILENT, "no frame from nsqd for two heartbeat "
                                      "intervals of 30000 ms");
}
END_TEST

START_TEST(connect_and_answers_have_their_time)
{
    nsq_connection_start(&connection, at(100));
    ck_assert(nsq_connection_deadline(&connection).ns == at(105).ns);
    ck_assert_int_eq(nsq_connection_on_time(&connection, at(104)), 0);
    nsq_connection_on_connected(&connection, at(104));
    ck_assert(nsq_connection_deadline(&connection).ns == at(114).ns);
    put_response(TERMS);
    feed(at(113));
    finish_turn();
    ck_assert_int_eq(nsq_connection_on_time(&connection, at(114)),
                     NSQ_CONNECTION_FAILED);
    assert_failed(NSQ_FAILURE_SILENT, "no answer to SUB within 10000 ms");

    nsq_connection_reset(&connection);
    nsq_connection_start(&connection, at(200));
    ck_assert_int_eq(nsq_connection_on_time(&connection, at(205)),
                     NSQ_CONNECTION_FAILED);
    assert_failed(NSQ_FAILURE_SILENT, "no connection within 5000 ms");
}
END_TEST

START_TEST(close_lets_messages_finish_and_ready_rest)
{
    struct nsq_message_id one = id_of(ID_1);
    struct nsq_arrival arrival;

    subscribe();
    ck_assert_int_eq(nsq_connection_start_close(&connection), 0);
    ck_assert_int_eq(nsq_connection_start_close(&connection),
                     NSQ_CONNECTION_NOT_OPEN);
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 9),
                     NSQ_CONNECTION_NOT_OPEN);
    put_message(ID_1, "a");
    put_response("CLOSE_WAIT");
    put_message(ID_2, "b");
    feed(at(1));
    assert_message(ID_1, "a");
    ck_assert_int_eq(next(&arrival), 0);
    ck_assert_int_eq(arrival.kind, NSQ_ARRIVED_CLOSE_WAIT);
    assert_message(ID_2, "b");
    finish_turn();
    ck_assert_int_eq(nsq_connection_finish(&connection, &one), 0);
    ck_assert_int_eq(connection.state, NSQ_CONNECTION_CLOSE_WAITED);
    assert_output("CLS\nFIN " ID_1 "\n");
    ck_assert(nsq_connection_deadline(&connection).ns == at(61).ns);
}
END_TEST

START_TEST(commands_of_a_connection_that_is_not_open_are_refused)
{
    struct nsq_message_id one = id_of(ID_1);

    ck_assert_int_eq(nsq_connection_finish(&connection, &one),
                     NSQ_CONNECTION_NOT_OPEN);
    connect_at(at(0));
    drop_output();
    ck_assert_int_eq(nsq_connection_finish(&connection, &one),
                     NSQ_CONNECTION_NOT_OPEN);
    ck_assert_int_eq(nsq_connection_touch(&connection, &one),
                     NSQ_CONNECTION_NOT_OPEN);
    ck_assert_int_eq(nsq_connection_requeue(&connection, &one, 1),
                     NSQ_CONNECTION_NOT_OPEN);
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 1),
                     NSQ_CONNECTION_NOT_OPEN);
    ck_assert_int_eq(nsq_connection_start_close(&connection),
                     NSQ_CONNECTION_NOT_OPEN);
    assert_output("");
}
END_TEST

START_TEST(nsqd_that_does_not_read_commands_is_given_up_at_the_bound)
{
    struct nsq_message_id one = id_of(ID_1);
    int result = 0;
    int count = 0;

    subscribe();
    while (result == 0 && count++ < 1000)
        result = nsq_connection_finish(&connection, &one);
    ck_assert_int_eq(result, NSQ_CONNECTION_FAILED);
    ck_assert_int_gt(count, 100);

    assert_failed(NSQ_FAILURE_FULL, "commands that nsqd does not read exceed "
                                    "their bound of 4096 bytes");
}
END_TEST

START_TEST(parked_messages_have_a_bound)
{
    static const uint8_t body[90000];
    int result = 0;

    subscribe();
    for (int i = 0; i < 5 && result == 0; i++) {
        put_frame(NSQ_FRAME_RESPONSE, bytes_of(body, sizeof(body)));
        feed(at(1));
        result = nsq_connection_keep(&connection);
        ck_assert_int_eq(result, i < 4 ? 0 : NSQ_CONNECTION_FAILED);
    }
    assert_failed(NSQ_FAILURE_FULL, "messages that wait for room exceed their "
                                    "bound of 400000 bytes");
}
END_TEST

START_TEST(frame_above_the_cap_is_refused_before_its_bytes_come)
{
    subscribe();
    bytes_put(&wire, bytes_of("\0\1\x86\xbf", 4));
    feed(at(0));

    assert_failed(NSQ_FAILURE_TOO_LARGE, "nsqd sent a frame of size 100031; "
                                         "4 to 100030 are allowed");
}
END_TEST

START_TEST(broken_frames_and_messages_end_the_connection)
{
    subscribe();
    bytes_put(&wire, bytes_of("\0\0\0\3", 4));
    feed(at(0));
    assert_failed(NSQ_FAILURE_BROKEN, "nsqd sent a frame of size 3; "
                                      "4 to 100030 are allowed");
    nsq_connection_reset(&connection);
    subscribe();
    bytes_put(&wire, bytes_of("\0\0\0\4\0\0\0\7", 8));
    feed(at(0));
    assert_failed(NSQ_FAILURE_BROKEN, "nsqd sent a frame of unknown type");
    nsq_connection_reset(&connection);
    subscribe();
    put_message("0123456789abcde\n", "x");
    feed(at(0));
    assert_failed(NSQ_FAILURE_BROKEN,
                  "nsqd sent a message of 27 bytes without a proper head");
}
END_TEST

START_TEST(reset_connection_knows_nothing_of_the_old_one)
{
    subscribe();
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 50), 0);
    put_message(ID_1, "a");
    put_message(ID_2, "b");
    wire.length -= 3;
    feed(at(1));
    ck_assert_int_eq(nsq_connection_keep(&connection), 0);
    nsq_connection_reset(&connection);

    ck_assert_int_eq(connection.state, NSQ_CONNECTION_IDLE);
    subscribe();
    ck_assert_uint_eq(nsq_connection_parked(&connection), 0);
    ck_assert_int_eq(nsq_connection_set_ready(&connection, 50), 0);
    assert_output("RDY 50\n");
    finish_turn();
}
END_TEST

START_TEST(unknown_response_of_a_later_nsqd_is_ignored)
{
    subscribe();
    put_response("_something_new_");
    put_message(ID_1, "a");
    feed(at(0));

    assert_message(ID_1, "a");
    finish_turn();
}
END_TEST

static TCase *handshake_case(void)
{
    TCase *handshake = tcase_create("handshake");

    tcase_add_checked_fixture(handshake, set_up, tear_down);
    tcase_add_test(handshake,
                   handshake_leaves_in_one_write_and_the_terms_arrive);
    tcase_add_test(
        handshake,
        secret_goes_to_a_nsqd_that_asks_for_it_and_subscribe_follows);
    tcase_add_test(handshake, secret_is_not_told_to_a_nsqd_that_does_not_ask);
    tcase_add_test(handshake,
                   nsqd_that_requires_a_secret_is_refused_without_one);
    tcase_add_test(handshake,
                   error_of_the_handshake_is_told_in_the_words_of_nsqd);
    tcase_add_test(handshake, http_port_is_told_apart);
    tcase_add_test(handshake, answer_that_is_none_ends_the_handshake);
    tcase_add_test(handshake, message_before_subscribed_breaks_the_protocol);
    tcase_add_test(handshake, connect_and_answers_have_their_time);
    return handshake;
}

static TCase *messages_case(void)
{
    TCase *messages = tcase_create("messages and commands");

    tcase_add_checked_fixture(messages, set_up, tear_down);
    tcase_add_test(messages, heartbeat_is_answered_in_every_state);
    tcase_add_test(messages, messages_are_views_into_the_fed_bytes);
    tcase_add_test(messages, session_cut_at_every_byte_is_the_same_session);
    tcase_add_test(messages, commands_of_a_turn_leave_together);
    tcase_add_test(
        messages,
        ready_is_sent_on_change_only_and_never_above_what_nsqd_allows);
    tcase_add_test(messages, in_flight_counts_messages_until_they_are_answered);
    tcase_add_test(messages, failed_commands_arrive_with_their_message);
    tcase_add_test(
        messages,
        connection_is_renewed_when_a_quarter_of_its_credits_may_be_lost);
    tcase_add_test(messages, lost_credits_weigh_more_when_ready_becomes_less);
    tcase_add_test(messages,
                   any_lost_credit_is_doubted_when_nothing_comes_any_more);
    tcase_add_test(messages,
                   commands_of_a_connection_that_is_not_open_are_refused);
    tcase_add_test(messages, close_lets_messages_finish_and_ready_rest);
    tcase_add_test(messages, unknown_response_of_a_later_nsqd_is_ignored);
    return messages;
}

static TCase *parking_case(void)
{
    TCase *parking = tcase_create("parking");

    tcase_add_checked_fixture(parking, set_up, tear_down);
    tcase_add_test(parking, message_put_back_comes_again);
    tcase_add_test(
        parking, heartbeat_behind_parked_messages_is_answered_at_once_and_once);
    tcase_add_test(parking,
                   parked_messages_are_touched_every_third_of_their_timeout);
    tcase_add_test(parking, parked_frames_are_a_sign_of_life);
    return parking;
}

static TCase *faults_case(void)
{
    TCase *faults = tcase_create("faults");

    tcase_add_checked_fixture(faults, set_up, tear_down);
    tcase_add_test(faults,
                   silence_of_two_heartbeats_is_death_although_bytes_drip);
    tcase_add_test(faults,
                   nsqd_that_does_not_read_commands_is_given_up_at_the_bound);
    tcase_add_test(faults, parked_messages_have_a_bound);
    tcase_add_test(faults,
                   frame_above_the_cap_is_refused_before_its_bytes_come);
    tcase_add_test(faults, broken_frames_and_messages_end_the_connection);
    tcase_add_test(faults, reset_connection_knows_nothing_of_the_old_one);
    return faults;
}

int main(void)
{
    Suite *suite = suite_create("nsq_connection");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, handshake_case());
    suite_add_tcase(suite, messages_case());
    suite_add_tcase(suite, parking_case());
    suite_add_tcase(suite, faults_case());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
