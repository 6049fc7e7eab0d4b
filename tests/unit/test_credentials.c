/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "egress/credentials.h"

static struct credentials credentials;
static char home[64];
static struct {
    const char *name;
    const char *text;
} variables[8];
static size_t variable_count;

static char *look_up(const char *name)
{
    for (size_t i = 0; i < variable_count; i++)
        if (strcmp(variables[i].name, name) == 0)
            return (char *)variables[i].text;
    return NULL;
}

static void set(const char *name, const char *text)
{
    ck_assert_uint_lt(variable_count, ARRAY_LENGTH(variables));
    variables[variable_count].name = name;
    variables[variable_count++].text = text;
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/.aws/%s", home, name);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void make_home(void)
{
    char path[128];

    strcpy(home, "/tmp/test_credentials.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(home));
    (void)snprintf(path, sizeof(path), "%s/.aws", home);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    variable_count = 0;
    set("HOME", home);
}

static void remove_home(void)
{
    static const char *const names[] = { ".aws/credentials", ".aws/config",
                                         ".aws", "" };

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", home, names[i]);
        (void)remove(path);
    }
    credentials_deinit(&credentials);
}

static int load(const char *profile)
{
    return credentials_load(look_up, profile, &credentials);
}

static void set_environment_keys(void)
{
    set("AWS_ACCESS_KEY_ID", "ENVID");
    set("AWS_SECRET_ACCESS_KEY", "ENVSECRET");
    set("AWS_SESSION_TOKEN", "ENVTOKEN");
}

static void write_profiles(void)
{
    write_file("credentials", "[default]\naws_access_key_id = FILEID\n"
                              "aws_secret_access_key = FILESECRET\n"
                              "[orders]\naws_access_key_id = ORDERSID\n"
                              "aws_secret_access_key = ORDERSSECRET\n");
}

START_TEST(environment_wins_over_files)
{
    write_profiles();
    set_environment_keys();

    ck_assert_int_eq(load(NULL), 0);

    ck_assert_str_eq(credentials.keys.access_key_id, "ENVID");
    ck_assert_str_eq(credentials.keys.secret_access_key, "ENVSECRET");
    ck_assert_str_eq(credentials.keys.session_token, "ENVTOKEN");
    ck_assert_str_eq(credentials_source(&credentials), "environment");
}
END_TEST

START_TEST(profile_asked_for_wins_over_the_environment)
{
    char source[256];

    write_profiles();
    set_environment_keys();

    ck_assert_int_eq(load("orders"), 0);

    ck_assert_str_eq(credentials.keys.access_key_id, "ORDERSID");
    ck_assert_str_eq(credentials.keys.session_token, "");
    (void)snprintf(source, sizeof(source),
                   "profile orders of %s/.aws/credentials", home);
    ck_assert_str_eq(credentials_source(&credentials), source);
}
END_TEST

START_TEST(profile_of_the_environment_is_used)
{
    write_profiles();
    set("AWS_PROFILE", "orders");

    ck_assert_int_eq(load(NULL), 0);

    ck_assert_str_eq(credentials.keys.access_key_id, "ORDERSID");
}
END_TEST

START_TEST(file_of_the_environment_is_used)
{
    write_file("config", "[default]\naws_access_key_id = OTHERID\n"
                         "aws_secret_access_key = OTHERSECRET\n");
    set("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/config");
    set("AWS_CONFIG_FILE", "/nonexistent/config");

    ck_assert_int_eq(load(NULL), 0);

    ck_assert_str_eq(credentials.keys.access_key_id, "OTHERID");
}
END_TEST

START_TEST(nothing_found_says_what_was_asked)
{
    char complaint[512];

    ck_assert_int_eq(load(NULL), CREDENTIALS_NONE);
    (void)snprintf(complaint, sizeof(complaint),
                   "no AWS credentials: AWS_ACCESS_KEY_ID is not set, and "
                   "neither %s/.aws/credentials nor %s/.aws/config has the "
                   "profile default",
                   home, home);
    ck_assert_str_eq(credentials.complaint, complaint);

    ck_assert_int_eq(load("orders"), CREDENTIALS_NONE);
    (void)snprintf(complaint, sizeof(complaint),
                   "no AWS credentials: neither %s/.aws/credentials nor "
                   "%s/.aws/config has the profile orders",
                   home, home);
    ck_assert_str_eq(credentials.complaint, complaint);

    variable_count = 0;
    ck_assert_int_eq(load(NULL), CREDENTIALS_NONE);
    ck_assert_str_eq(credentials.complaint,
                     "no AWS credentials: AWS_ACCESS_KEY_ID is not set, and "
                     "there is no HOME to look for .aws/credentials in");
}
END_TEST

START_TEST(half_a_pair_is_told_and_keeps_the_old_keys)
{
    set_environment_keys();
    ck_assert_int_eq(load(NULL), 0);
    variable_count = 1;
    set("AWS_ACCESS_KEY_ID", "NEWID");

    ck_assert_int_eq(load(NULL), CREDENTIALS_UNUSABLE);

    ck_assert_str_eq(credentials.complaint,
                     "the AWS credentials of the environment have an access "
                     "key id, but no secret access key");
    ck_assert_str_eq(credentials.keys.access_key_id, "ENVID");
    ck_assert_str_eq(credentials.keys.secret_access_key, "ENVSECRET");
    ck_assert_str_eq(credentials_source(&credentials), "environment");
}
END_TEST

START_TEST(keys_that_would_break_a_header_are_refused_and_not_shown)
{
    set("AWS_ACCESS_KEY_ID", "ID\r\nX-Evil: 1");
    set("AWS_SECRET_ACCESS_KEY", "SECRET");

    ck_assert_int_eq(load(NULL), CREDENTIALS_UNUSABLE);

    ck_assert_ptr_null(strstr(credentials.complaint, "Evil"));
    ck_assert_ptr_null(strstr(credentials.complaint, "SECRET"));
}
END_TEST

START_TEST(what_is_not_supported_yet_is_said)
{
    write_file("config", "[profile a]\nrole_arn = arn:aws:iam::1:role/x\n"
                         "source_profile = default\n"
                         "[profile b]\ncredential_process = /bin/true\n"
                         "[profile c]\nsso_start_url = https://example\n");
    write_file("credentials", "[a]\naws_access_key_id = ID\n"
                              "aws_secret_access_key = SECRET\n");

    ck_assert_int_eq(load("a"), CREDENTIALS_UNSUPPORTED);
    ck_assert_str_eq(credentials.complaint, "the AWS profile a uses role_arn, "
                                            "which is not supported yet");
    ck_assert_int_eq(load("b"), CREDENTIALS_UNSUPPORTED);
    ck_assert_int_eq(load("c"), CREDENTIALS_UNSUPPORTED);
    set("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
    ck_assert_int_eq(load(NULL), CREDENTIALS_UNSUPPORTED);
    variable_count = 1;
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/");
    ck_assert_int_eq(load(NULL), CREDENTIALS_UNSUPPORTED);
    ck_assert_str_eq(credentials.complaint,
                     "AWS_CONTAINER_CREDENTIALS_FULL_URI is set, but "
                     "credentials of a container are not supported yet");
}
END_TEST

START_TEST(unreadable_file_is_told)
{
    set("AWS_SHARED_CREDENTIALS_FILE", home); /* a folder */

    ck_assert_int_eq(load(NULL), CREDENTIALS_UNUSABLE);

    ck_assert_ptr_nonnull(strstr(credentials.complaint, "cannot read"));
    ck_assert_ptr_nonnull(strstr(credentials.complaint, home));
}
END_TEST

START_TEST(changed_file_is_seen_at_the_next_load)
{
    write_profiles();
    ck_assert_int_eq(load(NULL), 0);
    write_file("credentials", "[default]\naws_access_key_id = NEXTID\n"
                              "aws_secret_access_key = NEXTSECRET\n"
                              "aws_session_token = NEXTTOKEN\n");

    ck_assert_int_eq(load(NULL), 0);

    ck_assert_str_eq(credentials.keys.access_key_id, "NEXTID");
    ck_assert_str_eq(credentials.keys.secret_access_key, "NEXTSECRET");
    ck_assert_str_eq(credentials.keys.session_token, "NEXTTOKEN");
}
END_TEST

START_TEST(deinit_leaves_no_key_behind)
{
    static const struct credentials zero;

    set_environment_keys();
    ck_assert_int_eq(load(NULL), 0);

    credentials_deinit(&credentials);

    ck_assert_mem_eq(&credentials, &zero, sizeof(zero));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credentials");
    TCase *order = tcase_create("order");
    TCase *trouble = tcase_create("trouble");
    TCase *life = tcase_create("life");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(order, make_home, remove_home);
    tcase_add_test(order, environment_wins_over_files);
    tcase_add_test(order, profile_asked_for_wins_over_the_environment);
    tcase_add_test(order, profile_of_the_environment_is_used);
    tcase_add_test(order, file_of_the_environment_is_used);
    suite_add_tcase(suite, order);

    tcase_add_checked_fixture(trouble, make_home, remove_home);
    tcase_add_test(trouble, nothing_found_says_what_was_asked);
    tcase_add_test(trouble, half_a_pair_is_told_and_keeps_the_old_keys);
    tcase_add_test(trouble,
                   keys_that_would_break_a_header_are_refused_and_not_shown);
    tcase_add_test(trouble, what_is_not_supported_yet_is_said);
    tcase_add_test(trouble, unreadable_file_is_told);
    suite_add_tcase(suite, trouble);

    tcase_add_checked_fixture(life, make_home, remove_home);
    tcase_add_test(life, changed_file_is_seen_at_the_next_load);
    tcase_add_test(life, deinit_leaves_no_key_behind);
    suite_add_tcase(suite, life);

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
