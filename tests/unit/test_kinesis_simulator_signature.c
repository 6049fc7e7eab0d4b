/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/sha.h>

#include "tests/support/kinesis_simulator_signature.h"

/* 2015-08-30 12:36:00 UTC, the time of the published examples. */
#define EXAMPLE_TIME ((struct wall_time){ INT64_C(1440938160) * NS_PER_SECOND })

/*
 * The keys of AWS's published Signature Version 4 examples.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-test-suite.html
 */
static struct simulator_verifier verifier_for(const char *service)
{
    return (struct simulator_verifier){
        .access_key = "AKIDEXAMPLE",
        .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        .region = "us-east-1",
        .service = service,
    };
}

static int check_at(struct simulator_verifier *verifier, const char *text,
                    struct wall_time now, struct simulator_refusal *refusal)
{
    struct simulator_http_request request;
    uint8_t digest[32];

    refusal->code = "";
    ck_assert_int_eq(simulator_http_parse(bytes_of_text(text), &request), 0);
    SHA256((const uint8_t *)text + request.head_length,
           strlen(text) - request.head_length, digest);
    return simulator_signature_check(verifier, &request, digest, now, refusal);
}

#define AUTHORIZATION(service, headers, signature)                             \
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/"         \
    "us-east-1/" service "/aws4_request, SignedHeaders=" headers               \
    ", Signature=" signature "\r\n"

#define VANILLA(signature)                                                     \
    "GET / HTTP/1.1\r\nHost:example.amazonaws.com\r\n"                         \
    "X-Amz-Date:20150830T123600Z\r\n" AUTHORIZATION(                           \
        "service", "host;x-amz-date", signature) "\r\n"

#define VANILLA_SIGNATURE                                                      \
    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"

START_TEST(published_examples_are_accepted)
{
    struct simulator_verifier verifier = verifier_for("service");
    struct simulator_verifier iam = verifier_for("iam");
    struct simulator_refusal refusal;

    ck_assert_int_eq(
        check_at(&verifier, VANILLA(VANILLA_SIGNATURE), EXAMPLE_TIME, &refusal),
        0);
    ck_assert_int_eq(
        check_at(&verifier,
                 "POST / HTTP/1.1\r\nHost:example.amazonaws.com\r\n"
                 "X-Amz-Date:20150830T123600Z\r\n" AUTHORIZATION(
                     "service", "host;x-amz-date",
                     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92e"
                     "fbe5d6b") "\r\n",
                 EXAMPLE_TIME, &refusal),
        0);
    ck_assert_int_eq(
        check_at(&verifier,
                 "GET /?Param2=value2&Param1=value1 HTTP/1.1\r\n"
                 "Host:example.amazonaws.com\r\n"
                 "X-Amz-Date:20150830T123600Z\r\n" AUTHORIZATION(
                     "service", "host;x-amz-date",
                     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94"
                     "cdf2500") "\r\n",
                 EXAMPLE_TIME, &refusal),
        0);
    ck_assert_int_eq(
        check_at(&iam,
                 "GET /?Action=ListUsers&Version=2010-05-08 HTTP/1.1\r\n"
                 "Host: iam.amazonaws.com\r\n"
                 "Content-Type: application/x-www-form-urlencoded; "
                 "charset=utf-8\r\n"
                 "X-Amz-Date: 20150830T123600Z\r\n" AUTHORIZATION(
                     "iam", "content-type;host;x-amz-date",
                     "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a"
                     "6f2b5d7") "\r\n",
                 EXAMPLE_TIME, &refusal),
        0);
}
END_TEST

START_TEST(any_altered_byte_is_refused_with_the_canonical_request)
{
    struct simulator_verifier verifier = verifier_for("service");
    struct simulator_refusal refusal;
    char text[1024];

    ck_assert_int_eq(check_at(&verifier, VANILLA(VANILLA_SIGNATURE) "body",
                              EXAMPLE_TIME, &refusal),
                     SIMULATOR_REFUSED);
    ck_assert_str_eq(refusal.code, "InvalidSignatureException");
    ck_assert_ptr_nonnull(strstr(refusal.message,
                                 "host:example.amazonaws.com\n"
                                 "x-amz-date:20150830T123600Z\n"));

    snprintf(text, sizeof(text), "%s", VANILLA(VANILLA_SIGNATURE));
    *strstr(text, "example") = 'E';
    ck_assert_int_eq(check_at(&verifier, text, EXAMPLE_TIME, &refusal),
                     SIMULATOR_REFUSED);
    ck_assert_str_eq(refusal.code, "InvalidSignatureException");
}
END_TEST

START_TEST(wrong_secret_is_refused_and_the_next_good_one_is_not)
{
    struct simulator_verifier verifier = verifier_for("service");
    struct simulator_verifier wrong = verifier;
    struct simulator_refusal refusal;

    wrong.secret_key = "wrong";
    ck_assert_int_eq(
        check_at(&wrong, VANILLA(VANILLA_SIGNATURE), EXAMPLE_TIME, &refusal),
        SIMULATOR_REFUSED);
    ck_assert_str_eq(refusal.code, "InvalidSignatureException");
    for (int i = 0; i < 2; i++) /* derived, then from the cache */
        ck_assert_int_eq(check_at(&verifier, VANILLA(VANILLA_SIGNATURE),
                                  EXAMPLE_TIME, &refusal),
                         0);
}
END_TEST

START_TEST(clocks_may_differ_by_five_minutes_and_no_more)
{
    struct simulator_verifier verifier = verifier_for("service");
    struct simulator_refusal refusal;
    static const struct {
        int seconds;
        const char *words; /* NULL: accepted */
    } rows[] = {
        { -301, "Signature not yet current: 20150830T123600Z is still later "
                "than 20150830T123559Z (20150830T123059Z + 5 min.)" },
        { -300, NULL },
        { 300, NULL },
        { 301, "Signature expired: 20150830T123600Z is now earlier than "
               "20150830T123601Z (20150830T124101Z - 5 min.)" },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct wall_time now = { EXAMPLE_TIME.ns +
                                 rows[i].seconds * NS_PER_SECOND };
        int condition =
            check_at(&verifier, VANILLA(VANILLA_SIGNATURE), now, &refusal);

        ck_assert_int_eq(condition, rows[i].words ? SIMULATOR_REFUSED : 0);
        if (rows[i].words)
            ck_assert_str_eq(refusal.message, rows[i].words);
    }
}
END_TEST

/* A request that is wrong in one way, and the error code it gets. */
static const struct {
    const char *text;
    const char *code;
} wrong_rows[] = {
    { "GET / HTTP/1.1\r\nHost:a\r\n\r\n",
      "MissingAuthenticationTokenException" },
    { "GET / HTTP/1.1\r\nHost:a\r\nAuthorization: Basic eDp5\r\n\r\n",
      "IncompleteSignatureException" },
    { "GET / HTTP/1.1\r\nHost:a\r\nAuthorization: AWS4-HMAC-SHA256 "
      "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
      "SignedHeaders=host\r\n\r\n",
      "IncompleteSignatureException" },
    /* no X-Amz-Date */
    { "GET / HTTP/1.1\r\nHost:a\r\n" AUTHORIZATION("service", "host",
                                                   "00") "\r\n",
      "IncompleteSignatureException" },
    /* four parts in the credential */
    { "GET / HTTP/1.1\r\nHost:a\r\nX-Amz-Date:20150830T123600Z\r\n"
      "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/"
      "us-east-1/service, SignedHeaders=host, Signature=00\r\n\r\n",
      "IncompleteSignatureException" },
    /* a signed header that was not sent */
    { "GET / "
      "HTTP/1.1\r\nHost:a\r\nX-Amz-Date:20150830T123600Z\r\n" AUTHORIZATION(
          "service", "expect;host;x-amz-date", "00") "\r\n",
      "IncompleteSignatureException" },
    { "GET / "
      "HTTP/1.1\r\nHost:a\r\nX-Amz-Date:20150830T123600Z\r\n" AUTHORIZATION(
          "service", "host", "00") "\r\n",
      "InvalidSignatureException" },
    { "GET / "
      "HTTP/1.1\r\nHost:a\r\nX-Amz-Date:20150830T123600Z\r\n" AUTHORIZATION(
          "other", "host;x-amz-date", "00") "\r\n",
      "InvalidSignatureException" },
    { "GET / "
      "HTTP/1.1\r\nHost:a\r\nX-Amz-Date:20150831T123600Z\r\n" AUTHORIZATION(
          "service", "host;x-amz-date", "00") "\r\n",
      "InvalidSignatureException" },
    { "GET / HTTP/1.1\r\nHost:a\r\nX-Amz-Date:20150830\r\n" AUTHORIZATION(
          "service", "host;x-amz-date", "00") "\r\n",
      "InvalidSignatureException" },
    { "GET / HTTP/1.1\r\nHost:a\r\nX-Amz-Security-Token: t\r\n"
      "X-Amz-Date:20150830T123600Z\r\n" AUTHORIZATION(
          "service", "host;x-amz-date", "00") "\r\n",
      "UnrecognizedClientException" },
};

START_TEST(each_mistake_gets_its_error_code)
{
    struct simulator_verifier verifier = verifier_for("service");
    struct simulator_refusal refusal;

    ck_assert_int_eq(
        check_at(&verifier, wrong_rows[_i].text, EXAMPLE_TIME, &refusal),
        SIMULATOR_REFUSED);

    ck_assert_str_eq(refusal.code, wrong_rows[_i].code);
    ck_assert_int_eq(refusal.status, 400);
}
END_TEST

START_TEST(session_token_must_be_the_right_one_and_signed)
{
    struct simulator_verifier verifier = verifier_for("service");
    struct simulator_refusal refusal;

    verifier.session_token = "token";
    ck_assert_int_eq(
        check_at(&verifier, VANILLA(VANILLA_SIGNATURE), EXAMPLE_TIME, &refusal),
        SIMULATOR_REFUSED);
    ck_assert_str_eq(refusal.code, "UnrecognizedClientException");

    ck_assert_int_eq(
        check_at(&verifier,
                 "GET / HTTP/1.1\r\nHost:a\r\nX-Amz-Security-Token: token\r\n"
                 "X-Amz-Date:20150830T123600Z\r\n" AUTHORIZATION(
                     "service", "host;x-amz-date", "00") "\r\n",
                 EXAMPLE_TIME, &refusal),
        SIMULATOR_REFUSED);
    ck_assert_ptr_nonnull(strstr(refusal.message, "X-Amz-Security-Token"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kinesis_simulator_signature");
    TCase *examples = tcase_create("published examples");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(examples, published_examples_are_accepted);
    tcase_add_test(examples,
                   any_altered_byte_is_refused_with_the_canonical_request);
    tcase_add_test(examples,
                   wrong_secret_is_refused_and_the_next_good_one_is_not);
    tcase_add_test(examples, clocks_may_differ_by_five_minutes_and_no_more);
    tcase_add_loop_test(examples, each_mistake_gets_its_error_code, 0,
                        ARRAY_LENGTH(wrong_rows));
    tcase_add_test(examples, session_token_must_be_the_right_one_and_signed);
    suite_add_tcase(suite, examples);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
