/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "common/address.h"

static int parse(const char *text, struct address *address)
{
    return address_parse(bytes_of_text(text), 0, address);
}

START_TEST(host_is_a_name_or_v4_or_bracketed_v6)
{
    struct address address;

    ck_assert_int_eq(parse("nsqd-0.nsq_d:4150", &address), 0);
    ck_assert_str_eq(address.host, "nsqd-0.nsq_d");
    ck_assert_uint_eq(address.port, 4150);
    ck_assert_int_eq(parse("192.0.2.1:1", &address), 0);
    ck_assert_str_eq(address.host, "192.0.2.1");
    ck_assert_int_eq(parse("[2001:db8::1]:65535", &address), 0);
    ck_assert_str_eq(address.host, "2001:db8::1");
    ck_assert_uint_eq(address.port, 65535);
    ck_assert_int_eq(parse("[fe80::1%eth0]:4150", &address), 0);
    ck_assert_str_eq(address.host, "fe80::1%eth0");
}
END_TEST

START_TEST(port_is_required_unless_there_is_a_default)
{
    struct address address = { .port = 7 };

    ck_assert_int_eq(parse("nsqd", &address), ADDRESS_NO_PORT);
    ck_assert_int_eq(parse("[::1]", &address), ADDRESS_NO_PORT);
    ck_assert_uint_eq(address.port, 7);
    ck_assert_int_eq(address_parse(bytes_of_text("[::1]"), 4161, &address), 0);
    ck_assert_uint_eq(address.port, 4161);
}
END_TEST

START_TEST(wrong_ports_are_refused)
{
    struct address address;
    static const char *const wrong[] = { "a:",      "a:0",  "a:65536", "a:-1",
                                         "a:4150 ", "a:0x", "[::1]:" };

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        ck_assert_int_eq(parse(wrong[i], &address), ADDRESS_WRONG_PORT);
}
END_TEST

START_TEST(wrong_hosts_are_refused)
{
    struct address address;
    static const char *const wrong[] = {
        "",        ":4150",      "a b:1",  "http://a:1",  "::1:4150",
        "[::1:80", "[::1]x4150", "[]:1",   "[nsqd]:4150", "a/b:1",
        "a@b:1",   "[::1]]:1",   "[:\n]:1"
    };

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        ck_assert_msg(parse(wrong[i], &address) == ADDRESS_WRONG_HOST, "%s",
                      wrong[i]);
    ck_assert_int_eq(address_parse(bytes_of("a\0b:1", 5), 0, &address),
                     ADDRESS_WRONG_HOST);
    ck_assert_int_eq(address_parse(bytes_of(NULL, 0), 1, &address),
                     ADDRESS_WRONG_HOST);
}
END_TEST

START_TEST(host_may_have_253_characters_and_no_more)
{
    char text[ADDRESS_HOST_MOST + 8];
    char formatted[ADDRESS_TEXT_MOST];
    struct address address;

    memset(text, 'x', sizeof(text));
    memcpy(text + ADDRESS_HOST_MOST, ":65535", 7);
    ck_assert_int_eq(parse(text, &address), 0);
    address_format(&address, formatted, sizeof(formatted));
    ck_assert_str_eq(formatted, text);
    memset(text, 'x', sizeof(text));
    memcpy(text + ADDRESS_HOST_MOST + 1, ":6553", 6);

    ck_assert_int_eq(parse(text, &address), ADDRESS_WRONG_HOST);
}
END_TEST

START_TEST(numeric_hosts_become_socket_addresses_and_back)
{
    static const char *const texts[] = { "127.0.0.1:4150", "[::1]:4151",
                                         "[2001:db8::5]:1" };
    char formatted[ADDRESS_TEXT_MOST];
    struct address address;
    struct socket_address numeric;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        ck_assert_int_eq(parse(texts[i], &address), 0);
        ck_assert_int_eq(address_numeric(&address, &numeric), 0);
        socket_address_format(&numeric, formatted, sizeof(formatted));
        ck_assert_str_eq(formatted, texts[i]);
        address_format(&address, formatted, sizeof(formatted));
        ck_assert_str_eq(formatted, texts[i]);
    }
    ck_assert_uint_eq(numeric.length, sizeof(struct sockaddr_in6));
}
END_TEST

START_TEST(name_is_not_numeric)
{
    struct socket_address numeric = { .length = 1 };
    struct address address;

    ck_assert_int_eq(parse("localhost:1", &address), 0);
    ck_assert_int_eq(address_numeric(&address, &numeric), ADDRESS_IS_NAME);
    ck_assert_int_eq(parse("1.2.3:1", &address), 0);
    ck_assert_int_eq(address_numeric(&address, &numeric), ADDRESS_IS_NAME);
    ck_assert_uint_eq(numeric.length, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    TCase *text = tcase_create("text");
    TCase *numeric = tcase_create("numeric");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(text, host_is_a_name_or_v4_or_bracketed_v6);
    tcase_add_test(text, port_is_required_unless_there_is_a_default);
    tcase_add_test(text, wrong_ports_are_refused);
    tcase_add_test(text, wrong_hosts_are_refused);
    tcase_add_test(text, host_may_have_253_characters_and_no_more);
    tcase_add_test(numeric, numeric_hosts_become_socket_addresses_and_back);
    tcase_add_test(numeric, name_is_not_numeric);
    suite_add_tcase(suite, text);
    suite_add_tcase(suite, numeric);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
