/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "common/nsq_name.h"

static bool is_valid(const char *text)
{
    return nsq_name_is_valid(bytes_of_text(text));
}

START_TEST(letters_digits_dot_dash_and_underscore_make_a_name)
{
    ck_assert(is_valid("a"));
    ck_assert(is_valid("Orders.v2_eu-west"));
    ck_assert(is_valid("0"));
    ck_assert(is_valid("tail123456#ephemeral"));
}
END_TEST

START_TEST(other_bytes_do_not_make_a_name)
{
    ck_assert(!is_valid(""));
    ck_assert(!is_valid("#ephemeral"));
    ck_assert(!is_valid("a b"));
    ck_assert(!is_valid("a\n"));
    ck_assert(!is_valid("a/b"));
    ck_assert(!is_valid("caf\xc3\xa9"));
    ck_assert(!is_valid("a#ephemera"));
    ck_assert(!is_valid("a#ephemerals"));
    ck_assert(!is_valid("a#ephemeral#ephemeral"));
    ck_assert(!nsq_name_is_valid(bytes_of("a\0b", 3)));
}
END_TEST

START_TEST(name_has_at_most_64_bytes_with_its_suffix)
{
    char name[66];

    memset(name, 'n', sizeof(name));
    ck_assert(nsq_name_is_valid(bytes_of(name, 64)));
    ck_assert(!nsq_name_is_valid(bytes_of(name, 65)));
    memcpy(name + 54, "#ephemeral", 10);
    ck_assert(nsq_name_is_valid(bytes_of(name, 64)));
    memcpy(name + 55, "#ephemeral", 10);
    name[54] = 'n';
    ck_assert(!nsq_name_is_valid(bytes_of(name, 65)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nsq_name");
    TCase *rule = tcase_create("nsqd's rule");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(rule, letters_digits_dot_dash_and_underscore_make_a_name);
    tcase_add_test(rule, other_bytes_do_not_make_a_name);
    tcase_add_test(rule, name_has_at_most_64_bytes_with_its_suffix);
    suite_add_tcase(suite, rule);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
