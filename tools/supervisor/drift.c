/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/supervisor/drift.h"

void drift_init(struct drift *drift, int64_t settle_ns)
{
    *drift = (struct drift){ .settle_ns = settle_ns, .due = MONOTONIC_NEVER };
}

static struct monotonic next_try(const struct drift *drift,
                                 struct monotonic now)
{
    int64_t wait = drift->settle_ns;

    for (unsigned i = 0; i < drift->tries && wait < DRIFT_LONGEST_WAIT_NS; i++)
        wait *= 2;
    return monotonic_after(now, wait);
}

void drift_note(struct drift *drift, uint32_t shards, struct monotonic now)
{
    if (shards == drift->shards || drift->settle_ns == 0)
        return;
    drift->shards = shards;
    if (shards != drift->tried)
        drift->tries = 0;
    drift->due = shards == 0 ? MONOTONIC_NEVER : next_try(drift, now);
}

bool drift_is_due(const struct drift *drift, struct monotonic now)
{
    return monotonic_reached(drift->due, now);
}

void drift_begin(struct drift *drift, struct monotonic now)
{
    drift->tried = drift->shards;
    drift->tries++;
    drift->due = next_try(drift, now);
}

void drift_fail(struct drift *drift, struct monotonic now)
{
    if (drift->shards != 0)
        drift->due = next_try(drift, now);
}

void drift_end(struct drift *drift)
{
    drift->shards = 0;
    drift->due = MONOTONIC_NEVER;
}
