/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_refusal - why a request is refused, in the words of AWS.
 *
 * Filled where the reason is known, written out as {"__type", "message"} in
 * one place. Functions that may refuse return 0 or SIMULATOR_REFUSED.
 */

enum {
    SIMULATOR_REFUSED = 1
};

struct simulator_refusal {
    int status;         /* HTTP */
    const char *code;   /* static text; NULL while nothing is refused */
    char message[8192]; /* a canonical request may be in it */
};

/* Fill *refusal and return SIMULATOR_REFUSED. */
int simulator_refuse(struct simulator_refusal *refusal, int status,
                     const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
