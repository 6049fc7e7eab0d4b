/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "tests/support/supervise_fixture.h"

START_TEST(children_start_in_the_order_of_the_data)
{
    supervise_begin(&supervise, &turn);
    assert_only(ACTION_START, SURVEY);
    tell(SURVEY, NEWS_SURVEYED, QUEUES);
    ck_assert_uint_eq(turn.action_count, 0);
    ck_assert_uint_eq(supervise.queue_count, QUEUES);

    tell(SURVEY, NEWS_ENDED, 0);
    ck_assert_uint_eq(turn.action_count, 2);
    ck_assert_uint_eq(count_actions(ACTION_START, FIRST), 1);
    ck_assert_uint_eq(count_actions(ACTION_START, SECOND), 1);

    tell(SECOND, NEWS_READY, 0);
    ck_assert_uint_eq(turn.action_count, 0);
    tell(FIRST, NEWS_READY, 0);
    assert_only(ACTION_START, INGEST);
    ck_assert_int_eq(supervise.phase, SUPERVISE_RUNNING);
}
END_TEST

START_TEST(adopted_children_are_watched_and_only_the_missing_are_started)
{
    supervise_adopt(&supervise, INGEST, QUEUES, turn.now);
    supervise_adopt(&supervise, SECOND, QUEUES, turn.now);
    tell(SECOND, NEWS_ALIVE, 0);
    ck_assert_uint_eq(turn.action_count, 0); /* who else is there? */
    supervise_begin(&supervise, &turn);

    assert_only(ACTION_START, FIRST);
    ck_assert_int_eq(supervise.phase, SUPERVISE_RUNNING);
    ck_assert_uint_eq(supervise.queue_count, QUEUES);
    tell(SECOND, NEWS_ENDED, CHILD_SIGNALLED);
    pass(0);
    assert_only(ACTION_START, SECOND);
    pass(HUNG_NS);
    ck_assert_uint_eq(count_actions(ACTION_ABORT, INGEST), 1);
}
END_TEST

START_TEST(missing_ingest_waits_for_the_workers_beside_adopted_ones)
{
    supervise_adopt(&supervise, SECOND, QUEUES, turn.now);
    supervise_begin(&supervise, &turn);

    assert_only(ACTION_START, FIRST);
    tell(FIRST, NEWS_READY, 0);
    assert_only(ACTION_START, INGEST);
}
END_TEST

START_TEST(adopted_children_drain_in_order)
{
    for (size_t child = INGEST; child <= SECOND; child++)
        supervise_adopt(&supervise, child, QUEUES, turn.now);
    supervise_begin(&supervise, &turn);
    ck_assert_uint_eq(turn.action_count, 0);

    stop();
    assert_only(ACTION_DRAIN, INGEST);
    tell(INGEST, NEWS_ENDED, 0);
    ck_assert_uint_eq(turn.action_count, 2);
    tell(FIRST, NEWS_ENDED, 0);
    tell(SECOND, NEWS_ENDED, 0);
    ck_assert(supervise_is_drained(&supervise));
}
END_TEST

START_TEST(ingest_waits_for_a_worker_that_fell_over_before)
{
    finish_survey();
    tell(FIRST, NEWS_READY, 0);
    tell(FIRST, NEWS_ENDED, CHILD_SIGNALLED);
    tell(SECOND, NEWS_READY, 0);

    ck_assert_int_eq(state_of(INGEST), CHILD_ABSENT);
    pass(0);
    assert_only(ACTION_START, FIRST);
    tell(FIRST, NEWS_READY, 0);
    assert_only(ACTION_START, INGEST);
}
END_TEST

START_TEST(killed_worker_restarts_at_once_and_alone)
{
    start_all();

    tell(FIRST, NEWS_ENDED, CHILD_SIGNALLED);
    ck_assert_uint_eq(turn.action_count, 0);
    ck_assert_int_eq(supervise_next(&supervise).ns, turn.now.ns);
    pass(0);
    assert_only(ACTION_START, FIRST);
    ck_assert_int_eq(state_of(INGEST), CHILD_READY);
}
END_TEST

START_TEST(child_that_ended_well_unasked_is_started_again)
{
    start_all();

    tell(INGEST, NEWS_ENDED, 0);
    pass(0);

    assert_only(ACTION_START, INGEST);
}
END_TEST

/* The longest delay that was drawn for each of the restarts in a row. */
START_TEST(further_restarts_wait_twice_as_long_with_full_jitter)
{
    int64_t longest[12] = { 0 };
    int64_t shortest[12];

    for (int round = 0; round < 400; round++) {
        supervise_init(&supervise, 2, &times);
        start_all();
        for (size_t i = 0; i < ARRAY_LENGTH(longest); i++) {
            int64_t delay;

            tell(FIRST, NEWS_ENDED, TRY_AGAIN);
            ck_assert_int_eq(state_of(FIRST), CHILD_WAITING);
            delay = supervise.children[FIRST].deadline.ns - turn.now.ns;
            longest[i] = delay > longest[i] ? delay : longest[i];
            if (round == 0 || delay < shortest[i])
                shortest[i] = delay;
            pass(delay);
            tell(FIRST, NEWS_READY, 0);
            tell(SECOND, NEWS_ALIVE, 0);
            tell(INGEST, NEWS_ALIVE, 0);
        }
    }

    ck_assert_int_eq(longest[0], 0);
    for (size_t i = 1; i < ARRAY_LENGTH(longest); i++) {
        int64_t most = SUPERVISE_FIRST_DELAY_NS << (i - 1);

        if (most > SUPERVISE_LONGEST_DELAY_NS)
            most = SUPERVISE_LONGEST_DELAY_NS;
        ck_assert_int_le(longest[i], most);
        ck_assert_int_gt(longest[i], most * 9 / 10);
        ck_assert_int_lt(shortest[i], most / 10);
    }
}
END_TEST

START_TEST(child_that_was_never_ready_is_not_restarted_at_once)
{
    finish_survey();
    tell(FIRST, NEWS_ENDED, TRY_AGAIN);

    ck_assert_int_eq(state_of(FIRST), CHILD_WAITING);
    ck_assert_int_gt(supervise.children[FIRST].deadline.ns, turn.now.ns);
    ck_assert_uint_eq(supervise.children[FIRST].delay_count, 1);
}
END_TEST

START_TEST(a_minute_of_health_forgives_all)
{
    start_all();
    for (int i = 0; i < 6; i++) {
        tell(FIRST, NEWS_ENDED, CHILD_SIGNALLED);
        pass(SUPERVISE_LONGEST_DELAY_NS - 1);
        tell(FIRST, NEWS_READY, 0);
        tell(SECOND, NEWS_ALIVE, 0);
        tell(INGEST, NEWS_ALIVE, 0);
    }
    for (int64_t s = 0; s < SUPERVISE_HEALTHY_AFTER_NS; s += NS_PER_SECOND) {
        pass(NS_PER_SECOND);
        tell(FIRST, NEWS_ALIVE, 0);
        tell(SECOND, NEWS_ALIVE, 0);
        tell(INGEST, NEWS_ALIVE, 0);
    }

    tell(FIRST, NEWS_ENDED, CHILD_SIGNALLED);
    ck_assert_int_eq(supervise.children[FIRST].deadline.ns, turn.now.ns);
}
END_TEST

START_TEST(silent_child_is_aborted_then_killed_then_restarted)
{
    start_all();
    pass(HUNG_NS - 1);
    ck_assert_uint_eq(turn.action_count, 0);
    tell(SECOND, NEWS_ALIVE, 0);
    tell(INGEST, NEWS_ALIVE, 0);

    pass(1);
    assert_only(ACTION_ABORT, FIRST);
    pass(SUPERVISE_ABORT_TIME_NS - 1);
    ck_assert_uint_eq(turn.action_count, 0);
    pass(1);
    assert_only(ACTION_KILL, FIRST);
    tell(FIRST, NEWS_ENDED, CHILD_SIGNALLED);
    pass(0);
    assert_only(ACTION_START, FIRST);
}
END_TEST

START_TEST(survey_has_more_time)
{
    supervise_begin(&supervise, &turn);
    pass(SUPERVISE_SURVEY_HUNG_AFTER_NS - 1);
    ck_assert_uint_eq(turn.action_count, 0);
    pass(1);
    assert_only(ACTION_ABORT, SURVEY);
}
END_TEST

START_TEST(survey_is_repeated_until_it_made_queues)
{
    supervise_begin(&supervise, &turn);
    tell(SURVEY, NEWS_ENDED, TRY_AGAIN);
    ck_assert_int_eq(state_of(SURVEY), CHILD_WAITING);
    pass(SUPERVISE_FIRST_DELAY_NS);
    assert_only(ACTION_START, SURVEY);
    tell(SURVEY, NEWS_ENDED, 0); /* without having said SURVEYED */
    ck_assert_int_eq(state_of(SURVEY), CHILD_WAITING);
    pass(2 * SUPERVISE_FIRST_DELAY_NS);
    tell(SURVEY, NEWS_SURVEYED, QUEUES);
    tell(SURVEY, NEWS_ENDED, 0);
    ck_assert_int_eq(supervise.phase, SUPERVISE_STARTING);
}
END_TEST

START_TEST(final_status_of_any_child_stops_the_bridge_with_it)
{
    static const int statuses[] = { PROCESS_EXIT_USAGE,
                                    PROCESS_EXIT_CONFIGURATION };

    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++)
        for (size_t child = SURVEY; child <= SECOND; child++) {
            set_up();
            if (child == SURVEY)
                supervise_begin(&supervise, &turn);
            else
                start_all();
            tell(child, NEWS_ENDED, statuses[i]);
            for (size_t other = SURVEY; other <= SECOND; other++)
                tell(other, NEWS_ENDED, 0);
            for (size_t other = SURVEY; other <= SECOND; other++)
                tell(other, NEWS_ENDED, 0);

            ck_assert_int_eq(supervise.phase, SUPERVISE_FINISHED);
            ck_assert_int_eq(supervise_exit_status(&supervise), statuses[i]);
            ck_assert(!supervise_is_drained(&supervise));
        }
}
END_TEST

START_TEST(ingest_drains_first_then_the_workers)
{
    start_all();

    stop();
    assert_only(ACTION_DRAIN, INGEST);
    ck_assert_int_eq(state_of(FIRST), CHILD_READY);
    tell(INGEST, NEWS_ENDED, 0);
    ck_assert_uint_eq(turn.action_count, 2);
    ck_assert_uint_eq(count_actions(ACTION_DRAIN, FIRST), 1);
    ck_assert_uint_eq(count_actions(ACTION_DRAIN, SECOND), 1);
    tell(SECOND, NEWS_ENDED, 0);
    ck_assert_int_eq(supervise.phase, SUPERVISE_DRAINING_EGRESS);
    tell(FIRST, NEWS_ENDED, 0);

    ck_assert_int_eq(supervise.phase, SUPERVISE_FINISHED);
    ck_assert_int_eq(supervise_exit_status(&supervise), 0);
    ck_assert(supervise_is_drained(&supervise));
}
END_TEST

START_TEST(worker_that_dies_while_ingest_drains_is_started_again)
{
    start_all();
    stop();

    tell(FIRST, NEWS_ENDED, CHILD_SIGNALLED);
    pass(0);
    assert_only(ACTION_START, FIRST);
    tell(FIRST, NEWS_READY, 0);
    tell(INGEST, NEWS_ENDED, 0);
    tell(FIRST, NEWS_ENDED, 0);
    tell(SECOND, NEWS_ENDED, 0);
    ck_assert(supervise_is_drained(&supervise));
}
END_TEST

START_TEST(worker_that_waits_when_ingest_is_done_leaves_nothing)
{
    start_all();
    stop();
    tell(FIRST, NEWS_ENDED, CHILD_SIGNALLED);
    tell(INGEST, NEWS_ENDED, 0);
    tell(SECOND, NEWS_ENDED, 0);

    ck_assert_int_eq(supervise.phase, SUPERVISE_FINISHED);
    ck_assert_int_eq(supervise_exit_status(&supervise), 0);
}
END_TEST

START_TEST(child_that_dies_while_it_drains_is_not_drained)
{
    for (size_t child = INGEST; child <= SECOND; child++) {
        set_up();
        start_all();
        stop();
        tell(INGEST, NEWS_ENDED, child == INGEST ? CHILD_SIGNALLED : 0);
        tell(FIRST, NEWS_ENDED, child == FIRST ? PROCESS_EXIT_SOFTWARE : 0);
        tell(SECOND, NEWS_ENDED, child == SECOND ? CHILD_SIGNALLED : 0);

        ck_assert_int_eq(supervise.phase, SUPERVISE_FINISHED);
        ck_assert_int_eq(supervise_exit_status(&supervise),
                         PROCESS_EXIT_NOT_DRAINED);
        ck_assert(!supervise_is_drained(&supervise));
    }
}
END_TEST

static void end_all_killed(void)
{
    for (size_t child = SURVEY; child <= SECOND; child++)
        if (state_of(child) == CHILD_KILLED)
            tell(child, NEWS_ENDED, CHILD_SIGNALLED);
    ck_assert_int_eq(supervise.phase, SUPERVISE_FINISHED);
}

START_TEST(drain_that_takes_too_long_ends_in_kills)
{
    start_all();
    stop();
    pass(DRAIN_NS - 1);
    ck_assert_uint_eq(turn.action_count, 0);
    pass(1);

    ck_assert_uint_eq(turn.action_count, 3);
    for (size_t child = INGEST; child <= SECOND; child++)
        ck_assert_uint_eq(count_actions(ACTION_KILL, child), 1);
    end_all_killed();
    ck_assert_int_eq(supervise_exit_status(&supervise),
                     PROCESS_EXIT_NOT_DRAINED);
}
END_TEST

START_TEST(child_that_is_silent_while_it_drains_is_aborted)
{
    init_patient(HUNG_NS);
    start_all();
    stop();

    pass(HUNG_NS - 1);
    tell(FIRST, NEWS_ALIVE, 0);
    tell(SECOND, NEWS_ALIVE, 0);
    pass(1);
    assert_only(ACTION_ABORT, INGEST);
    tell(INGEST, NEWS_ENDED, CHILD_SIGNALLED);
    ck_assert_uint_eq(count_actions(ACTION_DRAIN, FIRST), 1);
}
END_TEST

START_TEST(worker_that_ended_for_good_leaves_the_others_a_moment)
{
    init_patient(10 * HUNG_NS);
    start_all();
    tell(FIRST, NEWS_ENDED, PROCESS_EXIT_CONFIGURATION);

    assert_only(ACTION_DRAIN, INGEST);
    pass(SUPERVISE_BLOCKED_DRAIN_NS - 1);
    ck_assert_uint_eq(turn.action_count, 0);
    pass(1);
    ck_assert_uint_eq(count_actions(ACTION_KILL, INGEST), 1);
}
END_TEST

START_TEST(worker_that_ends_for_good_while_draining_shortens_it)
{
    init_patient(10 * HUNG_NS);
    start_all();
    stop();
    tell(FIRST, NEWS_ENDED, PROCESS_EXIT_CONFIGURATION);

    pass(SUPERVISE_BLOCKED_DRAIN_NS);
    ck_assert_uint_eq(count_actions(ACTION_KILL, INGEST), 1);
}
END_TEST

START_TEST(ingest_that_drained_before_it_was_asked_leaves_nothing)
{
    start_all();
    tell(INGEST, NEWS_ENDED, 0); /* SIGTERM came to the whole group */
    stop();
    tell(FIRST, NEWS_ENDED, 0);
    tell(SECOND, NEWS_ENDED, 0);

    ck_assert(supervise_is_drained(&supervise));
}
END_TEST

START_TEST(second_request_to_stop_kills_at_once)
{
    start_all();
    stop();
    stop();

    ck_assert_uint_eq(count_actions(ACTION_KILL, INGEST), 1);
    end_all_killed();
    ck_assert_int_eq(supervise_exit_status(&supervise),
                     PROCESS_EXIT_NOT_DRAINED);
}
END_TEST

START_TEST(first_request_after_a_failure_still_drains)
{
    start_all();
    tell(FIRST, NEWS_ENDED, PROCESS_EXIT_CONFIGURATION);
    assert_only(ACTION_DRAIN, INGEST);

    stop();
    ck_assert_uint_eq(turn.action_count, 0);
    stop();
    ck_assert_uint_eq(count_actions(ACTION_KILL, INGEST), 1);
    end_all_killed();
    ck_assert_int_eq(supervise_exit_status(&supervise),
                     PROCESS_EXIT_CONFIGURATION);
}
END_TEST

START_TEST(stop_during_the_survey_kills_it_and_is_no_failure)
{
    supervise_begin(&supervise, &turn);
    stop();
    assert_only(ACTION_KILL, SURVEY);
    tell(SURVEY, NEWS_ENDED, CHILD_SIGNALLED);

    ck_assert_int_eq(supervise.phase, SUPERVISE_FINISHED);
    ck_assert_int_eq(supervise_exit_status(&supervise), 0);
    ck_assert(!supervise_is_drained(&supervise)); /* old queues stay */
}
END_TEST

START_TEST(stop_between_two_surveys_ends_at_once)
{
    supervise_begin(&supervise, &turn);
    tell(SURVEY, NEWS_ENDED, TRY_AGAIN);
    stop();

    ck_assert_int_eq(supervise.phase, SUPERVISE_FINISHED);
    ck_assert_int_eq(supervise_exit_status(&supervise), 0);
}
END_TEST

START_TEST(stop_before_ingest_drains_the_workers_only)
{
    finish_survey();
    tell(FIRST, NEWS_READY, 0);
    stop();

    ck_assert_uint_eq(turn.action_count, 2);
    ck_assert_uint_eq(count_actions(ACTION_DRAIN, FIRST), 1);
    ck_assert_uint_eq(count_actions(ACTION_DRAIN, SECOND), 1);
    tell(FIRST, NEWS_ENDED, 0);
    tell(SECOND, NEWS_ENDED, 0);
    ck_assert_int_eq(supervise_exit_status(&supervise), 0);
    ck_assert(!supervise_is_drained(&supervise));
}
END_TEST

/* What each news makes of a worker in each state while the bridge runs. */
START_TEST(every_state_knows_every_news)
{
    static const enum child_state after[CHILD_STATE_COUNT][NEWS_COUNT] = {
        /* READY, ALIVE, SURVEYED, ENDED, DEADLINE, DRAIN, LEAVE, QUIT; the
           others never change a state. */
        [CHILD_ABSENT] = { CHILD_ABSENT, CHILD_ABSENT, CHILD_ABSENT,
                           CHILD_ABSENT, CHILD_ABSENT, CHILD_FINISHED,
                           CHILD_ABSENT, CHILD_FINISHED },
        [CHILD_STARTING] = { CHILD_READY, CHILD_STARTING, CHILD_STARTING,
                             CHILD_WAITING, CHILD_ABORTING, CHILD_STOPPING,
                             CHILD_LEAVING, CHILD_KILLED },
        [CHILD_READY] = { CHILD_READY, CHILD_READY, CHILD_READY, CHILD_WAITING,
                          CHILD_ABORTING, CHILD_STOPPING, CHILD_LEAVING,
                          CHILD_KILLED },
        [CHILD_WAITING] = { CHILD_WAITING, CHILD_WAITING, CHILD_WAITING,
                            CHILD_WAITING, CHILD_STARTING, CHILD_FINISHED,
                            CHILD_ABSENT, CHILD_FINISHED },
        [CHILD_STOPPING] = { CHILD_STOPPING, CHILD_STOPPING, CHILD_STOPPING,
                             CHILD_FINISHED, CHILD_ABORTING, CHILD_STOPPING,
                             CHILD_STOPPING, CHILD_KILLED },
        [CHILD_LEAVING] = { CHILD_LEAVING, CHILD_LEAVING, CHILD_LEAVING,
                            CHILD_WAITING, CHILD_KILLED, CHILD_LEAVING,
                            CHILD_LEAVING, CHILD_KILLED },
        [CHILD_ABORTING] = { CHILD_ABORTING, CHILD_ABORTING, CHILD_ABORTING,
                             CHILD_WAITING, CHILD_KILLED, CHILD_ABORTING,
                             CHILD_ABORTING, CHILD_KILLED },
        [CHILD_KILLED] = { CHILD_KILLED, CHILD_KILLED, CHILD_KILLED,
                           CHILD_WAITING, CHILD_KILLED, CHILD_KILLED,
                           CHILD_KILLED, CHILD_KILLED },
        [CHILD_FINISHED] = { CHILD_FINISHED, CHILD_FINISHED, CHILD_FINISHED,
                             CHILD_FINISHED, CHILD_FINISHED, CHILD_FINISHED,
                             CHILD_FINISHED, CHILD_FINISHED },
    };

    for (size_t state = 0; state < CHILD_STATE_COUNT; state++)
        for (size_t news = 0; news <= NEWS_QUIT; news++) {
            set_up();
            start_all();
            supervise.children[FIRST].state = (enum child_state)state;
            tell(FIRST, (enum child_news)news, 0);
            ck_assert_msg(state_of(FIRST) == after[state][news],
                          "%s after news %zu is %s, not %s",
                          child_state_name((enum child_state)state), news,
                          child_state_name(state_of(FIRST)),
                          child_state_name(after[state][news]));
        }
}
END_TEST

/* (M2, M3) */
START_TEST(damage_ends_every_child_and_begins_with_the_survey)
{
    start_all();
    tell(FIRST, NEWS_ENDED,
         _i == 0 ? PROCESS_EXIT_DAMAGED : PROCESS_EXIT_SEGMENT_GONE);

    ck_assert_int_eq(supervise.phase, SUPERVISE_CLEARING);
    ck_assert_uint_eq(turn.action_count, 2);
    ck_assert_uint_eq(count_actions(ACTION_LEAVE, SECOND), 1);
    ck_assert_uint_eq(count_actions(ACTION_KILL, INGEST), 1);
    tell(INGEST, NEWS_ENDED, CHILD_SIGNALLED);
    ck_assert_uint_eq(turn.action_count, 0);
    tell(SECOND, NEWS_ENDED, 0);
    pass(0);
    assert_only(ACTION_START, SURVEY);
    tell(SURVEY, NEWS_SURVEYED, QUEUES + 1);
    tell(SURVEY, NEWS_ENDED, 0);
    ck_assert_uint_eq(count_actions(ACTION_START, FIRST), 1);
    ck_assert_uint_eq(count_actions(ACTION_START, SECOND), 1);
    tell(FIRST, NEWS_READY, 0);
    tell(SECOND, NEWS_READY, 0);
    assert_only(ACTION_START, INGEST);
    ck_assert_int_eq(supervise.phase, SUPERVISE_RUNNING);
    ck_assert_uint_eq(supervise.queue_count, QUEUES + 1);
    tell(INGEST, NEWS_READY, 0);
    stop();
    tell(INGEST, NEWS_ENDED, 0);
    tell(FIRST, NEWS_ENDED, 0);
    tell(SECOND, NEWS_ENDED, 0);
    ck_assert(supervise_is_drained(&supervise));
}
END_TEST

START_TEST(worker_that_waits_too_long_for_a_reply_is_killed)
{
    start_all();
    tell(INGEST, NEWS_ENDED, PROCESS_EXIT_DAMAGED);
    ck_assert_uint_eq(count_actions(ACTION_LEAVE, FIRST), 1);
    tell(FIRST, NEWS_ALIVE, 0);
    tell(SECOND, NEWS_ENDED, 0);
    pass(SUPERVISE_LEAVE_TIME_NS);

    assert_only(ACTION_KILL, FIRST);
    tell(FIRST, NEWS_ENDED, CHILD_SIGNALLED);
    pass(0);
    assert_only(ACTION_START, SURVEY);
}
END_TEST

START_TEST(other_workers_begin_when_all_of_the_old_ones_have_left)
{
    start_all();
    ck_assert_int_eq(scale(1), 0);

    ck_assert_uint_eq(turn.action_count, 2); /* and none for ingest */
    ck_assert_uint_eq(count_actions(ACTION_LEAVE, FIRST), 1);
    ck_assert_uint_eq(count_actions(ACTION_LEAVE, SECOND), 1);
    tell(FIRST, NEWS_ENDED, 0);
    ck_assert_uint_eq(turn.action_count, 0);
    tell(SECOND, NEWS_ENDED, 0);
    assert_only(ACTION_START, FIRST);
    ck_assert_uint_eq(supervise_worker_count(&supervise), 1);
    ck_assert(!supervise_is_complete(&supervise));
    tell(FIRST, NEWS_READY, 0);
    ck_assert(supervise_is_complete(&supervise));

    ck_assert_int_eq(scale(3), 0);
    tell(FIRST, NEWS_ENDED, 0);
    ck_assert_uint_eq(turn.action_count, 3);
    ck_assert_uint_eq(count_actions(ACTION_START, SECOND + 1), 1);
    ck_assert_uint_eq(supervise.children[SECOND + 1].worker, 2);
}
END_TEST

START_TEST(as_many_workers_as_there_are_change_nothing)
{
    start_all();

    ck_assert_int_eq(scale(2), 0);

    ck_assert_uint_eq(turn.action_count, 0);
    ck_assert(supervise_is_complete(&supervise));
}
END_TEST

START_TEST(bridge_that_does_not_run_is_not_scaled)
{
    ck_assert_int_eq(scale(1), SUPERVISE_BUSY);
    finish_survey();
    ck_assert_int_eq(scale(1), SUPERVISE_BUSY);
    tell(FIRST, NEWS_READY, 0);
    tell(SECOND, NEWS_READY, 0);
    ck_assert_int_eq(scale(1), 0);
    ck_assert_int_eq(scale(2), SUPERVISE_BUSY);
    stop();
    ck_assert_int_eq(scale(2), SUPERVISE_BUSY);
}
END_TEST

START_TEST(worker_that_dies_while_it_leaves_is_not_started_again)
{
    start_all();
    (void)scale(1);
    tell(SECOND, NEWS_ENDED, CHILD_SIGNALLED);
    pass(SUPERVISE_SCALE_TIME_NS);

    assert_only(ACTION_KILL, FIRST);
    tell(FIRST, NEWS_ENDED, CHILD_SIGNALLED);
    assert_only(ACTION_START, FIRST);
}
END_TEST

START_TEST(bridge_that_is_stopped_while_it_scales_gets_its_workers_back)
{
    start_all();
    (void)scale(1);
    tell(SECOND, NEWS_ENDED, 0);
    stop();

    ck_assert_uint_eq(count_actions(ACTION_DRAIN, INGEST), 1);
    ck_assert_uint_eq(count_actions(ACTION_START, SECOND), 1);
    tell(FIRST, NEWS_ENDED, 0);
    pass(0);
    assert_only(ACTION_START, FIRST);
    tell(INGEST, NEWS_ENDED, 0);
    ck_assert_uint_eq(count_actions(ACTION_DRAIN, SECOND), 1);
}
END_TEST

START_TEST(damage_found_while_scaling_begins_with_the_survey)
{
    start_all();
    (void)scale(1);
    tell(FIRST, NEWS_ENDED, 0);
    tell(SECOND, NEWS_ENDED, PROCESS_EXIT_DAMAGED);

    ck_assert_int_eq(supervise.phase, SUPERVISE_CLEARING);
    tell(INGEST, NEWS_ENDED, CHILD_SIGNALLED);
    pass(0);
    assert_only(ACTION_START, SURVEY);
    ck_assert_uint_eq(supervise_worker_count(&supervise), 2);
}
END_TEST

/* A crash loop would ask Kinesis for the shards each time. */
START_TEST(damage_that_comes_again_and_again_waits_longer_and_longer)
{
    int64_t longest = 0;

    start_all();
    for (int i = 0; i < 12; i++) {
        struct monotonic before;

        tell(FIRST, NEWS_ENDED, PROCESS_EXIT_DAMAGED);
        tell(SECOND, NEWS_ENDED, 0);
        tell(INGEST, NEWS_ENDED, CHILD_SIGNALLED);
        before = turn.now;
        while (state_of(SURVEY) != CHILD_STARTING)
            pass(monotonic_between(turn.now, supervise_next(&supervise)));
        longest = monotonic_between(before, turn.now);
        tell(SURVEY, NEWS_SURVEYED, QUEUES);
        tell(SURVEY, NEWS_ENDED, 0);
        tell(FIRST, NEWS_READY, 0);
        tell(SECOND, NEWS_READY, 0);
        tell(INGEST, NEWS_READY, 0);
        ck_assert(i > 0 || longest == 0);
    }
    ck_assert_int_gt(longest, NS_PER_SECOND);
}
END_TEST

START_TEST(damage_found_while_draining_is_left_to_the_next_life)
{
    start_all();
    stop();
    tell(FIRST, NEWS_ENDED, PROCESS_EXIT_DAMAGED);
    ck_assert_int_eq(state_of(FIRST), CHILD_FINISHED);
    pass(SUPERVISE_BLOCKED_DRAIN_NS);
    end_all_killed();

    ck_assert_int_eq(supervise_exit_status(&supervise),
                     PROCESS_EXIT_NOT_DRAINED);
    ck_assert(!supervise_is_drained(&supervise));
}
END_TEST

START_TEST(stop_while_damage_is_cleared_is_not_drained)
{
    start_all();
    tell(FIRST, NEWS_ENDED, PROCESS_EXIT_DAMAGED);
    stop();
    tell(INGEST, NEWS_ENDED, CHILD_SIGNALLED);
    tell(SECOND, NEWS_ENDED, 0);
    while (supervise.phase != SUPERVISE_FINISHED)
        pass(monotonic_between(turn.now, supervise_next(&supervise)));

    ck_assert_int_eq(supervise_exit_status(&supervise),
                     PROCESS_EXIT_NOT_DRAINED);
}
END_TEST

/* Where a child runs, as the world outside has it. */
static void follow_actions(bool runs[4])
{
    for (size_t i = 0; i < turn.action_count; i++) {
        size_t child = turn.actions[i].child;

        if (turn.actions[i].kind == ACTION_START) {
            ck_assert(!runs[child]);
            runs[child] = true;
        }
    }
}

/*
 * Any order of events: no child is started twice, and once asked to stop the
 * bridge always ends, with every child ended.
 */
START_TEST(bridge_always_ends_when_it_is_asked_to)
{
    static const int statuses[] = { 0,
                                    0,
                                    TRY_AGAIN,
                                    CHILD_SIGNALLED,
                                    PROCESS_EXIT_SOFTWARE,
                                    PROCESS_EXIT_DAMAGED };

    for (uint64_t seed = 0; seed < 3000; seed++) {
        bool runs[4] = { false };
        int rounds = 0;

        set_up();
        random_seed(&lots, seed);
        supervise_begin(&supervise, &turn);
        follow_actions(runs);
        while (supervise.phase != SUPERVISE_FINISHED) {
            size_t child = random_below(&lots, 4);

            ck_assert_int_lt(rounds, 5000);
            if (rounds++ == 200)
                stop();
            else if (!runs[child] || random_below(&lots, 4) == 0)
                pass((int64_t)random_below(&lots, (uint64_t)NS_PER_SECOND));
            else if (random_below(&lots, 5) == 0) {
                int status = statuses[random_below(&lots, 6)];

                if (random_below(&lots, 4) == 0)
                    supervise.drift.due = turn.now;

                runs[child] = false;
                if (child == SURVEY && status == 0)
                    tell(child, NEWS_SURVEYED, QUEUES);
                tell(child, NEWS_ENDED, status);
            } else
                tell(child, random_below(&lots, 2) ? NEWS_READY : NEWS_ALIVE,
                     0);
            follow_actions(runs);
        }
        for (size_t child = 0; child < 4; child++)
            ck_assert(!runs[child]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervise");
    TCase *running = tcase_create("running");
    TCase *stopping = tcase_create("stopping");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(running, set_up, NULL);
    tcase_add_checked_fixture(stopping, set_up, NULL);
    tcase_add_test(running, children_start_in_the_order_of_the_data);
    tcase_add_test(
        running, adopted_children_are_watched_and_only_the_missing_are_started);
    tcase_add_test(running,
                   missing_ingest_waits_for_the_workers_beside_adopted_ones);
    tcase_add_test(stopping, adopted_children_drain_in_order);
    tcase_add_test(running, ingest_waits_for_a_worker_that_fell_over_before);
    tcase_add_test(running, killed_worker_restarts_at_once_and_alone);
    tcase_add_test(running, child_that_ended_well_unasked_is_started_again);
    tcase_add_test(running,
                   further_restarts_wait_twice_as_long_with_full_jitter);
    tcase_add_test(running,
                   child_that_was_never_ready_is_not_restarted_at_once);
    tcase_add_test(running, a_minute_of_health_forgives_all);
    tcase_add_test(running, silent_child_is_aborted_then_killed_then_restarted);
    tcase_add_test(running, survey_has_more_time);
    tcase_add_test(running, survey_is_repeated_until_it_made_queues);
    tcase_add_loop_test(
        running, damage_ends_every_child_and_begins_with_the_survey, 0, 2);
    tcase_add_test(running, worker_that_waits_too_long_for_a_reply_is_killed);
    tcase_add_test(running,
                   other_workers_begin_when_all_of_the_old_ones_have_left);
    tcase_add_test(running, as_many_workers_as_there_are_change_nothing);
    tcase_add_test(running, bridge_that_does_not_run_is_not_scaled);
    tcase_add_test(running,
                   worker_that_dies_while_it_leaves_is_not_started_again);
    tcase_add_test(
        running, bridge_that_is_stopped_while_it_scales_gets_its_workers_back);
    tcase_add_test(running, damage_found_while_scaling_begins_with_the_survey);
    tcase_add_test(running,
                   damage_that_comes_again_and_again_waits_longer_and_longer);
    tcase_add_test(stopping,
                   damage_found_while_draining_is_left_to_the_next_life);
    tcase_add_test(stopping, stop_while_damage_is_cleared_is_not_drained);
    tcase_add_test(running, every_state_knows_every_news);
    tcase_add_test(stopping,
                   final_status_of_any_child_stops_the_bridge_with_it);
    tcase_add_test(stopping, ingest_drains_first_then_the_workers);
    tcase_add_test(stopping,
                   worker_that_dies_while_ingest_drains_is_started_again);
    tcase_add_test(stopping,
                   worker_that_waits_when_ingest_is_done_leaves_nothing);
    tcase_add_test(stopping, child_that_dies_while_it_drains_is_not_drained);
    tcase_add_test(stopping, drain_that_takes_too_long_ends_in_kills);
    tcase_add_test(stopping, child_that_is_silent_while_it_drains_is_aborted);
    tcase_add_test(stopping,
                   worker_that_ended_for_good_leaves_the_others_a_moment);
    tcase_add_test(stopping,
                   worker_that_ends_for_good_while_draining_shortens_it);
    tcase_add_test(stopping,
                   ingest_that_drained_before_it_was_asked_leaves_nothing);
    tcase_add_test(stopping, second_request_to_stop_kills_at_once);
    tcase_add_test(stopping, first_request_after_a_failure_still_drains);
    tcase_add_test(stopping, stop_during_the_survey_kills_it_and_is_no_failure);
    tcase_add_test(stopping, stop_between_two_surveys_ends_at_once);
    tcase_add_test(stopping, stop_before_ingest_drains_the_workers_only);
    tcase_add_test(stopping, bridge_always_ends_when_it_is_asked_to);
    suite_add_tcase(suite, running);
    suite_add_tcase(suite, stopping);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
