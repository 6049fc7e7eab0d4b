/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tools/supervisor/roster.h"

static const char text[] = "4711\nworkers 2\nqueues 4\n"
                           "child ingest 0 4713 98765432\n"
                           "child egress 1 4715 98765440\nend\n";

START_TEST(roster_comes_back_as_it_was_written)
{
    uint8_t written[256];
    struct bytes_writer writer = bytes_writer_on(written, sizeof(written));
    struct roster roster;

    ck_assert(roster_read(text, &roster));
    ck_assert_int_eq(roster.supervisor, 4711);
    ck_assert_uint_eq(roster.worker_count, 2);
    ck_assert_uint_eq(roster.queue_count, 4);
    ck_assert_uint_eq(roster.child_count, 2);
    ck_assert_int_eq(roster.children[0].role, CHILD_INGEST);
    ck_assert_int_eq(roster.children[1].role, CHILD_EGRESS);
    ck_assert_uint_eq(roster.children[1].worker, 1);
    ck_assert_int_eq(roster.children[1].pid, 4715);
    ck_assert_uint_eq(roster.children[1].start, 98765440);

    roster_write(&roster, &writer);
    ck_assert_uint_eq(writer.length, strlen(text));
    ck_assert_mem_eq(written, text, strlen(text));
}
END_TEST

START_TEST(roster_that_was_cut_anywhere_says_nothing)
{
    for (size_t length = 0; length + 1 < sizeof(text) - 1; length++) {
        char cut[sizeof(text)] = { 0 };
        struct roster roster;

        memcpy(cut, text, length);
        ck_assert_msg(!roster_read(cut, &roster), "%zu", length);
        ck_assert_uint_eq(roster.child_count, 0);
    }
}
END_TEST

START_TEST(rest_of_a_longer_roster_is_not_read)
{
    char both[2 * sizeof(text)];
    struct roster roster;

    (void)strcpy(both, text);
    (void)strcat(both, "child egress 0 99 1\nend\n");
    ck_assert(roster_read(both, &roster));
    ck_assert_uint_eq(roster.child_count, 2);
}
END_TEST

START_TEST(numbers_that_cannot_be_true_are_refused)
{
    static const char *const wrong[] = {
        "1\nworkers 0\nqueues 1\nend\n",
        "1\nworkers 65\nqueues 1\nend\n",
        "1\nworkers 1\nqueues 1\nchild egress 64 5 5\nend\n",
        "1\nworkers 1\nqueues 1\nchild egress 0 -5 5\nend\n",
        "1\nworkers 1\nqueues 1\nchild egress 0 1 5\nend\n",
        "1\nworkers 1\nqueues 1\nchild cook 0 5 5\nend\n",
        "1\nworkers 1\nqueues 1\nchild egress\nend\n",
        "end\n",
    };
    struct roster roster;

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        ck_assert_msg(!roster_read(wrong[i], &roster), "%s", wrong[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("roster");
    TCase *both = tcase_create("roster");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(both, roster_comes_back_as_it_was_written);
    tcase_add_test(both, roster_that_was_cut_anywhere_says_nothing);
    tcase_add_test(both, rest_of_a_longer_roster_is_not_read);
    tcase_add_test(both, numbers_that_cannot_be_true_are_refused);
    suite_add_tcase(suite, both);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
