/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "egress/cbor_reader.h"

static uint8_t text_memory[64];
static struct bytes_writer texts;
static struct cbor_reader reader;

static void read_from(const void *data, size_t length)
{
    texts = bytes_writer_on(text_memory, sizeof(text_memory));
    cbor_reader_init(&reader, bytes_of(data, length), &texts);
}

#define READ_FROM(literal) read_from(literal, sizeof(literal) - 1)

/* Examples of RFC 8949, appendix A: each is one whole value. */
static const struct {
    const char *data;
    size_t length;
} examples[] = {
#define EXAMPLE(literal)                                                       \
    {                                                                          \
        literal, sizeof(literal) - 1                                           \
    }
    EXAMPLE("\x00"),
    EXAMPLE("\x17"),
    EXAMPLE("\x18\x18"),
    EXAMPLE("\x19\x03\xe8"),
    EXAMPLE("\x1a\x00\x0f\x42\x40"),
    EXAMPLE("\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00"),
    EXAMPLE("\x3b\xff\xff\xff\xff\xff\xff\xff\xff"),
    EXAMPLE("\xf9\x3c\x00"),
    EXAMPLE("\xfa\x47\xc3\x50\x00"),
    EXAMPLE("\xfb\x7e\x37\xe4\x3c\x88\x00\x75\x9c"),
    EXAMPLE("\xf4"),
    EXAMPLE("\xf6"),
    EXAMPLE("\xf8\xff"),
    EXAMPLE("\xc0\x74"
            "2013-03-21T20:04:00Z"),
    EXAMPLE("\xc1\x1a\x51\x4b\x67\xb0"),
    EXAMPLE("\xd8\x20\x76"
            "http://www.example.com"),
    EXAMPLE("\x44\x01\x02\x03\x04"),
    EXAMPLE("\x60"),
    EXAMPLE("\x62\xc3\xbc"),
    EXAMPLE("\x80"),
    EXAMPLE("\x83\x01\x82\x02\x03\x82\x04\x05"),
    EXAMPLE("\xa0"),
    EXAMPLE("\xa2\x01\x02\x03\x04"),
    EXAMPLE("\xa2\x61\x61\x01\x61\x62\x82\x02\x03"),
    EXAMPLE("\x5f\x42\x01\x02\x43\x03\x04\x05\xff"),
    EXAMPLE("\x7f\x65strea\x64ming\xff"),
    EXAMPLE("\x9f\xff"),
    EXAMPLE("\x9f\x01\x82\x02\x03\x9f\x04\x05\xff\xff"),
    EXAMPLE("\xbf\x61\x61\x01\x61\x62\x9f\x02\x03\xff\xff"),
#undef EXAMPLE
};

START_TEST(examples_of_the_rfc_are_read_past)
{
    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++) {
        read_from(examples[i].data, examples[i].length);
        ck_assert_msg(cbor_skip(&reader) && cbor_ended(&reader), "example %zu",
                      i);
    }
}
END_TEST

START_TEST(examples_cut_anywhere_are_wrong)
{
    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++)
        for (size_t length = 0; length < examples[i].length; length++) {
            read_from(examples[i].data, length);
            ck_assert_msg(!cbor_skip(&reader) && !cbor_ended(&reader),
                          "example %zu cut to %zu", i, length);
        }
}
END_TEST

START_TEST(what_is_no_cbor_is_wrong)
{
    static const struct bytes wrong[] = {
#define WRONG(literal) { (const uint8_t *)literal, sizeof(literal) - 1 }
        WRONG("\x1c"),             /* reserved additional information */
        WRONG("\x1f"),             /* an indefinite number */
        WRONG("\xff"),             /* a break outside */
        WRONG("\xdf"),             /* an indefinite tag */
        WRONG("\x62\xc3\x28"),     /* not UTF-8 */
        WRONG("\x7f\x41\x61\xff"), /* bytes in a text */
        WRONG("\x7f\x7f\xff\xff"), /* an indefinite chunk */
        WRONG("\x81\xff"),         /* a break in a definite array */
        WRONG("\xbf\x61\x61\xff"), /* a name without its value */
        WRONG("\x5b\xff\xff\xff\xff\xff\xff\xff\xff"),
        WRONG("\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
        WRONG("\xbb\xff\xff\xff\xff\xff\xff\xff\xff"),
#undef WRONG
    };

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        read_from(wrong[i].data, wrong[i].length);
        ck_assert_msg(!cbor_skip(&reader) || !cbor_ended(&reader), "wrong %zu",
                      i);
    }
}
END_TEST

START_TEST(members_come_in_order_with_their_values)
{
    struct bytes name, text;

    READ_FROM("\xbf\x61\x61\x61\x62\x61\x63\xf6\xd8\x20\x61\x64\x7f\x61\x65"
              "\x62\x66\x67\xff\xff");
    ck_assert(cbor_enter_map(&reader));
    ck_assert(cbor_next_member(&reader, &name));
    ck_assert(bytes_equal_text(name, "a"));
    ck_assert(cbor_take_text_or_null(&reader, &text));
    ck_assert(bytes_equal_text(text, "b"));
    ck_assert(cbor_next_member(&reader, &name));
    ck_assert(cbor_take_text_or_null(&reader, &text));
    ck_assert_ptr_null(text.data);
    ck_assert(cbor_next_member(&reader, &name));
    ck_assert(bytes_equal_text(name, "d"));
    ck_assert(cbor_take_text_or_null(&reader, &text));
    ck_assert(bytes_equal_text(text, "efg"));
    ck_assert(!cbor_next_member(&reader, &name));
    ck_assert(cbor_ended(&reader));
}
END_TEST

START_TEST(depth_is_bounded)
{
    uint8_t nested[CBOR_DEPTH_MOST + 1];

    memset(nested, 0x81, sizeof(nested)); /* an array of one */
    nested[CBOR_DEPTH_MOST] = 0;
    read_from(nested, sizeof(nested));
    ck_assert(cbor_skip(&reader) && cbor_ended(&reader));
    nested[CBOR_DEPTH_MOST] = 0x80;
    read_from(nested, sizeof(nested));
    ck_assert(!cbor_skip(&reader));
}
END_TEST

START_TEST(chunks_that_do_not_fit_are_wrong)
{
    uint8_t chunks[100] = { 0x7f };
    struct bytes text;

    for (size_t i = 1; i < sizeof(chunks) - 1; i += 2) {
        chunks[i] = 0x61;
        chunks[i + 1] = 'x';
    }
    chunks[sizeof(chunks) - 1] = 0xff;
    read_from(chunks, sizeof(chunks));
    ck_assert(cbor_take_text_or_null(&reader, &text));
    texts.capacity = 48;
    texts.length = 0;
    cbor_reader_init(&reader, bytes_of(chunks, sizeof(chunks)), &texts);
    ck_assert(!cbor_take_text_or_null(&reader, &text));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cbor_reader");
    TCase *tcase = tcase_create("cbor_reader");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, examples_of_the_rfc_are_read_past);
    tcase_add_test(tcase, examples_cut_anywhere_are_wrong);
    tcase_add_test(tcase, what_is_no_cbor_is_wrong);
    tcase_add_test(tcase, members_come_in_order_with_their_values);
    tcase_add_test(tcase, depth_is_bounded);
    tcase_add_test(tcase, chunks_that_do_not_fit_are_wrong);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
