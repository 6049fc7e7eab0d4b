/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * scale_command - `nsq_to_kinesis scale N [--name=BRIDGE]`, the operator's side
 * of supervisor_scale.c.
 */

/*
 * `words` is what stands behind "scale" on the command line. Returns an exit
 * status; what came of it is one sentence on standard output, or on standard
 * error.
 */
int scale_command(int count, char *words[]);
