/* SPDX-License-Identifier: Apache-2.0 */

/*
 * simulate - run whole bridges in simulated time, one seed a life, and judge
 * each of them; see schedule.h for what is real in it.
 */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/simulation/faults.h"
#include "tests/simulation/judge.h"
#include "tests/simulation/schedule.h"
#include "tests/simulation/simulated_kinesis.h"
#include "tests/simulation/simulated_memory.h"
#include "tests/simulation/simulated_nsqd.h"
#include "tests/simulation/simulated_supervisor.h"
#include "tests/simulation/simulated_system.h"

/* When the faults are over, so long until everything has to be finished. */
#define PATIENCE_NS (600 * NS_PER_SECOND)
#define DRAIN_NS    (200 * NS_PER_SECOND)

#define LEAST_FAULTS 20

struct verdict {
    const char *violation; /* NULL: nothing is wrong */
    size_t culprit;
    uint64_t trace;
    uint64_t faults;
    uint64_t kills;
    uint64_t messages;
    uint64_t repeated;
    uint64_t discarded;
    uint64_t steps;
};

/* What one life is made of. */
struct plan {
    struct bridge_settings bridge;
    uint32_t shard_count;
    int64_t msg_timeout_ns;
    size_t message_count;
    size_t body_most;
    size_t key_count; /* of each nsqd */
    int64_t length_ns;
    size_t fault_count;
};

static void on_publish(uint64_t number, uint64_t unused)
{
    (void)unused;
    simulated_nsqd_publish(number);
}

/* Bursts and pauses; messages of one nsqd in their order. */
static void plan_messages(const struct plan *plan)
{
    int64_t at = schedule.now;
    uint64_t mean = (uint64_t)plan->length_ns / plan->message_count;

    for (size_t i = 0; i < plan->message_count; i++) {
        size_t nsqd = i % plan->bridge.nsqd_count;
        size_t key = nsqd * plan->key_count + chance(plan->key_count);

        judge_add(nsqd, key, 1 + chance(plan->body_most));
        if (chance(4) == 0)
            at += (int64_t)chance(8 * mean);
        schedule_at(at, on_publish, i, 0);
    }
}

static struct plan plan_of_seed(void)
{
    static const char *const protocols[] = { "auto", "cbor", "json" };
    static const char *const sizes[] = { "1KiB", "4KiB", "50KiB" };
    static const size_t bodies[] = { 40, 400, 6000 };
    struct plan plan = {
        .bridge = {
            .worker_count = 1 + (unsigned)chance(2),
            .nsqd_count = 1 + chance(2),
            .has_keys = chance(4) > 0,
            .protocol = protocols[chance(3)],
            .max_in_flight = 3 + (unsigned)chance(60),
            .aggregate_size = sizes[chance(3)],
        },
        .shard_count = 1 + (uint32_t)chance(4),
        .msg_timeout_ns = (chance(2) ? 3 : 60) * NS_PER_SECOND,
        .message_count = 40 + chance(80),
        .body_most = bodies[chance(3)],
        .key_count = 1 + chance(6),
        .length_ns = (1 + (int64_t)chance(8)) * NS_PER_SECOND,
        .fault_count = LEAST_FAULTS + chance(12),
    };

    return plan;
}

static bool is_all_finished(void)
{
    return judge.finished == judge.count;
}

/* Until every message is finished, looked at now and then. */
static void run_until_finished(int64_t end)
{
    while (!schedule.is_over && schedule.now < end && !is_all_finished())
        schedule_run(schedule.now + 100 * NS_PER_MS);
}

/* Some child may still wait for its next start, and the supervisor be away. */
static void await_children(void)
{
    int64_t end = schedule.now + PATIENCE_NS;

    for (size_t i = 0; i < PROCESSES_MOST; i++)
        schedule.processes[i].kill_in = 0;
    schedule_run(schedule.now + NS_PER_MS); /* who has just died is known */
    while (!schedule.is_over && schedule.now < end &&
           !simulated_supervisor_is_complete())
        schedule_run(schedule.now + 100 * NS_PER_MS);
}

static void drain(void)
{
    int64_t end = schedule.now + DRAIN_NS;
    uint64_t kills = schedule.kills;
    int status = 0;

    simulated_supervisor_stop();
    while (!schedule.is_over && schedule.now < end &&
           !simulated_supervisor_is_finished(&status))
        schedule_run(schedule.now + 100 * NS_PER_MS);
    if (schedule.is_over)
        return;
    if (!simulated_supervisor_is_finished(&status))
        judge_accuse("the bridge does not end", 0);
    else if (status != 0 && schedule.kills == kills)
        judge_accuse("the bridge ends, but not well", (size_t)status);
}

static void begin(const struct plan *plan, uint64_t seed)
{
    simulated_memory_begin();
    simulated_system_begin();
    judge_begin(plan->bridge.has_keys);
    simulated_nsqd_begin(plan->bridge.nsqd_count, plan->msg_timeout_ns);
    simulated_kinesis_begin(seed, plan->shard_count);
    simulated_supervisor_begin(&plan->bridge);
}

static struct verdict run(const struct plan *plan)
{
    int64_t end = schedule.now + plan->length_ns;

    plan_messages(plan);
    if (plan->fault_count > 0)
        faults_plan(plan->fault_count, end, plan->bridge.nsqd_count);
    schedule_run(end);
    simulated_kinesis_heal();
    run_until_finished(schedule.now + PATIENCE_NS);
    if (!schedule.is_over)
        judge_end();
    await_children();
    if (!schedule.is_over)
        drain();
    simulated_nsqd_end();
    simulated_kinesis_end();
    return (struct verdict){
        .violation = judge.violation,
        .culprit = judge.culprit,
        .trace = schedule.trace,
        .faults = plan->fault_count,
        .kills = schedule.kills,
        .messages = judge.count,
        .repeated = judge.repeated,
        .discarded = judge.discarded,
        .steps = schedule.steps,
    };
}

static struct verdict run_seed(uint64_t seed, bool is_told)
{
    struct plan plan;

    schedule_begin(seed, is_told);
    plan = plan_of_seed();
    begin(&plan, seed);
    return run(&plan);
}

/* One shard, three messages of which the ring holds hardly more, two deaths. */
static struct verdict run_tiny(const uint64_t kill_steps[2], bool is_told)
{
    const struct plan plan = {
        .bridge = { .worker_count = 1,
                    .nsqd_count = 1,
                    .has_keys = true,
                    .protocol = "cbor",
                    .max_in_flight = 2,
                    .aggregate_size = "1KiB" },
        .shard_count = 1,
        .msg_timeout_ns = 60 * NS_PER_SECOND,
        .message_count = 3,
        .body_most = 1,
        .key_count = 1,
        .length_ns = NS_PER_SECOND,
    };

    schedule_begin(1, is_told);
    schedule.slice_most = 1000000; /* nobody is interrupted but by death */
    schedule.kill_steps[0] = kill_steps[0];
    schedule.kill_steps[1] = kill_steps[1];
    begin(&plan, 1);
    return run(&plan);
}

static void add(struct verdict *sum, const struct verdict *one)
{
    sum->trace = (sum->trace ^ one->trace) * UINT64_C(0x100000001b3);
    sum->faults += one->faults;
    sum->kills += one->kills;
    sum->messages += one->messages;
    sum->repeated += one->repeated;
    sum->discarded += one->discarded;
    sum->steps += one->steps;
}

static void complain(const char *how, uint64_t first, uint64_t second,
                     const struct verdict *verdict)
{
    printf("violation: %s, message %zu: tools/simulate %s %" PRIu64,
           verdict->violation, verdict->culprit, how, first);
    if (second > 0)
        printf(",%" PRIu64, second);
    printf(" --tell\n");
}

static void print_sum(const struct verdict *sum, uint64_t runs,
                      uint64_t violations, double seconds)
{
    printf("%" PRIu64 " lives, %" PRIu64 " messages, %" PRIu64
           " faults, %" PRIu64 " kills, %" PRIu64 " steps in %.1f s\n"
           "%" PRIu64 " copies that had to be, %" PRIu64
           " aggregates that KCL discards\n"
           "trace %016" PRIx64 ", %" PRIu64 " violations\n",
           runs, sum->messages, sum->faults, sum->kills, sum->steps, seconds,
           sum->repeated, sum->discarded, sum->trace, violations);
}

static double seconds_now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

struct options_given {
    uint64_t first;
    uint64_t seeds;
    uint64_t jobs;
    bool is_told;
    bool is_repeated;
    bool is_exhaustive;
    uint64_t kill_steps[2];
};

/* Every `jobs`-th seed from first + job on. Returns the violations. */
static uint64_t run_seeds(const struct options_given *given, uint64_t job)
{
    struct verdict sum = { 0 };
    uint64_t violations = 0;
    uint64_t runs = 0;
    double start = seconds_now();

    for (uint64_t i = job; i < given->seeds; i += given->jobs) {
        struct verdict verdict = run_seed(given->first + i, given->is_told);

        if (given->is_repeated &&
            run_seed(given->first + i, false).trace != verdict.trace)
            verdict.violation = "its second life is another one";
        runs++;
        add(&sum, &verdict);
        if (verdict.violation) {
            complain("--seed", given->first + i, 0, &verdict);
            violations++;
        }
        (void)fflush(stdout);
    }
    print_sum(&sum, runs, violations, seconds_now() - start);
    return violations;
}

/* Every pair of steps of a tiny life, each the death of whoever makes it. */
static uint64_t run_exhaustive(const struct options_given *given, uint64_t job)
{
    const uint64_t none[2] = { 0, 0 };
    struct verdict alone = run_tiny(none, false);
    struct verdict sum = { 0 };
    uint64_t violations = 0;
    uint64_t runs = 0;
    double start = seconds_now();

    for (uint64_t i = 1 + job; i <= alone.steps; i += given->jobs) {
        uint64_t one[2] = { i, 0 };
        struct verdict verdict = run_tiny(one, false);
        uint64_t last = verdict.steps;

        for (uint64_t k = i; k <= last; k++) {
            uint64_t two[2] = { i, k > i ? k : 0 };

            verdict = run_tiny(two, false);
            runs++;
            add(&sum, &verdict);
            if (verdict.violation) {
                complain("--kill", i, k, &verdict);
                violations++;
            }
        }
    }
    print_sum(&sum, runs, violations, seconds_now() - start);
    return violations;
}

static int run_job(const struct options_given *given, uint64_t job)
{
    return (given->is_exhaustive ? run_exhaustive(given, job)
                                 : run_seeds(given, job)) > 0;
}

static int run_jobs(const struct options_given *given)
{
    int worst = 0;

    if (given->jobs == 1)
        return run_job(given, 0);
    (void)fflush(stdout);
    for (uint64_t job = 0; job < given->jobs; job++)
        if (fork() == 0) {
            int status = run_job(given, job);

            (void)fflush(stdout);
            _exit(status);
        }
    for (uint64_t job = 0; job < given->jobs; job++) {
        int status = 0;

        (void)wait(&status);
        if (status != 0)
            worst = 1;
    }
    return worst;
}

/* What a simulated world has no situation for. */
static bool is_beyond(const char *bug)
{
    return strcmp(bug, "no_checksum") == 0; /* nothing here damages memory */
}

/* True if some seed's life is refused. The bug is the environment's. */
static bool is_noticed(const struct options_given *given, const char *bug)
{
    for (uint64_t i = 0; i < given->seeds; i++) {
        struct verdict verdict = run_seed(given->first + i, false);

        if (!verdict.violation)
            continue;
        printf("%-20s %-12s seed %" PRIu64 "\n", bug, verdict.violation,
               given->first + i);
        return true;
    }
    return false;
}

/* Each seeded bug has to be noticed, in a process of its own. */
static int run_bugs(const struct options_given *given)
{
    static const char *const bugs[] = {
#define BUG(name, what) #name,
#include "common/seeded_bugs.tbl"
    };
    int status = 0;

    for (size_t i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++) {
        int one = 0;

        (void)fflush(stdout);
        if (is_beyond(bugs[i]))
            continue;
        if (fork() == 0) {
            (void)setenv("N2K_SEEDED_BUG", bugs[i], 1);
            one = !is_noticed(given, bugs[i]);
            (void)fflush(stdout);
            _exit(one);
        }
        (void)wait(&one);
        if (one == 0)
            continue;
        printf("%-20s is not noticed\n", bugs[i]);
        status = 1;
    }
    return status;
}

static void print_help(void)
{
    printf("simulate [--seeds N] [--first N] [--jobs N] [--seed N] [--tell]\n"
           "         [--twice] [--exhaustive] [--kill STEP,STEP] [--bugs]\n\n"
           "  --seeds N       so many lives, each with another seed (200)\n"
           "  --first N       the first seed (1)\n"
           "  --jobs N        processes to share the work (1)\n"
           "  --seed N        that one alone\n"
           "  --tell          print what happens\n"
           "  --twice         live each life twice, and compare the traces\n"
           "  --exhaustive    a tiny life, with two deaths at every two steps\n"
           "  --bugs          each seeded bug has to be noticed by some seed\n"
           "  --kill I,K      that life with deaths at those steps\n\n"
           "The same seed gives the same trace. Exit status: 0 if nothing is "
           "wrong.\n");
}

static int run_kills(const struct options_given *given)
{
    struct verdict verdict = run_tiny(given->kill_steps, given->is_told);

    if (verdict.violation)
        complain("--kill", given->kill_steps[0], given->kill_steps[1],
                 &verdict);
    print_sum(&verdict, 1, verdict.violation != NULL, 0);
    return verdict.violation != NULL;
}

int main(int argc, char *argv[])
{
    static const struct option names[] = {
        { "seeds", required_argument, NULL, 'n' },
        { "first", required_argument, NULL, 'f' },
        { "jobs", required_argument, NULL, 'j' },
        { "seed", required_argument, NULL, 's' },
        { "tell", no_argument, NULL, 't' },
        { "twice", no_argument, NULL, '2' },
        { "exhaustive", no_argument, NULL, 'e' },
        { "kill", required_argument, NULL, 'k' },
        { "bugs", no_argument, NULL, 'b' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct options_given given = { .first = 1, .seeds = 200, .jobs = 1 };
    bool has_kills = false;
    bool has_bugs = false;
    int letter;

    (void)setenv("AWS_ACCESS_KEY_ID", "simulated", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "simulated", 1);
    while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1)
        switch (letter) {
        case 'n':
            given.seeds = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            given.first = strtoull(optarg, NULL, 10);
            break;
        case 'j':
            given.jobs = strtoull(optarg, NULL, 10);
            break;
        case 's':
            given.first = strtoull(optarg, NULL, 10);
            given.seeds = 1;
            break;
        case 't':
            given.is_told = true;
            break;
        case '2':
            given.is_repeated = true;
            break;
        case 'e':
            given.is_exhaustive = true;
            break;
        case 'k':
            has_kills = true;
            if (sscanf(optarg, "%" SCNu64 ",%" SCNu64, &given.kill_steps[0],
                       &given.kill_steps[1]) < 1)
                return 64;
            break;
        case 'b':
            has_bugs = true;
            break;
        case 'h':
            print_help();
            return 0;
        default:
            return 64;
        }
    if (given.jobs == 0)
        given.jobs = 1;
    if (has_bugs)
        return run_bugs(&given);
    return has_kills ? run_kills(&given) : run_jobs(&given);
}
