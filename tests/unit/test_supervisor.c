/* SPDX-License-Identifier: Apache-2.0 */

/* The real nsq_to_kinesis in a folder where its children are fake ones. */

#include <check.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/process_exit.h"

#define PATIENCE_NS (20 * NS_PER_SECOND)

static char folder[64];
static char journal_path[128];
static char log_path[128];
static char program[128];
static char name_option[64];
static char bridge[32];
static pid_t supervisor;

static void copy(const char *from, const char *to)
{
    char command[3 * PATH_MAX];

    (void)snprintf(command, sizeof(command), "cp '%s' '%s'", from, to);
    ck_assert_msg(system(command) == 0, "%s", command);
}

static void copy_program(const char *built, const char *name)
{
    char self[PATH_MAX] = { 0 };
    char from[PATH_MAX + 64];
    char to[128];

    ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
    (void)snprintf(from, sizeof(from), "%s/../../%s", dirname(self), built);
    (void)snprintf(to, sizeof(to), "%s/%s", folder, name);
    copy(from, to);
}

static void set_up(void)
{
    (void)strcpy(folder, "/tmp/test_supervisor.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    copy_program("tools/nsq_to_kinesis", "nsq_to_kinesis");
    copy_program("tests/support/fake_child", "nsq_to_kinesis-ingest");
    copy_program("tests/support/fake_child", "nsq_to_kinesis-egress");
    (void)snprintf(journal_path, sizeof(journal_path), "%s/journal", folder);
    (void)snprintf(log_path, sizeof(log_path), "%s/log", folder);
    (void)snprintf(program, sizeof(program), "%s/nsq_to_kinesis", folder);
    (void)snprintf(bridge, sizeof(bridge), "test-%d", getpid());
    (void)snprintf(name_option, sizeof(name_option), "--name=%s", bridge);
    ck_assert_int_eq(setenv("FAKE_JOURNAL", journal_path, 1), 0);
    ck_assert_int_eq(setenv("AWS_SECRET_ACCESS_KEY", "secret", 1), 0);
}

static void tear_down(void)
{
    char command[256];

    (void)snprintf(command, sizeof(command),
                   "rm -rf '%s' /dev/shm/nsq_to_kinesis.%s.*", folder, bridge);
    ck_assert_int_eq(system(command), 0);
}

static pid_t start(const char *more)
{
    pid_t pid = fork();

    if (pid == 0) {
        int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

        (void)dup2(log, STDOUT_FILENO);
        (void)dup2(log, STDERR_FILENO);
        (void)execl(program, program, name_option, "--topic=t", "--stream=s",
                    "--nsqd-tcp-address=127.0.0.1:4150", "--egress-workers=2",
                    more, (char *)NULL);
        _exit(99);
    }
    return pid;
}

static const char *text_of(const char *path)
{
    static char text[1 << 16];
    int file = open(path, O_RDONLY);
    ssize_t length = file < 0 ? 0 : read(file, text, sizeof(text) - 1);

    if (file >= 0)
        (void)close(file);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

/* Where `line` stands in the journal; -1: not. */
static long place_of(const char *line)
{
    const char *text = text_of(journal_path);
    const char *place = strstr(text, line);

    return place ? (long)(place - text) : -1;
}

static size_t count_of(const char *line)
{
    const char *text = text_of(journal_path);
    size_t count = 0;

    while ((text = strstr(text, line))) {
        count++;
        text++;
    }
    return count;
}

static void await_count(const char *line, size_t count)
{
    struct monotonic deadline = monotonic_after(clock_monotonic(), PATIENCE_NS);

    while (count_of(line) < count) {
        ck_assert_msg(!monotonic_reached(deadline, clock_monotonic()),
                      "no \"%s\" in:\n%s", line, text_of(log_path));
        (void)usleep(2000);
    }
}

static int await_exit(pid_t pid)
{
    struct monotonic deadline = monotonic_after(clock_monotonic(), PATIENCE_NS);
    int status = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (monotonic_reached(deadline, clock_monotonic())) {
            (void)kill(pid, SIGKILL);
            ck_abort_msg("it does not end:\n%s", text_of(log_path));
        }
        (void)usleep(2000);
    }
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Starts the bridge and waits until all of it works. */
static void start_whole(const char *more)
{
    supervisor = start(more);
    await_count("ingest ready", 1);
}

static int stop(void)
{
    ck_assert_int_eq(kill(supervisor, SIGTERM), 0);
    return await_exit(supervisor);
}

static pid_t pid_of(const char *line)
{
    const char *text = text_of(journal_path);
    const char *last = NULL;

    while ((text = strstr(text, line)))
        last = text++;
    ck_assert_ptr_nonnull(last);
    return atoi(last + strlen(line));
}

static bool segments_are_there(void)
{
    char command[256];

    (void)snprintf(command, sizeof(command),
                   "ls /dev/shm/nsq_to_kinesis.%s.* >/dev/null 2>&1", bridge);
    return system(command) == 0;
}

START_TEST(bridge_starts_and_stops_in_order_and_leaves_nothing)
{
    start_whole(NULL);
    ck_assert(segments_are_there());

    ck_assert_int_eq(stop(), 0);
    ck_assert_int_lt(place_of("survey started"), place_of("egress0 started"));
    ck_assert_int_lt(place_of("egress0 attached"), place_of("ingest started"));
    ck_assert_int_lt(place_of("egress1 attached"), place_of("ingest started"));
    ck_assert_int_lt(place_of("ingest drains"), place_of("egress0 drains"));
    ck_assert_int_lt(place_of("ingest drains"), place_of("egress1 drains"));
    ck_assert_int_ge(place_of("ingest drains"), 0);
    ck_assert(!segments_are_there());
}
END_TEST

START_TEST(children_find_their_descriptors_and_no_foreign_secret)
{
    start_whole(NULL);
    ck_assert_int_eq(stop(), 0);

    ck_assert_int_eq(place_of("has-no-lifeline"), -1);
    ck_assert_int_eq(place_of("has-input"), -1);
    ck_assert_int_eq(place_of("ingest knows-a-secret"), -1);
    ck_assert_int_ge(place_of("egress0 knows-a-secret"), 0);
}
END_TEST

START_TEST(killed_children_are_back_within_half_a_second)
{
    static const char *const roles[] = { "egress0 ready ", "egress1 ready ",
                                         "ingest ready " };

    start_whole(NULL);
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        struct monotonic begin = clock_monotonic();

        ck_assert_int_eq(kill(pid_of(roles[i]), SIGKILL), 0);
        await_count(roles[i], 2);
        ck_assert_int_lt(monotonic_between(begin, clock_monotonic()),
                         500 * NS_PER_MS);
    }
    ck_assert_uint_eq(count_of("survey started"), 1);
    ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(final_status_of_a_child_is_that_of_the_bridge)
{
    ck_assert_int_eq(setenv("FAKE_SURVEY", "exit:78", 1), 0);
    ck_assert_int_eq(await_exit(start(NULL)), 78);
    ck_assert_int_eq(place_of("egress0 started"), -1);

    ck_assert_int_eq(unsetenv("FAKE_SURVEY"), 0);
    ck_assert_int_eq(setenv("FAKE_INGEST", "exit:64", 1), 0);
    ck_assert_int_eq(await_exit(start(NULL)), 64);
    ck_assert_int_ge(place_of("egress0 drains"), 0);
}
END_TEST

START_TEST(survey_that_fails_is_repeated)
{
    ck_assert_int_eq(setenv("FAKE_SURVEY", "first:75", 1), 0);
    start_whole(NULL);

    ck_assert_uint_eq(count_of("survey started"), 2);
    ck_assert_int_eq(stop(), 0);
}
END_TEST

/* (M3) */
START_TEST(damage_brings_the_survey_back_and_then_everybody)
{
    ck_assert_int_eq(setenv("FAKE_INGEST", "first:80", 1), 0);
    start_whole(NULL);

    ck_assert_uint_eq(count_of("survey started"), 2);
    ck_assert_uint_eq(count_of("egress0 leaves"), 1);
    ck_assert_uint_eq(count_of("egress0 started"), 2);
    ck_assert_uint_eq(count_of("ingest started"), 2);
    ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(children_that_do_not_drain_are_killed_in_time)
{
    ck_assert_int_eq(setenv("FAKE_INGEST", "stuck", 1), 0);
    start_whole("--drain-timeout=300ms");

    ck_assert_int_eq(stop(), PROCESS_EXIT_NOT_DRAINED);
    ck_assert(segments_are_there()); /* there may be records in them */
}
END_TEST

START_TEST(second_signal_does_not_wait)
{
    ck_assert_int_eq(setenv("FAKE_INGEST", "stuck", 1), 0);
    start_whole("--drain-timeout=1h");
    ck_assert_int_eq(kill(supervisor, SIGINT), 0);
    while (!strstr(text_of(log_path), " draining "))
        (void)usleep(2000);

    ck_assert_int_eq(stop(), PROCESS_EXIT_NOT_DRAINED);
}
END_TEST

START_TEST(second_bridge_of_the_same_name_is_refused)
{
    char running[64];

    start_whole(NULL);
    ck_assert_int_eq(await_exit(start(NULL)), PROCESS_EXIT_TRY_AGAIN);
    (void)snprintf(running, sizeof(running), "runs already (process %d)",
                   supervisor);
    ck_assert_ptr_nonnull(strstr(text_of(log_path), running));
    ck_assert_uint_eq(count_of("survey started"), 1);
    ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(interrupt_from_the_terminal_reaches_only_the_supervisor)
{
    start_whole(NULL);
    ck_assert_int_eq(kill(pid_of("ingest ready "), SIGINT), 0);
    ck_assert_int_eq(kill(pid_of("egress0 ready "), SIGHUP), 0);
    ck_assert_int_eq(kill(supervisor, SIGHUP), 0);

    ck_assert_int_eq(stop(), 0);
    ck_assert_uint_eq(count_of("ingest started"), 1);
    ck_assert_uint_eq(count_of("egress0 started"), 1);
}
END_TEST

START_TEST(systemd_hears_ready_and_stopping)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int heard = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct timeval patience = { .tv_sec = 20 };
    char text[64];
    ssize_t length;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify",
                   folder);
    ck_assert_int_eq(bind(heard, (struct sockaddr *)&address, sizeof(address)),
                     0);
    (void)setsockopt(heard, SOL_SOCKET, SO_RCVTIMEO, &patience,
                     sizeof(patience));
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);

    start_whole(NULL);
    length = recv(heard, text, sizeof(text), 0);
    ck_assert(length == 7 && memcmp(text, "READY=1", 7) == 0);
    ck_assert_int_eq(stop(), 0);
    length = recv(heard, text, sizeof(text), 0);
    ck_assert(length == 10 && memcmp(text, "STOPPING=1", 10) == 0);
    ck_assert_int_eq(place_of("hears-systemd"), -1);
}
END_TEST

START_TEST(missing_program_is_one_sentence)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/nsq_to_kinesis-egress", folder);
    ck_assert_int_eq(unlink(path), 0);

    ck_assert_int_eq(await_exit(start(NULL)), PROCESS_EXIT_CONFIGURATION);
    ck_assert_ptr_nonnull(strstr(text_of(log_path), "belongs beside"));
    ck_assert(!segments_are_there());
}
END_TEST

START_TEST(wrong_command_line_starts_nothing)
{
    ck_assert_int_eq(await_exit(start("--queue-size=4 potatoes")),
                     PROCESS_EXIT_USAGE);
    ck_assert_str_eq(text_of(log_path),
                     "nsq_to_kinesis: --queue-size: \"4 potatoes\" is not a "
                     "size; try 4MiB\n");
    ck_assert_int_eq(await_exit(start("--egress-workers=1000")),
                     PROCESS_EXIT_CONFIGURATION);
    ck_assert_int_eq(await_exit(start("--help")), 0);
    ck_assert_int_eq(await_exit(start("--version")), 0);
    ck_assert_int_eq(place_of("started"), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervisor");
    TCase *whole = tcase_create("whole program");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(whole, set_up, tear_down);
    tcase_set_timeout(whole, 60);
    tcase_add_test(whole, bridge_starts_and_stops_in_order_and_leaves_nothing);
    tcase_add_test(whole,
                   children_find_their_descriptors_and_no_foreign_secret);
    tcase_add_test(whole, killed_children_are_back_within_half_a_second);
    tcase_add_test(whole, final_status_of_a_child_is_that_of_the_bridge);
    tcase_add_test(whole, survey_that_fails_is_repeated);
    tcase_add_test(whole, damage_brings_the_survey_back_and_then_everybody);
    tcase_add_test(whole, children_that_do_not_drain_are_killed_in_time);
    tcase_add_test(whole, second_signal_does_not_wait);
    tcase_add_test(whole, second_bridge_of_the_same_name_is_refused);
    tcase_add_test(whole,
                   interrupt_from_the_terminal_reaches_only_the_supervisor);
    tcase_add_test(whole, systemd_hears_ready_and_stopping);
    tcase_add_test(whole, missing_program_is_one_sentence);
    tcase_add_test(whole, wrong_command_line_starts_nothing);
    suite_add_tcase(suite, whole);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
