/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/retrier.h"

#include <assert.h>

/* The most that the first pause and any pause can be. */
static const struct {
    int64_t first_ns;
    int64_t most_ns;
} paces[RETRIER_PACES] = {
    [RETRIER_THROTTLED] = { 50 * NS_PER_MS, 5 * NS_PER_SECOND },
    [RETRIER_FAILED] = { 100 * NS_PER_MS, 30 * NS_PER_SECOND },
    [RETRIER_WAITING] = { 1 * NS_PER_SECOND, 60 * NS_PER_SECOND },
};

/* Doublings after which every pace has reached its most. */
#define ATTEMPTS_MOST 16

void retrier_init(struct retrier *retrier)
{
    *retrier = (struct retrier){ 0 };
}

static void pause_for(struct retrier *retrier, enum retrier_pace pace,
                      struct monotonic now, struct random *random)
{
    int64_t most_ns = paces[pace].first_ns << retrier->attempts[pace];

    if (most_ns > paces[pace].most_ns)
        most_ns = paces[pace].most_ns;
    if (retrier->attempts[pace] < ATTEMPTS_MOST)
        retrier->attempts[pace]++;
    retrier->due = monotonic_after(now, random_jitter(random, most_ns));
}

/* At once the first time; what did not help needs time, or people. */
static void try_remedy(struct retrier *retrier, enum outcome_action action,
                       struct monotonic now, struct random *random)
{
    unsigned bit = 1U << action;

    if (!(retrier->remedies & bit)) {
        retrier->remedies |= bit;
        retrier->due = now;
        return;
    }
    /* A list of shards is behind the stream for seconds only. */
    pause_for(retrier,
              action == OUTCOME_RELOAD_SHARDS ? RETRIER_FAILED
                                              : RETRIER_WAITING,
              now, random);
}

void retrier_on_outcome(struct retrier *retrier, const struct outcome *outcome,
                        struct monotonic now, struct random *random)
{
    assert(outcome->action != OUTCOME_GIVE_UP);
    switch (outcome->action) {
    case OUTCOME_ACCEPT:
        *retrier = (struct retrier){ .due = now };
        return;
    case OUTCOME_BACK_OFF:
        pause_for(retrier, RETRIER_THROTTLED, now, random);
        return;
    case OUTCOME_RETRY:
        pause_for(retrier, RETRIER_FAILED, now, random);
        return;
    case OUTCOME_PAUSE_ALL:
    case OUTCOME_AWAIT_STREAM:
        pause_for(retrier, RETRIER_WAITING, now, random);
        return;
    case OUTCOME_HALVE:
    case OUTCOME_ISOLATE:
        retrier->due = now;
        return;
    case OUTCOME_REFRESH_CREDENTIALS:
    case OUTCOME_FIX_CLOCK:
    case OUTCOME_SWITCH_PROTOCOL:
    case OUTCOME_RELOAD_SHARDS:
        try_remedy(retrier, outcome->action, now, random);
        return;
    case OUTCOME_GIVE_UP:
        return;
    }
}
