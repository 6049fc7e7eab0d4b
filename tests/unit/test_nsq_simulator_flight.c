/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "tests/support/nsq_simulator_flight.h"

START_TEST(message_is_found_until_it_is_removed)
{
    struct flight_table table = { 0 };

    ck_assert_ptr_null(flight_find(&table, 0));
    flight_add(&table, 5)->attempts = 3;
    ck_assert_ptr_null(flight_find(&table, 4));
    ck_assert_ptr_null(flight_find(&table, 6));
    ck_assert_uint_eq(flight_find(&table, 5)->attempts, 3);
    flight_remove(&table, 5);
    ck_assert_ptr_null(flight_find(&table, 5));
    ck_assert_uint_eq(table.count, 0);
    flight_table_deinit(&table);
}
END_TEST

START_TEST(finished_messages_cost_no_page)
{
    struct flight_table table = { 0 };
    size_t pages = 0;

    flight_add(&table, 0); /* stuck */
    for (uint64_t number = 1; number < 100 * FLIGHT_PAGE_LENGTH; number++) {
        flight_add(&table, number);
        flight_remove(&table, number);
    }

    for (size_t i = 0; i < table.end; i++)
        pages += table.pages[i] != NULL;
    for (struct flight_page *page = table.spare; page; page = page->next)
        pages++;
    ck_assert_uint_eq(pages, 2);
    ck_assert_ptr_nonnull(flight_find(&table, 0));
    flight_table_deinit(&table);
}
END_TEST

START_TEST(page_that_is_used_again_holds_nothing_old)
{
    struct flight_table table = { 0 };
    uint64_t far_away = 50 * FLIGHT_PAGE_LENGTH;

    flight_add(&table, 1)->attempts = 9;
    flight_add(&table, 2);
    flight_remove(&table, 1);
    flight_remove(&table, 2);

    flight_add(&table, far_away);

    ck_assert_ptr_null(flight_find(&table, far_away + 1));
    ck_assert_ptr_null(flight_find(&table, far_away + 2));
    ck_assert_uint_eq(flight_add(&table, far_away + 1)->attempts, 0);
    flight_table_deinit(&table);
}
END_TEST

static uint64_t visited[8];
static size_t visited_count;

static void remember(void *owner, uint64_t number, struct flight *flight)
{
    struct flight_table *table = owner;

    visited[visited_count++] = number;
    if (number % 2 == 0)
        flight_remove(table, number);
    else
        flight->state = FLIGHT_WAITING;
}

START_TEST(due_messages_are_visited_in_order_and_once)
{
    struct flight_table table = { 0 };
    uint64_t next_page = FLIGHT_PAGE_LENGTH;

    visited_count = 0;
    for (uint64_t number = next_page; number < next_page + 2; number++) {
        flight_add(&table, number);
        flight_set_deadline(&table, number, 100);
    }
    flight_add(&table, 2);
    flight_set_deadline(&table, 2, 90);
    flight_add(&table, 3)->state = FLIGHT_DEFERRED;
    flight_set_deadline(&table, 3, 101);

    flight_table_expire(&table, 89, remember, &table);
    ck_assert_uint_eq(visited_count, 0);
    flight_table_expire(&table, 100, remember, &table);
    ck_assert_uint_eq(visited_count, 3);
    ck_assert_uint_eq(visited[0], 2);
    ck_assert_uint_eq(visited[1], next_page);
    ck_assert_uint_eq(visited[2], next_page + 1);
    flight_table_expire(&table, 100, remember, &table);
    ck_assert_uint_eq(visited_count, 3);
    flight_table_expire(&table, 101, remember, &table);
    ck_assert_uint_eq(visited_count, 4);
    flight_table_deinit(&table);
}
END_TEST

START_TEST(deadline_that_moved_away_is_not_due)
{
    struct flight_table table = { 0 };

    visited_count = 0;
    flight_add(&table, 1);
    flight_set_deadline(&table, 1, 50);
    flight_set_deadline(&table, 1, 200);

    flight_table_expire(&table, 100, remember, &table);
    ck_assert_uint_eq(visited_count, 0);
    flight_table_expire(&table, 200, remember, &table);
    ck_assert_uint_eq(visited_count, 1);
    flight_table_deinit(&table);
}
END_TEST

START_TEST(all_that_is_sent_can_be_made_due)
{
    struct flight_table table = { 0 };

    visited_count = 0;
    for (uint64_t number = 0; number < 3; number++) {
        flight_add(&table, number);
        flight_set_deadline(&table, number, 60000);
    }
    flight_find(&table, 1)->state = FLIGHT_WAITING;

    ck_assert_uint_eq(flight_table_make_due(&table, 10), 2);
    flight_table_expire(&table, 10, remember, &table);
    ck_assert_uint_eq(visited_count, 2);
    flight_table_deinit(&table);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nsq_simulator_flight");
    TCase *table = tcase_create("the table");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(table, message_is_found_until_it_is_removed);
    tcase_add_test(table, finished_messages_cost_no_page);
    tcase_add_test(table, page_that_is_used_again_holds_nothing_old);
    tcase_add_test(table, due_messages_are_visited_in_order_and_once);
    tcase_add_test(table, deadline_that_moved_away_is_not_due);
    tcase_add_test(table, all_that_is_sent_can_be_made_due);
    suite_add_tcase(suite, table);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
