/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * option_values - numbers, sizes and durations as people type them. Pure.
 *
 *     number     2500
 *     size       65536, 64KiB, 4MiB, 1GiB            -> bytes
 *     duration   250ms, 1m30s, 1.5h, a bare 250 (ms) -> nanoseconds
 *
 * Durations are those of Go's time.ParseDuration; a bare number counts as
 * milliseconds, as go-nsq takes it (go-nsq config.go, coerceDuration).
 */

#include <stdint.h>

#include "common/bytes.h"

enum option_value_condition {
    OPTION_VALUE_MALFORMED = 1, /* not a number, size or duration at all */
    OPTION_VALUE_TOO_LARGE,     /* one, but it does not fit */
};

/* Each returns 0 or an OPTION_VALUE_* condition, and then leaves *value. */
int option_number_parse(struct bytes text, uint64_t *value);
int option_size_parse(struct bytes text, uint64_t *value);
int option_duration_parse(struct bytes text, int64_t *ns);

/* A share from 0 to 1, such as 0.3, in millionths. */
int option_ratio_parse(struct bytes text, uint64_t *millionths);

/* As short as it can be and still be parsed to the same value. */
void option_size_format(uint64_t value, char *text, size_t length);
void option_duration_format(int64_t ns, char *text, size_t length);
