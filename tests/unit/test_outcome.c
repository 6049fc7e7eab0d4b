/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "egress/outcome.h"

/*
 * The table once more, written from the API reference and not from the table:
 * what AWS sends, as it sends it.
 */
static const struct {
    const char *code;
    enum outcome_certainty certainty;
    enum outcome_action action;
} codes[] = {
    { "ProvisionedThroughputExceededException", OUTCOME_DEFINITE,
      OUTCOME_BACK_OFF },
    { "KMSThrottlingException", OUTCOME_DEFINITE, OUTCOME_BACK_OFF },
    { "ThrottlingException", OUTCOME_DEFINITE, OUTCOME_BACK_OFF },
    { "Throttling", OUTCOME_DEFINITE, OUTCOME_BACK_OFF },
    { "ThrottledException", OUTCOME_DEFINITE, OUTCOME_BACK_OFF },
    { "RequestThrottledException", OUTCOME_DEFINITE, OUTCOME_BACK_OFF },
    { "RequestLimitExceeded", OUTCOME_DEFINITE, OUTCOME_BACK_OFF },
    { "TooManyRequestsException", OUTCOME_DEFINITE, OUTCOME_BACK_OFF },
    { "BandwidthLimitExceeded", OUTCOME_DEFINITE, OUTCOME_BACK_OFF },
    { "SlowDown", OUTCOME_DEFINITE, OUTCOME_BACK_OFF },
    { "LimitExceededException", OUTCOME_DEFINITE, OUTCOME_BACK_OFF },
    { "InternalFailure", OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
    { "InternalFailureException", OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
    { "InternalError", OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
    { "InternalServerError", OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
    { "ServiceUnavailable", OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
    { "ServiceUnavailableException", OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
    { "RequestTimeout", OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
    { "RequestTimeoutException", OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
    { "PriorRequestNotComplete", OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
    { "ExpiredTokenException", OUTCOME_DEFINITE, OUTCOME_REFRESH_CREDENTIALS },
    { "ExpiredToken", OUTCOME_DEFINITE, OUTCOME_REFRESH_CREDENTIALS },
    { "UnrecognizedClientException", OUTCOME_DEFINITE,
      OUTCOME_REFRESH_CREDENTIALS },
    { "InvalidClientTokenId", OUTCOME_DEFINITE, OUTCOME_REFRESH_CREDENTIALS },
    { "MissingAuthenticationToken", OUTCOME_DEFINITE,
      OUTCOME_REFRESH_CREDENTIALS },
    { "MissingAuthenticationTokenException", OUTCOME_DEFINITE,
      OUTCOME_REFRESH_CREDENTIALS },
    { "IncompleteSignature", OUTCOME_DEFINITE, OUTCOME_REFRESH_CREDENTIALS },
    { "IncompleteSignatureException", OUTCOME_DEFINITE,
      OUTCOME_REFRESH_CREDENTIALS },
    { "InvalidSignatureException", OUTCOME_DEFINITE, OUTCOME_FIX_CLOCK },
    { "SignatureDoesNotMatch", OUTCOME_DEFINITE, OUTCOME_FIX_CLOCK },
    { "RequestTimeTooSkewed", OUTCOME_DEFINITE, OUTCOME_FIX_CLOCK },
    { "RequestExpired", OUTCOME_DEFINITE, OUTCOME_FIX_CLOCK },
    { "RequestInTheFuture", OUTCOME_DEFINITE, OUTCOME_FIX_CLOCK },
    { "AuthFailure", OUTCOME_DEFINITE, OUTCOME_FIX_CLOCK },
    { "AccessDeniedException", OUTCOME_DEFINITE, OUTCOME_PAUSE_ALL },
    { "ResourceNotFoundException", OUTCOME_DEFINITE, OUTCOME_AWAIT_STREAM },
    { "ResourceInUseException", OUTCOME_DEFINITE, OUTCOME_PAUSE_ALL },
    { "KMSAccessDeniedException", OUTCOME_DEFINITE, OUTCOME_PAUSE_ALL },
    { "KMSDisabledException", OUTCOME_DEFINITE, OUTCOME_PAUSE_ALL },
    { "KMSInvalidStateException", OUTCOME_DEFINITE, OUTCOME_PAUSE_ALL },
    { "KMSNotFoundException", OUTCOME_DEFINITE, OUTCOME_PAUSE_ALL },
    { "KMSOptInRequired", OUTCOME_DEFINITE, OUTCOME_PAUSE_ALL },
    { "OptInRequired", OUTCOME_DEFINITE, OUTCOME_PAUSE_ALL },
    { "ValidationException", OUTCOME_DEFINITE, OUTCOME_ISOLATE },
    { "InvalidArgumentException", OUTCOME_DEFINITE, OUTCOME_HALVE },
    { "SerializationException", OUTCOME_DEFINITE, OUTCOME_SWITCH_PROTOCOL },
    { "UnknownOperationException", OUTCOME_DEFINITE, OUTCOME_SWITCH_PROTOCOL },
    { "ExpiredNextTokenException", OUTCOME_DEFINITE, OUTCOME_RELOAD_SHARDS },
};

static void assert_outcome(struct outcome outcome,
                           enum outcome_certainty certainty,
                           enum outcome_action action, const char *what)
{
    ck_assert_msg(outcome.certainty == certainty, "%s: certainty %d", what,
                  (int)outcome.certainty);
    ck_assert_msg(outcome.action == action, "%s: %s", what,
                  outcome_action_name(outcome.action));
    ck_assert_ptr_nonnull(outcome.meaning);
}

START_TEST(each_error_code_of_a_request_has_its_row)
{
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++)
        assert_outcome(outcome_of_status(400, bytes_of_text(codes[i].code)),
                       codes[i].certainty, codes[i].action, codes[i].code);
}
END_TEST

START_TEST(code_weighs_more_than_status)
{
    /* Servers disagree about the status of the same code. */
    static const int statuses[] = { 200, 302, 403, 413, 429, 500, 503, 0, -7 };

    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++)
        for (size_t j = 0; j < ARRAY_LENGTH(statuses); j++)
            assert_outcome(
                outcome_of_status(statuses[j], bytes_of_text(codes[i].code)),
                codes[i].certainty, codes[i].action, codes[i].code);
}
END_TEST

START_TEST(code_of_a_record_means_what_it_means_for_a_request)
{
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++)
        assert_outcome(outcome_of_record(bytes_of_text(codes[i].code)),
                       codes[i].certainty, codes[i].action, codes[i].code);
}
END_TEST

START_TEST(record_without_a_code_is_stored)
{
    assert_outcome(outcome_of_record(bytes_of(NULL, 0)), OUTCOME_STORED,
                   OUTCOME_ACCEPT, "no code");
}
END_TEST

START_TEST(record_with_a_new_code_is_perhaps_stored)
{
    static const char *const unknown[] = {
        "Exception",        "SomethingNewException",
        "InternalFailureX", "internalfailure",
        "Internal",         "ThrottlingExceptionException",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(unknown); i++)
        assert_outcome(outcome_of_record(bytes_of_text(unknown[i])),
                       OUTCOME_AMBIGUOUS, OUTCOME_RETRY, unknown[i]);
}
END_TEST

START_TEST(status_decides_where_no_known_code_does)
{
    static const struct {
        int status;
        enum outcome_certainty certainty;
        enum outcome_action action;
    } statuses[] = {
        { 100, OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
        { 201, OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
        { 204, OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
        { 301, OUTCOME_AMBIGUOUS, OUTCOME_PAUSE_ALL },
        { 400, OUTCOME_DEFINITE, OUTCOME_SWITCH_PROTOCOL },
        { 403, OUTCOME_DEFINITE, OUTCOME_PAUSE_ALL },
        { 404, OUTCOME_DEFINITE, OUTCOME_PAUSE_ALL },
        { 407, OUTCOME_DEFINITE, OUTCOME_PAUSE_ALL },
        { 408, OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
        { 413, OUTCOME_DEFINITE, OUTCOME_HALVE },
        { 415, OUTCOME_DEFINITE, OUTCOME_SWITCH_PROTOCOL },
        { 429, OUTCOME_DEFINITE, OUTCOME_BACK_OFF },
        { 500, OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
        { 502, OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
        { 503, OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
        { 504, OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
        { 599, OUTCOME_AMBIGUOUS, OUTCOME_RETRY },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        assert_outcome(outcome_of_status(statuses[i].status, bytes_of(NULL, 0)),
                       statuses[i].certainty, statuses[i].action, "no code");
        assert_outcome(
            outcome_of_status(statuses[i].status, bytes_of_text("New")),
            statuses[i].certainty, statuses[i].action, "new code");
    }
}
END_TEST

START_TEST(no_status_whatever_is_stored_or_accepted)
{
    for (int status = -1000; status < 2000; status++) {
        struct outcome outcome = outcome_of_status(status, bytes_of(NULL, 0));

        ck_assert(outcome.certainty != OUTCOME_STORED);
        ck_assert(outcome.action != OUTCOME_ACCEPT);
        if (status < 400 || status > 499)
            ck_assert(outcome.certainty == OUTCOME_AMBIGUOUS);
    }
}
END_TEST

START_TEST(each_failure_has_its_row_and_is_as_definite_as_the_client_says)
{
    for (int failure = HTTP_UNRESOLVED; failure <= HTTP_OTHER_FAILURE;
         failure++) {
        struct outcome outcome =
            outcome_of_failure((enum http_failure)failure, false);
        enum outcome_action action = OUTCOME_RETRY;

        if (failure == HTTP_UNTRUSTED)
            action = OUTCOME_PAUSE_ALL;
        if (failure == HTTP_CA_UNREADABLE)
            action = OUTCOME_GIVE_UP;
        assert_outcome(outcome, OUTCOME_AMBIGUOUS, action,
                       http_failure_name((enum http_failure)failure));
        assert_outcome(outcome_of_failure((enum http_failure)failure, true),
                       OUTCOME_DEFINITE, action, "definite");
    }
}
END_TEST

START_TEST(doubtful_replies_are_ambiguous)
{
    assert_outcome(outcome_of_reply(OUTCOME_REPLY_STORED), OUTCOME_STORED,
                   OUTCOME_ACCEPT, "stored");
    assert_outcome(outcome_of_reply(OUTCOME_REPLY_GARBAGE), OUTCOME_AMBIGUOUS,
                   OUTCOME_RETRY, "garbage");
    assert_outcome(outcome_of_reply(OUTCOME_REPLY_WRONG_COUNT),
                   OUTCOME_AMBIGUOUS, OUTCOME_RETRY, "wrong count");
    assert_outcome(outcome_of_reply(OUTCOME_REPLY_UNKNOWN_CODE),
                   OUTCOME_AMBIGUOUS, OUTCOME_RETRY, "unknown code");
    assert_outcome(outcome_of_reply(OUTCOME_REPLY_UNKNOWN_SHARD),
                   OUTCOME_AMBIGUOUS, OUTCOME_RELOAD_SHARDS, "unknown shard");
    assert_outcome(outcome_of_reply(OUTCOME_REPLY_WRONG_SHARD),
                   OUTCOME_AMBIGUOUS, OUTCOME_RELOAD_SHARDS, "wrong shard");
}
END_TEST

static bool finds(const char *message, size_t record_count, size_t *index)
{
    return outcome_find_refused(bytes_of_text(message), record_count, index);
}

START_TEST(refused_record_is_found_in_the_message)
{
    size_t index = 99;

    ck_assert(finds("1 validation error detected: Value at "
                    "'records.3.member.data' failed to satisfy constraint: "
                    "Member must have length less than or equal to 1048576",
                    500, &index));
    ck_assert_uint_eq(index, 2);
    ck_assert(finds("'records.500.member.partitionKey'", 500, &index));
    ck_assert_uint_eq(index, 499);
    ck_assert(finds("'records.x' and 'records.1.member.data'", 1, &index));
    ck_assert_uint_eq(index, 0);
}
END_TEST

START_TEST(message_that_names_no_record_of_the_request_isolates_none)
{
    static const char *const messages[] = {
        "",
        "Value at 'records' failed to satisfy constraint",
        "'records.",
        "'records.1",
        "'records.1'",
        "'records.0.member.data'",
        "'records.-1.member.data'",
        "'records.501.member.data'",
        "'records.18446744073709551617.member.data'",
        "'records..member.data'",
        "records 1 member",
    };
    size_t index = 99;

    for (size_t i = 0; i < ARRAY_LENGTH(messages); i++)
        ck_assert_msg(!finds(messages[i], 500, &index), "%s", messages[i]);
    ck_assert_uint_eq(index, 99);
}
END_TEST

START_TEST(each_action_has_a_name)
{
    for (int action = OUTCOME_ACCEPT; action <= OUTCOME_GIVE_UP; action++)
        ck_assert_ptr_nonnull(outcome_action_name((enum outcome_action)action));
    ck_assert_str_eq(outcome_action_name(OUTCOME_GIVE_UP), "give_up");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("outcome");
    TCase *rows = tcase_create("rows");
    TCase *messages = tcase_create("messages and names");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(rows, each_error_code_of_a_request_has_its_row);
    tcase_add_test(rows, code_weighs_more_than_status);
    tcase_add_test(rows, code_of_a_record_means_what_it_means_for_a_request);
    tcase_add_test(rows, record_without_a_code_is_stored);
    tcase_add_test(rows, record_with_a_new_code_is_perhaps_stored);
    tcase_add_test(rows, status_decides_where_no_known_code_does);
    tcase_add_test(rows, no_status_whatever_is_stored_or_accepted);
    tcase_add_test(
        rows, each_failure_has_its_row_and_is_as_definite_as_the_client_says);
    tcase_add_test(rows, doubtful_replies_are_ambiguous);
    tcase_add_test(messages, refused_record_is_found_in_the_message);
    tcase_add_test(messages,
                   message_that_names_no_record_of_the_request_isolates_none);
    tcase_add_test(messages, each_action_has_a_name);
    suite_add_tcase(suite, rows);
    suite_add_tcase(suite, messages);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
