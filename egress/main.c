/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nsq_to_kinesis-egress - sends the queues of one worker to Kinesis, or, with
 * --survey, looks at the stream and makes the queues. Started by the
 * supervisor.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/bus_error.h"
#include "common/crash_point.h"
#include "common/error.h"
#include "common/lifeline.h"
#include "common/process_exit.h"
#include "egress/egress.h"
#include "egress/segments.h"
#include "egress/survey_counters.h"

#define SURVEY_PATIENCE_NS   (5 * NS_PER_SECOND)
#define CREATING_PATIENCE_NS (60 * NS_PER_SECOND)

static int exit_of_survey(int condition)
{
    return survey_can_heal(condition) ? PROCESS_EXIT_TRY_AGAIN
                                      : PROCESS_EXIT_CONFIGURATION;
}

/*
 * What the operator has to change: the room, the limits, permissions, options.
 * Memory and descriptors are short for a while.
 */
static int exit_of_failure(int result)
{
    if (result > 0)
        return PROCESS_EXIT_CONFIGURATION;
    switch (result) {
    case -ENOSPC:
    case -E2BIG:
    case -EACCES:
    case -EPERM:
    case -EINVAL:
        return PROCESS_EXIT_CONFIGURATION;
    default:
        return PROCESS_EXIT_TRY_AGAIN;
    }
}

static void log_survey(const struct survey *survey,
                       const struct segments_report *report,
                       struct kinesis_session *session)
{
    static const char *const origins[] = {
        [SEGMENTS_MADE] = "made",
        [SEGMENTS_ADOPTED] = "adopted",
        [SEGMENTS_REPLACED] = "replaced",
    };

    log_notice("stream_surveyed",
               "stream=%s shards=%zu max_record_size=%u credentials=%s "
               "endpoint=%s",
               survey->summary.arn, survey->map.count,
               survey->summary.max_record_size,
               log_quoted(kinesis_session_credentials_source(session)),
               kinesis_session_endpoint(session)->url);
    log_notice("queues_ready",
               "queues=%zu bytes_each=%llu origin=%s bytes_to_deliver=%llu "
               "set_aside=%zu",
               report->queue_count, (unsigned long long)report->queue_capacity,
               origins[report->origin],
               (unsigned long long)report->record_bytes, report->damage_count);
}

/* What cannot be used any more: each is for the operator to look at. */
static void log_damage(const struct segments_report *report)
{
    for (size_t i = 0;
         i < report->damage_count && i < SEGMENTS_DAMAGE_TOLD_MOST; i++) {
        const struct segments_damage *damage = &report->damages[i];

        log_error("segment_set_aside",
                  "segment=%s why=%s kept_as=%s then=\"replaced; nsqd delivers "
                  "again what was not FINed\"",
                  damage->name.text, log_quoted(damage->why),
                  report->is_damage_dropped
                      ? "nothing"
                      : segment_name_of_damaged(&damage->name).text);
    }
    if (report->missing_count > 0)
        log_error("queues_missing",
                  "queues=%zu then=\"replaced; nsqd delivers again what was "
                  "not FINed\"",
                  report->missing_count);
}

/* Whether a running bridge goes on with its queues, and why. */
static void log_kept(const char *why)
{
    if (*why)
        log_warning("queues_kept",
                    "why=%s then=\"the bridge goes on with them\"",
                    log_quoted(why));
}

/*
 * The stream cannot be looked at just now. A bridge that runs has queues, which
 * were good enough a moment ago. True if they are what is surveyed.
 */
static bool keep_queues(const struct options *options, int failure,
                        struct survey *survey)
{
    char why[sizeof(survey->complaint)];
    int result;

    if (!options->keep_queues || failure <= 0)
        return false;
    (void)snprintf(why, sizeof(why), "%s", survey->complaint);
    survey_deinit(survey);
    result = segments_recall(options->name, survey);
    if (result == 0) {
        log_kept(why);
        return true;
    }
    (void)error_take(result); /* there are none */
    (void)snprintf(survey->complaint, sizeof(survey->complaint), "%s", why);
    return false;
}

static void count_survey(const char *bridge,
                         const struct segments_report *report)
{
    int result = survey_counters_add(bridge, report);

    if (result)
        log_warning("survey_not_counted", "why=%s",
                    log_quoted(error_take(result)));
}

/* Returns an exit status. */
static int run_survey(const struct options *options)
{
    const struct survey_settings settings = {
        .stream = options->stream,
        .patience_ns = SURVEY_PATIENCE_NS,
        .creating_patience_ns = CREATING_PATIENCE_NS,
    };
    struct kinesis_session *session = NULL;
    struct segments_report report = { 0 };
    struct survey survey = { 0 };
    int status = PROCESS_EXIT_STOPPED;
    struct random random;
    int result;

    random_seed_from_kernel(&random);
    result = egress_new_session(options, 1, &session);
    if (result) {
        log_fatal("survey_failed", "why=%s",
                  log_quoted(error_take(result < 0 ? result : -EINVAL)));
        status = exit_of_failure(result);
        goto out;
    }
    result = survey_take(session, &settings, &random, &survey);
    if (result && !keep_queues(options, result, &survey)) {
        log_fatal(
            "survey_failed", "why=%s",
            log_quoted(result > 0 ? survey.complaint : error_take(result)));
        status = result > 0 ? exit_of_survey(result) : exit_of_failure(result);
        goto out;
    }
    CRASH_POINT(survey_taken);
    result = segments_provide(options, &survey, &random, &report);
    log_damage(&report);
    if (result) {
        log_fatal("queues_failed", "why=%s", log_quoted(error_take(result)));
        status = exit_of_failure(result);
        goto out;
    }
    log_kept(report.kept_why);
    count_survey(options->name, &report);
    log_survey(&survey, &report, session);
    CRASH_POINT(survey_untold);
    (void)lifeline_send(LIFELINE_DESCRIPTOR, LIFELINE_SURVEYED,
                        (uint32_t)report.queue_count);
out:
    survey_deinit(&survey);
    kinesis_session_free(session);
    return status;
}

/* Returns an exit status. */
static int run_worker(const struct options *options)
{
    struct egress egress; /* large, and one */
    int result = egress_open(&egress, options);
    int status = PROCESS_EXIT_STOPPED;

    if (result == 0) {
        log_info("ready", "queues=%zu", egress.sender_count);
        result = egress_run(&egress);
    }
    if (result > 0 || egress.is_misconfigured)
        status = PROCESS_EXIT_CONFIGURATION;
    else if (result)
        status =
            result == -EUCLEAN ? PROCESS_EXIT_DAMAGED : PROCESS_EXIT_TRY_AGAIN;
    if (result)
        log_fatal("stopping", "why=%s",
                  log_quoted(error_take(result < 0 ? result : -EINVAL)));
    else
        log_notice("stopped", "delivered=%llu",
                   (unsigned long long)egress.counters->user_records_delivered);
    egress_close(&egress);
    (void)lifeline_send(LIFELINE_DESCRIPTOR, LIFELINE_ENDING, (uint32_t)status);
    return status;
}

int main(int argc, char *argv[])
{
    struct options options;
    char process[32];
    int result;

    if (crash_point_is_asked(argc, argv))
        return PROCESS_EXIT_STOPPED;
    options_init(&options);
    result = options_parse(&options, argc, argv);
    if (result == 0 && options.version) {
        (void)printf("nsq_to_kinesis-egress " N2K_VERSION "\n");
        return PROCESS_EXIT_STOPPED;
    }
    if (result == 0)
        result = options_check(&options);
    if (result) {
        (void)fprintf(stderr, "nsq_to_kinesis-egress: %s\n", options.complaint);
        return result == OPTIONS_RANGE ? PROCESS_EXIT_CONFIGURATION
                                       : PROCESS_EXIT_USAGE;
    }
    if (options.survey)
        (void)snprintf(process, sizeof(process), "survey");
    else
        (void)snprintf(process, sizeof(process), "egress[%llu]",
                       (unsigned long long)options.worker_index);
    log_open(process, log_level_named(options.log_level),
             log_format_named(options.log_format));
    bus_error_watch();
    result = lifeline_adopt(WAKEUP_DESCRIPTOR_COUNT);
    if (result) {
        log_fatal("stopping", "why=%s", log_quoted(error_take(result)));
        return PROCESS_EXIT_USAGE;
    }
    return options.survey ? run_survey(&options) : run_worker(&options);
}
