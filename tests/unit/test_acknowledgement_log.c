/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The log is built into this test with a hook at every access of a shared
 * word, so that the writer can die at each of them.
 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHARED_WORD_HOOK
#include "shard/acknowledgement_log.c"

#define CAPACITY 16

static char name[64];
static struct acknowledgement_log one;
static unsigned steps_to_live; /* 0: for ever */

void shared_word_hook(const void *word)
{
    (void)word;
    if (steps_to_live > 0 && --steps_to_live == 0)
        _exit(0);
}

static void choose_name(void)
{
    (void)snprintf(name, sizeof(name), "/nsq_to_kinesis.test-%d.acknowledged",
                   (int)getpid());
    one = (struct acknowledgement_log){ .memory = SHARED_MEMORY_NULL };
}

static void remove_segment(void)
{
    acknowledgement_log_close(&one);
    (void)shared_memory_remove(name);
}

static void open_log(void)
{
    ck_assert_int_eq(acknowledgement_log_open(name, CAPACITY, &one), 0);
}

static struct acknowledgement numbered(uint64_t number)
{
    return (struct acknowledgement){
        .id = number * 3,
        .timestamp_ns = -(int64_t)number,
        .checksum = number * 7,
        .source = (uint16_t)(number * 11),
        .has_fin = number % 2 == 1,
    };
}

static void note(uint64_t number)
{
    struct acknowledgement acknowledgement = numbered(number);

    acknowledgement_log_note(&one, &acknowledgement);
}

/* The entry at each readable position is the one that was noted there. */
static void expect_all_readable(uint64_t oldest, uint64_t position)
{
    ck_assert_uint_eq(one.position, position);
    ck_assert_uint_eq(acknowledgement_log_oldest(&one), oldest);
    for (uint64_t i = oldest; i < position; i++) {
        struct acknowledgement expected = numbered(i);
        struct acknowledgement found;

        acknowledgement_log_read(&one, i, &found);
        ck_assert_uint_eq(found.id, expected.id);
        ck_assert_int_eq(found.timestamp_ns, expected.timestamp_ns);
        ck_assert_uint_eq(found.checksum, expected.checksum);
        ck_assert_uint_eq(found.source, expected.source);
        ck_assert_int_eq(found.has_fin, expected.has_fin);
    }
}

START_TEST(new_log_is_empty)
{
    open_log();

    expect_all_readable(0, 0);
}
END_TEST

START_TEST(noted_entries_are_read_as_they_were)
{
    open_log();
    for (uint64_t i = 0; i < CAPACITY - 1; i++)
        note(i);

    expect_all_readable(0, CAPACITY - 1);
}
END_TEST

START_TEST(full_log_forgets_the_oldest_and_the_one_in_danger)
{
    open_log();
    for (uint64_t i = 0; i < 5 * CAPACITY + 3; i++)
        note(i);

    expect_all_readable(4 * CAPACITY + 4, 5 * CAPACITY + 3);
}
END_TEST

START_TEST(log_goes_on_after_a_restart)
{
    open_log();
    for (uint64_t i = 0; i < 20; i++)
        note(i);
    acknowledgement_log_close(&one);

    open_log();
    expect_all_readable(5, 20);
    note(20);
    expect_all_readable(6, 21);
}
END_TEST

/* The readable entries, from position 0 on, are those noted from `first` on. */
static void expect_renumbered(uint64_t first, uint64_t count)
{
    ck_assert_uint_eq(one.position, count);
    ck_assert_uint_eq(acknowledgement_log_oldest(&one), 0);
    for (uint64_t i = 0; i < count; i++) {
        struct acknowledgement found;

        acknowledgement_log_read(&one, i, &found);
        ck_assert_uint_eq(found.id, numbered(first + i).id);
        ck_assert_uint_eq(found.checksum, numbered(first + i).checksum);
        ck_assert_int_eq(found.has_fin, numbered(first + i).has_fin);
    }
}

START_TEST(log_that_becomes_larger_forgets_nothing)
{
    open_log();
    for (uint64_t i = 0; i < 3 * CAPACITY; i++)
        note(i);
    acknowledgement_log_close(&one);

    ck_assert_int_eq(acknowledgement_log_open(name, 8 * CAPACITY, &one), 0);

    ck_assert_uint_eq(one.capacity, 8 * CAPACITY);
    expect_renumbered(2 * CAPACITY + 1, CAPACITY - 1);
    note(3 * CAPACITY);
    expect_renumbered(2 * CAPACITY + 1, CAPACITY);
}
END_TEST

START_TEST(log_that_becomes_smaller_keeps_the_newest)
{
    ck_assert_int_eq(acknowledgement_log_open(name, 8 * CAPACITY, &one), 0);
    for (uint64_t i = 0; i < 3 * CAPACITY; i++)
        note(i);
    acknowledgement_log_close(&one);

    open_log();

    ck_assert_uint_eq(one.capacity, CAPACITY);
    expect_renumbered(2 * CAPACITY + 1, CAPACITY - 1);
    acknowledgement_log_close(&one);
    open_log(); /* the copy has the name now */
    expect_renumbered(2 * CAPACITY + 1, CAPACITY - 1);
}
END_TEST

START_TEST(writer_killed_while_it_copies_the_log_leaves_a_whole_one)
{
    for (unsigned step = 1; step <= 30; step++) {
        pid_t child;

        open_log();
        for (uint64_t i = 0; i < 5; i++)
            note(i);
        acknowledgement_log_close(&one);
        child = fork();
        if (child == 0) {
            steps_to_live = step;
            _exit(acknowledgement_log_open(name, 2 * CAPACITY, &one));
        }
        ck_assert_int_eq(waitpid(child, NULL, 0), child);

        ck_assert_int_eq(acknowledgement_log_open(name, 2 * CAPACITY, &one), 0);
        ck_assert_uint_eq(one.capacity, 2 * CAPACITY);
        expect_renumbered(0, 5);
        remove_segment();
    }
}
END_TEST

START_TEST(copy_is_locked_as_the_log_was)
{
    pid_t child;
    int status;

    open_log();
    acknowledgement_log_close(&one);
    ck_assert_int_eq(acknowledgement_log_open(name, 2 * CAPACITY, &one), 0);
    child = fork();
    if (child == 0) {
        struct acknowledgement_log second;

        _exit(acknowledgement_log_open(name, CAPACITY, &second) != -EBUSY);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);

    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

/* Note `count` entries in a child that dies at access `step` of the last. */
static void note_and_die(uint64_t count, unsigned step)
{
    pid_t child = fork();
    int status;

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        open_log();
        for (uint64_t i = one.position; i < count - 1; i++)
            note(i);
        steps_to_live = step;
        note(count - 1);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

START_TEST(writer_killed_at_any_access_leaves_whole_entries)
{
    /* Four words and the position: the hook comes before each. */
    for (unsigned step = 1; step <= 5; step++) {
        note_and_die(3 * CAPACITY, step);

        open_log();
        expect_all_readable(2 * CAPACITY, 3 * CAPACITY - 1);
        remove_segment();
    }
}
END_TEST

START_TEST(second_writer_is_refused)
{
    pid_t child;
    int status;

    open_log();
    child = fork();
    if (child == 0) {
        struct acknowledgement_log second;
        int result = acknowledgement_log_open(name, CAPACITY, &second);

        _exit(result == -EBUSY ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);

    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

START_TEST(log_with_an_impossible_capacity_is_replaced)
{
    static const uint64_t wrong[] = { 0, 1, 15, 17, 32, UINT64_MAX };

    open_log();
    note(0);
    one.segment->capacity = wrong[_i];
    acknowledgement_log_close(&one);

    open_log();

    ck_assert_uint_eq(one.capacity, CAPACITY);
    expect_all_readable(0, 0);
}
END_TEST

START_TEST(log_whose_creator_died_is_replaced)
{
    struct shared_memory memory;

    ck_assert_int_eq(shared_memory_create(name, 4096, &memory), 0);
    shared_memory_close(&memory);

    open_log();

    expect_all_readable(0, 0);
}
END_TEST

START_TEST(log_of_another_build_is_replaced)
{
    struct shared_memory memory;

    ck_assert_int_eq(shared_memory_create(name, 4096, &memory), 0);
    shared_memory_publish(&memory, ACKNOWLEDGEMENT_MAGIC,
                          ACKNOWLEDGEMENT_VERSION + 1, 0);
    shared_memory_close(&memory);

    open_log();

    expect_all_readable(0, 0);
}
END_TEST

START_TEST(message_id_is_the_number_its_digits_say)
{
    static const struct {
        const char *digits;
        uint64_t number;
    } rows[] = {
        { "0000000000000000", 0 },
        { "0123456789abcdef", UINT64_C(0x0123456789abcdef) },
        { "fedcba9876543210", UINT64_C(0xfedcba9876543210) },
        { "ABCDEFabcdef0909", UINT64_C(0xabcdefabcdef0909) },
        { "ffffffffffffffff", UINT64_MAX },
        { "0fe8a1e7a7c01001", UINT64_C(0x0fe8a1e7a7c01001) },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_uint_eq(acknowledgement_id((const uint8_t *)rows[i].digits),
                          rows[i].number);
}
END_TEST

static Suite *acknowledgement_log_suite(void)
{
    Suite *suite = suite_create("acknowledgement_log");
    TCase *keeping = tcase_create("keeping");
    TCase *opening = tcase_create("opening");

    tcase_add_checked_fixture(keeping, choose_name, remove_segment);
    tcase_add_test(keeping, new_log_is_empty);
    tcase_add_test(keeping, noted_entries_are_read_as_they_were);
    tcase_add_test(keeping, full_log_forgets_the_oldest_and_the_one_in_danger);
    tcase_add_test(keeping, log_goes_on_after_a_restart);
    tcase_add_test(keeping, writer_killed_at_any_access_leaves_whole_entries);
    tcase_add_test(keeping, message_id_is_the_number_its_digits_say);
    suite_add_tcase(suite, keeping);
    tcase_add_checked_fixture(opening, choose_name, remove_segment);
    tcase_add_test(opening, log_that_becomes_larger_forgets_nothing);
    tcase_add_test(opening, log_that_becomes_smaller_keeps_the_newest);
    tcase_add_test(opening,
                   writer_killed_while_it_copies_the_log_leaves_a_whole_one);
    tcase_add_test(opening, copy_is_locked_as_the_log_was);
    tcase_add_test(opening, second_writer_is_refused);
    tcase_add_loop_test(opening, log_with_an_impossible_capacity_is_replaced, 0,
                        6);
    tcase_add_test(opening, log_whose_creator_died_is_replaced);
    tcase_add_test(opening, log_of_another_build_is_replaced);
    suite_add_tcase(suite, opening);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(acknowledgement_log_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
