/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

static int reader;
static char lines[1 << 16];

/* Standard error becomes a pipe; each test runs in a process of its own. */
static void set_up(void)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    (void)close(ends[1]);
    reader = ends[0];
}

static const char *written(void)
{
    ssize_t length = read(reader, lines, sizeof(lines) - 1);

    lines[length > 0 ? length : 0] = '\0';
    return lines;
}

static int matches(const char *text, const char *pattern)
{
    regex_t regex;
    int result;

    ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    result = regexec(&regex, text, 0, NULL, 0);
    regfree(&regex);
    return result == 0;
}

static cJSON *written_json(void)
{
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithOpts(written(), &end, 0);

    ck_assert_msg(json != NULL, "no JSON: %s", lines);
    ck_assert_str_eq(end, "\n");
    return json;
}

static const char *text_of(const cJSON *json, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(json, name));

    return text ? text : "(no string)";
}

START_TEST(line_has_time_level_process_event_and_pairs)
{
    log_open("egress[1]", LOG_INFO, LOG_FORMAT_LOGFMT);
    log_warning("shard_throttled", "shard=%d wait_ms=%d", 3, 250);

    ck_assert(matches(written(),
                      "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z "
                      "warning egress\\[1\\] shard_throttled "
                      "shard=3 wait_ms=250\n$"));
}
END_TEST

START_TEST(lower_levels_are_not_written)
{
    log_open("ingest", log_level_named("error"), LOG_FORMAT_LOGFMT);
    log_warning("quiet", "x=1");
    ck_assert_str_eq(written(), "");
    log_error("loud", "x=1");
    ck_assert_ptr_nonnull(strstr(written(), "loud"));
    ck_assert_int_eq(log_level_named("nonsense"), LOG_INFO);
    ck_assert_int_eq(log_format_named("json"), LOG_FORMAT_JSON);
}
END_TEST

START_TEST(foreign_text_cannot_forge_a_line)
{
    log_open("ingest", LOG_INFO, LOG_FORMAT_LOGFMT);
    log_info("answer", "text=%s quoted=%s", "a\nb\033[1m",
             log_quoted("x\ny\033\"\\\xff"));

    ck_assert_ptr_nonnull(strstr(written(),
                                 "text=a b [1m quoted=\"x\\ny\\u001b\\\"\\\\"
                                 "\\ufffd\"\n"));
    ck_assert_ptr_eq(strchr(lines, '\n'), lines + strlen(lines) - 1);
}
END_TEST

START_TEST(pairs_become_members_in_json)
{
    cJSON *json;

    log_open("ingest", LOG_INFO, LOG_FORMAT_JSON);
    log_info("nsqd_connected",
             "nsqd=127.0.0.1:4150 rdy=2500 ratio=-0.5 tls=false id=%s "
             "sequence=4960000000000000000001 zero=007 empty= bad=\"\\q\" two "
             "words",
             log_quoted("a \"b\"=c d\n\xf0\x9f\x98\x80"));

    json = written_json();
    ck_assert_str_eq(text_of(json, "level"), "info");
    ck_assert_str_eq(text_of(json, "process"), "ingest");
    ck_assert_str_eq(text_of(json, "event"), "nsqd_connected");
    ck_assert_str_eq(text_of(json, "nsqd"), "127.0.0.1:4150");
    ck_assert(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "rdy")) == 2500);
    ck_assert(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "ratio")) == -0.5);
    ck_assert(cJSON_IsFalse(cJSON_GetObjectItem(json, "tls")));
    ck_assert_str_eq(text_of(json, "id"), "a \"b\"=c d\n\xf0\x9f\x98\x80");
    ck_assert_str_eq(text_of(json, "sequence"), "4960000000000000000001");
    ck_assert_str_eq(text_of(json, "zero"), "007");
    ck_assert_str_eq(text_of(json, "empty"), "");
    ck_assert_str_eq(text_of(json, "bad"), "\"\\q\"");
    ck_assert_str_eq(text_of(json, "text"), "two words");
    cJSON_Delete(json);
}
END_TEST

START_TEST(line_of_any_length_is_whole_and_says_what_is_missing)
{
    static char long_text[6000];

    for (size_t length = 3700; length < sizeof(long_text); length++) {
        cJSON *json;

        memset(long_text, 'a', length);
        long_text[length] = '\0';
        log_open("ingest", LOG_INFO, LOG_FORMAT_LOGFMT);
        log_info("long", "x=%s y=2", long_text);
        ck_assert_uint_le(strlen(written()), 4096);
        ck_assert(strstr(lines, " y=2\n") || strstr(lines, " cut=true\n"));
        log_open("ingest", LOG_INFO, LOG_FORMAT_JSON);
        log_info("long", "x=%s y=2", long_text);
        json = written_json();
        ck_assert(strlen(lines) <= 4096);
        ck_assert(cJSON_HasObjectItem(json, "y") ||
                  cJSON_IsTrue(cJSON_GetObjectItem(json, "cut")));
        cJSON_Delete(json);
    }
}
END_TEST

START_TEST(any_bytes_make_one_line_of_json)
{
    unsigned seed = 1;

    log_open("ingest", LOG_INFO, LOG_FORMAT_JSON);
    for (int round = 0; round < 20000; round++) {
        static const char alphabet[] = "a=\"\\ 1.-\nu\xc3\xa9\xff\t";
        char text[24];
        size_t length = (size_t)rand_r(&seed) % sizeof(text);

        for (size_t i = 0; i < length; i++)
            text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
        text[length < sizeof(text) ? length : length - 1] = '\0';
        log_info("any", "%s", text);
        cJSON_Delete(written_json());
        ck_assert_ptr_eq(strchr(lines, '\n'), lines + strlen(lines) - 1);
    }
}
END_TEST

START_TEST(several_quoted_values_fit_one_line)
{
    log_open("ingest", LOG_INFO, LOG_FORMAT_LOGFMT);
    log_info("four", "%s %s %s %s", log_quoted("a"), log_quoted("b"),
             log_quoted("c"), log_quoted("d"));

    ck_assert_ptr_nonnull(strstr(written(), "\"a\" \"b\" \"c\" \"d\""));
}
END_TEST

/* (M6) */
START_TEST(full_and_closed_pipes_drop_lines_and_count_them)
{
    uint64_t dropped;

    log_open("ingest", LOG_INFO, LOG_FORMAT_LOGFMT);
    for (int i = 0; i < 5000; i++)
        log_info("filling", "i=%d", i);
    dropped = log_dropped_count();
    ck_assert_uint_gt(dropped, 0);

    (void)written();
    log_info("room_again", "i=1");
    ck_assert_uint_eq(log_dropped_count(), dropped);
    (void)close(reader);
    log_info("nobody", "i=1");
    ck_assert_uint_eq(log_dropped_count(), dropped + 1);
    ck_assert_uint_eq(log_take_dropped(), dropped + 1);
    ck_assert_uint_eq(log_take_dropped(), 0);
}
END_TEST

/* (M6) */
START_TEST(full_disk_drops_lines_and_keeps_errno)
{
    int full = open("/dev/full", O_WRONLY);

    ck_assert_int_ge(full, 0);
    ck_assert_int_eq(dup2(full, STDERR_FILENO), STDERR_FILENO);
    log_open("ingest", LOG_INFO, LOG_FORMAT_LOGFMT);
    errno = ENOTTY;
    log_info("nowhere", "i=1");

    ck_assert_int_eq(errno, ENOTTY);
    ck_assert_uint_eq(log_dropped_count(), 1);
}
END_TEST

START_TEST(limit_lets_one_line_through_and_counts_the_others)
{
    struct log_limit limit = { 0 };
    struct monotonic now = { .ns = 5 };
    uint64_t kept_back = 9;

    ck_assert(log_limit_allows(&limit, now, 100, &kept_back));
    ck_assert_uint_eq(kept_back, 0);
    ck_assert(!log_limit_allows(&limit, now, 100, &kept_back));
    now.ns = 104;
    ck_assert(!log_limit_allows(&limit, now, 100, &kept_back));
    now.ns = 105;
    ck_assert(log_limit_allows(&limit, now, 100, &kept_back));
    ck_assert_uint_eq(kept_back, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *all = tcase_create("lines");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(all, set_up, NULL);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, line_has_time_level_process_event_and_pairs);
    tcase_add_test(all, lower_levels_are_not_written);
    tcase_add_test(all, foreign_text_cannot_forge_a_line);
    tcase_add_test(all, pairs_become_members_in_json);
    tcase_add_test(all, line_of_any_length_is_whole_and_says_what_is_missing);
    tcase_add_test(all, any_bytes_make_one_line_of_json);
    tcase_add_test(all, several_quoted_values_fit_one_line);
    tcase_add_test(all, full_and_closed_pipes_drop_lines_and_count_them);
    tcase_add_test(all, full_disk_drops_lines_and_keeps_errno);
    tcase_add_test(all, limit_lets_one_line_through_and_counts_the_others);
    suite_add_tcase(suite, all);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
