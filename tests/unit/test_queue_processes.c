/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The two ends in two processes: millions of records, every byte compared,
 * then either end killed at random instants, thousands of times.
 */

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/random.h"
#include "shard/shared_word.h"
#include "shard/wakeup.h"
#include "tests/support/queue_course.h"

#define CAPACITY (64 * 1024)
#define LONGEST  700
#define BATCH    32

#define STREAM_RECORDS 3000000
#define KILLS          3000

static struct queue_fixture fixture;
static struct shared_memory wakeup_memory;
static struct wakeup_segment *wakeups;
static char wakeup_name[64];
static int descriptors[2]; /* eventfds of writer and reader */

enum side {
    WRITER = WAKEUP_INGEST,
    READER = WAKEUP_EGRESS,
};

static void make_wakeups(void)
{
    (void)snprintf(wakeup_name, sizeof(wakeup_name),
                   "/nsq_to_kinesis.test-%d.wakeup", (int)getpid());
    ck_assert_int_eq(wakeup_create(wakeup_name, 1), 0);
    ck_assert_int_eq(wakeup_open(wakeup_name, &wakeup_memory, &wakeups), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_ge(descriptors[i] = eventfd(0, EFD_NONBLOCK), 0);
}

static void remove_all(void)
{
    queue_fixture_deinit(&fixture);
    shared_memory_close(&wakeup_memory);
    (void)shared_memory_remove(wakeup_name);
}

static struct queue_course course_at_start(void)
{
    return (struct queue_course){ .capacity = CAPACITY, .most = LONGEST };
}

/*
 * Sleep until the other side kicks. Returns the number of lost wake-ups: 1 if
 * the time ran out, `word` has moved away from `seen`, and no kick follows. A
 * mover that was held up between its store and its kick still kicks.
 */
static unsigned sleep_until_kicked(enum side side, const _Atomic uint64_t *word,
                                   uint64_t seen)
{
    struct pollfd own = { .fd = descriptors[side], .events = POLLIN };
    unsigned lost = 0;

    wakeup_prepare(&wakeups->places[side]);
    if (load_acquire(word) == seen && poll(&own, 1, 1000) == 0 &&
        load_acquire(word) != seen)
        lost = poll(&own, 1, 10000) == 0;
    wakeup_awake(&wakeups->places[side]);
    wakeup_clear(descriptors[side]);
    return lost;
}

static void kick(enum side side)
{
    (void)wakeup_kick(&wakeups->places[side], descriptors[side]);
}

/* Ends 0 when all records were read as the course says. */
static int read_stream(void)
{
    struct queue_course course = course_at_start();
    struct queue_consumer consumer;
    unsigned lost = 0;

    if (queue_consumer_open(fixture.name, 0, &consumer))
        return 2;
    while (course.serial < STREAM_RECORDS) {
        int read = queue_course_read(&course, &consumer, BATCH);

        if (read < 0)
            return 3;
        if (read > 0)
            kick(WRITER);
        else
            lost += sleep_until_kicked(READER,
                                       &consumer.segment.positions->committed,
                                       consumer.committed);
    }
    return lost ? 4 : 0;
}

static unsigned write_stream(struct queue_producer *producer)
{
    struct queue_course course = course_at_start();
    struct queue_course behind = course_at_start();
    unsigned lost = 0;

    while (behind.serial < STREAM_RECORDS) {
        uint64_t left = STREAM_RECORDS - course.serial;
        unsigned written = queue_course_write(
            &course, producer, left < BATCH ? (unsigned)left : BATCH);
        int finished;

        if (written > 0)
            kick(READER);
        finished = queue_course_finish(&behind, producer);
        ck_assert_int_ge(finished, 0);
        if (written == 0 && finished == 0)
            lost += sleep_until_kicked(WRITER,
                                       &producer->segment.positions->released,
                                       producer->released);
    }
    return lost;
}

START_TEST(millions_of_records_arrive_whole_and_in_order)
{
    int status;
    pid_t reader;

    queue_fixture_make(&fixture, CAPACITY, 0);
    make_wakeups();
    ck_assert_int_eq(queue_producer_open(fixture.name, &fixture.producer), 0);
    reader = fork();
    if (reader == 0)
        _exit(read_stream());

    ck_assert_uint_eq(write_stream(&fixture.producer), 0);

    ck_assert_int_eq(waitpid(reader, &status, 0), reader);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

/*
 * Write until killed. `course` stands where the last published record ends,
 * `behind` where the last finished one does.
 */
static int write_until_killed(struct queue_course course,
                              struct queue_course behind, uint64_t seed)
{
    struct queue_producer producer;
    struct random random;

    random_seed(&random, seed);
    if (queue_producer_open(fixture.name, &producer))
        return 2;
    if (producer.committed != course.position ||
        producer.finished != behind.position)
        return 3;
    for (;;) {
        unsigned count = 1 + (unsigned)random_below(&random, BATCH);

        (void)queue_course_write(&course, &producer, count);
        if (queue_course_finish(&behind, &producer) < 0)
            return 4;
    }
}

static int read_until_killed(struct queue_course course, uint64_t seed)
{
    struct queue_consumer consumer;
    struct random random;

    random_seed(&random, seed);
    if (queue_consumer_open(fixture.name, 0, &consumer))
        return 5;
    if (consumer.released != course.position)
        return 6;
    for (;;) {
        unsigned count = 1 + (unsigned)random_below(&random, BATCH);

        if (queue_course_read(&course, &consumer, count) < 0)
            return 7;
    }
}

/* Where the queue stands between two lives of its ends. */
struct courses {
    struct queue_course committed;
    struct queue_course released;
    struct queue_course finished;
};

static void reach(struct courses *courses)
{
    struct queue_segment segment;
    struct queue_snapshot now;

    ck_assert_int_eq(
        queue_segment_open(fixture.name, SHARED_MEMORY_READ, &segment), 0);
    ck_assert_int_eq(queue_snapshot(&segment, &now), 0);
    queue_segment_close(&segment);
    ck_assert(queue_course_reach(&courses->committed, now.committed));
    ck_assert(queue_course_reach(&courses->released, now.released));
    ck_assert(queue_course_reach(&courses->finished, now.finished));
}

static pid_t start(enum side side, const struct courses *courses,
                   struct random *random)
{
    uint64_t seed = random_u64(random);
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0 && side == WRITER)
        _exit(write_until_killed(courses->committed, courses->finished, seed));
    if (child == 0)
        _exit(read_until_killed(courses->released, seed));
    return child;
}

static void end_by_kill(pid_t child)
{
    int status;

    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        ck_abort_msg("an end saw something impossible: exit %d",
                     WEXITSTATUS(status));
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
}

START_TEST(ends_killed_at_random_instants_tear_lose_and_repeat_nothing)
{
    struct courses courses = { course_at_start(), course_at_start(),
                               course_at_start() };
    struct random random;

    queue_fixture_make(&fixture, CAPACITY, 0);
    random_seed(&random, 20260131);
    for (unsigned kills = 0; kills < KILLS; kills += 2) {
        struct courses before = courses;
        pid_t writer = start(WRITER, &before, &random);
        pid_t reader = start(READER, &before, &random);

        (void)usleep((useconds_t)random_below(&random, 1000));
        end_by_kill(kills % 4 ? writer : reader);
        (void)usleep((useconds_t)random_below(&random, 300));
        end_by_kill(kills % 4 ? reader : writer);
        reach(&courses);
    }
    ck_assert_uint_gt(courses.finished.serial, KILLS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue_processes");
    TCase *stream = tcase_create("stream");
    TCase *kills = tcase_create("kills");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(stream, 100);
    tcase_set_timeout(kills, 100);
    tcase_add_checked_fixture(stream, NULL, remove_all);
    tcase_add_checked_fixture(kills, NULL, remove_all);
    tcase_add_test(stream, millions_of_records_arrive_whole_and_in_order);
    tcase_add_test(kills,
                   ends_killed_at_random_instants_tear_lose_and_repeat_nothing);
    suite_add_tcase(suite, stream);
    suite_add_tcase(suite, kills);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
