/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nsq_to_kinesis-ingest - reads nsqd and fills the queues. Started by the
 * supervisor.
 */

#include <errno.h>
#include <stdio.h>

#include "common/bus_error.h"
#include "common/crash_point.h"
#include "common/error.h"
#include "common/lifeline.h"
#include "common/process_exit.h"
#include "ingest/ingest.h"

/* Returns an exit status. */
static int run(const struct options *options)
{
    struct ingest ingest; /* large, and one */
    int result = ingest_open(&ingest, options);
    int status;

    if (result == 0) {
        log_info("ready", "queues=%zu nsqd=%zu",
                 ingest.queues.layout.queue_count, ingest.nsqd_count);
        result = ingest_run(&ingest);
    }
    if (result)
        log_fatal("stopping", "why=%s", log_quoted(error_take(result)));
    else
        log_notice("stopped", "finished=%llu",
                   (unsigned long long)ingest.counters->messages_finished);
    ingest_close(&ingest);
    status = !result                   ? PROCESS_EXIT_STOPPED
             : ingest.is_misconfigured ? PROCESS_EXIT_CONFIGURATION
             : result == -EUCLEAN      ? PROCESS_EXIT_DAMAGED
                                       : PROCESS_EXIT_TRY_AGAIN;
    (void)lifeline_send(LIFELINE_DESCRIPTOR, LIFELINE_ENDING, (uint32_t)status);
    return status;
}

int main(int argc, char *argv[])
{
    struct options options;
    int result;

    if (crash_point_is_asked(argc, argv))
        return PROCESS_EXIT_STOPPED;
    options_init(&options);
    result = options_parse(&options, argc, argv);
    if (result == 0 && options.version) {
        (void)printf("nsq_to_kinesis-ingest " N2K_VERSION "\n");
        return PROCESS_EXIT_STOPPED;
    }
    if (result == 0)
        result = options_check(&options);
    if (result) {
        (void)fprintf(stderr, "nsq_to_kinesis-ingest: %s\n", options.complaint);
        return result == OPTIONS_RANGE ? PROCESS_EXIT_CONFIGURATION
                                       : PROCESS_EXIT_USAGE;
    }
    log_open("ingest", log_level_named(options.log_level),
             log_format_named(options.log_format));
    bus_error_watch();
    result = lifeline_adopt(WAKEUP_DESCRIPTOR_COUNT);
    if (result) {
        log_fatal("stopping", "why=%s", log_quoted(error_take(result)));
        return PROCESS_EXIT_USAGE;
    }
    return run(&options);
}
