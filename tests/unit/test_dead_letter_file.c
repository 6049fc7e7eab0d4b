/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "ingest/dead_letter_file.h"

static char folder[64];
static char path[96];
static struct dead_letter_file file;

static void set_up(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/dead-letters-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/letters", folder);
    file = DEAD_LETTER_FILE_NULL;
}

static void tear_down(void)
{
    dead_letter_file_close(&file);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void assert_content(const char *wanted)
{
    char content[256] = { 0 };
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_ge(read(descriptor, content, sizeof(content) - 1), 0);
    (void)close(descriptor);
    ck_assert_str_eq(content, wanted);
}

static void append(const char *text)
{
    ck_assert_int_eq(dead_letter_file_append(&file, bytes_of_text(text)), 0);
}

START_TEST(lines_are_appended_to_what_is_there)
{
    struct stat status;

    ck_assert_int_eq(dead_letter_file_open(path, &file), 0);
    append("one\n");
    dead_letter_file_close(&file);
    ck_assert_int_eq(dead_letter_file_open(path, &file), 0);
    append("two\nthree\n");

    assert_content("one\ntwo\nthree\n");
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600); /* bodies are private */
}
END_TEST

START_TEST(half_a_line_is_ended_before_the_next)
{
    ck_assert_int_eq(dead_letter_file_open(path, &file), 0);
    append("one\nhal");
    append("two\n");
    append("three\n");

    assert_content("one\nhal\ntwo\nthree\n");
}
END_TEST

/* A limit on the size of files stands in for a full disk. */
static void limit_files_to(rlim_t bytes)
{
    struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(batch_that_does_not_fit_on_the_disk_leaves_no_trace)
{
    ck_assert_int_eq(dead_letter_file_open(path, &file), 0);
    append("one\n");

    limit_files_to(10);
    ck_assert_int_eq(
        dead_letter_file_append(&file, bytes_of_text("two\nthree\nfour\n")),
        -EFBIG);
    limit_files_to(RLIM_INFINITY);

    assert_content("one\n");
    append("two\nthree\nfour\n");
    assert_content("one\ntwo\nthree\nfour\n");
}
END_TEST

START_TEST(file_has_one_writer)
{
    struct dead_letter_file second = DEAD_LETTER_FILE_NULL;

    ck_assert_int_eq(dead_letter_file_open(path, &file), 0);
    ck_assert_int_eq(dead_letter_file_open(path, &second),
                     DEAD_LETTER_FILE_TAKEN);
    dead_letter_file_close(&second);
    dead_letter_file_close(&file);
    ck_assert_int_eq(dead_letter_file_open(path, &second), 0);
    dead_letter_file_close(&second);
}
END_TEST

START_TEST(path_that_cannot_be_written_is_named)
{
    char wrong[128];
    int result;

    (void)snprintf(wrong, sizeof(wrong), "%s/none/letters", folder);
    result = dead_letter_file_open(wrong, &file);
    ck_assert_int_eq(result, -ENOENT);
    ck_assert_ptr_nonnull(strstr(error_take(result), wrong));
    dead_letter_file_close(&file);
    ck_assert_int_eq(dead_letter_file_open(folder, &file), -EISDIR);
}
END_TEST

START_TEST(pipe_takes_lines_though_it_has_no_disk)
{
    char line[16] = { 0 };
    int reader;

    ck_assert_int_eq(mkfifo(path, 0600), 0);
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ge(reader, 0);
    ck_assert_int_eq(dead_letter_file_open(path, &file), 0);
    append("one\n");
    ck_assert_int_eq(read(reader, line, sizeof(line)), 4);
    ck_assert_str_eq(line, "one\n");
    (void)close(reader);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dead_letter_file");
    TCase *appending = tcase_create("appending");
    TCase *opening = tcase_create("opening");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(appending, set_up, tear_down);
    tcase_add_test(appending, lines_are_appended_to_what_is_there);
    tcase_add_test(appending, half_a_line_is_ended_before_the_next);
    tcase_add_test(appending,
                   batch_that_does_not_fit_on_the_disk_leaves_no_trace);
    tcase_add_test(appending, pipe_takes_lines_though_it_has_no_disk);
    tcase_add_checked_fixture(opening, set_up, tear_down);
    tcase_add_test(opening, file_has_one_writer);
    tcase_add_test(opening, path_that_cannot_be_written_is_named);
    suite_add_tcase(suite, appending);
    suite_add_tcase(suite, opening);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
