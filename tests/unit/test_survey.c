/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "egress/survey.h"
#include "tests/support/kinesis_fixture.h"

static struct kinesis_fixture service;
static struct kinesis_session *session;
static struct survey survey;
static struct random chance;
static const char *secret;

static char *look_up(const char *name)
{
    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0)
        return (char *)"AKID";
    if (strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0)
        return (char *)secret;
    return NULL;
}

static void init(void)
{
    secret = "secret";
    session = NULL;
    random_seed(&chance, 1);
    kinesis_fixture_init(&service);
    kinesis_fixture_add_stream(&service, "orders", 4);
}

static void deinit(void)
{
    survey_deinit(&survey);
    kinesis_session_free(session);
    kinesis_fixture_deinit(&service);
}

static int survey_at(const char *url, const char *stream, const char *ca_file)
{
    const struct kinesis_session_settings settings = {
        .environment = look_up,
        .region = "us-east-1",
        .endpoint_url = url,
        .ca_file = ca_file,
        .slot_count = 1,
        .request_timeout_ns = 10 * NS_PER_SECOND,
    };
    const struct survey_settings wishes = {
        .stream = stream,
        .patience_ns = NS_PER_SECOND,
        .creating_patience_ns = 10 * NS_PER_SECOND,
    };

    ck_assert_int_eq(kinesis_session_new(&settings, &session), 0);
    return survey_take(session, &wishes, &chance, &survey);
}

static int survey_stream(const char *stream)
{
    kinesis_fixture_start(&service);
    return survey_at(service.http_url, stream, NULL);
}

static void check_complaint(const char *words)
{
    ck_assert_msg(strstr(survey.complaint, words) != NULL, "%s",
                  survey.complaint);
}

START_TEST(open_shards_of_the_stream_are_found)
{
    ck_assert_int_eq(survey_stream("orders"), 0);

    ck_assert_uint_eq(survey.map.count, 4);
    ck_assert_uint_eq(survey.summary.open_shard_count, 4);
    ck_assert_uint_eq(survey.summary.max_record_size, 1024 * 1024);
    ck_assert_str_eq(survey.map.rows[0].shard_id, "shardId-000000000000");
    ck_assert_ptr_nonnull(strstr(survey.summary.arn, ":stream/orders"));
}
END_TEST

START_TEST(shards_of_all_pages_are_found)
{
    kinesis_fixture_add_stream(&service, "wide", 2300);

    ck_assert_int_eq(survey_stream("wide"), 0);

    ck_assert_uint_eq(survey.map.count, 2300);
    ck_assert(hash_key_equal(survey.map.rows[2299].last, HASH_KEY_MOST));
}
END_TEST

START_TEST(what_passes_by_itself_is_tried_again)
{
    kinesis_fixture_add_script(
        &service,
        "{\"on\":\"DescribeStreamSummary\",\"action\":\"http_503\","
        "\"count\":1}\n"
        "{\"on\":\"ListShards\",\"action\":\"limit_exceeded\",\"count\":1}\n");

    ck_assert_int_eq(survey_stream("orders"), 0);

    ck_assert_uint_eq(survey.map.count, 4);
}
END_TEST

START_TEST(wrong_clock_is_corrected)
{
    service.simulator.settings.clock_offset_ns = 3600 * NS_PER_SECOND;

    ck_assert_int_eq(survey_stream("orders"), 0);
}
END_TEST

START_TEST(missing_stream_is_named_with_region_and_endpoint)
{
    ck_assert_int_eq(survey_stream("odrers"), SURVEY_NO_STREAM);

    check_complaint("odrers");
    check_complaint("us-east-1");
    check_complaint(service.http_url);
    ck_assert(!survey_can_heal(SURVEY_NO_STREAM));
}
END_TEST

START_TEST(denied_access_names_the_action)
{
    kinesis_fixture_add_script(
        &service, "{\"on\":\"ListShards\",\"action\":\"access_denied\"}");

    ck_assert_int_eq(survey_stream("orders"), SURVEY_ACCESS_DENIED);

    check_complaint("kinesis:ListShards on stream orders");
    check_complaint("environment");
    ck_assert(!survey_can_heal(SURVEY_ACCESS_DENIED));
}
END_TEST

START_TEST(wrong_secret_is_told_without_showing_it)
{
    secret = "OTHERSECRET";

    ck_assert_int_eq(survey_stream("orders"), SURVEY_CREDENTIALS_REFUSED);

    check_complaint("credentials of the environment");
    check_complaint("InvalidSignatureException");
    ck_assert_ptr_null(strstr(survey.complaint, secret));
    ck_assert(!survey_can_heal(SURVEY_CREDENTIALS_REFUSED));
}
END_TEST

START_TEST(certificate_of_a_stranger_is_not_trusted)
{
    kinesis_fixture_use_tls(&service);
    kinesis_fixture_start(&service);

    ck_assert_int_eq(survey_at(service.https_url, "orders", NULL),
                     SURVEY_UNTRUSTED);

    check_complaint("--ca-file");
    ck_assert(!survey_can_heal(SURVEY_UNTRUSTED));
}
END_TEST

START_TEST(certificate_of_the_own_authority_is_trusted)
{
    kinesis_fixture_use_tls(&service);
    kinesis_fixture_start(&service);

    ck_assert_int_eq(survey_at(service.https_url, "orders", service.ca_file),
                     0);
}
END_TEST

START_TEST(endpoint_without_a_server_may_heal)
{
    kinesis_fixture_start(&service);
    /* Nobody listens on port 1, which no ordinary program may take. */
    ck_assert_int_eq(survey_at("http://127.0.0.1:1", "orders", NULL),
                     SURVEY_UNREACHABLE);

    check_complaint("http://127.0.0.1:1/");
    ck_assert(survey_can_heal(SURVEY_UNREACHABLE));
}
END_TEST

START_TEST(service_that_goes_on_failing_ends_the_patience)
{
    kinesis_fixture_add_script(&service, "{\"action\":\"http_500_before\"}");

    ck_assert_int_eq(survey_stream("orders"), SURVEY_BUSY);

    check_complaint("status 500");
    ck_assert(survey_can_heal(SURVEY_BUSY));
}
END_TEST

START_TEST(silent_service_is_busy)
{
    kinesis_fixture_add_script(&service, "{\"action\":\"close_before\"}");

    ck_assert_int_eq(survey_stream("orders"), SURVEY_BUSY);

    check_complaint("no reply from");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("survey");
    TCase *looks = tcase_create("looks");
    TCase *complaints = tcase_create("complaints");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(looks, init, deinit);
    tcase_add_test(looks, open_shards_of_the_stream_are_found);
    tcase_add_test(looks, shards_of_all_pages_are_found);
    tcase_add_test(looks, what_passes_by_itself_is_tried_again);
    tcase_add_test(looks, wrong_clock_is_corrected);
    tcase_add_test(looks, certificate_of_the_own_authority_is_trusted);
    suite_add_tcase(suite, looks);
    tcase_add_checked_fixture(complaints, init, deinit);
    tcase_add_test(complaints,
                   missing_stream_is_named_with_region_and_endpoint);
    tcase_add_test(complaints, denied_access_names_the_action);
    tcase_add_test(complaints, wrong_secret_is_told_without_showing_it);
    tcase_add_test(complaints, certificate_of_a_stranger_is_not_trusted);
    tcase_add_test(complaints, endpoint_without_a_server_may_heal);
    tcase_add_test(complaints, service_that_goes_on_failing_ends_the_patience);
    tcase_add_test(complaints, silent_service_is_busy);
    suite_add_tcase(suite, complaints);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
