/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/support/nsq_simulator_connection.h"
#include "tests/support/nsq_simulator_script.h"

/*
 * One nsqd, one connection on a socket pair, and a clock that is set by hand.
 * What nsqd said is kept as text: "0:OK 2:<attempts> 1:E_INVALID ...".
 */

static const struct history no_history = { .fd = -1 };
static struct nsqd nsqd;
static struct script script;
static struct channel_time now;
static int client;
static uint8_t heard[65536];
static size_t heard_length;

static void open_nsqd(uint64_t count)
{
    nsqd = (struct nsqd){ .watch = WATCH_NSQD,
                          .topic = "test",
                          .limits = { .max_rdy_count = 2500,
                                      .msg_timeout_ms = 60000,
                                      .max_msg_timeout_ms = 900000 },
                          .channel = { .count = count,
                                       .backlog = 1000,
                                       .max_msg_timeout_ms = 900000,
                                       .history = &no_history } };
    source_init(&nsqd.channel.source,
                &(struct source_options){ .body_length = 200,
                                          .key_count = 10,
                                          .nsqd_count = 1,
                                          .id_time = 1000,
                                          .node = 1 });
    nsqd.longest_body = source_longest_body(&nsqd.channel.source, 0);
    channel_init(&nsqd.channel);
    script = (struct script){ .nsqds = &nsqd, .nsqd_count = 1 };
    now = (struct channel_time){ .wall_ns = NS_PER_SECOND };
}

static void connect_client(void)
{
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    client = pair[0];
    heard_length = 0;
    ck_assert_ptr_nonnull(connection_new(&nsqd, pair[1], 1, &now));
}

static void close_nsqd(void)
{
    connection_free(nsqd.connections);
    channel_deinit(&nsqd.channel);
    close(client);
}

static void turn(void)
{
    channel_publish(&nsqd.channel, now.wall_ns);
    script_run(&script, &nsqd, &now);
    while (connection_send(nsqd.connections, &now))
        script_run(&script, &nsqd, &now);
}

static void hear(void)
{
    ssize_t received;

    turn();
    while ((received = recv(client, heard + heard_length,
                            sizeof(heard) - heard_length, MSG_DONTWAIT)) > 0)
        heard_length += (size_t)received;
}

static void say(const void *words, size_t length)
{
    ck_assert_int_eq(send(client, words, length, 0), (ssize_t)length);
    connection_receive(nsqd.connections, &now);
    hear();
}

static void say_text(const char *text)
{
    say(text, strlen(text));
}

/* All frames heard, as text; forgets them. */
static const char *frames(void)
{
    static char text[8192];
    size_t place = 0;
    int length = 0;

    text[0] = '\0';
    while (heard_length - place >= FRAME_HEADER_LENGTH) {
        const uint8_t *frame = heard + place;
        size_t size = (size_t)bytes_load_be32(frame) + 4;
        uint32_t type = bytes_load_be32(frame + 4);

        if (size > heard_length - place)
            break;
        if (type == FRAME_MESSAGE && size >= 34)
            length += snprintf(text + length, sizeof(text) - (size_t)length,
                               "2:%u ", bytes_load_be16(frame + 16));
        else
            length += snprintf(text + length, sizeof(text) - (size_t)length,
                               "%u:%.*s ", type, (int)size - 8,
                               (const char *)frame + 8);
        place += size;
    }
    if (place < heard_length)
        snprintf(text + length, sizeof(text) - (size_t)length, "cut");
    heard_length = 0;
    return text;
}

static void add_fault(const char *line)
{
    uint8_t text[256];
    struct bytes_writer complaint = bytes_writer_on(text, sizeof(text));

    ck_assert(script_add(&script, bytes_of_text(line), now.now_ms, &complaint));
}

static const char hello[] = "  V2IDENTIFY\n\0\0\0\x02{}SUB test ch\n";

START_TEST(conversation_is_the_same_wherever_the_stream_is_split)
{
    static const char words[] = "  V2IDENTIFY\n\0\0\0\x02{}SUB test ch\nNOP\n"
                                "FIN 0123456789abcdef\n"
                                "REQ 0123456789abcdef 0\r\n"
                                "TOUCH 0123456789abcdef\nRDY 2\nCLS\nBAD\n";

    for (size_t split = 1; split < sizeof(words) - 1; split++) {
        const char *answers;

        open_nsqd(0);
        connect_client();
        say(words, split);
        say(words + split, sizeof(words) - 1 - split);
        answers = frames();
        ck_assert_str_eq(
            answers,
            "0:OK 0:OK "
            "1:E_FIN_FAILED FIN 0123456789abcdef failed ID not in flight "
            "1:E_REQ_FAILED REQ 0123456789abcdef failed ID not in flight "
            "1:E_TOUCH_FAILED TOUCH 0123456789abcdef failed ID not in flight "
            "0:CLOSE_WAIT 1:E_INVALID invalid command BAD ");
        ck_assert_int_eq(nsqd.connections->end, CONNECTION_DEAD);
        close_nsqd();
    }
}
END_TEST

START_TEST(wrong_magic_is_refused_once)
{
    open_nsqd(0);
    connect_client();
    say_text("GET / HTTP/1.0\r\n\r\n");

    ck_assert_str_eq(frames(), "1:E_BAD_PROTOCOL ");
    ck_assert_int_eq(nsqd.connections->end, CONNECTION_DEAD);
    close_nsqd();
}
END_TEST

START_TEST(features_are_negotiated_in_json)
{
    static const char words[] =
        "  V2IDENTIFY\n\0\0\0\x34"
        "{\"feature_negotiation\":true,\"output_buffer_size\":64}";

    open_nsqd(0);
    connect_client();
    say(words, sizeof(words) - 1);

    ck_assert_str_eq(
        frames(),
        "0:{\"max_rdy_count\":2500,\"version\":\"1.3.0\","
        "\"max_msg_timeout\":900000,\"msg_timeout\":60000,\"tls_v1\":false,"
        "\"deflate\":false,\"deflate_level\":6,\"max_deflate_level\":6,"
        "\"snappy\":false,\"sample_rate\":0,\"auth_required\":false,"
        "\"output_buffer_size\":64,\"output_buffer_timeout\":250} ");
    close_nsqd();
}
END_TEST

START_TEST(message_frame_has_nsqds_bytes)
{
    uint8_t id[SOURCE_ID_LENGTH];

    open_nsqd(1);
    connect_client();
    say(hello, sizeof(hello) - 1);
    frames();
    say_text("RDY 1\n");

    ck_assert_uint_eq(heard_length, 8 + 26 + 200);
    ck_assert_uint_eq(bytes_load_be32(heard), 4 + 26 + 200);
    ck_assert_uint_eq(bytes_load_be32(heard + 4), FRAME_MESSAGE);
    ck_assert_uint_eq(bytes_load_be64(heard + 8), NS_PER_SECOND);
    ck_assert_uint_eq(bytes_load_be16(heard + 16), 1);
    source_write_id(&nsqd.channel.source, 0, id);
    ck_assert_mem_eq(heard + 18, id, 16);
    ck_assert_mem_eq(heard + 34, "{\"user_id\":\"u", 13);
    close_nsqd();
}
END_TEST

START_TEST(another_channel_is_empty)
{
    open_nsqd(5);
    memcpy(nsqd.channel_name, "first", 6);
    connect_client();
    say(hello, sizeof(hello) - 1);
    say_text("RDY 5\n");

    ck_assert_str_eq(frames(), "0:OK 0:OK ");
    close_nsqd();
}
END_TEST

START_TEST(silent_client_hears_heartbeats_and_is_then_hung_up_on)
{
    open_nsqd(0);
    connect_client();
    say(hello, sizeof(hello) - 1);
    frames();

    now.now_ms = 30000;
    connection_tick(nsqd.connections, &now);
    hear();
    ck_assert_str_eq(frames(), "0:_heartbeat_ ");
    say_text("NOP\n");
    now.now_ms = 89999;
    connection_tick(nsqd.connections, &now);
    ck_assert_int_eq(nsqd.connections->end, CONNECTION_LIVES);
    now.now_ms = 90000;
    connection_tick(nsqd.connections, &now);
    ck_assert_int_eq(nsqd.connections->end, CONNECTION_DEAD);
    close_nsqd();
}
END_TEST

/* What a client hears of ten messages when a fault strikes at the third. */
static const struct {
    const char *fault;
    const char *frames;
    enum connection_end end;
} fault_rows[] = {
    { "{\"after\":3,\"action\":\"disconnect\"}", "2:1 2:1 2:1 ",
      CONNECTION_DEAD },
    { "{\"after\":3,\"action\":\"disconnect_mid_frame\"}", "2:1 2:1 2:1 cut",
      CONNECTION_DEAD },
    { "{\"after\":3,\"action\":\"disconnect_mid_frame\",\"bytes\":1}",
      "2:1 2:1 2:1 cut", CONNECTION_DEAD },
    { "{\"after\":3,\"action\":\"pause\"}", "2:1 2:1 2:1 ", CONNECTION_LIVES },
    { "{\"after\":3,\"action\":\"half_open\"}", "2:1 2:1 2:1 ",
      CONNECTION_LIVES },
    { "{\"after\":3,\"action\":\"malformed_size\"}", "2:1 2:1 2:1 cut",
      CONNECTION_LIVES },
    { "{\"after\":3,\"action\":\"malformed_type\",\"type\":9}",
      "2:1 2:1 2:1 9:nonsense ", CONNECTION_LIVES },
    { "{\"after\":3,\"action\":\"error_frame\",\"text\":\"E_X y\"}",
      "2:1 2:1 2:1 1:E_X y 2:1 2:1 2:1 2:1 2:1 2:1 2:1 ", CONNECTION_LIVES },
    { "{\"after\":3,\"action\":\"error_frame\",\"close\":true}",
      "2:1 2:1 2:1 1:E_INVALID scripted ", CONNECTION_DEAD },
    { "{\"after\":3,\"action\":\"twin\",\"count\":2}",
      "2:1 2:1 2:1 2:1 2:1 2:1 2:1 2:1 2:1 2:1 2:1 2:1 ", CONNECTION_LIVES },
    { "{\"after\":3,\"action\":\"time_out\"}",
      "2:1 2:1 2:1 2:1 2:1 2:1 2:1 2:1 2:1 2:1 2:2 2:2 2:2 ",
      CONNECTION_LIVES },
};

START_TEST(fault_strikes_at_its_message)
{
    open_nsqd(10);
    connect_client();
    say(hello, sizeof(hello) - 1);
    frames();
    add_fault(fault_rows[_i].fault);
    turn();
    say_text("RDY 20\n");

    ck_assert_str_eq(frames(), fault_rows[_i].frames);
    ck_assert_int_eq(nsqd.connections->end, fault_rows[_i].end);
    ck_assert_uint_eq(script.over, 1);
    close_nsqd();
}
END_TEST

START_TEST(pause_ends_after_its_time)
{
    open_nsqd(2);
    connect_client();
    say(hello, sizeof(hello) - 1);
    add_fault("{\"action\":\"pause\",\"for_ms\":50}");
    turn();
    say_text("RDY 2\n");
    ck_assert_str_eq(frames(), "0:OK 0:OK ");

    now.now_ms = 49;
    hear();
    ck_assert_str_eq(frames(), "");
    now.now_ms = 50;
    hear();
    ck_assert_str_eq(frames(), "2:1 2:1 ");
    close_nsqd();
}
END_TEST

START_TEST(half_open_connection_comes_back_after_its_time)
{
    open_nsqd(1);
    connect_client();
    say(hello, sizeof(hello) - 1);
    frames();
    add_fault("{\"action\":\"half_open\",\"for_ms\":50}");
    turn();
    ck_assert_uint_eq(connection_wants(nsqd.connections), 0);
    say_text("RDY 1\n");
    ck_assert_str_eq(frames(), "");

    now.now_ms = 50;
    connection_tick(nsqd.connections, &now);
    connection_receive(nsqd.connections, &now);
    hear();
    ck_assert_str_eq(frames(), "2:1 ");
    close_nsqd();
}
END_TEST

START_TEST(dripping_connection_sends_a_byte_a_tick)
{
    open_nsqd(1);
    connect_client();
    say(hello, sizeof(hello) - 1);
    frames();
    add_fault("{\"action\":\"drip\",\"for_ms\":300}");
    turn();
    say_text("RDY 1\n");
    ck_assert_uint_eq(heard_length, 0);

    for (now.now_ms = 100; now.now_ms <= 200; now.now_ms += 100) {
        connection_tick(nsqd.connections, &now);
        hear();
        ck_assert_uint_eq(heard_length, now.now_ms / 100);
    }
    connection_tick(nsqd.connections, &now);
    hear();
    ck_assert_str_eq(frames(), "2:1 ");
    close_nsqd();
}
END_TEST

START_TEST(lowered_max_rdy_count_refuses_what_is_above_it)
{
    open_nsqd(1);
    connect_client();
    say(hello, sizeof(hello) - 1);
    frames();
    add_fault("{\"action\":\"low_max_rdy\",\"value\":4}");
    turn();
    say_text("RDY 5\n");

    ck_assert_str_eq(frames(), "1:E_INVALID RDY count 5 out of range 0-4 ");
    close_nsqd();
}
END_TEST

START_TEST(script_that_is_wrong_is_refused_with_a_sentence)
{
    static const char *const lines[] = { "nonsense", "[]", "{}",
                                         "{\"action\":\"fly\"}",
                                         "{\"action\":\"twin\",\"nsqd\":1}" };

    open_nsqd(0);
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        uint8_t text[256];
        struct bytes_writer complaint = bytes_writer_on(text, sizeof(text));

        ck_assert(!script_add(&script, bytes_of_text(lines[i]), 0, &complaint));
        ck_assert_uint_gt(complaint.length, 0);
    }
    ck_assert_uint_eq(script.count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nsq_simulator_connection");
    TCase *words = tcase_create("words"), *faults = tcase_create("faults");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(words,
                   conversation_is_the_same_wherever_the_stream_is_split);
    tcase_add_test(words, wrong_magic_is_refused_once);
    tcase_add_test(words, features_are_negotiated_in_json);
    tcase_add_test(words, message_frame_has_nsqds_bytes);
    tcase_add_test(words, another_channel_is_empty);
    tcase_add_test(words,
                   silent_client_hears_heartbeats_and_is_then_hung_up_on);
    tcase_add_loop_test(faults, fault_strikes_at_its_message, 0,
                        (int)ARRAY_LENGTH(fault_rows));
    tcase_add_test(faults, pause_ends_after_its_time);
    tcase_add_test(faults, half_open_connection_comes_back_after_its_time);
    tcase_add_test(faults, dripping_connection_sends_a_byte_a_tick);
    tcase_add_test(faults, lowered_max_rdy_count_refuses_what_is_above_it);
    tcase_add_test(faults, script_that_is_wrong_is_refused_with_a_sentence);
    suite_add_tcase(suite, words);
    suite_add_tcase(suite, faults);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
