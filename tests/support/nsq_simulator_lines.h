/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_simulator_lines - a file in memory, and where its lines begin.
 */

#include <stddef.h>
#include <stdint.h>

struct lines {
    uint8_t *text;
    size_t length;     /* bytes */
    uint64_t *offsets; /* of each line; one more is past the last "\n" */
    uint64_t count;
};

/*
 * Read the whole of `path`, or of standard input if it is "-". A last line
 * without "\n" gets one. Returns 0 or a negative errno.
 */
int lines_read(struct lines *lines, const char *path);

/* Lines that are all zero are legal. */
void lines_deinit(struct lines *lines);
