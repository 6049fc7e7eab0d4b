/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_name - which names nsqd accepts for topics and channels.
 *
 * The rule is nsqd's own (internal/protocol/names.go): 1 to 64 bytes of
 * letters, digits, '.', '_' and '-', where "#ephemeral" may follow and counts.
 */

#include <stdbool.h>

#include "common/bytes.h"

#define NSQ_NAME_MOST 64 /* bytes, with the suffix */

bool nsq_name_is_valid(struct bytes name);
