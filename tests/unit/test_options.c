/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/consumer_options.h"
#include "common/options.h"

#define GOOD                                                                   \
    "--topic", "orders", "--stream", "bridge", "--nsqd-tcp-address",           \
        "127.0.0.1:4150"

static struct options options;

static int parse(char *const argv[])
{
    int count = 0;

    while (argv[count])
        count++;
    options_init(&options);
    return options_parse(&options, count, argv);
}

#define PARSE(...) parse((char *[]){ "program", __VA_ARGS__, NULL })

static int parse_and_check(int result)
{
    return result ? result : options_check(&options);
}

#define CHECK(...) parse_and_check(PARSE(__VA_ARGS__))

static void assert_says(const char *part)
{
    ck_assert_msg(strstr(options.complaint, part) != NULL,
                  "\"%s\" is not in \"%s\"", part, options.complaint);
    ck_assert_int_ne(options.complaint[strlen(options.complaint) - 1], '.');
}

START_TEST(defaults_are_those_of_the_table)
{
    ck_assert_int_eq(CHECK(GOOD), 0);
    ck_assert_str_eq(options.channel, "nsq_to_kinesis");
    ck_assert_uint_eq(options.max_in_flight, 2500);
    ck_assert_uint_eq(options.queue_size, 4 << 20);
    ck_assert_int_eq(options.linger, 10 * NS_PER_MS);
    ck_assert_str_eq(options.io, "auto");
    ck_assert_str_eq(options.partition_key, "none");
    ck_assert_int_eq(options.help, 0);
    ck_assert_ptr_null(options.region);
}
END_TEST

START_TEST(go_and_gnu_style_mean_the_same)
{
    ck_assert_int_eq(PARSE("-topic", "a", "-stream=b", "--channel", "c",
                           "--max-in-flight=7", "-help", "--survey=true"),
                     0);
    ck_assert_str_eq(options.topic, "a");
    ck_assert_str_eq(options.stream, "b");
    ck_assert_str_eq(options.channel, "c");
    ck_assert_uint_eq(options.max_in_flight, 7);
    ck_assert_int_eq(options.help, 1);
    ck_assert_int_eq(options.survey, 1);
    ck_assert_int_eq(PARSE("--help", "-help=false"), 0);
    ck_assert_int_eq(options.help, 0);
}
END_TEST

START_TEST(value_may_begin_with_a_dash_or_hold_an_equals_sign)
{
    ck_assert_int_eq(PARSE("--partition-key", "-x", "--profile=a=b"), 0);
    ck_assert_str_eq(options.partition_key, "-x");
    ck_assert_str_eq(options.profile, "a=b");
}
END_TEST

START_TEST(repeatable_options_gather_and_others_take_the_last)
{
    ck_assert_int_eq(PARSE("--nsqd-tcp-address=a:1", "--nsqd-tcp-address=b:2",
                           "--topic=a", "--topic=b"),
                     0);
    ck_assert_uint_eq(options.nsqd_tcp_address.count, 2);
    ck_assert_str_eq(options.nsqd_tcp_address.values[1], "b:2");
    ck_assert_str_eq(options.topic, "b");
}
END_TEST

START_TEST(sentence_names_option_value_and_remedy)
{
    ck_assert_int_eq(PARSE("--queue-size", "4 potatoes"), OPTIONS_WRONG);
    assert_says("--queue-size: \"4 potatoes\" is not a size; try 4MiB");
    ck_assert_int_eq(PARSE("--linger=soon"), OPTIONS_WRONG);
    assert_says("--linger: \"soon\" is not a duration; try 250ms");
    ck_assert_int_eq(PARSE("--max-in-flight="), OPTIONS_WRONG);
    assert_says("--max-in-flight: \"\" is not a whole number");
    ck_assert_int_eq(PARSE("--io=uring"), OPTIONS_WRONG);
    assert_says("--io: \"uring\" is none of auto|io_uring|epoll");
    ck_assert_int_eq(PARSE("--io="), OPTIONS_WRONG);
    ck_assert_int_eq(PARSE("--io=auto|io_uring"), OPTIONS_WRONG);
    ck_assert_int_eq(PARSE("--help=yes"), OPTIONS_WRONG);
    assert_says("neither true nor false");
    ck_assert_int_eq(PARSE("--topic="), OPTIONS_WRONG);
    assert_says("--topic: the value is empty");
    ck_assert_int_eq(PARSE("--topic"), OPTIONS_WRONG);
    assert_says("--topic needs a value");
}
END_TEST

START_TEST(value_out_of_range_is_a_condition_of_its_own)
{
    ck_assert_int_eq(PARSE("--egress-workers=65"), OPTIONS_RANGE);
    assert_says("--egress-workers: 65 is out of range; it can be 1 to 64");
    ck_assert_int_eq(PARSE("--queue-size=1KiB"), OPTIONS_RANGE);
    assert_says("it can be 64KiB to 1GiB");
    ck_assert_int_eq(PARSE("--linger=2m"), OPTIONS_RANGE);
    ck_assert_int_eq(PARSE("--max-in-flight=99999999999999999999"),
                     OPTIONS_RANGE);
    ck_assert_int_eq(PARSE("--name=12345678901234567890123456789012345678901234"
                           "567890123456789012345"),
                     OPTIONS_RANGE);
    assert_says("65 characters; at most 64");
}
END_TEST

START_TEST(unknown_option_gets_a_suggestion)
{
    ck_assert_int_eq(PARSE("--topik=a"), OPTIONS_WRONG);
    assert_says("there is no option --topik; did you mean --topic?");
    ck_assert_int_eq(PARSE("--nsqd"), OPTIONS_WRONG);
    assert_says("did you mean --nsqd-tcp-address?");
    ck_assert_int_eq(PARSE("-max_in_flight", "7"), OPTIONS_WRONG);
    assert_says("did you mean --max-in-flight?");
    ck_assert_int_eq(PARSE("--zebra-crossing"), OPTIONS_WRONG);
    assert_says("try --help");
    ck_assert_int_eq(PARSE("--surve"), OPTIONS_WRONG);
    ck_assert_ptr_null(strstr(options.complaint, "--survey"));
}
END_TEST

START_TEST(words_that_are_no_options_are_errors)
{
    ck_assert_int_eq(PARSE("orders"), OPTIONS_WRONG);
    assert_says("\"orders\" is not an option");
    ck_assert_int_eq(PARSE("--"), OPTIONS_WRONG);
    ck_assert_int_eq(PARSE("-"), OPTIONS_WRONG);
    ck_assert_int_eq(PARSE("---topic=a"), OPTIONS_WRONG);
    ck_assert_int_eq(PARSE("--=a"), OPTIONS_WRONG);
    ck_assert_int_eq(PARSE(""), OPTIONS_WRONG);
}
END_TEST

START_TEST(list_that_is_too_long_is_refused)
{
    static char *argv[70];

    argv[0] = "program";
    for (int i = 1; i <= 65; i++)
        argv[i] = "--lookupd-http-address=a:1";
    ck_assert_int_eq(parse(argv), OPTIONS_RANGE);
    assert_says("at most 64 times");
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    ck_assert_int_eq(CHECK("--stream=a", "--nsqd-tcp-address=a:1"),
                     OPTIONS_WRONG);
    assert_says("--topic is missing");
    ck_assert_int_eq(CHECK("--topic=a", "--nsqd-tcp-address=a:1"),
                     OPTIONS_WRONG);
    assert_says("--stream is missing");
    ck_assert_int_eq(CHECK("--topic=a", "--stream=a"), OPTIONS_WRONG);
    assert_says("--nsqd-tcp-address or --lookupd-http-address is missing");
    ck_assert_int_eq(CHECK(GOOD, "--lookupd-http-address=a:1"), OPTIONS_WRONG);
    assert_says("not both");
}
END_TEST

START_TEST(names_and_addresses_must_be_legal)
{
    ck_assert_int_eq(CHECK(GOOD, "--topic=a b"), OPTIONS_WRONG);
    assert_says("--topic: \"a b\"");
    ck_assert_int_eq(CHECK(GOOD, "--channel=a/b"), OPTIONS_WRONG);
    ck_assert_int_eq(CHECK(GOOD, "--channel=tail#ephemeral"), 0);
    ck_assert_int_eq(CHECK(GOOD, "--stream=a/b"), OPTIONS_WRONG);
    ck_assert_int_eq(
        CHECK(GOOD, "--stream=arn:aws:kinesis:us-east-1:1:stream/a"),
        OPTIONS_WRONG);
    assert_says("is an ARN");
    ck_assert_int_eq(CHECK(GOOD, "--nsqd-tcp-address=localhost"),
                     OPTIONS_WRONG);
    assert_says("--nsqd-tcp-address: \"localhost\": ");
    ck_assert_int_eq(CHECK(GOOD, "--nsqd-tcp-address=http://a:4150"),
                     OPTIONS_WRONG);
    assert_says("write host:port");
    ck_assert_int_eq(CHECK(GOOD, "--name=a/b"), OPTIONS_WRONG);
    assert_says("--name: \"a/b\"");
}
END_TEST

START_TEST(partition_key_is_understood_or_refused)
{
    static char long_key[300] = "--partition-key=static:";

    ck_assert_int_eq(CHECK(GOOD, "--partition-key=message-id"), 0);
    ck_assert_int_eq(CHECK(GOOD, "--partition-key=json:user_id"), 0);
    ck_assert_int_eq(CHECK(GOOD, "--partition-key=static:a"), 0);
    ck_assert_int_eq(CHECK(GOOD, "--partition-key=bytes:0:8"), 0);
    ck_assert_int_eq(CHECK(GOOD, "--partition-key=bytes:"), OPTIONS_WRONG);
    ck_assert_int_eq(CHECK(GOOD, "--partition-key=bytes:8"), OPTIONS_WRONG);
    ck_assert_int_eq(CHECK(GOOD, "--partition-key=bytes:0:0"), OPTIONS_WRONG);
    ck_assert_int_eq(CHECK(GOOD, "--partition-key=bytes:x:8"), OPTIONS_WRONG);
    ck_assert_int_eq(CHECK(GOOD, "--partition-key=json:"), OPTIONS_WRONG);
    ck_assert_int_eq(CHECK(GOOD, "--partition-key=static:"), OPTIONS_WRONG);
    ck_assert_int_eq(CHECK(GOOD, "--partition-key=user_id"), OPTIONS_WRONG);
    assert_says("try json:user_id");
    ck_assert_int_eq(CHECK(GOOD, "--partition-key=static:\xff"), OPTIONS_RANGE);
    memset(long_key + strlen(long_key), 'a', 257);
    ck_assert_int_eq(CHECK(GOOD, long_key), OPTIONS_RANGE);
    long_key[strlen("--partition-key=static:") + 256] = '\0';
    ck_assert_int_eq(CHECK(GOOD, long_key), 0);
}
END_TEST

START_TEST(dead_letters_need_one_place_to_go)
{
    ck_assert_int_eq(CHECK(GOOD), 0);
    ck_assert_str_eq(options.on_refused, "requeue");
    ck_assert_int_eq(CHECK(GOOD, "--on-refused=drop"), 0);
    ck_assert_int_eq(
        CHECK(GOOD, "--on-refused=dead-letter", "--dead-letter-topic=refused"),
        0);
    ck_assert_int_eq(CHECK(GOOD, "--on-refused=dead-letter",
                           "--dead-letter-file=/var/refused.jsonl"),
                     0);
    ck_assert_int_eq(CHECK(GOOD, "--on-refused=dead-letter"), OPTIONS_WRONG);
    assert_says("needs --dead-letter-topic or --dead-letter-file");
    ck_assert_int_eq(CHECK(GOOD, "--on-refused=dead-letter",
                           "--dead-letter-topic=a", "--dead-letter-file=b"),
                     OPTIONS_WRONG);
    assert_says("not both");
    ck_assert_int_eq(CHECK(GOOD, "--dead-letter-topic=refused"), OPTIONS_WRONG);
    assert_says("--dead-letter-topic does nothing with --on-refused=requeue");
    ck_assert_int_eq(
        CHECK(GOOD, "--on-refused=drop", "--dead-letter-file=refused"),
        OPTIONS_WRONG);
    assert_says("--dead-letter-file does nothing with --on-refused=drop");
    ck_assert_int_eq(
        CHECK(GOOD, "--on-refused=dead-letter", "--dead-letter-topic=not good"),
        OPTIONS_WRONG);
    assert_says("--dead-letter-topic: \"not good\"");
    ck_assert_int_eq(
        CHECK(GOOD, "--on-refused=dead-letter", "--dead-letter-topic=orders"),
        OPTIONS_WRONG);
    assert_says("round for ever");
}
END_TEST

START_TEST(sizes_must_fit_together)
{
    ck_assert_int_eq(
        CHECK(GOOD, "--aggregate-size=1MiB", "--request-size=512KiB"),
        OPTIONS_RANGE);
    assert_says("--aggregate-size is larger than --request-size");
    ck_assert_int_eq(
        CHECK(GOOD, "--queue-size=64KiB", "--aggregate-size=65KiB"),
        OPTIONS_RANGE);
    assert_says("--queue-size is smaller");
    ck_assert_int_eq(CHECK(GOOD, "--queue-size=64KiB"), 0);
}
END_TEST

START_TEST(default_name_is_unique_and_short_enough)
{
    static char long_topic[] = "--topic=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    char first[65];

    ck_assert_int_eq(CHECK(GOOD), 0);
    ck_assert_str_eq(options.name, "orders+nsq_to_kinesis+bridge");
    ck_assert_int_eq(CHECK(GOOD, "--name=mine"), 0);
    ck_assert_str_eq(options.name, "mine");
    ck_assert_int_eq(CHECK(GOOD, long_topic, "--stream=streamstreamstream"), 0);
    ck_assert_uint_eq(strlen(options.name), 64);
    (void)strcpy(first, options.name);
    ck_assert_int_eq(CHECK(GOOD, long_topic, "--stream=streamstreamstreaM"), 0);
    ck_assert_str_ne(options.name, first);
}
END_TEST

START_TEST(consumer_options_are_checked_too)
{
    ck_assert_int_eq(CHECK(GOOD, "--consumer-opt=nonsense,1"), OPTIONS_WRONG);
    assert_says("there is no \"nonsense\"");
}
END_TEST

START_TEST(command_line_of_a_child_means_the_same)
{
    static struct options given;
    char memory[2048];
    char *arguments[32];
    int count;

    ck_assert_int_eq(CHECK(GOOD, "--nsqd-tcp-address=b:2",
                           "--consumer-opt=max_in_flight,7", "--linger=1s500ms",
                           "--queue-size=1536KiB", "--io=epoll",
                           "--partition-key=static:a b=c", "--egress-workers=3",
                           "--orphan-timeout=0", "--survey"),
                     0);
    given = options;
    given.worker_index = 2;
    count = options_to_arguments(&given, "/bin/child", memory, sizeof(memory),
                                 arguments, ARRAY_LENGTH(arguments));

    ck_assert_int_gt(count, 0);
    ck_assert_ptr_null(arguments[count]);
    ck_assert_str_eq(arguments[0], "/bin/child");
    ck_assert_int_eq(parse_and_check(parse(arguments)), 0);
    ck_assert_str_eq(options.topic, "orders");
    ck_assert_str_eq(options.name, "orders+nsq_to_kinesis+bridge");
    ck_assert_uint_eq(options.nsqd_tcp_address.count, 2);
    ck_assert_str_eq(options.nsqd_tcp_address.values[1], "b:2");
    ck_assert_str_eq(options.consumer_opt.values[0], "max_in_flight,7");
    ck_assert_int_eq(options.linger, 1500 * NS_PER_MS);
    ck_assert_uint_eq(options.queue_size, 1536 * 1024);
    ck_assert_str_eq(options.io, "epoll");
    ck_assert_str_eq(options.partition_key, "static:a b=c");
    ck_assert_uint_eq(options.egress_workers, 3);
    ck_assert_int_eq(options.orphan_timeout, 0);
    ck_assert_int_eq(options.survey, 1);
    ck_assert_uint_eq(options.worker_index, 2);
    ck_assert_int_eq(memcmp(&options.request_timeout, &given.request_timeout,
                            sizeof(int64_t)),
                     0);
}
END_TEST

START_TEST(command_line_that_does_not_fit_is_refused)
{
    char memory[2048];
    char *arguments[32];
    int count;

    ck_assert_int_eq(CHECK(GOOD), 0);
    count = options_to_arguments(&options, "child", memory, sizeof(memory),
                                 arguments, ARRAY_LENGTH(arguments));
    ck_assert_int_gt(count, 1);
    ck_assert_int_eq(options_to_arguments(&options, "child", memory,
                                          sizeof(memory), arguments,
                                          (size_t)count + 1),
                     count);
    for (size_t most = 0; most <= (size_t)count; most++)
        ck_assert_int_eq(options_to_arguments(&options, "child", memory,
                                              sizeof(memory), arguments, most),
                         -E2BIG);
    for (size_t length = 0; length < 40; length++)
        ck_assert_int_eq(options_to_arguments(&options, "child", memory, length,
                                              arguments,
                                              ARRAY_LENGTH(arguments)),
                         -E2BIG);
}
END_TEST

START_TEST(help_is_complete_and_fits_eighty_columns)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    size_t column = 0;

    options_print_help(file, "nsq_to_kinesis", "moves messages");
    (void)fclose(file);

    ck_assert_ptr_nonnull(strstr(text, "--lookupd-http-address=TEXT"));
    ck_assert_ptr_nonnull(strstr(text, "(default 4MiB)"));
    ck_assert_ptr_null(strstr(text, "--worker-index"));
    for (size_t i = 0; i < length; i++) {
        column = text[i] == '\n' ? 0 : column + 1;
        ck_assert_msg(column <= 80, "%.*s", 80, text + i - 80);
        ck_assert(!(text[i] == '\n' && i > 0 && text[i - 1] == ' '));
    }
    free(text);
}
END_TEST

START_TEST(markdown_has_a_row_for_each_option)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);

    options_print_markdown(file);
    (void)fclose(file);

    ck_assert_ptr_nonnull(
        strstr(text, "| `--queue-size=SIZE` | `4MiB` | bytes of each"));
    ck_assert_ptr_nonnull(strstr(text, "auto\\|io_uring\\|epoll"));
    ck_assert_ptr_null(strstr(text, "generation"));
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *parsing = tcase_create("parsing");
    TCase *checks = tcase_create("checks");
    TCase *printing = tcase_create("printing");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(parsing, defaults_are_those_of_the_table);
    tcase_add_test(parsing, go_and_gnu_style_mean_the_same);
    tcase_add_test(parsing, value_may_begin_with_a_dash_or_hold_an_equals_sign);
    tcase_add_test(parsing, repeatable_options_gather_and_others_take_the_last);
    tcase_add_test(parsing, sentence_names_option_value_and_remedy);
    tcase_add_test(parsing, value_out_of_range_is_a_condition_of_its_own);
    tcase_add_test(parsing, unknown_option_gets_a_suggestion);
    tcase_add_test(parsing, words_that_are_no_options_are_errors);
    tcase_add_test(parsing, list_that_is_too_long_is_refused);
    tcase_add_test(checks, what_is_missing_is_named);
    tcase_add_test(checks, names_and_addresses_must_be_legal);
    tcase_add_test(checks, partition_key_is_understood_or_refused);
    tcase_add_test(checks, dead_letters_need_one_place_to_go);
    tcase_add_test(checks, sizes_must_fit_together);
    tcase_add_test(checks, default_name_is_unique_and_short_enough);
    tcase_add_test(checks, consumer_options_are_checked_too);
    tcase_add_test(printing, command_line_of_a_child_means_the_same);
    tcase_add_test(printing, command_line_that_does_not_fit_is_refused);
    tcase_add_test(printing, help_is_complete_and_fits_eighty_columns);
    tcase_add_test(printing, markdown_has_a_row_for_each_option);
    suite_add_tcase(suite, parsing);
    suite_add_tcase(suite, checks);
    suite_add_tcase(suite, printing);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
