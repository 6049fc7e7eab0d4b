/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/random.h"
#include "shard/shard_map.h"

/* Hash keys whose low half is all zeros (first) or all ones (last). */
static struct shard_map_row row_of(uint64_t first, uint64_t last,
                                   const char *shard_id)
{
    struct shard_map_row row = {
        .first = { .high = first, .low = 0 },
        .last = { .high = last, .low = UINT64_MAX },
    };

    ck_assert(shard_map_row_name(&row, bytes_of_text(shard_id)));
    return row;
}

static const char *shard_at(const struct shard_map *map, uint64_t high,
                            uint64_t low)
{
    return shard_map_find(map, (struct hash_key){ high, low })->shard_id;
}

START_TEST(rows_in_any_order_make_a_map)
{
    struct shard_map_row rows[] = {
        row_of(200, UINT64_MAX, "shardId-000000000001"),
        row_of(0, 99, "shardId-000000000002"),
        row_of(100, 199, "shardId-000000000000"),
    };
    struct shard_map map;

    ck_assert_int_eq(shard_map_build(&map, rows, 3), 0);

    ck_assert_uint_eq(map.count, 3);
    ck_assert_str_eq(shard_at(&map, 0, 0), "shardId-000000000002");
    ck_assert_str_eq(shard_at(&map, 99, UINT64_MAX), "shardId-000000000002");
    ck_assert_str_eq(shard_at(&map, 100, 0), "shardId-000000000000");
    ck_assert_str_eq(shard_at(&map, 199, UINT64_MAX), "shardId-000000000000");
    ck_assert_str_eq(shard_at(&map, 200, 0), "shardId-000000000001");
    ck_assert_str_eq(shard_at(&map, UINT64_MAX, UINT64_MAX),
                     "shardId-000000000001");
}
END_TEST

START_TEST(one_shard_takes_everything)
{
    struct shard_map_row rows[] = { row_of(0, UINT64_MAX, "only") };
    struct shard_map map;

    ck_assert_int_eq(shard_map_build(&map, rows, 1), 0);
    ck_assert_str_eq(shard_at(&map, 0, 0), "only");
    ck_assert_str_eq(shard_at(&map, UINT64_MAX, UINT64_MAX), "only");
}
END_TEST

START_TEST(hash_key_of_no_shard_is_a_gap)
{
    struct shard_map_row late[] = { row_of(1, UINT64_MAX, "a") };
    struct shard_map_row early[] = { row_of(0, UINT64_MAX - 1, "a") };
    struct shard_map_row middle[] = { row_of(0, 9, "a"),
                                      row_of(11, UINT64_MAX, "b") };
    struct shard_map_row one_key[] = { row_of(0, 9, "a"),
                                       row_of(10, UINT64_MAX, "b") };
    struct shard_map map = { .count = 77 };

    one_key[1].first.low = 1;

    ck_assert_int_eq(shard_map_build(&map, late, 1), SHARD_MAP_GAP);
    ck_assert_int_eq(shard_map_build(&map, early, 1), SHARD_MAP_GAP);
    ck_assert_int_eq(shard_map_build(&map, middle, 2), SHARD_MAP_GAP);
    ck_assert_int_eq(shard_map_build(&map, one_key, 2), SHARD_MAP_GAP);
    ck_assert_uint_eq(map.count, 77);
}
END_TEST

START_TEST(hash_key_of_two_shards_is_an_overlap)
{
    struct shard_map_row parent[] = { row_of(0, UINT64_MAX, "parent"),
                                      row_of(0, 9, "child-1"),
                                      row_of(10, UINT64_MAX, "child-2") };
    struct shard_map_row twice[] = { row_of(0, UINT64_MAX, "a"),
                                     row_of(0, UINT64_MAX, "b") };
    struct shard_map_row one_key[] = { row_of(0, 9, "a"),
                                       row_of(10, UINT64_MAX, "b") };
    struct shard_map_row within[] = { row_of(0, UINT64_MAX, "a"),
                                      row_of(5, 6, "b") };
    struct shard_map map;

    one_key[0].last = one_key[1].first;

    ck_assert_int_eq(shard_map_build(&map, parent, 3), SHARD_MAP_OVERLAP);
    ck_assert_int_eq(shard_map_build(&map, twice, 2), SHARD_MAP_OVERLAP);
    ck_assert_int_eq(shard_map_build(&map, one_key, 2), SHARD_MAP_OVERLAP);
    ck_assert_int_eq(shard_map_build(&map, within, 2), SHARD_MAP_OVERLAP);
}
END_TEST

START_TEST(impossible_rows_make_no_map)
{
    struct shard_map_row reversed[] = { row_of(0, 9, "a"), row_of(20, 10, "b"),
                                        row_of(21, UINT64_MAX, "c") };
    struct shard_map_row unnamed[] = { { .last = HASH_KEY_MOST } };
    struct shard_map_row endless[] = { { .last = HASH_KEY_MOST } };
    struct shard_map_row same_name[] = { row_of(0, 4, "a"), row_of(5, 9, "b"),
                                         row_of(10, UINT64_MAX, "a") };
    struct shard_map map;

    memset(endless[0].shard_id, 'x', sizeof(endless[0].shard_id));

    ck_assert_int_eq(shard_map_build(&map, reversed, 0), SHARD_MAP_EMPTY);
    ck_assert_int_eq(shard_map_build(&map, reversed, 3), SHARD_MAP_REVERSED);
    ck_assert_int_eq(shard_map_build(&map, unnamed, 1), SHARD_MAP_SHARD_ID);
    ck_assert_int_eq(shard_map_build(&map, endless, 1), SHARD_MAP_SHARD_ID);
    ck_assert_int_eq(shard_map_build(&map, same_name, 3), SHARD_MAP_SHARD_ID);
}
END_TEST

START_TEST(shard_id_is_checked_before_it_is_kept)
{
    char longest[SHARD_ID_CAPACITY + 1];
    struct shard_map_row row = { .shard_id = "before" };

    memset(longest, 'z', sizeof(longest));

    ck_assert(!shard_map_row_name(&row, bytes_of_text("")));
    ck_assert(!shard_map_row_name(&row, bytes_of(longest, SHARD_ID_CAPACITY)));
    ck_assert(!shard_map_row_name(&row, bytes_of("a\0b", 3)));
    ck_assert(!shard_map_row_name(&row, bytes_of_text("a b")));
    ck_assert(!shard_map_row_name(&row, bytes_of_text("a\"")));
    ck_assert_str_eq(row.shard_id, "before");
    ck_assert(
        shard_map_row_name(&row, bytes_of(longest, SHARD_ID_CAPACITY - 1)));
    ck_assert_uint_eq(strlen(row.shard_id), 128);
    ck_assert(shard_map_row_name(&row, bytes_of_text("A-z_0.9")));
    ck_assert_str_eq(row.shard_id, "A-z_0.9");
}
END_TEST

START_TEST(range_covers_its_first_and_its_last_hash_key)
{
    struct shard_map_row row = row_of(10, 19, "a");

    ck_assert(shard_map_covers(&row, row.first));
    ck_assert(shard_map_covers(&row, row.last));
    ck_assert(shard_map_covers(&row, (struct hash_key){ 15, 3 }));
    ck_assert(!shard_map_covers(&row, (struct hash_key){ 9, UINT64_MAX }));
    ck_assert(!shard_map_covers(&row, (struct hash_key){ 20, 0 }));
}
END_TEST

enum {
    MANY = 5000
};

static void shuffle(struct shard_map_row *rows, size_t count,
                    struct random *random)
{
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = (size_t)random_below(random, i + 1);
        struct shard_map_row row = rows[i];

        rows[i] = rows[j];
        rows[j] = row;
    }
}

START_TEST(thousands_of_shards_are_found_by_hash_key_and_by_shard_id)
{
    struct shard_map_row *rows = calloc(MANY, sizeof(*rows));
    uint64_t step = UINT64_MAX / MANY;
    struct shard_map map;
    struct random random;

    ck_assert_ptr_nonnull(rows);
    random_seed(&random, 1);
    for (size_t i = 0; i < MANY; i++) {
        char shard_id[32];

        (void)snprintf(shard_id, sizeof(shard_id), "shardId-%zu", i);
        rows[i] = row_of(
            i * step, i + 1 < MANY ? (i + 1) * step - 1 : UINT64_MAX, shard_id);
    }
    shuffle(rows, MANY, &random);

    ck_assert_int_eq(shard_map_build(&map, rows, MANY), 0);

    for (size_t i = 0; i < MANY; i++) {
        char shard_id[32];
        const struct shard_map_row *row;
        struct hash_key inside = { i * step + random_below(&random, step),
                                   random_u64(&random) };

        (void)snprintf(shard_id, sizeof(shard_id), "shardId-%zu", i);
        row = shard_map_find_shard(&map, bytes_of_text(shard_id));
        ck_assert_ptr_nonnull(row);
        ck_assert_str_eq(row->shard_id, shard_id);
        ck_assert_ptr_eq(shard_map_find(&map, inside), row);
        ck_assert(shard_map_covers(row, inside));
        ck_assert_ptr_eq(shard_map_find(&map, row->first), row);
        ck_assert_ptr_eq(shard_map_find(&map, row->last), row);
    }
    free(rows);
}
END_TEST

START_TEST(shard_that_is_not_in_the_map_is_not_found)
{
    struct shard_map_row rows[] = { row_of(0, 4, "b"), row_of(5, 9, "d"),
                                    row_of(10, UINT64_MAX, "dd") };
    struct shard_map map;

    ck_assert_int_eq(shard_map_build(&map, rows, 3), 0);
    ck_assert_ptr_null(shard_map_find_shard(&map, bytes_of_text("")));
    ck_assert_ptr_null(shard_map_find_shard(&map, bytes_of_text("a")));
    ck_assert_ptr_null(shard_map_find_shard(&map, bytes_of_text("c")));
    ck_assert_ptr_null(shard_map_find_shard(&map, bytes_of_text("ddd")));
    ck_assert_ptr_null(shard_map_find_shard(&map, bytes_of("d\0", 2)));
    ck_assert_ptr_null(shard_map_find_shard(&map, bytes_of_text("e")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard_map");
    TCase *building = tcase_create("building");
    TCase *finding = tcase_create("finding");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(building, rows_in_any_order_make_a_map);
    tcase_add_test(building, one_shard_takes_everything);
    tcase_add_test(building, hash_key_of_no_shard_is_a_gap);
    tcase_add_test(building, hash_key_of_two_shards_is_an_overlap);
    tcase_add_test(building, impossible_rows_make_no_map);
    tcase_add_test(building, shard_id_is_checked_before_it_is_kept);
    tcase_add_test(finding, range_covers_its_first_and_its_last_hash_key);
    tcase_add_test(finding,
                   thousands_of_shards_are_found_by_hash_key_and_by_shard_id);
    tcase_add_test(finding, shard_that_is_not_in_the_map_is_not_found);
    suite_add_tcase(suite, building);
    suite_add_tcase(suite, finding);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
