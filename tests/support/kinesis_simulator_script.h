/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_script - which fault happens to which request.
 *
 * A script is JSON lines, one rule a line; empty lines and lines that begin
 * with '#' are passed over:
 *
 *     {"on":"PutRecords","action":"throttle","shard":"shardId-000000000001",
 *      "after":100,"count":3,"probability":0.5,"delay_ms":20}
 *
 * on           operation; left out: every operation
 * action       a row of kinesis_simulator_actions.tbl
 * shard        only requests with a record for this shard (for actions on
 *              records: only those records; for split and merge: the shard
 *              to change, whatever the request holds)
 * after        pass over the first so many that match
 * count        fire so many times at most; left out: for ever
 * probability  fire with this chance; left out: 1
 * delay_ms     the reply waits so long as well
 * time_ms      late_*: when the records land; drip: between two bytes;
 *              stale_shards: how old the list is; left out: 1000
 *
 * Rules are asked in the order of the script; the first that fires is the one
 * (a delay only adds its time). Chance comes from the caller's random state,
 * so a seed repeats a run. Pure.
 */

#include "common/bytes.h"
#include "common/random.h"

enum simulator_stage {
    SIMULATOR_STAGE_DELAY,
    SIMULATOR_STAGE_BEFORE,
    SIMULATOR_STAGE_LATE,
    SIMULATOR_STAGE_RECORD,
    SIMULATOR_STAGE_STORED,
    SIMULATOR_STAGE_RESHARD,
    SIMULATOR_STAGE_AFTER,
};

enum simulator_ending {
    SIMULATOR_ENDING_SEND,
    SIMULATOR_ENDING_CUT,
    SIMULATOR_ENDING_CUT_HEAD,
    SIMULATOR_ENDING_CLOSE,
    SIMULATOR_ENDING_RESET,
    SIMULATOR_ENDING_HOLD,
    SIMULATOR_ENDING_DRIP,
    SIMULATOR_ENDING_SHUT,
    SIMULATOR_ENDING_LONGER,
    SIMULATOR_ENDING_SHORTER,
};

enum simulator_fault {
#define ACTION(name, stage, status, code, message, ending)                     \
    SIMULATOR_FAULT_##name,
#include "tests/support/kinesis_simulator_actions.tbl"
};

struct simulator_action {
    enum simulator_fault fault;
    const char *name;
    enum simulator_stage stage;
    int status;          /* HTTP */
    const char *code;    /* NULL: no error code */
    const char *message; /* NULL: none */
    enum simulator_ending ending;
};

struct simulator_rule {
    const struct simulator_action *action;
    char operation[64]; /* empty: every operation */
    uint32_t shard;     /* SIMULATOR_NO_SHARD: any */
    uint64_t after;     /* matches still passed over */
    uint64_t count;     /* times it may still fire */
    double probability;
    int64_t delay_ns;
    int64_t time_ns;
    uint64_t fired;
};

#define SIMULATOR_RULES_MOST 256

struct simulator_script {
    struct simulator_rule rules[SIMULATOR_RULES_MOST];
    size_t count;
    size_t record_rules; /* rules of the stages RECORD and STORED among them */
    char complaint[256];
};

/*
 * Add the rules in `text`. Returns 0, or SIMULATOR_REFUSED with a sentence in
 * script->complaint and no rule added.
 */
int simulator_script_add(struct simulator_script *script, struct bytes text);

/* Forget all rules. */
void simulator_script_clear(struct simulator_script *script);

/* A request, for the choice of a rule. */
struct simulator_question {
    const char *operation;
    const uint32_t *shards; /* of its records, in order; may repeat */
    size_t shard_count;
};

/*
 * The rule that fires on this request, or NULL; rules for records are left
 * out. Times of delay rules are added to *delay_ns in passing.
 */
struct simulator_rule *
simulator_script_choose(struct simulator_script *script,
                        const struct simulator_question *question,
                        struct random *random, int64_t *delay_ns);

/* The rule that fires on one record of `operation` for `shard`, or NULL. */
struct simulator_rule *
simulator_script_choose_for_record(struct simulator_script *script,
                                   const char *operation, uint32_t shard,
                                   struct random *random, int64_t *delay_ns);
