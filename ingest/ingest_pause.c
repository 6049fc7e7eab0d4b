/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ingest_pause - no new messages, until the queues are empty; and back again.
 *
 *      flowing ── PAUSE ──► RDY 0 ── nothing is left ──► CLS ── drained ──► ends
 *         ▲                   │                           │
 *         └───── RESUME ──────┴──────── RESUME ───────────┘
 *
 * Before the queues are exchanged for others, every message in them is finished
 * and nsqd keeps the rest. It may be that Kinesis takes none just then. So the
 * pause begins with RDY 0, which can be taken back at no cost; CLS, which cannot,
 * is said when the queues are empty. A connection that has said it when we are
 * told to go on is renewed, as one is whose credits have leaked away.
 */

#include "ingest/ingest_lookups.h"

#include "common/crash_point.h"

/*
 * nsqd may send a message that it had picked before it saw RDY 0. What comes
 * behind CLOSE_WAIT could be left to its time-out, and then be late in its order.
 */
#define CALM_NS (100 * NS_PER_MS)

void ingest_pause(struct ingest *ingest)
{
    if (ingest->is_paused || ingest->is_draining)
        return;
    ingest->is_paused = true;
    ingest->calm_due = monotonic_after(ingest->now, CALM_NS);
    ingest->needs_ready = true;
    log_info("paused", "nsqd=%zu", ingest->nsqd_count);
    CRASH_POINT(ingest_paused);
}

static bool is_anything_left(const struct ingest *ingest)
{
    if (!queue_set_is_drained(&ingest->queues) || ingest->letters_waiting > 0)
        return true;
    for (size_t i = 0; i < ingest->nsqd_count; i++)
        if (nsq_connection_parked(&ingest->nsqds[i]->connection) > 0)
            return true;
    return false;
}

int ingest_follow_pause(struct ingest *ingest)
{
    if (!ingest->is_paused || ingest->is_draining ||
        !monotonic_reached(ingest->calm_due, ingest->now) ||
        is_anything_left(ingest))
        return 0;
    ingest_start_draining(ingest);
    ingest->is_paused = true; /* it can still be told to resume */
    return 1;
}

void ingest_resume(struct ingest *ingest)
{
    if (!ingest->is_paused)
        return;
    ingest->is_paused = false;
    ingest->is_draining = false;
    ingest->needs_ready = true;
    log_info("resumed", "nsqd=%zu", ingest->nsqd_count);
    for (size_t i = 0; i < ingest->nsqd_count; i++)
        ingest->nsqds[i]->renew_by =
            monotonic_after(ingest->now, INGEST_RENEW_NS);
    ingest_lookups_hurry(ingest);
}
