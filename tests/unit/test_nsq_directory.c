/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/nsq_directory.h"

static struct nsq_directory directory;

static void set_up(void)
{
    nsq_directory_init(&directory);
}

/* `hosts` has one letter per nsqd. */
static size_t answer(unsigned source, const char *hosts)
{
    struct address addresses[8];
    size_t count = 0;

    for (; *hosts; hosts++)
        addresses[count++] =
            (struct address){ .host = { *hosts }, .port = 4150 };
    return nsq_directory_answer(&directory, source, addresses, count);
}

static size_t index_of(char host)
{
    size_t i = 0;

    while (
        i < NSQ_DIRECTORY_MOST &&
        (directory.entries[i].address.host[0] != host ||
         (!directory.entries[i].listed_by && !directory.entries[i].is_in_use)))
        i++;
    return i;
}

/* The letters of all nsqd to connect to. */
static void assert_unused(const char *expected)
{
    char hosts[NSQ_DIRECTORY_MOST + 1] = "";
    size_t count = 0;

    for (size_t i = nsq_directory_next_unused(&directory, 0);
         i < NSQ_DIRECTORY_MOST;
         i = nsq_directory_next_unused(&directory, i + 1))
        hosts[count++] = directory.entries[i].address.host[0];
    ck_assert_str_eq(hosts, expected);
}

START_TEST(nsqd_of_all_sources_are_connected_to_once)
{
    ck_assert_uint_eq(answer(0, "ab"), 0);
    ck_assert_uint_eq(answer(1, "bcb"), 0);
    assert_unused("abc");
    directory.entries[index_of('b')].is_in_use = true;
    assert_unused("ac");
}
END_TEST

START_TEST(two_ports_of_a_host_are_two_nsqd)
{
    static const struct address addresses[] = {
        { .host = "a", .port = 4150 },
        { .host = "a", .port = 4152 },
    };

    ck_assert_uint_eq(nsq_directory_answer(&directory, 0, addresses, 2), 0);
    assert_unused("aa");
}
END_TEST

START_TEST(source_that_lists_a_nsqd_no_more_does_not_speak_for_the_others)
{
    answer(0, "ab");
    answer(63, "a");
    answer(0, "b");
    assert_unused("ab");
    answer(63, "");
    assert_unused("b");
}
END_TEST

START_TEST(unlisted_nsqd_keeps_its_connection_and_is_not_connected_to_again)
{
    size_t a;

    answer(0, "ab");
    a = index_of('a');
    directory.entries[a].is_in_use = true;
    answer(0, "b");
    ck_assert(!nsq_directory_is_listed(&directory, a));
    answer(0, "bc");
    ck_assert_uint_ne(index_of('c'), a);
    ck_assert_uint_eq(index_of('a'), a);
    directory.entries[a].is_in_use = false;
    assert_unused("bc");
    answer(0, "bcd");
    ck_assert_uint_eq(index_of('d'), a);
}
END_TEST

START_TEST(entry_keeps_its_place_over_answers)
{
    size_t b;

    answer(0, "abc");
    b = index_of('b');
    answer(0, "cb");
    answer(1, "xyb");
    answer(0, "");
    ck_assert_uint_eq(index_of('b'), b);
}
END_TEST

START_TEST(what_there_is_no_room_for_is_told)
{
    static struct address addresses[NSQ_DIRECTORY_MOST + 3];

    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        addresses[i].port = 1;
        snprintf(addresses[i].host, sizeof(addresses[i].host), "h%zu", i);
    }
    ck_assert_uint_eq(
        nsq_directory_answer(&directory, 0, addresses, ARRAY_LENGTH(addresses)),
        3);
    ck_assert_uint_eq(nsq_directory_answer(&directory, 0, addresses, 1), 0);
    assert_unused("h");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nsq_directory");
    TCase *answers = tcase_create("answers");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(answers, set_up, NULL);
    tcase_add_test(answers, nsqd_of_all_sources_are_connected_to_once);
    tcase_add_test(answers, two_ports_of_a_host_are_two_nsqd);
    tcase_add_test(
        answers,
        source_that_lists_a_nsqd_no_more_does_not_speak_for_the_others);
    tcase_add_test(
        answers,
        unlisted_nsqd_keeps_its_connection_and_is_not_connected_to_again);
    tcase_add_test(answers, entry_keeps_its_place_over_answers);
    tcase_add_test(answers, what_there_is_no_room_for_is_told);
    suite_add_tcase(suite, answers);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
