/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/supervisor/drift.h"

void drift_init(struct drift *drift, int64_t settle_ns)
{
    *drift = (struct drift){ .settle_ns = settle_ns, .due = MONOTONIC_NEVER };
}

void drift_note(struct drift *drift, uint32_t shards, struct monotonic now)
{
    if (shards == drift->shards || drift->settle_ns == 0)
        return;
    drift->shards = shards;
    drift->tries = 0;
    drift->due =
        shards == 0 ? MONOTONIC_NEVER : monotonic_after(now, drift->settle_ns);
}

bool drift_is_due(const struct drift *drift, struct monotonic now)
{
    return monotonic_reached(drift->due, now);
}

void drift_begin(struct drift *drift, struct monotonic now)
{
    int64_t wait = drift->settle_ns;

    drift->tries++;
    for (unsigned i = 0; i < drift->tries && wait < DRIFT_LONGEST_WAIT_NS; i++)
        wait *= 2;
    drift->due = monotonic_after(now, wait);
}

void drift_end(struct drift *drift)
{
    drift_init(drift, drift->settle_ns);
}
