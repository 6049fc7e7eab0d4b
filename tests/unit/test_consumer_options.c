/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/consumer_options.h"

static struct options options;
static struct consumer_options consumer;
static char complaint[512];

static int parse(const char *option)
{
    options_init(&options);
    if (option)
        options.consumer_opt.values[options.consumer_opt.count++] = option;
    return consumer_options_parse(&options, &consumer, complaint,
                                  sizeof(complaint));
}

START_TEST(defaults_are_those_of_the_bridge)
{
    ck_assert_int_eq(parse(NULL), 0);
    ck_assert_uint_eq(consumer.max_in_flight, 2500);
    ck_assert_int_eq(consumer.msg_timeout_ns, 0);
    ck_assert_int_eq(consumer.heartbeat_interval_ns, 30 * NS_PER_SECOND);
    ck_assert_uint_eq(consumer.output_buffer_size, 65536);
    ck_assert_int_eq(consumer.output_buffer_timeout_ns, 25 * NS_PER_MS);
    ck_assert_int_eq(consumer.dial_timeout_ns, NS_PER_SECOND);
    ck_assert_int_eq(consumer.read_timeout_ns, 60 * NS_PER_SECOND);
    ck_assert_int_eq(consumer.write_timeout_ns, NS_PER_SECOND);
    ck_assert_int_eq(consumer.lookupd_poll_interval_ns, 60 * NS_PER_SECOND);
    ck_assert_uint_eq(consumer.lookupd_poll_jitter, 300000);
    ck_assert_int_eq(consumer.lookupd_poll_timeout_ns, 60 * NS_PER_SECOND);
    ck_assert_int_eq(consumer.max_backoff_duration_ns, 120 * NS_PER_SECOND);
    ck_assert_ptr_null(consumer.client_id);
    ck_assert_uint_eq(consumer.ignored_count, 0);
}
END_TEST

START_TEST(values_are_understood_with_dashes_and_underscores)
{
    ck_assert_int_eq(parse("heartbeat_interval,15s"), 0);
    ck_assert_int_eq(consumer.heartbeat_interval_ns, 15 * NS_PER_SECOND);
    ck_assert_int_eq(parse("heartbeat-interval,15000"), 0);
    ck_assert_int_eq(consumer.heartbeat_interval_ns, 15 * NS_PER_SECOND);
    ck_assert_int_eq(parse("max-in_flight,7"), 0);
    ck_assert_uint_eq(consumer.max_in_flight, 7);
    ck_assert_int_eq(parse("lookupd_poll_jitter,0.05"), 0);
    ck_assert_uint_eq(consumer.lookupd_poll_jitter, 50000);
    ck_assert_int_eq(parse("user_agent,a,b c"), 0);
    ck_assert_str_eq(consumer.user_agent, "a,b c");
    ck_assert_int_eq(parse("client_id"), 0);
    ck_assert_str_eq(consumer.client_id, "true");
}
END_TEST

START_TEST(wrong_value_is_a_sentence)
{
    ck_assert_int_eq(parse("heartbeat_interval,often"), OPTIONS_WRONG);
    ck_assert_str_eq(complaint, "--consumer-opt heartbeat_interval: \"often\" "
                                "is not a duration; try 250ms");
    ck_assert_int_eq(parse("max_in_flight,-1"), OPTIONS_WRONG);
    ck_assert_int_eq(parse("max_in_flight"), OPTIONS_WRONG);
    ck_assert_int_eq(parse("lookupd_poll_jitter,2"), OPTIONS_RANGE);
    ck_assert_ptr_nonnull(strstr(complaint, "it can be 0 to 1"));
    ck_assert_int_eq(parse("output_buffer_size,1"), OPTIONS_RANGE);
    ck_assert_ptr_nonnull(strstr(complaint, "it can be 64 to 65536"));
    ck_assert_int_eq(parse("hostname,"), OPTIONS_WRONG);
    ck_assert_int_eq(parse("hostname,\xff"), OPTIONS_WRONG);
}
END_TEST

START_TEST(unknown_key_is_refused)
{
    ck_assert_int_eq(parse("max_in_fligh,7"), OPTIONS_WRONG);
    ck_assert_int_eq(parse("max_in_flight_,7"), OPTIONS_WRONG);
    ck_assert_int_eq(parse(""), OPTIONS_WRONG);
    ck_assert_int_eq(parse(",7"), OPTIONS_WRONG);
    ck_assert_int_eq(parse("max_in_flight=7"), OPTIONS_WRONG);
    ck_assert_ptr_nonnull(strstr(complaint, "written key,value"));
}
END_TEST

START_TEST(key_without_effect_is_noted_with_its_reason)
{
    ck_assert_int_eq(parse("max-attempts,5"), 0);
    ck_assert_uint_eq(consumer.ignored_count, 1);
    ck_assert_str_eq(consumer.ignored[0], "max-attempts,5");
    ck_assert_ptr_nonnull(
        strstr(consumer_options_reason(consumer.ignored[0]), "never given up"));
}
END_TEST

START_TEST(unsupported_key_is_an_error_unless_it_is_off)
{
    ck_assert_int_eq(parse("tls_v1,true"), OPTIONS_WRONG);
    ck_assert_str_eq(complaint, "--consumer-opt tls_v1 is not supported yet");
    ck_assert_int_eq(parse("snappy"), OPTIONS_WRONG);
    ck_assert_int_eq(parse("snappy,false"), 0);
    ck_assert_int_eq(parse("max_msg_size,0"), 0);
    ck_assert_int_eq(parse("sample_rate,10"), OPTIONS_WRONG);
    ck_assert_ptr_nonnull(strstr(complaint, "discard messages"));
    ck_assert_int_eq(parse("auth_secret,swordfish"), OPTIONS_WRONG);
    ck_assert_ptr_null(strstr(complaint, "swordfish"));
}
END_TEST

START_TEST(heartbeat_must_fit_into_the_read_timeout)
{
    ck_assert_int_eq(parse("read_timeout,20s"), OPTIONS_RANGE);
    ck_assert_ptr_nonnull(strstr(complaint, "longer than read_timeout"));
    ck_assert_int_eq(parse("read_timeout,30s"), 0);
}
END_TEST

START_TEST(sixty_four_ignored_keys_have_room)
{
    options_init(&options);
    for (int i = 0; i < 64; i++)
        options.consumer_opt.values[options.consumer_opt.count++] =
            "max_attempts,1";

    ck_assert_int_eq(consumer_options_parse(&options, &consumer, complaint,
                                            sizeof(complaint)),
                     0);
    ck_assert_uint_eq(consumer.ignored_count, 64);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("consumer_options");
    TCase *keys = tcase_create("keys");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(keys, defaults_are_those_of_the_bridge);
    tcase_add_test(keys, values_are_understood_with_dashes_and_underscores);
    tcase_add_test(keys, wrong_value_is_a_sentence);
    tcase_add_test(keys, unknown_key_is_refused);
    tcase_add_test(keys, key_without_effect_is_noted_with_its_reason);
    tcase_add_test(keys, unsupported_key_is_an_error_unless_it_is_off);
    tcase_add_test(keys, heartbeat_must_fit_into_the_read_timeout);
    tcase_add_test(keys, sixty_four_ignored_keys_have_room);
    suite_add_tcase(suite, keys);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
