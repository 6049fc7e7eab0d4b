/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "tests/support/kinesis_simulator_stream.h"

static uint64_t number;

static const struct simulator_moment moment = {
    .now = { 1000 },
    .epoch_ms = INT64_C(1700000000000),
    .number = &number,
};

static struct simulator_stream *new_stream(uint32_t shard_count)
{
    struct simulator_stream *stream =
        simulator_stream_new("s", "us-east-1", shard_count, &moment);

    ck_assert_ptr_nonnull(stream);
    return stream;
}

static void assert_hash(unsigned __int128 hash, const char *text)
{
    char ours[SIMULATOR_HASH_TEXT];
    unsigned __int128 again;

    simulator_hash_format(hash, ours);
    ck_assert_str_eq(ours, text);
    ck_assert(simulator_hash_parse(bytes_of_text(text), &again));
    ck_assert(again == hash);
}

/* The open shards cover every hash key once, in order. */
static void assert_covered(const struct simulator_stream *stream)
{
    unsigned __int128 next = 0;

    for (uint32_t i = 0; i < stream->open_count; i++) {
        const struct simulator_shard *shard = stream->shards[stream->open[i]];

        ck_assert(!shard->is_closed);
        ck_assert(shard->first_hash == next);
        ck_assert(shard->last_hash >= shard->first_hash);
        ck_assert_ptr_eq(simulator_stream_route(stream, shard->first_hash),
                         shard);
        ck_assert_ptr_eq(simulator_stream_route(stream, shard->last_hash),
                         shard);
        next = shard->last_hash + 1;
    }
    ck_assert(next == 0);
}

/* Ranges as AWS reports them for new streams of three and four shards. */
START_TEST(ranges_are_those_of_the_service)
{
    struct simulator_stream *three = new_stream(3);
    struct simulator_stream *four = new_stream(4);

    assert_hash(three->shards[0]->last_hash,
                "113427455640312821154458202477256070484");
    assert_hash(three->shards[1]->first_hash,
                "113427455640312821154458202477256070485");
    assert_hash(three->shards[2]->first_hash,
                "226854911280625642308916404954512140970");
    assert_hash(three->shards[2]->last_hash,
                "340282366920938463463374607431768211455");
    assert_hash(four->shards[0]->last_hash,
                "85070591730234615865843651857942052863");
    assert_hash(four->shards[2]->first_hash,
                "170141183460469231731687303715884105728");
    simulator_stream_free(three);
    simulator_stream_free(four);
}
END_TEST

START_TEST(every_number_of_shards_covers_all_hash_keys)
{
    for (uint32_t count = 1; count <= 130; count++) {
        struct simulator_stream *stream = new_stream(count);

        assert_covered(stream);
        simulator_stream_free(stream);
    }
}
END_TEST

START_TEST(hash_keys_are_md5_or_decimal_of_128_bits)
{
    unsigned __int128 hash;

    /* MD5("a") = 0cc175b9c0f1b6a831c399e269772661 */
    ck_assert(simulator_hash_of_key(bytes_of_text("a")) ==
              ((unsigned __int128)UINT64_C(0x0cc175b9c0f1b6a8) << 64 |
               UINT64_C(0x31c399e269772661)));
    ck_assert(simulator_hash_parse(
        bytes_of_text("340282366920938463463374607431768211455"), &hash));
    ck_assert(hash == SIMULATOR_HASH_MOST);
    ck_assert(!simulator_hash_parse(
        bytes_of_text("340282366920938463463374607431768211456"), &hash));
    ck_assert(!simulator_hash_parse(bytes_of_text("00"), &hash));
    ck_assert(!simulator_hash_parse(bytes_of_text(""), &hash));
    ck_assert(!simulator_hash_parse(bytes_of_text("-1"), &hash));
    ck_assert(!simulator_hash_is_decimal(
        bytes_of_text("1234567890123456789012345678901234567890")));
    ck_assert(simulator_hash_is_decimal(bytes_of_text("0")));
}
END_TEST

START_TEST(split_closes_the_parent_and_opens_two_children)
{
    struct simulator_stream *stream = new_stream(2);
    const struct simulator_shard *parent = stream->shards[0];

    ck_assert_int_eq(simulator_stream_split(stream, 0, 1000, &moment), 0);

    ck_assert(parent->is_closed);
    ck_assert_uint_eq(stream->open_count, 3);
    ck_assert(stream->shards[2]->last_hash == 999);
    ck_assert(stream->shards[3]->first_hash == 1000);
    ck_assert(stream->shards[3]->last_hash == parent->last_hash);
    ck_assert_uint_eq(stream->shards[3]->parent, 0);
    ck_assert_uint_eq(stream->shards[3]->adjacent_parent, SIMULATOR_NO_SHARD);
    assert_covered(stream);
    simulator_stream_free(stream);
}
END_TEST

START_TEST(merge_of_neighbours_opens_one_child_with_two_parents)
{
    struct simulator_stream *stream = new_stream(3);

    ck_assert_int_eq(simulator_stream_merge(stream, 2, 1, &moment), 0);

    ck_assert_uint_eq(stream->open_count, 2);
    ck_assert_uint_eq(stream->shards[3]->parent, 2);
    ck_assert_uint_eq(stream->shards[3]->adjacent_parent, 1);
    assert_covered(stream);
    simulator_stream_free(stream);
}
END_TEST

START_TEST(impossible_reshards_change_nothing)
{
    struct simulator_stream *stream = new_stream(3);
    unsigned __int128 last = stream->shards[0]->last_hash;

    ck_assert_int_eq(simulator_stream_split(stream, 3, 5, &moment),
                     SIMULATOR_STREAM_NO_SUCH_SHARD);
    ck_assert_int_eq(simulator_stream_split(stream, 0, 0, &moment),
                     SIMULATOR_STREAM_NOT_INSIDE);
    ck_assert_int_eq(simulator_stream_split(stream, 0, last + 1, &moment),
                     SIMULATOR_STREAM_NOT_INSIDE);
    ck_assert_int_eq(simulator_stream_merge(stream, 0, 2, &moment),
                     SIMULATOR_STREAM_NOT_ADJACENT);
    ck_assert_int_eq(simulator_stream_merge(stream, 1, 1, &moment),
                     SIMULATOR_STREAM_NOT_ADJACENT);
    ck_assert_uint_eq(stream->shard_count, 3);
    ck_assert_int_eq(simulator_stream_merge(stream, 0, 1, &moment), 0);
    ck_assert_int_eq(simulator_stream_split(stream, 0, 5, &moment),
                     SIMULATOR_STREAM_NOT_OPEN);
    assert_covered(stream);
    simulator_stream_free(stream);
}
END_TEST

START_TEST(uniform_counts_are_reached_through_splits_and_merges)
{
    static const uint32_t counts[] = { 5, 10, 7, 4, 2, 1, 2, 3 };
    struct simulator_stream *stream = new_stream(3);

    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        ck_assert_int_eq(
            simulator_stream_make_uniform(stream, counts[i], &moment), 0);
        ck_assert_uint_eq(stream->open_count, counts[i]);
        assert_covered(stream);
        for (uint32_t k = 0; k < counts[i]; k++)
            ck_assert(stream->shards[stream->open[k]]->first_hash ==
                      simulator_hash_boundary(k, counts[i]));
    }
    simulator_stream_free(stream);
}
END_TEST

START_TEST(sequence_numbers_of_children_follow_their_parents)
{
    struct simulator_stream *stream = new_stream(1);
    char before[SIMULATOR_SEQUENCE_TEXT];
    char end[SIMULATOR_SEQUENCE_TEXT];
    char child[SIMULATOR_SEQUENCE_TEXT];
    uint64_t last;
    uint64_t parsed;

    last = number++;
    simulator_shard_sequence(stream->shards[0], last, moment.epoch_ms, before);
    ck_assert_int_eq(simulator_stream_split(stream, 0, 9, &moment), 0);
    simulator_shard_sequence(stream->shards[0], stream->shards[0]->last_number,
                             moment.epoch_ms, end);
    simulator_shard_sequence(stream->shards[1], stream->shards[1]->first_number,
                             moment.epoch_ms, child);

    ck_assert_uint_eq(strlen(before), 56);
    ck_assert_int_lt(strcmp(before, end), 0);
    ck_assert_int_lt(strcmp(end, child), 0);
    ck_assert(simulator_shard_parse_sequence(bytes_of_text(before), &parsed));
    ck_assert_uint_eq(parsed, last);
    ck_assert(!simulator_shard_parse_sequence(bytes_of_text("49"), &parsed));
    simulator_stream_free(stream);
}
END_TEST

START_TEST(rate_admits_a_second_of_records_and_refills)
{
    struct simulator_stream *stream = new_stream(1);
    struct simulator_shard *shard = stream->shards[0];
    struct monotonic later = monotonic_after(moment.now, NS_PER_SECOND / 100);
    int admitted = 0;

    for (int i = 0; i < 2000; i++)
        admitted += simulator_shard_admit(shard, 1, moment.now);
    ck_assert_int_eq(admitted, 1000);
    admitted = 0;
    for (int i = 0; i < 2000; i++)
        admitted += simulator_shard_admit(shard, 1, later);
    ck_assert_int_eq(admitted, 10);
    simulator_stream_free(stream);
}
END_TEST

START_TEST(rate_admits_a_mebibyte_and_refills)
{
    struct simulator_stream *stream = new_stream(1);
    struct simulator_shard *shard = stream->shards[0];
    struct monotonic later = monotonic_after(moment.now, NS_PER_SECOND / 2);

    ck_assert(simulator_shard_admit(shard, 1048576, moment.now));
    ck_assert(!simulator_shard_admit(shard, 1, moment.now));
    ck_assert(!simulator_shard_admit(shard, 524289, later));
    ck_assert(simulator_shard_admit(shard, 524288, later));
    simulator_stream_free(stream);
}
END_TEST

START_TEST(trimming_drops_the_oldest_and_counts_them)
{
    struct simulator_stream *stream = new_stream(1);
    struct simulator_shard *shard = stream->shards[0];

    for (uint64_t i = 0; i < 100; i++)
        ck_assert_int_eq(simulator_shard_keep(shard, i, 7, bytes_of_text("k"),
                                              bytes_of_text("123456789")),
                         0);
    ck_assert_uint_eq(simulator_shard_trim(shard, 1000), 0);
    ck_assert_uint_eq(simulator_shard_trim(shard, 455), 55);

    ck_assert_uint_eq(shard->kept_count, 45);
    ck_assert_uint_eq(shard->trimmed_count, 55);
    ck_assert_uint_eq(shard->kept_bytes, 450);
    ck_assert_uint_eq(shard->kept[0]->number, 55);
    simulator_stream_free(stream);
}
END_TEST

START_TEST(shard_ids_have_twelve_digits)
{
    char id[SIMULATOR_SHARD_ID_TEXT];
    uint32_t index;

    simulator_shard_id(17, id);
    ck_assert_str_eq(id, "shardId-000000000017");
    ck_assert(simulator_shard_parse_id(bytes_of_text(id), &index));
    ck_assert_uint_eq(index, 17);
    ck_assert(!simulator_shard_parse_id(bytes_of_text("shardId-17"), &index));
    ck_assert(!simulator_shard_parse_id(bytes_of_text("shardId-99999999999x"),
                                        &index));
    ck_assert(!simulator_shard_parse_id(bytes_of_text("shardId-999999999999"),
                                        &index));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kinesis_simulator_stream");
    TCase *ranges = tcase_create("ranges, sequence numbers and rates");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(ranges, ranges_are_those_of_the_service);
    tcase_add_test(ranges, every_number_of_shards_covers_all_hash_keys);
    tcase_add_test(ranges, hash_keys_are_md5_or_decimal_of_128_bits);
    tcase_add_test(ranges, split_closes_the_parent_and_opens_two_children);
    tcase_add_test(ranges,
                   merge_of_neighbours_opens_one_child_with_two_parents);
    tcase_add_test(ranges, impossible_reshards_change_nothing);
    tcase_add_test(ranges,
                   uniform_counts_are_reached_through_splits_and_merges);
    tcase_add_test(ranges, sequence_numbers_of_children_follow_their_parents);
    tcase_add_test(ranges, rate_admits_a_second_of_records_and_refills);
    tcase_add_test(ranges, rate_admits_a_mebibyte_and_refills);
    tcase_add_test(ranges, trimming_drops_the_oldest_and_counts_them);
    tcase_add_test(ranges, shard_ids_have_twelve_digits);
    suite_add_tcase(suite, ranges);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
