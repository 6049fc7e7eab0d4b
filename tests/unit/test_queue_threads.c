/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The same code as two threads on one mapping, for ThreadSanitizer: it cannot
 * see across processes, nor across two mappings of the same memory.
 */

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "tests/support/queue_course.h"

#define CAPACITY (16 * 1024)
#define LONGEST  500
#define RECORDS  300000

static struct queue_fixture fixture;
static struct queue_course forward;

static void *read_all(void *nothing)
{
    struct queue_course course = forward;

    while (course.serial < RECORDS) {
        int read = queue_course_read(&course, &fixture.consumer, 16);

        if (read < 0)
            return "a record was not what it should be";
        if (read == 0)
            (void)sched_yield();
    }
    return nothing;
}

START_TEST(two_threads_on_one_mapping_race_for_nothing)
{
    struct queue_course course = { .capacity = CAPACITY, .most = LONGEST };
    struct queue_course behind = course;
    pthread_t reader;
    void *complaint;

    queue_fixture_make(&fixture, CAPACITY, 0);
    ck_assert_int_eq(queue_producer_open(fixture.name, &fixture.producer), 0);
    fixture.consumer.segment = fixture.producer.segment;
    ck_assert_int_eq(queue_consumer_begin(&fixture.consumer, 0), 0);
    forward = course;
    ck_assert_int_eq(pthread_create(&reader, NULL, read_all, NULL), 0);

    while (behind.serial < RECORDS) {
        unsigned count = RECORDS - course.serial < 16
                             ? (unsigned)(RECORDS - course.serial)
                             : 16;
        unsigned written =
            queue_course_write(&course, &fixture.producer, count);
        int finished = queue_course_finish(&behind, &fixture.producer);

        ck_assert_int_ge(finished, 0);
        if (written == 0 && finished == 0)
            (void)sched_yield();
    }

    ck_assert_int_eq(pthread_join(reader, &complaint), 0);
    ck_assert_ptr_null(complaint);
    fixture.consumer.segment.memory = SHARED_MEMORY_NULL;
    queue_fixture_deinit(&fixture);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue_threads");
    TCase *threads = tcase_create("threads");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(threads, 100);
    tcase_add_test(threads, two_threads_on_one_mapping_race_for_nothing);
    suite_add_tcase(suite, threads);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
