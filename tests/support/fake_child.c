/* SPDX-License-Identifier: Apache-2.0 */

/*
 * fake_child - stands in for ingest, egress and the survey under a supervisor.
 *
 * It keeps the rules of common/lifeline.h and writes what happens to it into
 * the file FAKE_JOURNAL, one line each: "ingest started 123", "egress0 drains".
 * FAKE_SURVEY, FAKE_EGRESS and FAKE_INGEST say how it behaves:
 *
 *     exit:N    ends with status N before it is ready
 *     first:N   the same, but only the first time
 *     stuck     never drains
 */

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/lifeline.h"
#include "common/options.h"
#include "common/process_exit.h"
#include "shard/segment_name.h"

static struct options options;
static char role[32];

static void note(const char *what)
{
    int journal =
        open(getenv("FAKE_JOURNAL"), O_WRONLY | O_APPEND | O_CREAT, 0600);

    (void)dprintf(journal, "%s %s %d\n", role, what, (int)getpid());
    (void)close(journal);
}

static bool was_started_before(void)
{
    char text[1 << 16] = { 0 };
    char line[64];
    int journal = open(getenv("FAKE_JOURNAL"), O_RDONLY);

    (void)!read(journal, text, sizeof(text) - 1);
    (void)close(journal);
    (void)snprintf(line, sizeof(line), "%s started", role);
    return strstr(text, line) != NULL;
}

/* What a child must find: no input, no secret that is not its own. */
static void look_around(void)
{
    struct stat input;
    struct stat nothing;

    if (fstat(STDIN_FILENO, &input) < 0 || stat("/dev/null", &nothing) < 0 ||
        input.st_rdev != nothing.st_rdev)
        note("has-input");
    if (getenv("AWS_SECRET_ACCESS_KEY"))
        note("knows-a-secret");
    if (getenv("NOTIFY_SOCKET"))
        note("hears-systemd");
}

static void behave_before_ready(const char *behaviour, bool again)
{
    if (!behaviour)
        return;
    if (strncmp(behaviour, "exit:", 5) == 0)
        exit(atoi(behaviour + 5));
    if (strncmp(behaviour, "first:", 6) == 0 && !again)
        exit(atoi(behaviour + 6));
}

/* Two queues by name only: the supervisor is to take them away. */
static void survey(void)
{
    for (unsigned i = 0; i < 2; i++) {
        struct segment_name name = segment_name_of_queue(options.name, 1, i);

        (void)close(shm_open(name.text, O_RDWR | O_CREAT, 0600));
    }
    (void)lifeline_send(LIFELINE_DESCRIPTOR, LIFELINE_SURVEYED, 2);
    exit(PROCESS_EXIT_STOPPED);
}

/* Goes on alone until there is a new supervisor. */
static void find_supervisor(void)
{
    struct segment_name control = segment_name_of(options.name, "control");
    char words[32];

    (void)snprintf(words, sizeof(words), "egress %llu",
                   (unsigned long long)options.worker_index);
    while (lifeline_rejoin(control.text,
                           strcmp(role, "ingest") == 0 ? "ingest" : words) != 0)
        (void)usleep(LIFELINE_REJOIN_PAUSE_NS / 1000);
    note("adopted");
}

static void work(bool is_stuck)
{
    struct pollfd lifeline = { .fd = LIFELINE_DESCRIPTOR, .events = POLLIN };
    struct lifeline_message message;

    note("attached"); /* before it can have an effect */
    (void)lifeline_send(LIFELINE_DESCRIPTOR, LIFELINE_READY, 0);
    note("ready");
    for (;;) {
        int result;

        (void)poll(&lifeline, 1, 1000);
        (void)lifeline_send(LIFELINE_DESCRIPTOR, LIFELINE_ALIVE, 0);
        result = lifeline_receive(LIFELINE_DESCRIPTOR, &message);
        if (result == LIFELINE_CLOSED)
            find_supervisor();
        if (result == 0 && message.kind == LIFELINE_DRAIN && !is_stuck) {
            note("drains");
            (void)lifeline_send(LIFELINE_DESCRIPTOR, LIFELINE_ENDING,
                                PROCESS_EXIT_STOPPED);
            exit(PROCESS_EXIT_STOPPED);
        }
        if (result == 0 && message.kind == LIFELINE_LEAVE) {
            note("leaves");
            exit(PROCESS_EXIT_STOPPED);
        }
    }
}

int main(int argc, char *argv[])
{
    const char *behaviour;
    bool is_ingest = strstr(argv[0], "-ingest") != NULL;
    bool again;

    options_init(&options);
    if (options_parse(&options, argc, argv) != 0 ||
        options_check(&options) != 0)
        return PROCESS_EXIT_USAGE;
    if (is_ingest)
        (void)strcpy(role, "ingest");
    else if (options.survey)
        (void)strcpy(role, "survey");
    else
        (void)snprintf(role, sizeof(role), "egress%llu",
                       (unsigned long long)options.worker_index);
    behaviour = getenv(is_ingest        ? "FAKE_INGEST"
                       : options.survey ? "FAKE_SURVEY"
                                        : "FAKE_EGRESS");
    again = was_started_before();
    note("started");
    look_around();
    if (lifeline_adopt(WAKEUP_DESCRIPTOR_COUNT) < 0) {
        note("has-no-lifeline");
        return PROCESS_EXIT_SOFTWARE;
    }
    behave_before_ready(behaviour, again);
    if (options.survey)
        survey();
    work(behaviour && strcmp(behaviour, "stuck") == 0);
    return PROCESS_EXIT_SOFTWARE;
}
