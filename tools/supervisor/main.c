/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nsq_to_kinesis - moves every message of an NSQ topic into a Kinesis stream.
 *
 * What is wrong with the command line is one sentence and an exit status, and
 * nothing is started.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/crash_point.h"
#include "common/error.h"
#include "common/log.h"
#include "common/options.h"
#include "common/process_exit.h"
#include "tools/supervisor/bridge_lock.h"
#include "tools/supervisor/scale_command.h"
#include "tools/supervisor/supervisor.h"

#define PROGRAM "nsq_to_kinesis"

static int complain(int status, const char *sentence)
{
    (void)fprintf(stderr, PROGRAM ": %s\n", sentence);
    return status;
}

/* A descriptor of ours must never become somebody's standard output. */
static void keep_standard_descriptors(void)
{
    int descriptor;

    do
        descriptor = open("/dev/null", O_RDWR);
    while (descriptor >= 0 && descriptor <= STDERR_FILENO);
    if (descriptor > STDERR_FILENO)
        (void)close(descriptor);
}

static int supervise_bridge(const struct options *options)
{
    char sentence[256];
    static struct roster left; /* by the one before us; large */
    int holder = 0;
    int lock = -1;
    int result = bridge_lock_take(options->name, &lock, &holder, &left);

    if (result == BRIDGE_LOCK_TAKEN) {
        (void)snprintf(sentence, sizeof(sentence),
                       "bridge \"%s\" runs already (process %d): stop it, or "
                       "give this one another --name",
                       options->name, holder);
        return complain(PROCESS_EXIT_TRY_AGAIN, sentence);
    }
    if (result < 0)
        return complain(PROCESS_EXIT_CONFIGURATION, error_take(result));
    result = supervisor_run(options, lock, &left);
    if (result == SUPERVISOR_REFUSES) {
        /* The file stays, because it names those who go on working. */
        (void)close(lock);
        return complain(PROCESS_EXIT_TRY_AGAIN, error_take(-EBUSY));
    }
    bridge_lock_release(options->name, lock);
    if (result < 0)
        return complain(PROCESS_EXIT_CONFIGURATION, error_take(result));
    return result;
}

int main(int argc, char *argv[])
{
    static struct options options; /* large; lives as long as the process */
    int result;

    keep_standard_descriptors();
    if (crash_point_is_asked(argc, argv))
        return PROCESS_EXIT_STOPPED;
    if (argc > 1 && strcmp(argv[1], "scale") == 0)
        return scale_command(argc - 2, argv + 2);
    options_init(&options);
    result = options_parse(&options, argc, argv);
    if (result == 0 && options.help) {
        options_print_help(stdout, PROGRAM,
                           "move an NSQ topic into a Kinesis data stream");
        (void)printf("\n" PROGRAM " scale WORKERS [--name=BRIDGE]\n"
                     "    give a running bridge another number of egress "
                     "workers\n");
        return EXIT_SUCCESS;
    }
    if (result == 0 && options.version) {
        options_print_version(stdout, PROGRAM);
        return EXIT_SUCCESS;
    }
    if (result == 0)
        result = options_check(&options);
    if (result != 0)
        return complain(result == OPTIONS_RANGE ? PROCESS_EXIT_CONFIGURATION
                                                : PROCESS_EXIT_USAGE,
                        options.complaint);
    log_open("supervisor", log_level_named(options.log_level),
             log_format_named(options.log_format));
    return supervise_bridge(&options);
}
