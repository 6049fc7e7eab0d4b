/* SPDX-License-Identifier: Apache-2.0 */

/* The simulator verifies every signature with code of its own. */

#include <check.h>
#include <stdlib.h>

#include "common/error.h"
#include "egress/kinesis_session.h"
#include "tests/support/kinesis_fixture.h"

static struct kinesis_fixture service;
static struct kinesis_session *session;
static const char *secret;
static const char *token;

static char *look_up(const char *name)
{
    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0)
        return (char *)"AKID";
    if (strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0)
        return (char *)secret;
    if (strcmp(name, "AWS_SESSION_TOKEN") == 0)
        return (char *)token;
    return NULL;
}

static void init(void)
{
    secret = "secret";
    token = NULL;
    session = NULL;
    kinesis_fixture_init(&service);
    kinesis_fixture_add_stream(&service, "s", 2);
}

static void deinit(void)
{
    kinesis_session_free(session);
    kinesis_fixture_deinit(&service);
}

static int make_session(const char *region, const char *url)
{
    const struct kinesis_session_settings settings = {
        .environment = look_up,
        .region = region,
        .endpoint_url = url,
        .ca_file = service.ca_file,
        .slot_count = 2,
        .request_timeout_ns = 10 * NS_PER_SECOND,
    };

    return kinesis_session_new(&settings, &session);
}

static void start(void)
{
    kinesis_fixture_start(&service);
    ck_assert_int_eq(make_session("us-east-1", service.http_url), 0);
}

static struct http_reply ask(unsigned slot, const char *body,
                             const uint8_t *body_hash)
{
    const struct kinesis_request request = {
        .target = "Kinesis_20131202.DescribeStreamSummary",
        .content_type = "application/x-amz-json-1.1",
        .body = bytes_of_text(body),
        .body_hash = body_hash,
    };
    struct http_client *client = kinesis_session_client(session);
    struct http_reply reply;

    ck_assert_int_eq(
        kinesis_session_send(session, slot, &request, clock_wall_time()), 0);
    while (!kinesis_session_next(session, clock_wall_time(), &reply)) {
        ck_assert_int_ge(http_client_turn(client), 0);
        ck_assert_int_ge(http_client_wait(client, NULL, 0, 100), 0);
    }
    return reply;
}

static const char question[] = "{\"StreamName\":\"s\"}";

START_TEST(signed_request_is_accepted_in_every_slot)
{
    start();

    ck_assert_int_eq(ask(0, question, NULL).status, 200);
    ck_assert_int_eq(ask(1, question, NULL).status, 200);
    ck_assert_int_eq(kinesis_session_clock_offset_ns(session), 0);
}
END_TEST

START_TEST(session_token_is_signed_and_sent)
{
    token = "TOKEN/with+signs==";
    service.simulator.verifier.session_token = token;
    start();

    ck_assert_int_eq(ask(0, question, NULL).status, 200);
}
END_TEST

START_TEST(request_over_tls_is_accepted_by_its_own_authority)
{
    kinesis_fixture_use_tls(&service);
    kinesis_fixture_start(&service);
    ck_assert_int_eq(make_session("us-east-1", service.https_url), 0);

    ck_assert_int_eq(ask(0, question, NULL).status, 200);
}
END_TEST

START_TEST(hash_of_the_caller_is_signed)
{
    /* SHA-256 of "", which this body is not. */
    static const uint8_t wrong[] = { 0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c,
                                     0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f,
                                     0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64,
                                     0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b,
                                     0x78, 0x52, 0xb8, 0x55 };

    start();

    ck_assert_int_eq(ask(0, question, wrong).status, 400);
}
END_TEST

START_TEST(clock_of_the_service_is_learned_from_its_first_reply)
{
    const int64_t hour_ns = 3600 * NS_PER_SECOND;

    service.simulator.settings.clock_offset_ns = -hour_ns;
    start();

    ck_assert_int_eq(ask(0, question, NULL).status, 400);
    ck_assert_int_le(llabs(kinesis_session_clock_offset_ns(session) + hour_ns),
                     5 * NS_PER_SECOND);
    ck_assert_int_eq(ask(0, question, NULL).status, 200);
}
END_TEST

START_TEST(rotated_secret_is_used_after_a_reload)
{
    secret = "old";
    start();
    ck_assert_int_eq(ask(0, question, NULL).status, 400);

    secret = "secret";
    ck_assert_int_eq(ask(0, question, NULL).status, 400);
    ck_assert_int_eq(kinesis_session_reload(session), 0);

    ck_assert_int_eq(ask(0, question, NULL).status, 200);
}
END_TEST

START_TEST(reload_that_finds_nothing_keeps_the_old_keys)
{
    start();

    secret = NULL;
    ck_assert_int_eq(kinesis_session_reload(session),
                     KINESIS_SESSION_CONFIGURATION);

    ck_assert_ptr_nonnull(
        strstr(kinesis_session_complaint(session), "no secret access key"));
    ck_assert_int_eq(ask(0, question, NULL).status, 200);
}
END_TEST

START_TEST(mistakes_of_the_configuration_are_explained)
{
    ck_assert_int_eq(make_session(NULL, NULL), KINESIS_SESSION_CONFIGURATION);
    ck_assert_ptr_nonnull(
        strstr(kinesis_session_complaint(session), "no AWS region"));
    kinesis_session_free(session);

    ck_assert_int_eq(make_session("us-east-1", "http://example.com"),
                     KINESIS_SESSION_CONFIGURATION);
    ck_assert_ptr_nonnull(
        strstr(kinesis_session_complaint(session), "loopback"));
}
END_TEST

START_TEST(ca_file_that_is_absent_is_named_at_once)
{
    const struct kinesis_session_settings settings = {
        .environment = look_up,
        .region = "us-east-1",
        .endpoint_url = "https://127.0.0.1:1",
        .ca_file = "/no/such/file.pem",
        .slot_count = 1,
        .request_timeout_ns = NS_PER_SECOND,
    };

    ck_assert_int_eq(kinesis_session_new(&settings, &session),
                     KINESIS_SESSION_CONFIGURATION);
    ck_assert_ptr_nonnull(
        strstr(kinesis_session_complaint(session), "/no/such/file.pem"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kinesis_session");
    TCase *requests = tcase_create("requests");
    TCase *settings = tcase_create("settings");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(requests, init, deinit);
    tcase_add_test(requests, signed_request_is_accepted_in_every_slot);
    tcase_add_test(requests, session_token_is_signed_and_sent);
    tcase_add_test(requests, request_over_tls_is_accepted_by_its_own_authority);
    tcase_add_test(requests, hash_of_the_caller_is_signed);
    tcase_add_test(requests,
                   clock_of_the_service_is_learned_from_its_first_reply);
    suite_add_tcase(suite, requests);
    tcase_add_checked_fixture(settings, init, deinit);
    tcase_add_test(settings, rotated_secret_is_used_after_a_reload);
    tcase_add_test(settings, reload_that_finds_nothing_keeps_the_old_keys);
    tcase_add_test(settings, mistakes_of_the_configuration_are_explained);
    tcase_add_test(settings, ca_file_that_is_absent_is_named_at_once);
    suite_add_tcase(suite, settings);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
