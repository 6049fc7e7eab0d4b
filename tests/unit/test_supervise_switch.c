/* SPDX-License-Identifier: Apache-2.0 */

/* Queues that are exchanged for those of other shards. */

#include <check.h>
#include <stdlib.h>

#include "tests/support/supervise_fixture.h"

static void start_to_switch(void)
{
    start_all();
    tell(SECOND, NEWS_SHARDS, 77);
    ck_assert_uint_eq(turn.action_count, 0);
    pass(SETTLE_NS - 1);
    ck_assert_uint_eq(count_actions(ACTION_PAUSE, INGEST), 0);
    for (size_t child = INGEST; child <= SECOND; child++)
        tell(child, NEWS_ALIVE, 0);
    pass(1);
    assert_only(ACTION_PAUSE, INGEST);
    ck_assert_int_eq(supervise.phase, SUPERVISE_EMPTYING);
}

START_TEST(queues_are_exchanged_when_the_shards_have_settled)
{
    start_to_switch();
    tell(FIRST, NEWS_ALIVE, 0);
    ck_assert_uint_eq(turn.action_count, 0);

    tell(INGEST, NEWS_ENDED, 0);
    ck_assert_uint_eq(turn.action_count, 2);
    ck_assert_uint_eq(count_actions(ACTION_LEAVE, FIRST), 1);
    ck_assert_uint_eq(count_actions(ACTION_LEAVE, SECOND), 1);
    tell(FIRST, NEWS_ENDED, 0);
    ck_assert_uint_eq(turn.action_count, 0);
    tell(SECOND, NEWS_ENDED, CHILD_SIGNALLED); /* all is delivered anyway */
    assert_only(ACTION_START, SURVEY);
    ck_assert(supervise.keeps_queues);
    tell(SURVEY, NEWS_SURVEYED, 2 * QUEUES);
    tell(SURVEY, NEWS_ENDED, 0);
    ck_assert_uint_eq(turn.action_count, 2);
    tell(FIRST, NEWS_READY, 0);
    tell(SECOND, NEWS_READY, 0);
    assert_only(ACTION_START, INGEST);
    tell(INGEST, NEWS_READY, 0);

    ck_assert(supervise_is_complete(&supervise));
    ck_assert_uint_eq(supervise.queue_count, 2 * QUEUES);
    ck_assert_int_eq(supervise.drift.due.ns, MONOTONIC_NEVER.ns);
    ck_assert(!supervise.keeps_queues);
    stop();
    tell(INGEST, NEWS_ENDED, 0);
    tell(FIRST, NEWS_ENDED, 0);
    tell(SECOND, NEWS_ENDED, 0);
    ck_assert(supervise_is_drained(&supervise));
}
END_TEST

START_TEST(queues_that_do_not_empty_in_time_go_on)
{
    start_to_switch();
    ck_assert_int_eq(supervise_next(&supervise).ns, turn.now.ns + DRAIN_NS);
    pass(DRAIN_NS);

    assert_only(ACTION_RESUME, INGEST);
    ck_assert(supervise_is_complete(&supervise));
    ck_assert_int_gt(supervise_next(&supervise).ns, turn.now.ns);
    for (int64_t passed = 0; passed < 2 * SETTLE_NS; passed += NS_PER_SECOND) {
        for (size_t child = INGEST; child <= SECOND; child++)
            tell(child, NEWS_ALIVE, 0);
        pass(NS_PER_SECOND);
        ck_assert_uint_eq(turn.action_count,
                          passed == 2 * SETTLE_NS - NS_PER_SECOND);
    }
    ck_assert_uint_eq(count_actions(ACTION_PAUSE, INGEST), 1);
}
END_TEST

START_TEST(ingest_that_dies_while_the_queues_empty_begins_anew_with_them)
{
    start_to_switch();
    tell(INGEST, NEWS_ENDED, _i == 0 ? CHILD_SIGNALLED : TRY_AGAIN);

    ck_assert_uint_eq(turn.action_count, 0);
    ck_assert_int_eq(supervise.phase, SUPERVISE_RUNNING);
    pass(0);
    assert_only(ACTION_START, INGEST);
    pass(DRAIN_NS); /* which is nothing any more */
    ck_assert_uint_eq(turn.action_count, 0);
}
END_TEST

START_TEST(worker_that_dies_while_the_queues_empty_is_started_again)
{
    start_to_switch();
    tell(FIRST, NEWS_ENDED, CHILD_SIGNALLED);
    pass(0);

    assert_only(ACTION_START, FIRST);
    ck_assert_int_eq(supervise.phase, SUPERVISE_EMPTYING);
    tell(INGEST, NEWS_ENDED, 0);
    ck_assert_uint_eq(count_actions(ACTION_LEAVE, FIRST), 1);
}
END_TEST

START_TEST(nothing_is_exchanged_while_a_child_is_missing)
{
    start_all();
    tell(SECOND, NEWS_SHARDS, 77);
    turn.now = supervise.drift.due;
    tell(FIRST, NEWS_ENDED, CHILD_SIGNALLED);
    pass(0);
    ck_assert_uint_eq(count_actions(ACTION_PAUSE, INGEST), 0);
    ck_assert_int_gt(supervise_next(&supervise).ns, turn.now.ns);

    tell(FIRST, NEWS_READY, 0);
    ck_assert_int_eq(supervise_next(&supervise).ns, turn.now.ns);
    pass(0);
    assert_only(ACTION_PAUSE, INGEST);
}
END_TEST

START_TEST(bridge_that_is_stopped_while_the_queues_empty_drains)
{
    start_to_switch();
    stop();
    assert_only(ACTION_DRAIN, INGEST);
    tell(INGEST, NEWS_ENDED, 0);
    ck_assert_uint_eq(count_actions(ACTION_DRAIN, FIRST), 1);
    tell(FIRST, NEWS_ENDED, 0);
    tell(SECOND, NEWS_ENDED, 0);
    ck_assert(supervise_is_drained(&supervise));
}
END_TEST

START_TEST(bridge_that_is_stopped_while_its_workers_leave_is_drained)
{
    start_to_switch();
    tell(INGEST, NEWS_ENDED, 0);
    tell(FIRST, NEWS_ENDED, 0);
    stop();
    ck_assert_uint_eq(turn.action_count, 0);
    tell(SECOND, NEWS_ENDED, 0);

    ck_assert_int_eq(supervise.phase, SUPERVISE_FINISHED);
    ck_assert_int_eq(supervise_exit_status(&supervise), 0);
    ck_assert(supervise_is_drained(&supervise));
}
END_TEST

/* It may have made other queues than we know of. */
START_TEST(survey_that_is_cut_short_leaves_its_queues_to_the_next_life)
{
    start_to_switch();
    tell(INGEST, NEWS_ENDED, 0);
    tell(FIRST, NEWS_ENDED, 0);
    tell(SECOND, NEWS_ENDED, 0);
    assert_only(ACTION_START, SURVEY);
    stop();
    assert_only(ACTION_KILL, SURVEY);
    tell(SURVEY, NEWS_ENDED, CHILD_SIGNALLED);

    ck_assert_int_eq(supervise.phase, SUPERVISE_FINISHED);
    ck_assert_int_eq(supervise_exit_status(&supervise), 0);
    ck_assert(!supervise_is_drained(&supervise));
}
END_TEST

START_TEST(bridge_that_exchanges_its_queues_is_not_scaled)
{
    start_to_switch();
    ck_assert_int_eq(scale(1), SUPERVISE_BUSY);
    tell(INGEST, NEWS_ENDED, 0);
    ck_assert_int_eq(scale(1), SUPERVISE_BUSY);
}
END_TEST

START_TEST(damage_found_while_the_queues_empty_begins_with_the_survey)
{
    start_to_switch();
    tell(FIRST, NEWS_ENDED, PROCESS_EXIT_DAMAGED);
    ck_assert_int_eq(supervise.phase, SUPERVISE_CLEARING);
    ck_assert_uint_eq(count_actions(ACTION_KILL, INGEST), 1);
    tell(INGEST, NEWS_ENDED, CHILD_SIGNALLED);
    tell(SECOND, NEWS_ENDED, 0);
    pass(0);
    assert_only(ACTION_START, SURVEY);
    pass(DRAIN_NS);
    ck_assert_int_eq(supervise.phase, SUPERVISE_SURVEYING);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervise_switch");
    TCase *switching = tcase_create("switching");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(switching, set_up, NULL);
    tcase_add_test(switching,
                   queues_are_exchanged_when_the_shards_have_settled);
    tcase_add_test(switching, queues_that_do_not_empty_in_time_go_on);
    tcase_add_loop_test(
        switching,
        ingest_that_dies_while_the_queues_empty_begins_anew_with_them, 0, 2);
    tcase_add_test(switching,
                   worker_that_dies_while_the_queues_empty_is_started_again);
    tcase_add_test(switching, nothing_is_exchanged_while_a_child_is_missing);
    tcase_add_test(switching,
                   bridge_that_is_stopped_while_the_queues_empty_drains);
    tcase_add_test(switching,
                   bridge_that_is_stopped_while_its_workers_leave_is_drained);
    tcase_add_test(switching,
                   survey_that_is_cut_short_leaves_its_queues_to_the_next_life);
    tcase_add_test(switching, bridge_that_exchanges_its_queues_is_not_scaled);
    tcase_add_test(switching,
                   damage_found_while_the_queues_empty_begins_with_the_survey);
    suite_add_tcase(suite, switching);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
