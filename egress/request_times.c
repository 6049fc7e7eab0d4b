/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/request_times.h"

#include <string.h>

void request_times_init(struct request_times *times, uint64_t every)
{
    *times = (struct request_times){ .every = every };
}

/* Values below 16 have a slot each; from there on 16 slots per doubling. */
static unsigned slot_of(uint64_t ns)
{
    unsigned slot;
    int doubling;

    if (ns < REQUEST_TIMES_STEPS)
        return (unsigned)ns;
    doubling = 63 - __builtin_clzll(ns) - 4;
    slot = (unsigned)(doubling + 1) * REQUEST_TIMES_STEPS +
           (unsigned)((ns >> doubling) - REQUEST_TIMES_STEPS);
    return slot < REQUEST_TIMES_SLOTS ? slot : REQUEST_TIMES_SLOTS - 1;
}

/* The largest value of a slot. */
static int64_t slot_end(unsigned slot)
{
    unsigned doubling;
    unsigned step = slot % REQUEST_TIMES_STEPS;

    if (slot < REQUEST_TIMES_STEPS)
        return slot;
    doubling = slot / REQUEST_TIMES_STEPS - 1;
    return ((int64_t)(REQUEST_TIMES_STEPS + step + 1) << doubling) - 1;
}

bool request_times_add(struct request_times *times, int64_t ns,
                       uint64_t message_count)
{
    times->slots[slot_of(ns > 0 ? (uint64_t)ns : 0)]++;
    times->request_count++;
    times->message_count += message_count;
    return times->every > 0 && times->message_count >= times->every;
}

int64_t request_times_percentile(const struct request_times *times,
                                 unsigned per_mille)
{
    uint64_t wanted = (times->request_count * per_mille + 999) / 1000;
    uint64_t seen = 0;

    for (unsigned i = 0; i < REQUEST_TIMES_SLOTS; i++) {
        seen += times->slots[i];
        if (seen >= wanted && seen > 0)
            return slot_end(i);
    }
    return 0;
}

void request_times_restart(struct request_times *times)
{
    times->message_count = 0;
    times->request_count = 0;
    memset(times->slots, 0, sizeof(times->slots));
}
