/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * bus_error - the end of a process whose shared memory was taken away.
 *
 * A segment that somebody makes shorter while it is mapped, or whose pages the
 * file system has no room for, ends whoever touches it with SIGBUS. Nothing can
 * go on from there, but it need not look like a bug: one line says which
 * segment it was, and the exit status, PROCESS_EXIT_SEGMENT_GONE, calls for a
 * survey, which makes the segment anew.
 */

/* From now on, for the whole process. To be called after log_open(). */
void bus_error_watch(void);
