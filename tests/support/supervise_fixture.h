/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * supervise_fixture - a bridge of two workers that exists in supervise.h alone,
 * and the world around it in a few words: pass(), tell(), stop(), scale().
 */

#include <check.h>

#include "tools/supervisor/supervise.h"

#define SURVEY    0
#define FIRST     2 /* of two workers */
#define SECOND    3
#define INGEST    1
#define QUEUES    4
#define DRAIN_NS  (5 * NS_PER_SECOND)
#define HUNG_NS   (30 * NS_PER_SECOND)
#define SETTLE_NS (10 * NS_PER_SECOND)
#define START_NS  (1000 * NS_PER_SECOND)
#define TRY_AGAIN PROCESS_EXIT_TRY_AGAIN

static const struct supervise_times times = {
    .drain_timeout = DRAIN_NS,
    .hung_timeout = HUNG_NS,
    .settle_time = SETTLE_NS,
};
static struct supervise supervise;
static struct supervise_turn turn;
static struct random lots;

static inline void set_up(void)
{
    random_seed(&lots, 1);
    turn =
        (struct supervise_turn){ .now = { .ns = START_NS }, .random = &lots };
    supervise_init(&supervise, 2, &times);
}

/* One that waits long for its drain. */
static inline void init_patient(int64_t hung_timeout)
{
    const struct supervise_times patient = {
        .drain_timeout = 10 * HUNG_NS,
        .hung_timeout = hung_timeout,
    };

    supervise_init(&supervise, 2, &patient);
}

static inline void pass(int64_t ns)
{
    turn.now = monotonic_after(turn.now, ns);
    turn.action_count = 0;
    supervise_tick(&supervise, &turn);
}

static inline void tell(size_t child, enum child_news news, int value)
{
    turn.action_count = 0;
    supervise_tell(&supervise, child, news, value, &turn);
}

static inline void stop(void)
{
    turn.action_count = 0;
    supervise_stop(&supervise, &turn);
}

static inline size_t count_actions(enum supervise_action_kind kind,
                                   size_t child)
{
    size_t count = 0;

    for (size_t i = 0; i < turn.action_count; i++)
        count += turn.actions[i].kind == kind && turn.actions[i].child == child;
    return count;
}

static inline enum child_state state_of(size_t child)
{
    return supervise.children[child].state;
}

static inline void assert_only(enum supervise_action_kind kind, size_t child)
{
    ck_assert_uint_eq(turn.action_count, 1);
    ck_assert_uint_eq(count_actions(kind, child), 1);
}

static inline void finish_survey(void)
{
    supervise_begin(&supervise, &turn);
    tell(SURVEY, NEWS_SURVEYED, QUEUES);
    tell(SURVEY, NEWS_ENDED, 0);
}

static inline void start_all(void)
{
    finish_survey();
    tell(FIRST, NEWS_READY, 0);
    tell(SECOND, NEWS_READY, 0);
    tell(INGEST, NEWS_READY, 0);
}

static inline int scale(unsigned worker_count)
{
    turn.action_count = 0;
    return supervise_scale(&supervise, worker_count, &turn);
}
