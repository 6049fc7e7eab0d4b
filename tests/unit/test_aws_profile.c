/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "egress/aws_profile.h"

static struct aws_profile profile;

static void begin(const char *name)
{
    memset(&profile, 0, sizeof(profile));
    strcpy(profile.name, name);
    strcpy(profile.credentials_path, "CREDENTIALS");
    strcpy(profile.config_path, "CONFIG");
}

static int take(enum aws_profile_file file, const char *text)
{
    return aws_profile_take(&profile, file, bytes_of_text(text));
}

START_TEST(config_sections_are_called_profile_and_credentials_sections_are_not)
{
    begin("b");

    ck_assert_int_eq(take(AWS_PROFILE_CREDENTIALS,
                          "[profile b]\naws_access_key_id=WRONG\n"
                          "[b]\naws_access_key_id=ID\n"
                          "aws_secret_access_key=SECRET\n"),
                     0);
    ck_assert_int_eq(take(AWS_PROFILE_CONFIG, "[b]\nregion=wrong\n"
                                              "[profile bb]\nregion=wrong\n"
                                              "[profile  b]\nregion=right\n"),
                     0);

    ck_assert(profile.exists);
    ck_assert_str_eq(profile.keys.access_key_id, "ID");
    ck_assert_str_eq(profile.keys.secret_access_key, "SECRET");
    ck_assert_str_eq(profile.keys_path, "CREDENTIALS");
    ck_assert_str_eq(profile.region, "right");
}
END_TEST

START_TEST(default_profile_stands_alone_in_the_config_file)
{
    begin("default");

    ck_assert_int_eq(take(AWS_PROFILE_CONFIG, "[default]\nregion=here\n"
                                              "aws_access_key_id=ID\n"
                                              "aws_secret_access_key=SECRET\n"
                                              "aws_session_token=TOKEN\n"),
                     0);

    ck_assert_str_eq(profile.region, "here");
    ck_assert_str_eq(profile.keys.session_token, "TOKEN");
    ck_assert_str_eq(profile.keys_path, "CONFIG");
}
END_TEST

START_TEST(keys_of_two_files_are_never_mixed)
{
    begin("default");
    ck_assert_int_eq(take(AWS_PROFILE_CREDENTIALS,
                          "[default]\naws_access_key_id=ID\n"
                          "aws_secret_access_key=SECRET\n"),
                     0);
    ck_assert_int_eq(take(AWS_PROFILE_CONFIG,
                          "[default]\naws_access_key_id=OTHER\n"
                          "aws_secret_access_key=OTHER\n"
                          "aws_session_token=OTHER\n"),
                     0);
    ck_assert_str_eq(profile.keys.access_key_id, "ID");
    ck_assert_str_eq(profile.keys.secret_access_key, "SECRET");
    ck_assert_str_eq(profile.keys.session_token, "");

    begin("default");
    ck_assert_int_eq(take(AWS_PROFILE_CREDENTIALS,
                          "[default]\naws_secret_access_key=HALF\n"),
                     0);
    ck_assert_int_eq(take(AWS_PROFILE_CONFIG,
                          "[default]\naws_access_key_id=ID\n"
                          "aws_secret_access_key=SECRET\n"),
                     0);
    ck_assert_str_eq(profile.keys.access_key_id, "ID");
    ck_assert_str_eq(profile.keys.secret_access_key, "SECRET");
}
END_TEST

START_TEST(wrong_line_is_told_with_its_file)
{
    begin("default");

    ck_assert_int_eq(take(AWS_PROFILE_CONFIG, "[default]\n\nnonsense\n"),
                     AWS_PROFILE_UNUSABLE);

    ck_assert_str_eq(profile.complaint,
                     "CONFIG line 3 is neither [section] nor key = value");
}
END_TEST

START_TEST(values_that_are_too_long_are_refused)
{
    char text[256] = "[default]\nregion = ";

    begin("default");
    memset(text + strlen(text), 'r', AWS_REGION_CAPACITY);

    ck_assert_int_eq(take(AWS_PROFILE_CREDENTIALS, text), AWS_PROFILE_UNUSABLE);
    ck_assert_str_eq(profile.complaint,
                     "CREDENTIALS line 2: region is too long");
    ck_assert_str_eq(profile.region, "");
}
END_TEST

START_TEST(ways_that_are_not_supported_are_noted)
{
    begin("default");

    ck_assert_int_eq(take(AWS_PROFILE_CONFIG, "[profile other]\nrole_arn = x\n"
                                              "[default]\nsso_session = x\n"
                                              "credential_process = /bin/x\n"),
                     0);

    ck_assert(!profile.wishes.role_arn);
    ck_assert(profile.wishes.sso);
    ck_assert(profile.wishes.credential_process);
    ck_assert(!profile.wishes.web_identity);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aws_profile");
    TCase *files = tcase_create("files");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(
        files,
        config_sections_are_called_profile_and_credentials_sections_are_not);
    tcase_add_test(files, default_profile_stands_alone_in_the_config_file);
    tcase_add_test(files, keys_of_two_files_are_never_mixed);
    tcase_add_test(files, wrong_line_is_told_with_its_file);
    tcase_add_test(files, values_that_are_too_long_are_refused);
    tcase_add_test(files, ways_that_are_not_supported_are_noted);
    suite_add_tcase(suite, files);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
