/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * child_signals - which signals ingest and egress listen to.
 *
 * SIGTERM comes as something to read, so that it has its place in the loop's
 * one wait. SIGINT is the supervisor's business: a terminal sends it to all
 * processes at once, and only the supervisor knows in which order to stop.
 * SIGPIPE is what write() says anyway.
 */

/*
 * Make *descriptor readable when SIGTERM comes; the caller closes it. Returns
 * 0 or a negative errno with its sentence.
 */
int child_signals_open(int *descriptor);
