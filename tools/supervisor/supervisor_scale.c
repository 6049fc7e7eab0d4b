/* SPDX-License-Identifier: Apache-2.0 */

/*
 * supervisor_scale - another number of workers while messages flow.
 *
 * Queue i belongs to worker i % N, so nearly every queue changes hands when N
 * does. No hand-over between two workers is needed for it: all workers leave,
 * which is to wait for the replies to what they have sent, and the new ones
 * begin where each queue was released. Meanwhile ingest fills the queues; what
 * it costs is the time of one request and of a start.
 */

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "tools/supervisor/control_socket.h"
#include "tools/supervisor/supervisor_state.h"

static void refuse(int visitor, const char *sentence)
{
    log_warning("scaling_refused", "why=%s", log_quoted(sentence));
    control_socket_answer(visitor, false, sentence);
}

void supervisor_remove_worker_counters(const char *bridge, unsigned worker)
{
    char role[32];

    (void)snprintf(role, sizeof(role), "egress-%u", worker);
    supervisor_remove_segment(segment_name_of_counters(bridge, role));
}

void supervisor_scale(struct supervisor *supervisor, int visitor,
                      const char *words)
{
    struct supervise *supervise = &supervisor->supervise;
    unsigned from = supervise_worker_count(supervise);
    unsigned long to = strtoul(words + sizeof("scale"), NULL, 10);
    char sentence[CONTROL_ANSWER_MOST - 8];

    if (to < 1 || to > SUPERVISE_WORKERS_MOST || to > supervise->queue_count) {
        (void)snprintf(sentence, sizeof(sentence),
                       "%lu workers cannot share %u queues: each has at least "
                       "one, and there are %d workers at the most",
                       to, supervise->queue_count, SUPERVISE_WORKERS_MOST);
        refuse(visitor, sentence);
        return;
    }
    if (supervisor->scaling.is_on ||
        supervise_scale(supervise, (unsigned)to, &supervisor->turn) != 0) {
        refuse(visitor, "the bridge starts, stops or scales just now: try "
                        "again when it runs");
        return;
    }
    supervisor->scaling = (struct scaling){
        .visitor = visitor,
        .is_on = true,
        .from = from,
        .to = (unsigned)to,
        .begun = supervisor->turn.now,
    };
    log_notice("scaling", "from=%u to=%lu", from, to);
}

static void end_scaling(struct supervisor *supervisor, bool is_ok,
                        const char *sentence)
{
    if (supervisor->scaling.visitor >= 0)
        control_socket_answer(supervisor->scaling.visitor, is_ok, sentence);
    supervisor->scaling = (struct scaling){ .visitor = -1 };
}

void supervisor_follow_scaling(struct supervisor *supervisor)
{
    const struct supervise *supervise = &supervisor->supervise;
    const struct scaling *scaling = &supervisor->scaling;
    char sentence[CONTROL_ANSWER_MOST - 8];
    int64_t took;

    if (!scaling->is_on)
        return;
    if (supervise->phase >= SUPERVISE_CLEARING) {
        log_warning("not_scaled", "workers=%u",
                    supervise_worker_count(supervise));
        end_scaling(supervisor, false,
                    "the bridge began to stop, or found damage, before it was "
                    "done");
        return;
    }
    if (!supervise_is_complete(supervise))
        return;
    took = monotonic_between(scaling->begun, supervisor->turn.now) / NS_PER_MS;
    for (unsigned i = scaling->to; i < scaling->from; i++)
        supervisor_remove_worker_counters(supervisor->options->name, i);
    log_notice("scaled", "from=%u to=%u took_ms=%lld", scaling->from,
               scaling->to, (long long)took);
    (void)snprintf(sentence, sizeof(sentence),
                   "%u workers share %u queues, %lld ms later", scaling->to,
                   supervise->queue_count, (long long)took);
    end_scaling(supervisor, true, sentence);
}
