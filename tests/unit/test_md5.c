/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "shard/md5.h"

static void assert_hex(struct bytes digest, const char *hex)
{
    uint8_t memory[2 * MD5_LENGTH];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));

    bytes_put_hex(&writer, digest);
    ck_assert(bytes_equal_text(bytes_written(&writer), hex));
}

START_TEST(vectors_of_rfc_1321_come_out)
{
    static const char *const vectors[][2] = {
        { "", "d41d8cd98f00b204e9800998ecf8427e" },
        { "a", "0cc175b9c0f1b6a831c399e269772661" },
        { "abc", "900150983cd24fb0d6963f7d28e17f72" },
        { "message digest", "f96b697d7cb7938d525a2f31aaf161d0" },
        { "abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b" },
        { "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
          "d174ab98d277d9f5a5611c2c9f419d9f" },
        { "1234567890123456789012345678901234567890123456789012345678901234567"
          "8901234567890",
          "57edf4a22be3c955ac49da2e2107b67a" },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(vectors); i++) {
        uint8_t digest[MD5_LENGTH];

        md5(bytes_of_text(vectors[i][0]), digest);

        assert_hex(bytes_of(digest, sizeof(digest)), vectors[i][1]);
    }
}
END_TEST

static void fill(uint8_t *memory, size_t length)
{
    for (size_t i = 0; i < length; i++)
        memory[i] = (uint8_t)(i * 167 + (i >> 3) * 13 + 5);
}

static void assert_as_openssl(struct bytes input, const uint8_t *digest)
{
    uint8_t expected[EVP_MAX_MD_SIZE];

    ck_assert(
        EVP_Digest(input.data, input.length, expected, NULL, EVP_md5(), NULL));
    ck_assert_mem_eq(digest, expected, MD5_LENGTH);
}

START_TEST(every_short_length_at_every_alignment_agrees_with_openssl)
{
    uint8_t memory[208];

    fill(memory, sizeof(memory));
    for (size_t start = 0; start < 8; start++) {
        for (size_t length = 0; length <= 200; length++) {
            struct bytes input = bytes_of(memory + start, length);
            uint8_t digest[MD5_LENGTH];

            md5(input, digest);

            assert_as_openssl(input, digest);
        }
    }
}
END_TEST

START_TEST(long_inputs_agree_with_openssl)
{
    static const size_t lengths[] = { 4095, 4096, 51200, 1048576 + 57 };
    uint8_t *memory = malloc(2 * 1048576);

    ck_assert_ptr_nonnull(memory);
    fill(memory, 2 * 1048576);
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        struct bytes input = bytes_of(memory, lengths[i]);
        uint8_t digest[MD5_LENGTH];

        md5(input, digest);

        assert_as_openssl(input, digest);
    }
    free(memory);
}
END_TEST

START_TEST(many_inputs_of_mixed_lengths_are_each_hashed_alone)
{
    uint8_t memory[200];
    struct bytes inputs[201];
    uint8_t digests[201][MD5_LENGTH];

    fill(memory, sizeof(memory));
    for (size_t i = 0; i < ARRAY_LENGTH(inputs); i++)
        inputs[i] = bytes_of(memory, i * 71 % 201);

    /* Every count, so that no remainder of a set of lanes is left out. */
    for (size_t count = 0; count <= ARRAY_LENGTH(inputs); count++) {
        memset(digests, 0xee, sizeof(digests));

        md5_many(inputs, count, digests);

        for (size_t i = 0; i < count; i++)
            assert_as_openssl(inputs[i], digests[i]);
        if (count < ARRAY_LENGTH(inputs))
            ck_assert_uint_eq(digests[count][0], 0xee);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("md5");
    TCase *one = tcase_create("one input");
    TCase *many = tcase_create("many inputs");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(one, vectors_of_rfc_1321_come_out);
    tcase_add_test(one,
                   every_short_length_at_every_alignment_agrees_with_openssl);
    tcase_add_test(one, long_inputs_agree_with_openssl);
    tcase_add_test(many, many_inputs_of_mixed_lengths_are_each_hashed_alone);
    suite_add_tcase(suite, one);
    suite_add_tcase(suite, many);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
