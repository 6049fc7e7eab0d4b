/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/dead_letter.h"

#define ID_1 "0d2f4a6b8c0e1f01"

static struct dead_letter_box box;

static void set_up(void)
{
    dead_letter_box_init(&box);
}

static void tear_down(void)
{
    dead_letter_box_deinit(&box);
}

static struct dead_letter letter_of(const char *id)
{
    struct dead_letter letter = {
        .timestamp_ns = 1700000000000000000,
        .checksum = 77,
        .incarnation = 3,
        .source = 5,
        .attempts = 2,
    };

    memcpy(letter.id.text, id, sizeof(letter.id.text));
    return letter;
}

static struct dead_letter numbered(unsigned number)
{
    char id[17];

    (void)snprintf(id, sizeof(id), "%016x", number);
    return letter_of(id);
}

static const struct dead_letter_content content = {
    .nsqd = "10.0.0.1:4150",
    .topic = "orders",
    .channel = "kinesis",
    .reason = "too large for the stream",
};

static void assert_bytes(const char *text)
{
    struct bytes bytes = dead_letter_bytes(&box, 0);

    ck_assert_msg(bytes_equal_text(bytes, text), "the box holds \"%.*s\"",
                  (int)bytes.length, (const char *)bytes.data);
}

START_TEST(line_says_all_that_is_known_of_the_message)
{
    struct dead_letter letter = letter_of(ID_1);
    struct dead_letter_content with_key = content;

    with_key.key = bytes_of_text("user-1");
    with_key.body = bytes_of_text("hello");

    ck_assert_int_eq(dead_letter_put_line(&box, &letter, &with_key), 0);

    assert_bytes("{\"message_id\":\"" ID_1 "\",\"nsqd\":\"10.0.0.1:4150\","
                 "\"topic\":\"orders\",\"channel\":\"kinesis\","
                 "\"attempts\":2,\"timestamp_ns\":1700000000000000000,"
                 "\"reason\":\"too large for the stream\","
                 "\"partition_key\":\"user-1\",\"body_base64\":\"aGVsbG8=\"}"
                 "\n");
}
END_TEST

START_TEST(text_of_any_bytes_stays_one_line_of_json)
{
    struct dead_letter letter = letter_of(ID_1);
    struct dead_letter_content odd = content;
    struct bytes bytes;

    odd.reason = "a \"quoted\"\n\\ \x01 reason";
    odd.key = bytes_of("\xff\xfe", 2); /* no UTF-8: left out */
    odd.body = bytes_of("\0\n\"", 3);
    ck_assert_int_eq(dead_letter_put_line(&box, &letter, &odd), 0);

    bytes = dead_letter_bytes(&box, 0);
    ck_assert_ptr_eq(memchr(bytes.data, '\n', bytes.length),
                     bytes.data + bytes.length - 1);
    assert_bytes("{\"message_id\":\"" ID_1 "\",\"nsqd\":\"10.0.0.1:4150\","
                 "\"topic\":\"orders\",\"channel\":\"kinesis\","
                 "\"attempts\":2,\"timestamp_ns\":1700000000000000000,"
                 "\"reason\":\"a \\\"quoted\\\"\\u000a\\\\ \\u0001 reason\","
                 "\"body_base64\":\"AAoi\"}\n");
}
END_TEST

START_TEST(longest_numbers_and_worst_texts_fit_into_a_line)
{
    char worst[513];
    struct dead_letter letter = letter_of(ID_1);
    struct dead_letter_content all = { worst, worst, worst, worst,
                                       .body = bytes_of_text("x") };

    memset(worst, 1, sizeof(worst) - 1); /* each becomes six characters */
    worst[sizeof(worst) - 1] = 0;
    all.key = bytes_of_text(worst);
    letter.attempts = UINT16_MAX;
    letter.timestamp_ns = -1; /* as its 64 bits, with twenty digits */

    ck_assert_int_eq(dead_letter_put_line(&box, &letter, &all), 0);
}
END_TEST

START_TEST(publish_is_the_command_with_the_body_unchanged)
{
    struct dead_letter letter = letter_of(ID_1);
    static const char wanted[] = "PUB refused\n\0\0\0\5a\0b\nc";
    struct bytes bytes;

    ck_assert_int_eq(dead_letter_put_publish(&box, &letter, "refused",
                                             bytes_of("a\0b\nc", 5)),
                     0);

    bytes = dead_letter_bytes(&box, 0);
    ck_assert(bytes_equal(bytes, bytes_of(wanted, sizeof(wanted) - 1)));
}
END_TEST

START_TEST(letters_are_taken_oldest_first_with_their_bytes)
{
    struct dead_letter taken;

    /* Several times round the ring. */
    for (unsigned i = 0; i < 3 * DEAD_LETTERS_MOST; i++) {
        struct dead_letter first = numbered(2 * i);
        struct dead_letter second = numbered(2 * i + 1);

        ck_assert_int_eq(
            dead_letter_put_publish(&box, &first, "t", bytes_of_text("one")),
            0);
        ck_assert_int_eq(dead_letter_put_publish(&box, &second, "t",
                                                 bytes_of_text("second")),
                         0);
        dead_letter_take(&box, &taken);
        ck_assert(nsq_message_id_equal(&taken.id, &first.id));
        ck_assert_uint_eq(taken.length, sizeof("PUB t\n....one") - 1);
        ck_assert_uint_eq(taken.incarnation, 3);
        ck_assert_uint_eq(dead_letter_bytes(&box, 0).length,
                          sizeof("PUB t\n....second") - 1);
        dead_letter_take(&box, &taken);
        ck_assert(nsq_message_id_equal(&taken.id, &second.id));
    }
    ck_assert_uint_eq(box.count, 0);
    ck_assert_ptr_null(box.bytes.memory); /* an empty box holds no memory */
}
END_TEST

START_TEST(box_refuses_more_letters_than_it_has_places)
{
    struct dead_letter letter = letter_of(ID_1);
    struct dead_letter taken;

    for (unsigned i = 0; i < DEAD_LETTERS_MOST; i++)
        ck_assert_int_eq(
            dead_letter_put_publish(&box, &letter, "t", bytes_of_text("x")), 0);
    ck_assert_int_eq(
        dead_letter_put_publish(&box, &letter, "t", bytes_of_text("x")),
        DEAD_LETTERS_FULL);
    ck_assert_uint_eq(box.count, DEAD_LETTERS_MOST);
    dead_letter_take(&box, &taken);
    ck_assert_int_eq(
        dead_letter_put_publish(&box, &letter, "t", bytes_of_text("x")), 0);
}
END_TEST

START_TEST(box_takes_a_letter_above_its_bound_only_when_empty)
{
    struct dead_letter letter = letter_of(ID_1);
    uint8_t *memory = calloc(1, 3 * DEAD_LETTERS_BYTES_MOST);
    struct bytes large = bytes_of(memory, 3 * DEAD_LETTERS_BYTES_MOST);
    struct dead_letter taken;

    ck_assert_ptr_nonnull(memory);
    ck_assert_int_eq(
        dead_letter_put_publish(&box, &letter, "t", bytes_of_text("x")), 0);
    ck_assert_int_eq(dead_letter_put_publish(&box, &letter, "t", large),
                     DEAD_LETTERS_FULL);
    dead_letter_take(&box, &taken);
    ck_assert_int_eq(dead_letter_put_publish(&box, &letter, "t", large), 0);
    ck_assert_int_eq(
        dead_letter_put_publish(&box, &letter, "t", bytes_of_text("x")),
        DEAD_LETTERS_FULL);
    free(memory);
}
END_TEST

START_TEST(letter_is_found_by_all_that_its_message_is)
{
    struct dead_letter letter = letter_of(ID_1);
    struct dead_letter other = numbered(9);
    struct dead_letter wanted = letter;

    ck_assert_int_eq(
        dead_letter_put_publish(&box, &other, "t", bytes_of_text("x")), 0);
    ck_assert_int_eq(
        dead_letter_put_publish(&box, &letter, "t", bytes_of_text("x")), 0);

    wanted.incarnation = 99; /* of another connection: the same message */
    wanted.attempts = 9;
    ck_assert_ptr_eq(dead_letter_find(&box, &wanted), dead_letter_at(&box, 1));
    wanted.source = 6;
    ck_assert_ptr_null(dead_letter_find(&box, &wanted));
    wanted = letter;
    wanted.checksum++;
    ck_assert_ptr_null(dead_letter_find(&box, &wanted));
    wanted = letter;
    wanted.timestamp_ns++;
    ck_assert_ptr_null(dead_letter_find(&box, &wanted));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dead_letter");
    TCase *forms = tcase_create("forms");
    TCase *boxes = tcase_create("box");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(forms, set_up, tear_down);
    tcase_add_test(forms, line_says_all_that_is_known_of_the_message);
    tcase_add_test(forms, text_of_any_bytes_stays_one_line_of_json);
    tcase_add_test(forms, longest_numbers_and_worst_texts_fit_into_a_line);
    tcase_add_test(forms, publish_is_the_command_with_the_body_unchanged);
    tcase_add_checked_fixture(boxes, set_up, tear_down);
    tcase_add_test(boxes, letters_are_taken_oldest_first_with_their_bytes);
    tcase_add_test(boxes, box_refuses_more_letters_than_it_has_places);
    tcase_add_test(boxes, box_takes_a_letter_above_its_bound_only_when_empty);
    tcase_add_test(boxes, letter_is_found_by_all_that_its_message_is);
    suite_add_tcase(suite, forms);
    suite_add_tcase(suite, boxes);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
