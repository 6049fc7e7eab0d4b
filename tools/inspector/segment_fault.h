/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * segment_fault - survival of a segment that is cut while one looks at it.
 */

/*
 * Call look(what). A mapped segment that somebody makes shorter ends a reader
 * with SIGBUS at its next touch; here that ends the call only. What the call
 * had allocated is lost then, which a tool that runs for a moment can afford.
 *
 * Returns 0, or -EFAULT if that happened.
 */
int segment_fault_survive(void (*look)(void *what), void *what);
