/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/simulation/faults.h"

#include <stdio.h>

#include "common/bytes.h"
#include "tests/simulation/schedule.h"
#include "tests/simulation/simulated_kinesis.h"
#include "tests/simulation/simulated_nsqd.h"
#include "tests/simulation/simulated_supervisor.h"
#include "tools/supervisor/supervise.h"

/* A victim dies within so many of its next steps. */
#define STEPS_MOST 300

/* What the Kinesis simulator does with requests; see its actions.tbl. */
static const char *const actions[] = {
    "throttle",
    "throttle_request",
    "internal_failure",
    "throttle_after",
    "http_500_before",
    "internal_failure_after",
    "http_500_after",
    "http_503",
    "close_before",
    "reset_before",
    "hold_before",
    "late_hold",
    "late_close",
    "late_reset",
    "close_after_commit",
    "cut_reply",
    "reset_after_commit",
    "hold_after_commit",
    "longer_length",
    "cut_head",
    "drip",
    "shorter_length",
    "garbage",
    "empty_reply",
    "empty_map",
    "web_page",
    "deep_reply",
    "wrong_count",
    "extra_result",
    "wrong_failed_count",
    "wrong_shard",
    "unknown_shard",
    "no_shard",
    "no_sequence",
    "garbage_sequence",
    "long_sequence",
    "limit_exceeded",
    "kms_throttled",
    "close_after_reply",
};

static size_t nsqds;

static void doom(size_t place)
{
    struct process *process = &schedule.processes[place];

    process->kill_in = 1 + chance(STEPS_MOST);
}

static void kill_worker(void)
{
    doom(SUPERVISE_FIRST_WORKER + chance(2));
}

static void kill_ingest(void)
{
    doom(SUPERVISE_INGEST);
}

static void kill_several(void)
{
    doom(SUPERVISE_INGEST);
    doom(SUPERVISE_FIRST_WORKER);
    doom(SUPERVISE_FIRST_WORKER + 1);
}

static int64_t soon(int64_t most_ns)
{
    return schedule.now + 1 + (int64_t)chance((uint64_t)most_ns);
}

/* Some are left to themselves, with or without somebody who writes. */
static void forget_children(void)
{
    if (chance(2))
        process_kill(&schedule.processes[SUPERVISE_INGEST]);
    simulated_supervisor_kill(soon(500 * NS_PER_MS), SUPERVISOR_LEAVES_STRAYS);
}

static void kill_supervisor(void)
{
    simulated_supervisor_kill(soon(500 * NS_PER_MS),
                              SUPERVISOR_LEAVES_CHILDREN);
}

static void kill_everything(void)
{
    simulated_supervisor_kill(soon(500 * NS_PER_MS), SUPERVISOR_LEAVES_NOBODY);
}

/* SIGSTOP, for longer than its supervisor bears, or for more than a minute. */
static void pause_one(void)
{
    int64_t most = (chance(4) == 0 ? 90 : 8) * NS_PER_SECOND;
    size_t place = SUPERVISE_INGEST + chance(3);

    if (chance(2)) /* one that no supervisor knows, if there is any */
        place += CHILDREN_MOST;
    if (schedule.processes[place].state == PROCESS_ABSENT)
        place = SUPERVISE_INGEST + chance(3);
    schedule_note("paused", place, 0);
    schedule.processes[place].paused_until = soon(most);
}

static void cut_nsqd(void)
{
    simulated_nsqd_cut(chance(nsqds), 0);
}

static void restart_nsqd(void)
{
    simulated_nsqd_cut(chance(nsqds), soon(2 * NS_PER_SECOND));
}

static void script_kinesis(void)
{
    const char *action = actions[chance(ARRAY_LENGTH(actions))];
    char rule[160];

    (void)snprintf(rule, sizeof(rule),
                   "{\"on\":\"PutRecords\",\"action\":\"%s\",\"count\":%d,"
                   "\"time_ms\":%d}",
                   action, 1 + (int)chance(3), 1 + (int)chance(1500));
    schedule_note(action, 0, 0);
    simulated_kinesis_script(rule);
}

static void hide_kinesis(void)
{
    schedule_note("hidden", 0, 0);
    simulated_kinesis_hide(soon(NS_PER_SECOND));
}

static void scale(void)
{
    simulated_supervisor_scale(1 + (unsigned)chance(3));
}

/* As often as it stands here. */
static void (*const kinds[])(void) = {
    kill_worker,
    kill_worker,
    kill_ingest,
    kill_ingest,
    kill_several,
    kill_supervisor,
    kill_everything,
    forget_children,
    pause_one,
    cut_nsqd,
    restart_nsqd,
    script_kinesis,
    script_kinesis,
    script_kinesis,
    script_kinesis,
    script_kinesis,
    script_kinesis,
    hide_kinesis,
    scale,
    simulated_kinesis_reshard,
    simulated_kinesis_reshard,
};

static void on_fault(uint64_t kind, uint64_t unused)
{
    (void)unused;
    schedule_note("fault", kind, 0);
    kinds[kind]();
}

void faults_plan(size_t count, int64_t end, size_t nsqd_count)
{
    int64_t length = end - schedule.now;

    nsqds = nsqd_count;
    for (size_t i = 0; i < count; i++)
        schedule_at(schedule.now + (int64_t)chance((uint64_t)length), on_fault,
                    chance(ARRAY_LENGTH(kinds)), 0);
}
