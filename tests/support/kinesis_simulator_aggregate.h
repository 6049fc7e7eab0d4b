/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_aggregate - count the user records in record data, as KCL
 * would see them. Pure.
 *
 * An aggregate is the magic F3 89 9A C2, a protobuf and the MD5 of the
 * protobuf. What looks like one but is not is one raw record to KCL.
 */

#include "common/bytes.h"

/*
 * Returns the number of user records; 1 for a plain record. Sets *damaged if
 * the magic is there but the rest is not an aggregate (the count is then 1).
 */
uint64_t simulator_aggregate_count(struct bytes data, bool *damaged);
