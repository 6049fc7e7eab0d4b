/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shard/segment_name.h"
#include "shard/shared_word.h"
#include "shard/wakeup.h"

#define HANDOVERS     20000
#define LOST_AFTER_MS 10000
#define OTHER_KIND    SEGMENT_MAGIC('N', '2', 'K', 'O', 'T', 'H', 'E', 'R')

static struct segment_name name;
static struct shared_memory memory;
static struct wakeup_segment *segment;
static int descriptor;

static void set_up(void)
{
    char bridge[32];

    (void)snprintf(bridge, sizeof(bridge), "test-wakeup-%d", (int)getpid());
    name = segment_name_of(bridge, "wakeup");
    ck_assert_int_eq(wakeup_create(name.text, 5), 0);
    ck_assert_int_eq(wakeup_open(name.text, &memory, &segment), 0);
    descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ck_assert_int_ge(descriptor, 0);
}

static void tear_down(void)
{
    shared_memory_close(&memory);
    (void)shared_memory_remove(name.text);
    (void)close(descriptor);
}

static uint64_t read_kicks(void)
{
    uint64_t kicks = 0;

    return read(descriptor, &kicks, sizeof(kicks)) < 0 ? 0 : kicks;
}

START_TEST(fresh_segment_says_that_nobody_sleeps)
{
    for (int i = 0; i < WAKEUP_EGRESS + WAKEUP_WORKERS_MOST; i++)
        ck_assert_uint_eq(load_relaxed(&segment->places[i].sleeping), 0);
}
END_TEST

START_TEST(who_is_awake_is_not_kicked)
{
    struct wakeup_place *place = &segment->places[WAKEUP_INGEST];

    ck_assert_int_eq(wakeup_kick(place, descriptor), 0);
    wakeup_prepare(place);
    wakeup_awake(place);
    ck_assert_int_eq(wakeup_kick(place, descriptor), 0);

    ck_assert_uint_eq(read_kicks(), 0);
}
END_TEST

START_TEST(sleeper_is_kicked_once)
{
    struct wakeup_place *place = &segment->places[WAKEUP_EGRESS + 3];

    wakeup_prepare(place);
    ck_assert_int_eq(wakeup_kick(place, descriptor), 1);
    ck_assert_int_eq(wakeup_kick(place, descriptor), 0);

    ck_assert_uint_eq(read_kicks(), 1);
}
END_TEST

START_TEST(kick_is_for_one_place)
{
    wakeup_prepare(&segment->places[WAKEUP_EGRESS]);
    wakeup_prepare(&segment->places[WAKEUP_EGRESS + 1]);
    ck_assert_int_eq(wakeup_kick(&segment->places[WAKEUP_EGRESS], descriptor),
                     1);

    ck_assert_uint_eq(
        load_relaxed(&segment->places[WAKEUP_EGRESS + 1].sleeping), 1);
}
END_TEST

START_TEST(cleared_descriptor_does_not_wake)
{
    struct pollfd wait = { .fd = descriptor, .events = POLLIN };

    for (int i = 0; i < 3; i++) {
        wakeup_prepare(&segment->places[0]);
        ck_assert_int_eq(wakeup_kick(&segment->places[0], descriptor), 1);
    }
    ck_assert_int_eq(poll(&wait, 1, 0), 1);
    wakeup_clear(descriptor);

    ck_assert_int_eq(poll(&wait, 1, 0), 0);
    wakeup_clear(descriptor); /* an empty one does not block */
}
END_TEST

START_TEST(full_descriptor_holds_up_nobody)
{
    const uint64_t most = UINT64_MAX - 1;

    ck_assert_int_eq(write(descriptor, &most, sizeof(most)), sizeof(most));
    wakeup_prepare(&segment->places[0]);

    ck_assert_int_eq(wakeup_kick(&segment->places[0], descriptor), 0);
}
END_TEST

START_TEST(second_segment_of_the_name_is_refused)
{
    ck_assert_int_eq(wakeup_create(name.text, 6), -EEXIST);
    ck_assert_uint_eq(segment->head.generation, 5);
}
END_TEST

START_TEST(absent_segment_is_an_error)
{
    struct shared_memory other = SHARED_MEMORY_NULL;
    struct wakeup_segment *found = NULL;

    ck_assert_int_eq(
        wakeup_open("/nsq_to_kinesis.no-such.wakeup", &other, &found),
        -EUCLEAN);
    ck_assert_ptr_null(found);
}
END_TEST

/* A segment that claims the right magic, or not, and has `length` bytes. */
static void make_odd_segment(const char *odd_name, size_t length,
                             uint64_t magic)
{
    struct shared_memory odd = SHARED_MEMORY_NULL;

    ck_assert_int_eq(shared_memory_create(odd_name, length, &odd), 0);
    shared_memory_publish(&odd, magic, WAKEUP_VERSION, 1);
    shared_memory_close(&odd);
}

START_TEST(foreign_or_short_segment_is_refused)
{
    struct shared_memory other = SHARED_MEMORY_NULL;
    struct wakeup_segment *found = NULL;
    struct segment_name odd;
    char bridge[32];

    (void)snprintf(bridge, sizeof(bridge), "test-wakeup-%d", (int)getpid());
    odd = segment_name_of(bridge, "odd");
    make_odd_segment(odd.text, sizeof(struct wakeup_segment), OTHER_KIND);
    ck_assert_int_eq(wakeup_open(odd.text, &other, &found), -EUCLEAN);
    ck_assert_int_eq(shared_memory_remove(odd.text), 0);

    make_odd_segment(odd.text, sizeof(struct segment_head), WAKEUP_MAGIC);
    ck_assert_int_eq(wakeup_open(odd.text, &other, &found), -EUCLEAN);
    ck_assert_int_eq(shared_memory_remove(odd.text), 0);
    ck_assert_ptr_null(found);
    shared_memory_close(&other);
}
END_TEST

/* One of two players who hand a turn to and fro, and sleep in between. */
struct player {
    struct wakeup_place *own;
    struct wakeup_place *other;
    int own_descriptor;
    int other_descriptor;
    uint64_t parity; /* moves when the position is of this parity */
    uint64_t kicks;
    uint64_t lost; /* sleeps that nobody ended */
};

static _Atomic uint64_t position;

/* Follows the rule in wakeup.h to the letter. */
static void sleep_until_moved(struct player *player, uint64_t seen)
{
    struct pollfd wait = { .fd = player->own_descriptor, .events = POLLIN };

    wakeup_prepare(player->own);
    if (load_acquire(&position) == seen && poll(&wait, 1, LOST_AFTER_MS) == 0)
        player->lost++;
    wakeup_awake(player->own);
    wakeup_clear(player->own_descriptor);
}

static void *play(void *argument)
{
    struct player *player = argument;

    for (;;) {
        uint64_t seen = load_acquire(&position);

        if (seen >= HANDOVERS || player->lost > 0)
            return NULL;
        if (seen % 2 != player->parity) {
            sleep_until_moved(player, seen);
            continue;
        }
        store_release(&position, seen + 1);
        player->kicks +=
            (uint64_t)wakeup_kick(player->other, player->other_descriptor);
    }
}

START_TEST(no_wakeup_is_lost_between_two_who_sleep_and_move)
{
    int second_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct player even = {
        .own = &segment->places[0],
        .other = &segment->places[1],
        .own_descriptor = descriptor,
        .other_descriptor = second_descriptor,
    };
    struct player odd = {
        .own = even.other,
        .other = even.own,
        .own_descriptor = second_descriptor,
        .other_descriptor = descriptor,
        .parity = 1,
    };
    pthread_t thread;

    ck_assert_int_ge(second_descriptor, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, play, &odd), 0);
    (void)play(&even);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    (void)close(second_descriptor);

    ck_assert_uint_eq(even.lost + odd.lost, 0);
    ck_assert_uint_eq(load_relaxed(&position), HANDOVERS);
    ck_assert_uint_le(even.kicks + odd.kicks, HANDOVERS);
    ck_assert_uint_gt(even.kicks + odd.kicks, 0); /* somebody did sleep */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wakeup");
    TCase *places = tcase_create("places");
    TCase *threads = tcase_create("threads");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(places, set_up, tear_down);
    tcase_add_test(places, fresh_segment_says_that_nobody_sleeps);
    tcase_add_test(places, who_is_awake_is_not_kicked);
    tcase_add_test(places, sleeper_is_kicked_once);
    tcase_add_test(places, kick_is_for_one_place);
    tcase_add_test(places, cleared_descriptor_does_not_wake);
    tcase_add_test(places, full_descriptor_holds_up_nobody);
    tcase_add_test(places, second_segment_of_the_name_is_refused);
    tcase_add_test(places, absent_segment_is_an_error);
    tcase_add_test(places, foreign_or_short_segment_is_refused);
    suite_add_tcase(suite, places);
    tcase_add_checked_fixture(threads, set_up, tear_down);
    tcase_set_timeout(threads, 60);
    tcase_add_test(threads, no_wakeup_is_lost_between_two_who_sleep_and_move);
    suite_add_tcase(suite, threads);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
