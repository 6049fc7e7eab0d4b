/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "ingest/send_buffer.h"

static void write_text(struct send_buffer *buffer, const char *text)
{
    struct bytes_writer writer;

    ck_assert_int_eq(send_buffer_open(buffer, strlen(text), &writer), 0);
    bytes_put_text(&writer, text);
    send_buffer_commit(buffer, &writer);
}

START_TEST(what_is_being_sent_does_not_move_while_more_is_written)
{
    struct send_buffer buffer;
    struct bytes sending;

    send_buffer_init(&buffer, 1 << 20);
    write_text(&buffer, "first");
    sending = send_buffer_take(&buffer);
    for (int i = 0; i < 10000; i++)
        write_text(&buffer, "later");

    ck_assert_ptr_eq(send_buffer_take(&buffer).data, sending.data);
    ck_assert(bytes_equal_text(send_buffer_take(&buffer), "first"));
    send_buffer_deinit(&buffer);
}
END_TEST

START_TEST(part_that_was_sent_is_followed_by_its_rest_and_then_the_next)
{
    struct send_buffer buffer;

    send_buffer_init(&buffer, 100);
    ck_assert_uint_eq(send_buffer_take(&buffer).length, 0);
    write_text(&buffer, "abc");
    send_buffer_take(&buffer);
    write_text(&buffer, "def");
    write_text(&buffer, "ghi");
    send_buffer_on_sent(&buffer, 2);
    ck_assert(bytes_equal_text(send_buffer_take(&buffer), "c"));
    send_buffer_on_sent(&buffer, 1);

    ck_assert(bytes_equal_text(send_buffer_take(&buffer), "defghi"));
    send_buffer_on_sent(&buffer, 6);
    ck_assert_uint_eq(send_buffer_take(&buffer).length, 0);
    send_buffer_deinit(&buffer);
}
END_TEST

START_TEST(bound_holds_for_each_half)
{
    struct send_buffer buffer;
    struct bytes_writer writer;

    send_buffer_init(&buffer, 4);
    write_text(&buffer, "full");
    ck_assert_int_eq(send_buffer_open(&buffer, 1, &writer), BYTE_STORE_FULL);
    send_buffer_take(&buffer);
    write_text(&buffer, "more");
    ck_assert_int_eq(send_buffer_open(&buffer, 1, &writer), BYTE_STORE_FULL);
    ck_assert(bytes_equal_text(send_buffer_take(&buffer), "full"));
    send_buffer_clear(&buffer);

    ck_assert_uint_eq(send_buffer_take(&buffer).length, 0);
    send_buffer_deinit(&buffer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("send_buffer");
    TCase *halves = tcase_create("halves");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(halves,
                   what_is_being_sent_does_not_move_while_more_is_written);
    tcase_add_test(
        halves, part_that_was_sent_is_followed_by_its_rest_and_then_the_next);
    tcase_add_test(halves, bound_holds_for_each_half);
    suite_add_tcase(suite, halves);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
