/* SPDX-License-Identifier: Apache-2.0 */

/*
 * supervisor_switch - what the log says of queues that are exchanged.
 *
 * When and how is decided in supervise.h and drift.h; here it is followed, one
 * line at the beginning and one at the end.
 */

#include "common/log.h"
#include "tools/supervisor/supervisor_state.h"

static long long took_ms(const struct supervisor *supervisor)
{
    return monotonic_between(supervisor->switching.begun,
                             supervisor->turn.now) /
           NS_PER_MS;
}

static void begin(struct supervisor *supervisor)
{
    const struct supervise *supervise = &supervisor->supervise;

    if (supervise->phase != SUPERVISE_EMPTYING &&
        supervise->phase != SUPERVISE_SWITCHING)
        return;
    supervisor->switching = (struct switching){
        .is_on = true,
        .is_empty = supervise->phase == SUPERVISE_SWITCHING,
        .from = supervise->queue_count,
        .begun = supervisor->turn.now,
    };
    log_notice("queues_switch",
               "queues=%u why=\"the shards are others, and settled\"",
               supervise->queue_count);
}

static void give_up(struct supervisor *supervisor, const char *why)
{
    const struct drift *drift = &supervisor->supervise.drift;
    int64_t wait_ns = monotonic_between(supervisor->turn.now, drift->due);

    log_warning("queues_not_switched",
                "queues=%u why=%s took_ms=%lld again_in_s=%lld",
                supervisor->switching.from, log_quoted(why),
                took_ms(supervisor), (long long)(wait_ns / NS_PER_SECOND));
    supervisor->switching.is_on = false;
}

void supervisor_follow_switch(struct supervisor *supervisor)
{
    const struct supervise *supervise = &supervisor->supervise;

    if (!supervisor->switching.is_on)
        begin(supervisor);
    if (!supervisor->switching.is_on)
        return;
    supervisor->switching.is_empty |= supervise->phase == SUPERVISE_SWITCHING ||
                                      supervise->phase == SUPERVISE_SURVEYING;
    if (supervise->phase >= SUPERVISE_CLEARING)
        give_up(supervisor, "the bridge began to stop, or found damage");
    else if (supervise->phase == SUPERVISE_RUNNING &&
             !supervisor->switching.is_empty)
        give_up(supervisor, "the queues were not empty in time");
    else if (supervise_is_complete(supervise)) {
        log_notice("queues_switched", "from=%u to=%u took_ms=%lld",
                   supervisor->switching.from, supervise->queue_count,
                   took_ms(supervisor));
        supervisor->switching.is_on = false;
    }
}
