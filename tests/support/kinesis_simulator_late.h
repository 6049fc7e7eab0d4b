/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_late - requests that are on their way still when their
 * client has given up on them, and land afterwards.
 *
 * A late request was received, checked and answered with nothing; it is kept
 * with a copy of its body and stored when its time has come, on the shards
 * that are open then. Its history is put_recv, fault, put_reply_dropped, and
 * later put_landed and the commits, all with one request number.
 */

#include "common/clock.h"
#include "tests/support/kinesis_simulator_put_request.h"

struct simulator;
struct simulator_exchange;

struct simulator_late {
    struct simulator_late *next; /* lands later, or at the same time */
    struct monotonic due;
    uint64_t request;
    struct simulator_put_request put; /* points into body */
    uint8_t body[];
};

/* Keep the put that is being answered, for `after_ns`. 0 or -ENOMEM. */
int simulator_late_keep(struct simulator *simulator,
                        const struct simulator_exchange *exchange,
                        int64_t after_ns);

/* Store what is due. `wall` is the service's time. */
void simulator_late_land(struct simulator *simulator, struct monotonic now,
                         struct wall_time wall);

void simulator_late_forget(struct simulator *simulator);
