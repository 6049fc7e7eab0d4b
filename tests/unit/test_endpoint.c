/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "egress/endpoint.h"

static struct endpoint endpoint;

static char *empty(const char *name)
{
    (void)name;
    return NULL;
}

static char *full(const char *name)
{
    static const char *const variables[][2] = {
        { "AWS_REGION", "ap-south-1" },
        { "AWS_DEFAULT_REGION", "sa-east-1" },
        { "AWS_ENDPOINT_URL_KINESIS", "https://own.example:8443/" },
        { "AWS_ENDPOINT_URL", "https://other.example" },
        { "AWS_CA_BUNDLE", "/bundle.pem" },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(variables); i++)
        if (strcmp(variables[i][0], name) == 0)
            return (char *)variables[i][1];
    return NULL;
}

static char *second_choices(const char *name)
{
    if (strcmp(name, "AWS_REGION") == 0)
        return (char *)"";
    if (strcmp(name, "AWS_ENDPOINT_URL_KINESIS") == 0)
        return NULL;
    return full(name);
}

static int resolve_region(const char *region)
{
    struct endpoint_settings settings = { .environment = empty,
                                          .region = region };

    return endpoint_resolve(&settings, &endpoint);
}

static int resolve_url(const char *url)
{
    struct endpoint_settings settings = { .environment = empty,
                                          .region = "us-east-1",
                                          .endpoint_url = url };

    return endpoint_resolve(&settings, &endpoint);
}

static void check_host(const char *region, const char *host)
{
    char url[512];

    ck_assert_int_eq(resolve_region(region), 0);
    ck_assert_str_eq(endpoint.host, host);
    (void)snprintf(url, sizeof(url), "https://%s/", host);
    ck_assert_str_eq(endpoint.url, url);
    ck_assert_str_eq(endpoint.region, region);
    ck_assert(endpoint.is_tls);
    ck_assert(!endpoint.is_loopback);
}

START_TEST(host_follows_region_and_partition)
{
    check_host("us-east-1", "kinesis.us-east-1.amazonaws.com");
    check_host("us-gov-west-1", "kinesis.us-gov-west-1.amazonaws.com");
    check_host("cn-north-1", "kinesis.cn-north-1.amazonaws.com.cn");
    check_host("eusc-de-east-1", "kinesis.eusc-de-east-1.amazonaws.eu");
    ck_assert_int_eq(resolve_region("us-iso-east-1"), ENDPOINT_WRONG);
    ck_assert_str_eq(endpoint.complaint,
                     "the endpoint of region us-iso-east-1 is not known: give "
                     "--endpoint-url");
}
END_TEST

START_TEST(region_is_the_options_then_the_environments_then_the_profiles)
{
    struct endpoint_settings settings = { .environment = full,
                                          .region = "eu-west-1",
                                          .profile_region = "ca-west-1" };

    ck_assert_int_eq(endpoint_resolve(&settings, &endpoint), 0);
    ck_assert_str_eq(endpoint.region, "eu-west-1");
    settings.region = NULL;
    ck_assert_int_eq(endpoint_resolve(&settings, &endpoint), 0);
    ck_assert_str_eq(endpoint.region, "ap-south-1");
    settings.environment = second_choices;
    ck_assert_int_eq(endpoint_resolve(&settings, &endpoint), 0);
    ck_assert_str_eq(endpoint.region, "sa-east-1");
    settings.environment = empty;
    ck_assert_int_eq(endpoint_resolve(&settings, &endpoint), 0);
    ck_assert_str_eq(endpoint.region, "ca-west-1");
}
END_TEST

START_TEST(endpoint_is_the_options_then_the_environments)
{
    struct endpoint_settings settings = {
        .environment = full,
        .endpoint_url = "https://option.example",
    };

    ck_assert_int_eq(endpoint_resolve(&settings, &endpoint), 0);
    ck_assert_str_eq(endpoint.host, "option.example");
    settings.endpoint_url = NULL;
    ck_assert_int_eq(endpoint_resolve(&settings, &endpoint), 0);
    ck_assert_str_eq(endpoint.host, "own.example:8443");
    ck_assert_str_eq(endpoint.url, "https://own.example:8443/");
    settings.environment = second_choices;
    ck_assert_int_eq(endpoint_resolve(&settings, &endpoint), 0);
    ck_assert_str_eq(endpoint.host, "other.example");
}
END_TEST

START_TEST(missing_or_wrong_region_is_explained)
{
    char too_long[ENDPOINT_REGION_CAPACITY + 1];

    ck_assert_int_eq(resolve_region(NULL), ENDPOINT_WRONG);
    ck_assert_str_eq(endpoint.complaint,
                     "no AWS region: give --region, set AWS_REGION or put a "
                     "region into the AWS profile");
    ck_assert_int_eq(resolve_region("us east"), ENDPOINT_WRONG);
    ck_assert_str_eq(
        endpoint.complaint,
        "the AWS region of --region is no region name: \"us east\"");
    ck_assert_int_eq(resolve_region("x.evil.example/"), ENDPOINT_WRONG);
    ck_assert_int_eq(resolve_region("-a"), ENDPOINT_WRONG);
    ck_assert_int_eq(resolve_region("a-"), ENDPOINT_WRONG);
    ck_assert_int_eq(resolve_region("US-EAST-1"), ENDPOINT_WRONG);
    memset(too_long, 'a', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    ck_assert_int_eq(resolve_region(too_long), ENDPOINT_WRONG);
    ck_assert_int_eq(resolve_region(too_long + 1), 0);
}
END_TEST

START_TEST(host_header_has_only_a_port_that_is_not_the_schemes_own)
{
    ck_assert_int_eq(resolve_url("https://a.example:443/"), 0);
    ck_assert_str_eq(endpoint.host, "a.example");
    ck_assert_str_eq(endpoint.url, "https://a.example/");
    ck_assert_int_eq(resolve_url("HTTPS://a.example:80"), 0);
    ck_assert_str_eq(endpoint.host, "a.example:80");
    ck_assert_int_eq(resolve_url("http://[::1]:80"), 0);
    ck_assert_str_eq(endpoint.host, "[::1]");
    ck_assert_int_eq(resolve_url("http://[::1]:4567/"), 0);
    ck_assert_str_eq(endpoint.host, "[::1]:4567");
    ck_assert_str_eq(endpoint.url, "http://[::1]:4567/");
}
END_TEST

START_TEST(plain_http_is_for_loopback_only)
{
    static const char *const loopback[] = {
        "http://127.0.0.1:4567", "http://127.255.0.3", "http://localhost:1",
        "http://[::1]:4567",     "http://LOCALHOST",
    };
    static const char *const elsewhere[] = {
        "http://10.0.0.1",   "http://128.0.0.1:4567",  "http://localhost.evil",
        "http://[::2]:4567", "http://127.0.0.1.evil/", "http://0.0.0.0",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(loopback); i++) {
        ck_assert_int_eq(resolve_url(loopback[i]), 0);
        ck_assert(endpoint.is_loopback);
        ck_assert(!endpoint.is_tls);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(elsewhere); i++) {
        ck_assert_int_eq(resolve_url(elsewhere[i]), ENDPOINT_WRONG);
        ck_assert_ptr_nonnull(strstr(endpoint.complaint, "loopback"));
    }
    ck_assert_int_eq(resolve_url("https://127.0.0.1:4567"), 0);
    ck_assert(endpoint.is_loopback);
    ck_assert(endpoint.is_tls);
}
END_TEST

START_TEST(wrong_url_is_explained)
{
    static const char *const wrong[] = {
        "kinesis.example",
        "ftp://kinesis.example",
        "https://",
        "https:///",
        "https://a.example/path",
        "https://a.example//",
        "https://a.example/?x",
        "https://user:word@a.example",
        "https://a.example#x",
        "https://a.example:0",
        "https://a.example:65536",
        "https://a.example:x",
        "https://::1",
        "https://[fe80::1%eth0]:1",
        "https://a b",
        "http:",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        ck_assert_msg(resolve_url(wrong[i]) == ENDPOINT_WRONG, "%s", wrong[i]);
        ck_assert_msg(strstr(endpoint.complaint, "--endpoint-url") != NULL,
                      "%s", endpoint.complaint);
        ck_assert_msg(strstr(endpoint.complaint, wrong[i]) != NULL, "%s",
                      endpoint.complaint);
    }
}
END_TEST

START_TEST(ca_file_is_the_options_then_the_environments)
{
    ck_assert_str_eq(endpoint_ca_file(full, "/own.pem"), "/own.pem");
    ck_assert_str_eq(endpoint_ca_file(full, NULL), "/bundle.pem");
    ck_assert_ptr_null(endpoint_ca_file(empty, NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoint");
    TCase *order = tcase_create("order");
    TCase *urls = tcase_create("URLs");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(order, host_follows_region_and_partition);
    tcase_add_test(
        order, region_is_the_options_then_the_environments_then_the_profiles);
    tcase_add_test(order, endpoint_is_the_options_then_the_environments);
    tcase_add_test(order, missing_or_wrong_region_is_explained);
    tcase_add_test(order, ca_file_is_the_options_then_the_environments);
    suite_add_tcase(suite, order);
    tcase_add_test(urls,
                   host_header_has_only_a_port_that_is_not_the_schemes_own);
    tcase_add_test(urls, plain_http_is_for_loopback_only);
    tcase_add_test(urls, wrong_url_is_explained);
    suite_add_tcase(suite, urls);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
