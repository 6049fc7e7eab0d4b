/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * dead_letter_file - the append-only file of --dead-letter-file; a seam: the
 * core of ingest reaches the disk through nothing else.
 *
 * Lines are appended whole or not at all: what was written of a batch that did
 * not fit on the disk is cut off again, and half a line that a crash of the
 * machine left is ended before the first new one. Cutting is why the file has
 * one writer: a lock keeps other bridges out for as long as it is open.
 *
 * Blocking  append() waits for the disk, and nothing else moves in ingest
 *           meanwhile: some milliseconds, on a disk that is busy many more. So
 *           it is called once per turn for all letters of that turn, never per
 *           message; if it takes seconds, TOUCHes and heartbeats are late by
 *           as much.
 */

#include "common/bytes.h"

struct dead_letter_file {
    int descriptor; /* -1: none */
};

#define DEAD_LETTER_FILE_NULL ((struct dead_letter_file){ .descriptor = -1 })

enum dead_letter_file_condition {
    DEAD_LETTER_FILE_TAKEN = 1, /* another process writes it */
};

/*
 * Open `path` for appending, or make it, for its owner alone, so that it is
 * there also after a crash of the machine. Returns 0, DEAD_LETTER_FILE_TAKEN, or
 * a negative errno with its sentence, which says what is wrong with the path.
 * Legal to close after any result.
 */
int dead_letter_file_open(const char *path, struct dead_letter_file *file);
void dead_letter_file_close(struct dead_letter_file *file);

/*
 * Append whole lines and wait until they are on the disk. Returns 0, or a
 * negative errno, after which the file is as it was, as far as the disk allows.
 */
int dead_letter_file_append(struct dead_letter_file *file, struct bytes lines);
