/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/nsqd.h"

#include <stdio.h>

/* The first wait after a connection ended; it doubles from there. */
#define FIRST_WAIT_NS (100 * NS_PER_MS)

void nsqd_init(struct nsqd *nsqd, const char *name,
               const struct address *address,
               const struct nsq_connection_settings *settings,
               int64_t longest_wait_ns)
{
    *nsqd = (struct nsqd){ .address = *address, .is_wanted = true };
    (void)snprintf(nsqd->name, sizeof(nsqd->name), "%s", name);
    if (address_numeric(address, &nsqd->socket_address))
        nsqd->socket_address.length = 0;
    nsq_connection_init(&nsqd->connection, settings);
    backoff_init(&nsqd->backoff, FIRST_WAIT_NS,
                 longest_wait_ns > FIRST_WAIT_NS ? longest_wait_ns
                                                 : FIRST_WAIT_NS);
}

void nsqd_deinit(struct nsqd *nsqd)
{
    io_close(nsqd->stream);
    nsqd->stream = NULL;
    nsq_connection_deinit(&nsqd->connection);
}

int nsqd_connect(struct nsqd *nsqd, struct io *io, uint64_t tag,
                 struct monotonic now)
{
    assert(!nsqd->stream);
    nsq_connection_start(&nsqd->connection, now);
    return io_connect(io, &nsqd->socket_address, tag, &nsqd->stream);
}

void nsqd_on_connected(struct nsqd *nsqd, uint32_t incarnation,
                       struct monotonic now)
{
    nsqd->incarnation = incarnation;
    nsqd->sending = 0;
    nsq_connection_on_connected(&nsqd->connection, now);
}

void nsqd_on_ended(struct nsqd *nsqd, struct monotonic now,
                   struct random *random)
{
    io_close(nsqd->stream);
    nsqd->stream = NULL;
    nsqd->sending = 0;
    nsqd->incarnation = 0;
    nsqd->was_subscribed = false;
    nsq_connection_reset(&nsqd->connection);
    nsqd->retry_at = monotonic_after(now, backoff_next(&nsqd->backoff, random));
    /* A name may have another address by then. */
    if (address_numeric(&nsqd->address, &nsqd->socket_address))
        nsqd->socket_address.length = 0;
}

void nsqd_send(struct nsqd *nsqd)
{
    struct bytes output;

    if (!nsqd->stream || nsqd->sending > 0)
        return;
    output = nsq_connection_output(&nsqd->connection);
    if (output.length == 0)
        return;
    nsqd->sending = output.length;
    io_send(nsqd->stream, output);
}

void nsqd_on_sent(struct nsqd *nsqd)
{
    nsq_connection_on_sent(&nsqd->connection, nsqd->sending);
    nsqd->sending = 0;
    nsqd_send(nsqd);
}

bool nsqd_is_flushed(struct nsqd *nsqd)
{
    return !nsqd->stream ||
           (nsqd->sending == 0 &&
            nsq_connection_output(&nsqd->connection).length == 0);
}

struct monotonic nsqd_deadline(const struct nsqd *nsqd)
{
    if (nsqd->stream)
        return nsq_connection_deadline(&nsqd->connection);
    if (!nsqd->is_wanted || nsqd->is_resolving)
        return MONOTONIC_NEVER;
    return nsqd->retry_at;
}
