/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "shard/segment_name.h"

/* --name has 64 characters at most. */
#define LONGEST_BRIDGE                                                         \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

START_TEST(names_are_those_of_the_header)
{
    ck_assert_str_eq(segment_name_of("b", "layout").text,
                     "/nsq_to_kinesis.b.layout");
    ck_assert_str_eq(segment_name_of_counters("b", "egress-12").text,
                     "/nsq_to_kinesis.b.counters.egress-12");
    ck_assert_str_eq(segment_name_of_queue("b", 7, 12).text,
                     "/nsq_to_kinesis.b.g7.q12");
}
END_TEST

START_TEST(longest_names_are_whole_and_legal_for_the_kernel)
{
    struct segment_name queue =
        segment_name_of_queue(LONGEST_BRIDGE, UINT32_MAX, UINT32_MAX);
    struct segment_name counters =
        segment_name_of_counters(LONGEST_BRIDGE, "egress-63");

    ck_assert_str_eq(queue.text, "/nsq_to_kinesis." LONGEST_BRIDGE
                                 ".g4294967295.q4294967295");
    ck_assert_str_eq(counters.text,
                     "/nsq_to_kinesis." LONGEST_BRIDGE ".counters.egress-63");
    ck_assert_uint_le(strlen(queue.text), NAME_MAX);
    ck_assert_ptr_null(strchr(queue.text + 1, '/'));
}
END_TEST

START_TEST(generations_and_queues_do_not_meet_in_one_name)
{
    struct segment_name a = segment_name_of_queue("b", 1, 11);
    struct segment_name b = segment_name_of_queue("b", 11, 1);

    ck_assert_str_ne(a.text, b.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("segment_name");
    TCase *names = tcase_create("names");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(names, names_are_those_of_the_header);
    tcase_add_test(names, longest_names_are_whole_and_legal_for_the_kernel);
    tcase_add_test(names, generations_and_queues_do_not_meet_in_one_name);
    suite_add_tcase(suite, names);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
