/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * systemd_notify - tell systemd how far the service is (Type=notify).
 *
 * The protocol is one datagram to the socket that NOTIFY_SOCKET names; without
 * it nothing happens. No library, as sd_notify(3) itself recommends:
 * https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
 */

/* `state` is "READY=1", "STOPPING=1", ... A failure has no consequence. */
void systemd_notify(const char *state);
