/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_late.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/support/kinesis_simulator.h"

int simulator_late_keep(struct simulator *simulator,
                        const struct simulator_exchange *exchange,
                        int64_t after_ns)
{
    struct simulator_late **link = &simulator->late;
    struct simulator_late *late = malloc(sizeof(*late) + exchange->body_length);

    if (!late)
        return -ENOMEM;
    late->due = monotonic_after(exchange->now, after_ns);
    late->request = exchange->id;
    late->put = simulator->put;
    memcpy(late->body, exchange->body, exchange->body_length);
    simulator_put_request_move(&late->put, exchange->body, late->body);
    while (*link && (*link)->due.ns <= late->due.ns)
        link = &(*link)->next;
    late->next = *link;
    *link = late;
    return 0;
}

static void land(struct simulator *simulator, struct simulator_late *late,
                 struct monotonic now, struct wall_time wall)
{
    struct simulator_reply nobody_reads = { .memory = NULL };
    struct simulator_exchange exchange = {
        .now = now,
        .wall = wall,
        .id = late->request,
        .operation = late->put.is_single ? "PutRecord" : "PutRecords",
        .protocol = late->put.protocol,
        .reply = &nobody_reads,
    };

    simulator_reply_begin(&nobody_reads, late->put.protocol);
    simulator->put = late->put;
    simulator_put_landed(simulator, &exchange);
    simulator_reply_deinit(&nobody_reads);
}

void simulator_late_land(struct simulator *simulator, struct monotonic now,
                         struct wall_time wall)
{
    while (simulator->late && monotonic_reached(simulator->late->due, now)) {
        struct simulator_late *late = simulator->late;

        simulator->late = late->next;
        land(simulator, late, now, wall);
        free(late);
    }
}

void simulator_late_forget(struct simulator *simulator)
{
    while (simulator->late) {
        struct simulator_late *late = simulator->late;

        simulator->late = late->next;
        free(late);
    }
}
