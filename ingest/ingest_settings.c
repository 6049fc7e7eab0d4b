/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ingest_settings - from options to what every connection says and bears.
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/error.h"
#include "ingest/ingest.h"

/*
 * nsqd does not tell its --max-msg-size (1 MiB by default), so this is only
 * what no sane one exceeds. What the stream cannot take is refused later, one
 * message at a time.
 */
#define MESSAGE_SIZE_MOST ((size_t)64 * 1024 * 1024)

/* Parked frames and half a frame: nsqd sends at most RDY messages ahead. */
#define CARRY_OVER_MOST ((size_t)256 * 1024 * 1024)

/* FINs and TOUCHes of everything that can be in flight, several times. */
#define OUTPUT_MOST ((size_t)64 * 1024 * 1024)

/* go-nsq's rdy_redistribute_interval: RDY 1 wanders when there is too little. */
#define ROTATION_NS (5 * NS_PER_SECOND)

static void name_ourselves(struct ingest *ingest, struct nsq_identity *identity)
{
    const struct consumer_options *consumer = &ingest->consumer;

    if (gethostname(ingest->hostname, sizeof(ingest->hostname) - 1))
        (void)snprintf(ingest->hostname, sizeof(ingest->hostname), "localhost");
    (void)snprintf(ingest->client_id, sizeof(ingest->client_id), "%s",
                   ingest->hostname);
    ingest->client_id[strcspn(ingest->client_id, ".")] = '\0';
    identity->hostname =
        consumer->hostname ? consumer->hostname : ingest->hostname;
    identity->client_id =
        consumer->client_id ? consumer->client_id : ingest->client_id;
    identity->user_agent = consumer->user_agent ? consumer->user_agent
                                                : "nsq_to_kinesis/" N2K_VERSION;
}

int ingest_settle_connections(struct ingest *ingest)
{
    struct nsq_connection_settings *settings = &ingest->connection_settings;
    struct consumer_options *consumer = &ingest->consumer;
    char complaint[256];

    if (consumer_options_parse(ingest->options, consumer, complaint,
                               sizeof(complaint)))
        return error_sentence(-EINVAL, "%s", complaint);
    *settings = (struct nsq_connection_settings){
        .identity = {
            .heartbeat_interval_ms =
                (uint32_t)(consumer->heartbeat_interval_ns / NS_PER_MS),
            .output_buffer_size = (uint32_t)consumer->output_buffer_size,
            .output_buffer_timeout_ms =
                (uint32_t)(consumer->output_buffer_timeout_ns / NS_PER_MS),
            .msg_timeout_ms = (uint32_t)(consumer->msg_timeout_ns / NS_PER_MS),
        },
        .topic = bytes_of_text(ingest->options->topic),
        .channel = bytes_of_text(ingest->options->channel),
        .max_message_size = MESSAGE_SIZE_MOST,
        .max_carry_over = CARRY_OVER_MOST,
        .max_output = OUTPUT_MOST,
        .connect_timeout_ns = consumer->dial_timeout_ns,
        .answer_timeout_ns = consumer->read_timeout_ns,
    };
    name_ourselves(ingest, &settings->identity);
    ready_count_init(&ingest->ready, (uint32_t)consumer->max_in_flight,
                     ROTATION_NS);
    return 0;
}
