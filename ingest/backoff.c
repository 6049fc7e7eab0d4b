/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/backoff.h"

#include <assert.h>

void backoff_init(struct backoff *backoff, int64_t first_ns, int64_t most_ns)
{
    assert(first_ns > 0 && most_ns >= first_ns);
    *backoff = (struct backoff){
        .first_ns = first_ns,
        .most_ns = most_ns,
        .span_ns = first_ns,
    };
}

int64_t backoff_next(struct backoff *backoff, struct random *random)
{
    int64_t span = backoff->span_ns;

    if (span > backoff->most_ns / 2)
        backoff->span_ns = backoff->most_ns;
    else
        backoff->span_ns = 2 * span;
    return span - random_jitter(random, span / 2);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->span_ns = backoff->first_ns;
}
