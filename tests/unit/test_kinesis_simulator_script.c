/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/support/kinesis_simulator_refusal.h"
#include "tests/support/kinesis_simulator_script.h"
#include "tests/support/kinesis_simulator_shard.h"

static struct simulator_script script;
static struct random chance;

static void load(const char *text)
{
    simulator_script_clear(&script);
    random_seed(&chance, 7);
    ck_assert_msg(simulator_script_add(&script, bytes_of_text(text)) == 0, "%s",
                  script.complaint);
}

/* The name of the action that fires on a request, or "". */
static const char *ask(const char *operation, const uint32_t *shards,
                       size_t shard_count, int64_t *delay_ns)
{
    struct simulator_question question = { operation, shards, shard_count };
    const struct simulator_rule *rule =
        simulator_script_choose(&script, &question, &chance, delay_ns);

    return rule ? rule->action->name : "";
}

static const char *ask_put(void)
{
    int64_t delay_ns = 0;

    return ask("PutRecords", NULL, 0, &delay_ns);
}

START_TEST(rule_passes_over_some_and_fires_so_often)
{
    load("# three come through\n\n"
         "{\"on\":\"PutRecords\",\"action\":\"http_503\",\"after\":3,"
         "\"count\":2}\n");

    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(ask_put(), "");
    ck_assert_str_eq(ask_put(), "http_503");
    ck_assert_str_eq(ask_put(), "http_503");
    ck_assert_str_eq(ask_put(), "");
}
END_TEST

START_TEST(first_rule_that_fires_is_the_one)
{
    load("{\"on\":\"ListShards\",\"action\":\"garbage\"}\n"
         "{\"action\":\"access_denied\",\"count\":1}\n"
         "{\"on\":\"PutRecords\",\"action\":\"close_before\"}");

    ck_assert_str_eq(ask_put(), "access_denied");
    ck_assert_str_eq(ask_put(), "close_before");
}
END_TEST

START_TEST(delays_add_up_and_let_others_fire)
{
    int64_t delay_ns = 1;

    load("{\"action\":\"delay\",\"delay_ms\":20}\n"
         "{\"action\":\"delay\",\"delay_ms\":0.5}\n"
         "{\"action\":\"http_500_after\",\"delay_ms\":1}");

    ck_assert_str_eq(ask("PutRecords", NULL, 0, &delay_ns), "http_500_after");
    ck_assert_int_eq(delay_ns, 1 + 21500 * NS_PER_US);
}
END_TEST

START_TEST(shard_of_a_rule_must_be_in_the_request)
{
    static const uint32_t others[] = { 0, 2, 0 };
    static const uint32_t ours[] = { 0, 1 };
    int64_t delay_ns = 0;

    load("{\"action\":\"throttle_request\","
         "\"shard\":\"shardId-000000000001\"}");

    ck_assert_str_eq(ask("PutRecords", others, 3, &delay_ns), "");
    ck_assert_str_eq(ask("PutRecords", ours, 2, &delay_ns), "throttle_request");
}
END_TEST

START_TEST(rules_for_records_are_asked_for_records_only)
{
    int64_t delay_ns = 0;

    load("{\"on\":\"PutRecords\",\"action\":\"throttle\",\"after\":1,"
         "\"shard\":\"shardId-000000000004\"}");

    ck_assert_str_eq(ask_put(), "");
    ck_assert_ptr_null(simulator_script_choose_for_record(
        &script, "PutRecords", 3, &chance, &delay_ns));
    ck_assert_ptr_null(simulator_script_choose_for_record(
        &script, "PutRecord", 4, &chance, &delay_ns));
    ck_assert_ptr_null(simulator_script_choose_for_record(
        &script, "PutRecords", 4, &chance, &delay_ns)); /* passed over */
    ck_assert_ptr_nonnull(simulator_script_choose_for_record(
        &script, "PutRecords", 4, &chance, &delay_ns));
}
END_TEST

START_TEST(chance_is_about_right_and_repeats_with_its_seed)
{
    static const char text[] = "{\"action\":\"http_503\",\"probability\":0.25}";
    char first[1000];
    int fired = 0;

    load(text);
    for (int i = 0; i < 1000; i++) {
        first[i] = ask_put()[0];
        fired += first[i] != '\0';
    }
    load(text);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(ask_put()[0], first[i]);

    ck_assert_int_gt(fired, 200);
    ck_assert_int_lt(fired, 300);
}
END_TEST

START_TEST(wrong_line_is_named_and_adds_nothing)
{
    static const struct {
        const char *text;
        const char *complaint;
    } rows[] = {
        { "{\"action\":\"delay\"}\n{\"action\":\"dealy\"}",
          "line 2: no such action" },
        { "{}", "line 1: no such action" },
        { "nonsense", "line 1: no JSON object" },
        { "{\"action\":\"delay\",\"probability\":2}",
          "line 1: a number is out of its range" },
        { "{\"action\":\"delay\",\"after\":-1}",
          "line 1: a number is out of its range" },
        { "{\"action\":\"delay\",\"shard\":\"1\"}",
          "line 1: shard is no shard id" },
        { "{\"action\":\"delay\",\"delay\":1}",
          "line 1: a member is none of on, action, shard, after, count, "
          "probability, delay_ms, time_ms" },
        { "{\"action\":\"drip\",\"time_ms\":1e10}",
          "line 1: a number is out of its range" },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        load("{\"action\":\"throttle\"}");
        ck_assert_int_eq(
            simulator_script_add(&script, bytes_of_text(rows[i].text)),
            SIMULATOR_REFUSED);
        ck_assert_str_eq(script.complaint, rows[i].complaint);
        ck_assert_uint_eq(script.count, 1);
        ck_assert_uint_eq(script.record_rules, 1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kinesis_simulator_script");
    TCase *rules = tcase_create("rules");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(rules, rule_passes_over_some_and_fires_so_often);
    tcase_add_test(rules, first_rule_that_fires_is_the_one);
    tcase_add_test(rules, delays_add_up_and_let_others_fire);
    tcase_add_test(rules, shard_of_a_rule_must_be_in_the_request);
    tcase_add_test(rules, rules_for_records_are_asked_for_records_only);
    tcase_add_test(rules, chance_is_about_right_and_repeats_with_its_seed);
    tcase_add_test(rules, wrong_line_is_named_and_adds_nothing);
    suite_add_tcase(suite, rules);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
