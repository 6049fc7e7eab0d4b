/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "egress/sigv4.h"

static struct sigv4 *signer;

static void setup(void)
{
    ck_assert_int_eq(sigv4_new(&signer), 0);
}

static void teardown(void)
{
    sigv4_free(signer);
}

/* Of AWS's "Signature Version 4 test suite". */
static const struct sigv4_credentials suite_credentials = {
    .access_key_id = "AKIDEXAMPLE",
    .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};

static const struct sigv4_request suite_request = {
    .method = "POST",
    .region = "us-east-1",
    .service = "service",
    .host = "example.amazonaws.com",
    .time = { .ns = 1440938160 * NS_PER_SECOND }, /* 2015-08-30 12:36:00 */
};

static void assert_signature(const struct sigv4_credentials *credentials,
                             struct sigv4_request request, const char *body,
                             const char *signature)
{
    struct sigv4_headers headers;

    ck_assert_int_eq(sigv4_hash(signer, bytes_of_text(body), request.body_hash),
                     0);
    ck_assert_int_eq(sigv4_sign(signer, credentials, &request, &headers), 0);
    ck_assert_str_eq(strstr(headers.authorization, "Signature=") + 10,
                     signature);
}

START_TEST(published_get_vanilla_is_signed_as_published)
{
    struct sigv4_request request = suite_request;
    struct sigv4_headers headers;

    request.method = "GET";
    ck_assert_int_eq(sigv4_hash(signer, bytes_of(NULL, 0), request.body_hash),
                     0);
    ck_assert_int_eq(sigv4_sign(signer, &suite_credentials, &request, &headers),
                     0);

    ck_assert_str_eq(headers.date, "20150830T123600Z");
    ck_assert_str_eq(
        headers.authorization,
        "AWS4-HMAC-SHA256 "
        "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature="
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}
END_TEST

START_TEST(published_post_vanilla_is_signed_as_published)
{
    assert_signature(
        &suite_credentials, suite_request, "",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}
END_TEST

START_TEST(published_post_with_a_body_is_signed_as_published)
{
    struct sigv4_request request = suite_request;

    request.content_type = "application/x-www-form-urlencoded";
    assert_signature(
        &suite_credentials, request, "Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}
END_TEST

START_TEST(published_post_with_a_session_token_is_signed_as_published)
{
    struct sigv4_credentials credentials = suite_credentials;

    credentials.session_token =
        "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWs"
        "KWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGde"
        "ehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8T"
        "x6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FD"
        "rypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
    assert_signature(
        &credentials, suite_request, "",
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead");
}
END_TEST

static const char kinesis_body[] =
    "{\"StreamName\":\"orders\",\"Records\":[{\"Data\":\"aGk=\","
    "\"PartitionKey\":\"k\"}]}";

static const struct sigv4_request kinesis_request = {
    .method = "POST",
    .region = "eu-west-1",
    .service = "kinesis",
    .host = "kinesis.eu-west-1.amazonaws.com",
    .content_type = "application/x-amz-json-1.1",
    .target = "Kinesis_20131202.PutRecords",
    .time = { .ns = 1772323199 * NS_PER_SECOND }, /* 2026-02-28 23:59:59 */
};

/* Expected here: what botocore 1.43.11 signs. */
START_TEST(put_records_is_signed_as_botocore_signs_it)
{
    struct sigv4_credentials credentials = suite_credentials;
    struct sigv4_request request = kinesis_request;

    assert_signature(
        &credentials, request, kinesis_body,
        "75995f23d8ce2bbb0eaea8a7aee52a08db8ab6f7d0042f4ac0494bca2ee0d04c");

    credentials.session_token = "token+/=";
    request.host = "localhost:4567";
    request.time.ns = 1709164800 * NS_PER_SECOND; /* 2024-02-29 00:00:00 */
    assert_signature(
        &credentials, request, kinesis_body,
        "d0cb083299f79185a0f274e3cfcc6456e74d855a6731d2cba08718d622d69084");
}
END_TEST

START_TEST(names_of_all_signed_headers_are_listed_in_order)
{
    struct sigv4_credentials credentials = suite_credentials;
    struct sigv4_headers headers;

    credentials.session_token = "token";
    ck_assert_int_eq(
        sigv4_sign(signer, &credentials, &kinesis_request, &headers), 0);

    ck_assert_ptr_nonnull(strstr(headers.authorization,
                                 "SignedHeaders=content-type;host;x-amz-date;"
                                 "x-amz-security-token;x-amz-target, "));
}
END_TEST

START_TEST(empty_token_is_no_token)
{
    struct sigv4_credentials credentials = suite_credentials;

    credentials.session_token = "";
    assert_signature(
        &credentials, kinesis_request, kinesis_body,
        "75995f23d8ce2bbb0eaea8a7aee52a08db8ab6f7d0042f4ac0494bca2ee0d04c");
}
END_TEST

static void sign_with_fresh_signer(const struct sigv4_credentials *credentials,
                                   const struct sigv4_request *request,
                                   struct sigv4_headers *headers)
{
    struct sigv4 *fresh;

    ck_assert_int_eq(sigv4_new(&fresh), 0);
    ck_assert_int_eq(sigv4_sign(fresh, credentials, request, headers), 0);
    sigv4_free(fresh);
}

START_TEST(kept_key_is_never_used_for_another_day_secret_region_or_service)
{
    struct sigv4_credentials credentials[] = { suite_credentials,
                                               suite_credentials };
    struct sigv4_request requests[5];

    credentials[1].secret_access_key = "another";
    for (size_t i = 0; i < ARRAY_LENGTH(requests); i++)
        requests[i] = kinesis_request;
    requests[1].time.ns += NS_PER_SECOND; /* the next day */
    requests[2].region = "eu-west-11";
    requests[3].service = "kinesi";
    requests[4].region = "eu-west-1s";

    for (size_t round = 0; round < 50; round++) {
        const struct sigv4_credentials *with = &credentials[round % 2];
        const struct sigv4_request *request = &requests[round * 3 % 5];
        struct sigv4_headers kept;
        struct sigv4_headers fresh;

        ck_assert_int_eq(sigv4_sign(signer, with, request, &kept), 0);
        ck_assert_int_eq(sigv4_sign(signer, with, request, &kept), 0);
        sign_with_fresh_signer(with, request, &fresh);
        ck_assert_str_eq(kept.authorization, fresh.authorization);
        ck_assert_str_eq(kept.date, fresh.date);
    }
}
END_TEST

START_TEST(dates_agree_with_the_calendar)
{
    /* Steps of some 10 days, a prime number of seconds, 1970 to 2200. */
    for (int64_t seconds = 0; seconds < 7258118400; seconds += 863939) {
        struct sigv4_request request = kinesis_request;
        time_t time = seconds;
        struct tm parts;
        struct sigv4_headers headers;
        char expected[32];

        request.time.ns = seconds * NS_PER_SECOND + 999999999;
        ck_assert_int_eq(
            sigv4_sign(signer, &suite_credentials, &request, &headers), 0);
        (void)strftime(expected, sizeof(expected), "%Y%m%dT%H%M%SZ",
                       gmtime_r(&time, &parts));
        ck_assert_str_eq(headers.date, expected);
    }
}
END_TEST

START_TEST(first_and_last_days_of_leap_years_are_right)
{
    static const struct {
        int64_t seconds;
        const char *date;
    } days[] = {
        { 0, "19700101T000000Z" },          { 951782399, "20000228T235959Z" },
        { 951782400, "20000229T000000Z" },  { 951868800, "20000301T000000Z" },
        { 978307199, "20001231T235959Z" },  { 4107542399, "21000228T235959Z" },
        { 4107542400, "21000301T000000Z" },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(days); i++) {
        struct sigv4_request request = kinesis_request;
        struct sigv4_headers headers;

        request.time.ns = days[i].seconds * NS_PER_SECOND;
        ck_assert_int_eq(
            sigv4_sign(signer, &suite_credentials, &request, &headers), 0);
        ck_assert_str_eq(headers.date, days[i].date);
    }
}
END_TEST

static void assert_unusable(struct sigv4_credentials credentials,
                            struct sigv4_request request)
{
    struct sigv4_headers headers = { .date = "kept" };

    ck_assert_int_eq(sigv4_sign(signer, &credentials, &request, &headers),
                     SIGV4_UNUSABLE);
    ck_assert_str_eq(headers.date, "kept");
}

START_TEST(texts_that_would_break_a_header_are_refused)
{
    static const char *const broken[] = {
        "a\r\nb", "a\n", "\x01", " a", "a ", "a  b", "\xc3\xa9", "",
    };
    struct sigv4_credentials credentials;
    struct sigv4_request request;

    for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
        credentials = suite_credentials;
        credentials.access_key_id = broken[i];
        assert_unusable(credentials, kinesis_request);
        credentials = suite_credentials;
        credentials.secret_access_key = broken[i];
        assert_unusable(credentials, kinesis_request);
        request = kinesis_request;
        request.host = broken[i];
        assert_unusable(suite_credentials, request);
        request = kinesis_request;
        request.region = broken[i];
        assert_unusable(suite_credentials, request);
        request = kinesis_request;
        request.target = broken[i];
        assert_unusable(suite_credentials, request);
        if (broken[i][0] == '\0')
            continue;
        credentials = suite_credentials;
        credentials.session_token = broken[i];
        assert_unusable(credentials, kinesis_request);
    }
}
END_TEST

START_TEST(missing_and_endless_texts_are_refused)
{
    char endless[1024];
    struct sigv4_credentials credentials = suite_credentials;
    struct sigv4_request request = kinesis_request;

    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';

    credentials.access_key_id = NULL;
    assert_unusable(credentials, request);
    credentials.access_key_id = endless;
    assert_unusable(credentials, request);
    credentials.access_key_id = "with/slash";
    assert_unusable(credentials, request);
    credentials = suite_credentials;
    credentials.secret_access_key = NULL;
    assert_unusable(credentials, request);
    credentials.secret_access_key = endless;
    assert_unusable(credentials, request);
    request.region = endless;
    assert_unusable(suite_credentials, request);
    request = kinesis_request;
    request.host = NULL;
    assert_unusable(suite_credentials, request);
    request = kinesis_request;
    request.time.ns = -1;
    assert_unusable(suite_credentials, request);
}
END_TEST

START_TEST(longest_texts_fit)
{
    char access_key_id[129];
    char region[65];
    char token[16384];
    struct sigv4_credentials credentials = suite_credentials;
    struct sigv4_request request = kinesis_request;
    struct sigv4_headers headers;

    memset(access_key_id, 'A', sizeof(access_key_id));
    access_key_id[128] = '\0';
    memset(region, 'r', sizeof(region));
    region[64] = '\0';
    memset(token, 't', sizeof(token));
    token[sizeof(token) - 1] = '\0';
    credentials.access_key_id = access_key_id;
    credentials.session_token = token;
    request.region = region;
    request.service = region;

    ck_assert_int_eq(sigv4_sign(signer, &credentials, &request, &headers), 0);
    ck_assert_uint_eq(strlen(strstr(headers.authorization, "Signature=") + 10),
                      64);
}
END_TEST

START_TEST(signer_that_was_never_made_is_freed)
{
    sigv4_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sigv4");
    TCase *vectors = tcase_create("vectors");
    TCase *signing = tcase_create("signing");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(vectors, setup, teardown);
    tcase_add_test(vectors, published_get_vanilla_is_signed_as_published);
    tcase_add_test(vectors, published_post_vanilla_is_signed_as_published);
    tcase_add_test(vectors, published_post_with_a_body_is_signed_as_published);
    tcase_add_test(vectors,
                   published_post_with_a_session_token_is_signed_as_published);
    tcase_add_test(vectors, put_records_is_signed_as_botocore_signs_it);
    tcase_add_checked_fixture(signing, setup, teardown);
    tcase_add_test(signing, names_of_all_signed_headers_are_listed_in_order);
    tcase_add_test(signing, empty_token_is_no_token);
    tcase_add_test(
        signing,
        kept_key_is_never_used_for_another_day_secret_region_or_service);
    tcase_add_test(signing, dates_agree_with_the_calendar);
    tcase_add_test(signing, first_and_last_days_of_leap_years_are_right);
    tcase_add_test(signing, texts_that_would_break_a_header_are_refused);
    tcase_add_test(signing, missing_and_endless_texts_are_refused);
    tcase_add_test(signing, longest_texts_fit);
    tcase_add_test(signing, signer_that_was_never_made_is_freed);
    suite_add_tcase(suite, vectors);
    suite_add_tcase(suite, signing);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
