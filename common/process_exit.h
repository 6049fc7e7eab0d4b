/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * process_exit - what an exit status says to the supervisor and the operator.
 *
 * 64 to 78 are the numbers of BSD's sysexits.h, which systemd and shells know.
 * The supervisor restarts a child that ended with TRY_AGAIN, with a signal or
 * with a status not listed here; a child that says USAGE or CONFIGURATION
 * would only say it again, so the bridge stops with the same status. DAMAGED
 * and SEGMENT_GONE call for the survey: it sets aside what cannot be used.
 */

enum process_exit {
    PROCESS_EXIT_STOPPED = 0,        /* asked to stop, everything drained */
    PROCESS_EXIT_USAGE = 64,         /* the command line is wrong */
    PROCESS_EXIT_SOFTWARE = 70,      /* a bug: an invariant does not hold */
    PROCESS_EXIT_TRY_AGAIN = 75,     /* the world may be better next time */
    PROCESS_EXIT_CONFIGURATION = 78, /* a setting or permission is wrong */
    PROCESS_EXIT_NOT_DRAINED = 79,   /* stopped with records still queued */
    PROCESS_EXIT_DAMAGED = 80,       /* shared memory is not what it was */
    PROCESS_EXIT_SEGMENT_GONE = 81,  /* the same, found out by SIGBUS */
};
