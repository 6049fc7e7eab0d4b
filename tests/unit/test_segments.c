/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/shared_memory.h"
#include "tools/inspector/segment_fault.h"
#include "tools/inspector/segments.h"

static struct segment_entry parsed(const char *name)
{
    struct segment_entry entry;

    ck_assert_msg(segment_entry_parse(name, &entry), "%s", name);
    ck_assert_str_eq(entry.name.text, name);
    return entry;
}

START_TEST(every_name_that_a_bridge_gives_is_read_back)
{
    static const char *const bridges[] = {
        "orders",           "a",     "a.b.c", "x.g1", "x.g1.q2", "x.counters",
        "orders#ephemeral", "layout"
    };
    const char *bridge = bridges[_i];
    struct segment_entry entry;

    entry = parsed(segment_name_of_queue(bridge, 7, 19999).text);
    ck_assert_str_eq(entry.bridge, bridge);
    ck_assert_int_eq(entry.kind, SEGMENT_QUEUE);
    ck_assert_uint_eq(entry.generation, 7);
    ck_assert_uint_eq(entry.index, 19999);
    entry = parsed(segment_name_of_counters(bridge, "egress-12").text);
    ck_assert_str_eq(entry.bridge, bridge);
    ck_assert_int_eq(entry.kind, SEGMENT_COUNTERS);
    ck_assert_str_eq(entry.role, "egress-12");
    entry = parsed(segment_name_of(bridge, "layout").text);
    ck_assert_str_eq(entry.bridge, bridge);
    ck_assert_int_eq(entry.kind, SEGMENT_LAYOUT);
    entry = parsed(segment_name_of(bridge, "wakeup").text);
    ck_assert_int_eq(entry.kind, SEGMENT_WAKEUP);
    entry = parsed(segment_name_of(bridge, "sources").text);
    ck_assert_int_eq(entry.kind, SEGMENT_SOURCES);
    ck_assert_str_eq(entry.bridge, bridge);
}
END_TEST

START_TEST(longest_names_and_largest_numbers_fit)
{
    char bridge[SEGMENT_BRIDGE_CAPACITY];
    struct segment_entry entry;

    memset(bridge, 'b', sizeof(bridge) - 1);
    bridge[sizeof(bridge) - 1] = '\0';

    entry = parsed(segment_name_of_queue(bridge, UINT32_MAX, UINT32_MAX).text);
    ck_assert_str_eq(entry.bridge, bridge);
    ck_assert_uint_eq(entry.generation, UINT32_MAX);
    ck_assert_uint_eq(entry.index, UINT32_MAX);
}
END_TEST

START_TEST(other_names_are_left_alone)
{
    static const char *const names[] = {
        "",
        "/",
        "/sem.something",
        "/nsq_to_kinesis",
        "/nsq_to_kinesis.",
        "/nsq_to_kinesis..layout",
        "/nsq_to_kinesis.layout",
        "/nsq_to_kinesis.x.lock",
        "/nsq_to_kinesis.x.layout.",
        "/nsq_to_kinesis.x.counters",
        "/nsq_to_kinesis.x.counters.",
        "/nsq_to_kinesis.counters.ingest",
        "/nsq_to_kinesis.x.q1",
        "/nsq_to_kinesis.g1.q1",
        "/nsq_to_kinesis.x.g1.q",
        "/nsq_to_kinesis.x.g.q1",
        "/nsq_to_kinesis.x.g1.q01",
        "/nsq_to_kinesis.x.g1.q-1",
        "/nsq_to_kinesis.x.g1.q4294967296",
        "/nsq_to_kinesis.x.g1x.q1",
        "/nsq_to_kinesis.x y.g1.q1",
        "/nsq_to_kinesis.\033[2J.layout",
        "/nsq_to_kinesis.x.counters.\n",
        "nsq_to_kinesis.x.layout",
    };
    struct segment_entry entry;

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        ck_assert_msg(!segment_entry_parse(names[i], &entry), "%s", names[i]);
}
END_TEST

START_TEST(names_that_are_too_long_are_left_alone)
{
    char name[512] = SEGMENT_NAME_PREFIX;
    size_t begin = strlen(name);
    struct segment_entry entry;

    for (size_t length = SEGMENT_BRIDGE_CAPACITY; length < 400; length++) {
        memset(name + begin, 'b', length);
        strcpy(name + begin + length, ".layout");
        ck_assert(!segment_entry_parse(name, &entry));
    }
}
END_TEST

START_TEST(queues_are_ordered_by_number_and_not_by_letter)
{
    struct segment_entry two = parsed("/nsq_to_kinesis.x.g1.q2");
    struct segment_entry ten = parsed("/nsq_to_kinesis.x.g1.q10");
    struct segment_entry later = parsed("/nsq_to_kinesis.x.g2.q0");
    struct segment_entry other = parsed("/nsq_to_kinesis.y.g1.q0");

    ck_assert_int_lt(segment_entry_compare(&two, &ten), 0);
    ck_assert_int_lt(segment_entry_compare(&ten, &later), 0);
    ck_assert_int_lt(segment_entry_compare(&later, &other), 0);
    ck_assert_int_eq(segment_entry_compare(&two, &two), 0);
}
END_TEST

START_TEST(segments_of_one_bridge_are_listed)
{
    struct shared_memory memory = SHARED_MEMORY_NULL;
    struct segment_list list;
    struct segment_name name;
    char bridge[32];

    (void)snprintf(bridge, sizeof(bridge), "test-%d.list", (int)getpid());
    name = segment_name_of(bridge, "sources");
    ck_assert_int_eq(shared_memory_create(name.text, 4096, &memory), 0);

    ck_assert_int_eq(segment_list_read(bridge, &list), 0);
    ck_assert_int_eq(shared_memory_remove(name.text), 0);
    ck_assert_uint_eq(list.count, 1);
    ck_assert_str_eq(list.entries[0].name.text, name.text);
    segment_list_deinit(&list);
    ck_assert_int_eq(segment_list_read(bridge, &list), 0);
    ck_assert_uint_eq(list.count, 0);
    segment_list_deinit(&list);
    shared_memory_close(&memory);
}
END_TEST

static void touch(void *what)
{
    volatile uint8_t *byte = what;

    (void)*byte;
}

START_TEST(segment_made_shorter_while_mapped_is_survived)
{
    int descriptor = memfd_create("shorter", MFD_CLOEXEC);
    uint8_t *bytes;

    ck_assert_int_eq(ftruncate(descriptor, 4096), 0);
    bytes = mmap(NULL, 4096, PROT_READ, MAP_SHARED, descriptor, 0);
    ck_assert_ptr_ne(bytes, MAP_FAILED);
    ck_assert_int_eq(segment_fault_survive(touch, bytes), 0);
    ck_assert_int_eq(ftruncate(descriptor, 0), 0);

    ck_assert_int_lt(segment_fault_survive(touch, bytes), 0);
    ck_assert_int_lt(segment_fault_survive(touch, bytes), 0);
    (void)munmap(bytes, 4096);
    (void)close(descriptor);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("segments");
    TCase *names = tcase_create("names");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(names, every_name_that_a_bridge_gives_is_read_back, 0,
                        8);
    tcase_add_test(names, longest_names_and_largest_numbers_fit);
    tcase_add_test(names, other_names_are_left_alone);
    tcase_add_test(names, names_that_are_too_long_are_left_alone);
    tcase_add_test(names, queues_are_ordered_by_number_and_not_by_letter);
    tcase_add_test(names, segments_of_one_bridge_are_listed);
    tcase_add_test(names, segment_made_shorter_while_mapped_is_survived);
    suite_add_tcase(suite, names);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
