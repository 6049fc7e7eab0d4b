/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/error.h"
#include "common/lifeline.h"

static int child;      /* its end */
static int supervisor; /* its end */

static void set_up(void)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    supervisor = ends[0];
    child = ends[1];
}

START_TEST(messages_arrive_one_by_one_and_in_order)
{
    struct lifeline_message message = { 0 };

    ck_assert_int_eq(lifeline_receive(supervisor, &message), LIFELINE_EMPTY);
    ck_assert_int_eq(lifeline_send(child, LIFELINE_READY, 0), 0);
    ck_assert_int_eq(lifeline_send(child, LIFELINE_SURVEYED, 4), 0);

    ck_assert_int_eq(lifeline_receive(supervisor, &message), 0);
    ck_assert_uint_eq(message.kind, LIFELINE_READY);
    ck_assert_int_eq(lifeline_receive(supervisor, &message), 0);
    ck_assert_uint_eq(message.kind, LIFELINE_SURVEYED);
    ck_assert_uint_eq(message.value, 4);
    ck_assert_int_eq(lifeline_receive(supervisor, &message), LIFELINE_EMPTY);
}
END_TEST

START_TEST(closed_lifeline_is_seen_from_both_ends)
{
    struct lifeline_message message;

    ck_assert_int_eq(lifeline_send(supervisor, LIFELINE_DRAIN, 0), 0);
    (void)close(supervisor);

    ck_assert_int_eq(lifeline_receive(child, &message), 0);
    ck_assert_uint_eq(message.kind, LIFELINE_DRAIN);
    ck_assert_int_eq(lifeline_receive(child, &message), LIFELINE_CLOSED);
    ck_assert_int_eq(lifeline_send(child, LIFELINE_READY, 0), LIFELINE_CLOSED);
}
END_TEST

START_TEST(message_of_another_length_is_passed_over)
{
    struct lifeline_message message;

    ck_assert_int_eq(send(child, "abc", 3, 0), 3);
    ck_assert_int_eq(send(child, "a longer one", 12, 0), 12);
    ck_assert_int_eq(lifeline_send(child, LIFELINE_READY, 0), 0);

    ck_assert_int_eq(lifeline_receive(supervisor, &message), 0);
    ck_assert_uint_eq(message.kind, LIFELINE_READY);
}
END_TEST

START_TEST(sign_of_life_is_dropped_when_nobody_reads)
{
    for (int i = 0; i < 100000; i++)
        ck_assert_int_eq(lifeline_send(child, LIFELINE_ALIVE, 0), 0);

    ck_assert_int_eq(lifeline_send(child, LIFELINE_READY, 0), -EAGAIN);
    (void)error_take(-EAGAIN);
}
END_TEST

/* Puts `wakeup` at the first wake-up's place, a spare eventfd behind it. */
static void place(int wakeup)
{
    ck_assert_int_ge(dup2(child, 20), 0);
    ck_assert_int_ge(dup2(wakeup, 21), 0);
    ck_assert_int_ge(dup2(20, LIFELINE_DESCRIPTOR), 0);
    ck_assert_int_ge(dup2(21, WAKEUP_DESCRIPTOR_INGEST), 0);
    ck_assert_int_ge(dup2(21, WAKEUP_DESCRIPTOR_EGRESS), 0);
}

START_TEST(child_adopts_its_descriptors_and_closes_the_rest)
{
    place(eventfd(0, 0));

    ck_assert_int_eq(lifeline_adopt(2), 0);
    for (int i = 3; i < 6; i++) {
        ck_assert_int_eq(fcntl(i, F_GETFD), FD_CLOEXEC);
        ck_assert(fcntl(i, F_GETFL) & O_NONBLOCK);
    }
    ck_assert_int_eq(fcntl(6, F_GETFD), -1);
    ck_assert_int_eq(fcntl(21, F_GETFD), -1);
}
END_TEST

START_TEST(child_started_by_hand_is_told_what_to_start)
{
    const char *sentence;

    place(child); /* a socket where an eventfd belongs */
    ck_assert_int_eq(lifeline_adopt(1), -EBADF);
    (void)error_take(-EBADF);
    (void)close(LIFELINE_DESCRIPTOR);
    ck_assert_int_eq(lifeline_adopt(1), -EBADF);
    sentence = error_take(-EBADF);
    ck_assert_ptr_nonnull(strstr(sentence, "start nsq_to_kinesis"));
    ck_assert_int_ge(fcntl(21, F_GETFD), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lifeline");
    TCase *pair = tcase_create("socket pair");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(pair, set_up, NULL);
    tcase_add_test(pair, messages_arrive_one_by_one_and_in_order);
    tcase_add_test(pair, closed_lifeline_is_seen_from_both_ends);
    tcase_add_test(pair, message_of_another_length_is_passed_over);
    tcase_add_test(pair, sign_of_life_is_dropped_when_nobody_reads);
    tcase_add_test(pair, child_adopts_its_descriptors_and_closes_the_rest);
    tcase_add_test(pair, child_started_by_hand_is_told_what_to_start);
    suite_add_tcase(suite, pair);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
