/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "tests/support/nsq_simulator_command.h"

#define BODY_MOST 64

static const char conversation[] = "IDENTIFY\n\0\0\0\x02{}"
                                   "SUB topic channel\r\n"
                                   "RDY 7\n"
                                   "FIN 0123456789abcdef\n"
                                   "REQ 0123456789abcdef 1500\n"
                                   "TOUCH 0123456789abcdef\n"
                                   "NOP\n"
                                   "CLS\n";

static const enum command_kind conversation_kinds[] = {
    COMMAND_IDENTIFY, COMMAND_SUB,   COMMAND_RDY, COMMAND_FIN,
    COMMAND_REQ,      COMMAND_TOUCH, COMMAND_NOP, COMMAND_CLS,
};

static struct command parse_text(const char *text)
{
    struct command command;
    size_t consumed;

    ck_assert_int_eq(
        command_parse(bytes_of_text(text), BODY_MOST, &command, &consumed), 0);
    ck_assert_uint_eq(consumed, strlen(text));
    return command;
}

START_TEST(commands_are_the_same_wherever_the_stream_is_split)
{
    size_t length = sizeof(conversation) - 1;

    for (size_t split = 0; split <= length; split++) {
        size_t place = 0, end = split, count = 0;

        while (place < length) {
            struct command command;
            size_t consumed;
            int result =
                command_parse(bytes_of(conversation + place, end - place),
                              BODY_MOST, &command, &consumed);

            if (result == COMMAND_INCOMPLETE) {
                ck_assert_uint_eq(end, split); /* once, then all is there */
                ck_assert(end < length);
                end = length;
                continue;
            }
            ck_assert_int_eq(result, 0);
            ck_assert_int_eq(command.kind, conversation_kinds[count]);
            count++;
            place += consumed;
            ck_assert_uint_le(place, end);
        }
        ck_assert_uint_eq(count, ARRAY_LENGTH(conversation_kinds));
    }
}
END_TEST

START_TEST(line_is_split_at_single_spaces)
{
    struct command command = parse_text("SUB a  b\n");

    ck_assert_uint_eq(command.word_count, 4);
    ck_assert(bytes_equal_text(command.words[1], "a"));
    ck_assert(bytes_equal_text(command.words[2], ""));
    ck_assert(bytes_equal_text(command.words[3], "b"));
}
END_TEST

START_TEST(words_past_the_array_are_counted)
{
    struct command command = parse_text("NOP a b c d e\n");

    ck_assert_int_eq(command.kind, COMMAND_NOP);
    ck_assert_uint_eq(command.word_count, 6);
}
END_TEST

START_TEST(name_is_case_sensitive_and_whole)
{
    ck_assert_int_eq(parse_text("fin 0123456789abcdef\n").kind,
                     COMMAND_UNKNOWN);
    ck_assert_int_eq(parse_text("FINE\n").kind, COMMAND_UNKNOWN);
    ck_assert_int_eq(parse_text("\n").kind, COMMAND_UNKNOWN);
    ck_assert_uint_eq(parse_text("\n").word_count, 1);
}
END_TEST

START_TEST(impossible_body_is_not_waited_for)
{
    static const struct {
        const char *size;
        int32_t length;
    } rows[] = { { "\0\0\0\0", 0 },
                 { "\xff\xff\xff\xff", -1 },
                 { "\0\0\0\x41", BODY_MOST + 1 } };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        uint8_t input[] = "PUB t\n....";
        struct command command;
        size_t consumed;

        memcpy(input + 6, rows[i].size, 4);
        ck_assert_int_eq(
            command_parse(bytes_of(input, 10), BODY_MOST, &command, &consumed),
            0);
        ck_assert_int_eq(command.body_length, rows[i].length);
        ck_assert_uint_eq(command.body.length, 0);
        ck_assert_uint_eq(consumed, 10);
    }
}
END_TEST

START_TEST(line_longer_than_nsqds_reader_is_refused)
{
    static char line[COMMAND_LINE_MOST + 1];
    struct command command;
    size_t consumed;

    memset(line, 'x', sizeof(line));
    ck_assert_int_eq(command_parse(bytes_of(line, COMMAND_LINE_MOST - 1),
                                   BODY_MOST, &command, &consumed),
                     COMMAND_INCOMPLETE);
    ck_assert_int_eq(command_parse(bytes_of(line, sizeof(line)), BODY_MOST,
                                   &command, &consumed),
                     COMMAND_LINE_TOO_LONG);
}
END_TEST

START_TEST(plain_fin_is_known_only_when_it_is_whole)
{
    const char *fin = "FIN 0123456789abcdef\n";
    const uint8_t *id = NULL;

    for (size_t length = 0; length < COMMAND_FIN_LENGTH; length++)
        ck_assert(!command_is_plain_fin(bytes_of(fin, length), &id));
    ck_assert(command_is_plain_fin(bytes_of_text(fin), &id));
    ck_assert_mem_eq(id, "0123456789abcdef", 16);
    ck_assert(
        !command_is_plain_fin(bytes_of_text("FIN 0123456789abcdef\r\n"), &id));
}
END_TEST

START_TEST(number_is_digits_or_nothing)
{
    uint64_t value = 5;

    ck_assert(command_number(bytes_of_text("2500"), &value));
    ck_assert_uint_eq(value, 2500);
    ck_assert(command_number(bytes_of_text(""), &value));
    ck_assert_uint_eq(value, 0);
    ck_assert(command_number(bytes_of_text("99999999999999999999"), &value));
    ck_assert_uint_eq(value, UINT64_MAX);
    ck_assert(!command_number(bytes_of_text("-1"), &value));
    ck_assert(!command_number(bytes_of_text("1 "), &value));
}
END_TEST

START_TEST(names_follow_nsqds_rule)
{
    char longest[66] = { 0 };

    memset(longest, 'a', 64);
    ck_assert(command_is_name(bytes_of_text(longest)));
    longest[64] = 'a';
    ck_assert(!command_is_name(bytes_of_text(longest)));
    ck_assert(command_is_name(bytes_of_text("A.b_c-9")));
    ck_assert(command_is_name(bytes_of_text("a#ephemeral")));
    ck_assert(!command_is_name(bytes_of_text("#ephemeral")));
    ck_assert(!command_is_name(bytes_of_text("a#b")));
    ck_assert(!command_is_name(bytes_of_text("")));
    ck_assert(!command_is_name(bytes_of_text("a b")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nsq_simulator_command");
    TCase *commands = tcase_create("commands out of a stream");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(commands,
                   commands_are_the_same_wherever_the_stream_is_split);
    tcase_add_test(commands, line_is_split_at_single_spaces);
    tcase_add_test(commands, words_past_the_array_are_counted);
    tcase_add_test(commands, name_is_case_sensitive_and_whole);
    tcase_add_test(commands, impossible_body_is_not_waited_for);
    tcase_add_test(commands, line_longer_than_nsqds_reader_is_refused);
    tcase_add_test(commands, plain_fin_is_known_only_when_it_is_whole);
    tcase_add_test(commands, number_is_digits_or_nothing);
    tcase_add_test(commands, names_follow_nsqds_rule);
    suite_add_tcase(suite, commands);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
