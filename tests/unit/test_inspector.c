/* SPDX-License-Identifier: Apache-2.0 */

/* The real inspector, and what it says about a bridge that is well. */

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/inspected_bridge.h"

static struct inspected_bridge bridge;

static void set_up(void)
{
    inspected_bridge_init(&bridge);
}

static void tear_down(void)
{
    inspected_bridge_deinit(&bridge);
}

static void expect_text(const char *text)
{
    ck_assert_msg(strstr(bridge.run.output, text) != NULL, "no \"%s\" in\n%s",
                  text, bridge.run.output);
}

static double number(const cJSON *json, const char *key)
{
    ck_assert_msg(cJSON_IsNumber(cJSON_GetObjectItem(json, key)), "%s", key);
    return cJSON_GetNumberValue(cJSON_GetObjectItem(json, key));
}

static const char *text(const cJSON *json, const char *key)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(json, key));

    ck_assert_msg(value != NULL, "%s", key);
    return value;
}

/* Make the body of the record at `position` a text. */
static void write_text(uint64_t position)
{
    struct record_header *record =
        (void *)(bridge.fixture.producer.segment.ring + position);

    memset((uint8_t *)record_body(record).data, 'b',
           record_body(record).length);
    record->checksum = record_checksum(record);
}

START_TEST(list_says_how_full_each_queue_is_and_who_holds_it)
{
    char holder[64];

    inspected_bridge_fill(&bridge);

    ck_assert_int_eq(
        inspected_bridge_look(&bridge, bridge.name_option, NULL, NULL, NULL),
        0);
    ck_assert_str_eq(bridge.run.sentence, "");
    expect_text("ON ITS WAY\n");
    expect_text("shardId-000000000001");
    expect_text("4.0 KiB    528 B      264 B  19.3%");
    (void)snprintf(holder, sizeof(holder), "%d alive, epoch 1, worker 0",
                   (int)getpid());
    expect_text(holder);
    expect_text("batch 1, 264 B, for ");
    expect_text("never held");
    expect_text("\ntotal");
    expect_text("8.0 KiB    528 B      264 B   9.7%\n");
}
END_TEST

START_TEST(list_as_json_has_plain_numbers)
{
    cJSON *json;
    cJSON *egress;
    cJSON *batch;
    cJSON *parts;

    inspected_bridge_fill(&bridge);

    ck_assert_int_eq(
        inspected_bridge_look(&bridge, "list", "-json", "-name", bridge.name),
        0);
    json = inspected_bridge_line(&bridge, "queue", 0);
    ck_assert_ptr_nonnull(json);
    ck_assert_str_eq(text(json, "bridge"), bridge.name);
    ck_assert_str_eq(text(json, "shard"), "shardId-000000000000");
    ck_assert(number(json, "generation") == 1);
    ck_assert(number(json, "queue") == 0);
    ck_assert(number(json, "capacity_bytes") == INSPECTED_CAPACITY);
    ck_assert(number(json, "to_send_bytes") == 528);
    ck_assert(number(json, "to_finish_bytes") == 264);
    ck_assert(number(json, "committed") == 792);
    egress = cJSON_GetObjectItem(json, "egress");
    ck_assert(number(egress, "pid") == getpid());
    ck_assert(cJSON_IsTrue(cJSON_GetObjectItem(egress, "alive")));
    batch = cJSON_GetObjectItem(json, "batch");
    ck_assert(number(batch, "end") == 528);
    parts = cJSON_GetObjectItem(batch, "parts");
    ck_assert_int_eq(cJSON_GetArraySize(parts), 1);
    ck_assert(number(cJSON_GetArrayItem(parts, 0), "number") ==
              QUEUE_PARTS_MOST);
    cJSON_Delete(json);
    json = inspected_bridge_line(&bridge, "queue", 1);
    ck_assert(number(json, "hash_key_share") == 0.75);
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(json, "egress")));
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(json, "batch")));
    cJSON_Delete(json);
    json = inspected_bridge_line(&bridge, "totals", 0);
    ck_assert(number(json, "queues") == 2);
    ck_assert(number(json, "to_send_bytes") == 528);
    cJSON_Delete(json);
}
END_TEST

START_TEST(dump_shows_records_oldest_first)
{
    inspected_bridge_fill(&bridge);

    ck_assert_int_eq(inspected_bridge_look(&bridge, "dump", bridge.name_option,
                                           "--queue=0", NULL),
                     0);
    expect_text("queue g1.q0, shardId-000000000000: 528 B to send, "
                "264 B to finish\n");
    expect_text("  at 0: decided, message ");
    expect_text("source 1 \"10.0.0.1:4150 orders all\", verdict delivered, "
                "checksum right\n");
    expect_text("  at 264: on_its_way, ");
    expect_text("  at 528: waiting, ");
    expect_text("body 197 bytes: \"");
    expect_text("\" ...\n");
    ck_assert_ptr_null(strstr(bridge.run.output, "g1.q1"));
}
END_TEST

START_TEST(dump_as_json_tells_what_a_record_carries)
{
    cJSON *json;

    inspected_bridge_fill(&bridge);
    write_text(528);

    ck_assert_int_eq(inspected_bridge_look(&bridge, "dump", bridge.name_option,
                                           "--json", NULL),
                     0);
    ck_assert_int_eq(inspected_bridge_count_lines(&bridge, "record"), 3);
    json = inspected_bridge_line(&bridge, "record", 2);
    ck_assert(number(json, "queue") == 0);
    ck_assert(number(json, "position") == 528);
    ck_assert_str_eq(text(json, "state"), "waiting");
    ck_assert_str_eq(text(json, "source_name"), "10.0.0.3:4150 orders all");
    ck_assert(number(json, "attempts") == 1);
    ck_assert_str_eq(text(json, "hash_key"), "166020696663385964559");
    ck_assert_str_eq(text(json, "verdict"), "none");
    ck_assert_str_eq(text(json, "checksum"), "right");
    ck_assert(number(json, "body_bytes") == 197);
    ck_assert_uint_eq(strlen(text(json, "body")), 120);
    ck_assert(cJSON_IsTrue(cJSON_GetObjectItem(json, "body_cut")));
    cJSON_Delete(json);
}
END_TEST

START_TEST(dump_full_leaves_nothing_out)
{
    cJSON *json;

    inspected_bridge_write(&bridge, 1, 1);
    write_text(0);

    ck_assert_int_eq(inspected_bridge_look(&bridge, "dump", bridge.name_option,
                                           "--json", "--full"),
                     0);
    json = inspected_bridge_line(&bridge, "record", 0);
    ck_assert(cJSON_IsFalse(cJSON_GetObjectItem(json, "body_cut")));
    ck_assert_uint_eq(strlen(text(json, "body")), 199);
    cJSON_Delete(json);
}
END_TEST

START_TEST(dump_shows_as_many_records_as_asked)
{
    for (uint64_t i = 0; i < 30; i++)
        ck_assert_int_eq(queue_fixture_write(&bridge.fixture.producer, i, 32),
                         0);
    queue_publish(&bridge.fixture.producer);

    ck_assert_int_eq(inspected_bridge_look(&bridge, "dump", bridge.name_option,
                                           "--json", NULL),
                     0);
    ck_assert_int_eq(inspected_bridge_count_lines(&bridge, "record"), 20);
    ck_assert_int_eq(inspected_bridge_look(&bridge, "dump", bridge.name_option,
                                           "--json", "--max=7"),
                     0);
    ck_assert_int_eq(inspected_bridge_count_lines(&bridge, "record"), 7);
    ck_assert_int_eq(inspected_bridge_look(&bridge, "dump", bridge.name_option,
                                           "--json", "--max=0"),
                     0);
    ck_assert_int_eq(inspected_bridge_count_lines(&bridge, "record"), 30);
    ck_assert_int_eq(inspected_bridge_look(&bridge, "dump", bridge.name_option,
                                           "--max=29", NULL),
                     0);
    expect_text("and more: --max=0 shows all");
    ck_assert_int_eq(inspected_bridge_look(&bridge, "dump", bridge.name_option,
                                           "--max=30", NULL),
                     0);
    ck_assert_ptr_null(strstr(bridge.run.output, "and more"));
}
END_TEST

START_TEST(record_behind_padding_has_its_own_position)
{
    struct queue_consumer *consumer = &bridge.fixture.consumer;
    struct record_header *record;
    uint64_t position = 0;
    cJSON *json;

    inspected_bridge_write(&bridge, 0, 15);
    while (queue_peek(consumer, &position, &record) == 0)
        record_set_verdict(record, VERDICT_DELIVERED);
    ck_assert_int_eq(queue_release(consumer, position), 0);
    while (queue_decided(&bridge.fixture.producer, &record) == 0)
        continue;
    queue_finish(&bridge.fixture.producer);
    inspected_bridge_write(&bridge, 15, 1);

    ck_assert_int_eq(inspected_bridge_look(&bridge, "dump", bridge.name_option,
                                           "--json", NULL),
                     0);
    json = inspected_bridge_line(&bridge, "record", 0);
    ck_assert(number(json, "position") == INSPECTED_CAPACITY);
    cJSON_Delete(json);
}
END_TEST

START_TEST(counters_come_with_their_meaning)
{
    cJSON *json;

    ck_assert_int_eq(inspected_bridge_look(&bridge, "counters",
                                           bridge.name_option, NULL, NULL),
                     0);
    expect_text("apples      12345  count        apples seen\n");
    expect_text("weight    4.0 MiB  bytes        how heavy they are\n");
    expect_text("ripening    1.5 s  nanoseconds  time spent in the sun\n");
    ck_assert_int_eq(inspected_bridge_look(&bridge, "counters",
                                           bridge.name_option, "--json", NULL),
                     0);
    ck_assert_int_eq(inspected_bridge_count_lines(&bridge, "counter"), 3);
    json = inspected_bridge_line(&bridge, "counter", 1);
    ck_assert_str_eq(text(json, "process"), "ingest");
    ck_assert_str_eq(text(json, "name"), "weight");
    ck_assert(number(json, "value") == 4 << 20);
    ck_assert_str_eq(text(json, "unit"), "bytes");
    ck_assert_str_eq(text(json, "meaning"), "how heavy they are");
    cJSON_Delete(json);
}
END_TEST

/* Take both ends of queue 1, write a record and die. */
static void live_and_die(void)
{
    static struct queue_producer producer;
    static struct queue_consumer consumer;

    if (queue_producer_open(bridge.second.text, &producer) == 0 &&
        queue_consumer_open(bridge.second.text, 3, &consumer) == 0 &&
        queue_fixture_write(&producer, 1, INSPECTED_LENGTH) == 0)
        queue_publish(&producer);
    (void)raise(SIGKILL);
}

START_TEST(everything_is_shown_after_all_processes_are_dead)
{
    pid_t child = fork();
    char holder[64];

    if (child == 0)
        live_and_die();
    ck_assert_int_eq(waitpid(child, NULL, 0), child);

    ck_assert_int_eq(
        inspected_bridge_look(&bridge, "list", bridge.name_option, NULL, NULL),
        0);
    (void)snprintf(holder, sizeof(holder), "%d dead, epoch 1, worker 3",
                   (int)child);
    expect_text(holder);
    ck_assert_int_eq(inspected_bridge_look(&bridge, "dump", bridge.name_option,
                                           "--json", "--queue=1"),
                     0);
    ck_assert_int_eq(inspected_bridge_count_lines(&bridge, "record"), 1);
}
END_TEST

START_TEST(nothing_there_is_said_and_has_its_status)
{
    static const char *const verbs[] = { "list", "dump", "counters" };

    ck_assert_int_eq(inspected_bridge_look(&bridge, verbs[_i],
                                           "--name=no-such-bridge", NULL, NULL),
                     66);
    ck_assert_str_eq(bridge.run.output, "");
    ck_assert_ptr_nonnull(strstr(bridge.run.sentence, "called no-such-bridge"));
    ck_assert_int_eq(inspected_bridge_look(&bridge, "dump", bridge.name_option,
                                           "--queue=2", NULL),
                     66);
}
END_TEST

START_TEST(wrong_use_is_explained)
{
    static const char *const wrong[][2] = {
        { "show", NULL },
        { "list", "dump" },
        { "--nme=x", NULL },
        { "--name", NULL },
        { "dump", "--max=many" },
        { "dump", "--queue=-1" },
        { "list", "--max=5" },
        { "counters", "--full" },
        { "list", "--json=maybe" },
        { "dump", "--queue=4294967296" },
        { "--", NULL },
        { "", NULL },
    };

    ck_assert_uint_eq(ARRAY_LENGTH(wrong), 12);
    ck_assert_int_eq(
        inspected_bridge_look(&bridge, wrong[_i][0], wrong[_i][1], NULL, NULL),
        64);
    ck_assert_str_eq(bridge.run.output, "");
    ck_assert_ptr_nonnull(strstr(bridge.run.sentence, "see --help"));
}
END_TEST

START_TEST(help_says_what_the_exit_statuses_mean)
{
    ck_assert_int_eq(inspected_bridge_look(&bridge, "-help", NULL, NULL, NULL),
                     0);
    expect_text("Exit status: 0 fine; 64 wrong use; 65 damage");
    ck_assert_int_eq(
        inspected_bridge_look(&bridge, "--version", NULL, NULL, NULL), 0);
    expect_text("nsq_to_kinesis-inspect ");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspector");
    TCase *shown = tcase_create("shown");
    TCase *use = tcase_create("use");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(shown, set_up, tear_down);
    tcase_add_test(shown, list_says_how_full_each_queue_is_and_who_holds_it);
    tcase_add_test(shown, list_as_json_has_plain_numbers);
    tcase_add_test(shown, dump_shows_records_oldest_first);
    tcase_add_test(shown, dump_as_json_tells_what_a_record_carries);
    tcase_add_test(shown, dump_full_leaves_nothing_out);
    tcase_add_test(shown, dump_shows_as_many_records_as_asked);
    tcase_add_test(shown, record_behind_padding_has_its_own_position);
    tcase_add_test(shown, counters_come_with_their_meaning);
    tcase_add_test(shown, everything_is_shown_after_all_processes_are_dead);
    suite_add_tcase(suite, shown);
    tcase_add_checked_fixture(use, set_up, tear_down);
    tcase_add_loop_test(use, nothing_there_is_said_and_has_its_status, 0, 3);
    tcase_add_loop_test(use, wrong_use_is_explained, 0, 12);
    tcase_add_test(use, help_says_what_the_exit_statuses_mean);
    suite_add_tcase(suite, use);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
