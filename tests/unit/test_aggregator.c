/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "common/random.h"
#include "egress/aggregator.h"

/*
 * A reader of the format that shares nothing with the writer: it looks at the
 * specification only, and hashes with OpenSSL.
 */
enum {
    ENTRIES_MOST = 70000
};

struct decoded {
    struct bytes keys[ENTRIES_MOST];
    size_t key_count;
    struct {
        uint64_t key;
        struct bytes payload;
    } records[ENTRIES_MOST];
    size_t record_count;
};

static struct decoded decoded;

static uint64_t take_varint(struct bytes *rest)
{
    uint64_t value = 0;

    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte;

        ck_assert_uint_gt(rest->length, 0);
        ck_assert_uint_lt(shift, 64);
        byte = rest->data[0];
        *rest = bytes_skip(*rest, 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
}

static struct bytes take_bytes(struct bytes *rest)
{
    uint64_t length = take_varint(rest);
    struct bytes taken = bytes_of(rest->data, length);

    ck_assert_uint_le(length, rest->length);
    *rest = bytes_skip(*rest, length);
    return taken;
}

static void decode_record(struct bytes record)
{
    bool has_key = false;
    bool has_payload = false;

    while (record.length > 0) {
        uint64_t tag = take_varint(&record);

        if (tag == (1 << 3 | 0)) {
            ck_assert(!has_key);
            has_key = true;
            decoded.records[decoded.record_count].key = take_varint(&record);
        } else {
            ck_assert_uint_eq(tag, 3 << 3 | 2);
            ck_assert(!has_payload);
            has_payload = true;
            decoded.records[decoded.record_count].payload = take_bytes(&record);
        }
    }
    ck_assert(has_key && has_payload); /* both are required */
    decoded.record_count++;
}

static void decode(struct bytes blob)
{
    static const uint8_t magic[] = { 0xf3, 0x89, 0x9a, 0xc2 };
    uint8_t digest[EVP_MAX_MD_SIZE];
    struct bytes rest;

    ck_assert_uint_ge(blob.length, 20);
    ck_assert_mem_eq(blob.data, magic, 4);
    rest = bytes_of(blob.data + 4, blob.length - 20);
    ck_assert(
        EVP_Digest(rest.data, rest.length, digest, NULL, EVP_md5(), NULL));
    ck_assert_mem_eq(blob.data + blob.length - 16, digest, 16);
    decoded.key_count = 0;
    decoded.record_count = 0;
    while (rest.length > 0) {
        uint64_t tag = take_varint(&rest);

        if (tag == (1 << 3 | 2)) {
            decoded.keys[decoded.key_count++] = take_bytes(&rest);
            continue;
        }
        ck_assert_uint_eq(tag, 3 << 3 | 2);
        decode_record(take_bytes(&rest));
    }
    for (size_t i = 0; i < decoded.record_count; i++)
        ck_assert_uint_lt(decoded.records[i].key, decoded.key_count);
}

static void assert_decoded(size_t i, struct bytes key, struct bytes payload)
{
    ck_assert_uint_lt(i, decoded.record_count);
    ck_assert(bytes_equal(decoded.keys[decoded.records[i].key], key));
    ck_assert(bytes_equal(decoded.records[i].payload, payload));
}

enum {
    SLOTS = 4 * KEY_INDEX_FIRST,
    PLACE = 2 * 1024 * 1024
};

static struct key_slot slots[KEY_INDEX_SLOTS(SLOTS)];
static uint8_t place[PLACE + 1];
static uint8_t letters[PLACE];
static struct aggregator aggregator;

static void setup(void)
{
    struct random random;

    memset(slots, 0, sizeof(slots));
    random_seed(&random, 20);
    for (size_t i = 0; i < sizeof(letters); i++)
        letters[i] = (uint8_t)random_u64(&random);
    aggregator_init(&aggregator, slots, SLOTS);
    aggregator_open(&aggregator, place, PLACE);
}

static int add(struct bytes key, struct bytes payload)
{
    return aggregator_add(&aggregator, hash_key_of_partition_key(key), key,
                          payload);
}

static int add_text(const char *key, const char *payload)
{
    return add(bytes_of_text(key), bytes_of_text(payload));
}

static struct bytes close_aggregate(void)
{
    struct aggregator_blob blob = aggregator_close(&aggregator);

    aggregator_seal(&blob, 1, NULL);
    return bytes_of(blob.place, blob.length);
}

START_TEST(picture_of_the_header_is_true)
{
    static const uint8_t picture[] = {
        0xf3, 0x89, 0x9a, 0xc2, 0x0a, 0x01, 0x6b, 0x1a, 0x06, 0x08, 0x00,
        0x1a, 0x02, 0x68, 0x69, 0x0a, 0x01, 0x6a, 0x1a, 0x06, 0x08, 0x01,
        0x1a, 0x02, 0x79, 0x6f, 0x1a, 0x04, 0x08, 0x00, 0x1a, 0x00,
    };
    struct bytes blob;

    ck_assert_int_eq(add_text("k", "hi"), 0);
    ck_assert_int_eq(add_text("j", "yo"), 0);
    ck_assert_int_eq(add_text("k", ""), 0);
    blob = close_aggregate();

    ck_assert_uint_eq(blob.length, sizeof(picture) + 16);
    ck_assert_mem_eq(blob.data, picture, sizeof(picture));
    decode(blob);
    ck_assert_uint_eq(decoded.record_count, 3);
    ck_assert_uint_eq(decoded.key_count, 2);
}
END_TEST

START_TEST(nothing_added_is_magic_and_md5_of_nothing)
{
    struct bytes blob = close_aggregate();

    ck_assert_uint_eq(blob.length, AGGREGATOR_FRAME);
    decode(blob);
    ck_assert_uint_eq(decoded.record_count, 0);
}
END_TEST

START_TEST(every_length_around_a_varint_boundary_comes_back)
{
    static const size_t lengths[] = {
        0,     1,     121,   122,   123,   124,   127,   128,   129,
        16376, 16377, 16378, 16379, 16380, 16383, 16384, 16385, 65536
    };
    struct bytes key = bytes_of_text("k");

    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        struct bytes payload = bytes_of(letters, lengths[i]);
        struct bytes blob;

        aggregator_open(&aggregator, place, PLACE);
        ck_assert_int_eq(add(key, payload), 0);
        ck_assert_int_eq(add(key, payload), 0);
        ck_assert_uint_eq(aggregator.record_count, 2);
        blob = close_aggregate();

        decode(blob);
        ck_assert_uint_eq(decoded.key_count, 1);
        ck_assert_uint_eq(decoded.record_count, 2);
        assert_decoded(0, key, payload);
        assert_decoded(1, key, payload);
    }
}
END_TEST

START_TEST(every_key_length_around_a_varint_boundary_comes_back)
{
    static const size_t lengths[] = { 0,   1,    126,   127,   128,
                                      129, 1024, 16383, 16384, 16385 };

    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        struct bytes key = bytes_of(letters + i, lengths[i]);

        aggregator_open(&aggregator, place, PLACE);
        ck_assert_int_eq(add(key, bytes_of_text("x")), 0);

        decode(close_aggregate());
        assert_decoded(0, key, bytes_of_text("x"));
    }
}
END_TEST

START_TEST(size_of_one_is_what_one_takes)
{
    static const size_t lengths[] = { 0,   1,   121,   122,  123,
                                      127, 128, 16383, 16384 };

    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        for (size_t j = 0; j < ARRAY_LENGTH(lengths); j++) {
            struct bytes key = bytes_of(letters, lengths[i]);
            struct bytes payload = bytes_of(letters, lengths[j]);
            size_t size = aggregator_size_of_one(key.length, payload.length);

            aggregator_open(&aggregator, place, size);
            ck_assert_int_eq(add(key, payload), 0);
            ck_assert_uint_eq(aggregator_close(&aggregator).length, size);

            if (size == AGGREGATOR_FRAME)
                continue;
            aggregator_open(&aggregator, place, size - 1);
            ck_assert_int_eq(add(key, payload), AGGREGATOR_FULL);
        }
    }
}
END_TEST

START_TEST(full_aggregate_refuses_and_stays_whole)
{
    /* Each capacity in turn, so that each step of the sum is the one over. */
    for (size_t capacity = AGGREGATOR_FRAME; capacity < 400; capacity++) {
        size_t added = 0;
        size_t size;

        memset(place, 0xee, 512);
        aggregator_open(&aggregator, place, capacity);
        while (added < 40 && add(bytes_of(letters, 1 + added % 5),
                                 bytes_of(letters, added * 3)) == 0)
            added++;
        size = aggregator_size(&aggregator);
        ck_assert_uint_lt(added, 40);
        ck_assert_uint_eq(aggregator.record_count, added);
        ck_assert_uint_le(size, capacity);

        ck_assert_uint_eq(close_aggregate().length, size);

        ck_assert_uint_eq(place[capacity], 0xee);
        decode(bytes_of(place, size));
        ck_assert_uint_eq(decoded.record_count, added);
        for (size_t i = 0; i < added; i++)
            assert_decoded(i, bytes_of(letters, 1 + i % 5),
                           bytes_of(letters, i * 3));
    }
}
END_TEST

START_TEST(lengths_that_would_overflow_are_refused)
{
    ck_assert_int_eq(add(bytes_of_text("k"), bytes_of(letters, SIZE_MAX)),
                     AGGREGATOR_FULL);
    ck_assert_int_eq(aggregator_add(&aggregator, HASH_KEY_MOST,
                                    bytes_of(letters, SIZE_MAX - 3),
                                    bytes_of(letters, 5)),
                     AGGREGATOR_FULL);
    ck_assert_uint_eq(aggregator_size(&aggregator), AGGREGATOR_FRAME);
}
END_TEST

START_TEST(keys_are_written_once_and_records_keep_their_order)
{
    for (size_t i = 0; i < 2000; i++)
        ck_assert_int_eq(
            add(bytes_of(letters + i % 300, 7), bytes_of(letters + i, 20)), 0);

    decode(close_aggregate());
    ck_assert_uint_eq(decoded.record_count, 2000);
    ck_assert_uint_eq(decoded.key_count, 300);
    for (size_t i = 0; i < 2000; i++)
        assert_decoded(i, bytes_of(letters + i % 300, 7),
                       bytes_of(letters + i, 20));
}
END_TEST

START_TEST(equal_hash_keys_of_different_partition_keys_are_told_apart)
{
    struct hash_key same = { .high = 1, .low = 2 };

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(aggregator_add(&aggregator, same, bytes_of_text("ab"),
                                        bytes_of_text("1")),
                         0);
        ck_assert_int_eq(aggregator_add(&aggregator, same, bytes_of_text("ac"),
                                        bytes_of_text("2")),
                         0);
        ck_assert_int_eq(aggregator_add(&aggregator, same, bytes_of_text("a"),
                                        bytes_of_text("3")),
                         0);
    }

    decode(close_aggregate());
    ck_assert_uint_eq(decoded.key_count, 3);
    for (size_t i = 0; i < 9; i += 3) {
        assert_decoded(i, bytes_of_text("ab"), bytes_of_text("1"));
        assert_decoded(i + 1, bytes_of_text("ac"), bytes_of_text("2"));
        assert_decoded(i + 2, bytes_of_text("a"), bytes_of_text("3"));
    }
}
END_TEST

START_TEST(keys_crowding_one_slot_cost_bytes_but_nothing_else)
{
    struct hash_key crowded = { .low = SLOTS - 1 }; /* and around the end */

    for (uint64_t round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < 100; i++) {
            crowded.high = i;
            ck_assert_int_eq(aggregator_add(&aggregator, crowded,
                                            bytes_of(letters + i, 6),
                                            bytes_of(letters + i, 9)),
                             0);
        }
    }

    decode(close_aggregate());
    ck_assert_uint_eq(decoded.record_count, 200);
    ck_assert_uint_gt(decoded.key_count, 100);
    ck_assert_uint_lt(decoded.key_count, 200);
    for (size_t i = 0; i < 200; i++)
        assert_decoded(i, bytes_of(letters + i % 100, 6),
                       bytes_of(letters + i % 100, 9));
}
END_TEST

START_TEST(more_keys_than_the_index_holds_still_come_back)
{
    struct key_slot few[KEY_INDEX_SLOTS(4)] = { 0 };

    aggregator_init(&aggregator, few, 4);
    aggregator_open(&aggregator, place, PLACE);
    for (size_t i = 0; i < 20000; i++)
        ck_assert_int_eq(
            add(bytes_of(letters + i % 500, 5), bytes_of(letters + i, 3)), 0);

    decode(close_aggregate());
    ck_assert_uint_eq(decoded.record_count, 20000);
    for (size_t i = 0; i < 20000; i++)
        assert_decoded(i, bytes_of(letters + i % 500, 5),
                       bytes_of(letters + i, 3));
}
END_TEST

/* As many as the largest table of the index takes, in order and backwards. */
START_TEST(keys_are_found_again_when_the_index_has_grown)
{
    const size_t count = SLOTS / 2;

    for (int round = 0; round < 3; round++) {
        aggregator_open(&aggregator, place, PLACE);
        for (size_t i = 0; i < 2 * count; i++) {
            size_t which = i < count ? i : 2 * count - 1 - i;

            ck_assert_int_eq(
                add(bytes_of(letters + which, 8), bytes_of(letters + i, 3)), 0);
        }
        decode(close_aggregate());
        ck_assert_uint_ge(decoded.key_count, count);
        ck_assert_uint_lt(decoded.key_count, count + count / 100);
        for (size_t i = 0; i < 2 * count; i++)
            assert_decoded(
                i, bytes_of(letters + (i < count ? i : 2 * count - 1 - i), 8),
                bytes_of(letters + i, 3));
    }
}
END_TEST

START_TEST(key_too_long_to_be_remembered_is_written_again)
{
    struct bytes longest = bytes_of(letters, KEY_INDEX_LENGTH_MOST);
    struct bytes longer = bytes_of(letters, KEY_INDEX_LENGTH_MOST + 1);

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(add(longest, bytes_of_text("1")), 0);
        ck_assert_int_eq(add(longer, bytes_of_text("2")), 0);
    }
    decode(close_aggregate());
    ck_assert_uint_eq(decoded.key_count, 3);
    for (size_t i = 0; i < 4; i++)
        assert_decoded(i, i % 2 ? longer : longest,
                       bytes_of_text(i % 2 ? "2" : "1"));
}
END_TEST

START_TEST(new_aggregate_knows_no_key_of_the_one_before)
{
    ck_assert_int_eq(add_text("k", "1"), 0);
    decode(close_aggregate());
    aggregator_open(&aggregator, place + 1000, 1000);
    ck_assert_int_eq(add_text("k", "2"), 0);

    decode(close_aggregate());
    ck_assert_uint_eq(decoded.key_count, 1);
    assert_decoded(0, bytes_of_text("k"), bytes_of_text("2"));
}
END_TEST

START_TEST(generation_that_wraps_around_finds_no_stale_key)
{
    aggregator.keys.generation = UINT16_MAX - 1;
    for (int i = 0; i < 4; i++) {
        aggregator_open(&aggregator, place, PLACE);
        ck_assert_uint_ne(aggregator.keys.generation, 0);
        ck_assert_int_eq(add_text("k", "1"), 0);
        ck_assert_int_eq(add_text("k", "2"), 0);
        decode(close_aggregate());
        ck_assert_uint_eq(decoded.key_count, 1);
    }
}
END_TEST

/* User records of random lengths until the aggregate is full. */
static struct bytes encode_random(uint64_t seed, uint8_t *to, size_t capacity)
{
    struct random random;

    random_seed(&random, seed);
    aggregator_open(&aggregator, to, capacity);
    for (;;) {
        struct bytes key = bytes_of(letters + random_below(&random, 200),
                                    1 + random_below(&random, 30));
        struct bytes payload = bytes_of(letters + random_below(&random, 1000),
                                        random_below(&random, 400));

        if (add(key, payload) == AGGREGATOR_FULL)
            return close_aggregate();
    }
}

START_TEST(same_records_give_the_same_bytes_whatever_came_before)
{
    static uint8_t first[65536];
    static uint8_t second[65536];
    static struct key_slot other_slots[KEY_INDEX_SLOTS(SLOTS)];

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct bytes before = encode_random(seed, first, 51200);
        struct bytes again;

        (void)encode_random(seed + 100, second, 60000);
        again = encode_random(seed, second + seed, 51200);
        ck_assert(bytes_equal(before, again));

        memset(other_slots, 0, sizeof(other_slots));
        aggregator_init(&aggregator, other_slots, SLOTS);
        again = encode_random(seed, second, 51200);
        ck_assert(bytes_equal(before, again));
        decode(again);
        ck_assert_uint_gt(again.length, 51200 - 440);
    }
}
END_TEST

START_TEST(aggregates_sealed_together_are_as_if_alone)
{
    static struct aggregator_blob blobs[150];
    const char *const keys[] = { "k", "j", "i" };
    uint8_t *at = place;

    /* More than are hashed at a time, of different lengths. */
    for (size_t i = 0; i < ARRAY_LENGTH(blobs); i++) {
        aggregator_open(&aggregator, at, 2000);
        ck_assert_int_eq(add(bytes_of_text(keys[i % 3]),
                             bytes_of(letters + i, i * 37 % 1500)),
                         0);
        blobs[i] = aggregator_close(&aggregator);
        at += blobs[i].length;
    }

    aggregator_seal(blobs, ARRAY_LENGTH(blobs), NULL);

    for (size_t i = 0; i < ARRAY_LENGTH(blobs); i++) {
        decode(bytes_of(blobs[i].place, blobs[i].length));
        assert_decoded(0, bytes_of_text(keys[i % 3]),
                       bytes_of(letters + i, i * 37 % 1500));
    }
}
END_TEST

START_TEST(aggregate_is_zeros_where_its_seal_will_be)
{
    static const uint8_t zeros[MD5_LENGTH];
    struct aggregator_blob blob;

    memset(place, 0xee, 200);
    ck_assert_int_eq(add_text("k", "one"), 0);
    blob = aggregator_close(&aggregator);

    ck_assert_mem_eq(blob.place + blob.length - MD5_LENGTH, zeros, MD5_LENGTH);
    ck_assert_uint_eq(place[blob.length], 0xee);
}
END_TEST

START_TEST(record_that_begins_with_the_magic_needs_wrapping)
{
    ck_assert(aggregator_needs_wrapping(bytes_of("\xf3\x89\x9a\xc2", 4)));
    ck_assert(aggregator_needs_wrapping(bytes_of("\xf3\x89\x9a\xc2...", 7)));
    ck_assert(!aggregator_needs_wrapping(bytes_of("\xf3\x89\x9a", 3)));
    ck_assert(!aggregator_needs_wrapping(bytes_of("\xf3\x89\x9a\xc3", 4)));
    ck_assert(!aggregator_needs_wrapping(bytes_of(NULL, 0)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aggregator");
    TCase *bytes = tcase_create("the bytes");
    TCase *keys = tcase_create("the key table");
    TCase *whole = tcase_create("whole aggregates");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(bytes, setup, NULL);
    tcase_add_test(bytes, picture_of_the_header_is_true);
    tcase_add_test(bytes, nothing_added_is_magic_and_md5_of_nothing);
    tcase_add_test(bytes, every_length_around_a_varint_boundary_comes_back);
    tcase_add_test(bytes, every_key_length_around_a_varint_boundary_comes_back);
    tcase_add_test(bytes, size_of_one_is_what_one_takes);
    tcase_add_test(bytes, full_aggregate_refuses_and_stays_whole);
    tcase_add_test(bytes, lengths_that_would_overflow_are_refused);
    tcase_add_checked_fixture(keys, setup, NULL);
    tcase_add_test(keys, keys_are_written_once_and_records_keep_their_order);
    tcase_add_test(keys,
                   equal_hash_keys_of_different_partition_keys_are_told_apart);
    tcase_add_test(keys, keys_crowding_one_slot_cost_bytes_but_nothing_else);
    tcase_add_test(keys, more_keys_than_the_index_holds_still_come_back);
    tcase_add_test(keys, keys_are_found_again_when_the_index_has_grown);
    tcase_add_test(keys, key_too_long_to_be_remembered_is_written_again);
    tcase_add_test(keys, new_aggregate_knows_no_key_of_the_one_before);
    tcase_add_test(keys, generation_that_wraps_around_finds_no_stale_key);
    tcase_add_checked_fixture(whole, setup, NULL);
    tcase_add_test(whole,
                   same_records_give_the_same_bytes_whatever_came_before);
    tcase_add_test(whole, aggregates_sealed_together_are_as_if_alone);
    tcase_add_test(whole, aggregate_is_zeros_where_its_seal_will_be);
    tcase_add_test(whole, record_that_begins_with_the_magic_needs_wrapping);
    suite_add_tcase(suite, bytes);
    suite_add_tcase(suite, keys);
    suite_add_tcase(suite, whole);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
