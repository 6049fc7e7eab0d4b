/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * survey_counters - what surveys have found, in shared memory for any reader.
 *
 * One writer: the survey. The table survey_counters.tbl is the list.
 */

#include "egress/segments.h"

/* Add what one survey found. Returns 0 or a negative errno with its sentence. */
int survey_counters_add(const char *bridge,
                        const struct segments_report *report);
