/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A list of shards is put together from its pages, whatever comes in between
 * (K11), and asked for again when it did not come.
 */

#include <check.h>
#include <stdlib.h>

#include "egress/shard_listing.h"

#define SHARD(id, first, last, more)                                           \
    "{\"ShardId\":\"" id "\",\"HashKeyRange\":{\"StartingHashKey\":\"" first   \
    "\",\"EndingHashKey\":\"" last "\"}" more "}"
#define CLOSED                                                                 \
    ",\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"1\","              \
    "\"EndingSequenceNumber\":\"2\"}"

static struct shard_listing listing;
static struct random randomness;
static struct monotonic now;

static void set_up(void)
{
    random_seed(&randomness, 3);
    shard_listing_init(&listing);
    now = (struct monotonic){ .ns = 100 * NS_PER_SECOND };
}

static void tear_down(void)
{
    shard_listing_deinit(&listing);
}

static bool asks_for(const char *text)
{
    return bytes_equal_text(shard_listing_ask(&listing, "s"), text);
}

static int take(int status, const char *body)
{
    struct http_reply reply = {
        .status = status,
        .body = bytes_of_text(body),
        .explanation = "",
    };

    return shard_listing_take(&listing, &reply, now, &randomness);
}

static void ask(void)
{
    now = listing.due;
    (void)shard_listing_ask(&listing, "s");
}

START_TEST(pages_make_one_list_with_the_closed_shards_apart)
{
    shard_listing_want(&listing, now);
    ck_assert(asks_for("{\"StreamName\":\"s\",\"MaxResults\":1000}"));
    ck_assert_int_eq(
        take(200, "{\"Shards\":[" SHARD("a", "0", "9",
                                        CLOSED) "],\"NextToken\":\"more\"}"),
        SHARD_LISTING_MORE);
    ck_assert_int_eq(listing.state, SHARD_LISTING_DUE);
    ck_assert(monotonic_reached(listing.due, now));
    ck_assert(asks_for("{\"NextToken\":\"more\",\"MaxResults\":1000}"));
    ck_assert_int_eq(
        take(200, "{\"Shards\":[" SHARD("b", "0", "4",
                                        "") "," SHARD("c", "5", "9", "") "]}"),
        0);

    ck_assert_int_eq(listing.state, SHARD_LISTING_IDLE);
    ck_assert_uint_eq(listing.list.open.count, 2);
    ck_assert_uint_eq(listing.list.closed.count, 1);
    ck_assert_str_eq(listing.list.closed.rows[0].shard_id, "a");
}
END_TEST

START_TEST(expired_token_begins_again_with_the_first_page)
{
    shard_listing_want(&listing, now);
    ask();
    ck_assert_int_eq(
        take(200, "{\"Shards\":[" SHARD("a", "0", "9",
                                        "") "],\"NextToken\":\"more\"}"),
        SHARD_LISTING_MORE);
    ask();
    ck_assert_int_eq(take(400, "{\"__type\":\"ExpiredNextTokenException\"}"),
                     SHARD_LISTING_FAILED);

    ck_assert(!monotonic_reached(listing.due, now));
    ck_assert_uint_eq(listing.list.open.count, 0);
    ck_assert(asks_for("{\"StreamName\":\"s\",\"MaxResults\":1000}"));
}
END_TEST

static const struct {
    int status;
    const char *body;
} failures[] = {
    { 400, "{\"__type\":\"LimitExceededException\",\"message\":\"slow\"}" },
    { 400, "{\"__type\":\"AccessDeniedException\",\"message\":\"no\"}" },
    { 400, "{\"__type\":\"ResourceInUseException\"}" },
    { 500, "{\"__type\":\"InternalFailure\"}" },
    { 503, "<html>" },
    { 200, "" },
    { 200, "{}" },
    { 200, "[[[[" },
    { 200, "{\"Shards\":[{\"ShardId\":\"a\"}]}" },
    { 200, "{\"Shards\":[" SHARD("a", "0", "nine", "") "]}" },
};

START_TEST(failed_list_is_asked_for_again_more_and_more_rarely)
{
    int64_t before_ns = 0;

    shard_listing_want(&listing, now);
    for (int i = 0; i < 12; i++) {
        int64_t pause_ns;

        ask();
        ck_assert_int_eq(take(failures[_i].status, failures[_i].body),
                         SHARD_LISTING_FAILED);
        ck_assert_str_ne(listing.complaint, "");
        pause_ns = monotonic_between(now, listing.due);
        ck_assert_int_ge(pause_ns, before_ns / 2);
        ck_assert_int_le(pause_ns, 5 * NS_PER_SECOND);
        before_ns = pause_ns;
    }
    ck_assert_int_ge(before_ns, 5 * NS_PER_SECOND / 2);
}
END_TEST

START_TEST(missing_stream_is_looked_for_every_five_to_thirty_seconds)
{
    shard_listing_want(&listing, now);
    for (int i = 0; i < 50; i++) {
        ask();
        ck_assert_int_eq(
            take(400, "{\"__type\":\"ResourceNotFoundException\"}"),
            SHARD_LISTING_NO_STREAM);
        ck_assert_int_ge(monotonic_between(now, listing.due),
                         5 * NS_PER_SECOND);
        ck_assert_int_le(monotonic_between(now, listing.due),
                         30 * NS_PER_SECOND);
    }
}
END_TEST

START_TEST(lists_keep_a_distance_however_often_they_are_wanted)
{
    shard_listing_want(&listing, now);
    ask();
    shard_listing_want(&listing, now); /* one is under way */
    ck_assert_int_eq(listing.state, SHARD_LISTING_ASKED);
    ck_assert_int_eq(take(200, "{\"Shards\":[]}"), 0);

    shard_listing_want(&listing, now);

    ck_assert_int_eq(listing.state, SHARD_LISTING_DUE);
    ck_assert_int_eq(monotonic_between(now, listing.due), 200 * NS_PER_MS);
}
END_TEST

START_TEST(list_without_an_end_is_nonsense)
{
    int result;

    shard_listing_want(&listing, now);
    for (int i = 0; i < 1000; i++) {
        ask();
        ck_assert_int_eq(take(200, "{\"Shards\":[],\"NextToken\":\"again\"}"),
                         SHARD_LISTING_MORE);
    }
    ask();
    result = take(200, "{\"Shards\":[],\"NextToken\":\"again\"}");

    ck_assert_int_eq(result, SHARD_LISTING_FAILED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard_listing");
    TCase *lists = tcase_create("lists");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(lists, set_up, tear_down);
    tcase_add_test(lists, pages_make_one_list_with_the_closed_shards_apart);
    tcase_add_test(lists, expired_token_begins_again_with_the_first_page);
    tcase_add_loop_test(lists,
                        failed_list_is_asked_for_again_more_and_more_rarely, 0,
                        ARRAY_LENGTH(failures));
    tcase_add_test(lists,
                   missing_stream_is_looked_for_every_five_to_thirty_seconds);
    tcase_add_test(lists, lists_keep_a_distance_however_often_they_are_wanted);
    tcase_add_test(lists, list_without_an_end_is_nonsense);
    suite_add_tcase(suite, lists);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
