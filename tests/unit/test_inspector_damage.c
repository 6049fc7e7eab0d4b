/* SPDX-License-Identifier: Apache-2.0 */

/* The real inspector, and what it says about segments that are damaged. */

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/random.h"
#include "shard/shared_word.h"
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

START_TEST(damaged_positions_cost_a_sentence_and_not_the_other_queues)
{
    struct queue_positions *positions =
        bridge.fixture.producer.segment.positions;

    store_relaxed(&positions->finished, UINT64_MAX);

    ck_assert_int_eq(
        inspected_bridge_look(&bridge, "list", bridge.name_option, NULL, NULL),
        65);
    ck_assert_ptr_nonnull(
        strstr(bridge.run.sentence, "g1.q0 has positions that"));
    expect_text("g1.q1");
    ck_assert_int_eq(inspected_bridge_look(&bridge, "list", bridge.name_option,
                                           "--json", NULL),
                     65);
    ck_assert_str_eq(bridge.run.sentence, "");
    ck_assert_int_eq(inspected_bridge_count_lines(&bridge, "damage"), 1);
    ck_assert_int_eq(inspected_bridge_count_lines(&bridge, "queue"), 1);
    store_relaxed(&positions->finished, 0);
}
END_TEST

START_TEST(changed_body_is_shown_and_called_wrong)
{
    inspected_bridge_write(&bridge, 1, 2);
    bridge.fixture.producer.segment.ring[100] ^= 1;

    ck_assert_int_eq(
        inspected_bridge_look(&bridge, "dump", bridge.name_option, NULL, NULL),
        65);
    expect_text("checksum WRONG");
    expect_text("checksum right");
    ck_assert_ptr_nonnull(
        strstr(bridge.run.sentence, "has a record at 0 whose"));
}
END_TEST

START_TEST(record_of_no_length_ends_the_walk_of_its_queue_only)
{
    inspected_bridge_write(&bridge, 1, 2);
    memset(bridge.fixture.producer.segment.ring, 0, 8);

    ck_assert_int_eq(
        inspected_bridge_look(&bridge, "dump", bridge.name_option, NULL, NULL),
        65);
    ck_assert_ptr_nonnull(strstr(bridge.run.sentence, "has no record at 0"));
    expect_text("queue g1.q1");
}
END_TEST

/* Kinds of segments that are not what their name says. */
enum impostor {
    IMPOSTOR_EMPTY,
    IMPOSTOR_SHORT,
    IMPOSTOR_UNREADY,
    IMPOSTOR_FOREIGN,
    IMPOSTOR_VERSION,
    IMPOSTOR_CUT,
    IMPOSTOR_OPEN,
    IMPOSTOR_RENAMED,
    IMPOSTOR_COUNT,
};

static const char *const impostor_clauses[] = {
    [IMPOSTOR_EMPTY] = "it was truncated",
    [IMPOSTOR_SHORT] = "it was truncated",
    [IMPOSTOR_UNREADY] = "is not ready",
    [IMPOSTOR_FOREIGN] = "was not made by this program",
    [IMPOSTOR_VERSION] = "has version 99",
    [IMPOSTOR_CUT] = "has 8192 bytes and says it has 12288",
    [IMPOSTOR_OPEN] = "is open to others (mode 0666)",
    [IMPOSTOR_RENAMED] = "says that it is g1.q1",
};

static void spoil(enum impostor kind, int descriptor, struct segment_head *head)
{
    if (kind == IMPOSTOR_EMPTY)
        ck_assert_int_eq(ftruncate(descriptor, 0), 0);
    else if (kind == IMPOSTOR_SHORT)
        ck_assert_int_eq(ftruncate(descriptor, 10), 0);
    else if (kind == IMPOSTOR_UNREADY)
        head->magic = 0;
    else if (kind == IMPOSTOR_FOREIGN)
        head->magic++;
    else if (kind == IMPOSTOR_VERSION)
        head->version = 99;
    else if (kind == IMPOSTOR_CUT)
        ck_assert_int_eq(ftruncate(descriptor, 8192), 0);
    else if (kind == IMPOSTOR_OPEN)
        ck_assert_int_eq(fchmod(descriptor, 0666), 0);
}

START_TEST(segment_that_is_no_queue_costs_one_clear_sentence)
{
    struct segment_name name = segment_name_of_queue(bridge.name, 1, 1);
    struct shared_memory memory = SHARED_MEMORY_NULL;
    const char *end;

    if (_i == IMPOSTOR_RENAMED) {
        char from[256];
        char to[256];

        name = segment_name_of_queue(bridge.name, 2, 0);
        (void)snprintf(from, sizeof(from), "/dev/shm%s", bridge.second.text);
        (void)snprintf(to, sizeof(to), "/dev/shm%s", name.text);
        ck_assert_int_eq(rename(from, to), 0);
        inspected_bridge_make_second(&bridge);
    } else {
        ck_assert_int_eq(shared_memory_open(name.text, SHARED_MEMORY_WRITE,
                                            QUEUE_MAGIC, QUEUE_VERSION,
                                            &memory),
                         0);
        spoil((enum impostor)_i, memory.descriptor, memory.address);
    }

    ck_assert_int_eq(
        inspected_bridge_look(&bridge, "list", bridge.name_option, NULL, NULL),
        65);
    shared_memory_close(&memory);
    if (_i == IMPOSTOR_RENAMED)
        (void)shared_memory_remove(name.text);
    ck_assert_msg(strstr(bridge.run.sentence, impostor_clauses[_i]) != NULL,
                  "%s", bridge.run.sentence);
    end = strchr(bridge.run.sentence, '\n');
    ck_assert(end && end[1] == '\0');
    expect_text("g1.q0");
}
END_TEST

START_TEST(queue_that_the_layout_names_is_missed)
{
    ck_assert_int_eq(shared_memory_remove(bridge.second.text), 0);

    ck_assert_int_eq(
        inspected_bridge_look(&bridge, "list", bridge.name_option, NULL, NULL),
        65);
    ck_assert_ptr_nonnull(strstr(bridge.run.sentence,
                                 "g1.q1 is named by the layout "
                                 "and is not there"));
}
END_TEST

START_TEST(damaged_layout_and_sources_cost_a_sentence_each)
{
    static const char *const parts[] = { "layout", "sources" };

    inspected_bridge_write(&bridge, 1, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        struct segment_name name = segment_name_of(bridge.name, parts[i]);
        int descriptor = shm_open(name.text, O_RDWR | O_CLOEXEC, 0);

        /* Behind the head: the number of rows stands here, among others. */
        ck_assert_int_eq(
            pwrite(descriptor, "\377\377\377\377\377\377\377\377", 8, 64), 8);
        (void)close(descriptor);
    }

    ck_assert_int_eq(
        inspected_bridge_look(&bridge, "dump", bridge.name_option, NULL, NULL),
        65);
    ck_assert_ptr_nonnull(strstr(bridge.run.sentence,
                                 ".layout has ranges or sizes that cannot be"));
    ck_assert_ptr_nonnull(strstr(bridge.run.sentence,
                                 ".sources says it has 18446744073709551615 "
                                 "sources, and room is for 1024"));
    expect_text("  at 0: waiting, ");
}
END_TEST

static void flip_bytes(const char *name, struct random *random, int count)
{
    int descriptor = shm_open(name, O_RDWR | O_CLOEXEC, 0);
    struct stat file;

    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(fstat(descriptor, &file), 0);
    for (int i = 0; i < count; i++) {
        uint8_t byte = (uint8_t)random_below(random, 256);
        off_t place = (off_t)random_below(random, (uint64_t)file.st_size);

        ck_assert_int_eq(pwrite(descriptor, &byte, 1, place), 1);
    }
    (void)close(descriptor);
}

/* Whatever the bytes: an end with a status, and lines that are JSON. */
START_TEST(no_bytes_make_it_crash_or_write_what_is_no_json)
{
    static const char *const parts[] = { "layout", "sources", "counters.ingest",
                                         "g1.q0" };
    static const char *const verbs[] = { "list", "dump", "counters" };
    struct random random;

    random_seed(&random, (uint64_t)_i + 1);
    inspected_bridge_fill(&bridge);
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        flip_bytes(segment_name_of(bridge.name, parts[i]).text, &random,
                   1 << _i);
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++) {
        int status = inspected_bridge_look(&bridge, verbs[i],
                                           bridge.name_option, "--json", NULL);

        ck_assert_msg(status == 0 || status == 65, "%d %s", status,
                      bridge.run.sentence);
        (void)inspected_bridge_count_lines(&bridge, "none");
        status = inspected_bridge_look(&bridge, verbs[i], bridge.name_option,
                                       NULL, NULL);
        ck_assert_msg(status == 0 || status == 65, "%d %s", status,
                      bridge.run.sentence);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspector_damage");
    TCase *damage = tcase_create("damage");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(damage, set_up, tear_down);
    tcase_set_timeout(damage, 30);
    tcase_add_test(damage,
                   damaged_positions_cost_a_sentence_and_not_the_other_queues);
    tcase_add_test(damage, changed_body_is_shown_and_called_wrong);
    tcase_add_test(damage, record_of_no_length_ends_the_walk_of_its_queue_only);
    tcase_add_loop_test(damage,
                        segment_that_is_no_queue_costs_one_clear_sentence, 0,
                        IMPOSTOR_COUNT);
    tcase_add_test(damage, queue_that_the_layout_names_is_missed);
    tcase_add_test(damage, damaged_layout_and_sources_cost_a_sentence_each);
    tcase_add_loop_test(damage, no_bytes_make_it_crash_or_write_what_is_no_json,
                        0, 16);
    suite_add_tcase(suite, damage);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
