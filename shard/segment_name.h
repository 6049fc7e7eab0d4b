/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * segment_name - what the shared memory segments of a bridge are called.
 *
 *     /nsq_to_kinesis.<name>.layout            the queues and their ranges
 *     /nsq_to_kinesis.<name>.wakeup            who sleeps
 *     /nsq_to_kinesis.<name>.sources           which nsqd a number stands for
 *     /nsq_to_kinesis.<name>.acknowledged      what was finished lately
 *     /nsq_to_kinesis.<name>.counters.<role>   ingest, egress-0, egress-1 ...
 *     /nsq_to_kinesis.<name>.g<generation>.q<index>
 *
 *     ... .damaged                             one of these that could not be
 *                                              used, kept to be looked at
 *     ... .acknowledged.draft                  its copy of another size, until
 *                                              that takes its name
 *
 *     /nsq_to_kinesis.<name>.lock              the supervisor's; names its
 *                                              children
 *     /nsq_to_kinesis.<name>.control           a socket, where it listens
 *
 * <name> is the option --name: 1 to 64 characters out of [A-Za-z0-9_.+#-].
 */

#include <stdint.h>

#define SEGMENT_NAME_CAPACITY 160
#define SEGMENT_NAME_PREFIX   "/nsq_to_kinesis."

struct segment_name {
    char text[SEGMENT_NAME_CAPACITY];
};

struct segment_name segment_name_of(const char *bridge, const char *part);
struct segment_name segment_name_of_counters(const char *bridge,
                                             const char *role);
struct segment_name segment_name_of_queue(const char *bridge,
                                          uint32_t generation, uint32_t index);

/* What the segment is called once it is set aside. */
struct segment_name segment_name_of_damaged(const struct segment_name *name);
