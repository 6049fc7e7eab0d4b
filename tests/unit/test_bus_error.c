/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bus_error.h"
#include "common/log.h"
#include "common/process_exit.h"
#include "common/shared_memory.h"

static char name[64];
static char said[4096];

/* What the child does, and dies of. */
static void touch_what_is_gone(enum log_format format)
{
    struct shared_memory memory = SHARED_MEMORY_NULL;
    volatile uint8_t *bytes;

    log_open("egress[1]", LOG_FATAL, format);
    bus_error_watch();
    if (shared_memory_create(name, 8192, &memory) ||
        ftruncate(memory.descriptor, 4096))
        _exit(1);
    bytes = memory.address;
    bytes[4095] = 1;
    bytes[4096] = 1; /* the end */
    _exit(2);
}

/* Returns the exit status of the child; what it said is in `said`. */
static int run(enum log_format format)
{
    size_t length = 0;
    ssize_t count;
    int lines[2];
    int status;
    pid_t child;

    (void)snprintf(name, sizeof(name), "/nsq_to_kinesis.test-%d.gone",
                   (int)getpid());
    ck_assert_int_eq(shared_memory_remove(name), 0);
    ck_assert_int_eq(pipe(lines), 0);
    child = fork();
    if (child == 0) {
        (void)dup2(lines[1], STDERR_FILENO);
        touch_what_is_gone(format);
    }
    (void)close(lines[1]);
    while ((count = read(lines[0], said + length, sizeof(said) - 1 - length)) >
           0)
        length += (size_t)count;
    said[length] = '\0';
    (void)close(lines[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(shared_memory_remove(name), 0);
    ck_assert_msg(WIFEXITED(status), "signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* (M2) */
START_TEST(process_says_which_segment_was_cut_and_ends_with_a_status)
{
    char segment[96];

    ck_assert_int_eq(run(LOG_FORMAT_LOGFMT), PROCESS_EXIT_SEGMENT_GONE);

    (void)snprintf(segment, sizeof(segment),
                   " fatal egress[1] segment_gone segment=/dev/shm%s why=\"",
                   name);
    ck_assert_msg(strstr(said, segment) != NULL, "%s", said);
    ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1);
}
END_TEST

START_TEST(it_says_so_in_json_where_that_is_wanted)
{
    char segment[96];

    ck_assert_int_eq(run(LOG_FORMAT_JSON), PROCESS_EXIT_SEGMENT_GONE);

    (void)snprintf(segment, sizeof(segment), "\"segment\":\"/dev/shm%s\"",
                   name);
    ck_assert_msg(strstr(said, segment) != NULL, "%s", said);
    ck_assert_ptr_nonnull(strstr(said, "\"event\":\"segment_gone\""));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bus_error");
    TCase *ends = tcase_create("ends");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(ends,
                   process_says_which_segment_was_cut_and_ends_with_a_status);
    tcase_add_test(ends, it_says_so_in_json_where_that_is_wanted);
    suite_add_tcase(suite, ends);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
