/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "egress/body_hash.h"

static uint8_t body[1000];

static void assert_as_openssl(struct bytes input, const uint8_t *digest)
{
    uint8_t expected[BODY_HASH_LENGTH];
    size_t length;

    ck_assert_int_eq(EVP_Q_digest(NULL, "SHA256", NULL, input.data,
                                  input.length, expected, &length),
                     1);
    ck_assert_uint_eq(length, BODY_HASH_LENGTH);
    ck_assert_mem_eq(digest, expected, sizeof(expected));
}

/* Every length, known up to every tenth byte, with any number of steps. */
START_TEST(digest_is_the_same_in_however_many_steps)
{
    uint8_t digest[BODY_HASH_LENGTH];

    for (size_t length = 0; length <= 300; length++) {
        for (size_t lasting = 0; lasting <= length; lasting += 10) {
            size_t steps = (length + lasting) % 8;
            struct body_hash hash = body_hash_start(bytes_of(body, lasting));

            for (size_t i = 0; i < steps; i++)
                body_hash_step(&hash);
            body_hash_finish(&hash, bytes_of(body, length), digest);
            assert_as_openssl(bytes_of(body, length), digest);
        }
    }
}
END_TEST

START_TEST(steps_touch_nothing_that_may_change)
{
    uint8_t digest[BODY_HASH_LENGTH];
    struct body_hash hash = body_hash_start(bytes_of(body, 200));

    for (size_t i = 0; i < 100; i++)
        body_hash_step(&hash);
    memset(body + 200, 0xee, sizeof(body) - 200);
    body_hash_finish(&hash, bytes_of(body, sizeof(body)), digest);
    assert_as_openssl(bytes_of(body, sizeof(body)), digest);
}
END_TEST

/* The steps count for the length that ends the hash, beyond 32 bits of bits. */
START_TEST(long_bodies_have_their_whole_length)
{
    uint8_t digest[BODY_HASH_LENGTH];
    size_t length = ((size_t)1 << 29) + 100;
    uint8_t *memory = calloc(1, length);
    struct body_hash hash;

    ck_assert_ptr_nonnull(memory);
    hash = body_hash_start(bytes_of(memory, length));
    for (size_t i = 0; i < length / 64; i++)
        body_hash_step(&hash);
    body_hash_finish(&hash, bytes_of(memory, length), digest);
    assert_as_openssl(bytes_of(memory, length), digest);
    free(memory);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("body_hash");
    TCase *hashes = tcase_create("hashes");
    SRunner *runner = srunner_create(suite);
    int failures;

    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 167 + (i >> 3));
    tcase_add_test(hashes, digest_is_the_same_in_however_many_steps);
    tcase_add_test(hashes, steps_touch_nothing_that_may_change);
    tcase_add_test(hashes, long_bodies_have_their_whole_length);
    tcase_set_timeout(hashes, 60);
    suite_add_tcase(suite, hashes);
    srunner_run_all(runner, CK_NORMAL);
    failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
