/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "common/base64.h"
#include "common/random.h"

START_TEST(vectors_of_rfc_4648_come_out)
{
    static const char *const vectors[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(vectors); i++) {
        uint8_t text[16];
        uint8_t *end = base64_encode(bytes_of_text(vectors[i][0]), text);

        ck_assert(bytes_equal_text(bytes_of(text, (size_t)(end - text)),
                                   vectors[i][1]));
    }
}
END_TEST

START_TEST(every_number_of_six_bits_has_its_character_at_every_place)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789+/";

    for (uint64_t six = 0; six < 64; six++) {
        for (unsigned at = 0; at < 8; at++) {
            uint8_t input[8];
            uint8_t text[12];

            bytes_store_be64(input, six << (58 - 6 * at));
            (void)base64_encode(bytes_of(input, 8), text);

            for (unsigned i = 0; i < 8; i++)
                ck_assert_uint_eq(text[i], alphabet[i == at ? six : 0]);
        }
    }
}
END_TEST

START_TEST(every_length_agrees_with_openssl_and_stays_inside)
{
    uint8_t input[304];
    uint8_t text[512];
    uint8_t expected[512];
    struct random random;

    random_seed(&random, 3);
    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (uint8_t)random_u64(&random);
    for (size_t length = 0; length <= 300; length++) {
        for (size_t start = 0; start < 4; start++) {
            uint8_t *end;

            memset(text, 0xee, sizeof(text));
            end = base64_encode(bytes_of(input + start, length), text);

            ck_assert_int_eq(
                EVP_EncodeBlock(expected, input + start, (int)length),
                end - text);
            ck_assert_uint_eq(base64_length(length), (size_t)(end - text));
            ck_assert_mem_eq(text, expected, base64_length(length));
            ck_assert_uint_eq(*end, 0xee);
        }
    }
}
END_TEST

START_TEST(not_a_byte_beyond_the_input_is_read)
{
    /* The end of each allocation is the end of the input: for sanitizers. */
    for (size_t length = 1; length < 40; length++) {
        uint8_t *input = malloc(length);
        uint8_t text[64];

        ck_assert_ptr_nonnull(input);
        memset(input, 0xff, length);
        (void)base64_encode(bytes_of(input, length), text);
        ck_assert_uint_eq(text[0], '/');
        free(input);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base64");
    TCase *encoding = tcase_create("encoding");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(encoding, vectors_of_rfc_4648_come_out);
    tcase_add_test(encoding,
                   every_number_of_six_bits_has_its_character_at_every_place);
    tcase_add_test(encoding, every_length_agrees_with_openssl_and_stays_inside);
    tcase_add_test(encoding, not_a_byte_beyond_the_input_is_read);
    suite_add_tcase(suite, encoding);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
